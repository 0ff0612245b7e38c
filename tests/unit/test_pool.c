/* The pool, step by step: what happens in which order is the test's, so what a busy machine shows once
 * in a thousand runs is seen each time. */

#include "pool_world.h"

static void a_jail_serves_one_call(void **state)
{
	(void)state;
	struct world *w = world_new(2, &usual);
	struct pool_program *program = program_new(w);
	struct one first, second;
	struct jail *j = call_served(w, &first, program);
	assert_false(first.waited);
	assert_true(jail_left_alone(j));
	assert_true(none_started(w));
	pass(w, 3);
	struct jail *spare = jail_next(w);
	jail_ready(spare);
	assert_int_equal(pool_waiting(w->pool), 1);
	assert_true(call_of(w, &second, program, NULL, NULL));
	jail_serves(spare, FRAME_RESULT);
	is_answered(&second);
	assert_true(second.waited);
	all_is_over(w);
}

static void one_that_does_not_end_is_told_so_again(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct one o;
	assert_true(call_of(w, &o, program_new(w), NULL, NULL));
	struct jail *j = jail_next(w);
	jail_ready(j);
	pass(w, 6);
	pass(w, usual.exec_ms);
	assert_int_equal(j->kills, 1);
	pass(w, 5001);
	assert_int_equal(j->kills, 2);
	assert_int_equal(o.done, 0);
	jail_exits_with(j, SIGKILL, 0);
	settle(w);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.outcome, POOL_TIMEOUT);
	all_is_over(w);
}

/* An administrator ends its jail; it makes the call that it was sent already, and ends well, before it
 * is killed. What it said does not count, so this is no value. */
static void killed_before_it_was_ready(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct jailer_handle *h;
	struct one o;
	assert_true(call_of(w, &o, program_new(w), NULL, NULL));
	struct jail *j = jail_next(w);
	assert_int_equal(jailer_client_list(w->client, &h, 1), 1);
	h->kill(h);
	jail_ready(j);
	jail_serves(j, FRAME_QUIET);
	assert_int_equal(o.done, 0);
	jail_exits(j);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.outcome, POOL_JAIL_KILLED);
	all_is_over(w);
}

/* What runs and waits is on a jailer that dies: none of it is given to a call. */
static void a_jailer_dies(void **state)
{
	(void)state;
	struct pool_limits limits = usual;
	limits.running_max = 1;
	struct world *w = world_new(1, &limits);
	struct pool_program *program = program_new(w);
	struct one first, runs, waits;
	struct jail *j = call_served(w, &first, program);
	jail_exits(j);
	pass(w, 3);
	struct jail *busy = jail_next(w);
	jail_ready(busy);
	assert_true(call_of(w, &runs, program, NULL, NULL));
	assert_int_not_equal(jail_reads(busy), 0);
	pass(w, 3);
	while (!none_started(w))
		jail_ready(jail_next(w));
	assert_true(call_of(w, &waits, program, NULL, NULL));
	assert_int_equal(pool_queued(w->pool), 1);
	jailer_dies(w, 0);
	settle(w);
	assert_int_equal(runs.done, 1);
	assert_int_equal(runs.outcome, POOL_FAULT);
	assert_string_equal(runs.code, "jail_failed");
	assert_int_equal(waits.done, 0);
	jailer_add(w, 0);
	pass(w, 11);
	j = jail_next(w);
	jail_ready(j);
	jail_serves(j, FRAME_RESULT);
	is_answered(&waits);
	all_is_over(w);
}

/* ---- memory ---- */

/* One that is larger than all that may wait together ends nobody's jails. */
static void a_program_that_is_too_large(void **state)
{
	(void)state;
	struct world *w = world_new(2, &usual);
	struct pool_program *small = program_new(w), *large = program_new(w);
	struct one o;
	struct jail *j = call_served(w, &o, small);
	jail_exits_with(j, 0, 1000);
	pass(w, 3);
	struct jail *waits = jail_next(w);
	jail_ready(waits);
	for (unsigned i = 0; i < 2; i++) {
		j = call_served(w, &o, large);
		jail_exits_with(j, 0, usual.waiting_bytes_max + 1);
		pass(w, 3);
		if (!none_started(w))
			jail_ready(jail_next(w));
	}
	assert_int_equal(waits->kills, 0);
	assert_int_equal(pool_waiting(w->pool), 1);
	all_is_over(w);
}

