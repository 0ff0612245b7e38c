/* metrics: buckets, names, datagrams; and what api makes of a traceparent. */

#include "api/trace.h"
#include "base/buf.h"
#include "metrics/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static uint64_t bucket_of(uint64_t ns)
{
	const struct metric_histogram *h =
		metric_histogram_of(&metric_facts[METRIC_NETWORK_ALLOCATE], 0);
	struct metric_histogram before = *h;
	metrics_time(METRIC_NETWORK_ALLOCATE, ns);
	assert_int_equal(h->sum_ns - before.sum_ns, ns);
	for (unsigned i = 0; i <= METRIC_BUCKETS; i++) {
		if (h->counts[i] != before.counts[i])
			return i;
	}
	fail();
	return 0;
}

static void bounds_are_inclusive(void **state)
{
	(void)state;
	assert_int_equal(bucket_of(0), 0);
	for (unsigned i = 0; i < METRIC_BUCKETS; i++) {
		assert_int_equal(bucket_of(metric_buckets[i].ns), i);
		assert_int_equal(bucket_of(metric_buckets[i].ns + 1), i + 1);
		const double seconds = strtod(metric_buckets[i].seconds, NULL);
		assert_true((uint64_t)(seconds * 1e9 + 0.5) == metric_buckets[i].ns);
	}
	assert_int_equal(bucket_of(UINT64_C(86400000000000)), METRIC_BUCKETS);
}

static void series_do_not_share_a_place(void **state)
{
	(void)state;
	for (unsigned m = 0; m < METRICS; m++) {
		for (unsigned n = m + 1; n < METRICS; n++) {
			const struct metric_fact *a = &metric_facts[m];
			const struct metric_fact *b = &metric_facts[n];
			assert_string_not_equal(a->prometheus, b->prometheus);
			if (a->statsd[0] != '\0' && a->kind == b->kind)
				assert_string_not_equal(a->statsd, b->statsd);
			if ((a->kind == METRIC_TIMER) == (b->kind == METRIC_TIMER))
				assert_true(a->first + metric_series(a) <= b->first ||
					    b->first + metric_series(b) <= a->first);
		}
	}
}

static void labels_past_the_end_are_the_last(void **state)
{
	(void)state;
	const struct metric_fact *fact = &metric_facts[METRIC_EXEC_ENDED];
	const unsigned last = metric_series(fact) - 1;
	const uint64_t before = metric_value(fact, last);
	metrics_count(METRIC_EXEC_ENDED, 4711, 17);
	assert_int_equal(metric_value(fact, last), before + 1);
	assert_string_equal(fact->a->values[last], "other");
}

static void statuses_have_their_own_numbers(void **state)
{
	(void)state;
	const struct metric_set *set = metric_facts[METRIC_REQUEST].b;
	for (unsigned i = 0; i + 1 < set->count; i++)
		assert_int_equal(metrics_status(atoi(set->values[i])), i);
	const int strange[] = {-1, 0, 299, 599, 600, 70000};
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
		assert_int_equal(metrics_status(strange[i]), set->count - 1);
}

static bool is_prometheus_name(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name) &&
	       strncmp(name, "sky_", 4) == 0;
}

static bool ends_with(const char *text, const char *end)
{
	const size_t len = strlen(text);
	return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

static void names_follow_the_conventions(void **state)
{
	(void)state;
	for (unsigned m = 0; m < METRICS; m++) {
		const struct metric_fact *fact = &metric_facts[m];
		assert_true(is_prometheus_name(fact->prometheus));
		assert_int_equal(
			ends_with(fact->prometheus, "_total"), fact->kind == METRIC_COUNTER);
		if (fact->kind == METRIC_TIMER)
			assert_true(ends_with(fact->prometheus, "_seconds"));
		assert_null(strpbrk(fact->statsd, ":|@\n "));
		assert_null(strpbrk(fact->help, "\\\n"));
	}
}

/* ---- datagrams ---- */

static int listening; /* where StatsD was opened, which is once in a process */

static int listener(unsigned *port)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(own);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
	*port = ntohs(own.sin_port);
	return fd;
}

/* All that came: the lines, how many datagrams they came in, and the longest of these. */
static unsigned receive_all(int fd, struct buf *lines, size_t *longest)
{
	unsigned count = 0;
	char datagram[65536];
	ssize_t n;
	*longest = 0;
	while ((n = recv(fd, datagram, sizeof(datagram), 0)) >= 0) {
		assert_true(n > 0 && datagram[n - 1] != '\n' && datagram[0] != '\n');
		*longest = (size_t)n > *longest ? (size_t)n : *longest;
		buf_append(lines, datagram, (size_t)n);
		buf_putc(lines, '\n');
		count++;
	}
	assert_int_equal(errno, EAGAIN);
	return count;
}

