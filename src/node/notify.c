/*
 * What systemd is told (sd_notify(3)): one datagram for each message, to the socket that
 * NOTIFY_SOCKET names. Nobody waits for it, and what is lost is lost.
 */

#include "node/notify.h"

#include "base/buf.h"
#include "base/defer.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_take(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *period = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	*n = (struct notify){0};
	/* "/path", or "@name", which is abstract: a NUL stands for the @. */
	if (path != NULL && (path[0] == '/' || path[0] == '@') && path[1] != '\0' &&
		strlen(path) < sizeof(n->address.sun_path)) {
		n->address.sun_family = AF_UNIX;
		memcpy(n->address.sun_path, path, strlen(path));
		n->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
		if (path[0] == '@')
			n->address.sun_path[0] = '\0';
		else
			n->address_len++;
	}
	if (n->address_len > 0 && period != NULL &&
		(pid == NULL || strtol(pid, NULL, 10) == (long)getpid()))
		n->watchdog_ms = strtoull(period, NULL, 10) / 1000;
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void notify_send(const struct notify *n, const char *format, ...)
{
	va_list ap;
	char text[512];
	if (n->address_len == 0)
		return;
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	defer_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL,
			(const struct sockaddr *)&n->address, n->address_len);
}
