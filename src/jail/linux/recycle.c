/*
 * When may a slot have another jail? Only when it is proved to be as it was made; any doubt, and it is thrown away and made
 * anew. What is left of a jail once its pid namespace is empty, and why the next cannot see it:
 *
 *   processes, ipc, uts, pids   ended with their namespaces, which are new for each jail
 *   mounts, net, the root       could not be changed: no capability in the namespaces' owner, a filter without mount and
 *                               netlink, a read-only root
 *   /tmp                        nothing in it, and its own root untouched since it was made: any file made or removed, any
 *                               change of its mode, owner or attributes leaves a time on it
 *   keyrings, xattrs            no system call for them in the filter
 *   control groups              no process in them, the charge within USAGE_MAX
 */

#include "jail/linux/linux.h"

#include <sys/stat.h>
#include <sys/statfs.h>

/* A slot in which a Go program ran keeps up to this in per-cpu batches and shared pages (measured: 0.1 to 0.6 MiB). */
enum { USAGE_MAX = 2 << 20 };

/* tmpfs gives its root all three times at its birth, and a change sets at least the last. */
static bool tmp_is_untouched(int tmp)
{
	struct statfs fs;
	struct stat root;
	if (tmp < 0 || fstatfs(tmp, &fs) < 0 || fstat(tmp, &root) < 0)
		return false;
	return fs.f_files - fs.f_ffree == 1 && fs.f_bfree == fs.f_blocks && (root.st_mode & 07777) == 0700 &&
	       root.st_atim.tv_sec == root.st_ctim.tv_sec && root.st_atim.tv_nsec == root.st_ctim.tv_nsec &&
	       root.st_mtim.tv_sec == root.st_ctim.tv_sec && root.st_mtim.tv_nsec == root.st_ctim.tv_nsec;
}

bool slot_recycle(const struct jail_plan *plan, const struct jail_parts *parts)
{
	if (plan->proc) /* mounted for the pid namespace that is gone */
		return false;
	if (!tmp_is_untouched(parts->fd[PART_TMP]))
		return false;
	if (linux_cgroups.version == 0)
		return true;
	return cgroup_oom_kills(parts->fd[PART_OOM]) == 0 && cgroup_usage(parts->fd[PART_USAGE]) <= USAGE_MAX;
}
