#include "pool/pool_private.h"

#include "base/clock.h"
#include "base/defer.h"
#include "base/resident.h"
#include "metrics/metrics.h"
#include "pool/behind.h"
#include "pool/frame.h"
#include "pool/reuse.h"

#include <sched.h>
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
	buf_finish(&call->frame);
	free(call->ip4);
	free(call);
}

void call_fail(struct pool_call *call, const struct fault *f)
{
	struct pool_result result = {.outcome = POOL_FAULT, .fault = *f, .out = "", .err = ""};
	result.queue_ns = clock_mono_ns() - call->asked_ns;
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

static uint64_t resident_of(pid_t pid)
{
	defer_close int fd = resident_open(pid);
	return resident_bytes(fd);
}

/* What it takes to make one of its program, in time and, until calls have told more, in memory. */
static void ready_note(struct pool_run *run)
{
	struct pool_program *program = run->program;
	demand_made(&program->demand, clock_mono_ns() - run->started_ns);
	if (program->bytes == 0)
		program->bytes = resident_of(run->reuse.pid);
}

void pool_on_ready(struct pool_run *run)
{
	struct pool *pool = run->pool;
	start_over(pool, run);
	if (run->program != NULL && run->address == 0)
		ready_note(run);
	if (run->address != 0)
		lease_confirm(pool->limits.leases, run->address);
	if (run->call != NULL) {
		run_begin(run);
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
	metrics_time(METRIC_JAIL_WAIT, result->queue_ns + result->jail_ns);
	if (!result->in_init)
		metrics_time(METRIC_EXEC, result->run_ns);
}

void pool_on_result(struct pool_run *run, struct pool_result *result)
{
	struct pool *pool = run->pool;
	struct pool_call *call = run->call;
	run->call = NULL;
	result_count(result);
	admission_give(pool->admission, &run->ticket);
	if (!call->left)
		call->done(call->ctx, result);
	if (admission_running(pool->admission) == 0)
		(void)sched_yield(); /* to who reads it: what follows is clearing away */
	/* Behind the answer: what the next call will need. A program that never gets ready is not
	 * tried again unasked. */
	if (!result->in_init && result->outcome != POOL_FAULT && result->calls_before == 0)
		spares_soon(pool, run->program);
	call_free(call);
	behind_next(run);
	/* Before its own jail rests: the next call of its set has another one, so that no program is
	 * woken that is just falling asleep (measured: a ninth more calls a second). */
	starts_serve(pool);
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
	admission_give(run->pool->admission, &run->ticket); /* of a caller that left */
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
		metrics_time(METRIC_NETWORK_ALLOCATE, clock_mono_ns() - run->call->placed_ns);
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
	next->ticket = run->ticket;
	run->ticket = (struct ticket){0};
	run_give(next, call);
	return true;
}

/* ---- calls ---- */

/* The jail that waits for it, or is on its way; else a new one, where that has its turn. */
static struct pool_run *run_find(struct pool *pool, struct pool_call *call, struct fault *f)
{
	struct pool_program *program = call->program;
	struct pool_run *run = call->set != NULL ? reuse_idle(pool, call) : NULL;
	if (run != NULL || (call->set != NULL && !reuse_may_start(call)))
		return run;
	while ((run = program->waiting) != NULL &&
		!jailer_client_serves(pool->jailers, &run->handle))
		spares_end(pool, run);
	call->waited = run != NULL;
	if (call->waited)
		spares_remove(pool, run);
	else
		run = spares_starting(pool, program);
	const bool found = run != NULL;
	if (!found && start_has_room(pool))
		run = start_run(pool, program, NULL, f);
	if (run != NULL)
		metrics_count(METRIC_POOL_ASKED,
			call->waited ? METRIC_POOL_HIT
			: found      ? METRIC_POOL_STARTING
				     : METRIC_POOL_MISS,
			0);
	return run;
}

/* One with an address is made for its call, at once: none waits. */
static struct pool_run *run_make(struct pool *pool, struct pool_call *call, struct fault *f)
{
	metrics_count(METRIC_POOL_ASKED, METRIC_POOL_MISS, 0);
	call->tries_left = ADDRESS_TRIES;
	return run_with_address(pool, call->program, call->ip4, f);
}

int call_place(struct pool *pool, struct pool_call *call, struct fault *f)
{
	struct pool_run *run =
		call->ip4 != NULL ? run_make(pool, call, f) : run_find(pool, call, f);
	if (run == NULL && f->kind != FAULT_NONE)
		return -1;
	if (run == NULL) {
		run = behind_find(call);
		if (run != NULL)
			behind_send(run, call);
		return 0;
	}
	admission_take(pool->admission, &call->entry, &run->ticket, call->placed_ns);
	reuse_placed(call);
	run_give(run, call);
	return 0;
}

static struct pool_call *call_make(struct pool *pool, struct pool_program *program,
	const struct pool_request *request, void (*done)(void *, const struct pool_result *),
	void *ctx)
{
	struct pool_call *call = mem_zero(1, sizeof(*call));
	call->asked_ns = call->placed_ns = clock_mono_ns();
	call->pool = pool;
	call->program = program;
	call->ip4 = request->ip4 != NULL ? mem_strdup(request->ip4) : NULL;
	call->done = done;
	call->ctx = ctx;
	if (program->counted == NULL)
		program->counted = admission_function(pool->admission, program->function);
	admission_name(pool->admission, &call->entry, program->counted, request->caller);
	reuse_want(call, request);
	call->json = (request->flags & FRAME_CALL_JSON) != 0;
	frame_put_call(&call->frame, request->flags, (int64_t)(pool->limits.exec_ms * 1000000U),
		request->name, request->rest);
	if (call->set != NULL)
		frame_fill(&call->frame);
	return call;
}

/* Gives it its place, or lets it wait. */
static int call_admit(struct pool *pool, struct pool_call *call, struct fault *f)
{
	if (admission_is_free(pool->admission, &call->entry) && queue_next(pool) == NULL &&
		call_place(pool, call, f) < 0)
		return -1;
	return call->run != NULL ? 0 : queue_add(pool, call, f);
}

struct pool_call *pool_call(struct pool *pool, struct pool_program *program,
	const struct pool_request *request,
	void (*done)(void *ctx, const struct pool_result *result), void *ctx, struct fault *f)
{
	struct pool_call *call = call_make(pool, program, request, done, ctx);
	if (call_admit(pool, call, f) < 0) {
		call_free(call);
		return NULL;
	}
	if (request->ip4 == NULL && call->set == NULL) {
		demand_note(&program->demand, call->asked_ns);
		if (demand_is_slow(&program->demand))
			spares_soon(pool, program);
	}
	return call;
}

void pool_call_cancel(struct pool_call *call)
{
	struct pool_run *run = call->run;
	if (run != NULL)
		behind_take_back(run);
	if (call->run == NULL) {
		queue_leave(call);
		call_free(call);
		return;
	}
	if (run->call != call || run->behind_count > 0) { /* as good as made, or begun with */
		call->left = true;
		return;
	}
	/* Its ticket stays with the run: it counts until it is gone. */
	run->call = NULL;
	run->state = RUN_ENDING;
	run_kill(run, POOL_JAIL_KILLED);
	spares_refill(run->pool, run->program);
	call_free(call);
}

int pool_check(struct pool *pool, const struct caller *caller, struct fault *f)
{
	const enum admission_limit limit =
		admission_is_full(pool->admission, caller, clock_mono_ns());
	if (limit == ADMISSION_OPEN)
		return 0;
	queue_refuse(pool, limit, caller, f);
	return -1;
}

bool pool_program_called(const struct pool_program *program)
{
	const struct pool_run *run = program->runs;
	while (run != NULL && run->call == NULL)
		run = run->sibling;
	return run != NULL || program->queued > 0;
}

bool pool_program_used(const struct pool_program *program)
{
	return program->runs != NULL || program->queued > 0 || program->wanting ||
	       program->reuse != NULL;
}

void pool_forget(struct pool *pool, struct pool_program *program)
{
	spares_unwant(pool, program);
	for (struct pool_run *run = program->runs; run != NULL; run = run->sibling)
		behind_take_back(run);
	if (program->queued > 0)
		queue_adopt(pool, program);
	reuse_forget(pool, program);
	admission_release(pool->admission, program->counted);
	program->counted = NULL;
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
	return admission_running(pool->admission);
}

unsigned pool_queued(const struct pool *pool)
{
	return admission_queued(pool->admission);
}

unsigned pool_waiting(const struct pool *pool)
{
	return pool->waiting;
}

static void turn_ends(uv_prepare_t *turn)
{
	struct pool *pool = turn->data;
	queue_tell(pool);
	behind_flush(pool);
}

static void turn_open(struct pool *pool)
{
	(void)uv_prepare_init(pool->loop, &pool->turn);
	pool->turn.data = pool;
	(void)uv_prepare_start(&pool->turn, turn_ends);
	uv_unref((uv_handle_t *)&pool->turn);
}

struct pool *pool_create(
	uv_loop_t *loop, struct jailer_client *jailers, const struct pool_limits *limits)
{
	struct pool *pool = mem_zero(1, sizeof(*pool));
	pool->loop = loop;
	pool->jailers = jailers;
	pool->limits = *limits;
	const uint64_t burst_ms =
		limits->init_ms > limits->queue_ms ? limits->init_ms : limits->queue_ms;
	const struct admission_limits admission = {
		.node_max = limits->running_max,
		.function_max = limits->function_max,
		.queue_max = limits->queue_max,
		.queue_ns = limits->queue_ms * 1000000U,
		.burst_ns = burst_ms * 1000000U,
	};
	pool->admission = admission_create(&admission);
	if (limits->leases != NULL)
		jailer_client_on_released(jailers, pool_released, pool);
	starts_open(pool);
	spares_open(pool);
	turn_open(pool);
	return pool;
}

void pool_drain(struct pool *pool)
{
	pool->ending = true;
	while (pool->oldest != NULL)
		spares_end(pool, pool->oldest);
}
