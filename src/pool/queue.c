/* Calls that wait for their turn: for a place within the limits, or for the start of their jail.
 * admission.c says who is next. */

#include "pool/behind.h"
#include "pool/pool_private.h"
#include "pool/reuse.h"

#include "base/clock.h"
#include "metrics/metrics.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct pool_call *call_of(struct entry *e)
{
	return (struct pool_call *)((char *)e - offsetof(struct pool_call, entry));
}

/* ---- refusing ---- */

_Static_assert((int)ADMISSION_NODE == (int)METRIC_LIMIT_NODE + 1 &&
		       (int)ADMISSION_CALLER == (int)METRIC_LIMIT_CALLER + 1,
	"metrics' limits are those of admission");

/* Of the node's own limits: its places, or how fast it makes jails. */
static void node_words(const struct pool *pool, unsigned waiting, struct fault *f)
{
	const unsigned running = admission_running(pool->admission);
	if (running < pool->places)
		(void)fault_code(f, FAULT_LIMITED, "too_many_calls",
			"more calls come than the node can start jails for in jails.queue_timeout "
			"(%u run, %u wait); try again later",
			running, waiting);
	else if (pool->places < pool->limits.running_max)
		(void)fault_code(f, FAULT_LIMITED, "too_many_calls",
			"the node is short of memory and takes no more calls for now (%u run, "
			"jails.memory_reserve); %u calls wait; try again later",
			running, waiting);
	else
		(void)fault_code(f, FAULT_LIMITED, "too_many_calls",
			"the node has no place for another call (%u run, jails.children_max: %u); "
			"%u calls wait; try again later",
			running, pool->limits.running_max, waiting);
}

void queue_refuse(const struct pool *pool, enum admission_limit limit, const struct caller *caller,
	struct fault *f)
{
	const unsigned waiting = admission_queued(pool->admission);
	metrics_count(METRIC_REFUSED, limit - 1, 0);
	if (limit == ADMISSION_CALLER)
		(void)fault_code(f, FAULT_LIMITED, "too_many_calls",
			"the caller \"%s\" has as many calls under way as it may (calls_max: %u); "
			"%u calls wait; try again later",
			caller != NULL ? caller->name : "", caller != NULL ? caller->calls_max : 0,
			waiting);
	else if (limit == ADMISSION_FUNCTION)
		(void)fault_code(f, FAULT_LIMITED, "too_many_calls",
			"as many calls of this function are under way as may be "
			"(jails.calls_per_function: %u); %u calls wait; try again later",
			pool->limits.function_max, waiting);
	else
		node_words(pool, waiting, f);
	f->seconds = admission_seconds(pool->admission);
}

/* One that waited, and is in the queue no more. */
static void refuse_waited(struct pool *pool, struct pool_call *call, enum admission_limit limit)
{
	struct fault f = {0};
	queue_refuse(
		pool, limit != ADMISSION_OPEN ? limit : ADMISSION_NODE, call->entry.who.caller, &f);
	call_fail(call, &f);
}

/* ---- programs that wait with their calls ---- */

static void program_leave(struct pool_program *program)
{
	if (--program->queued > 0 || !program->orphan)
		return;
	(void)close(program->fd);
	free(program->module);
	free(program);
}

/* What an orphan's call was given is of no program. */
static void call_started(struct pool_call *call)
{
	struct pool_program *program = call->program;
	if (call->run != NULL && program->orphan)
		run_forget(call->run);
	call->program = NULL;
	program_leave(program);
}

void queue_adopt(struct pool *pool, struct pool_program *program)
{
	struct pool_program *own = mem_zero(1, sizeof(*own));
	own->fd = fcntl(
		program->fd, F_DUPFD_CLOEXEC, 0); /* -1: they are told when it is their turn */
	own->module = program->module != NULL ? mem_strdup(program->module) : NULL;
	own->orphan = true;
	for (struct entry *e = NULL; (e = admission_each(pool->admission, e)) != NULL;) {
		struct pool_call *call = call_of(e);
		if (call->program != program)
			continue;
		call->program = own;
		own->queued++;
	}
	program->queued = 0;
}

/* ---- the queue ---- */

