#include "node/progress.h"

#include "base/clock.h"
#include "base/os.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TICK_NS = 200000000, TICKS_TO_MEASURE = 5, LINE = 44 };

static uint64_t grown;

static int entry_add(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F)
		grown += (uint64_t)st->st_size;
	return 0;
}

/* One write, padded: what stood there before is gone, without a terminal's escapes. */
static void line_write(const struct progress *p, const char *text, const char *end)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "\r  %-10s %-*s%s", p->name, LINE, text, end);
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

static _Noreturn void ticker_run(const struct progress *p, pid_t parent)
{
	os_end_with_parent(SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (unsigned tick = 0;; tick++) {
		char text[64];
		unsigned seconds = (unsigned)((clock_mono_ns() - p->start) / 1000000000U);
		if (p->grows != NULL && tick % TICKS_TO_MEASURE == TICKS_TO_MEASURE - 1) {
			grown = 0;
			(void)nftw(p->grows, entry_add, 16, FTW_PHYS | FTW_MOUNT);
		}
		if (grown >= 1U << 20)
			(void)snprintf(text, sizeof(text), "%u s  %llu MiB", seconds,
				(unsigned long long)(grown >> 20));
		else
			(void)snprintf(text, sizeof(text), "%u s", seconds);
		line_write(p, text, "");
		(void)nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
	}
}

void progress_begin(struct progress *p, const char *name, const char *grows, bool loud)
{
	*p = (struct progress){.name = name,
		.grows = grows,
		.loud = loud,
		.terminal = loud && isatty(STDERR_FILENO),
		.start = clock_mono_ns()};
	if (!p->terminal)
		return;
	const pid_t parent = getpid();
	p->ticker = fork();
	if (p->ticker == 0)
		ticker_run(p, parent);
}

uint64_t progress_end(struct progress *p, bool failed)
{
	const uint64_t took = clock_mono_ns() - p->start;
	const double seconds = (double)took / 1e9;
	char text[64];
	if (p->ticker > 0) {
		(void)kill(p->ticker, SIGKILL);
		while (waitpid(p->ticker, NULL, 0) < 0 && errno == EINTR)
			;
	}
	(void)snprintf(text, sizeof(text), failed ? "failed after %.2f s" : "%.2f s", seconds);
	if (p->terminal)
		line_write(p, text, "\n");
	else if (p->loud)
		(void)fprintf(stderr, "prepare %s: %s\n", p->name, text);
	return took;
}
