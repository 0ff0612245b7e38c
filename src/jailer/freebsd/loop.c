/*
 * A child that was made by pdfork(2) sends no SIGCHLD, and waiting for any child passes it over:
 * so each is watched by its number, and reaped by it.
 * FreeBSD's part is compiled, linked, model-tested; not yet run on FreeBSD (docs/freebsd.md says
 * what by what).
 */

#include "jailer/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/event.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS_MAX = 32, ENDED_MAX = 4096 };

/* Not reaped yet. There are fewer jails than there is room. */
static pid_t ended[ENDED_MAX];
static unsigned ended_count;

static int change(
	const struct loop *loop, short filter, uintptr_t what, unsigned flags, unsigned more)
{
	struct kevent one;
	EV_SET(&one, what, filter, (unsigned short)flags, more, 0, NULL);
	return kevent(loop->queue, &one, 1, NULL, 0, NULL);
}

/* Children do not have it, and neither has what they become. */
int loop_open(struct loop *loop)
{
	loop->queue = kqueue();
	loop->children = -1;
	return loop->queue < 0 ? -1 : change(loop, EVFILT_USER, 0, EV_ADD | EV_CLEAR, 0);
}

int loop_watch(const struct loop *loop, int fd)
{
	return change(loop, EVFILT_READ, (uintptr_t)fd, EV_ADD, 0);
}

void loop_watch_room(const struct loop *loop, int fd, bool on)
{
	(void)change(loop, EVFILT_WRITE, (uintptr_t)fd, on ? EV_ADD : EV_DELETE, 0);
}

static void ended_add(pid_t pid)
{
	if (ended_count < ENDED_MAX)
		ended[ended_count++] = pid;
}

/* One whose end could not be seen must not live on: the next wait tells of it. */
void loop_child(const struct loop *loop, pid_t pid)
{
	if (change(loop, EVFILT_PROC, (uintptr_t)pid, EV_ADD | EV_ONESHOT, NOTE_EXIT) == 0)
		return;
	(void)kill(pid, SIGKILL);
	ended_add(pid);
	(void)change(loop, EVFILT_USER, 0, 0, NOTE_TRIGGER);
}

int loop_wait(const struct loop *loop, struct loop_event *events, int max)
{
	struct kevent came[EVENTS_MAX];
	bool children = false;
	int count = 0;
	int n = kevent(loop->queue, NULL, 0, came, max < EVENTS_MAX ? max : EVENTS_MAX, NULL);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		if (came[i].filter == EVFILT_PROC)
			ended_add((pid_t)came[i].ident);
		if (came[i].filter == EVFILT_READ || came[i].filter == EVFILT_WRITE)
			events[count++] = (struct loop_event){.fd = (int)came[i].ident,
				.what = came[i].filter == EVFILT_READ ? LOOP_READ : LOOP_WRITE};
		else
			children = true;
	}
	if (children)
		events[count++] = (struct loop_event){.fd = -1, .what = LOOP_CHILDREN};
	return count;
}

/* The kernel tells of an end a moment before the child can be reaped: waiting takes no more than
 * that moment. */
pid_t loop_reap(int *status)
{
	while (ended_count > 0) {
		const pid_t pid = ended[ended_count - 1];
		pid_t got = waitpid(pid, status, 0);
		if (got < 0 && errno == EINTR)
			continue;
		ended_count--;
		if (got == pid)
			return pid;
	}
	return 0;
}
