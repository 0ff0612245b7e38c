#pragma once

/*
 * A model of kqueue(2) for what the jailer's loop does with it, as strict as the manual: a filter
 * that is not there cannot be deleted, a descriptor or process must be, EV_ONESHOT goes with its
 * event, a process that has ended and was not waited for is told of at once. Numbers are those of
 * FreeBSD's header. One queue; kqueue.c.
 */

#include <stdint.h>
#include <time.h>

enum { EVFILT_READ = -1, EVFILT_WRITE = -2, EVFILT_PROC = -5, EVFILT_USER = -11 };
enum { EV_ADD = 0x1, EV_DELETE = 0x2, EV_ONESHOT = 0x10, EV_CLEAR = 0x20 };
#define NOTE_TRIGGER 0x01000000U
#define NOTE_EXIT    0x80000000U

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned fflags;
	int64_t data;
	void *udata;
	uint64_t ext[4];
};

#define EV_SET(at, i, f, fl, ff, d, u)                                                             \
	(*(at) = (struct kevent){.ident = (i),                                                     \
		 .filter = (f),                                                                    \
		 .flags = (fl),                                                                    \
		 .fflags = (ff),                                                                   \
		 .data = (d),                                                                      \
		 .udata = (u)})

int kqueue(void);
int kevent(int queue, const struct kevent *changes, int changes_count, struct kevent *events,
	int events_count, const struct timespec *timeout);

/* ---- for tests ---- */

/* This call of kqueue or kevent fails, counted from now; 0: none. */
void kqueue_fail(unsigned at, int error);
unsigned kqueue_filters(void); /* there now, but for EVFILT_USER */
