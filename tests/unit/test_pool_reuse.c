/* Jails that serve a caller's calls one after another, step by step. */

#include "pool_world.h"

static const struct pool_reuse often = {.calls = 1000, .age_ms = 600000, .memory = 1000000000};

static struct caller *callers;

static struct caller *a_caller(void)
{
	return caller_named(&callers, "a", 0);
}

/* A jail of the caller's that has served so many quick calls, and waits for the next. */
static struct jail *used_jail(struct world *w, struct pool_program *program,
	const struct pool_reuse *reuse, unsigned calls)
{
	struct one o;
	struct jail *j = NULL;
	for (unsigned i = 0; i < calls; i++) {
		assert_true(call_of(w, &o, program, reuse, a_caller()));
		if (j == NULL) {
			j = jail_next(w);
			jail_ready(j);
		}
		jail_serves(j, FRAME_QUIET);
		is_answered(&o);
		assert_int_equal(o.calls_before, i);
	}
	assert_int_equal(pool_waiting(w->pool), 1);
	assert_int_equal(j->kills, 0);
	return j;
}

static void calls_of_one_caller_share_a_jail(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct pool_program *program = program_new(w);
	struct one mine, others;
	struct jail *used = used_jail(w, program, &often, 3);
	assert_true(call_of(w, &others, program, &often, caller_named(&callers, "b", 0)));
	struct jail *j = jail_next(w);
	jail_ready(j);
	jail_serves(j, FRAME_QUIET);
	is_answered(&others);
	assert_int_equal(others.calls_before, 0);
	assert_true(call_of(w, &mine, program, &often, a_caller()));
	jail_serves(used, FRAME_QUIET);
	is_answered(&mine);
	assert_int_equal(mine.calls_before, 3);
	all_is_over(w);
}

/* A used jail died, which is seen as the turn of a call comes; there is no room for another start. */
static void one_is_dead_as_the_turn_of_a_call_comes(void **state)
{
	(void)state;
	struct pool_limits limits = usual;
	limits.running_max = 2;
	struct world *w = world_new(1, &limits);
	struct pool_program *program = program_new(w), *other = program_new(w);
	struct one runs, starts, waits;
	struct jail *used = used_jail(w, program, &often, 1);
	assert_true(call_of(w, &runs, other, NULL, NULL));
	struct jail *first = jail_next(w);
	jail_ready(first);
	assert_true(call_of(w, &starts, other, NULL, NULL));
	struct jail *second = jail_next(w);
	assert_true(call_of(w, &waits, program, &often, a_caller()));
	assert_int_equal(pool_queued(w->pool), 1);
	jail_dies(used);
	jail_answers(first, FRAME_RESULT, jail_reads(first));
	settle(w);
	is_answered(&runs);
	assert_int_equal(pool_queued(w->pool), 1);
	assert_int_equal(waits.done, 0);
	jail_ready(second);
	jail_serves(second, FRAME_RESULT);
	is_answered(&starts);
	struct jail *third = jail_next(w);
	jail_ready(third);
	jail_serves(third, FRAME_QUIET);
	is_answered(&waits);
	assert_int_equal(waits.calls_before, 0);
	all_is_over(w);
}

/* What a caller may is another's by now: a jail that a call of before has used serves none of now. */
static void a_call_from_before_the_configuration_was_read_anew(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct pool_program *program = program_new(w);
	struct pool_reuse now = often;
	struct one before, after;
	assert_true(call_of(w, &before, program, &often, a_caller()));
	pool_reuse_end(w->pool);
	now.generation = pool_generation(w->pool);
	struct jail *old = jail_next(w);
	jail_ready(old);
	jail_serves(old, FRAME_QUIET);
	is_answered(&before);
	assert_int_equal(pool_waiting(w->pool), 0);
	assert_true(call_of(w, &after, program, &now, a_caller()));
	jail_exits(old);
	struct jail *j = jail_next(w);
	jail_ready(j);
	jail_serves(j, FRAME_QUIET);
	is_answered(&after);
	assert_int_equal(after.calls_before, 0);
	assert_int_equal(pool_waiting(w->pool), 1);
	all_is_over(w);
}

