#pragma once

/* door: the socket by which a prepared jail waits for its program, the same on every platform. A
 * start is one message of descriptors: those that are not -1, in order, the program's last. */

#include "jail/jail.h"

/* The inner end lies below JAIL_FDS_LOW and the outer one does not, as far as the limits allow.
 * 0, or -1 and errno. */
int door_make(struct jail_door *door);
void door_close(const struct jail_door *door);
/* For jail_runner's start. */
int door_give(const struct jail_door *door, const int fds[JAIL_FDS]);
/* Waits at the inner end for what is given: how many came, or -1 and errno (ECONNRESET: the outer
 * end was closed). None of them lies where one is placed, below JAIL_FDS; what is open there is of
 * no more use. Async-signal-safe. */
int door_take(int inside, int fds[JAIL_FDS]);
/* What the program of a jail of this kind is called with. Async-signal-safe. */
char *const *door_argv(enum jail_kind kind);
