#include "pool/pool_private.h"

#include "base/clock.h"
#include "metrics/metrics.h"
#include "pool/frame.h"
#include "pool/reuse.h"

#include <stdlib.h>

enum { ADDRESS_TRIES = 4 };

const struct pool_limits *pool_limits_of(const struct pool *pool)
{
	return &pool->limits;
}

struct jailer_client *pool_jailers(const struct pool *pool)
{
	return pool->jailers;
}

uv_loop_t *pool_loop(const struct pool *pool)
{
	return pool->loop;
}

void call_free(struct pool_call *call)
{
	reuse_call_over(call);
	call->pool->running--;
	buf_finish(&call->frame);
	free(call->ip4);
	free(call);
}

void call_fail(struct pool_call *call, const struct fault *f)
{
	struct pool_result result = {.outcome = POOL_FAULT, .fault = *f, .out = "", .err = ""};
	result.jail_ns = clock_mono_ns() - call->asked_ns;
	call->done(call->ctx, &result);
	call_free(call);
}

void run_forget(struct pool_run *run)
{
	if (run->program == NULL)
		return;
	*run->sibling_at = run->sibling;
	if (run->sibling != NULL)
		run->sibling->sibling_at = run->sibling_at;
	run->program = NULL;
}

/* ---- what runs tell ---- */

void pool_on_ready(struct pool_run *run)
{
	struct pool *pool = run->pool;
	start_over(pool, run);
	if (run->address != 0)
		lease_confirm(pool->limits.leases, run->address);
	if (run->call == NULL && run->program != NULL && run->spare &&
		(run->call = queue_find(pool, run->program)) != NULL)
		spares_leave(pool, run);
	if (run->call != NULL) {
		run_call(run, run->call);
	} else if (run->program == NULL || pool->ending) {
		run->state = RUN_ENDING;
		run_kill(run, POOL_JAIL_KILLED);
	} else {
		spares_add(pool, run);
	}
	starts_serve(pool);
}

_Static_assert(
	(int)POOL_FAULT == (int)METRIC_OUTCOME_FAULT, "metrics' outcomes are those of calls");

static void result_count(const struct pool_result *result)
{
	metrics_count(METRIC_EXEC_ENDED, result->outcome, 0);
	metrics_time(METRIC_JAIL_WAIT, result->jail_ns);
	if (!result->in_init)
		metrics_time(METRIC_EXEC, result->run_ns);
}

void pool_on_result(struct pool_run *run, struct pool_result *result)
{
	struct pool_call *call = run->call;
	run->call = NULL;
	result_count(result);
	call->done(call->ctx, result);
	/* Behind the answer: what the next call will need. A program that never gets ready is not
	 * tried again unasked. */
	if (!result->in_init && result->outcome != POOL_FAULT && result->calls_before == 0)
		spares_refill(run->pool, run->program);
	call_free(call);
}

/* What waited, or was about to, is replaced at once; a call's jail behind its answer. */
void pool_on_kill(struct pool_run *run)
{
	struct pool_program *program = run->program;
	if (run->call != NULL || program == NULL || run->state == RUN_ENDING) {
		run_kill(run, POOL_JAIL_KILLED);
		return;
	}
	if (run->state == RUN_WAITING) {
		spares_end(run->pool, run);
	} else {
		spares_end_starting(run->pool, run);
	}
	spares_refill(run->pool, program);
}

void pool_on_gone(struct pool_run *run, uint64_t memory_peak)
{
	start_over(run->pool, run);
	if (run->program != NULL && memory_peak > 0 && run->reuse.calls < 2)
		run->program->bytes = memory_peak;
	if (run->program != NULL && run->state == RUN_WAITING) {
		spares_remove(run->pool, run);
	} else if (run->program != NULL && run->state == RUN_STARTING && run->spare) {
		spares_leave(run->pool, run);
		/* One that does not get ready is not tried again unasked. */
		run->program->demand = (struct demand){0};
	}
	run_forget(run);
	reuse_gone(run);
	starts_serve(run->pool);
}

/* ---- addresses ---- */

/* Its address comes back by pool_released however the jail ends. */
static struct pool_run *run_with_address(
	struct pool *pool, struct pool_program *program, const char *ip4, struct fault *f)
{
	struct leases *leases = pool->limits.leases;
	struct lease_grant grant;
	char name[JAILER_NAME_MAX];
	if (leases == NULL) {
		(void)fault_code(f, FAULT_FORBIDDEN, "no_network", "jails get no addresses here");
		return NULL;
	}
	if (lease_take(leases, ip4, &grant, f) < 0)
		return NULL;
	struct pool_run *run = start_run(pool, program, &grant, f);
	if (run == NULL) {
		lease_give(leases, grant.address); /* no jailer heard of it */
		return NULL;
	}
	jailer_handle_name(&run->handle, name);
	lease_hold(leases, grant.address, name);
	return run;
}

static void pool_released(void *ctx, uint32_t address)
{
	struct pool *pool = ctx;
	lease_give(pool->limits.leases, address);
}

void pool_on_address(struct pool_run *run)
{
	if (run->call != NULL)
		metrics_time(METRIC_NETWORK_ALLOCATE, clock_mono_ns() - run->call->asked_ns);
}

bool pool_on_taken(struct pool_run *run, enum jailer_taken taken)
{
	struct pool *pool = run->pool;
	struct pool_call *call = run->call;
	struct fault f = {0};
	if (taken == JAILER_TAKEN_BY_HOST)
		lease_conflict(pool->limits.leases, run->address);
	if (run->program == NULL || call->tries_left-- == 0)
		return false;
	struct pool_run *next = run_with_address(pool, run->program, call->ip4, &f);
	if (next == NULL)
		return false;
	run->call = NULL;
	next->call = call;
	call->run = next;
	return true;
}