/* It is READY just as it is ended for not being so: the call is not made. */
static void ready_too_late(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct one o;
	assert_true(call_of(w, &o, program_new(w), &often, a_caller()));
	struct jail *j = jail_next(w);
	pass(w, 6);
	pass(w, usual.init_ms);
	assert_int_equal(j->kills, 1);
	jail_ready(j);
	assert_int_equal(jail_reads(j), 0);
	jail_exits_with(j, SIGKILL, 0);
	settle(w);
	assert_int_equal(o.done, 1);
	assert_int_equal(
		o.outcome, POOL_FAULT); /* it was started a second ago only (pool_world.h) */
	assert_string_equal(o.code, "no_jail_in_time");
	all_is_over(w);
}

/* ---- calls that are sent behind others ---- */

enum { KNOWN = 16 }; /* quick calls that tell what the next will be */

/* A jail with a call of its own and two behind it. */
static struct jail *two_behind(struct world *w, struct pool_program *program, struct one own[3])
{
	struct jail *j = used_jail(w, program, &often, KNOWN);
	for (unsigned i = 0; i < 3; i++)
		assert_true(call_of(w, &own[i], program, &often, a_caller()));
	assert_int_equal(pool_running(w->pool), 3);
	assert_true(none_started(w));
	return j;
}

static void they_are_answered_in_turn(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct one own[3];
	struct jail *j = two_behind(w, program_new(w), own);
	for (unsigned i = 0; i < 3; i++) {
		jail_serves(j, FRAME_QUIET);
		is_answered(&own[i]);
		assert_int_equal(own[i].calls_before, KNOWN + i);
	}
	all_is_over(w);
}

/* The others wait for another jail, and are made once. */
static void it_ends_with_calls_behind(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct one own[3];
	struct jail *j = two_behind(w, program_new(w), own);
	assert_int_equal(jail_reads(j), own[0].number);
	jail_exits_with(j, 3 << 8, 0);
	settle(w);
	assert_int_equal(own[0].done, 1);
	assert_int_equal(own[0].outcome, POOL_EXIT);
	struct jail *next = jail_next(w);
	jail_ready(next);
	jail_serves(next, FRAME_QUIET);
	is_answered(&own[1]);
	while (own[2].done == 0)
		jail_serves(next, FRAME_QUIET);
	is_answered(&own[2]);
	all_is_over(w);
}

/* ---- in one turn of the loop ---- */

struct next {
	struct world *w;
	struct one call;
	struct pool_program *program;
};

static void next_comes(void *ctx)
{
	struct next *next = ctx;
	next->w->then = NULL;
	call_make(next->w, &next->call, next->program, &often, a_caller());
}

/* A function answers for the next call too and ends, all in the turn of the loop in which that comes:
 * it was to be sent, and is not any more. */
static void it_ends_before_the_next_was_sent(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct next next = {.w = w, .program = program_new(w)};
	struct pool_program *other = program_new(w);
	struct one first, own, last;
	assert_true(call_of(w, &first, other, NULL, NULL));
	struct jail *j = jail_next(w);
	jail_ready(j);
	struct jail *used = used_jail(w, next.program, &often, KNOWN);
	assert_true(call_of(w, &own, next.program, &often, a_caller()));
	assert_int_equal(jail_reads(used), own.number);
	w->then = next_comes;
	w->then_ctx = &next;
	jail_answers(j, FRAME_QUIET, jail_reads(j));
	jail_answers(used, FRAME_QUIET, own.number);
	jail_says(used, FRAME_QUIET, "forged");
	jail_exits_with(used, 0, 0);
	settle(w);
	is_answered(&first);
	is_answered(&own);
	assert_string_equal(next.call.said, "forged"); /* its own caller's program said so */
	assert_true(call_of(w, &last, next.program, &often, a_caller()));
	j = jail_next(w);
	jail_ready(j);
	jail_serves(j, FRAME_QUIET);
	is_answered(&last);
	all_is_over(w);
}

