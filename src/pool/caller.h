#pragma once

/*
 * caller: who makes calls, as its token tells. A caller is known by its name from the first time on
 * for as long as the process, so that what counts its calls outlasts its token's change.
 */

struct caller {
	const char *name;
	unsigned calls_max; /* at once; 0: no limit of its own. SIGHUP changes it */
	struct caller *next;
};

/* The caller of that name in *all, which grows where it is new; its limit is this from now on. */
struct caller *caller_named(struct caller **all, const char *name, unsigned calls_max);
