#pragma once

/*
 * os: what Linux and FreeBSD both have, each under a name of its own. linux/ and freebsd/ hold the
 * two; the build takes one of them. What POSIX has is not here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* ---- processes ---- */

/* The calling process gets the signal when the one that forked it ends. A change of uid may take
 * that away again. */
void os_end_with_parent(int signal);
/* Set-uid programs give it and its children no rights. */
void os_no_new_privileges(void);
/* Nobody of the same uid may look into it, or have it write a core. */
void os_no_tracing(void);
/* What ps shows. */
void os_name(const char *name);
/* Closes all descriptors from this one on. */
int os_close_from(int first);
/* Keeps the process, and what it forks, on one cpu. */
int os_pin(unsigned cpu);
/* Returns in a child of the caller's, which the program is to become: whatever that starts ends
 * with it. The caller stays, passes on how it ended, and ends as it did. Where the host does not
 * let us, it returns in the caller. */
void os_apart(void);
/* Whether a process is the first of a jail that the instance of this name has made: for
 * pids that may have been used for something else since. FreeBSD: never, its jails are ended by
 * their own names. */
bool os_leads_jail(pid_t pid, const char *instance);

/* ---- sockets ---- */

/* Whether what recvmsg brought, by its msg_flags, ends a message of SOCK_SEQPACKET. FreeBSD from
 * 15.0 on may bring one in parts; Linux never does. */
bool os_message_ends(int flags);

/* ---- memory, files ---- */

/* Children do without these pages. */
void os_keep_from_children(const void *at, size_t len);
/* The directory `name` of `dir` for reading, following no link. -1 and errno: EXDEV where
 * something is mounted there. */
int os_directory_open(int dir, const char *name);
/* All threads share one heap, where each would keep for good what it once needed. Before there are
 * threads. FreeBSD, musl: theirs gives back by itself. */
void os_heap_shared(void);
