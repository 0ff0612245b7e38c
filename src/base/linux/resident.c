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

pid_t resident_sender(const struct cmsghdr *c)
{
	struct ucred sender;
	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
		return 0;
	memcpy(&sender, CMSG_DATA(c), sizeof(sender));
	return sender.pid;
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
