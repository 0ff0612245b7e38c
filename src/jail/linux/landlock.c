/*
 * landlock: a second wall behind the mounts, for execution jails: files are written below /tmp and
 * to the devices, and that is all; no TCP where it has no address; no abstract sockets or signals
 * out of the jail. Made once for a slot, in its namespaces; entering it is one system call. Where
 * the kernel has none, or an older one, what it lacks is left out: the namespaces and the filter
 * stand by themselves. landlock(7).
 */

#include "jail/linux/linux.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

/* What headers of older systems lack (Documentation/userspace-api/landlock.rst). */
enum {
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	NET_TCP = 3,
	SCOPE_ALL = 3
};

struct ruleset {
	uint64_t fs, net, scoped;
};

/* By ABI version: how much of the struct, and which rights, the kernel knows. */
static size_t ruleset_fit(struct ruleset *r, long version)
{
	/* Not reading and running: all in the root may be read, and the artifact, which must be
	 * both, lies outside of it. */
	r->fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	r->fs &= ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
			     LANDLOCK_ACCESS_FS_READ_DIR);
	r->fs |= version >= 2 ? FS_REFER : 0;
	r->fs |= version >= 3 ? FS_TRUNCATE : 0;
	r->fs |= version >= 5 ? FS_IOCTL_DEV : 0;
	r->net = version >= 4 ? NET_TCP : 0;
	r->scoped = version >= 6 ? SCOPE_ALL : 0;
	return version >= 6 ? sizeof(*r) : version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static int rule_add(int ruleset, const char *path, uint64_t rights)
{
	defer_close int at = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = at};
	if (at < 0)
		return -1;
	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

int landlock_make(bool tcp)
{
	struct ruleset r;
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1) {
		errno = ENOSYS;
		return -1;
	}
	size_t size = ruleset_fit(&r, version);
	if (tcp)
		r.net = 0;
	defer_close int ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	const uint64_t nodes = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK;
	if (ruleset < 0 ||
		rule_add(ruleset, "/dev", r.fs & (LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)) <
			0 ||
		rule_add(ruleset, "/tmp", r.fs & ~nodes) < 0)
		return -1;
	return defer_take(&ruleset);
}

int landlock_enter(int ruleset)
{
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
