/* The sockets that calls come by: the local one, and where the configuration says. */

#include "node/node.h"

#include "base/defer.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_listen(const char *path, mode_t mode, struct fault *f)
{
	/* Bound by its last element from within its directory: sun_path is short, state directories
	 * need not be. */
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const char *slash = strrchr(path, '/');
	defer_free char *dir = mem_strndup(path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
	defer_close int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	defer_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", slash != NULL ? slash + 1 : path);
	(void)unlink(path);
	if (fd < 0 || (dir[0] != '\0' && chdir(dir) < 0))
		return fault_set(f, FAULT_PLATFORM, errno, "socket %s", path);
	mode_t old = umask(~mode & 0777);
	int bound = bind(fd, (struct sockaddr *)&at, sizeof(at));
	int error = errno;
	(void)umask(old);
	if (here >= 0)
		(void)!fchdir(here);
	if (bound < 0 || listen(fd, 512) < 0)
		return fault_set(
			f, FAULT_PLATFORM, bound < 0 ? error : errno, "listen on %s", path);
	return defer_take(&fd);
}

static int tcp_listen(struct node *n, struct fault *f)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
	struct addrinfo *found = NULL;
	char port[8];
	(void)snprintf(port, sizeof(port), "%u", n->config.http_port);
	int error = getaddrinfo(n->config.listen, port, &hints, &found);
	if (error != 0)
		return fault_set(f, FAULT_INPUT, 0, "listen: %s is no address: %s",
			n->config.listen, gai_strerror(error));
	defer_close int fd =
		socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;
	struct sockaddr_storage own = {0};
	socklen_t len = sizeof(own);
	bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		  bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 512) == 0 &&
		  getsockname(fd, (struct sockaddr *)&own, &len) == 0;
	freeaddrinfo(found);
	if (!ok)
		return fault_set(f, FAULT_PLATFORM, errno, "listen on %s port %s%s",
			n->config.listen, port,
			errno == EADDRINUSE ? " (http_port: choose one that nobody has)" : "");
	char actual[8];
	if (getnameinfo((struct sockaddr *)&own, len, NULL, 0, actual, sizeof(actual),
		    NI_NUMERICSERV) != 0)
		return fault_set(
			f, FAULT_PLATFORM, 0, "the port of %s cannot be told", n->config.listen);
	bool six = strchr(n->config.listen, ':') != NULL;
	(void)snprintf(n->address, sizeof(n->address), "http://%s%.100s%s:%s", six ? "[" : "",
		n->config.listen, six ? "]" : "", actual);
	return defer_take(&fd);
}

int node_listen(struct node *n, struct fault *f)
{
	defer_free char *local = node_path(n, "run/api.sock");
	n->local = unix_listen(local, 0600, f);
	if (n->local < 0)
		return -1;
	if (n->listener >= 0) {
		log_info("systemd's socket is served"); /* activation.c */
	} else if (strcmp(n->config.listen, "none") == 0) {
		return 0;
	} else if (strncmp(n->config.listen, "unix:", 5) == 0) {
		n->listener = unix_listen(n->config.listen + 5, 0660, f);
		(void)snprintf(n->address, sizeof(n->address), "%.150s", n->config.listen);
	} else {
		n->listener = tcp_listen(n, f);
	}
	return n->listener < 0 ? -1 : 0;
}
