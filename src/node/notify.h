#pragma once

/*
 * notify: what systemd is told, by the protocol of sd_notify(3), without its library. All of it is
 * nothing where NOTIFY_SOCKET is not set.
 */

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	struct sockaddr_un address;
	socklen_t address_len; /* 0: nobody is to be told */
	uint64_t watchdog_ms;  /* WATCHDOG=1 is awaited within this; 0: it is not */
};

/* Reads the environment, and takes out of it what is of no concern to those we start. */
void notify_take(struct notify *n);
/* "READY=1", several with a newline between. Never waits and cannot fail. */
void notify_send(const struct notify *n, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
