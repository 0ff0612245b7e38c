/* Unit tests of how many jails should wait. */

#include "pool/demand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint64_t ms = 1000000;

static void calls(struct demand *d, uint64_t now, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		demand_note(d, now);
}

static void nobody_called(void **state)
{
	(void)state;
	struct demand d = {0};
	assert_int_equal(demand_jails(&d, 5000 * ms), 0);
}

static void one_call_keeps_one_waiting(void **state)
{
	(void)state;
	struct demand d = {0};
	calls(&d, 1000 * ms, 1);
	assert_int_equal(demand_jails(&d, 1000 * ms), 1);
	assert_int_equal(demand_jails(&d, 3600000 * ms), 1);
}

static void a_burst_is_remembered_and_forgotten_by_halves(void **state)
{
	(void)state;
	struct demand d = {0};
	calls(&d, 1000 * ms, 100);
	assert_int_equal(demand_jails(&d, 1000 * ms), 100);
	assert_int_equal(demand_jails(&d, 10999 * ms), 100);
	assert_int_equal(demand_jails(&d, 11001 * ms), 50);
	assert_int_equal(demand_jails(&d, 31001 * ms), 12);
	assert_int_equal(demand_jails(&d, 1000000 * ms), 1);
}

static void few_calls_do_not_shorten_the_memory_of_many(void **state)
{
	(void)state;
	struct demand d = {0};
	calls(&d, 1000 * ms, 100);
	for (uint64_t at = 2000; at < 9000; at += 100)
		calls(&d, at * ms, 1);
	assert_int_equal(demand_jails(&d, 9000 * ms), 100);
}

static void a_steady_rate_counts_by_the_stretch(void **state)
{
	(void)state;
	struct demand d = {0};
	for (uint64_t at = 1000; at < 3000; at += 2)
		calls(&d, at * ms, 1);
	assert_in_range(demand_jails(&d, 3000 * ms), 9, 11);
}

static void a_burst_over_two_stretches_counts_each(void **state)
{
	(void)state;
	struct demand d = {0};
	calls(&d, 1000 * ms, 30);
	calls(&d, 1021 * ms, 40);
	assert_int_equal(demand_jails(&d, 1021 * ms), 40);
}

/* Calls that come one by one need as many as come while one is made. */
static void the_longer_one_takes_to_make_the_more_wait(void **state)
{
	(void)state;
	struct demand d = {0};
	demand_made(&d, 3 * ms);
	assert_false(demand_is_slow(&d));
	for (uint64_t at = 1000; at < 3000; at += 100)
		calls(&d, at * ms, 1);
	assert_int_equal(demand_jails(&d, 3000 * ms), 1);
	for (unsigned i = 0; i < 20; i++)
		demand_made(&d, 350 * ms);
	assert_true(demand_is_slow(&d));
	for (uint64_t at = 3000; at < 5000; at += 100)
		calls(&d, at * ms, 1);
	assert_in_range(demand_jails(&d, 5000 * ms), 3, 4);
	for (unsigned i = 0; i < 40; i++)
		demand_made(&d,
			3600000 * ms); /* one that hardly gets ready asks for no more than this */
	for (uint64_t at = 5000; at < 65000; at += 100)
		calls(&d, at * ms, 1);
	assert_in_range(demand_jails(&d, 65000 * ms), 49, 51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_called),
		cmocka_unit_test(the_longer_one_takes_to_make_the_more_wait),
		cmocka_unit_test(one_call_keeps_one_waiting),
		cmocka_unit_test(a_burst_is_remembered_and_forgotten_by_halves),
		cmocka_unit_test(few_calls_do_not_shorten_the_memory_of_many),
		cmocka_unit_test(a_steady_rate_counts_by_the_stretch),
		cmocka_unit_test(a_burst_over_two_stretches_counts_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
