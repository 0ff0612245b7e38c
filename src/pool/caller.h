#pragma once

/*
 * caller: who makes calls, as its token tells. A caller is known by its name from the first time on
 * for as long as the process, so that what counts its calls outlasts its token's change.
 */

#include <sys/queue.h>

/* What is counted of a caller, a function, or the node; admission.c's. */
struct share {
	unsigned running; /* calls that have a place */
	unsigned within;  /* calls that wait, but not for a limit: for the start of their jail */
};

struct lane;
TAILQ_HEAD(lanes, lane);

struct caller {
	const char *name;
	unsigned calls_max; /* at once; 0: no limit of its own. SIGHUP changes it */
	struct caller *next;
	/* admission.c's: */
	struct share share;
	unsigned queued; /* its calls in the queue */
	struct lanes lanes;
	TAILQ_ENTRY(caller) turn; /* among those with calls in the queue */
};
TAILQ_HEAD(callers, caller);

/* The caller of that name in *all, which grows where it is new; its limit is this from now on. */
struct caller *caller_named(struct caller **all, const char *name, unsigned calls_max);
