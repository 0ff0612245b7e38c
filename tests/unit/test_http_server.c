/*
 * Whole http servers on loopback sockets, in a loop of the test's own: the client is a plain
 * socket, and the loop is run until what the test waits for has happened. What can be told from
 * outside alone is in tests/http.
 */

#include "base/buf.h"
#include "base/defer.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST      "Host: a\r\n"
#define POST      "POST / HTTP/1.1\r\n"
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define WAIT_MS   10000

/* A server on loopback, in a loop that the test runs. */
struct world {
	uv_loop_t loop;
	struct http_server *server;
	struct sockaddr_in addr;
	struct http_exchange *held[8]; /* of /hold, in order of coming */
	unsigned holds;
	unsigned requests;
	unsigned gone;
	unsigned depth; /* of handlers on the stack */
	int refused;
	bool destroy; /* the next request destroys the server */
};

static void on_request(struct http_exchange *x, void *ctx)
{
	struct world *w = ctx;
	size_t len = 0;
	w->requests++;
	assert_int_equal(w->depth, 0);
	w->depth++;
	if (w->destroy) {
		http_server_destroy(w->server);
		w->server = NULL;
	} else if (strcmp(http_path(x), "/hold") == 0) {
		w->held[w->holds++ % COUNT(w->held)] = x;
	} else {
		const char *body = http_body(x, &len);
		http_respond(x, 200, NULL, body, len);
	}
	w->depth--;
}

static void on_gone(struct http_exchange *x, void *ctx)
{
	struct world *w = ctx;
	w->gone++;
	assert_string_equal(http_method(x), "GET");
}

static void on_refuse(struct http_exchange *x, int status, const char *why, void *ctx)
{
	struct world *w = ctx;
	w->refused = status;
	if (status == 503)
		return; /* plain text is sent then */
	http_respond(x, status, "text/plain", why, strlen(why));
}

static void world_init(struct world *w, const struct http_limits *limits)
{
	struct http_callbacks callbacks = {on_request, on_gone, on_refuse, NULL, w};
	struct fault f = {0};
	socklen_t len = sizeof(w->addr);
	memset(w, 0, sizeof(*w));
	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->addr.sin_family = AF_INET;
	w->addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&w->addr, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&w->addr, &len), 0);
	w->server = http_server_create(&w->loop, limits, &callbacks, &f);
	assert_non_null(w->server);
	assert_int_equal(http_server_listen(w->server, fd, &f), 0);
}

