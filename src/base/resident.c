#include "base/resident.h"

#include "base/fdpass.h"

ssize_t resident_read(int socket, void *to, size_t size, pid_t *pid)
{
	union {
		char bytes[CMSG_SPACE(RESIDENT_SENDER_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec data = {.iov_base = to, .iov_len = size};
	struct msghdr message = {.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	*pid = 0;
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
		const pid_t sender = resident_sender(c);
		*pid = sender != 0 ? sender : *pid;
	}
	/* There may be room for some behind who it is. */
	fdpass_close(&message);
	return n;
}
