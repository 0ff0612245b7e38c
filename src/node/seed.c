/*
 * Filling the shared build cache, in a jail: there the toolchain stands at the path that builds
 * will see, which some of what Go keeps is named by (its index of packages), and what compiles is
 * walled in from the first day.
 */

#include "node/node.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The slot behind those of the jailers. */
static unsigned seed_slot(const struct node *n)
{
	return n->plan.slots;
}

static char *const seed_environment[] = {"PATH=/go/bin", "HOME=/tmp", "TMPDIR=/tmp", "GOROOT=/go",
	"GOCACHE=/cache", "LANG=C.UTF-8", NULL};

static int seed_wait(pid_t pid, const struct jail_end *end, int words, struct fault *f)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	char chunk[2048];
	ssize_t len = pread(words, chunk, sizeof(chunk) - 1, 0);
	chunk[len > 0 ? len : 0] = '\0';
	if (end->reported == 0)
		return fault_set(f, FAULT_PLATFORM, 0, "the jail was ended from outside");
	if (end->start_error != 0)
		return fault_set(f, FAULT_PLATFORM, end->start_error, "%s", end->start_step);
	if (end->status != 0)
		return fault_set(f, FAULT_PLATFORM, 0, "the tool ended with status %#x: %.700s",
			(unsigned)end->status, chunk);
	return 0;
}

static int seed_run(struct node *n, struct jail_parts *parts, struct jail_end *end, struct fault *f)
{
	defer_close int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	defer_close int words = memfd_create("words", MFD_CLOEXEC);
	defer_close int tool = open(n->plan.tool, O_RDONLY | O_CLOEXEC);
	if (nothing < 0 || words < 0 || tool < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "open %s", n->plan.tool);
	const int fds[JAIL_FDS] = {nothing, words, words, nothing, nothing, tool};
	struct jail_door door;
	pid_t pid = jail_runner->prepare(&n->plan, seed_slot(n), JAIL_SEED, parts, end, &door, f);
	if (pid < 0)
		return -1;
	(void)jail_runner->start(&door, fds); /* where that fails the jail's end says why */
	(void)close(door.outside);
	int ran = seed_wait(pid, end, words, f);
	(void)close(door.inside);
	return ran;
}

int node_seed(struct node *n, struct fault *f)
{
	struct jail_parts parts;
	const struct config_limits *c = &n->config.build;
	n->plan.limits[JAIL_SEED] =
		(struct jail_limits){.memory = c->memory, .pids = c->pids, .tmp = c->tmp};
	n->plan.environment[JAIL_SEED] = seed_environment;
	struct jail_end *end =
		mmap(NULL, sizeof(*end), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (end == MAP_FAILED)
		return fault_set(f, FAULT_PLATFORM, errno, "mmap");
	const struct jail_order order = {.kind = JAIL_SEED};
	if (jail_backend->prepare(&n->plan, f) < 0 ||
		jail_backend->create(&n->plan, seed_slot(n), &order, &parts, f) < 0) {
		(void)munmap(end, sizeof(*end));
		jail_backend->finish(&n->plan);
		return -1;
	}
	int ran = seed_run(n, &parts, end, f);
	for (int i = 0; i < JAIL_PARTS; i++) {
		if (parts.fd[i] >= 0)
			(void)close(parts.fd[i]);
	}
	(void)munmap(end, sizeof(*end));
	if (jail_backend->destroy(&n->plan, seed_slot(n), ran < 0 ? NULL : f) < 0)
		ran = -1;
	jail_backend->finish(&n->plan);
	return ran;
}
