#pragma once

/*
 * cgroup: what a slot may use, by control groups: version 2 where its controllers are, else version
 * 1 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/). Our groups live below the one the
 * supervisor was started in, so that limits on it hold; those of others are never touched. On
 * version 2 a group that has other processes too, such as a login's, can hand nothing down, and
 * ours lie below the topmost instead. Where there is none we may write to, version is 0 and rlimits
 * stand in (stub.c).
 */

#include "jail/jail.h"

enum { CGROUP_TREES = 3 }; /* v1: memory, pids, cpu; v2: one */

struct cgroups {
	int version;    /* 0, 1 or 2 */
	unsigned trees; /* parents in use */
	char parent[CGROUP_TREES][512];
	char home[512]; /* v2: where the supervisor itself was moved to */
	bool handed;    /* v2: the group above hands controllers down because we said so */
	bool found;     /* ours were there already: a running server's, perhaps */
};

/* Finds the host's version and makes our parent groups, named for the instance. Never fails:
 * version 0. `why` says why. */
void cgroup_prepare(struct cgroups *groups, const char *instance, char *why, size_t why_size);
/* Finds where they would be, without making them. */
void cgroup_find(struct cgroups *groups, const char *instance);
/* Notes in the file where ours are, and reads it again: whoever looks or cleans later may be in
 * another group than we are. */
int cgroup_save(const struct cgroups *groups, const char *path, struct fault *f);
int cgroup_load(struct cgroups *groups, const char *path);
/* Kills what is in groups of slots, whatever their number, and removes them and the parents. */
void cgroup_clear(const struct cgroups *groups);
/* Removes the parents, which have to be empty but for the caller. */
void cgroup_finish(struct cgroups *groups);

/* Descriptors of a slot's groups: what a process enters by (trees of them), the file that counts
 * kills for want of memory, the one that tells what is charged, the one that makes the group idle
 * (-1 where the kernel cannot). */
struct cgroup_files {
	int *enter, *oom, *usage, *idle;
};

/* Makes the groups of a slot with its limits, and opens their files. */
int cgroup_make(const struct cgroups *groups, unsigned slot, const struct jail_limits *limits,
	const struct cgroup_files *files, struct fault *f);
/* Kills what is in the slot's groups and removes them; missing ones are fine. */
int cgroup_unmake(const struct cgroups *groups, unsigned slot, struct fault *f);
/* v1: the calling process enters. v2 enters by clone3(CLONE_INTO_CGROUP). -1 and errno.
 * Async-signal-safe. */
int cgroup_enter(const struct cgroups *groups, const int fd[CGROUP_TREES]);
/* Kills for want of memory counted by the file. */
unsigned long cgroup_oom_kills(int oom);
/* In an idle group processes get the cpu only while no other group of slots wants it (cpu.idle). */
void cgroup_idle(int idle, bool on);
/* Bytes charged; UINT64_MAX where it cannot be read. */
uint64_t cgroup_usage(int usage);
/* Groups of slots that exist now. */
unsigned cgroup_count(const struct cgroups *groups);
