#include "pool/admission.h"

#include "base/buf.h"
#include "base/table.h"

#include <stdlib.h>

enum {
	SECONDS_MAX = 60,
	SERVED_KNOWN = 32, /* so many served tell how fast that goes */
	STALL = 8,         /* times as long as usual between two: that tells nothing more */
};

TAILQ_HEAD(entries, entry);

/* The calls of one caller of one function that wait. */
struct lane {
	struct caller *caller;
	struct function *function;
	struct entries entries;
	TAILQ_ENTRY(lane) turn; /* among its caller's */
	LIST_ENTRY(lane) of_function;
};

struct function {
	struct table_node node; /* key NULL: it is in no table */
	char *name;
	unsigned holders;
	struct share share;
	LIST_HEAD(, lane) lanes;
};

struct admission {
	struct admission_limits limits;
	struct table functions;
	struct caller unnamed;
	struct share node;
	struct callers callers;         /* with calls that wait */
	struct entries ordinary, burst; /* all that wait, by age */
	unsigned queued, beyond;        /* all; those that need one of the queue's places */
	unsigned waiting_callers;
	/* Since somebody waits, of late: */
	uint64_t busy_ns;
	unsigned bursts, served;
	uint64_t served_ns, gap_ns; /* when one was last served; the time between two, of late */
};

/* ---- functions ---- */

struct function *admission_function(struct admission *a, const char *name)
{
	struct function *function = name != NULL ? table_find(&a->functions, name) : NULL;
	if (function == NULL) {
		function = mem_zero(1, sizeof(*function));
		LIST_INIT(&function->lanes);
		if (name != NULL) {
			function->name = mem_strdup(name);
			function->node.key = function->name;
			table_add(&a->functions, &function->node);
		}
	}
	function->holders++;
	return function;
}

void admission_release(struct admission *a, struct function *function)
{
	if (function == NULL || --function->holders > 0)
		return;
	if (function->name != NULL)
		table_remove(&a->functions, &function->node);
	free(function->name);
	free(function);
}

/* ---- limits ---- */

/* Which limit one more call would be beyond; `expected`: those count too that will have a place as
 * soon as their jail is started. */
static enum admission_limit limit_of(const struct admission *a, const struct function *function,
	const struct caller *caller, bool expected)
{
	const unsigned all = expected ? ~0U : 0U;
	if (caller->calls_max > 0 &&
		caller->share.running + (caller->share.within & all) >= caller->calls_max)
		return ADMISSION_CALLER;
	if (function != NULL && a->limits.function_max > 0 &&
		function->share.running + (function->share.within & all) >= a->limits.function_max)
		return ADMISSION_FUNCTION;
	if (a->node.running + (a->node.within & all) >= a->limits.node_max)
		return ADMISSION_NODE;
	return ADMISSION_OPEN;
}

void admission_places(struct admission *a, unsigned node_max)
{
	a->limits.node_max = node_max;
}

enum admission_limit admission_held_by(const struct admission *a, const struct entry *e)
{
	return limit_of(a, e->who.function, e->who.caller, false);
}

bool admission_is_free(const struct admission *a, const struct entry *e)
{
	const struct lane *lane;
	if (admission_held_by(a, e) != ADMISSION_OPEN)
		return false;
	LIST_FOREACH(lane, &e->who.function->lanes, of_function)
	{
		if (lane->caller == e->who.caller)
			return false;
	}
	return true;
}

void admission_name(
	struct admission *a, struct entry *e, struct function *function, struct caller *caller)
{
	e->who = (struct ticket){function, caller != NULL ? caller : &a->unnamed};
}

/* ---- the queue ---- */

static struct lane *lane_of(struct caller *caller, struct function *function)
{
	struct lane *lane;
	LIST_FOREACH(lane, &function->lanes, of_function)
	{
		if (lane->caller == caller)
			return lane;
	}
	lane = mem_zero(1, sizeof(*lane));
	lane->caller = caller;
	lane->function = function;
	function->holders++;
	TAILQ_INIT(&lane->entries);
	TAILQ_INSERT_TAIL(&caller->lanes, lane, turn);
	LIST_INSERT_HEAD(&function->lanes, lane, of_function);
	return lane;
}

static void lane_end(struct admission *a, struct lane *lane)
{
	TAILQ_REMOVE(&lane->caller->lanes, lane, turn);
	LIST_REMOVE(lane, of_function);
	admission_release(a, lane->function);
	free(lane);
}

static void within_count(struct admission *a, const struct entry *e, int change)
{
	const unsigned by = (unsigned)change;
	if (!e->within) {
		a->beyond += by;
		return;
	}
	a->node.within += by;
	e->who.function->share.within += by;
	e->who.caller->share.within += by;
}

