/* The jailer's part of the backend, and what prepare hands to it. Compiled, linked, model-tested;
 * not yet run on FreeBSD. */

#include "jail/freebsd/freebsd.h"

#include "jail/door.h"

#include <string.h>

struct freebsd_facts freebsd_facts;

static void runner_give(struct buf *out)
{
	buf_put_u32(out, freebsd_facts.uid_base);
	buf_put_u32(out, freebsd_facts.racct);
}

static int runner_take(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint32_t number[2] = {0};
	if (len != 8)
		return -1;
	for (unsigned i = 0; i < 8; i++) /* as buf_put_u32 puts them */
		number[i / 4] |= (uint32_t)at[i] << (i % 4 * 8);
	if (number[1] > 1)
		return -1;
	freebsd_facts = (struct freebsd_facts){.uid_base = number[0], .racct = number[1] != 0};
	return 0;
}

/* No counter of the kernel tells: the stub does (jail_end.starved). */
static bool freebsd_out_of_memory(const struct jail_parts *parts)
{
	(void)parts;
	return false;
}

/* What a program may have left in its jail cannot be shown to be nothing: each call gets another. */
static bool freebsd_recycle(const struct jail_plan *plan, const struct jail_parts *parts)
{
	(void)plan;
	(void)parts;
	return false;
}

static void freebsd_rest(const struct jail_parts *parts, bool rests)
{
	(void)parts;
	(void)rests;
}

static int freebsd_listener(const struct jail_parts *parts)
{
	return parts->fd[PART_LISTENER];
}

static uint64_t freebsd_jid(const struct jail_parts *parts)
{
	return parts->mark;
}

static const struct jail_runner runner = {
	.give = runner_give,
	.take = runner_take,
	.prepare = stub_prepare,
	.start = door_give,
	.out_of_memory = freebsd_out_of_memory,
	.recycle = freebsd_recycle,
	.rest = freebsd_rest,
	.listener = freebsd_listener,
	.jid = freebsd_jid,
};

const struct jail_runner *const jail_runner = &runner;
