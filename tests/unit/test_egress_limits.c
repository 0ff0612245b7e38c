/* Egress under its caps and deadlines, and ended in every state. */

#include "egress_world.h"

/* ---- limits ---- */

static void bytes_are_capped_over_all_connections(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts, .bytes_max = 1000});
	origin_habit = ECHOES;
	char bytes[600] = {0};
	struct peer *p = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	until(says(p, ESTABLISHED));
	peer_send(p, bytes, 400);
	until(p->got.len == 400 + strlen(ESTABLISHED));
	struct peer *q = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	until(says(q, ESTABLISHED));
	peer_send(q, bytes, sizeof(bytes));
	until(q->ended);
	assert_int_equal(q->got.len, strlen(ESTABLISHED));
	assert_true(egress_bytes(egress) > 1000);
	assert_non_null(strstr(egress_last_error(egress), "more than 1000 bytes"));
	assert_false(egress_unreachable(egress));
	refused("CONNECT 127.0.0.1:%d" HOST, "HTTP/1.1 413 ", "used up");
}

static void connections_beyond_the_cap_wait(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts, .connections_max = 1});
	struct peer *p = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	until(says(p, ESTABLISHED));
	struct peer *q = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	struct peer *r = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	until(egress->waiting);
	assert_int_equal(egress->conns_count, 1);
	assert_int_equal(q->got.len + r->got.len, 0);
	peer_close(p);
	peer_close(origin_last);
	until(says(q, ESTABLISHED));
	assert_int_equal(egress->conns_count, 1);
	peer_close(q);
	peer_close(origin_last);
	until(says(r, ESTABLISHED));
}

static void slowness_ends_each_step(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	egress->head_ms = egress->connect_ms = egress->idle_ms = egress->linger_ms = 30;
	refused("CONNECT 127.0.0.1", "HTTP/1.1 408 ", "30 ms");
	refused("CONNECT slow.test:443" HOST, "HTTP/1.1 502 ",
		"slow.test does not resolve in time");
	assert_int_equal(sem_post(&slow_answer), 0);
	egress->connect_ms = 10000;
	struct peer *p = request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	until(says(p, ESTABLISHED) && p->ended);
	until(egress->conns == NULL);
}

static void a_silent_proxy_ends_the_handshake(void **state)
{
	(void)state;
	serve_upstream("", NULL);
	egress->connect_ms = 200; /* enough to connect in */
	refused("CONNECT public.example:443" HOST, "HTTP/1.1 502 ", "the proxy does not answer");
}

/* A listener whose queue is full answers no SYN. */
static void a_silent_address_ends_the_attempt(void **state)
{
	(void)state;
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(any);
	defer_close int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	defer_close int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(full, (struct sockaddr *)&any, len), 0);
	assert_int_equal(listen(full, 0), 0);
	assert_int_equal(getsockname(full, (struct sockaddr *)&any, &len), 0);
	assert_int_equal(connect(first, (struct sockaddr *)&any, len), 0);
	serve((struct egress_policy){.trusted_hosts = test_hosts});
	egress->connect_ms = 50;
	defer_free char *text = mem_printf("CONNECT 127.0.0.1:%d" HOST, ntohs(any.sin_port));
	refused(text, "HTTP/1.1 502 ", "cannot be reached: connection timed out");
}

/* ---- the end at any time ---- */

static void the_end_may_come_in_every_state(void **state)
{
	(void)state;
	serve((struct egress_policy){.trusted_hosts = test_hosts, .connections_max = 4});
	(void)request(LISTENS, "CONNECT 127.0.0.1");
	(void)request(LISTENS, "CONNECT slow.test:443" HOST);
	struct peer *p = request(DEAF, "CONNECT 127.0.0.1:%d" HOST);
	(void)request(LISTENS, "BAD" HOST);
	until(origin_last != NULL && egress->conns_count == 4);
	(void)request(LISTENS, "CONNECT 127.0.0.1:%d" HOST);
	until(egress->waiting && sem_trywait(&slow_asked) == 0);
	defer_free char *much = mem_zero(1, 32 << 20);
	uv_buf_t buf = uv_buf_init(much, 32 << 20);
	bool all = true;
	origin_last->write.data = &all;
	assert_int_equal(
		uv_write(&origin_last->write, (uv_stream_t *)&origin_last->tcp, &buf, 1, wrote), 0);
	until(egress_bytes(egress) > 0);
	egress_destroy(egress);
	egress = NULL;
	peer_hear(p);
	until(p->ended);
	until(!all); /* the origin's write has failed */
	assert_int_equal(sem_post(&slow_answer), 0);
}

static void the_end_may_come_while_connecting_or_shaking_hands(void **state)
{
	(void)state;
	serve_upstream("", NULL);
	struct peer *p = request(LISTENS, "CONNECT public.example:443" HOST);
	until(egress->conns != NULL && egress->conns->state == EGRESS_HANDSHAKE);
	struct peer *q = request(LISTENS, "CONNECT public.example:443" HOST);
	until(egress->conns->state == EGRESS_CONNECTING ||
		egress->conns->state == EGRESS_HANDSHAKE);
	egress_destroy(egress);
	egress = NULL;
	until(p->ended && q->ended);
	assert_int_equal(p->got.len, 0);
	egress_destroy(NULL);
}

static void a_descriptor_that_cannot_listen_is_a_fault(void **state)
{
	(void)state;
	struct fault f = {0};
	struct egress_policy policy = {.bytes_max = 1, .connections_max = 1};
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_null(egress_create(&loop, fds[0], &policy, &f));
	assert_int_equal(f.kind, FAULT_PLATFORM);
	policy.upstream_proxy = "nonsense://";
	assert_null(egress_create(&loop, fds[1], &policy, &f));
	assert_int_equal(f.kind, FAULT_INPUT);
	until(fcntl(fds[0], F_GETFD) < 0); /* closed: both were handed over */
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		test(bytes_are_capped_over_all_connections),
		test(connections_beyond_the_cap_wait),
		test(slowness_ends_each_step),
		test(a_silent_proxy_ends_the_handshake),
		test(a_silent_address_ends_the_attempt),
		test(the_end_may_come_in_every_state),
		test(the_end_may_come_while_connecting_or_shaking_hands),
		test(a_descriptor_that_cannot_listen_is_a_fault),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
