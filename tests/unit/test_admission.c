/* Admission: limits that hold whatever comes and goes, turns, bounds, and deadlines by a clock of
 * the test's own. */

#include "pool/admission.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static const struct admission_limits few = {
	.node_max = 2, .queue_max = 4, .queue_ns = SECOND, .burst_ns = 5 * SECOND};

/* A call of the test: what admission knows of it. */
struct one {
	struct entry entry;
	struct ticket ticket;
	bool running;
};

struct world {
	struct admission *admission;
	struct caller *callers;
	struct function *f, *g;
	uint64_t now;
};

static struct world world_of(const struct admission_limits *limits)
{
	struct world w = {.admission = admission_create(limits), .now = 1000 * SECOND};
	w.f = admission_function(w.admission, "f@1");
	w.g = admission_function(w.admission, "g@1");
	return w;
}

static void world_end(struct world *w)
{
	assert_int_equal(admission_running(w->admission), 0);
	assert_int_equal(admission_queued(w->admission), 0);
	admission_release(w->admission, w->f);
	admission_release(w->admission, w->g);
	admission_destroy(w->admission);
	while (w->callers != NULL) {
		struct caller *caller = w->callers;
		w->callers = caller->next;
		free((char *)(uintptr_t)caller->name);
		free(caller);
	}
}

static bool any(void *ctx, const struct entry *e)
{
	(void)ctx;
	(void)e;
	return true;
}

static bool none_but(void *ctx, const struct entry *e)
{
	return e == ctx;
}

static void start(struct world *w, struct one *o)
{
	admission_take(w->admission, &o->entry, &o->ticket, w->now);
	o->running = true;
}

/* It comes: runs at once where it may, else waits; the limit where it is refused. */
static enum admission_limit come(
	struct world *w, struct one *o, struct function *function, struct caller *caller)
{
	struct entry *victim = NULL;
	*o = (struct one){0};
	admission_name(w->admission, &o->entry, function, caller);
	if (admission_is_free(w->admission, &o->entry)) {
		start(w, o);
		return ADMISSION_OPEN;
	}
	const enum admission_limit limit =
		admission_queue(w->admission, &o->entry, w->now, &victim);
	assert_null(victim);
	return limit;
}

static void end(struct world *w, struct one *o)
{
	admission_give(w->admission, &o->ticket);
	o->running = false;
}

static void leave(struct world *w, struct one *o)
{
	if (o->running)
		end(w, o);
	else
		admission_leave(w->admission, &o->entry);
}

/* Whose turn it is starts; NULL: nobody's. */
static struct one *next(struct world *w)
{
	struct entry *e = admission_next(w->admission, any, NULL);
	if (e != NULL)
		start(w, (struct one *)e);
	return (struct one *)e;
}

static void the_node_has_so_many_places(void **state)
{
	(void)state;
	struct world w = world_of(&few);
	struct one calls[7];
	for (int i = 0; i < 6; i++)
		assert_int_equal(come(&w, &calls[i], w.f, NULL), ADMISSION_OPEN);
	assert_int_equal(admission_running(w.admission), 2);
	assert_int_equal(admission_queued(w.admission), 4);
	assert_int_equal(admission_is_full(w.admission, NULL, w.now), ADMISSION_NODE);
	assert_int_equal(come(&w, &calls[6], w.f, NULL), ADMISSION_NODE);
	assert_null(next(&w));
	end(&w, &calls[0]);
	assert_ptr_equal(next(&w), &calls[2]);
	assert_null(next(&w));
	assert_int_equal(admission_is_full(w.admission, NULL, w.now), ADMISSION_OPEN);
	for (int i = 1; i < 6; i++)
		leave(&w, &calls[i]);
	world_end(&w);
}

