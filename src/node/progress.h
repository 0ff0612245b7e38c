#pragma once

/*
 * progress: a step of some seconds, told on stderr. On a terminal a line that is alive while it
 * runs: its name, the seconds, and how much there is of what it makes. Else a plain line at its
 * end.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct progress {
	const char *name;
	const char *grows; /* a directory whose bytes tell how far it is, or NULL */
	bool loud, terminal;
	uint64_t start; /* ns */
	pid_t ticker;   /* the process that keeps the line alive */
};

/* Texts are borrowed until the end. Not loud: nothing is said. */
void progress_begin(struct progress *p, const char *name, const char *grows, bool loud);
/* Returns the nanoseconds it took. */
uint64_t progress_end(struct progress *p, bool failed);