static void enqueue(struct admission *a, struct entry *e, bool again)
{
	struct entries *all = e->burst ? &a->burst : &a->ordinary;
	struct entry *later = again ? TAILQ_FIRST(all) : NULL;
	struct caller *caller = e->who.caller;
	if (caller->queued++ == 0) {
		TAILQ_INSERT_TAIL(&a->callers, caller, turn);
		a->waiting_callers++;
	}
	e->lane = lane_of(caller, e->who.function);
	while (later != NULL && later->since_ns <= e->since_ns)
		later = TAILQ_NEXT(later, in_order);
	if (later != NULL)
		TAILQ_INSERT_BEFORE(later, e, in_order);
	else
		TAILQ_INSERT_TAIL(all, e, in_order);
	if (again)
		TAILQ_INSERT_HEAD(&e->lane->entries, e, in_lane);
	else
		TAILQ_INSERT_TAIL(&e->lane->entries, e, in_lane);
	within_count(a, e, 1);
	a->queued++;
}

void admission_leave(struct admission *a, struct entry *e)
{
	struct caller *caller = e->who.caller;
	struct lane *lane = e->lane;
	if (lane == NULL)
		return;
	within_count(a, e, -1);
	TAILQ_REMOVE(e->burst ? &a->burst : &a->ordinary, e, in_order);
	TAILQ_REMOVE(&lane->entries, e, in_lane);
	e->lane = NULL;
	if (TAILQ_EMPTY(&lane->entries))
		lane_end(a, lane);
	if (--caller->queued == 0) {
		TAILQ_REMOVE(&a->callers, caller, turn);
		a->waiting_callers--;
	}
	a->queued--;
}

/* Whether one more of this caller would most likely wait for three quarters of the time there is:
 * with its turns as they come, and as fast as it went of late. */
static bool is_hopeless(const struct admission *a, const struct caller *caller)
{
	if (a->queued == 0 || a->served < SERVED_KNOWN)
		return false;
	const uint64_t callers = a->waiting_callers + (caller->queued == 0);
	const uint64_t turns = (caller->queued + 1) * callers;
	const uint64_t before = turns < a->queued ? turns : a->queued;
	return before * a->gap_ns > a->limits.queue_ns / 4 * 3;
}

/* Somebody waits again. A queue that is empty for a moment has not come to rest. */
static void busy_begin(struct admission *a, uint64_t now)
{
	if (a->served_ns == 0 || now - a->served_ns >= a->limits.queue_ns) {
		a->busy_ns = now;
		a->bursts = a->served = 0;
		a->gap_ns = 0;
	}
	a->served_ns = now;
}

/* Whether it is one of a burst, if its call is within limits. */
static bool is_burst(const struct admission *a, uint64_t now)
{
	return a->bursts < a->limits.node_max && now - a->busy_ns < a->limits.queue_ns;
}

/* The last of the queue's places that the caller with most of them took; NULL where that one has no
 * more than this one would have. */
static struct entry *victim_for(const struct admission *a, const struct caller *caller)
{
	const struct caller *most = NULL;
	const struct caller *other;
	struct entry *e;
	TAILQ_FOREACH(other, &a->callers, turn)
	{
		if (most == NULL || other->queued > most->queued)
			most = other;
	}
	if (most == NULL || most->queued <= caller->queued + 1)
		return NULL;
	TAILQ_FOREACH_REVERSE(e, &a->ordinary, entries, in_order)
	{
		if (e->who.caller == most && !e->within)
			return e;
	}
	return NULL;
}

enum admission_limit admission_queue(
	struct admission *a, struct entry *e, uint64_t now, struct entry **victim)
{
	const enum admission_limit limit = limit_of(a, e->who.function, e->who.caller, true);
	*victim = NULL;
	if (a->queued == 0)
		busy_begin(a, now);
	e->since_ns = now;
	e->within = limit == ADMISSION_OPEN;
	e->burst = e->within && is_burst(a, now);
	if (!e->burst && is_hopeless(a, e->who.caller))
		return limit != ADMISSION_OPEN ? limit : ADMISSION_NODE;
	if (!e->within && a->beyond >= a->limits.queue_max) {
		*victim = victim_for(a, e->who.caller);
		if (*victim == NULL)
			return limit;
	}
	a->bursts += e->burst;
	enqueue(a, e, false);
	return ADMISSION_OPEN;
}

void admission_return(struct admission *a, struct entry *e, uint64_t since_ns, uint64_t now)
{
	if (a->queued == 0)
		busy_begin(a, now);
	e->since_ns = since_ns;
	e->within = limit_of(a, e->who.function, e->who.caller, true) == ADMISSION_OPEN;
	enqueue(a, e, true); /* one of a burst is one still: it has its time */
}

