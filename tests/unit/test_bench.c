/* The histogram of `sky-island bench`, and how its failures are told apart. */

#include "cli/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct bench_histogram h;

static int forget(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	return 0;
}

static void one_is_every_percentile(void **state)
{
	(void)state;
	static const uint64_t some[] = {
		0, 1, 127, 128, 1000, 999999, 123456789, UINT64_C(9) << 40, UINT64_MAX / 2};
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		memset(&h, 0, sizeof(h));
		bench_histogram_add(&h, some[i]);
		for (unsigned p = 0; p <= 1000; p += 250)
			assert_int_equal(bench_histogram_quantile(&h, p), some[i]);
	}
}

static void nothing_has_none(void **state)
{
	(void)state;
	assert_int_equal(bench_histogram_quantile(&h, 500), 0);
	assert_int_equal(bench_histogram_between(&h, 0, UINT64_MAX), 0);
}

/* Of 1 µs, 2 µs … 1 s, whose percentiles are known: never too low, and 1.6 % too high at most. */
static void percentiles_are_near(void **state)
{
	(void)state;
	for (uint64_t us = 1; us <= 1000000; us++)
		bench_histogram_add(&h, us * 1000);
	for (unsigned p = 1; p <= 1000; p++) {
		const uint64_t truth = (uint64_t)p * 1000000;
		const uint64_t told = bench_histogram_quantile(&h, p);
		assert_in_range(told, truth, truth + truth / 60);
	}
	assert_int_equal(h.count, 1000000);
	assert_int_equal(h.min_ns, 1000);
	assert_int_equal(h.max_ns, 1000000000);
	assert_int_equal(h.sum_ns / h.count, 500000500);
}

static void ranges_share_nothing(void **state)
{
	(void)state;
	uint64_t x = 1;
	for (unsigned i = 0; i < 10000; i++) {
		x = x * 6364136223846793005U + 1442695040888963407U;
		bench_histogram_add(&h, x >> 34);
	}
	uint64_t sum = 0;
	for (uint64_t from = 0; from < UINT64_C(1) << 30; from += 1 << 24)
		sum += bench_histogram_between(&h, from, from + (1 << 24));
	assert_int_equal(sum, 10000);
}

/* Between 1 ns and 18 minutes, few and many, near and far apart. */
static void every_one_is_in_a_row(void **state)
{
	(void)state;
	uint64_t x = 1;
	for (unsigned turn = 0; turn < 3000; turn++) {
		struct bench_rows rows;
		uint64_t sum = 0;
		memset(&h, 0, sizeof(h));
		for (unsigned i = 0; i <= turn % 7; i++) {
			x = x * 6364136223846793005U + 1442695040888963407U;
			bench_histogram_add(&h, (x >> 24) >> (x % 40));
		}
		bench_rows_make(&rows, &h);
		assert_in_range(rows.count, 1, BENCH_ROWS);
		for (unsigned i = 0; i < rows.count; i++) {
			assert_true(rows.from[i] < rows.from[i + 1]);
			sum += bench_histogram_between(&h, rows.from[i], rows.from[i + 1]);
		}
		assert_int_equal(sum, h.count);
	}
}

static void failures_are_told_apart(void **state)
{
	(void)state;
	static struct bench_result r;
	char code[16];
	bench_result_fail(&r, 404, "not_found", "first", 1);
	bench_result_fail(&r, 404, "not_found", "second", 2);
	bench_result_fail(&r, 429, "not_found", "third", 1);
	assert_int_equal(r.failures_count, 2);
	assert_int_equal(r.failures[0].count, 3);
	assert_string_equal(r.failures[0].detail, "first");
	for (unsigned i = 0; i < 2 * BENCH_FAILURES; i++) {
		(void)snprintf(code, sizeof(code), "code_%u", i);
		bench_result_fail(&r, 500, code, "", 1);
	}
	assert_int_equal(r.failures_count, BENCH_FAILURES);
	assert_string_equal(r.failures[BENCH_FAILURES - 1].code, "others");
	assert_int_equal(r.failed, 4 + 2 * BENCH_FAILURES);
	assert_int_equal(r.made, r.failed);
	uint64_t sum = 0;
	for (unsigned i = 0; i < r.failures_count; i++)
		sum += r.failures[i].count;
	assert_int_equal(sum, r.failed);
}

static void a_server_is_an_address(void **state)
{
	(void)state;
	static const struct {
		const char *text, *shown, *host;
	} good[] = {{"http://127.0.0.1:3280", "http://127.0.0.1:3280", "127.0.0.1:3280"},
		{"http://127.0.0.1/", "http://127.0.0.1:80", "127.0.0.1:80"},
		{"http://[::1]:3280", "http://[::1]:3280", "[::1]:3280"},
		{"unix:/run/sky.sock", "unix:/run/sky.sock", "localhost"}};
	static const char *const bad[] = {"", "unix:", "127.0.0.1:3280", "https://127.0.0.1",
		"http://127.0.0.1:3280/api", "http://127.0.0.1:99999", "ftp://127.0.0.1",
		"http://"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct bench_target t = {0};
		struct fault f = {0};
		assert_int_equal(bench_target_parse(&t, good[i].text, &f), 0);
		assert_string_equal(t.shown, good[i].shown);
		assert_string_equal(t.host, good[i].host);
		bench_target_finish(&t);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bench_target t = {0};
		struct fault f = {0};
		assert_int_equal(bench_target_parse(&t, bad[i], &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		bench_target_finish(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_is_every_percentile, forget),
		cmocka_unit_test_setup(nothing_has_none, forget),
		cmocka_unit_test_setup(percentiles_are_near, forget),
		cmocka_unit_test_setup(ranges_share_nothing, forget),
		cmocka_unit_test(every_one_is_in_a_row),
		cmocka_unit_test(failures_are_told_apart),
		cmocka_unit_test(a_server_is_an_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
