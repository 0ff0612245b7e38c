#include "pool/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "pool/frame.h"

#include <stdlib.h>

/* Starting a program is mostly cpu, so at most one start a cpu is under way, and what comes on top
 * queues here: side by side they take longer each, and all together (measured: 1.9 instead of
 * 1.35 ms of cpu a start at 16). One that takes longer than this does something else, and holds up
 * nobody. */
enum { SLOW_START_MS = 10, STARTS_MAX = 64, ADDRESS_TRIES = 4 };

struct pool {
	uv_loop_t *loop;
	struct jailer_client *jailers;
	struct pool_limits limits;
	struct pool_run *oldest, *newest; /* all that wait, by age */
	unsigned waiting, running;
	unsigned spares; /* that wait or will */
	uint64_t waiting_bytes;
	struct pool_run *starting[STARTS_MAX]; /* starts under way that count */
	unsigned starting_count;
	struct pool_call *first, **last; /* calls that wait for their turn to start a jail */
	struct pool_program *wanting;    /* programs that do so for a spare */
	uv_timer_t idle, slow;
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
	run->bytes = run->program->bytes;
	pool->waiting_bytes += run->bytes;
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

static void spare_leave(struct pool *pool, struct pool_program *program)
{
	program->spare--;
	pool->spares--;
}

static void waiting_remove(struct pool *pool, struct pool_run *run)
{
	struct pool_run **at = &run->program->waiting;
	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	spare_leave(pool, run->program);
	*(run->older != NULL ? &run->older->newer : &pool->oldest) = run->newer;
	*(run->newer != NULL ? &run->newer->older : &pool->newest) = run->older;
	run->next = run->older = run->newer = NULL;
	pool->waiting--;
	pool->waiting_bytes -= run->bytes;
}

/* ---- starts ---- */

static bool start_allowed(const struct pool *pool)
{
	const unsigned jailers = jailer_client_jailers(pool->jailers);
	return pool->starting_count < (jailers < STARTS_MAX ? jailers : STARTS_MAX);
}

static void starting_end(struct pool *pool, const struct pool_run *run)
{
	for (unsigned i = 0; i < pool->starting_count; i++) {
		if (pool->starting[i] == run) {
			pool->starting[i] = pool->starting[--pool->starting_count];
			return;
		}
	}
}

/* One with an address waits for its link more than it uses the cpu: it does not count. */
static struct pool_run *run_new(struct pool *pool, struct pool_program *program,
	const struct lease_grant *grant, struct fault *f)
{
	struct pool_run *run = run_start(pool, program, grant, f);
	if (run == NULL)
		return NULL;
	run->started_ns = clock_mono_ns();
	if (grant == NULL && pool->starting_count < STARTS_MAX)
		pool->starting[pool->starting_count++] = run;
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

/* Ends a run that serves no call, and that nobody counts as a spare any more. */
static void spare_end(struct pool_run *run)
{
	program_leave(run);
	run->state = RUN_ENDING;
	run_kill(run, POOL_JAIL_KILLED);
}

/* Takes a waiting run out and ends it. */
static void waiting_end(struct pool *pool, struct pool_run *run)
{
	waiting_remove(pool, run);
	spare_end(run);
}

/* ---- spares ---- */

static bool waiting_is_full(const struct pool *pool, const struct pool_program *program)
{
	return pool->spares >= pool->limits.waiting_max ||
	       pool->waiting_bytes + program->bytes > pool->limits.waiting_bytes_max;
}

/* True while the program should have more. Where no more may wait in all, the least recently used
 * is given up, unless that is its own. */
static bool spare_wanted(const struct pool *pool, const struct pool_program *program)
{
	if (pool->ending || program->spare >= demand_jails(&program->demand, clock_mono_ns()))
		return false;
	return !waiting_is_full(pool, program) ||
	       (pool->oldest != NULL && pool->oldest->program != program);
}

static void spare_start(struct pool *pool, struct pool_program *program)
{
	while (pool->oldest != NULL && waiting_is_full(pool, program))
		waiting_end(pool, pool->oldest);
	struct fault f = {0};
	struct pool_run *run = run_new(pool, program, NULL, &f);
	if (run == NULL) {
		log_debug("no jail is kept waiting: %s", f.text);
		return;
	}
	run->spare = true;
	program->spare++;
	pool->spares++;
}

/* Starts what the program should have waiting, as far as it is their turn; the rest later. */
static void refill(struct pool *pool, struct pool_program *program)
{
	if (program == NULL || program->wanting)
		return;
	while (spare_wanted(pool, program) && pool->first == NULL && start_allowed(pool)) {
		const unsigned before = program->spare;
		spare_start(pool, program);
		if (program->spare == before)
			return; /* not now */
	}
	if (!spare_wanted(pool, program))
		return;
	program->wanting = true;
	program->next_wanting = pool->wanting;
	pool->wanting = program;
}

static void wanting_remove(struct pool *pool, struct pool_program *program)
{
	for (struct pool_program **at = &pool->wanting; program->wanting && *at != NULL;
		at = &(*at)->next_wanting) {
		if (*at != program)
			continue;
		*at = program->next_wanting;
		program->wanting = false;
		return;
	}
}

static void idle_check(uv_timer_t *timer)
{
	struct pool *pool = timer->data;
	const uint64_t now = clock_mono_ns();
	while (pool->oldest != NULL &&
		now - pool->oldest->waiting_since_ns > pool->limits.idle_ms * 1000000U)
		waiting_end(pool, pool->oldest);
}

/* ---- the queue ---- */

static void slow_check(uv_timer_t *timer);

static struct pool_call *queue_take(struct pool *pool, struct pool_call **at)
{
	struct pool_call *call = *at;
	*at = call->next;
	if (*at == NULL)
		pool->last = at;
	call->next = NULL;
	call->program->queued--;
	return call;
}

/* The first call that waits for this program, or NULL. */
static struct pool_call *queue_find(struct pool *pool, const struct pool_program *program)
{
	for (struct pool_call **at = &pool->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->program == program)
			return queue_take(pool, at);
	}
	return NULL;
}

static void call_free(struct pool_call *call)
{
	call->pool->running--;
	buf_finish(&call->frame);
	free(call->ip4);
	free(call);
}

static void call_fail(struct pool_call *call, const struct fault *f)
{
	struct pool_result result = {.outcome = POOL_FAULT, .fault = *f, .out = "", .err = ""};
	result.jail_ns = clock_mono_ns() - call->asked_ns;
	call->done(call->ctx, &result);
	call_free(call);
}

static void call_start(struct pool *pool, struct pool_call *call)
{
	struct fault f = {0};
	call->run = run_new(pool, call->program, NULL, &f);
	if (call->run == NULL) {
		call_fail(call, &f);
		return;
	}
	call->run->call = call;
}

/* Starts what waits for its turn: calls first, then spares. */
static void queue_serve(struct pool *pool)
{
	while (pool->first != NULL && start_allowed(pool))
		call_start(pool, queue_take(pool, &pool->first));
	while (pool->wanting != NULL && pool->first == NULL && start_allowed(pool)) {
		struct pool_program *program = pool->wanting;
		wanting_remove(pool, program);
		refill(pool, program);
	}
	if (pool->first == NULL && pool->wanting == NULL)
		(void)uv_timer_stop(&pool->slow);
	else if (uv_is_active((uv_handle_t *)&pool->slow) == 0)
		(void)uv_timer_start(&pool->slow, slow_check, SLOW_START_MS, SLOW_START_MS);
}

static void slow_check(uv_timer_t *timer)
{
	struct pool *pool = timer->data;
	const uint64_t now = clock_mono_ns();
	for (unsigned i = pool->starting_count; i-- > 0;) {
		if (now - pool->starting[i]->started_ns > SLOW_START_MS * 1000000U)
			starting_end(pool, pool->starting[i]);
	}
	while (pool->first != NULL &&
		now - pool->first->asked_ns > pool->limits.init_ms * 1000000U) {
		struct fault f = {0};
		(void)fault_code(&f, FAULT_BUSY, "no_jail_in_time",
			"no jail could be started in time, the node is too busy; try again");
		call_fail(queue_take(pool, &pool->first), &f);
	}
	queue_serve(pool);
}

/* ---- what runs tell ---- */

void pool_on_ready(struct pool_run *run)
{
	struct pool *pool = run->pool;
	starting_end(pool, run);
	if (run->address != 0)
		lease_confirm(pool->limits.leases, run->address);
	if (run->call == NULL && run->program != NULL && run->spare &&
		(run->call = queue_find(pool, run->program)) != NULL) {
		run->spare = false;
		spare_leave(pool, run->program);
	}
	if (run->call != NULL) {
		run_call(run, run->call);
	} else if (run->program == NULL || pool->ending) {
		run->state = RUN_ENDING;
		run_kill(run, POOL_JAIL_KILLED);
	} else {
		waiting_add(pool, run);
	}
	queue_serve(pool);
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
	if (!result->in_init && result->outcome != POOL_FAULT)
		refill(run->pool, run->program);
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
		waiting_end(run->pool, run);
	} else {
		spare_leave(run->pool, program);
		spare_end(run);
	}
	refill(run->pool, program);
}

