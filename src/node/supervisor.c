/*
 * Theory of operation. The supervisor is the command that was started. It binds the listeners,
 * clears what an earlier run left behind, starts the jailers with their helpers and the server, and
 * from then on only waits:
 *
 *   a jailer died    its journalled jails are killed and their slots cleared, another is started,
 *                    and its socket is handed to the server
 *   the server died  its sockets close, so the jailers end their jails and themselves; all are
 *                    started anew
 *   SIGTERM, SIGINT  the server is told to drain; a second one ends it at once
 *   SIGHUP           the configuration is read again (reload.c)
 */

#include "node/node.h"

#include "base/clock.h"
#include "base/defer.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct supervisor {
	struct node *node;
	pid_t server;
	struct spawned jailers[NODE_JAILERS_MAX];
	int control;                   /* to the server */
	int sockets[NODE_JAILERS_MAX]; /* the server's ends of the jailers' sockets, until it has
					  them; else -1 */
	bool stopping;
	uint64_t started_ns; /* of the server, against restarting in a circle */
};

/* ---- listeners ---- */

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

static int listeners_bind(struct node *n, struct fault *f)
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

/* For whoever waits for it, who may read the admin's token then. */
static int address_tell(const struct node *n, struct fault *f)
{
	defer_free char *address = node_path(n, "run/address");
	if (fs_write(address, n->address, strlen(n->address), 0644, f) == 0)
		return 0;
	if (f->kind != FAULT_FULL)
		return -1;
	log_warn("%s; calls are served all the same", f->text); /* it is for people */
	(void)unlink(address);
	*f = (struct fault){0};
	return 0;
}

/* ---- what was left behind ---- */

static unsigned slots_kill(struct node *n, unsigned first, unsigned count)
{
	unsigned used = 0;
	for (unsigned slot = first; slot < first + count; slot++) {
		if (n->journal.entries[slot].state == JOURNAL_FREE)
			continue;
		journal_kill(&n->journal, slot, n->instance);
		used++;
	}
	return used;
}

static void slots_clear(struct node *n, unsigned first, unsigned count)
{
	unsigned cleared = 0;
	for (unsigned slot = first; slot < first + count; slot++) {
		struct fault f = {0};
		if (n->journal.entries[slot].state == JOURNAL_FREE)
			continue;
		if (jail_backend->destroy(&n->plan, slot, &f) < 0) {
			log_error("slot %u could not be cleared: %s", slot, f.text);
			continue;
		}
		journal_free(&n->journal, slot);
		cleared++;
	}
	n->storage.clones_stay = false;
	if (cleared > 0)
		log_info("%u jail slots cleared", cleared);
}

void supervisor_clean(struct node *n)
{
	const unsigned used = slots_kill(n, 0, n->plan.slots);
	if (used > 0 || n->storage.left)
		storage_sweep(&n->storage);
	slots_clear(n, 0, n->plan.slots);
}

/* ---- children ---- */

static void sockets_close(struct supervisor *s)
{
	for (unsigned i = 0; i < NODE_JAILERS_MAX; i++) {
		if (s->sockets[i] >= 0)
			(void)close(s->sockets[i]);
		s->sockets[i] = -1;
	}
}

static void child_begin(const struct supervisor *s)
{
	os_end_with_parent(SIGKILL);
	(void)setsid(); /* the terminal's ^C is for the supervisor, which ends us in order */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)close(s->node->lock);
	s->node->lock = -1;
}

static unsigned slots_each(const struct supervisor *s)
{
	return s->node->plan.slots / s->node->jailers;
}

static int server_start(struct supervisor *s, struct fault *f)
{
	int pair[2];
	if (fdpass_pair(pair) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "socketpair");
	pid_t pid = fork();
	if (pid == 0) {
		child_begin(s);
		os_name("sky-server");
		(void)close(pair[0]);
		_exit(server_run(s->node, pair[1], s->sockets, s->node->jailers));
	}
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		return fault_set(f, FAULT_PLATFORM, errno, "fork the server");
	}
	s->server = pid;
	s->control = pair[0];
	s->started_ns = clock_mono_ns();
	return 0;
}

static int all_start(struct supervisor *s, struct fault *f)
{
	s->control = -1;
	for (unsigned i = 0; i < s->node->jailers; i++) {
		s->sockets[i] = spawn_jailer(s->node, i, &s->jailers[i], f);
		if (s->sockets[i] < 0)
			return -1;
	}
	int started = server_start(s, f);
	sockets_close(s);
	return started;
}

static void all_end(struct supervisor *s)
{
	sockets_close(s);
	if (s->server > 0)
		(void)kill(s->server, SIGKILL);
	if (s->control >= 0)
		(void)close(s->control);
	s->control = -1;
	/* Jailers end by themselves once the server's ends of their sockets are closed. */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	s->server = 0;
	memset(s->jailers, 0, sizeof(s->jailers));
	supervisor_clean(s->node);
}

/* Calls wait for the next one: the clones of its jails go later. */
static void jailer_clean(const struct supervisor *s, unsigned i)
{
	const unsigned first = i * slots_each(s);
	(void)slots_kill(s->node, first, slots_each(s));
	storage_leave(&s->node->storage);
	slots_clear(s->node, first, slots_each(s));
}