/* Both programs' jails fit together, and stay: one of the larger ones has no room beside them, and ends
 * nobody for nothing. */
static void one_that_would_not_fit_is_not_tried(void **state)
{
	(void)state;
	struct pool_limits limits = usual;
	limits.waiting_bytes_max = 100000000;
	struct world *w = world_new(2, &limits);
	struct pool_program *small = program_new(w), *large = program_new(w);
	struct one o, calls[2];
	struct jail *j[2];
	j[0] = call_served(w, &o, small);
	jail_exits_with(j[0], 0, 10000000);
	pass(w, 3);
	struct jail *waits = jail_next(w);
	jail_ready(waits);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(call_of(w, &calls[i], large, NULL, NULL));
		j[i] = jail_next(w);
	}
	for (unsigned i = 0; i < 2; i++) {
		jail_ready(j[i]);
		jail_serves(j[i], FRAME_RESULT);
		is_answered(&calls[i]);
		jail_exits_with(j[i], 0, 60000000);
	}
	for (unsigned i = 0; i < 10; i++) {
		pass(w, 3);
		if (!none_started(w))
			jail_ready(jail_next(w));
	}
	assert_int_equal(waits->kills, 0);
	assert_int_equal(pool_waiting(w->pool), 2);
	assert_int_equal(w->started, 5);
	all_is_over(w);
}

struct again {
	struct world *w;
	struct pool_program *program;
	struct caller *caller;
	struct one one;
};

static void calls_again(void *ctx)
{
	struct again *a = ctx;
	a->w->then = NULL;
	call_make(a->w, &a->one, a->program, NULL, a->caller);
}

/* The last call of who has most of the queue gives its place up: it is told later, once the call that
 * has it is its caller's. Who is told may call again at once, who was to be told may leave. */
static void a_call_is_displaced(void **state)
{
	(void)state;
	struct pool_limits limits = usual;
	limits.running_max = 1;
	limits.queue_max = 3;
	struct world *w = world_new(1, &limits);
	static struct caller *callers;
	struct caller *many = caller_named(&callers, "many", 0);
	struct caller *few = caller_named(&callers, "few", 0);
	struct again again = {.w = w, .program = program_new(w), .caller = many};
	struct one calls[4], first, second;
	for (unsigned i = 0; i < 4; i++)
		assert_true(call_of(w, &calls[i], again.program, NULL, many));
	w->then = calls_again;
	w->then_ctx = &again;
	call_make(w, &first, again.program, NULL, few);
	assert_non_null(first.call);
	assert_int_equal(calls[3].done, 0);
	settle(w);
	assert_int_equal(calls[3].done, 1);
	assert_string_equal(calls[3].code, "too_many_calls");
	assert_null(again.one.call);
	call_make(w, &second, again.program, NULL, caller_named(&callers, "other", 0));
	assert_non_null(second.call);
	pool_call_cancel(calls[2].call);
	settle(w);
	assert_int_equal(calls[2].done, 0);
	assert_int_equal(pool_queued(w->pool), 3);
	struct one *served[] = {&calls[0], &calls[1], &first, &second};
	for (unsigned i = 0; i < 4; i++) {
		pass(w, 3);
		struct jail *j = jail_next(w);
		jail_ready(j);
		jail_serves(j, FRAME_RESULT);
		jail_exits(j);
	}
	for (unsigned i = 0; i < 4; i++)
		is_answered(served[i]);
	all_is_over(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jail_serves_one_call),
		cmocka_unit_test(one_that_does_not_end_is_told_so_again),
		cmocka_unit_test(killed_before_it_was_ready),
		cmocka_unit_test(a_jailer_dies),
		cmocka_unit_test(a_program_that_is_too_large),
		cmocka_unit_test(one_that_would_not_fit_is_not_tried),
		cmocka_unit_test(a_call_is_displaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
