/* Pairs for jail_set(2) and nmount(2). Compiled, linked, model-tested; not yet run on FreeBSD. */

#include "base/freebsd/params.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pair_put(struct params *p, const char *name, const void *value, size_t size)
{
	if (p->count + 2 > 2 * PARAMS_MAX)
		abort();
	p->iov[p->count++] =
		(struct iovec){.iov_base = (void *)(uintptr_t)name, .iov_len = strlen(name) + 1};
	p->iov[p->count++] = (struct iovec){.iov_base = (void *)(uintptr_t)value, .iov_len = size};
}

/* Room in words, aligned for addresses. */
static char *words_take(struct params *p, size_t size)
{
	const size_t at = (p->words_len + 3) & ~(size_t)3;
	if (size > sizeof(p->words) - at)
		abort();
	p->words_len = at + size;
	return p->words + at;
}

void params_text(struct params *p, const char *name, const char *value)
{
	pair_put(p, name, value, strlen(value) + 1);
}

void params_int(struct params *p, const char *name, int value)
{
	int *number = &p->number[p->count / 2];
	pair_put(p, name, number, sizeof(*number));
	*number = value;
}

void params_number(struct params *p, const char *name, const char *format, uint64_t value)
{
	char text[32];
	const int len = snprintf(text, sizeof(text), format, (unsigned long long)value);
	char *kept = words_take(p, (size_t)len + 1);
	memcpy(kept, text, (size_t)len + 1);
	params_text(p, name, kept);
}

void params_bool(struct params *p, const char *name, bool on)
{
	const char *dot = strrchr(name, '.');
	const size_t before = dot != NULL ? (size_t)(dot + 1 - name) : 0;
	if (on) {
		pair_put(p, name, NULL, 0);
		return;
	}
	const size_t size = strlen(name) + 3;
	char *no = words_take(p, size);
	(void)snprintf(no, size, "%.*sno%s", (int)before, name, name + before);
	pair_put(p, no, NULL, 0);
}

void params_addresses(struct params *p, const char *name, const uint32_t *addresses, size_t count)
{
	char *packed = words_take(p, count * sizeof(*addresses));
	for (size_t i = 0; i < count; i++) {
		const uint32_t network = htonl(addresses[i]);
		memcpy(packed + i * sizeof(network), &network, sizeof(network));
	}
	pair_put(p, name, packed, count * sizeof(*addresses));
}

void params_room(struct params *p, const char *name, void *room, size_t size)
{
	memset(room, 0, size);
	pair_put(p, name, room, size);
}

void params_why(struct params *p)
{
	params_room(p, "errmsg", p->why, sizeof(p->why));
}
