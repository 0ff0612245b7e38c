/* The jailer's part of the backend, and what prepare hands to it. */

#include "jail/linux/linux.h"

#include "jail/door.h"

#include <stdlib.h>
#include <string.h>

struct cgroups linux_cgroups;
struct sock_fprog linux_filters[JAIL_KINDS];

/* The version of the control groups, whose files come with each slot, and the filters. */
static void runner_give(struct buf *out)
{
	buf_put_u32(out, (uint32_t)linux_cgroups.version);
	for (int kind = 0; kind < JAIL_KINDS; kind++) {
		const struct sock_fprog *program = &linux_filters[kind];
		buf_put_u32(out, program->len);
		buf_append(out, program->filter, program->len * sizeof(*program->filter));
	}
}

static bool take_u32(const char **at, const char *end, uint32_t *value)
{
	if (end - *at < (ptrdiff_t)sizeof(*value))
		return false;
	memcpy(value, *at, sizeof(*value));
	*at += sizeof(*value);
	return true;
}

static int runner_take(const void *bytes, size_t len)
{
	const char *at = bytes;
	const char *end = at + len;
	uint32_t number;
	if (!take_u32(&at, end, &number) || number > 2)
		return -1;
	linux_cgroups.version = (int)number;
	linux_cgroups.trees = number == 1 ? CGROUP_TREES : number == 2 ? 1 : 0;
	for (int kind = 0; kind < JAIL_KINDS; kind++) {
		struct sock_fprog *program = &linux_filters[kind];
		if (!take_u32(&at, end, &number) || number == 0 || number > BPF_MAXINSNS)
			return -1;
		const size_t size = number * sizeof(*program->filter);
		if ((size_t)(end - at) < size)
			return -1;
		program->len = (unsigned short)number;
		program->filter = mem_alloc(size);
		memcpy(program->filter, at, size);
		at += size;
	}
	return at == end ? 0 : -1;
}

static bool linux_out_of_memory(const struct jail_parts *parts)
{
	return parts->fd[PART_OOM] >= 0 && cgroup_oom_kills(parts->fd[PART_OOM]) > 0;
}

static int linux_listener(const struct jail_parts *parts)
{
	return parts->fd[PART_LISTENER];
}

static void jail_rest(const struct jail_parts *parts, bool rests)
{
	cgroup_idle(parts->fd[PART_IDLE], rests);
}

static const struct jail_runner runner = {
	.give = runner_give,
	.take = runner_take,
	.prepare = stub_prepare,
	.start = door_give,
	.out_of_memory = linux_out_of_memory,
	.recycle = slot_recycle,
	.rest = jail_rest,
	.listener = linux_listener,
};

const struct jail_runner *const jail_runner = &runner;
