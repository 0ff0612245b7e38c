#pragma once

/*
 * buf: a growing byte string, always NUL-terminated behind its length. `= {0}` initialises one.
 * A cap set by buf_limit bounds what outsiders can make it hold. Allocations that fail abort.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;   /* NULL while empty; data[len] == 0 otherwise */
	size_t len;   /* bytes */
	size_t cap;   /* bytes allocated */
	size_t limit; /* bytes allowed, what would go past it is dropped whole; 0: no limit */
};

void buf_limit(struct buf *b, size_t limit);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Little-endian, as the driver's frames have them. */
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
/* value / 10^decimals as text, without a NUL; gives its length. */
enum { DECIMAL_MAX = 24 };
size_t decimal_put(char to[DECIMAL_MAX], uint64_t value, unsigned decimals);
void buf_put_decimal(struct buf *b, uint64_t value, unsigned decimals);
/* Makes room for `more` bytes and returns where they go; the caller adds to len. */
char *buf_reserve(struct buf *b, size_t more);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b); /* keeps the memory */
void buf_finish(struct buf *b);

static inline void defer_buf_(struct buf *b)
{
	buf_finish(b);
}
#define defer_buf __attribute__((cleanup(defer_buf_)))

/* malloc, calloc, strdup that abort instead of failing: for small allocations only. */
void *mem_alloc(size_t size);
void *mem_zero(size_t count, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));
