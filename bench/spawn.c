/*
 * spawn: what it costs to start a program anew for each call, with nothing of Sky Island around it.
 *
 *   spawn -n WORKERS -t SECONDS [-p] [-w PAUSE_MS] [-f FRAME] [-x EXPECTED] PROGRAM [ARGUMENT]...
 *
 * WORKERS processes each loop: posix_spawn(3) the program, wait for it. With -f it is an artifact:
 * it gets a socket as descriptor 3, in which the CALL frame of the file FRAME lies already, so that
 * the baseline does not even wait for READY. Its stdout is a pipe, read to its end; with -x it must
 * be EXPECTED. "{}" in an argument becomes a name never used before. -p pins each worker, and so
 * what it starts, to a cpu. One JSON object with rates and percentiles goes to stdout.
 */

#include "sample.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { CALLS_MAX = 1 << 18, ARGUMENTS_MAX = 128, OUTPUT_MAX = 65536, DESCRIPTOR = 3 };

struct options {
	unsigned workers;
	double seconds;
	bool pin;
	unsigned pause_ms;
	const char *expected; /* NULL: anything */
	char *frame;          /* NULL: the program is no artifact */
	size_t frame_len;
	char **argv;
};

/* What a worker did; in memory shared with the parent. */
struct tally {
	uint64_t failed;
	uint64_t cpu_us; /* the worker's own and of all that it waited for */
	uint64_t wall_ns;
	size_t count;
	uint64_t ns[CALLS_MAX];
};

/* The parent's ends of one call. */
struct ends {
	int control[2], out[2];
};

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* ---- one call ---- */

static void ends_open(struct ends *e, const struct options *o)
{
	e->control[0] = e->control[1] = -1;
	if (pipe2(e->out, O_CLOEXEC) < 0)
		die("pipe");
	if (o->frame == NULL)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->control) < 0)
		die("socketpair");
	if (send(e->control[0], o->frame, o->frame_len, 0) != (ssize_t)o->frame_len)
		die("send");
}

static void arguments_make(const struct options *o, char **argv, struct buf *name)
{
	static unsigned long calls;
	size_t i = 0;
	buf_clear(name);
	buf_printf(name, "sky-bench-%d-%lu", (int)getpid(), ++calls);
	for (; o->argv[i] != NULL && i + 1 < ARGUMENTS_MAX; i++)
		argv[i] = strcmp(o->argv[i], "{}") == 0 ? name->data : o->argv[i];
	argv[i] = NULL;
}

static pid_t start(const struct options *o, const struct ends *e, struct buf *name)
{
	char *argv[ARGUMENTS_MAX];
	posix_spawn_file_actions_t actions;
	pid_t pid = 0;
	arguments_make(o, argv, name);
	if (posix_spawn_file_actions_init(&actions) != 0)
		die("posix_spawn_file_actions_init");
	(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, e->out[1], 1);
	if (o->frame != NULL)
		(void)posix_spawn_file_actions_adddup2(&actions, e->control[1], DESCRIPTOR);
	errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (errno != 0)
		die(argv[0]);
	(void)posix_spawn_file_actions_destroy(&actions);
	return pid;
}

/* All that can be read until the writers have closed; what goes beyond size is dropped. */
static size_t drain(int fd, char *to, size_t size)
{
	size_t len = 0;
	char rest[4096];
	for (;;) {
		bool room = len < size;
		ssize_t n = read(fd, room ? to + len : rest, room ? size - len : sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return len;
		len += room ? (size_t)n : 0;
	}
}

/* An artifact says READY, 5 bytes, and then, where it made the call, RESULT. */
static bool has_result(const char *frames, size_t len)
{
	return len >= 10 && frames[4] == 'R' && frames[9] == 'V';
}

static bool call(const struct options *o, struct buf *name)
{
	static char out[OUTPUT_MAX], frames[OUTPUT_MAX];
	struct ends e;
	int status = 0;
	ends_open(&e, o);
	pid_t pid = start(o, &e, name);
	(void)close(e.out[1]);
	size_t out_len = drain(e.out[0], out, sizeof(out));
	(void)close(e.out[0]);
	bool ok = o->expected == NULL ||
		  (out_len == strlen(o->expected) && memcmp(out, o->expected, out_len) == 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (o->frame != NULL) {
		(void)close(e.control[1]);
		ok &= has_result(frames, drain(e.control[0], frames, sizeof(frames)));
		(void)close(e.control[0]);
	}
	return ok && status == 0;
}

/* ---- a worker ---- */

static void pin_to(unsigned worker)
{
	cpu_set_t all, one;
	unsigned at = 0;
	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		die("sched_getaffinity");
	unsigned wanted = worker % (unsigned)CPU_COUNT(&all);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || at++ != wanted)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			die("sched_setaffinity");
	}
}

