/* The pool under whatever may happen, in an order by chance: calls that come and leave, programs that
 * answer, lie, write too much and die, jails that cannot be made, jailers that die, memory that is
 * short, time that passes. Whatever it was,
 *
 *   each call is told its end once, or never where its caller left, and the answer is its own;
 *   no call is begun twice, and none by a jail that served another caller, program or configuration;
 *   no two jails have an address at once (pool_world.h);
 *   in the end nothing is left.
 */

#include "addresses.h"
#include "pool_world.h"

#include "base/log.h"
#include "net/lease.h"
#include "pool/pool_private.h"

enum { SEEDS = 60, STEPS = 3000, CALLS = 24, PROGRAMS = 3, NUMBERS = 4096 };

/* Whose a call is, and what a jail that served it may serve besides. */
struct owner {
	unsigned program;
	const struct caller *caller;
	unsigned generation, forgotten;
	bool reuses;
};

struct chance {
	uint64_t seed;
	struct world *w;
	struct pool_program *programs[PROGRAMS];
	unsigned forgotten[PROGRAMS]; /* times */
	unsigned few;                 /* programs and callers that are called and call */
	unsigned trouble;             /* of 1000 things that happen */
	unsigned quiet;               /* of so many answers one is in the pipe */
	struct one calls[CALLS];
	bool under_way[CALLS], left[CALLS];
	struct owner owners[NUMBERS];
	struct tale {
		struct owner owner;  /* of the first call that it began */
		unsigned begun, now; /* how many; the one it makes, 0: none */
		bool loud;           /* its last answer was not QUIET */
		bool lies;           /* says what no driver says: its answers are its own affair */
	} tales[WORLD_JAILS], *begun[NUMBERS]; /* where a call was */
	bool cut[NUMBERS];                     /* its program ended, or lied, while it was made */
	bool flooded[NUMBERS];                 /* it wrote more than it may */
	struct leases *leases;
};

static struct caller *callers; /* of all runs */

static unsigned draw(struct chance *c, unsigned below)
{
	c->seed ^= c->seed << 13;
	c->seed ^= c->seed >> 7;
	c->seed ^= c->seed << 17;
	return (unsigned)(c->seed >> 33) % below;
}

static bool same(const struct owner *a, const struct owner *b)
{
	return a->program == b->program && a->caller == b->caller &&
	       a->generation == b->generation && a->forgotten == b->forgotten && a->reuses &&
	       b->reuses;
}

/* ---- what calls do ---- */

static void call_comes(struct chance *c)
{
	const unsigned at = draw(c, CALLS);
	struct one *o = &c->calls[at];
	if (c->under_way[at] || c->w->numbers + 1 == NUMBERS)
		return;
	c->under_way[at] =
		true; /* others may be refused for it, and call again, before it is here */
	static const char *const names[] = {"a", "b", "c"};
	const unsigned which = draw(c, c->few);
	struct caller *caller =
		caller_named(&callers, names[draw(c, c->few)], draw(c, 30) == 0 ? 2 : 0);
	struct pool_reuse terms = {.calls = 1 + draw(c, 100),
		.age_ms = 20000,
		.memory = 1000000000,
		.generation = pool_generation(c->w->pool)};
	c->w->ip4 = draw(c, 20) == 0 ? "" : NULL;
	const size_t longer[] = {100, 600, LONGER_MAX};
	c->w->longer = draw(c, 30) == 0 ? longer[draw(c, 3)] : 0;
	const bool reuses = draw(c, 8) > 0 && c->w->ip4 == NULL;
	c->left[at] = false;
	c->owners[c->w->numbers + 1] =
		(struct owner){which, caller, terms.generation, c->forgotten[which], reuses};
	call_make(c->w, o, c->programs[which], reuses ? &terms : NULL, caller);
	c->under_way[at] = o->call != NULL;
}

static void caller_leaves(struct chance *c)
{
	const unsigned at = draw(c, CALLS);
	struct one *o = &c->calls[at];
	if (o->call == NULL)
		return;
	struct pool_call *call = o->call;
	o->call = NULL;
	c->under_way[at] = false;
	c->left[at] = true;
	pool_call_cancel(call);
}

