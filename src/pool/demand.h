#pragma once

/*
 * demand: how many jails should wait for a program. Calls come in bursts, and what a burst needs is
 * as many jails as calls come within the time it takes to make some; so calls are counted in short
 * stretches of time, and the fullest stretch of late says how many. The past is forgotten by
 * halves.
 */

#include <stdint.h>

enum { DEMAND_STRETCH_MS = 20, DEMAND_HALF_LIFE_MS = 10000 };

/* Zeroed to begin with. */
struct demand {
	uint64_t stretch_ns; /* when the present stretch began */
	unsigned calls;      /* in it */
	uint64_t peak_ns;    /* when the fullest was */
	unsigned peak;       /* calls in that */
};

/* A call came. `now` is clock_mono_ns. */
void demand_note(struct demand *d, uint64_t now);
/* Jails that should wait: at least one, once a call has come. */
unsigned demand_jails(const struct demand *d, uint64_t now);
