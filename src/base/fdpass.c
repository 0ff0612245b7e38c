#include "base/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

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
		n = sendmsg(to, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0 && (size_t)n != len) {
		errno = EMSGSIZE;
		return -1;
	}
	return n < 0 ? -1 : 0;
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
	unsigned dropped = control_take(&message, fds, capacity, count);
	if (dropped > 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		while (*count > 0)
			(void)close(fds[--*count]);
		errno = EMSGSIZE;
		return -1;
	}
	return n;
}
