#include "base/os.h"

#include "base/defer.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

void os_end_with_parent(int signal)
{
	(void)prctl(PR_SET_PDEATHSIG, signal);
}

void os_no_new_privileges(void)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void os_no_tracing(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
}

void os_name(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
}

int os_close_from(int first)
{
	return (int)syscall(SYS_close_range, (unsigned)first, ~0U, 0);
}

int os_pin(unsigned cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

/* The first process of a pid namespace runs the program. */
void os_apart(void)
{
	if (unshare(CLONE_NEWPID) < 0)
		return;
	int status = 0;
	pid_t first = fork();
	if (first == 0) {
		os_end_with_parent(SIGKILL);
		return;
	}
	while (first > 0 && waitpid(first, &status, 0) < 0 && errno == EINTR)
		;
	if (first > 0 && WIFSIGNALED(status))
		(void)raise(WTERMSIG(status));
	_exit(first > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

bool os_leads_jail(pid_t pid, const char *instance)
{
	char path[64];
	char named[64];
	char pids[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	(void)snprintf(named, sizeof(named), "Name:\t%s\n", instance);
	(void)snprintf(pids, sizeof(pids), "NSpid:\t%d\t1\n", (int)pid);
	defer_free char *text = fs_read(path, 65536, NULL, NULL);
	return text != NULL && strstr(text, named) != NULL && strstr(text, pids) != NULL;
}

bool os_message_ends(int flags)
{
	(void)flags;
	return true;
}

void os_keep_from_children(const void *at, size_t len)
{
	(void)madvise((void *)(uintptr_t)at, len, MADV_DONTFORK);
}

int os_directory_open(int dir, const char *name)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

void os_heap_shared(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_ARENA_MAX, 1);
#endif
}
