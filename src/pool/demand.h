#pragma once

/*
 * demand: how many jails should wait for a program. Calls come in bursts, and what a burst needs is
 * as many jails as calls come within the time it takes to make one, or some where that is short; so
 * calls are counted in stretches of time as long, and the fullest stretch of late says how many. The
 * past is forgotten by halves.
 */

#include <stdbool.h>
#include <stdint.h>

enum { DEMAND_STRETCH_MS = 20, DEMAND_STRETCH_MOST_MS = 5000, DEMAND_HALF_LIFE_MS = 10000 };

/* Zeroed to begin with. */
struct demand {
	uint64_t stretch_ns; /* when the present stretch began */
	unsigned calls;      /* in it */
	uint64_t peak_ns;    /* when the fullest was */
	unsigned peak;       /* calls in that */
	uint64_t made_ns;    /* what it takes to make a jail, of late; 0: not known */
};

/* A call came. `now` is clock_mono_ns. */
void demand_note(struct demand *d, uint64_t now);
/* A jail was made, which took so long. */
void demand_made(struct demand *d, uint64_t took_ns);
/* Whether making one takes so long that what a call takes is to be replaced at once. */
bool demand_is_slow(const struct demand *d);
/* Jails that should wait: at least one, once a call has come. */
unsigned demand_jails(const struct demand *d, uint64_t now);