static void world_finish(struct world *w)
{
	http_server_destroy(w->server);
	while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
		;
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

static int client_open(const struct world *w)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&w->addr, sizeof(w->addr)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void client_send(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void on_too_late(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("what was waited for has not come in %d ms", WAIT_MS);
}

/* Runs the loop until `done` says so. */
static void run_until(struct world *w, bool (*done)(struct world *, void *), void *arg)
{
	uv_timer_t timer;
	assert_int_equal(uv_timer_init(&w->loop, &timer), 0);
	assert_int_equal(uv_timer_start(&timer, on_too_late, WAIT_MS, 0), 0);
	while (!done(w, arg))
		(void)uv_run(&w->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(&w->loop, UV_RUN_NOWAIT);
}

struct reading {
	uv_poll_t poll;
	int fd;
	size_t want; /* bytes; SIZE_MAX: to the end */
	struct buf got;
	bool end;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct reading *r = poll->data;
	(void)events;
	assert_int_equal(status, 0);
	char *to = buf_reserve(&r->got, 65536);
	ssize_t n = read(r->fd, to, r->want - r->got.len < 65536 ? r->want - r->got.len : 65536);
	if (n < 0 && errno == EAGAIN)
		return;
	r->end = n <= 0;
	r->got.len += n > 0 ? (size_t)n : 0;
	r->got.data[r->got.len] = '\0';
}

static bool read_done(struct world *w, void *arg)
{
	const struct reading *r = arg;
	(void)w;
	return r->end || r->got.len >= r->want;
}

/* What the client gets: `want` bytes, or all to the end of the stream. */
static struct buf client_read(struct world *w, int fd, size_t want)
{
	struct reading r = {.fd = fd, .want = want};
	assert_int_equal(uv_poll_init(&w->loop, &r.poll, fd), 0);
	r.poll.data = &r;
	assert_int_equal(uv_poll_start(&r.poll, UV_READABLE, on_readable), 0);
	run_until(w, read_done, &r);
	uv_close((uv_handle_t *)&r.poll, NULL);
	(void)uv_run(&w->loop, UV_RUN_NOWAIT);
	if (want != SIZE_MAX)
		assert_int_equal(r.got.len, want);
	return r.got;
}

static void expect_read(struct world *w, int fd, const char *start)
{
	defer_buf struct buf got = client_read(w, fd, strlen(start));
	assert_string_equal(got.data, start);
}

static bool holds_are(struct world *w, void *arg)
{
	return w->holds == *(unsigned *)arg;
}

static void run_until_held(struct world *w, unsigned n)
{
	run_until(w, holds_are, &n);
}

static bool gone_are(struct world *w, void *arg)
{
	return w->gone == *(unsigned *)arg;
}

static bool no_connections(struct world *w, void *arg)
{
	(void)arg;
	return http_server_connections(w->server) == 0;
}

/* The bytes of one answer to `text` with a body of that text, but its date. */
static size_t answer_len(size_t body)
{
	return strlen("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 "
		      "GMT\r\nContent-Length: ") +
	       (size_t)snprintf(NULL, 0, "%zu", body) + 4 + body;
}

static void pipelined_requests_are_answered_in_order_one_at_a_time(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, &http_limits_default);
	int fd = client_open(&w);
	client_send(fd, GET("/hold") POST HOST "Content-Length: 3\r\n\r\ntwo" GET("/hold"));
	run_until_held(&w, 1);
	assert_int_equal(w.requests, 1);
	assert_int_equal(http_server_open_exchanges(w.server), 1);
	/* The next request must not be handled within this call. */
	w.depth = 1;
	http_respond(w.held[0], 200, NULL, "one", 3);
	w.depth = 0;
	assert_int_equal(w.requests, 1);
	run_until_held(&w, 2);
	http_respond(w.held[1], 200, NULL, "three", 5);
	assert_int_equal(http_server_open_exchanges(w.server), 0);
	defer_buf struct buf got = client_read(&w, fd, 2 * answer_len(3) + answer_len(5));
	assert_memory_equal(got.data + answer_len(3) - 3, "oneHTTP/1.1 200", 15);
	assert_memory_equal(got.data + 2 * answer_len(3) - 3, "twoHTTP/1.1 200", 15);
	assert_string_equal(got.data + got.len - 5, "three");
	(void)close(fd);
	world_finish(&w);
	assert_int_equal(w.gone, 0);
}

static void a_peer_that_leaves_ends_its_exchange(void **state)
{
	struct world w;
	unsigned gone = 1;
	(void)state;
	world_init(&w, &http_limits_default);
	for (int how = 0; how < 3; how++, gone++) {
		int fd = client_open(&w);
		client_send(fd, GET("/hold"));
		run_until_held(&w, gone);
		struct linger reset = {.l_onoff = 1};
		if (how == 1)
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (how == 2)
			(void)shutdown(fd, SHUT_WR);
		else
			(void)close(fd);
		run_until(&w, gone_are, &gone);
		assert_int_equal(http_server_open_exchanges(w.server), 0);
		if (how == 2)
			(void)close(fd);
	}
	run_until(&w, no_connections, NULL);
	world_finish(&w);
}

static void destroying_ends_what_is_open(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, &http_limits_default);
	int idle = client_open(&w);
	int busy = client_open(&w);
	client_send(busy, GET("/hold"));
	run_until_held(&w, 1);
	world_finish(&w);
	assert_int_equal(w.gone, 1);
	(void)close(idle);
	(void)close(busy);
}

static void a_handler_may_destroy_the_server(void **state)
{
	struct world w;
	unsigned gone = 1;
	(void)state;
	world_init(&w, &http_limits_default);
	w.destroy = true;
	int fd = client_open(&w);
	client_send(fd, GET("/") GET("/"));
	run_until(&w, gone_are, &gone);
	assert_int_equal(w.requests, 1);
	world_finish(&w);
	(void)close(fd);
}

static void a_large_answer_waits_for_its_reader(void **state)
{
	enum { LARGE = 32 << 20 };
	struct world w;
	(void)state;
	world_init(&w, &http_limits_default);
	int fd = client_open(&w);
	client_send(fd, GET("/hold") GET("/after"));
	run_until_held(&w, 1);
	defer_free char *body = mem_zero(1, LARGE);
	memset(body, 'x', LARGE);
	body[LARGE - 1] = '!';
	http_respond(w.held[0], 200, NULL, body, LARGE);
	memset(body, 'y', LARGE); /* it was copied */
	assert_int_equal(w.requests, 1);
	defer_buf struct buf got = client_read(&w, fd, answer_len(LARGE) + answer_len(0));
	const char *start = got.data + answer_len(LARGE) - LARGE;
	assert_null(memchr(start, 'y', LARGE));
	assert_int_equal(start[LARGE - 1], '!');
	assert_memory_equal(start + LARGE, "HTTP/1.1 200 OK", 15);
	(void)close(fd);
	world_finish(&w);
}

static void reading_ahead_is_bounded(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, &http_limits_default);
	int fd = client_open(&w);
	client_send(fd, GET("/hold"));
	run_until_held(&w, 1);
	/* More than the server's buffer and both socket buffers hold, unless it reads on and on. */
	static char junk[65536];
	memset(junk, 'j', sizeof(junk));
	size_t sent = 0;
	for (unsigned idle = 0; idle < 50;) {
		ssize_t n = send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < (size_t)64 << 20);
		(void)uv_run(&w.loop, UV_RUN_NOWAIT);
	}
	http_respond(w.held[0], 200, NULL, "", 0);
	defer_buf struct buf got = client_read(&w, fd, SIZE_MAX);
	assert_non_null(strstr(got.data, "HTTP/1.1 431 ")); /* what the junk was */
	(void)close(fd);
	world_finish(&w);
}

