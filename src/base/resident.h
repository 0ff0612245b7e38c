#pragma once

/*
 * resident: how much memory the process at the other end of a socket holds, as the kernel says it:
 * the process itself is not asked. Linux: unix(7), SCM_CREDENTIALS; proc(5), statm. FreeBSD:
 * unix(4), LOCAL_CREDS_PERSISTENT; kinfo_proc of sysctl(3).
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { RESIDENT_SENDER_MAX = 128 };

/* From now on what is sent to this end of a socket pair says who sent it. */
void resident_ask(int socket);
/* As read(2), and *pid is the sender's, 0 where that is not known. Descriptors that the sender put in
 * are closed. */
ssize_t resident_read(int socket, void *to, size_t size, pid_t *pid);
/* What a system has of its own of it: the sender that a control message of RESIDENT_SENDER_MAX bytes at
 * most names, 0: it names none. */
pid_t resident_sender(const struct cmsghdr *c);
/* A descriptor that stays the process's own, whatever its pid is used for later; -1: none. */
int resident_open(pid_t pid);
/* Bytes resident; 0: the process is gone. */
uint64_t resident_bytes(int fd);
