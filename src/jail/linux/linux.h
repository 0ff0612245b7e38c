#pragma once

/*
 * What the files of the Linux backend share: the shape of a slot, and the calls between its parts.
 *
 *   backend.c  the table of operations; probe, prepare, finish
 *   runner.c   the jailer's part: start, recycle; what the jailer is told of what prepare found
 *   slot.c     create and destroy: cgroups, namespaces, in a helper process
 *   root.c     the mounts of a jail's root, made by a process inside the new namespaces
 *   template.c what the roots of execution slots are copied from
 *   recycle.c  the proof that a slot is as it was
 *   stub.c     prepare, start: the jail's first process, from clone to exec
 *   filter.c   seccomp filters, compiled once (bpf.c writes their programs)
 *   landlock.c the second wall of execution jails
 *   refusal.c  why a host did not let us, and what to do
 *   userns.c   how an ordinary user becomes root of a user namespace
 */

#include "jail/jail.h"
#include "jail/linux/cgroup.h"

#include <linux/filter.h>

/* Indexes into jail_parts.fd. */
enum {
	PART_USER, /* the slot's user namespace, which owns the next three */
	PART_MOUNT,
	PART_NET,
	PART_IPC,   /* exec: other jails have a new one each time */
	PART_ENTER, /* CGROUP_TREES of them */
	PART_OOM = PART_ENTER + CGROUP_TREES,
	PART_LISTENER, /* fetch */
	PART_RULES,    /* exec: a landlock ruleset, where there is landlock */
	PART_TMP,      /* exec: the root of its /tmp */
	PART_USAGE,    /* what its memory group is charged with */
	PART_IDLE,     /* makes its cpu group one that waits for all others, where the kernel can */
	PART_COUNT,
};

enum {
	JAIL_UID = 1000,
	JAIL_CACHE_UID = 1001
}; /* inside every jail, for user and group; the second owns the build cache */

/* Filled by prepare, in the supervisor, before jailers and helpers are started. */
extern struct cgroups linux_cgroups;

/* Seccomp programs by kind; length 0 until filter_prepare. */
extern struct sock_fprog linux_filters[JAIL_KINDS];
int filter_prepare(struct fault *f);

/* A ruleset for the mounts as they stand, with TCP or without; -1 and errno, ENOSYS where the kernel
 * has no landlock. */
int landlock_make(bool tcp);
/* The calling thread and what it becomes; needs no_new_privs. Async-signal-safe. */
int landlock_enter(int ruleset);

/* Makes the root of a jail of this kind from the plan and pivots into it; the caller is alone in a
 * new mount namespace of a new user namespace. On failure *step names what failed and errno says
 * why. */
int root_enter(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
	const char **step);
/* Whether the roots of this kind are copies of one, made in two parts (not where each is a clone of its
 * own): what such roots have in common, in a new mount namespace; what a copy of it has of its own. */
bool root_is_copied(const struct jail_plan *plan, enum jail_kind kind);
int root_template(const struct jail_plan *plan, const char **step);
int root_enter_copy(const struct jail_plan *plan, const char **step);

/* Between them the calling process, a helper, is in the mount namespace of the template, which is made when
 * first entered. */
int template_enter(const struct jail_plan *plan, struct fault *f);
void template_leave(void);

int userns_enter(struct jail_plan *plan, struct fault *f);
/* Whether a line of a uid_map (user_namespaces(7)) holds all of first to last. */
bool userns_maps(const char *map, unsigned long long first, unsigned long long last);

int slot_create(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
	struct jail_parts *parts, struct fault *f);
/* Sets parts->mark from the slot as it is made. */
int slot_mark(struct jail_parts *parts);
bool slot_recycle(const struct jail_plan *plan, const struct jail_parts *parts);
int slot_destroy(const struct jail_plan *plan, unsigned slot, struct fault *f);

pid_t stub_prepare(const struct jail_plan *plan, unsigned slot, enum jail_kind kind,
	const struct jail_parts *parts, struct jail_end *end, struct jail_door *door,
	struct fault *f);

_Static_assert((int)PART_COUNT <= (int)JAIL_PARTS, "a slot has more parts than a message carries");