static void caps_on_connections_hold(void **state)
{
	struct http_limits limits = http_limits_default;
	struct world w;
	(void)state;
	limits.connections = 3;
	limits.connections_per_peer = 2;
	world_init(&w, &limits);
	int fds[3];
	for (size_t i = 0; i < COUNT(fds); i++)
		fds[i] = client_open(&w);
	expect_read(&w, fds[2], "HTTP/1.1 503 Service Unavailable\r\n");
	assert_int_equal(w.refused, 503);
	assert_int_equal(http_server_connections(w.server), 2);
	client_send(fds[0], GET("/"));
	expect_read(&w, fds[0], "HTTP/1.1 200 OK\r\n");
	/* A place that was given back can be taken. */
	(void)close(fds[1]);
	fds[1] = client_open(&w);
	client_send(fds[1], GET("/"));
	expect_read(&w, fds[1], "HTTP/1.1 ");
	for (size_t i = 0; i < COUNT(fds); i++)
		(void)close(fds[i]);
	run_until(&w, no_connections, NULL);
	world_finish(&w);
}

static void deadlines_end_slow_requests(void **state)
{
	struct http_limits limits = http_limits_default;
	struct world w;
	(void)state;
	limits.header_ms = limits.body_ms = limits.idle_ms = 20;
	world_init(&w, &limits);
	int head = client_open(&w);
	client_send(head, "GET / HTTP/1.1\r\n");
	expect_read(&w, head, "HTTP/1.1 408 ");
	int body = client_open(&w);
	client_send(body, POST HOST "Content-Length: 2\r\n\r\na");
	expect_read(&w, body, "HTTP/1.1 408 ");
	(void)close(head);
	(void)close(body);
	int idle = client_open(&w);
	client_send(idle, GET("/"));
	defer_buf struct buf got = client_read(&w, idle, SIZE_MAX);
	assert_int_equal(got.len, answer_len(0)); /* and no 408: there was no request */
	(void)close(idle);
	int fresh = client_open(&w);
	defer_buf struct buf nothing = client_read(&w, fresh, SIZE_MAX);
	assert_int_equal(nothing.len, 0);
	(void)close(fresh);
	world_finish(&w);
}

