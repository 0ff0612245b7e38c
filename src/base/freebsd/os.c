/* What base/os.h promises, by FreeBSD's system calls. FreeBSD's part is compiled, linked,
 * model-tested; not yet run on FreeBSD. This file itself is compiled and linked only: no model runs
 * it. */

#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/param.h>
#include <sys/cpuset.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/procctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void control(int command, int value)
{
	(void)procctl(P_PID, 0, command, &value);
}

void os_end_with_parent(int signal)
{
	control(PROC_PDEATHSIG_CTL, signal);
}

void os_no_new_privileges(void)
{
	control(PROC_NO_NEW_PRIVS_CTL, PROC_NO_NEW_PRIVS_ENABLE);
}

void os_no_tracing(void)
{
	control(PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE);
}

void os_name(const char *name)
{
	setproctitle("-%s", name);
}

int os_close_from(int first)
{
	closefrom(first);
	return 0;
}

int os_pin(unsigned cpu)
{
	cpuset_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return cpuset_setaffinity(CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, sizeof(set), &set);
}

/* A reaper stays the parent of whatever the program leaves behind, and can end it. */
void os_apart(void)
{
	struct procctl_reaper_kill all = {.rk_sig = SIGKILL};
	int status = 0;
	if (procctl(P_PID, 0, PROC_REAP_ACQUIRE, NULL) < 0)
		return;
	pid_t first = fork();
	if (first == 0) {
		os_end_with_parent(SIGKILL);
		return;
	}
	while (first > 0 && waitpid(first, &status, 0) < 0 && errno == EINTR)
		;
	(void)procctl(P_PID, 0, PROC_REAP_KILL, &all);
	if (first > 0 && WIFSIGNALED(status))
		(void)raise(WTERMSIG(status));
	_exit(first > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

bool os_leads_jail(pid_t pid, const char *instance)
{
	(void)pid;
	(void)instance;
	return false;
}

bool os_message_ends(int flags)
{
	return (flags & MSG_EOR) != 0;
}

void os_keep_from_children(const void *at, size_t len)
{
	(void)minherit((void *)(uintptr_t)at, len, INHERIT_NONE);
}

/* No link is followed out of `dir`, and what is mounted has a file system of its own. */
int os_directory_open(int dir, const char *name)
{
	struct statfs above;
	struct statfs here;
	int fd = openat(
		dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RESOLVE_BENEATH);
	if (fd < 0)
		return -1;
	if (fstatfs(dir, &above) == 0 && fstatfs(fd, &here) == 0) {
		if (memcmp(&above.f_fsid, &here.f_fsid, sizeof(here.f_fsid)) == 0)
			return fd;
		errno = EXDEV;
	}
	const int error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

void os_heap_shared(void)
{
}
