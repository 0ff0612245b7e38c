/*
 * When may a slot have another jail? Only when it is proved to be as it was made; any doubt, and it
 * is thrown away and made anew. What is left of a jail once its pid namespace is empty, and why the
 * next cannot see it:
 *
 *   processes, ipc, uts, pids   ended with their namespaces, which are new for each jail
 *   mounts, net, the root       could not be changed: no capability in the namespaces' owner, a
 *                               filter without mount and netlink, a read-only root
 *   /tmp                        nothing in it, and its own root unchanged since it was made, by the
 *                               one time that no program can set (ctime)
 *   keyrings, xattrs            no system call for them in the filter
 *   control groups              no process in them, the charge within USAGE_MAX
 */

#include "jail/linux/linux.h"

#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

/* A slot in which a Go program ran keeps up to this in per-cpu batches and shared pages (measured:
 * 0.1 to 0.6 MiB). */
enum { USAGE_MAX = 2 << 20 };

/* When the root of /tmp last changed in any way; no program can set this time. */
static uint64_t tmp_changed(int tmp)
{
	struct stat root;
	return fstat(tmp, &root) < 0 ? 0
				     : (uint64_t)root.st_ctim.tv_sec * 1000000000U +
					       (uint64_t)root.st_ctim.tv_nsec;
}

int slot_mark(struct jail_parts *parts)
{
	/* File times come from a coarse clock: wait until it has gone on, so that every later
	 * change leaves another time. */
	parts->mark = tmp_changed(parts->fd[PART_TMP]);
	for (int tries = 0; tries < 1000 && parts->mark != 0; tries++) {
		struct timespec now;
		(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
		if ((uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec > parts->mark)
			return 0;
		(void)nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	return -1;
}

/* Nothing in it, and its root unchanged since it was made: names made and removed, mode, owner,
 * attributes and times alike would have left their time. */
static bool tmp_is_untouched(const struct jail_parts *parts)
{
	struct statfs fs;
	if (parts->fd[PART_TMP] < 0 || fstatfs(parts->fd[PART_TMP], &fs) < 0)
		return false;
	return fs.f_files - fs.f_ffree == 1 && fs.f_bfree == fs.f_blocks && parts->mark != 0 &&
	       tmp_changed(parts->fd[PART_TMP]) == parts->mark;
}

bool slot_recycle(const struct jail_plan *plan, const struct jail_parts *parts)
{
	if (plan->proc) /* mounted for the pid namespace that is gone */
		return false;
	if (!tmp_is_untouched(parts))
		return false;
	if (linux_cgroups.version == 0)
		return true;
	return cgroup_oom_kills(parts->fd[PART_OOM]) == 0 &&
	       cgroup_usage(parts->fd[PART_USAGE]) <= USAGE_MAX;
}
