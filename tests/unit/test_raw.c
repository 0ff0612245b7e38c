/* JSON that is passed on as it was written. */

#include "api/exchange.h"
#include "base/buf.h"
#include "base/defer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *loaded(const char *text)
{
	json_error_t error;
	const size_t len = strlen(text);
	char *exact =
		malloc(len > 0 ? len : 1); /* so that a sanitizer sees what is read behind it */
	assert_non_null(exact);
	memcpy(exact, text, len);
	json_t *value = raw_load(exact, len, JSON_DECODE_INT_AS_REAL, &error);
	free(exact);
	return value;
}

static void members_are_cut_out(void **state)
{
	static const char text[] =
		"{ \"args\" : [1e999, {\"}\": \"]\\\"\"}] ,\"error\":null,\"n\":-1.50 }";
	size_t len;
	(void)state;
	const char *args = raw_member(text, strlen(text), "args", &len);
	assert_non_null(args);
	assert_int_equal(len, strlen("[1e999, {\"}\": \"]\\\"\"}]"));
	assert_memory_equal(args, "[1e999, {\"}\": \"]\\\"\"}]", len);
	const char *number = raw_member(text, strlen(text), "n", &len);
	assert_non_null(number);
	assert_int_equal(len, 5);
	assert_memory_equal(number, "-1.50", 5);
	assert_null(raw_member(text, strlen(text), "other", &len));
}

/* A whole number may be as long as a body may be: jansson reads it as a double. */
static void numbers_of_any_size_are_read(void **state)
{
	char digits[1000];
	(void)state;
	memset(digits, '9', sizeof(digits) - 1);
	digits[sizeof(digits) - 1] = '\0';
	const char *const good[] = {"[1e999]", "[-1e999,2]", "{\"a\": 1.5E+400 }", "[[1e309] , 7]",
		"[0.1, 1e999, \"1e999-1\"]", "[\t-9e9999999\n]"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		json_t *value = loaded(good[i]);
		assert_non_null(value);
		json_decref(value);
	}
	defer_free char *text =
		mem_printf("{\"results\":[%s,\"%s\",1.5],\"error\":null}", digits, digits);
	json_t *value = loaded(text);
	const json_t *results = json_object_get(value, "results");
	assert_int_equal(json_array_size(results), 3);
	assert_int_equal(strlen(json_string_value(json_array_get(results, 1))), 999);
	assert_true(json_number_value(json_array_get(results, 2)) == 1.5);
	json_decref(value);
}

static void what_is_no_json_stays_none(void **state)
{
	static const char *const bad[] = {"[1e999", "[01e999]", "[1-1e999]", "[1e999-1]",
		"[1e999e1]", "[+1e999]", "[1e999.5]", "[.1e999]", "[1.e999]", "[--1e999]",
		"[1e999 1e999]", "[1e999,]", "{1e999:1}", "[1e999,\"]", "[1e999,\"\\", "[1e999,-",
		"[1e999,1e", "[1e999,1.", "[x1e999]", "[1e999x]"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(loaded(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_cut_out),
		cmocka_unit_test(numbers_of_any_size_are_read),
		cmocka_unit_test(what_is_no_json_stays_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
