/*
 * The mount namespace that those of execution slots are copies of: the base root with its devices,
 * read-only, and nothing of the host besides. A helper makes one of its own when it makes its first
 * slot, and steps into it to clone a maker there.
 */

#include "jail/linux/linux.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

static int host = -1;     /* the mount namespace of the helper: the host's mounts */
static int template = -1; /* the other, once it is complete */

/* Who came into a user namespace may not come back to the mount namespace it brought along: a copy
 * of that, which what is mounted on the host later reaches too. */
static int host_make(struct fault *f)
{
	if (unshare(CLONE_NEWNS) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "unshare the mount namespace");
	host = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return host < 0 ? fault_set(f, FAULT_PLATFORM, errno, "open /proc/self/ns/mnt") : 0;
}

/* The namespace is opened while the host's /proc can still be seen. */
static int template_make(const struct jail_plan *plan, struct fault *f)
{
	const char *step = "template";
	if (unshare(CLONE_NEWNS) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "unshare the mount namespace");
	defer_close int made = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (made < 0 || root_template(plan, &step) < 0) {
		(void)fault_set(f, FAULT_PLATFORM, errno, "%s", step);
		template_leave();
		return -1;
	}
	template = defer_take(&made);
	return 0;
}

int template_enter(const struct jail_plan *plan, struct fault *f)
{
	if (host < 0 && host_make(f) < 0)
		return -1;
	if (template <0)
		return template_make(plan, f);
	if (setns(template, CLONE_NEWNS) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "enter the template of roots");
	return 0;
}

void template_leave(void)
{
	if (setns(host, CLONE_NEWNS) < 0)
		_exit(1); /* a helper that cannot see the host is of no use: another is started */
}