static uint64_t cpu_us(int who)
{
	struct rusage u;
	(void)getrusage(who, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000U +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Descriptors up to the artifact's are taken, so that no pipe's end lies where another is put. */
static void low_descriptors_take(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= DESCRIPTOR)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void work(const struct options *o, struct tally *t)
{
	const struct timespec pause = {.tv_nsec = (long)o->pause_ms * 1000000};
	struct buf name = {0};
	const uint64_t begin = clock_mono_ns();
	const uint64_t end = begin + (uint64_t)(o->seconds * 1e9);
	low_descriptors_take();
	for (uint64_t now = begin; now < end && t->count < CALLS_MAX;) {
		bool ok = call(o, &name);
		uint64_t after = clock_mono_ns();
		t->failed += !ok;
		t->ns[t->count++] = after - now;
		if (o->pause_ms > 0)
			(void)nanosleep(&pause, NULL);
		now = o->pause_ms > 0 ? clock_mono_ns() : after;
	}
	t->wall_ns = clock_mono_ns() - begin;
	t->cpu_us = cpu_us(RUSAGE_SELF) + cpu_us(RUSAGE_CHILDREN);
	buf_finish(&name);
}

/* ---- all of them ---- */

static int print(const struct options *o, struct tally *const *tallies)
{
	struct sample all = {0};
	struct buf out = {0};
	uint64_t failed = 0;
	double cpu_ms = 0;
	double rate = 0;
	for (unsigned i = 0; i < o->workers; i++) {
		const struct tally *t = tallies[i];
		for (size_t k = 0; k < t->count; k++)
			sample_add(&all, t->ns[k]);
		failed += t->failed;
		cpu_ms += (double)t->cpu_us / 1e3;
		rate += t->wall_ns > 0 ? (double)t->count / ((double)t->wall_ns / 1e9) : 0;
	}
	buf_printf(&out, "{\"rate\":%.2f,\"failed\":%llu,\"cpu_ms\":%.4f,\"ms\":", rate,
		(unsigned long long)failed, all.count > 0 ? cpu_ms / (double)all.count : 0.0);
	sample_put(&all, &out);
	(void)printf("%s}\n", out.data);
	buf_finish(&out);
	free(all.ns);
	return failed > 0 || rate <= 0 ? 1 : 0;
}

static int run(const struct options *o)
{
	struct tally **tallies = mem_zero(o->workers, sizeof(struct tally *));
	for (unsigned i = 0; i < o->workers; i++) {
		tallies[i] = mmap(NULL, sizeof(struct tally), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (tallies[i] == MAP_FAILED)
			die("mmap");
		pid_t pid = fork();
		if (pid < 0)
			die("fork");
		if (pid == 0) {
			if (o->pin)
				pin_to(i);
			work(o, tallies[i]);
			_exit(0);
		}
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	int failed = print(o, tallies);
	free(tallies);
	return failed;
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: spawn -n WORKERS -t SECONDS [-p] [-w PAUSE_MS] [-f FRAME] "
			      "[-x EXPECTED] PROGRAM [ARGUMENT]...\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct options o = {.workers = 1, .seconds = 1};
	struct fault f = {0};
	for (int c; (c = getopt(argc, argv, "+n:t:pw:f:x:")) != -1;) {
		if (c == 'n')
			o.workers = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 't')
			o.seconds = strtod(optarg, NULL);
		else if (c == 'p')
			o.pin = true;
		else if (c == 'w')
			o.pause_ms = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'f')
			o.frame = fs_read(optarg, 1 << 20, &o.frame_len, &f);
		else if (c == 'x')
			o.expected = optarg;
		else
			return usage();
	}
	if (f.kind != FAULT_NONE) {
		(void)fprintf(stderr, "spawn: %s\n", f.text);
		return 1;
	}
	o.argv = argv + optind;
	if (optind == argc || o.workers == 0 || o.workers > 256 || o.pause_ms > 900)
		return usage();
	return run(&o);
}