static void too_much_output_with_calls_behind(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct one own[3];
	char text[2000];
	struct jail *j = two_behind(w, program_new(w), own);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(jail_reads(j), own[0].number);
	jail_says(j, FRAME_QUIET, text);
	settle(w);
	assert_int_equal(own[0].outcome, POOL_OUTPUT_LIMIT);
	/* It was quiet: those behind have begun. */
	for (unsigned i = 1; i < 3; i++) {
		jail_serves(j, FRAME_QUIET);
		is_answered(&own[i]);
	}
	assert_int_equal(pool_waiting(w->pool), 0);
	all_is_over(w);
}

static void too_much_output_in_the_pipe_with_calls_behind(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct one own[3];
	char text[2000] = {0};
	struct jail *j = two_behind(w, program_new(w), own);
	assert_int_equal(jail_reads(j), own[0].number);
	assert_int_equal(write(j->out, text, sizeof(text)), sizeof(text));
	jail_says(j, FRAME_RESULT, "");
	settle(w);
	assert_int_equal(own[0].outcome, POOL_OUTPUT_LIMIT);
	assert_true(jail_left_alone(j)); /* those behind were taken back first */
	for (unsigned i = 1; i < 3; i++) {
		pass(w, 11);
		struct jail *next = jail_next(w);
		jail_ready(next);
		jail_serves(next, FRAME_QUIET);
		is_answered(&own[i]);
	}
	all_is_over(w);
}

static void a_program_is_forgotten_with_calls_behind(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct one own[3];
	struct pool_program *program = program_new(w);
	struct jail *j = two_behind(w, program, own);
	assert_int_equal(jail_reads(j), own[0].number);
	pool_forget(w->pool, program);
	pass(w, 1);
	assert_int_equal(jail_reads(j), 0);
	jail_answers(j, FRAME_QUIET, own[0].number);
	settle(w);
	is_answered(&own[0]);
	for (unsigned i = 1; i < 3; i++) {
		j = jail_next(w);
		jail_ready(j);
		jail_serves(j, FRAME_RESULT);
		is_answered(&own[i]);
		pass(w, 11);
	}
	all_is_over(w);
}

/* Its own call takes long: those behind are taken back, unread, and made elsewhere. */
static void a_slow_call_holds_up_nobody(void **state)
{
	(void)state;
	struct world *w = world_new(1, &usual);
	struct one own[3];
	struct jail *j = two_behind(w, program_new(w), own);
	assert_int_equal(jail_reads(j), own[0].number);
	pass(w, 6);
	assert_int_equal(jail_reads(j), 0);
	pass(w, 20);
	struct jail *next = jail_next(w);
	jail_ready(next);
	for (unsigned i = 1; i < 3; i++) {
		jail_serves(next, FRAME_QUIET);
		is_answered(&own[i]);
	}
	jail_answers(j, FRAME_QUIET, own[0].number);
	settle(w);
	is_answered(&own[0]);
	all_is_over(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_of_one_caller_share_a_jail),
		cmocka_unit_test(one_is_dead_as_the_turn_of_a_call_comes),
		cmocka_unit_test(a_call_from_before_the_configuration_was_read_anew),
		cmocka_unit_test(ready_too_late),
		cmocka_unit_test(they_are_answered_in_turn),
		cmocka_unit_test(it_ends_with_calls_behind),
		cmocka_unit_test(it_ends_before_the_next_was_sent),
		cmocka_unit_test(too_much_output_with_calls_behind),
		cmocka_unit_test(too_much_output_in_the_pipe_with_calls_behind),
		cmocka_unit_test(a_program_is_forgotten_with_calls_behind),
		cmocka_unit_test(a_slow_call_holds_up_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