static unsigned lines_of(const struct buf *text, const char *line)
{
	unsigned count = 0;
	const size_t len = strlen(line);
	for (const char *at = text->data; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1)
		count += strncmp(at, line, len) == 0;
	return count;
}

static void facts_go_out_in_full_datagrams(void **state)
{
	(void)state;
	unsigned port;
	size_t longest;
	const int fd = listening = listener(&port);
	defer_buf struct buf first = {0};
	defer_buf struct buf second = {0};
	uv_loop_t *loop = uv_default_loop();
	statsd_open(loop, "127.0.0.1", port);
	statsd_flush(); /* what other tests counted, and the gauges */
	assert_true(receive_all(fd, &first, &longest) > 0);
	assert_int_equal(lines_of(&first, "jails.running:0|g\n"), 1);

	for (unsigned i = 0; i < 1000; i++)
		metrics_time(METRIC_EXEC, 1234567);
	for (unsigned i = 0; i < 32 * 4; i++)
		metrics_time_of(METRIC_REQUEST_TIME, METRIC_ENDPOINT_FUNCTION, i % 4, 1234567);
	for (unsigned i = 0; i < 7; i++)
		metrics_count(METRIC_POOL_ASKED, METRIC_POOL_MISS, 0);
	metrics_count(METRIC_REQUEST, METRIC_ENDPOINT_FUNCTION, metrics_status(503));
	metrics_time_of(METRIC_REQUEST_TIME, METRIC_ENDPOINT_JAIL, 3, 5);
	metrics_set(METRIC_JAILS_RUNNING, 3);
	statsd_flush();
	const unsigned datagrams = receive_all(fd, &second, &longest);
	assert_true(longest <= STATSD_BYTES);
	assert_true(longest > STATSD_BYTES - 40); /* full ones, but for the last */
	assert_true(datagrams <= second.len / (STATSD_BYTES - 40) + 1);
	assert_int_equal(lines_of(&second, "exec:1.234|ms|@0.032\n"), 32); /* stand for all */
	assert_int_equal(lines_of(&second, "exec:"), 32);
	assert_int_equal(lines_of(&second, "request.function.4xx:1.234|ms\n"), 32);
	assert_int_equal(lines_of(&second, "pool.miss:7|c\n"), 1);
	assert_int_equal(lines_of(&second, "request.function.503:1|c\n"), 1);
	assert_int_equal(lines_of(&second, "request.jail.4xx:0.000|ms\n"), 1);
	assert_int_equal(lines_of(&second, "jails.running:3|g\n"), 1);
	assert_int_equal(lines_of(&second, "jails.waiting:"), 0); /* did not change */
	statsd_flush();
	assert_int_equal(receive_all(fd, &second, &longest), 0);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	uv_stop(poll->loop);
}

static void on_late(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("nothing was sent");
}

/* The loop alone sends, a tenth of a second after the first fact. */
static void the_loop_sends_soon(void **state)
{
	(void)state;
	uv_timer_t timer;
	uv_poll_t poll;
	size_t longest;
	defer_buf struct buf lines = {0};
	uv_loop_t *loop = uv_default_loop();
	(void)uv_poll_init(loop, &poll, listening);
	(void)uv_poll_start(&poll, UV_READABLE, on_readable);
	(void)uv_timer_init(loop, &timer);
	(void)uv_timer_start(&timer, on_late, 10000, 0);
	metrics_count(METRIC_BUILD_FAILED, 0, 0);
	metrics_count(METRIC_BUILD_FAILED, 0, 0);
	assert_int_equal(receive_all(listening, &lines, &longest), 0);
	(void)uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(receive_all(listening, &lines, &longest), 1);
	assert_int_equal(lines_of(&lines, "build.failed:2|c\n"), 1);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_close((uv_handle_t *)&poll, NULL);
	(void)uv_run(loop, UV_RUN_NOWAIT);
}

static void nobody_listening_is_no_loss(void **state)
{
	(void)state;
	const struct metric_fact *lost = &metric_facts[METRIC_STATSD_LOST];
	(void)close(listening);
	for (unsigned i = 0; i < 3; i++) {
		metrics_time(METRIC_BUILD, 1);
		statsd_flush();
	}
	assert_int_equal(metric_value(lost, 0), 0);
}

