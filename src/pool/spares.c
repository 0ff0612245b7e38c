/* Jails that wait for calls: which program has how many, and which go first. */

#include "pool/pool_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "pool/reuse.h"

enum { IDLE_CHECK_MS = 1000, REST_MS = 1000, SOON_MS = 2 };

/* ---- the two lists of waiting runs ---- */

/* Its program's fresh ones, or its set's used ones. */
static struct pool_run **list_of(struct pool_run *run)
{
	return run->reuse.set != NULL ? &run->reuse.set->idle : &run->program->waiting;
}

static void count_bytes(struct pool *pool, struct pool_run *run, uint64_t bytes)
{
	pool->waiting_bytes += bytes - run->bytes;
	run->bytes = bytes;
}

/* What takes more than all may together has no jails that wait, and nobody's end for it. */
static bool is_too_large(const struct pool *pool, uint64_t bytes)
{
	return bytes > pool->limits.waiting_bytes_max;
}

void spares_add(struct pool *pool, struct pool_run *run)
{
	run->waiting_since_ns = clock_mono_ns();
	count_bytes(pool, run,
		run->program->bytes > run->reuse.resident ? run->program->bytes
							  : run->reuse.resident);
	run->next = *list_of(run);
	*list_of(run) = run;
	pool->spares += run->reuse.set != NULL;
	run->newer = NULL;
	run->older = pool->newest;
	if (pool->newest != NULL)
		pool->newest->newer = run;
	else
		pool->oldest = run;
	pool->newest = run;
	pool->waiting++;
	while (is_too_large(pool, pool->waiting_bytes) &&
		pool->oldest != NULL) /* not known before */
		spares_end(pool, is_too_large(pool, run->bytes) ? run : pool->oldest);
}

/* Used ones do not count as spares of their program, but as jails that wait. */
static void uncount(struct pool *pool, struct pool_run *run)
{
	count_bytes(pool, run, 0);
	run->program->spare -= run->reuse.set == NULL;
	pool->spares--;
}

void spares_leave(struct pool *pool, struct pool_run *run)
{
	run->spare = false;
	uncount(pool, run);
}

void spares_remove(struct pool *pool, struct pool_run *run)
{
	struct pool_run **at = list_of(run);
	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	uncount(pool, run);
	*(run->older != NULL ? &run->older->newer : &pool->oldest) = run->newer;
	*(run->newer != NULL ? &run->newer->older : &pool->newest) = run->older;
	run->next = run->older = run->newer = NULL;
	pool->waiting--;
}

/* Ends a run that serves no call, and that nobody counts as a spare any more. */
static void spare_end(struct pool_run *run)
{
	run_forget(run);
	run->state = RUN_ENDING;
	run_kill(run, POOL_JAIL_KILLED);
}

void spares_end(struct pool *pool, struct pool_run *run)
{
	spares_remove(pool, run);
	spare_end(run);
}

void spares_end_starting(struct pool *pool, struct pool_run *run)
{
	spares_leave(pool, run);
	spare_end(run);
}

struct pool_run *spares_starting(struct pool *pool, const struct pool_program *program)
{
	for (struct pool_run *run = program->spare > 0 ? program->runs : NULL; run != NULL;
		run = run->sibling) {
		if (run->state == RUN_STARTING && run->spare && run->forced == POOL_VALUE &&
			jailer_client_serves(pool->jailers, &run->handle)) {
			spares_leave(pool, run);
			return run;
		}
	}
	return NULL;
}

/* ---- how many there should be ---- */

/* How many of the least recently used must end so that one more of the program may wait, none of
 * `but`'s among them; -1: there are not enough. */
static int in_its_way(
	const struct pool *pool, const struct pool_program *program, const struct pool_program *but)
{
	int count = 0;
	uint64_t bytes = pool->waiting_bytes + program->bytes;
	unsigned spares = pool->spares + 1;
	for (const struct pool_run *run = pool->oldest;
		spares > pool->limits.waiting_max || is_too_large(pool, bytes); run = run->newer) {
		if (run == NULL || run->program == but)
			return -1;
		bytes -= run->bytes;
		spares--;
		count++;
	}
	return count;
}

bool spares_room(struct pool *pool, const struct pool_program *program)
{
	int count = in_its_way(pool, program, NULL);
	for (; count > 0; count--)
		spares_end(pool, pool->oldest);
	return count == 0;
}

/* True while the program should have more. Where no more may wait in all, the least recently used
 * is given up, unless that is its own. */
static bool spare_wanted(const struct pool *pool, const struct pool_program *program)
{
	return !pool->ending && !pool->scarce &&
	       program->spare < demand_jails(&program->demand, clock_mono_ns()) &&
	       in_its_way(pool, program, program) >= 0;
}

/* One that is wanted. */
static void spare_start(struct pool *pool, struct pool_program *program)
{
	(void)spares_room(pool, program);
	struct fault f = {0};
	struct pool_run *run = start_run(pool, program, NULL, &f);
	if (run == NULL) {
		log_debug("no jail is kept waiting: %s", f.text);
		return;
	}
	run->spare = true;
	program->spare++;
	pool->spares++;
	count_bytes(pool, run, program->bytes);
}

void spares_refill(struct pool *pool, struct pool_program *program)
{
	if (program == NULL || program->wanting)
		return;
	while (spare_wanted(pool, program) && start_allowed(pool)) {
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

void spares_unwant(struct pool *pool, struct pool_program *program)
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

static void soon(uv_timer_t *timer)
{
	struct pool *pool = timer->data;
	starts_serve(pool);
}

void spares_soon(struct pool *pool, struct pool_program *program)
{
	if (program == NULL || !spare_wanted(pool, program))
		return;
	if (!program->wanting) {
		program->wanting = true;
		program->next_wanting = pool->wanting;
		pool->wanting = program;
	}
	if (uv_is_active((uv_handle_t *)&pool->soon) == 0)
		(void)uv_timer_start(&pool->soon, soon, SOON_MS, 0);
}

void spares_serve(struct pool *pool)
{
	if (uv_is_active((uv_handle_t *)&pool->soon) != 0)
		return;
	while (pool->wanting != NULL && start_allowed(pool)) {
		struct pool_program *program = pool->wanting;
		spares_unwant(pool, program);
		spares_refill(pool, program);
	}
}

/* What a package's initialisation left running gets no more of the cpus than calls leave over. */
static void rest_all(struct pool *pool, uint64_t now)
{
	for (struct pool_run *run = pool->oldest;
		run != NULL && now - run->waiting_since_ns > REST_MS * 1000000U; run = run->newer) {
		if (!run->rests)
			jailer_client_rest(pool->jailers, &run->handle, true);
		run->rests = true;
	}
}

static void idle_check(uv_timer_t *timer)
{
	struct pool *pool = timer->data;
	const uint64_t now = clock_mono_ns();
	while (pool->oldest != NULL &&
		now - pool->oldest->waiting_since_ns > pool->limits.idle_ms * 1000000U)
		spares_end(pool, pool->oldest);
	pressure_check(pool);
	reuse_age(pool, now);
	rest_all(pool, now);
}

void spares_open(struct pool *pool)
{
	pressure_open(pool);
	(void)uv_timer_init(pool->loop, &pool->idle);
	pool->idle.data = pool;
	(void)uv_timer_start(&pool->idle, idle_check, IDLE_CHECK_MS, IDLE_CHECK_MS);
	uv_unref((uv_handle_t *)&pool->idle);
	(void)uv_timer_init(pool->loop, &pool->soon);
	pool->soon.data = pool;
}