/* ---- calls ---- */

/* Finds or starts a jail for it; call->run stays NULL where it has to queue. */
static int call_place(struct pool *pool, struct pool_call *call, struct fault *f)
{
	struct pool_program *program = call->program;
	demand_note(&program->demand, clock_mono_ns());
	call->waited = program->waiting != NULL;
	call->run = call->waited ? program->waiting : spares_starting(pool, program);
	metrics_count(METRIC_POOL_ASKED,
		call->waited        ? METRIC_POOL_HIT
		: call->run != NULL ? METRIC_POOL_STARTING
				    : METRIC_POOL_MISS,
		0);
	if (call->waited)
		spares_remove(pool, call->run);
	else if (call->run == NULL && start_allowed(pool) &&
		 (call->run = start_run(pool, program, NULL, f)) == NULL)
		return -1;
	return 0;
}

/* A jail of its own, at once: none with an address waits, and none queues. */
static int call_place_with_address(
	struct pool *pool, struct pool_call *call, const char *ip4, struct fault *f)
{
	metrics_count(METRIC_POOL_ASKED, METRIC_POOL_MISS, 0);
	call->run = run_with_address(pool, call->program, ip4, f);
	if (call->run == NULL)
		return -1;
	call->ip4 = mem_strdup(ip4);
	call->tries_left = ADDRESS_TRIES;
	return 0;
}

/* It has its place: in a jail that waited, with one that starts, or in the queue. */
static void call_begin(struct pool *pool, struct pool_call *call)
{
	if (call->run == NULL) {
		queue_add(pool, call);
		return;
	}
	call->run->call = call;
	if (call->waited)
		run_call(call->run, call);
}

void call_go(struct pool *pool, struct pool_call *call)
{
	struct fault f = {0};
	if (call_place(pool, call, &f) < 0)
		call_fail(call, &f);
	else
		call_begin(pool, call);
}

struct pool_call *pool_call(struct pool *pool, struct pool_program *program,
	const struct pool_request *request,
	void (*done)(void *ctx, const struct pool_result *result), void *ctx, struct fault *f)
{
	if (pool->running >= pool->limits.running_max) {
		(void)fault_code(f, FAULT_LIMITED, "too_many_calls",
			"%u calls run already, as many as are allowed; try again later",
			pool->running);
		return NULL;
	}
	struct pool_call *call = mem_zero(1, sizeof(*call));
	call->asked_ns = clock_mono_ns();
	call->pool = pool;
	call->program = program;
	call->done = done;
	call->ctx = ctx;
	frame_put_call(&call->frame, request->flags, 0, request->name, request->rest);
	pool->running++;
	if (reuse_offer(pool, call, request))
		return call;
	if ((request->ip4 != NULL ? call_place_with_address(pool, call, request->ip4, f)
				  : call_place(pool, call, f)) < 0) {
		call_free(call);
		return NULL;
	}
	call_begin(pool, call);
	return call;
}

void pool_call_cancel(struct pool_call *call)
{
	struct pool_run *run = call->run;
	if (run == NULL) {
		if (call->behind)
			reuse_queue_leave(call);
		else
			queue_leave(call);
		call_free(call);
		return;
	}
	run->call = NULL;
	run->state = RUN_ENDING;
	run_kill(run, POOL_JAIL_KILLED);
	spares_refill(run->pool, run->program);
	call_free(call);
}

bool pool_program_called(const struct pool_program *program)
{
	const struct pool_run *run = program->runs;
	while (run != NULL && run->call == NULL)
		run = run->sibling;
	return run != NULL || program->queued > 0 || reuse_waited(program);
}

bool pool_program_used(const struct pool_program *program)
{
	return program->runs != NULL || program->queued > 0 || program->wanting ||
	       program->reuse != NULL;
}

void pool_forget(struct pool *pool, struct pool_program *program)
{
	struct pool_call *call;
	spares_unwant(pool, program);
	reuse_forget(pool, program);
	/* Its calls start now, out of turn: they have the program, as long as it is open. */
	while ((call = queue_find(pool, program)) != NULL)
		call_start(pool, call);
	while (program->waiting != NULL)
		spares_end(pool, program->waiting);
	while (program->runs != NULL) {
		struct pool_run *run = program->runs;
		if (run->spare && run->state == RUN_STARTING)
			spares_leave(pool, run);
		run_forget(run);
		if (run->call == NULL)
			run_kill(run, POOL_JAIL_KILLED);
	}
}

unsigned pool_running(const struct pool *pool)
{
	return pool->running;
}

unsigned pool_waiting(const struct pool *pool)
{
	return pool->waiting;
}

struct pool *pool_create(
	uv_loop_t *loop, struct jailer_client *jailers, const struct pool_limits *limits)
{
	struct pool *pool = mem_zero(1, sizeof(*pool));
	pool->loop = loop;
	pool->jailers = jailers;
	pool->limits = *limits;
	if (limits->leases != NULL)
		jailer_client_on_released(jailers, pool_released, pool);
	starts_open(pool);
	spares_open(pool);
	reuse_open(pool);
	return pool;
}

void pool_drain(struct pool *pool)
{
	pool->ending = true;
	while (pool->oldest != NULL)
		spares_end(pool, pool->oldest);
}
