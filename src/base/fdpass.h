#pragma once

/*
 * fdpass: whole messages with descriptors over SOCK_SEQPACKET (unix(7), SCM_RIGHTS). Received
 * descriptors are O_CLOEXEC. A message that arrives cut, or with more descriptors than asked for,
 * is an error and leaves none open; where descriptors are missing because we may have no more, that
 * is EMFILE, and the data is whole.
 */

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { FDPASS_MAX = 16 };

/* Two ends of which either takes a message of 128 KiB. 0, or -1 and errno. */
int fdpass_pair(int pair[2]);
/* 0, or -1 and errno (EAGAIN on a full non-blocking socket). fds with -1 are not allowed. */
int fdpass_send(int to, const void *data, size_t len, const int *fds, unsigned count);
/* Bytes received (0: the other end closed), or -1 and errno. *count is capacity before and number
 * after. */
ssize_t fdpass_receive(int from, void *data, size_t size, int *fds, unsigned *count);
/* Closes all descriptors that came with a message. */
void fdpass_close(struct msghdr *message);