/* A program that lies may answer for another of its calls, though for nobody else's. */
static void answer_check(const struct chance *c, const struct one *o)
{
	const unsigned said = (unsigned)strtoul(o->said, NULL, 10);
	const struct tale *t = c->begun[o->number];
	assert_false(c->flooded[o->number]);
	if (said == 0) {
		assert_true(t == NULL || c->cut[o->number]);
	} else if (said != o->number) {
		assert_true(said < NUMBERS && c->begun[said] != NULL && c->begun[said]->lies);
		assert_true(same(&c->owners[said], &c->owners[o->number]));
	}
}

static void calls_check(struct chance *c)
{
	for (unsigned i = 0; i < CALLS; i++) {
		struct one *o = &c->calls[i];
		assert_true(o->done <= 1);
		assert_false(o->done > 0 && c->left[i]);
		if (o->done > 0)
			c->under_way[i] = false;
		if (o->done > 0 && o->outcome == POOL_VALUE)
			answer_check(c, o);
	}
}

/* ---- what programs do ---- */

static struct jail *some_jail(struct chance *c)
{
	struct world *w = c->w;
	const unsigned from = w->started > 0 ? draw(c, w->started) : 0;
	for (unsigned i = 0; i < w->started; i++) {
		struct jail *j = &w->jails[(from + i) % w->started];
		if (j->id != 0)
			return j;
	}
	return NULL;
}

static struct tale *tale_of(struct chance *c, const struct jail *j)
{
	return &c->tales[j - c->w->jails];
}

static void call_begins(struct chance *c, struct tale *t, unsigned number)
{
	assert_true(c->begun[number] == NULL || t->lies || c->begun[number]->lies);
	c->begun[number] = t;
	c->cut[number] = t->lies;
	if (t->begun++ == 0)
		t->owner = c->owners[number];
	else
		assert_true(same(&t->owner, &c->owners[number]));
	t->now = number;
}

static void jail_ends(struct chance *c, struct jail *j)
{
	static const int statuses[] = {0, 2 << 8, SIGKILL, SIGSEGV};
	c->cut[tale_of(c, j)->now] = true;
	if (draw(c, 3) == 0)
		jail_releases(j);
	if (!j->ready && draw(c, 2) == 0)
		jail_fails(j, j->address != 0 ? (enum jailer_taken)draw(c, 3) : JAILER_TAKEN_NOT,
			draw(c, 2));
	else
		jail_exits_with(j, statuses[draw(c, 4)], draw(c, 3) * 1000000U);
	if (draw(c, 2) == 0)
		jail_releases(j);
}

/* What a driver does next: it is ready, reads a call, or answers the one it has. */
static void jail_moves(struct chance *c, struct jail *j)
{
	struct tale *t = tale_of(c, j);
	if (j->control < 0 || j->kills > 0) {
		jail_ends(c, j);
	} else if (!j->ready) {
		jail_ready(j);
	} else if (t->now != 0) {
		t->loud = draw(c, c->quiet) == 0 || c->flooded[t->now];
		jail_answers(j, t->loud ? FRAME_RESULT : FRAME_QUIET, t->now);
		t->now = 0;
		if ((j->flags & FRAME_CALL_STAY) == 0)
			jail_dies(j);
	} else {
		const unsigned number = jail_reads(j);
		if (number != 0 && (j->flags & FRAME_CALL_FOLLOWS) != 0 && t->loud)
			jail_says(j, FRAME_PASSED, "");
		else if (number != 0)
			call_begins(c, t, number);
		else if (jail_left_alone(j))
			jail_dies(j);
	}
}

/* It says what no driver says then; perhaps it has read all that it was sent. */
static void jail_lies(struct chance *c, struct jail *j)
{
	static const enum frame_type types[] = {FRAME_READY, FRAME_RESULT, FRAME_QUIET,
		FRAME_PASSED, FRAME_DECLINED, FRAME_NOT_JSON, FRAME_REFUSED, FRAME_CALL, '?'};
	struct tale *t = tale_of(c, j);
	if (j->control < 0 || !t->lies)
		return;
	j->ready = true;
	c->cut[t->now] = true;
	if (draw(c, 2) == 0) {
		for (unsigned number; (number = jail_reads(j)) != 0;)
			call_begins(c, t, number);
	}
	for (unsigned n = 1 + draw(c, 3); n > 0; n--)
		jail_says(j, types[draw(c, 9)], draw(c, 4) == 0 ? "lies" : "");
}