static void limits_of_functions_and_callers_are_told_apart(void **state)
{
	(void)state;
	const struct admission_limits limits = {
		.node_max = 9, .function_max = 2, .queue_ns = SECOND, .burst_ns = SECOND};
	struct world w = world_of(&limits);
	struct caller *a = caller_named(&w.callers, "a", 3);
	struct caller *b = caller_named(&w.callers, "b", 0);
	struct one calls[6];
	assert_int_equal(come(&w, &calls[0], w.f, a), ADMISSION_OPEN);
	assert_int_equal(come(&w, &calls[1], w.f, b), ADMISSION_OPEN);
	assert_int_equal(come(&w, &calls[5], w.f, b), ADMISSION_FUNCTION);
	assert_int_equal(come(&w, &calls[2], w.g, a), ADMISSION_OPEN);
	assert_int_equal(come(&w, &calls[3], w.g, a), ADMISSION_OPEN);
	assert_int_equal(come(&w, &calls[5], w.g, a), ADMISSION_CALLER);
	struct function *h = admission_function(w.admission, NULL);
	assert_int_equal(admission_is_full(w.admission, a, w.now), ADMISSION_CALLER);
	assert_int_equal(admission_is_full(w.admission, b, w.now), ADMISSION_OPEN);
	assert_int_equal(come(&w, &calls[4], h, b), ADMISSION_OPEN);
	admission_release(w.admission, h);
	(void)caller_named(&w.callers, "a", 4); /* SIGHUP */
	assert_int_equal(admission_is_full(w.admission, a, w.now), ADMISSION_OPEN);
	for (int i = 0; i < 5; i++)
		end(&w, &calls[i]);
	world_end(&w);
}

/* What a limit of theirs holds back holds up nobody behind. */
static void who_is_blocked_blocks_nobody(void **state)
{
	(void)state;
	const struct admission_limits limits = {.node_max = 9,
		.function_max = 1,
		.queue_max = 9,
		.queue_ns = SECOND,
		.burst_ns = SECOND};
	struct world w = world_of(&limits);
	struct caller *a = caller_named(&w.callers, "a", 1);
	struct one f1;
	struct one f2;
	struct one f3;
	struct one g1;
	struct one g2;
	assert_int_equal(come(&w, &f1, w.f, a), ADMISSION_OPEN);
	assert_int_equal(come(&w, &g1, w.g, a), ADMISSION_OPEN);    /* a has one */
	assert_int_equal(come(&w, &f2, w.f, NULL), ADMISSION_OPEN); /* f has one */
	assert_int_equal(come(&w, &f3, w.f, NULL), ADMISSION_OPEN);
	assert_int_equal(admission_queued(w.admission), 3);
	assert_null(next(&w));
	assert_int_equal(come(&w, &g2, w.g, NULL), ADMISSION_OPEN);
	assert_true(g2.running);
	end(&w, &f1);
	assert_ptr_equal(next(&w), &f2); /* g1 waits for g2 now */
	assert_null(next(&w));
	end(&w, &g2);
	assert_ptr_equal(next(&w), &g1);
	leave(&w, &g1);
	leave(&w, &f2);
	leave(&w, &f3);
	world_end(&w);
}

static void a_caller_at_its_limit_is_passed_over(void **state)
{
	(void)state;
	struct world w = world_of(&few);
	struct caller *a = caller_named(&w.callers, "a", 1);
	struct one calls[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(come(&w, &calls[i], w.f, i % 2 == 0 ? a : NULL), ADMISSION_OPEN);
	end(&w, &calls[1]);
	assert_ptr_equal(next(&w), &calls[3]);
	assert_null(next(&w));
	end(&w, &calls[0]);
	assert_ptr_equal(next(&w), &calls[2]);
	end(&w, &calls[2]);
	end(&w, &calls[3]);
	world_end(&w);
}

/* A caller with a hundred calls and one with two: the two come second and fourth. */
static void callers_and_their_functions_take_turns(void **state)
{
	(void)state;
	const struct admission_limits limits = {
		.node_max = 1, .queue_max = 200, .queue_ns = SECOND, .burst_ns = SECOND};
	struct world w = world_of(&limits);
	struct caller *a = caller_named(&w.callers, "a", 0);
	struct caller *b = caller_named(&w.callers, "b", 0);
	static struct one floods[101];
	struct one few_f[2];
	struct one late;
	for (int i = 0; i < 101; i++)
		assert_int_equal(come(&w, &floods[i], w.f, a), ADMISSION_OPEN);
	for (int i = 0; i < 2; i++)
		assert_int_equal(come(&w, &few_f[i], w.f, b), ADMISSION_OPEN);
	assert_int_equal(come(&w, &late, w.g, a), ADMISSION_OPEN);
	struct one *const order[] = {
		&floods[1], &few_f[0], &late, &few_f[1], &floods[2], &floods[3]};
	struct one *running = &floods[0];
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		end(&w, running);
		running = next(&w);
		assert_ptr_equal(running, order[i]);
	}
	end(&w, running);
	for (int i = 4; i < 101; i++)
		leave(&w, &floods[i]);
	world_end(&w);
}