static void draining_finishes_what_was_begun(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, &http_limits_default);
	int idle = client_open(&w);
	int busy = client_open(&w);
	client_send(idle, GET("/"));
	expect_read(&w, idle, "HTTP/1.1 200 OK\r\n");
	client_send(busy, GET("/hold"));
	run_until_held(&w, 1);
	http_server_drain(w.server);
	defer_buf struct buf end = client_read(&w, idle, SIZE_MAX);
	assert_int_equal(http_server_connections(w.server), 1);
	http_respond(w.held[0], 200, NULL, "late", 4);
	defer_buf struct buf got = client_read(&w, busy, SIZE_MAX);
	assert_non_null(strstr(got.data, "\r\nConnection: close\r\n"));
	assert_string_equal(got.data + got.len - 4, "late");
	(void)close(idle);
	(void)close(busy);
	run_until(&w, no_connections, NULL);
	int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(late, (struct sockaddr *)&w.addr, sizeof(w.addr)), -1);
	(void)close(late);
	world_finish(&w);
}

static void draining_ends_a_connection_after_the_answer_being_sent(void **state)
{
	enum { LARGE = 32 << 20 };
	struct world w;
	(void)state;
	world_init(&w, &http_limits_default);
	int fd = client_open(&w);
	client_send(fd, GET("/hold"));
	run_until_held(&w, 1);
	defer_free char *body = mem_zero(1, LARGE);
	assert_int_equal(http_server_unsent(w.server), 0);
	http_respond(w.held[0], 200, NULL, body, LARGE);
	assert_int_equal(http_server_unsent(w.server), 1);
	http_server_drain(w.server);
	defer_buf struct buf got = client_read(&w, fd, SIZE_MAX);
	assert_int_equal(got.len, answer_len(LARGE));
	(void)close(fd);
	run_until(&w, no_connections, NULL);
	assert_int_equal(http_server_unsent(w.server), 0);
	world_finish(&w);
}

static void a_bad_descriptor_is_a_fault(void **state)
{
	struct world w;
	struct fault f = {0};
	(void)state;
	world_init(&w, &http_limits_default);
	assert_int_equal(http_server_listen(w.server, -1, &f), -1);
	assert_int_equal(f.kind, FAULT_PLATFORM);
	world_finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipelined_requests_are_answered_in_order_one_at_a_time),
		cmocka_unit_test(a_peer_that_leaves_ends_its_exchange),
		cmocka_unit_test(destroying_ends_what_is_open),
		cmocka_unit_test(a_handler_may_destroy_the_server),
		cmocka_unit_test(a_large_answer_waits_for_its_reader),
		cmocka_unit_test(reading_ahead_is_bounded),
		cmocka_unit_test(caps_on_connections_hold),
		cmocka_unit_test(deadlines_end_slow_requests),
		cmocka_unit_test(draining_finishes_what_was_begun),
		cmocka_unit_test(draining_ends_a_connection_after_the_answer_being_sent),
		cmocka_unit_test(a_bad_descriptor_is_a_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
