/* Egress carries and refuses: tunnels, plain requests, targets, the operator's proxy. */

#include "egress_world.h"

/* ---- carrying ---- */

static void a_tunnel_carries_both_ways_and_ends_with_both(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	struct peer *p = request(LISTENS, "CONNECT one.test:%d" HOST);
	until(says(p, ESTABLISHED));
	peer_send(p, "up", 2);
	until(origin_last != NULL && says(origin_last, "up"));
	peer_end(p);
	until(origin_last->ended);
	peer_send(origin_last, "down", 4); /* half open: the answer still comes */
	until(says(p, ESTABLISHED "down"));
	assert_false(p->ended);
	peer_end(origin_last);
	until(p->ended && egress->conns == NULL);
	assert_int_equal(egress_bytes(egress), 6);
	assert_false(egress_unreachable(egress));
	assert_string_equal(egress_last_error(egress), "");
}

static void bytes_behind_the_head_reach_the_server(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	origin_habit = ECHOES;
	struct peer *p = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST "early");
	until(says(p, ESTABLISHED "early"));
	assert_int_equal(egress_bytes(egress), 10);
}

static void heads_may_come_in_pieces(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	struct peer *p = request(LISTENS, "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost");
	until(egress->conns != NULL && egress->conns->bytes_len > 0);
	peer_send(p, ": x\r\n\r", 6);
	size_t before = egress->conns->bytes_len;
	until(egress->conns->bytes_len > before);
	assert_int_equal(p->got.len, 0);
	peer_send(p, "\n", 1);
	until(says(p, ESTABLISHED));
}

static void the_next_address_is_tried(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	struct peer *p = request(LISTENS, "CONNECT two.test:%d" HOST);
	until(says(p, ESTABLISHED));
	assert_false(egress_unreachable(egress));
}

static void plain_requests_are_forwarded_once(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts, .plain_http = true});
	struct peer *p = request(LISTENS, "GET http://one.test:%d/m/@v/list HTTP/1.1\r\nHost: "
					  "y\r\nProxy-Connection: k\r\nA: b\r\n\r\n");
	until(origin_last != NULL && says(origin_last, "\r\n\r\n"));
	defer_free char *wanted =
		mem_printf("GET /m/@v/list HTTP/1.1\r\nHost: one.test:%d\r\nA: b\r\n"
			   "Via: 1.1 sky-island\r\nConnection: close\r\n\r\n",
			origin_port);
	assert_string_equal(origin_last->got.data, wanted);
	peer_send(origin_last, "HTTP/1.1 200 OK\r\n\r\nv1.0.0\n", 26);
	peer_end(origin_last);
	until(p->ended && egress->conns == NULL);
	assert_string_equal(p->got.data, "HTTP/1.1 200 OK\r\n\r\nv1.0.0\n");
}

static void who_does_not_read_stops_who_sends(void **state)
{
	(void)state;
	enum { MUCH = 64 << 20 };
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	struct peer *p = request(DEAF, "CONNECT 127.0.0.1:%d" HOST);
	until(origin_last != NULL);
	defer_free char *much = mem_alloc(MUCH);
	memset(much, 'x', MUCH);
	uv_buf_t buf = uv_buf_init(much, MUCH);
	bool all = false;
	origin_last->write.data = &all;
	assert_int_equal(
		uv_write(&origin_last->write, (uv_stream_t *)&origin_last->tcp, &buf, 1, wrote), 0);
	/* it stands still once the sockets between are full: then the loop has nothing to do */
	uint64_t before = 0;
	for (int quiet = 0; quiet < 1000; quiet = egress_bytes(egress) == before ? quiet + 1 : 0) {
		before = egress_bytes(egress);
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_true(before > 0);
	assert_true(before < MUCH);
	assert_false(all);
	peer_hear(p);
	until(p->got.len == MUCH + strlen(ESTABLISHED));
	assert_true(all);
	assert_int_equal(egress_bytes(egress), MUCH);
}

static void a_reset_ends_the_other_side(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	struct peer *p = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	until(says(p, ESTABLISHED) && origin_last != NULL);
	assert_int_equal(uv_tcp_close_reset(&p->tcp, NULL), 0);
	p->closing = true;
	until(origin_last->ended && egress->conns == NULL);
}

/* ---- refusing ---- */

static void private_targets_are_refused(void **state)
{
	(void)state;
	serve((struct egress_policy){.plain_http = true});
	refused("CONNECT 127.0.0.1:443" HOST, "HTTP/1.1 403 ",
		"127.0.0.1:443 is refused: it is not a public address");
	assert_true(egress_unreachable(egress));
	assert_non_null(strstr(egress_last_error(egress), "127.0.0.1:443 is refused"));
	refused("CONNECT 127.0.0.1:%d" HOST, "HTTP/1.1 403 ", "its port");
	refused("CONNECT [::1]:443" HOST, "HTTP/1.1 403 ", "not a public address");
	refused("CONNECT localhost:443" HOST, "HTTP/1.1 403 ", "not a public host");
	refused("CONNECT one.test:443" HOST, "HTTP/1.1 403 ",
		"its address 127.0.0.1 is not public");
	refused("CONNECT mixed.test:443" HOST, "HTTP/1.1 403 ",
		"its address 10.0.0.1 is not public");
	refused("GET http://one.test/" HOST, "HTTP/1.1 403 ",
		"its address 127.0.0.1 is not public");
	assert_int_equal(origin_count, 0);
}

static void what_cannot_be_reached_is_502(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	refused("CONNECT missing.test:443" HOST, "HTTP/1.1 502 ", "missing.test does not resolve");
	assert_true(egress_unreachable(egress));
	refused("CONNECT 127.0.0.1:1" HOST, "HTTP/1.1 502 ",
		"127.0.0.1:1 cannot be reached: connection refused");
	assert_non_null(strstr(egress_last_error(egress), "127.0.0.1:1 cannot be reached"));
}

static void malformed_requests_are_the_clients_own_fault(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts, .plain_http = true});
	refused("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ", "absolute http URI");
	refused("GET http://one.test/" HOST "GET http://one.test/b" HOST, "HTTP/1.1 400 ",
		"bytes after the request");
	defer_buf struct buf long_head = {0};
	buf_puts(&long_head, "CONNECT 127.0.0.1:443 HTTP/1.1\r\nA: ");
	for (int i = 0; i < EGRESS_HEAD_MAX; i++)
		buf_putc(&long_head, 'x');
	refused(long_head.data, "HTTP/1.1 431 ", "8192");
	assert_false(egress_unreachable(egress));
	assert_string_equal(egress_last_error(egress), "");
}

