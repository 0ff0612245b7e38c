#include "jailer/loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS_MAX = 32 };

int loop_open(struct loop *loop)
{
	sigset_t child;
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL);
	loop->queue = epoll_create1(EPOLL_CLOEXEC);
	loop->children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	return loop->queue < 0 || loop->children < 0 ? -1 : loop_watch(loop, loop->children);
}

int loop_watch(const struct loop *loop, int fd)
{
	struct epoll_event want = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(loop->queue, EPOLL_CTL_ADD, fd, &want);
}

void loop_watch_room(const struct loop *loop, int fd, bool on)
{
	struct epoll_event want = {.events = EPOLLIN | (on ? EPOLLOUT : 0U), .data.fd = fd};
	(void)epoll_ctl(loop->queue, EPOLL_CTL_MOD, fd, &want);
}

/* SIGCHLD tells of all of them. */
void loop_child(const struct loop *loop, pid_t pid)
{
	(void)loop;
	(void)pid;
}

static struct loop_event event_of(const struct loop *loop, const struct epoll_event *e)
{
	struct signalfd_siginfo info[8];
	if (e->data.fd == loop->children) {
		(void)!read(loop->children, info, sizeof(info));
		return (struct loop_event){.fd = -1, .what = LOOP_CHILDREN};
	}
	return (struct loop_event){.fd = e->data.fd,
		.what = ((e->events & EPOLLOUT) != 0 ? LOOP_WRITE : 0U) |
			((e->events & ~(unsigned)EPOLLOUT) != 0 ? LOOP_READ : 0U)};
}

int loop_wait(const struct loop *loop, struct loop_event *events, int max)
{
	struct epoll_event came[EVENTS_MAX];
	int count = epoll_wait(loop->queue, came, max < EVENTS_MAX ? max : EVENTS_MAX, -1);
	for (int i = 0; i < count; i++)
		events[i] = event_of(loop, &came[i]);
	return count;
}

pid_t loop_reap(int *status)
{
	const pid_t pid = waitpid(-1, status, WNOHANG);
	return pid > 0 ? pid : 0;
}
