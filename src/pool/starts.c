#include "pool/pool_private.h"

#include "base/clock.h"

/* Starting a program is mostly cpu, so at most one start a cpu is under way, and what comes on top
 * queues here: side by side they take longer each, and all together (measured: 1.9 instead of
 * 1.35 ms of cpu a start at 16). One that takes longer than this does something else, and holds up
 * nobody. */
enum { SLOW_START_MS = 10 };

/* ---- starts ---- */

static bool is_room(const struct pool *pool)
{
	const unsigned jailers = jailer_client_jailers(pool->jailers);
	return pool->starting_count < (jailers < STARTS_MAX ? jailers : STARTS_MAX);
}

bool start_allowed(const struct pool *pool)
{
	return pool->first == NULL && is_room(pool);
}

void start_over(struct pool *pool, const struct pool_run *run)
{
	for (unsigned i = 0; i < pool->starting_count; i++) {
		if (pool->starting[i] == run) {
			pool->starting[i] = pool->starting[--pool->starting_count];
			return;
		}
	}
}

/* One with an address waits for its link more than it uses the cpu: it does not count. */
struct pool_run *start_run(struct pool *pool, struct pool_program *program,
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

/* ---- the queue ---- */

void queue_add(struct pool *pool, struct pool_call *call)
{
	*pool->last = call;
	pool->last = &call->next;
	call->program->queued++;
	starts_serve(pool);
}

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

struct pool_call *queue_find(struct pool *pool, const struct pool_program *program)
{
	for (struct pool_call **at = &pool->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->program == program)
			return queue_take(pool, at);
	}
	return NULL;
}

void call_start(struct pool *pool, struct pool_call *call)
{
	struct fault f = {0};
	call->run = start_run(pool, call->program, NULL, &f);
	if (call->run == NULL) {
		call_fail(call, &f);
		return;
	}
	run_give(call->run, call);
}

static void slow_check(uv_timer_t *timer);

void starts_serve(struct pool *pool)
{
	while (pool->first != NULL && is_room(pool))
		call_start(pool, queue_take(pool, &pool->first));
	spares_serve(pool);
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
			start_over(pool, pool->starting[i]);
	}
	while (pool->first != NULL &&
		now - pool->first->asked_ns > pool->limits.init_ms * 1000000U) {
		struct fault f = {0};
		(void)fault_code(&f, FAULT_BUSY, "no_jail_in_time",
			"no jail could be started in time, the node is too busy; try again");
		call_fail(queue_take(pool, &pool->first), &f);
	}
	starts_serve(pool);
}

void queue_leave(struct pool_call *call)
{
	struct pool_call **at = &call->pool->first;
	while (*at != call)
		at = &(*at)->next;
	(void)queue_take(call->pool, at);
}

void starts_open(struct pool *pool)
{
	(void)uv_timer_init(pool->loop, &pool->slow);
	pool->slow.data = pool;
	pool->last = &pool->first;
}