static void plain_http_is_served_only_where_allowed(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	refused("GET http://one.test:%d/" HOST, "HTTP/1.1 403 ", "plain http is not allowed");
	assert_int_equal(origin_count, 0);
}

/* ---- the operator's proxy ---- */

static void the_operators_proxy_is_asked_by_connect(void **state)
{
	(void)state;
	serve_upstream("u:p@", NULL);
	struct peer *p = request(LISTENS, "CONNECT public.example:443" HOST "early");
	until(origin_last != NULL && says(origin_last, "\r\n\r\n"));
	assert_string_equal(origin_last->got.data,
		"CONNECT public.example:443 HTTP/1.1\r\nHost: public.example:443\r\n"
		"Proxy-Authorization: Basic dTpw\r\n\r\n");
	assert_int_equal(p->got.len, 0);
	peer_send(origin_last, "HTTP/1.0 200 ok\r\nX: y\r\n\r\nhello", 31);
	until(says(p, ESTABLISHED "hello") && says(origin_last, "\r\n\r\nearly"));
	/* a plain request goes the same way */
	(void)request(LISTENS, "GET http://public.example/" HOST);
	until(origin_count == 2 && says(origin_last, "CONNECT public.example:80 HTTP/1.1\r\n"));
	peer_send(origin_last, "HTTP/1.1 200 ok\r\n\r\n", 19);
	until(says(origin_last, "GET / HTTP/1.1\r\nHost: public.example\r\n"));
}

static void the_operators_proxys_refusal_is_502(void **state)
{
	(void)state;
	serve_upstream("", NULL);
	struct peer *p = request(LISTENS, "CONNECT public.example:443" HOST);
	until(origin_last != NULL && says(origin_last, "\r\n\r\n"));
	peer_send(origin_last, "HTTP/1.1 407 no\r\n\r\n", 19);
	until(p->ended);
	assert_true(says(p, "HTTP/1.1 502 public.example: the proxy answers 407"));
	p = request(LISTENS, "CONNECT public.example:443" HOST);
	until(origin_count == 2);
	peer_end(origin_last);
	until(p->ended);
	assert_true(says(p, "HTTP/1.1 502 public.example: the proxy left"));
	refused("CONNECT 10.0.0.1:443" HOST, "HTTP/1.1 403 ", "not a public address");
}

static void no_proxy_goes_straight(void **state)
{
	(void)state;
	serve_upstream("", ".example, 127.0.0.1");
	struct peer *p = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	until(says(p, ESTABLISHED));
	assert_int_equal(origin_last->got.len, 0);
	refused("CONNECT public.example:443" HOST, "HTTP/1.1 502 ",
		"public.example does not resolve");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		test(a_tunnel_carries_both_ways_and_ends_with_both),
		test(bytes_behind_the_head_reach_the_server),
		test(heads_may_come_in_pieces),
		test(the_next_address_is_tried),
		test(plain_requests_are_forwarded_once),
		test(who_does_not_read_stops_who_sends),
		test(a_reset_ends_the_other_side),
		test(private_targets_are_refused),
		test(what_cannot_be_reached_is_502),
		test(malformed_requests_are_the_clients_own_fault),
		test(plain_http_is_served_only_where_allowed),
		test(the_operators_proxy_is_asked_by_connect),
		test(the_operators_proxys_refusal_is_502),
		test(no_proxy_goes_straight),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
