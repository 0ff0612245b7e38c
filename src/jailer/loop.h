#pragma once

/*
 * loop: what the jailer waits for: descriptors to read, room to write on one of them, and ends of
 * its children. Linux: epoll and a signalfd; FreeBSD: a kqueue.
 */

#include <stdbool.h>
#include <sys/types.h>

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_CHILDREN = 4 };

struct loop {
	int queue;
	int children; /* Linux: a signalfd */
};

struct loop_event {
	int fd; /* -1 with LOOP_CHILDREN */
	unsigned what;
};

/* Children are watched from the start. -1 and errno. */
int loop_open(struct loop *loop);
/* Watches for reading, which the end of the other side is too. -1 and errno. */
int loop_watch(const struct loop *loop, int fd);
/* Watches a descriptor that is watched for reading for room as well, or no longer. */
void loop_watch_room(const struct loop *loop, int fd, bool on);
/* A child was forked, and its end is to be seen. */
void loop_child(const struct loop *loop, pid_t pid);
/* The number of events; -1 and errno (EINTR). At most one says LOOP_CHILDREN: then loop_reap gives
 * each child that has ended, and 0 after the last. */
int loop_wait(const struct loop *loop, struct loop_event *events, int max);
pid_t loop_reap(int *status);
