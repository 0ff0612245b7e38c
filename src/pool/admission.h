#pragma once

/*
 * admission: which call may run now. Calls are counted in three ways, each with its limit: those of
 * the node, those of one function (a package@version, whatever is called of it), those of one
 * caller. What may not run now waits in one queue, which is fair: callers in turn, for each caller
 * its functions in turn, for each function first come, first served. A call that a limit of its
 * caller or function holds back holds up nobody else.
 *
 * The queue has bounds. Calls beyond a limit have queue_max places, and a caller that holds most of
 * them gives one up, the last it took, for one that holds fewer. Calls within all limits wait only
 * for their jail's start, and need none of those places. A call that waited for queue_ns is refused.
 * Only a burst is given longer, burst_ns: calls within limits that come within queue_ns of a time
 * as long when nobody waited, and no more of them than the node has places. Once so many have been served
 * that it is known how fast that goes, a call that would most likely wait for too long is refused
 * when it comes, and one that waited for seven eighths of the time too: so those that are not have
 * some of it left for their jail's start.
 *
 * Nothing here waits, starts or tells anything: the pool asks. All times are clock_mono_ns.
 */

#include "pool/caller.h"

#include <stdbool.h>
#include <stdint.h>

enum admission_limit {
	ADMISSION_OPEN, /* none is reached */
	ADMISSION_NODE,
	ADMISSION_FUNCTION,
	ADMISSION_CALLER,
};

struct admission_limits {
	unsigned node_max;
	unsigned function_max; /* of each; 0: no limit */
	unsigned queue_max;
	uint64_t queue_ns, burst_ns;
};

struct admission;
struct function; /* what counts the calls of one */

/* A call's place among those that run. Zero: it has none. */
struct ticket {
	struct function *function;
	struct caller *caller;
};

/* A call that asks for its place; its owner embeds it, zeroed. */
struct entry {
	struct ticket who; /* whose it is to be */
	struct lane *lane; /* NULL: it is not in the queue */
	TAILQ_ENTRY(entry) in_lane, in_order;
	uint64_t since_ns;
	bool within; /* all limits, when it came */
	bool burst;
};

struct admission *admission_create(const struct admission_limits *limits);
void admission_destroy(struct admission *a);

/* The function of that name, held until it is released; NULL as a name: one that nothing shares. */
struct function *admission_function(struct admission *a, const char *name);
void admission_release(struct admission *a, struct function *function);
/* Says whose call it is; caller NULL: of nobody known, who is a caller too. */
void admission_name(
	struct admission *a, struct entry *e, struct function *function, struct caller *caller);

/* Whether the call may have a place now, as far as its own caller goes: no limit is reached, and no
 * earlier one of its caller and function waits. */
bool admission_is_free(const struct admission *a, const struct entry *e);
/* Gives it one, whether it waited or not. */
void admission_take(struct admission *a, struct entry *e, struct ticket *ticket, uint64_t now);
/* The place is free again. One that has none is fine. */
void admission_give(struct admission *a, struct ticket *ticket);

/* Puts it into the queue. ADMISSION_OPEN: it is there; *victim, where not NULL, is to be refused for
 * it, and taken out. Else there is no room, and this is the limit it is beyond. */
enum admission_limit admission_queue(
	struct admission *a, struct entry *e, uint64_t now, struct entry **victim);
/* Puts one back that gave its place back without having used it: before all others of its caller and
 * function, whatever the bounds; since_ns is when it first came. */
void admission_return(struct admission *a, struct entry *e, uint64_t since_ns, uint64_t now);
/* What admission_queue would say of a call of this caller, whatever the function: a look without
 * cost before a call is. */
enum admission_limit admission_is_full(
	struct admission *a, const struct caller *caller, uint64_t now);
/* Takes it out of the queue; where it is in none nothing happens. */
void admission_leave(struct admission *a, struct entry *e);

/* The one whose turn it is, of those within limits for which `can` is true; NULL: there is none. It
 * stays in the queue. */
struct entry *admission_next(
	struct admission *a, bool (*can)(void *ctx, const struct entry *e), void *ctx);
/* One whose time is up; NULL: there is none. It stays in the queue. */
struct entry *admission_expired(const struct admission *a, uint64_t now);
/* All that wait, in some order: e NULL is the first. */
struct entry *admission_each(const struct admission *a, const struct entry *e);

/* From now on the node has so many places. Who has one keeps it. */
void admission_places(struct admission *a, unsigned node_max);
/* The limit that holds it back now; ADMISSION_OPEN: none does. */
enum admission_limit admission_held_by(const struct admission *a, const struct entry *e);
unsigned admission_running(const struct admission *a);
unsigned admission_queued(const struct admission *a);
/* Seconds until the queue as it is now has been served, by how fast it was of late: 1 to 60. */
unsigned admission_seconds(const struct admission *a);