/* Of a queue that one fills, the other still gets its share; the last that came gives way. */
static void who_fills_the_queue_gives_way(void **state)
{
	(void)state;
	struct world w = world_of(&few);
	struct caller *a = caller_named(&w.callers, "a", 0);
	struct caller *b = caller_named(&w.callers, "b", 0);
	struct one calls[6];
	struct one others[3];
	struct entry *victim;
	for (int i = 0; i < 6; i++)
		assert_int_equal(come(&w, &calls[i], w.f, a), ADMISSION_OPEN);
	assert_int_equal(admission_is_full(w.admission, a, w.now), ADMISSION_NODE);
	assert_int_equal(admission_is_full(w.admission, b, w.now), ADMISSION_OPEN);
	for (int i = 0; i < 3; i++) {
		others[i] = (struct one){0};
		admission_name(w.admission, &others[i].entry, w.f, b);
		const enum admission_limit limit =
			admission_queue(w.admission, &others[i].entry, w.now, &victim);
		assert_int_equal(limit, i < 2 ? ADMISSION_OPEN : ADMISSION_NODE);
		assert_ptr_equal(victim, i < 2 ? &calls[5 - i].entry : NULL);
		if (victim != NULL)
			admission_leave(w.admission, victim);
	}
	assert_int_equal(admission_queued(w.admission), 4);
	for (int i = 0; i < 4; i++)
		leave(&w, &calls[i]);
	for (int i = 0; i < 2; i++)
		leave(&w, &others[i]);
	world_end(&w);
}

/* What nobody can start now waits without a place of the queue's: a burst that is within limits is
 * never refused, however few places there are. */
static void a_burst_within_limits_needs_no_place(void **state)
{
	(void)state;
	const struct admission_limits limits = {
		.node_max = 50, .queue_max = 0, .queue_ns = SECOND, .burst_ns = 5 * SECOND};
	struct world w = world_of(&limits);
	static struct one calls[52];
	struct entry *victim;
	for (int i = 0; i < 52; i++) {
		calls[i] = (struct one){0};
		admission_name(w.admission, &calls[i].entry, w.f, NULL);
		if (i == 51)
			w.now += SECOND; /* it is no burst any more */
		if (i == 51)
			leave(&w, &calls[0]);
		const enum admission_limit limit =
			admission_queue(w.admission, &calls[i].entry, w.now, &victim);
		assert_int_equal(limit, i == 50 ? ADMISSION_NODE : ADMISSION_OPEN);
	}
	assert_null(admission_expired(w.admission, w.now + SECOND - 1));
	assert_ptr_equal(admission_expired(w.admission, w.now + SECOND), &calls[51].entry);
	leave(&w, &calls[51]);
	assert_null(admission_expired(w.admission, w.now + 4 * SECOND - 1));
	assert_ptr_equal(admission_expired(w.admission, w.now + 4 * SECOND), &calls[1].entry);
	for (int i = 1; i < 50; i++)
		leave(&w, &calls[i]);
	world_end(&w);
}

static void one_of_a_burst_that_comes_back_has_its_time(void **state)
{
	(void)state;
	struct world w = world_of(&few);
	struct one o = {0};
	struct entry *victim;
	const uint64_t came = w.now;
	admission_name(w.admission, &o.entry, w.f, NULL);
	assert_int_equal(admission_queue(w.admission, &o.entry, came, &victim), ADMISSION_OPEN);
	w.now += 2 * SECOND;
	assert_ptr_equal(next(&w), &o);
	end(&w, &o);
	admission_return(w.admission, &o.entry, came, w.now);
	assert_null(admission_expired(w.admission, came + 5 * SECOND - 1));
	assert_ptr_equal(admission_expired(w.admission, came + 5 * SECOND), &o.entry);
	leave(&w, &o);
	world_end(&w);
}

