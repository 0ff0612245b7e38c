#include <sys/event.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILTERS_MAX = 64, QUEUE = 1000, TURNS = 20000 };

static struct filter {
	bool there, triggered;
	struct kevent is;
} filters[FILTERS_MAX];
static unsigned fails_at;
static int fails_with;

void kqueue_fail(unsigned at, int error)
{
	fails_at = at;
	fails_with = error;
}

unsigned kqueue_filters(void)
{
	unsigned count = 0;
	for (int i = 0; i < FILTERS_MAX; i++)
		count += filters[i].there && filters[i].is.filter != EVFILT_USER;
	return count;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static bool fails(void)
{
	return fails_at > 0 && --fails_at == 0;
}

int kqueue(void)
{
	if (fails())
		return refuse(fails_with);
	memset(filters, 0, sizeof(filters));
	return QUEUE;
}

/* ---- changes ---- */

static struct filter *filter_find(const struct kevent *change)
{
	for (int i = 0; i < FILTERS_MAX; i++) {
		if (filters[i].there && filters[i].is.filter == change->filter &&
			filters[i].is.ident == change->ident)
			return &filters[i];
	}
	return NULL;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

/* 0 or an errno. */
static int change_fits(const struct kevent *change)
{
	siginfo_t info;
	switch (change->filter) {
	case EVFILT_USER:
		return 0;
	case EVFILT_PROC:
		if ((change->fflags & ~NOTE_EXIT) != 0)
			return EINVAL;
		return waitid(P_PID, (id_t)change->ident, &info, WEXITED | WNOHANG | WNOWAIT) < 0
			       ? ESRCH
			       : 0;
	case EVFILT_READ:
	case EVFILT_WRITE:
		return fcntl((int)change->ident, F_GETFD) < 0 ? EBADF : 0;
	default:
		return EINVAL;
	}
}

static int filter_add(const struct kevent *change)
{
	const int error = change_fits(change);
	if (error != 0)
		return error;
	for (int i = 0; i < FILTERS_MAX; i++) {
		if (filters[i].there)
			continue;
		filters[i] = (struct filter){.there = true, .is = *change};
		return 0;
	}
	return ENOMEM;
}

/* 0 or an errno. */
static int change_apply(const struct kevent *change)
{
	struct filter *known = filter_find(change);
	if ((change->flags & ~(EV_ADD | EV_DELETE | EV_ONESHOT | EV_CLEAR)) != 0)
		return EINVAL;
	if (known == NULL)
		return (change->flags & EV_ADD) != 0 ? filter_add(change) : ENOENT;
	if ((change->flags & EV_DELETE) != 0)
		known->there = false;
	else if (change->filter == EVFILT_USER && (change->fflags & NOTE_TRIGGER) != 0)
		known->triggered = true;
	return 0;
}

/* ---- events ---- */

static bool is_ready(const struct filter *filter)
{
	if (filter->is.filter == EVFILT_USER)
		return filter->triggered;
	if (filter->is.filter == EVFILT_PROC)
		return has_ended((pid_t)filter->is.ident);
	struct pollfd p = {.fd = (int)filter->is.ident,
		.events = filter->is.filter == EVFILT_READ ? POLLIN : POLLOUT};
	return poll(&p, 1, 0) == 1 && (p.revents & (p.events | POLLHUP)) != 0;
}

static int events_take(struct kevent *events, int most)
{
	int count = 0;
	for (int i = 0; i < FILTERS_MAX && count < most; i++) {
		if (!filters[i].there || !is_ready(&filters[i]))
			continue;
		events[count++] = filters[i].is;
		if ((filters[i].is.flags & EV_ONESHOT) != 0)
			filters[i].there = false;
		if ((filters[i].is.flags & EV_CLEAR) != 0)
			filters[i].triggered = false;
	}
	return count;
}

/* Who waits for what never comes has failed. */
int kevent(int queue, const struct kevent *changes, int changes_count, struct kevent *events,
	int events_count, const struct timespec *timeout)
{
	if (fails())
		return refuse(fails_with);
	if (queue != QUEUE || timeout != NULL)
		return refuse(queue != QUEUE ? EBADF : EINVAL);
	for (int i = 0; i < changes_count; i++) {
		const int error = change_apply(&changes[i]);
		if (error != 0)
			return refuse(error);
	}
	for (int turn = 0; events_count > 0 && turn < TURNS; turn++) {
		const int count = events_take(events, events_count);
		if (count > 0)
			return count;
		(void)usleep(1000);
	}
	if (events_count > 0)
		abort();
	return 0;
}
