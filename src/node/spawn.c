/* A jailer and its helpers: the one a program of its own (jailer/main.c), the others forks of ours.
 */

#include "node/node.h"

#include "base/clock.h"
#include "base/defer.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/os.h"
#include "jailer/handover.h"
#include "jailer/helper.h"
#include "jailer/image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STOCK = 4, END_S = 30 };

/* The ends of its sockets that a jailer gets, and what else it is given: at HANDOVER_SERVER and so
 * on. */
struct gifts {
	int fd[HANDOVER_END - HANDOVER_SERVER];
};
enum { GIFTS = HANDOVER_END - HANDOVER_SERVER };

static void gifts_close(struct gifts *g)
{
	for (int i = 0; i < GIFTS; i++) {
		if (g->fd[i] >= 0)
			(void)close(g->fd[i]);
	}
}

static int *gift(struct gifts *g, int number)
{
	return &g->fd[number - HANDOVER_SERVER];
}

static void child_begin(void)
{
	os_end_with_parent(SIGKILL);
	(void)setsid(); /* the terminal's ^C is for the supervisor, which ends us in order */
}

static int pair_open(int pair[2], struct fault *f)
{
	return fdpass_pair(pair) < 0 ? fault_set(f, FAULT_PLATFORM, errno, "socketpair") : 0;
}

/* Returns its pid; *end is the jailer's. */
static pid_t helper_spawn(const struct node *n, int *end, struct fault *f)
{
	int pair[2];
	if (pair_open(pair, f) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		/* Nothing but its socket: an end that stayed open here would never be seen to
		 * close. */
		child_begin();
		os_name("sky-helper");
		log_set_role("helper");
		if (dup2(pair[1], 3) < 0 || os_close_from(4) < 0)
			_exit(1);
		(void)fcntl(3, F_SETFD, FD_CLOEXEC);
		helper_run(&n->plan, 3);
	}
	(void)close(pair[1]);
	*end = pair[0];
	return pid < 0 ? fault_set(f, FAULT_PLATFORM, errno, "fork a helper") : pid;
}

static _Noreturn void jailer_exec(int program, const struct gifts *g)
{
	static char *const argv[] = {(char *)"sky-jailer", NULL};
	static char *const environment[] = {NULL};
	int away[GIFTS];
	child_begin();
	program = fcntl(program, F_DUPFD_CLOEXEC, HANDOVER_END);
	for (int i = 0; i < GIFTS; i++)
		away[i] = fcntl(g->fd[i], F_DUPFD_CLOEXEC, HANDOVER_END);
	for (int i = 0; i < GIFTS; i++) {
		if (dup2(away[i], HANDOVER_SERVER + i) < 0)
			_exit(126);
	}
	(void)fexecve(program, argv, environment);
	_exit(127);
}

int spawn_prepare(struct node *n, struct fault *f)
{
	defer_free char *path = node_path(n, "run/jailer");
	/* It stays where it is: then a start needs no room for it. */
	if (fs_keep(path, jailer_image, (size_t)(jailer_image_end - jailer_image), 0700, f) < 0)
		return -1;
	n->jailer_program = open(path, O_PATH | O_CLOEXEC);
	return n->jailer_program < 0 ? fault_set(f, FAULT_PLATFORM, errno, "open %s", path) : 0;
}

static int gifts_make(const struct node *n, unsigned i, struct gifts *g, struct fault *f)
{
	defer_free char *journal = node_path(n, "run/journal");
	const unsigned each = n->plan.slots / n->jailers;
	const struct jailer_setup setup = {.plan = &n->plan,
		.first_slot = i * each,
		.slots = each,
		.cpu = n->jailers > 1 ? (int)i : -1,
		.stock = STOCK};
	*gift(g, HANDOVER_SETUP) = handover_write(&setup, f);
	if (*gift(g, HANDOVER_SETUP) < 0)
		return -1;
	*gift(g, HANDOVER_JOURNAL) = open(journal, O_RDWR | O_CLOEXEC);
	*gift(g, HANDOVER_TOOL) = open(n->plan.tool, O_RDONLY | O_CLOEXEC);
	*gift(g, HANDOVER_POOLS) = fcntl(n->pools_fd, F_DUPFD_CLOEXEC, 0);
	if (*gift(g, HANDOVER_POOLS) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "dup");
	if (*gift(g, HANDOVER_JOURNAL) < 0 || *gift(g, HANDOVER_TOOL) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "open %s or %s", journal, n->plan.tool);
	return 0;
}

int spawn_jailer(const struct node *n, unsigned i, struct spawned *s, struct fault *f)
{
	int pair[2] = {-1, -1};
	struct gifts g;
	for (int k = 0; k < GIFTS; k++)
		g.fd[k] = -1;
	*s = (struct spawned){0};
	bool ok = gifts_make(n, i, &g, f) == 0 && pair_open(pair, f) == 0;
	*gift(&g, HANDOVER_SERVER) = pair[1];
	for (int k = 0; ok && k < JAILER_HELPERS; k++) {
		s->helpers[k] = helper_spawn(n, gift(&g, HANDOVER_HELPERS + k), f);
		ok = s->helpers[k] > 0;
	}
	if (ok) {
		s->jailer = fork();
		if (s->jailer == 0)
			jailer_exec(n->jailer_program, &g);
		ok = s->jailer > 0 || fault_set(f, FAULT_PLATFORM, errno, "fork a jailer") == 0;
	}
	gifts_close(&g);
	if (!ok && pair[0] >= 0)
		(void)close(pair[0]);
	return ok ? pair[0] : -1;
}

static void end_now(pid_t *pid)
{
	if (*pid > 0) {
		(void)kill(*pid, SIGKILL);
		while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*pid = 0; /* also where fork(2) failed */
}

void spawn_end(struct spawned *s)
{
	end_now(&s->jailer);
	for (unsigned i = 0; i < JAILER_HELPERS; i++)
		end_now(&s->helpers[i]);
}

static bool is_over(pid_t *pid)
{
	const pid_t ended = *pid > 0 ? waitpid(*pid, NULL, WNOHANG) : -1;
	if (ended != 0)
		*pid = 0; /* or it was none of ours */
	return ended != 0;
}

static bool all_over(pid_t *server, struct spawned *all, unsigned count)
{
	bool over = is_over(server);
	for (unsigned i = 0; i < count; i++) {
		over &= is_over(&all[i].jailer);
		for (unsigned k = 0; k < JAILER_HELPERS; k++)
			over &= is_over(&all[i].helpers[k]);
	}
	return over;
}

void spawn_wait(pid_t server, struct spawned *all, unsigned count)
{
	const uint64_t end = clock_mono_ns() + END_S * UINT64_C(1000000000);
	while (!all_over(&server, all, count) && clock_mono_ns() < end)
		(void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	end_now(&server);
	for (unsigned i = 0; i < count; i++)
		spawn_end(&all[i]);
}