/* Its call writes more than it may, and goes on. */
static void jail_floods(struct chance *c, struct jail *j)
{
	static const char much[2000];
	struct tale *t = tale_of(c, j);
	if (j->control < 0 || t->now == 0 || t->lies || c->flooded[t->now])
		return;
	c->flooded[t->now] = true;
	(void)!write(draw(c, 2) == 0 ? j->out : j->err, much, sizeof(much));
}

static void jail_does(struct chance *c)
{
	struct jail *j = some_jail(c);
	if (j == NULL)
		return;
	if (tale_of(c, j)->begun == 0 && !j->ready && draw(c, 30) == 0)
		tale_of(c, j)->lies = true;
	switch (draw(c, 1000) < c->trouble ? draw(c, 4) : 4) {
	case 0:
		jail_ends(c, j);
		break;
	case 1:
		c->cut[tale_of(c, j)->now] = true;
		jail_dies(j);
		break;
	case 2:
		jail_lies(c, j);
		break;
	case 3:
		jail_floods(c, j);
		break;
	default:
		jail_moves(c, j);
	}
}

/* ---- what else may happen ---- */

static void program_goes(struct chance *c)
{
	const unsigned i = draw(c, PROGRAMS);
	program_end(c->w, c->programs[i]);
	c->programs[i] = program_new(c->w);
	c->forgotten[i]++;
}

static void jailer_goes(struct chance *c)
{
	const unsigned i = draw(c, 2);
	if (c->w->jailers[i] >= 0)
		jailer_dies(c->w, i);
}

static void jailers_come(struct chance *c)
{
	for (unsigned i = 0; i < 2; i++) {
		if (c->w->jailers[i] < 0)
			jailer_add(c->w, i);
	}
}

static void admin_kills(struct chance *c)
{
	struct jailer_handle *handles[64];
	const size_t count = jailer_client_list(c->w->client, handles, 64);
	if (count > 0) {
		struct jailer_handle *h = handles[draw(c, (unsigned)count)];
		h->kill(h);
	}
}

static void memory_changes(struct chance *c)
{
	world_memory = draw(c, 2) == 0 ? 1000 : UINT64_MAX;
	world_pressed = draw(c, 2) == 0;
}

/* Links go when they go. */
static void links_go(struct chance *c)
{
	for (unsigned i = 0; i < c->w->started; i++) {
		struct jail *j = &c->w->jails[i];
		if (j->id == 0)
			jail_releases(j);
	}
}

/* Some callers call again as soon as they are answered. */
static void one_is_over(void *ctx)
{
	struct chance *c = ctx;
	calls_check(c);
	if (draw(c, 3) == 0)
		call_comes(c);
}

static void something_happens(struct chance *c)
{
	static const unsigned ms[] = {1, 1, 3, 6, 6, 30, 1000, 6000};
	const unsigned what = draw(c, 1000) < c->trouble ? draw(c, 8) : 8 + draw(c, 20);
	if (what < 2)
		pass(c->w, ms[draw(c, sizeof(ms) / sizeof(ms[0]))]);
	else if (what == 2)
		caller_leaves(c);
	else if (what == 3)
		program_goes(c);
	else if (what == 4)
		jailer_goes(c);
	else if (what == 5)
		admin_kills(c);
	else if (what == 6)
		pool_reuse_end(c->w->pool);
	else if (what == 7)
		memory_changes(c);
	else if (what == 8)
		jailers_come(c);
	else if (what == 9)
		links_go(c);
	else if (what < 14)
		call_comes(c);
	else
		jail_does(c);
	if (draw(c, 3) > 0) /* else several things are found at once */
		settle(c->w);
}

static bool is_quiet(const struct chance *c)
{
	for (unsigned i = 0; i < CALLS; i++) {
		if (c->calls[i].call != NULL)
			return false;
	}
	return true;
}

