/* How much memory a process holds, as the kernel says. FreeBSD's part is compiled, linked,
 * model-tested; not yet run on FreeBSD. This file itself is compiled and linked only: no model runs
 * it. */

#include "base/resident.h"

#include "base/defer.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/un.h>
#include <sys/user.h>
#include <unistd.h>

/* A process by what no other has: none with the same number began at the same time. */
struct process {
	pid_t pid;
	struct timeval began;
};

void resident_ask(int socket)
{
	const int on = 1;
	(void)setsockopt(socket, SOL_LOCAL, LOCAL_CREDS_PERSISTENT, &on, sizeof(on));
}

_Static_assert(
	SOCKCRED2SIZE(CMGROUP_MAX) <= RESIDENT_SENDER_MAX, "it fits where resident_read puts it");

pid_t resident_sender(const struct cmsghdr *c)
{
	struct sockcred2 sender;
	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDS2)
		return 0;
	memcpy(&sender, CMSG_DATA(c), sizeof(sender));
	return sender.sc_pid;
}

static bool look(pid_t pid, struct kinfo_proc *found)
{
	const int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)pid};
	size_t size = sizeof(*found);
	return sysctl(name, sizeof(name) / sizeof(name[0]), found, &size, NULL, 0) == 0 &&
	       size == sizeof(*found);
}

/* The system has no such descriptor that could be read: it is a file with what the process is known
 * by. */
int resident_open(pid_t pid)
{
	struct kinfo_proc found;
	if (pid <= 0 || !look(pid, &found))
		return -1;
	const struct process process = {.pid = pid, .began = found.ki_start};
	defer_close int fd = memfd_create("process", MFD_CLOEXEC);
	if (fd < 0 || write(fd, &process, sizeof(process)) != (ssize_t)sizeof(process))
		return -1;
	return defer_take(&fd);
}

uint64_t resident_bytes(int fd)
{
	struct process process;
	struct kinfo_proc found;
	if (fd < 0 || pread(fd, &process, sizeof(process), 0) != (ssize_t)sizeof(process) ||
		!look(process.pid, &found) || found.ki_start.tv_sec != process.began.tv_sec ||
		found.ki_start.tv_usec != process.began.tv_usec)
		return 0;
	return (uint64_t)found.ki_rssize * (uint64_t)sysconf(_SC_PAGESIZE);
}