static int jailer_replace(struct supervisor *s, unsigned i, struct fault *f)
{
	log_error("jailer %u died; its jails are ended and another is started", i);
	spawn_end(&s->jailers[i]);
	jailer_clean(s, i);
	defer_close int socket = spawn_jailer(s->node, i, &s->jailers[i], f);
	if (socket < 0)
		return -1;
	if (fdpass_send(s->control, "j", 1, &socket, 1) < 0)
		log_warn("the server takes no jailer, it must be ending: %s", strerror(errno));
	return 0;
}

static int all_restart(struct supervisor *s, struct fault *f)
{
	log_error("the server died; everything is started anew");
	all_end(s);
	if (clock_mono_ns() - s->started_ns < 1000000000U)
		(void)nanosleep(&(struct timespec){.tv_sec = 1},
			NULL); /* something is wrong; do not spin */
	return all_start(s, f);
}

/* 0: go on; 1: the server ended as it was told to; -1: give up. */
static int children_reap(struct supervisor *s, struct fault *f)
{
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) {
		if (pid == s->server) {
			s->server = 0;
			if (s->stopping)
				return 1;
			return all_restart(s, f);
		}
		for (unsigned i = 0; i < s->node->jailers; i++) {
			if (s->jailers[i].jailer == pid && !s->stopping &&
				jailer_replace(s, i, f) < 0)
				return -1;
		}
	}
	return 0;
}

/* ---- life ---- */

static void stop(struct supervisor *s)
{
	if (s->stopping)
		log_warn("told to stop again: running calls are ended");
	else
		log_info("stopping: running calls may end");
	notify_send(&s->node->notify, "STOPPING=1\nSTATUS=Running calls may end");
	if (s->server > 0)
		(void)kill(s->server, s->stopping ? SIGKILL : SIGTERM);
	s->stopping = true;
}

/* SIGHUP has the lowest number and would come first for ever where somebody sends it without pause.
 */
static int signal_next(const sigset_t *signals)
{
	sigset_t urgent = *signals;
	(void)sigdelset(&urgent, SIGHUP);
	int number = sigtimedwait(&urgent, NULL, &(struct timespec){0});
	return number > 0 ? number : sigwaitinfo(signals, NULL);
}

static int wait_for_signals(struct supervisor *s, const sigset_t *signals, struct fault *f)
{
	for (;;) {
		int number = signal_next(signals);
		if (number == SIGTERM || number == SIGINT) {
			stop(s);
		} else if (number == SIGCHLD) {
			int came = children_reap(s, f);
			if (came != 0)
				return came > 0 ? 0 : -1;
		} else if (number == SIGHUP && !s->stopping && s->node->listener >= 0) {
			node_reload(s->node, s->control);
		}
	}
}

static void descriptors_raise(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int supervisor_open(struct supervisor *s, struct fault *f)
{
	struct node *n = s->node;
	node_log_lines(LOG_WARN, &n->config.warnings);
	descriptors_raise();
	if (jail_backend->prepare(&n->plan, f) < 0 || spawn_prepare(n, f) < 0)
		return -1;
	supervisor_clean(n);
	if (listeners_bind(n, f) < 0)
		return -1;
	/* The local socket asks for none. */
	if (n->listener >= 0 && (node_admin_token(n, &n->config, f) < 0 || address_tell(n, f) < 0))
		return -1;
	return all_start(s, f);
}

/* A signal that is ignored, as SIGCHLD is by default, cannot be waited for on FreeBSD
 * (sigwait(2)). */
static void ignored_not(int number)
{
	(void)number;
}

int supervisor_run(struct node *n, int ready_fd)
{
	struct supervisor s = {.node = n, .control = -1};
	struct fault f = {0};
	sigset_t signals;
	memset(s.sockets, 0xff, sizeof(s.sockets));
	(void)sigemptyset(&signals);
	const int waited[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	for (size_t i = 0; i < sizeof(waited) / sizeof(waited[0]); i++)
		(void)sigaddset(&signals, waited[i]);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, ignored_not);
	log_set_role("supervisor");
	if (ready_fd < 0)
		notify_take(&n->notify);
	int came = supervisor_open(&s, &f);
	if (came == 0) {
		log_info("Sky Island serves %s (state %s, %s)",
			n->address[0] != '\0' ? n->address : "run/api.sock only", n->state,
			n->user_mode ? "as an ordinary user" : "as root");
		if (ready_fd >= 0)
			(void)!write(ready_fd, "r", 1);
		else
			notify_send(&n->notify, "READY=1\nSTATUS=Serves %s", n->address);
		came = wait_for_signals(&s, &signals, &f);
	}
	if (came < 0)
		log_error("%s", f.text);
	all_end(&s);
	jail_backend->finish(&n->plan);
	defer_free char *address = node_path(n, "run/address");
	defer_free char *local = node_path(n, "run/api.sock");
	(void)unlink(address);
	(void)unlink(local);
	return came < 0 ? 1 : 0;
}