void pool_on_gone(struct pool_run *run, uint64_t memory_peak)
{
	starting_end(run->pool, run);
	if (run->program != NULL && memory_peak > 0)
		run->program->bytes = memory_peak;
	if (run->program != NULL && run->state == RUN_WAITING) {
		waiting_remove(run->pool, run);
	} else if (run->program != NULL && run->state == RUN_STARTING && run->spare) {
		spare_leave(run->pool, run->program);
		/* One that does not get ready is not tried again unasked. */
		run->program->demand = (struct demand){0};
	}
	program_leave(run);
	queue_serve(run->pool);
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
	struct pool_run *run = run_new(pool, program, &grant, f);
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

/* A spare that is on its way: the call that comes before it is READY has it. */
static struct pool_run *starting_take(struct pool *pool, struct pool_program *program)
{
	for (struct pool_run *run = program->spare > 0 ? program->runs : NULL; run != NULL;
		run = run->sibling) {
		if (run->state == RUN_STARTING && run->spare && run->forced == POOL_VALUE) {
			run->spare = false;
			spare_leave(pool, program);
			return run;
		}
	}
	return NULL;
}

/* Finds or starts a jail for it; call->run stays NULL where it has to queue. */
static int call_place(struct pool *pool, struct pool_call *call, struct fault *f)
{
	struct pool_program *program = call->program;
	demand_note(&program->demand, call->asked_ns);
	call->waited = program->waiting != NULL;
	call->run = call->waited ? program->waiting : starting_take(pool, program);
	metrics_count(METRIC_POOL_ASKED,
		call->waited        ? METRIC_POOL_HIT
		: call->run != NULL ? METRIC_POOL_STARTING
				    : METRIC_POOL_MISS,
		0);
	if (call->waited)
		waiting_remove(pool, call->run);
	else if (call->run == NULL && pool->first == NULL && start_allowed(pool) &&
		 (call->run = run_new(pool, program, NULL, f)) == NULL)
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
	if ((request->ip4 != NULL ? call_place_with_address(pool, call, request->ip4, f)
				  : call_place(pool, call, f)) < 0) {
		free(call);
		return NULL;
	}
	frame_put_call(&call->frame, request->flags, 0, request->name, request->rest);
	pool->running++;
	if (call->run == NULL) {
		*pool->last = call;
		pool->last = &call->next;
		program->queued++;
		queue_serve(pool);
		return call;
	}
	call->run->call = call;
	if (call->waited)
		run_call(call->run, call);
	return call;
}

static void queue_leave(struct pool_call *call)
{
	struct pool_call **at = &call->pool->first;
	while (*at != call)
		at = &(*at)->next;
	(void)queue_take(call->pool, at);
}

void pool_call_cancel(struct pool_call *call)
{
	struct pool_run *run = call->run;
	if (run == NULL) {
		queue_leave(call);
		call_free(call);
		return;
	}
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
	return run != NULL || program->queued > 0;
}

bool pool_program_used(const struct pool_program *program)
{
	return program->runs != NULL || program->queued > 0 || program->wanting;
}

void pool_forget(struct pool *pool, struct pool_program *program)
{
	struct pool_call *call;
	wanting_remove(pool, program);
	/* Its calls start now, out of turn: they have the program, as long as it is open. */
	while ((call = queue_find(pool, program)) != NULL)
		call_start(pool, call);
	while (program->waiting != NULL)
		waiting_end(pool, program->waiting);
	while (program->runs != NULL) {
		struct pool_run *run = program->runs;
		if (run->spare && run->state == RUN_STARTING)
			spare_leave(pool, program);
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
	if (limits->leases != NULL)
		jailer_client_on_released(jailers, pool_released, pool);
	(void)uv_timer_init(loop, &pool->idle);
	pool->idle.data = pool;
	(void)uv_timer_start(&pool->idle, idle_check, 1000, 1000);
	(void)uv_timer_init(loop, &pool->slow);
	pool->slow.data = pool;
	pool->last = &pool->first;
	uv_unref((uv_handle_t *)&pool->idle);
	return pool;
}

void pool_drain(struct pool *pool)
{
	pool->ending = true;
	while (pool->oldest != NULL)
		waiting_end(pool, pool->oldest);
}