static void all_move(struct chance *c)
{
	links_go(c);
	for (unsigned i = 0; i < c->w->started; i++) {
		if (c->w->jails[i].id != 0)
			jail_moves(c, &c->w->jails[i]);
	}
	pass(c->w, 10);
}

/* Everybody does what they should: then all calls come to their ends, before any is refused for having
 * waited too long. */
static void all_goes_well(struct chance *c)
{
	struct world *w = c->w;
	w->then = NULL;
	world_memory = UINT64_MAX;
	world_pressed = false;
	jailers_come(c);
	for (unsigned i = 0; i < w->started; i++) {
		if (w->jails[i].id != 0 && c->tales[i].lies)
			jail_ends(c, &w->jails[i]);
	}
	settle(w);
	for (unsigned round = 0; round < 350 && !is_quiet(c); round++)
		all_move(c);
	assert_true(is_quiet(c));
	calls_check(c);
}

/* Nothing of what was keeps a call from being made. */
static void all_works(struct chance *c)
{
	for (unsigned i = 0; i < 8 * PROGRAMS; i++) {
		struct one *o = &c->calls[0];
		do {
			call_comes(c);
			for (unsigned at = 0; at < CALLS; at++)
				o = c->under_way[at] ? &c->calls[at] : o;
		} while (o->call == NULL);
		for (unsigned round = 0; round < 50 && o->call != NULL; round++)
			all_move(c);
		is_answered(o);
		calls_check(c);
	}
}

/* Nobody calls: what waits ends, and all counts are none. */
static void all_rests(struct chance *c)
{
	const struct pool *pool = c->w->pool;
	for (unsigned i = 0; i < 20; i++) {
		pass(c->w, 1000);
		all_move(c);
	}
	assert_int_equal(pool->spares, 0);
	assert_int_equal(pool->waiting_bytes, 0);
	assert_int_equal(pool->used, 0);
	assert_int_equal(pool->starting_count, 0);
	assert_int_equal(jailer_client_count(c->w->client), 0);
	assert_int_equal(lease_held(c->leases), 0);
}

static void run_of(uint64_t seed)
{
	struct chance *c = mem_zero(1, sizeof(*c));
	struct net_pools pools = {0};
	c->seed = seed * UINT64_C(0x9E3779B97F4A7C15);
	pool_add(&pools, "one", "10.0.0.2", "10.0.0.4");
	c->leases = leases_create(&pools);
	const struct pool_limits limits = {.exec_ms = 10000,
		.init_ms = 10000,
		.output_max = 1000,
		.waiting_max = 1 + draw(c, 6),
		.waiting_bytes_max = 1000000U * (1 + draw(c, 5)),
		.running_max = 2 + draw(c, 10),
		.function_max = draw(c, 3),
		.queue_max = 1 + draw(c, 10),
		.queue_ms = 5000,
		.idle_ms = 3000,
		.reserve_bytes = 1000000,
		.leases = c->leases};
	c->few = 1 + draw(c, PROGRAMS) * draw(c, 2);
	c->quiet = 5 + 200 * draw(c, 2);
	c->trouble = 5 + 195 * draw(c, 2);
	c->w = world_new(2, &limits);
	c->w->then = one_is_over;
	c->w->then_ctx = c;
	for (unsigned i = 0; i < PROGRAMS; i++)
		c->programs[i] = program_new(c->w);
	for (unsigned i = 0; i < STEPS; i++) {
		something_happens(c);
		calls_check(c);
	}
	settle(c->w);
	all_goes_well(c);
	all_works(c);
	all_rests(c);
	all_is_over(c->w);
	leases_destroy(c->leases);
	free(c);
}

static uint64_t seed_now;

/* SKY_SEED=N: only that, to see again what failed. */
static void whatever_happens(void **state)
{
	const char *only = getenv("SKY_SEED");
	const uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
	(void)state;
	log_set_level((enum log_level)(LOG_ERROR + 1)); /* jailers that die */
	for (seed_now = first; seed_now < first + (only != NULL ? 1 : SEEDS); seed_now++)
		run_of(seed_now);
}

static int seed_tell(void **state)
{
	(void)state;
	(void)printf("# the last seed was %llu\n", (unsigned long long)seed_now);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(whatever_happens, seed_tell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
