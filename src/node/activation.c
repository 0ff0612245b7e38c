#include "node/activation.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The first that is handed over; low ones are wanted for other things. */
enum { FIRST = 3, AWAY = 64 };

static bool is_for_us(void)
{
	const char *pid = getenv("LISTEN_PID");
	return pid != NULL && strtol(pid, NULL, 10) == (long)getpid();
}

static bool listens(int fd)
{
	int type = 0;
	int on = 0;
	socklen_t len = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return false;
	len = sizeof(on);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on == 1;
}

int activation_take(int *listener, struct fault *f)
{
	const char *text = getenv("LISTEN_FDS");
	const long count = text != NULL && is_for_us() ? strtol(text, NULL, 10) : 0;
	*listener = -1;
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (count == 0)
		return 0;
	if (count != 1 || !listens(FIRST))
		return fault_set(f, FAULT_INPUT, 0,
			"%ld sockets were handed over (LISTEN_FDS): let it be one that listens for "
			"streams, as sky-island.socket has it",
			count);
	*listener = fcntl(FIRST, F_DUPFD_CLOEXEC, AWAY);
	if (*listener < 0 || fcntl(*listener, F_SETFL, O_NONBLOCK) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "the socket that was handed over");
	(void)close(FIRST);
	return 0;
}

/* "unix:PATH" or "http://HOST:PORT", as `run/address` has it. */
static int name_of(const struct sockaddr *at, socklen_t len, char *name, size_t size)
{
	char host[NI_MAXHOST];
	char port[NI_MAXSERV];
	const bool six = at->sa_family == AF_INET6;
	if (at->sa_family == AF_UNIX)
		return snprintf(name, size, "unix:%s", ((const struct sockaddr_un *)at)->sun_path) <
				       (int)size
			       ? 0
			       : -1;
	if (getnameinfo(at, len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -1;
	return snprintf(name, size, "http://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "",
		       port) < (int)size
		       ? 0
		       : -1;
}

/* What the configuration says, told in the same way; any port will do where it says 0. */
static int wanted_name(const struct config *c, const char *actual, char *name, size_t size)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
	struct addrinfo *found = NULL;
	char port[8];
	if (strncmp(c->listen, "unix:", 5) == 0 || strcmp(c->listen, "none") == 0)
		return snprintf(name, size, "%s", c->listen) < (int)size ? 0 : -1;
	(void)snprintf(port, sizeof(port), "%u", c->http_port);
	const char *bound = strrchr(actual, ':');
	if (getaddrinfo(c->listen, c->http_port == 0 && bound != NULL ? bound + 1 : port, &hints,
		    &found) != 0)
		return -1;
	const int named = name_of(found->ai_addr, found->ai_addrlen, name, size);
	freeaddrinfo(found);
	return named;
}

int activation_check(
	int listener, const struct config *config, char *address, size_t size, struct fault *f)
{
	char wanted[160] = "";
	struct sockaddr_storage own = {0};
	socklen_t len = sizeof(own);
	if (getsockname(listener, (struct sockaddr *)&own, &len) < 0 ||
		name_of((struct sockaddr *)&own, len, address, size) < 0)
		return fault_set(f, FAULT_INPUT, errno,
			"where the socket that was handed over listens cannot be told");
	if (wanted_name(config, address, wanted, sizeof(wanted)) == 0 &&
		strcmp(wanted, address) == 0)
		return 0;
	return fault_set(f, FAULT_INPUT, 0,
		"the socket that was handed over listens at %s, the configuration says %s: let "
		"ListenStream= and `listen` with `http_port` say the same",
		address, wanted);
}