static void the_oldest_is_late_first(void **state)
{
	(void)state;
	struct world w = world_of(&few);
	struct one calls[5];
	for (int i = 0; i < 5; i++) {
		assert_int_equal(come(&w, &calls[i], w.f, NULL), ADMISSION_OPEN);
		w.now += SECOND / 10;
	}
	const uint64_t third = w.now - 3 * SECOND / 10;
	assert_null(admission_expired(w.admission, third + SECOND - 1));
	assert_ptr_equal(admission_expired(w.admission, third + SECOND), &calls[2].entry);
	leave(&w, &calls[2]);
	assert_null(admission_expired(w.admission, third + SECOND));
	assert_ptr_equal(
		admission_expired(w.admission, third + SECOND + SECOND / 10), &calls[3].entry);
	assert_int_equal(admission_held_by(w.admission, &calls[3].entry), ADMISSION_NODE);
	leave(&w, &calls[0]);
	leave(&w, &calls[1]);
	leave(&w, &calls[3]);
	leave(&w, &calls[4]);
	world_end(&w);
}

/* Who cannot start for want of a jail holds up nobody who can. */
/* It had its place and gave it back unused: it is the first of its lane, and as late as it is. */
static void who_comes_back_is_not_behind(void **state)
{
	(void)state;
	struct world w = world_of(&few);
	struct one ones[5];
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(come(&w, &ones[i], w.f, NULL), ADMISSION_OPEN);
		w.now += SECOND / 100;
	}
	assert_int_equal(admission_queued(w.admission), 3);
	end(&w, &ones[1]);
	admission_return(w.admission, &ones[1].entry, 1000 * SECOND + SECOND / 100, w.now);
	assert_int_equal(admission_running(w.admission), 1);
	assert_int_equal(admission_queued(w.admission), 4);
	assert_null(admission_expired(w.admission, 1001 * SECOND));
	assert_ptr_equal(
		admission_expired(w.admission, 1001 * SECOND + SECOND / 100), &ones[1].entry);
	assert_ptr_equal(next(&w), &ones[1]);
	end(&w, &ones[0]);
	assert_ptr_equal(next(&w), &ones[2]);
	end(&w, &ones[1]);
	end(&w, &ones[2]);
	admission_leave(w.admission, &ones[3].entry);
	admission_leave(w.admission, &ones[4].entry);
	world_end(&w);
}

