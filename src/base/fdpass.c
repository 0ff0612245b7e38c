#include "base/fdpass.h"

#include "base/os.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REST_MS = 1000 };

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

/* FreeBSD has room for 16 KiB, where nothing more is asked for. */
static int room_make(int fd, int which)
{
	const int needed = 1 << 17;
	const int wanted = 2 * needed;
	int size = 0;
	socklen_t len = sizeof(size);
	if (getsockopt(fd, SOL_SOCKET, which, &size, &len) < 0)
		return -1;
	return size >= needed ? 0 : setsockopt(fd, SOL_SOCKET, which, &wanted, sizeof(wanted));
}

static int rooms_make(int fd)
{
	return room_make(fd, SO_SNDBUF) < 0 ? -1 : room_make(fd, SO_RCVBUF);
}

int fdpass_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	if (rooms_make(pair[0]) == 0 && rooms_make(pair[1]) == 0)
		return 0;
	const int error = errno;
	(void)close(pair[0]);
	(void)close(pair[1]);
	errno = error;
	return -1;
}

/* FreeBSD from 15.0 on takes a part of a message, where there is no room for all of it: the rest
 * follows at once. The other end never waits, so there will be room in no time. */
static int rest_send(int to, const char *data, size_t len)
{
	while (len > 0) {
		struct pollfd room = {.fd = to, .events = POLLOUT};
		if (poll(&room, 1, REST_MS) == 0) {
			errno = EMSGSIZE;
			return -1;
		}
		const ssize_t n = send(to, data, len, MSG_NOSIGNAL | MSG_EOR);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int fdpass_send(int to, const void *data, size_t len, const int *fds, unsigned count)
{
	union control control;
	struct iovec part = {.iov_base = (void *)(size_t)data, .iov_len = len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.space;
		message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		if (c == NULL) {
			errno = EINVAL;
			return -1;
		}
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	ssize_t n;
	do {
		n = sendmsg(to, &message, MSG_NOSIGNAL | MSG_EOR);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : rest_send(to, (const char *)data + n, len - (size_t)n);
}

/* Takes what came into fds; what does not fit is closed, and counted. */
static unsigned control_take(struct msghdr *message, int *fds, unsigned capacity, unsigned *count)
{
	unsigned dropped = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < came; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*count < capacity) {
				fds[(*count)++] = fd;
			} else {
				(void)close(fd);
				dropped++;
			}
		}
	}
	return dropped;
}

void fdpass_close(struct msghdr *message)
{
	unsigned none = 0;
	(void)control_take(message, NULL, 0, &none);
}

/* The rest of a message of which `have` bytes are there: its length, or -1. */
static ssize_t rest_receive(int from, char *data, size_t size, size_t have)
{
	struct iovec part;
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	do {
		struct pollfd more = {.fd = from, .events = POLLIN};
		part = (struct iovec){.iov_base = data + have, .iov_len = size - have};
		message.msg_flags = 0;
		if (have == size || poll(&more, 1, REST_MS) == 0) {
			errno = EMSGSIZE;
			return -1;
		}
		const ssize_t n = recvmsg(from, &message, 0);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return n;
		have += n > 0 ? (size_t)n : 0;
	} while (!os_message_ends(message.msg_flags));
	return (ssize_t)have;
}

ssize_t fdpass_receive(int from, void *data, size_t size, int *fds, unsigned *count)
{
	union control control;
	struct iovec part = {.iov_base = data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	unsigned capacity = *count;
	*count = 0;
	ssize_t n;
	do {
		n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	if (n > 0 && !os_message_ends(message.msg_flags))
		n = rest_receive(from, data, size, (size_t)n);
	unsigned dropped = control_take(&message, fds, capacity, count);
	if (n < 0 || dropped > 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		while (*count > 0)
			(void)close(fds[--*count]);
		errno = dropped == 0 && (message.msg_flags & MSG_TRUNC) == 0 ? EMFILE : EMSGSIZE;
		return -1;
	}
	return n;
}
