#include "pool/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "pool/frame.h"

#include <stdlib.h>

struct pool {
	uv_loop_t *loop;
	struct jailer_client *jailers;
	struct pool_limits limits;
	struct pool_run *oldest, *newest; /* all that wait, by age */
	unsigned waiting, running;
	uv_timer_t idle;
	bool ending;
};

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

/* ---- the two lists of waiting runs ---- */

static void waiting_add(struct pool *pool, struct pool_run *run)
{
	run->waiting_since_ns = clock_mono_ns();
	run->next = run->program->waiting;
	run->program->waiting = run;
	run->newer = NULL;
	run->older = pool->newest;
	if (pool->newest != NULL)
		pool->newest->newer = run;
	else
		pool->oldest = run;
	pool->newest = run;
	pool->waiting++;
}

static void waiting_remove(struct pool *pool, struct pool_run *run)
{
	struct pool_run **at = &run->program->waiting;
	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	run->program->spare--;
	*(run->older != NULL ? &run->older->newer : &pool->oldest) = run->newer;
	*(run->newer != NULL ? &run->newer->older : &pool->newest) = run->older;
	run->next = run->older = run->newer = NULL;
	pool->waiting--;
}

/* ---- all runs of a program ---- */

static struct pool_run *run_new(struct pool *pool, struct pool_program *program, struct fault *f)
{
	struct pool_run *run = run_start(pool, program, f);
	if (run == NULL)
		return NULL;
	run->sibling = program->runs;
	run->sibling_at = &program->runs;
	if (run->sibling != NULL)
		run->sibling->sibling_at = &run->sibling;
	program->runs = run;
	return run;
}

static void program_leave(struct pool_run *run)
{
	if (run->program == NULL)
		return;
	*run->sibling_at = run->sibling;
	if (run->sibling != NULL)
		run->sibling->sibling_at = run->sibling_at;
	run->program = NULL;
}

/* Takes a waiting run out and ends it. */
static void waiting_end(struct pool *pool, struct pool_run *run)
{
	waiting_remove(pool, run);
	program_leave(run);
	run->state = RUN_ENDING;
	run_kill(run, POOL_JAIL_KILLED);
}

/* ---- refilling ---- */

/* One jail waits for each program that is called; the least recently used of all is given up for
 * it. */
static void refill(struct pool *pool, struct pool_program *program)
{
	if (pool->ending || program == NULL || pool->limits.waiting_max == 0 || program->spare > 0)
		return;
	while (pool->waiting >= pool->limits.waiting_max)
		waiting_end(pool, pool->oldest);
	struct fault f = {0};
	struct pool_run *run = run_new(pool, program, &f);
	if (run == NULL) {
		log_debug("no jail is kept waiting: %s", f.text);
		return;
	}
	run->spare = true;
	program->spare++;
}

static void idle_check(uv_timer_t *timer)
{
	struct pool *pool = timer->data;
	const uint64_t now = clock_mono_ns();
	while (pool->oldest != NULL &&
		now - pool->oldest->waiting_since_ns > pool->limits.idle_ms * 1000000U)
		waiting_end(pool, pool->oldest);
}

/* ---- what runs tell ---- */

void pool_on_ready(struct pool_run *run)
{
	struct pool *pool = run->pool;
	if (run->call != NULL) {
		run_call(run, run->call);
	} else if (run->program == NULL || pool->ending) {
		run->state = RUN_ENDING;
		run_kill(run, POOL_JAIL_KILLED);
	} else {
		waiting_add(pool, run);
	}
}

static void call_free(struct pool_call *call)
{
	call->pool->running--;
	buf_finish(&call->frame);
	free(call);
}

void pool_on_result(struct pool_run *run, struct pool_result *result)
{
	struct pool_call *call = run->call;
	run->call = NULL;
	call->done(call->ctx, result);
	/* Behind the answer: what the next call will need. A program that never gets ready is not
	 * tried again unasked. */
	if (!result->in_init && result->outcome != POOL_FAULT)
		refill(run->pool, run->program);
	call_free(call);
}

void pool_on_gone(struct pool_run *run)
{
	if (run->program != NULL && run->state == RUN_WAITING)
		waiting_remove(run->pool, run);
	else if (run->program != NULL && run->state == RUN_STARTING && run->spare)
		run->program->spare--;
	program_leave(run);
}

/* ---- calls ---- */

/* A spare that is on its way: the call that comes before it is READY has it. */
static struct pool_run *starting_take(struct pool_program *program)
{
	for (struct pool_run *run = program->spare > 0 ? program->runs : NULL; run != NULL;
		run = run->sibling) {
		if (run->state == RUN_STARTING && run->spare && run->forced == POOL_VALUE) {
			run->spare = false;
			program->spare--;
			return run;
		}
	}
	return NULL;
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
	const uint64_t asked_ns = clock_mono_ns();
	struct pool_run *run = program->waiting;
	const bool waited = run != NULL;
	if (waited)
		waiting_remove(pool, run);
	else if ((run = starting_take(program)) == NULL &&
		 (run = run_new(pool, program, f)) == NULL)
		return NULL;
	struct pool_call *call = mem_zero(1, sizeof(*call));
	call->pool = pool;
	call->run = run;
	call->done = done;
	call->ctx = ctx;
	call->waited = waited;
	call->asked_ns = asked_ns;
	frame_put_call(&call->frame, request->flags, 0, request->name, request->rest);
	pool->running++;
	run->call = call;
	if (waited)
		run_call(run, call);
	else
		run_watch_output(run);
	return call;
}

void pool_call_cancel(struct pool_call *call)
{
	struct pool_run *run = call->run;
	run->call = NULL;
	run->state = RUN_ENDING;
	run_kill(run, POOL_JAIL_KILLED);
	refill(run->pool, run->program);
	call_free(call);
}

bool pool_program_called(const struct pool_program *program)
{
	const struct pool_run *run = program->runs;
	while (run != NULL && run->call == NULL)
		run = run->sibling;
	return run != NULL;
}

void pool_forget(struct pool *pool, struct pool_program *program)
{
	while (program->waiting != NULL)
		waiting_end(pool, program->waiting);
	while (program->runs != NULL) {
		struct pool_run *run = program->runs;
		program_leave(run);
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
	(void)uv_timer_init(loop, &pool->idle);
	pool->idle.data = pool;
	(void)uv_timer_start(&pool->idle, idle_check, 1000, 1000);
	uv_unref((uv_handle_t *)&pool->idle);
	return pool;
}

void pool_drain(struct pool *pool)
{
	pool->ending = true;
	while (pool->oldest != NULL)
		waiting_end(pool, pool->oldest);
}
