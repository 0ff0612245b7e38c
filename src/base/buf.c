#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

void buf_limit(struct buf *b, size_t limit)
{
	b->limit = limit;
}

char *buf_reserve(struct buf *b, size_t more)
{
	if (more > SIZE_MAX / 2 - b->len)
		abort();
	size_t need = b->len + more + 1;
	if (need > b->cap) {
		size_t cap = b->cap < 64 ? 64 : b->cap;
		while (cap < need)
			cap *= 2;
		b->data = or_abort(realloc(b->data, cap));
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
	if (b->limit != 0 && (len > b->limit || b->len > b->limit - len))
		return;
	char *to = buf_reserve(b, len);
	if (len > 0)
		memcpy(to, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	char *text = mem_vprintf(format, ap);
	va_end(ap);
	buf_puts(b, text);
	free(text);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
	unsigned char bytes[2] = {(unsigned char)v, (unsigned char)(v >> 8)};
	buf_append(b, bytes, sizeof(bytes));
}

void buf_put_u32(struct buf *b, uint32_t v)
{
	buf_put_u16(b, (uint16_t)v);
	buf_put_u16(b, (uint16_t)(v >> 16));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	buf_put_u32(b, (uint32_t)v);
	buf_put_u32(b, (uint32_t)(v >> 32));
}

size_t decimal_put(char to[DECIMAL_MAX], uint64_t value, unsigned decimals)
{
	char digits[DECIMAL_MAX];
	size_t at = sizeof(digits);
	do {
		if (decimals > 0 && sizeof(digits) - at == decimals)
			digits[--at] = '.';
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0 || sizeof(digits) - at <= decimals);
	memcpy(to, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

void buf_put_decimal(struct buf *b, uint64_t value, unsigned decimals)
{
	char text[DECIMAL_MAX];
	buf_append(b, text, decimal_put(text, value, decimals));
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_clear(b);
		return;
	}
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void buf_finish(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

void *mem_alloc(size_t size)
{
	return or_abort(malloc(size == 0 ? 1 : size));
}

void *mem_zero(size_t count, size_t size)
{
	return or_abort(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

char *mem_strdup(const char *text)
{
	return or_abort(strdup(text));
}

char *mem_strndup(const char *text, size_t len)
{
	return or_abort(strndup(text, len));
}

char *mem_vprintf(const char *format, va_list ap)
{
	char *text = NULL;
	if (vasprintf(&text, format, ap) < 0)
		abort();
	return text;
}

char *mem_printf(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	char *text = mem_vprintf(format, ap);
	va_end(ap);
	return text;
}
