/*
 * Theory of operation. The supervisor is the command that was started. It binds the listeners (listen.c),
 * clears what an earlier run left behind, starts the jailers with their helpers and the server, and
 * from then on only waits:
 *
 *   a jailer died    its journalled jails are killed and their slots cleared, another is started,
 *                    and its socket is handed to the server; until one can be started the node goes
 *                    on with those it has
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

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Against doing the same in a circle, as fast as it goes. */
enum { REST_MS = 1000, JAILER_REST_MS = 100 };

struct supervisor {
	struct node *node;
	pid_t server; /* 0: there is none */
	struct spawned jailers[NODE_JAILERS_MAX];
	int control;                   /* to the server */
	int sockets[NODE_JAILERS_MAX]; /* the server's ends of the jailers' sockets, until it has
					  them; else -1 */
	bool stopping;
	uint64_t started_ns, jailers_ns[NODE_JAILERS_MAX]; /* when they were */
	uint64_t again_ns; /* not before it is what is missing started */
};

/* ---- what is told ---- */

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

/* The server's end of its socket, or -1. */
static int jailer_start(struct supervisor *s, unsigned i, struct fault *f)
{
	s->jailers_ns[i] = clock_mono_ns();
	return spawn_jailer(s->node, i, &s->jailers[i], f);
}

static int all_start(struct supervisor *s, struct fault *f)
{
	s->control = -1;
	for (unsigned i = 0; i < s->node->jailers; i++) {
		s->sockets[i] = jailer_start(s, i, f);
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
	spawn_wait(s->server, s->jailers, s->node->jailers);
	s->server = 0;
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

/* The one that was died: another, or where that cannot be, later. */
static void jailer_replace(struct supervisor *s, unsigned i)
{
	struct fault f = {0};
	defer_close int socket = jailer_start(s, i, &f);
	if (socket < 0) {
		log_error("no jailer can be started in place of %u, it is tried again: %s", i,
			f.text);
		s->again_ns = clock_mono_ns() + REST_MS * UINT64_C(1000000);
		spawn_end(&s->jailers[i]);
	} else if (fdpass_send(s->control, "j", 1, &socket, 1) < 0) {
		log_warn("the server takes no jailer, it must be ending: %s", strerror(errno));
		(void)kill(s->server, SIGKILL);
	}
}

static void all_replace(struct supervisor *s)
{
	struct fault f = {0};
	if (all_start(s, &f) == 0)
		return;
	log_error("nothing can be started, it is tried again: %s", f.text);
	all_end(s);
	s->again_ns = clock_mono_ns() + REST_MS * UINT64_C(1000000);
}

static bool is_missing(const struct supervisor *s)
{
	bool missing = s->server == 0;
	for (unsigned i = 0; i < s->node->jailers; i++)
		missing |= s->jailers[i].jailer == 0;
	return missing && !s->stopping;
}

/* Starts what is missing, where it is time for that. */
static void missing_start(struct supervisor *s)
{
	if (!is_missing(s) || clock_mono_ns() < s->again_ns)
		return;
	if (s->server == 0) {
		all_replace(s);
		return;
	}
	for (unsigned i = 0; i < s->node->jailers; i++) {
		if (s->jailers[i].jailer == 0)
			jailer_replace(s, i);
	}
}

/* What lived for less than that is started again only that much later. */
static void rest_after(struct supervisor *s, uint64_t started_ns, unsigned ms)
{
	const uint64_t now = clock_mono_ns();
	if (now - started_ns < ms * UINT64_C(1000000))
		s->again_ns = now + ms * UINT64_C(1000000);
}

static void server_lost(struct supervisor *s)
{
	log_error("the server died; everything is started anew");
	rest_after(s, s->started_ns, REST_MS);
	all_end(s);
}

static void jailer_lost(struct supervisor *s, unsigned i)
{
	log_error("jailer %u died; its jails are ended and another is started", i);
	rest_after(s, s->jailers_ns[i], JAILER_REST_MS);
	spawn_end(&s->jailers[i]);
	jailer_clean(s, i);
}

/* Which of ours it was that ended, if any: nobody may kill it by its number any more. */
static void child_ended(struct supervisor *s, pid_t pid)
{
	for (unsigned i = 0; i < s->node->jailers; i++) {
		struct spawned *one = &s->jailers[i];
		for (unsigned k = 0; k < JAILER_HELPERS; k++)
			one->helpers[k] = one->helpers[k] == pid ? 0 : one->helpers[k];
		if (one->jailer != pid)
			continue;
		one->jailer = 0;
		if (!s->stopping)
			jailer_lost(s, i);
	}
}

/* Whether the server ended as it was told to. */
static bool children_reap(struct supervisor *s)
{
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) {
		if (pid != s->server) {
			child_ended(s, pid);
			continue;
		}
		s->server = 0;
		if (s->stopping)
			return true;
		server_lost(s);
	}
	return false;
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
 * -1: none came, and what is missing may be started. */
static int signal_next(const struct supervisor *s, const sigset_t *signals)
{
	sigset_t urgent = *signals;
	(void)sigdelset(&urgent, SIGHUP);
	int number = sigtimedwait(&urgent, NULL, &(struct timespec){0});
	if (number > 0)
		return number;
	if (!is_missing(s))
		return sigwaitinfo(signals, NULL);
	return sigtimedwait(signals, NULL, &(struct timespec){.tv_nsec = 20 * 1000000});
}

/* Until the server ended as it was told to. */
static void wait_for_signals(struct supervisor *s, const sigset_t *signals)
{
	for (;;) {
		int number = signal_next(s, signals);
		if (number == SIGTERM || number == SIGINT) {
			stop(s);
			if (s->server == 0)
				return;
		} else if (number == SIGCHLD) {
			if (children_reap(s))
				return;
		} else if (number == SIGHUP && !s->stopping && s->server != 0 &&
			   s->node->listener >= 0) {
			node_reload(s->node, s->control);
		}
		missing_start(s);
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
	if (node_listen(n, f) < 0)
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
	log_never_wait(); /* who reads it may stop to: all else goes on */
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
		wait_for_signals(&s, &signals);
	} else {
		log_error("%s", f.text);
	}
	all_end(&s);
	jail_backend->finish(&n->plan);
	defer_free char *address = node_path(n, "run/address");
	defer_free char *local = node_path(n, "run/api.sock");
	(void)unlink(address);
	(void)unlink(local);
	return came < 0 ? 1 : 0;
}
