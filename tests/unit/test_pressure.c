/* Unit tests of what is given up where memory is short. */

#include "pool/pressure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void programs_that_wait_double_what_is_left(void **state)
{
	(void)state;
	assert_int_equal(pressure_reserve(100, false), 100);
	assert_int_equal(pressure_reserve(100, true), 200);
	assert_int_equal(pressure_reserve(UINT64_MAX, true), UINT64_MAX);
}

static void no_more_run_than_did(void **state)
{
	(void)state;
	assert_int_equal(pressure_places(256, 2, 256, 10, false), 256);
	assert_int_equal(pressure_places(256, 2, 256, 10, true), 10);
	assert_int_equal(pressure_places(256, 2, 10, 8, true), 8);
	assert_int_equal(
		pressure_places(256, 2, 8, 12, true), 8); /* it never grows while it lasts */
	assert_int_equal(pressure_places(256, 2, 8, 0, true), 2);
	assert_int_equal(pressure_places(1, 2, 1, 1, true), 1);
	assert_int_equal(pressure_places(256, 2, 2, 2, false), 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_that_wait_double_what_is_left),
		cmocka_unit_test(no_more_run_than_did),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
