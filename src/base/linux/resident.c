#include "base/resident.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void resident_ask(int socket)
{
	const int on = 1;
	(void)setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

ssize_t resident_read(int socket, void *to, size_t size, pid_t *pid)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec data = {.iov_base = to, .iov_len = size};
	struct msghdr message = {.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	*pid = 0;
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL; c != NULL;
		c = CMSG_NXTHDR(&message, c)) {
		struct ucred sender;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&sender, CMSG_DATA(c), sizeof(sender));
		*pid = sender.pid;
	}
	return n;
}

int resident_open(pid_t pid)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	return pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

uint64_t resident_bytes(int fd)
{
	char text[128];
	const ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;
	if (n <= 0)
		return 0;
	text[n] = '\0';
	const char *second = strchr(text, ' ');
	const unsigned long long pages = second != NULL ? strtoull(second, NULL, 10) : 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