static void wait_over(const struct pool_call *call, uint64_t now)
{
	metrics_time(METRIC_QUEUE_WAIT, now - call->asked_ns);
}

static void displace(struct pool *pool, struct pool_call *call, uint64_t now)
{
	call->held = admission_held_by(pool->admission, &call->entry);
	wait_over(call, now);
	queue_leave(call);
	LIST_INSERT_HEAD(&pool->displaced, call, of_displaced);
}

void queue_tell(struct pool *pool)
{
	struct pool_call *call;
	while ((call = LIST_FIRST(&pool->displaced)) != NULL) {
		LIST_REMOVE(call, of_displaced);
		refuse_waited(pool, call, call->held);
	}
}

int queue_add(struct pool *pool, struct pool_call *call, struct fault *f)
{
	struct entry *victim;
	const enum admission_limit limit =
		admission_queue(pool->admission, &call->entry, call->asked_ns, &victim);
	if (limit != ADMISSION_OPEN) {
		queue_refuse(pool, limit, call->entry.who.caller, f);
		return -1;
	}
	call->program->queued++;
	starts_watch(pool);
	if (victim != NULL)
		displace(pool, call_of(victim), call->asked_ns);
	return 0;
}

void queue_return(struct pool *pool, struct pool_call *call)
{
	admission_return(pool->admission, &call->entry, call->asked_ns, clock_mono_ns());
	call->program->queued++;
	starts_watch(pool);
}

void queue_leave(struct pool_call *call)
{
	if (call->program == NULL) {
		LIST_REMOVE(call, of_displaced);
		return;
	}
	admission_leave(call->pool->admission, &call->entry);
	call_started(call);
}

void queue_expire(struct pool *pool, uint64_t now)
{
	struct entry *e;
	while ((e = admission_expired(pool->admission, now)) != NULL) {
		struct pool_call *call = call_of(e);
		const enum admission_limit held = admission_held_by(pool->admission, e);
		wait_over(call, now);
		queue_leave(call);
		refuse_waited(pool, call, held);
	}
}

static bool can_place(void *ctx, const struct entry *e)
{
	const struct pool *pool = ctx;
	const struct pool_call *call =
		(const struct pool_call *)((const char *)e - offsetof(struct pool_call, entry));
	if (call->set != NULL && (call->set->idle != NULL || behind_find(call) != NULL))
		return true;
	return (call->set == NULL || reuse_may_start(call)) &&
	       (call->ip4 != NULL || call->program->waiting != NULL || start_has_room(pool));
}

static bool needs_start(void *ctx, const struct entry *e)
{
	const struct pool_call *call =
		(const struct pool_call *)((const char *)e - offsetof(struct pool_call, entry));
	(void)ctx;
	return call->ip4 == NULL && (call->set == NULL || reuse_may_start(call));
}

bool queue_wants_start(const struct pool *pool)
{
	return admission_queued(pool->admission) > 0 &&
	       admission_next(pool->admission, needs_start, NULL) != NULL;
}

struct pool_call *queue_next(struct pool *pool)
{
	if (admission_queued(pool->admission) == 0 ||
		(pool->waiting == 0 && pool->used == 0 && pool->limits.leases == NULL &&
			!start_has_room(pool)))
		return NULL;
	struct entry *e = admission_next(pool->admission, can_place, pool);
	return e != NULL ? call_of(e) : NULL;
}

/* Its turn has come. -1: f set; 0 where it waits on, as the jail that it was to have has ended. */
static int place_next(struct pool *pool, struct pool_call *call, struct fault *f)
{
	call->placed_ns = clock_mono_ns();
	if (call->program->fd < 0)
		return fault_code(f, FAULT_BUSY, "too_many_descriptors",
			"no descriptors are left; try again later");
	return call_place(pool, call, f);
}

void queue_serve(struct pool *pool)
{
	struct pool_call *call;
	while ((call = queue_next(pool)) != NULL) {
		struct fault f = {0};
		const int placed = place_next(pool, call, &f);
		if (placed == 0 && call->run == NULL)
			continue;
		wait_over(call, call->placed_ns);
		if (placed == 0) {
			call_started(call);
		} else {
			queue_leave(call);
			call_fail(call, &f);
		}
	}
}