enum admission_limit admission_is_full(
	struct admission *a, const struct caller *caller, uint64_t now)
{
	if (a->queued == 0 && a->limits.queue_max > 0)
		return ADMISSION_OPEN;
	if (caller == NULL)
		caller = &a->unnamed;
	const enum admission_limit limit = limit_of(a, NULL, caller, true);
	if (limit == ADMISSION_OPEN)
		return is_burst(a, now) || !is_hopeless(a, caller) ? ADMISSION_OPEN
								   : ADMISSION_NODE;
	if (is_hopeless(a, caller))
		return limit;
	return a->beyond < a->limits.queue_max || victim_for(a, caller) != NULL ? ADMISSION_OPEN
										: limit;
}

struct entry *admission_next(
	struct admission *a, bool (*can)(void *ctx, const struct entry *e), void *ctx)
{
	struct caller *caller;
	struct lane *lane;
	if (a->node.running >= a->limits.node_max)
		return NULL;
	TAILQ_FOREACH(caller, &a->callers, turn)
	{
		TAILQ_FOREACH(lane, &caller->lanes, turn)
		{
			struct entry *e = TAILQ_FIRST(&lane->entries);
			const enum admission_limit limit = admission_held_by(a, e);
			if (limit == ADMISSION_CALLER)
				break; /* as for all its others */
			if (limit == ADMISSION_OPEN && can(ctx, e))
				return e;
		}
	}
	return NULL;
}

struct entry *admission_expired(const struct admission *a, uint64_t now)
{
	const uint64_t most = a->limits.queue_ns;
	struct entry *e = TAILQ_FIRST(&a->ordinary);
	if (e != NULL && now - e->since_ns >= (a->served < SERVED_KNOWN ? most : most / 8 * 7))
		return e;
	e = TAILQ_FIRST(&a->burst);
	return e != NULL && now - e->since_ns >= a->limits.burst_ns ? e : NULL;
}

struct entry *admission_each(const struct admission *a, const struct entry *e)
{
	if (e != NULL && TAILQ_NEXT(e, in_order) != NULL)
		return TAILQ_NEXT(e, in_order);
	if (e == NULL && !TAILQ_EMPTY(&a->ordinary))
		return TAILQ_FIRST(&a->ordinary);
	return e == NULL || !e->burst ? TAILQ_FIRST(&a->burst) : NULL;
}

/* ---- places ---- */

/* Those it was the turn of go last. */
static void turn_pass(struct admission *a, const struct entry *e, uint64_t now)
{
	struct caller *caller = e->who.caller;
	TAILQ_REMOVE(&a->callers, caller, turn);
	TAILQ_INSERT_TAIL(&a->callers, caller, turn);
	TAILQ_REMOVE(&caller->lanes, e->lane, turn);
	TAILQ_INSERT_TAIL(&caller->lanes, e->lane, turn);
	uint64_t gap = now - a->served_ns;
	if (a->gap_ns > 0 && gap > STALL * a->gap_ns)
		gap = STALL * a->gap_ns;
	a->gap_ns = a->gap_ns == 0 ? gap : (a->gap_ns * 15 + gap) / 16;
	a->served_ns = now;
	a->served++;
}

void admission_take(struct admission *a, struct entry *e, struct ticket *ticket, uint64_t now)
{
	*ticket = e->who;
	ticket->function->holders++; /* which only its lane may have held */
	if (e->lane != NULL) {
		turn_pass(a, e, now);
		admission_leave(a, e);
	}
	ticket->function->share.running++;
	ticket->caller->share.running++;
	a->node.running++;
}

void admission_give(struct admission *a, struct ticket *ticket)
{
	if (ticket->function == NULL)
		return;
	a->node.running--;
	ticket->caller->share.running--;
	ticket->function->share.running--;
	admission_release(a, ticket->function);
	*ticket = (struct ticket){0};
}

/* ---- the whole ---- */

unsigned admission_running(const struct admission *a)
{
	return a->node.running;
}

unsigned admission_queued(const struct admission *a)
{
	return a->queued;
}

unsigned admission_seconds(const struct admission *a)
{
	const uint64_t seconds = (a->queued * a->gap_ns + 999999999U) / 1000000000U;
	return seconds < 1 ? 1 : seconds > SECONDS_MAX ? SECONDS_MAX : (unsigned)seconds;
}

struct admission *admission_create(const struct admission_limits *limits)
{
	struct admission *a = mem_zero(1, sizeof(*a));
	a->limits = *limits;
	TAILQ_INIT(&a->callers);
	TAILQ_INIT(&a->ordinary);
	TAILQ_INIT(&a->burst);
	TAILQ_INIT(&a->unnamed.lanes);
	return a;
}

void admission_destroy(struct admission *a)
{
	if (a == NULL)
		return;
	free(a->functions.buckets);
	free(a);
}
