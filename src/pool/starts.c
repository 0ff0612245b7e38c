#include "pool/pool_private.h"

#include "base/clock.h"

/* Starting a program is mostly cpu, so at most one start a cpu is under way, and what comes on top
 * waits: side by side they take longer each, and all together (measured: 1.9 instead of
 * 1.35 ms of cpu a start at 16). One that takes much longer than usual does something else,
 * and holds up nobody; but where all take longer the cpus are busy, and more at once would make
 * that worse. */
enum { SLOW_CHECK_MS = 10, SLOW_LEAST_MS = 10, SLOW_MOST_MS = 40, SLOW_TIMES = 4 };

/* ---- starts ---- */

bool start_has_room(const struct pool *pool)
{
	const unsigned jailers = jailer_client_jailers(pool->jailers);
	return pool->starting_count < (jailers < STARTS_MAX ? jailers : STARTS_MAX);
}

bool start_allowed(const struct pool *pool)
{
	return start_has_room(pool) && !queue_wants_start(pool);
}

static uint64_t slow_ns(const struct pool *pool)
{
	const uint64_t least = SLOW_LEAST_MS * 1000000U;
	const uint64_t most = SLOW_MOST_MS * 1000000U;
	const uint64_t ns = SLOW_TIMES * pool->start_ns;
	return ns < least ? least : ns > most ? most : ns;
}

static void start_note(struct pool *pool, uint64_t took)
{
	const uint64_t most = SLOW_MOST_MS * 1000000U;
	pool->start_ns = (pool->start_ns * 15 + (took < most ? took : most)) / 16;
}

void start_over(struct pool *pool, const struct pool_run *run)
{
	for (unsigned i = 0; i < pool->starting_count; i++) {
		if (pool->starting[i] == run) {
			start_note(pool, clock_mono_ns() - run->started_ns);
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

/* ---- whose turn it is ---- */

static void slow_check(uv_timer_t *timer);

void starts_watch(struct pool *pool)
{
	if (uv_is_active((uv_handle_t *)&pool->slow) == 0)
		(void)uv_timer_start(&pool->slow, slow_check, SLOW_CHECK_MS, SLOW_CHECK_MS);
}

void starts_serve(struct pool *pool)
{
	queue_serve(pool);
	spares_serve(pool);
	if (admission_queued(pool->admission) == 0 && pool->wanting == NULL)
		(void)uv_timer_stop(&pool->slow);
	else
		starts_watch(pool);
}

static void slow_check(uv_timer_t *timer)
{
	struct pool *pool = timer->data;
	const uint64_t now = clock_mono_ns();
	for (unsigned i = pool->starting_count; i-- > 0;) {
		if (now - pool->starting[i]->started_ns > slow_ns(pool))
			start_over(pool, pool->starting[i]);
	}
	queue_expire(pool, now);
	starts_serve(pool);
}

void starts_open(struct pool *pool)
{
	(void)uv_timer_init(pool->loop, &pool->slow);
	pool->slow.data = pool;
}