static void only_who_can_start_is_asked(void **state)
{
	(void)state;
	struct world w = world_of(&few);
	struct one calls[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(come(&w, &calls[i], i % 2 == 0 ? w.f : w.g, NULL), ADMISSION_OPEN);
	end(&w, &calls[0]);
	assert_ptr_equal(admission_next(w.admission, none_but, &calls[3].entry), &calls[3].entry);
	assert_null(admission_next(w.admission, none_but, &calls[1].entry));
	unsigned seen = 0;
	for (struct entry *e = NULL; (e = admission_each(w.admission, e)) != NULL;)
		seen++;
	assert_int_equal(seen, 2);
	for (int i = 1; i < 4; i++)
		leave(&w, &calls[i]);
	world_end(&w);
}

static void waiting_is_estimated_by_how_fast_it_went(void **state)
{
	(void)state;
	const struct admission_limits limits = {
		.node_max = 1, .queue_max = 99, .queue_ns = 99 * SECOND, .burst_ns = SECOND};
	struct world w = world_of(&limits);
	static struct one calls[40];
	for (int i = 0; i < 40; i++)
		assert_int_equal(come(&w, &calls[i], w.f, NULL), ADMISSION_OPEN);
	assert_int_equal(admission_seconds(w.admission), 1);
	for (int i = 0; i < 20; i++) {
		end(&w, &calls[i]);
		w.now += SECOND / 4;
		assert_ptr_equal(next(&w), &calls[i + 1]);
	}
	assert_int_equal(admission_queued(w.admission), 19);
	assert_int_equal(admission_seconds(w.admission), 5);
	for (int i = 20; i < 40; i++)
		leave(&w, &calls[i]);
	world_end(&w);
}

/* Once it is known how fast it goes: of 20 a second, a call that is not the fifteenth or sooner is
 * refused when it comes, but for a caller whose turn comes soon. */
static void who_would_wait_too_long_is_refused_at_once(void **state)
{
	(void)state;
	const struct admission_limits limits = {
		.node_max = 1, .queue_max = 99, .queue_ns = SECOND, .burst_ns = SECOND};
	struct world w = world_of(&limits);
	struct caller *b = caller_named(&w.callers, "b", 0);
	static struct one calls[60];
	struct one more;
	for (int i = 0; i < 60; i++)
		assert_int_equal(come(&w, &calls[i], w.f, NULL), ADMISSION_OPEN);
	for (int i = 0; i < 44; i++) {
		assert_int_equal(admission_is_full(w.admission, NULL, w.now),
			i < 32 ? ADMISSION_OPEN : ADMISSION_NODE);
		end(&w, &calls[i]);
		w.now += SECOND / 20;
		assert_ptr_equal(next(&w), &calls[i + 1]);
	}
	assert_int_equal(admission_queued(w.admission), 15);
	assert_int_equal(come(&w, &more, w.f, NULL), ADMISSION_OPEN);
	assert_int_equal(admission_is_full(w.admission, NULL, w.now), ADMISSION_NODE);
	assert_int_equal(admission_is_full(w.admission, b, w.now), ADMISSION_OPEN);
	leave(&w, &more);
	assert_int_equal(come(&w, &more, w.f, b), ADMISSION_OPEN);
	for (int i = 44; i < 60; i++)
		leave(&w, &calls[i]);
	assert_null(admission_expired(w.admission, w.now + SECOND / 8 * 7 - 1));
	assert_ptr_equal(admission_expired(w.admission, w.now + SECOND / 8 * 7), &more.entry);
	leave(&w, &more);
	w.now += SECOND; /* then that is forgotten */
	assert_int_equal(come(&w, &calls[0], w.f, NULL), ADMISSION_OPEN);
	assert_int_equal(come(&w, &calls[1], w.f, NULL), ADMISSION_OPEN);
	assert_null(admission_expired(w.admission, w.now + SECOND - 1));
	assert_ptr_equal(admission_expired(w.admission, w.now + SECOND), &calls[1].entry);
	leave(&w, &calls[0]);
	leave(&w, &calls[1]);
	world_end(&w);
}

/* What only calls that wait or run still hold stays until the last of them has gone. */
static void a_function_lasts_as_long_as_its_calls(void **state)
{
	(void)state;
	const struct admission_limits limits = {.node_max = 9,
		.function_max = 1,
		.queue_max = 9,
		.queue_ns = SECOND,
		.burst_ns = SECOND};
	struct world w = world_of(&limits);
	struct function *h = admission_function(w.admission, "h@1");
	struct one first;
	struct one second;
	struct one third;
	assert_int_equal(come(&w, &first, h, NULL), ADMISSION_OPEN);
	assert_int_equal(come(&w, &second, h, NULL), ADMISSION_OPEN);
	admission_release(w.admission, h);
	end(&w, &first);
	assert_ptr_equal(next(&w), &second);
	h = admission_function(w.admission, "h@1");
	assert_ptr_equal(h, second.ticket.function);
	assert_int_equal(come(&w, &third, h, NULL), ADMISSION_OPEN);
	assert_false(third.running);
	admission_release(w.admission, h);
	leave(&w, &third);
	end(&w, &second);
	world_end(&w);
}

/* ---- whatever comes ---- */

enum { CALLS = 400, STEPS = 200000 };

static uint32_t dice;

static unsigned roll(unsigned sides)
{
	dice = dice * 1664525U + 1013904223U;
	return (dice >> 8) % sides;
}

struct crowd {
	struct world w;
	struct caller *callers[4]; /* [0]: NULL */
	struct function *functions[3];
	struct one calls[CALLS];
	bool here[CALLS];
};

static void crowd_count(const struct crowd *c, const struct admission_limits *limits)
{
	unsigned node = 0;
	unsigned waiting = 0;
	unsigned of_caller[4] = {0};
	unsigned of_function[3] = {0};
	for (unsigned i = 0; i < CALLS; i++) {
		const struct one *o = &c->calls[i];
		waiting += c->here[i] && !o->running;
		for (unsigned k = 0; k < 4 && c->here[i] && o->running; k++)
			of_caller[k] += o->ticket.caller == c->callers[k];
		for (unsigned k = 0; k < 3 && c->here[i] && o->running; k++)
			of_function[k] += o->ticket.function == c->functions[k];
		node += c->here[i] && o->running;
	}
	assert_int_equal(node, admission_running(c->w.admission));
	assert_int_equal(waiting, admission_queued(c->w.admission));
	assert_true(node <= limits->node_max);
	assert_true(waiting <= limits->queue_max + limits->node_max);
	for (unsigned k = 1; k < 4; k++)
		assert_true(of_caller[k] <= c->callers[k]->calls_max);
	for (unsigned k = 0; k < 3; k++)
		assert_true(of_function[k] <= limits->function_max);
}

static void crowd_come(struct crowd *c, unsigned i)
{
	struct one *o = &c->calls[i];
	struct entry *victim = NULL;
	*o = (struct one){0};
	admission_name(c->w.admission, &o->entry, c->functions[roll(3)],
		c->callers[roll(10) < 7 ? 1 : roll(4)]);
	c->here[i] = true;
	if (admission_is_free(c->w.admission, &o->entry) && roll(4) > 0)
		start(&c->w, o);
	else if (admission_queue(c->w.admission, &o->entry, c->w.now, &victim) != ADMISSION_OPEN)
		c->here[i] = false;
	if (victim != NULL) {
		admission_leave(c->w.admission, victim);
		c->here[(struct one *)victim - c->calls] = false;
	}
}

static void limits_are_exact_whatever_comes(void **state)
{
	(void)state;
	const struct admission_limits limits = {.node_max = 20,
		.function_max = 9,
		.queue_max = 64,
		.queue_ns = SECOND,
		.burst_ns = 2 * SECOND};
	static struct crowd c;
	c.w = world_of(&limits);
	c.functions[0] = c.w.f;
	c.functions[1] = c.w.g;
	c.functions[2] = admission_function(c.w.admission, NULL);
	c.callers[1] = caller_named(&c.w.callers, "a", 12);
	c.callers[2] = caller_named(&c.w.callers, "b", 3);
	c.callers[3] = caller_named(&c.w.callers, "c", 1);
	for (unsigned step = 0; step < STEPS; step++) {
		const unsigned i = roll(CALLS);
		struct entry *e;
		c.w.now += roll(3) * SECOND / 1000;
		if (!c.here[i]) {
			crowd_come(&c, i);
		} else {
			leave(&c.w, &c.calls[i]);
			c.here[i] = false;
		}
		while (roll(8) > 0 && next(&c.w) != NULL)
			;
		while ((e = admission_expired(c.w.admission, c.w.now)) != NULL) {
			admission_leave(c.w.admission, e);
			c.here[(struct one *)e - c.calls] = false;
		}
		if (step % 16 == 0)
			crowd_count(&c, &limits);
	}
	for (unsigned i = 0; i < CALLS; i++) {
		if (c.here[i])
			leave(&c.w, &c.calls[i]);
	}
	admission_release(c.w.admission, c.functions[2]);
	world_end(&c.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_node_has_so_many_places),
		cmocka_unit_test(limits_of_functions_and_callers_are_told_apart),
		cmocka_unit_test(who_is_blocked_blocks_nobody),
		cmocka_unit_test(a_caller_at_its_limit_is_passed_over),
		cmocka_unit_test(callers_and_their_functions_take_turns),
		cmocka_unit_test(who_fills_the_queue_gives_way),
		cmocka_unit_test(a_burst_within_limits_needs_no_place),
		cmocka_unit_test(one_of_a_burst_that_comes_back_has_its_time),
		cmocka_unit_test(the_oldest_is_late_first),
		cmocka_unit_test(who_comes_back_is_not_behind),
		cmocka_unit_test(only_who_can_start_is_asked),
		cmocka_unit_test(waiting_is_estimated_by_how_fast_it_went),
		cmocka_unit_test(who_would_wait_too_long_is_refused_at_once),
		cmocka_unit_test(a_function_lasts_as_long_as_its_calls),
		cmocka_unit_test(limits_are_exact_whatever_comes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