static void steps_are_sent_without_a_loop(void **state)
{
	(void)state;
	unsigned port;
	size_t longest;
	const int fd = listener(&port);
	defer_buf struct buf lines = {0};
	statsd_on = false; /* as in the process that prepares */
	metrics_step("storage", 1500000);
	metrics_step("tool", 17000000000);
	statsd_send_steps("localhost", port);
	assert_int_equal(receive_all(fd, &lines, &longest), 1);
	assert_string_equal(lines.data,
		"initialize_system.storage:1.500|ms\ninitialize_system.tool:17000.000|ms\n");
	(void)close(fd);
}

static void exposition_counts_up(void **state)
{
	(void)state;
	defer_buf struct buf text = {0};
	metrics_expose(&text);
	assert_non_null(strstr(text.data, "# TYPE sky_exec_seconds histogram\n"));
	assert_non_null(strstr(text.data, "sky_exec_seconds_bucket{le=\"0.001\"} 0\n"));
	assert_non_null(strstr(text.data, "sky_exec_seconds_bucket{le=\"0.0025\"} 1000\n"));
	assert_non_null(strstr(text.data, "sky_exec_seconds_bucket{le=\"+Inf\"} 1000\n"));
	assert_non_null(strstr(text.data, "sky_exec_seconds_sum 1.234567000\n"));
	assert_non_null(strstr(text.data, "sky_exec_seconds_count 1000\n"));
	assert_non_null(
		strstr(text.data, "sky_requests_total{endpoint=\"function\",status=\"503\"} 1\n"));
	assert_null(strstr(text.data, "endpoint=\"ips\"")); /* too many series to show zeros */
	assert_non_null(strstr(text.data, "sky_pool_requests_total{result=\"hit\"} 0\n"));
}

/* ---- traces ---- */

#define ID   "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void a_trace_goes_on(void **state)
{
	(void)state;
	static const char *const good[] = {"00-" ID "-" SPAN "-01", "00-" ID "-" SPAN "-ff",
		"01-" ID "-" SPAN "-09", "cc-" ID "-" SPAN "-01-what-comes",
		"fe-" ID "-" SPAN "-01-"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct trace trace;
		trace_begin(&trace, good[i]);
		assert_string_equal(trace.id, ID);
		assert_string_not_equal(trace.span, SPAN);
		assert_int_equal(strspn(trace.span, "0123456789abcdef"), TRACE_SPAN);
		assert_true(trace.sampled);
	}
}

static void a_bad_traceparent_is_passed_over(void **state)
{
	(void)state;
	static const char *const bad[] = {NULL, "", "00", "00-" ID "-" SPAN, "00-" ID "-" SPAN "-0",
		"00-" ID "-" SPAN "-01-more", "00-" ID "-" SPAN "-01 ", "ff-" ID "-" SPAN "-01",
		"0-" ID "-" SPAN "-01", "00_" ID "-" SPAN "-01", "00-" ID "_" SPAN "-01",
		"00-" ID "-" SPAN "_01", "cc-" ID "-" SPAN "-01.what", "cc-" ID "-" SPAN "-0x",
		"00-00000000000000000000000000000000-" SPAN "-01", "00-" ID "-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", "00-" ID "-B7AD6B7169203331-01",
		"00-" ID "-" SPAN "-0G", "zz-" ID "-" SPAN "-01",
		"00-0af7651916cd43dd8448eb211c80319-c" SPAN "-01"};
	char last[TRACE_ID + 1] = "";
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct trace trace;
		trace_begin(&trace, bad[i]);
		assert_string_not_equal(trace.id, ID);
		assert_string_not_equal(trace.id, last);
		assert_int_equal(strlen(trace.id), TRACE_ID);
		assert_int_equal(strspn(trace.id, "0123456789abcdef"), TRACE_ID);
		assert_false(trace.sampled);
		memcpy(last, trace.id, sizeof(last));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_are_inclusive),
		cmocka_unit_test(series_do_not_share_a_place),
		cmocka_unit_test(labels_past_the_end_are_the_last),
		cmocka_unit_test(statuses_have_their_own_numbers),
		cmocka_unit_test(names_follow_the_conventions),
		cmocka_unit_test(facts_go_out_in_full_datagrams),
		cmocka_unit_test(the_loop_sends_soon),
		cmocka_unit_test(nobody_listening_is_no_loss),
		cmocka_unit_test(steps_are_sent_without_a_loop),
		cmocka_unit_test(exposition_counts_up),
		cmocka_unit_test(a_trace_goes_on),
		cmocka_unit_test(a_bad_traceparent_is_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
