#pragma once

/*
 * params: the pairs of a name and a value that jail_set(2), jail_get(2) and nmount(2) take, with the
 * types they insist on: names and texts have their NUL in the length, an int is exactly an int, a
 * boolean has no value at all. Texts and room are the caller's and must live as long; more pairs
 * than there is room for abort.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { PARAMS_MAX = 40, PARAMS_WORDS = 2048, PARAMS_WHY = 256 };

struct params {
	struct iovec iov[2 * PARAMS_MAX];
	unsigned count; /* of iov: twice that of pairs */
	int number[PARAMS_MAX];
	char words[PARAMS_WORDS]; /* names, and addresses, made here */
	size_t words_len;
	char why[PARAMS_WHY]; /* the kernel's own words, once params_why was called */
};

void params_text(struct params *p, const char *name, const char *value);
void params_int(struct params *p, const char *name, int value);
/* A decimal or octal number as text, which is what nmount(2) takes. */
void params_number(struct params *p, const char *name, const char *format, uint64_t value);
/* "allow.mount", false: as "allow.nomount". */
void params_bool(struct params *p, const char *name, bool on);
/* Of host byte order, put as the kernel wants them. */
void params_addresses(struct params *p, const char *name, const uint32_t *addresses, size_t count);
/* Where jail_get puts an answer. */
void params_room(struct params *p, const char *name, void *room, size_t size);
/* Asks for words beside an errno: zeroed and not empty. */
void params_why(struct params *p);
