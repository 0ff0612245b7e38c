#pragma once

/*
 * What the tests of egress share: a loop, an egress on it, clients and origins on loopback. Names
 * are answered by the getaddrinfo below and nobody else: "one.test" is 127.0.0.1, "two.test" first
 * an address where nobody listens, "mixed.test" a private one and ours, "slow.test" answers once
 * the test lets it, others do not exist.
 */

#include "base/defer.h"
#include "net/egress_private.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- names ---- */

static sem_t slow_asked, slow_answer;

struct answer {
	struct addrinfo info;
	struct sockaddr_in address;
};

static struct addrinfo *answer_add(struct addrinfo *next, const char *ip4)
{
	struct answer *a = mem_zero(1, sizeof(*a));
	a->address.sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, ip4, &a->address.sin_addr), 1);
	a->info = (struct addrinfo){.ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_addrlen = sizeof(a->address),
		.ai_addr = (struct sockaddr *)&a->address,
		.ai_next = next};
	return &a->info;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
	const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	(void)service;
	(void)hints;
	*out = NULL;
	if (strcmp(name, "slow.test") == 0) {
		(void)sem_post(&slow_asked);
		(void)sem_wait(&slow_answer);
	}
	if (strcmp(name, "mixed.test") == 0)
		*out = answer_add(answer_add(NULL, "127.0.0.1"), "10.0.0.1");
	else if (strcmp(name, "two.test") == 0)
		*out = answer_add(answer_add(NULL, "127.0.0.1"), "127.0.0.2");
	else if (strcmp(name, "one.test") == 0 || strcmp(name, "slow.test") == 0)
		*out = answer_add(NULL, "127.0.0.1");
	return *out == NULL ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	while (list != NULL) {
		struct addrinfo *next = list->ai_next;
		free(list);
		list = next;
	}
}

/* ---- peers: one end of a connection, of a client's or an origin's ---- */

enum habit { LISTENS, ECHOES, DEAF }; /* a deaf peer does not read */

struct peer {
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct peer *next;
	enum habit habit;
	struct buf got;
	bool connected, ended, closing;
	char bytes[65536];
};

static uv_loop_t loop;
static uv_timer_t guard;
static struct egress *egress;
static int egress_port, origin_port;
static uv_tcp_t origin;
static enum habit origin_habit;
static struct peer *origin_last; /* the connection it took last */
static unsigned origin_count;
static struct peer *peers;

static void guarded(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("nothing happened for 20 s");
}

/* Runs the loop until the condition holds. */
#define until(condition)                                                                           \
	do {                                                                                       \
		(void)uv_timer_start(&guard, guarded, 20000, 0);                                   \
		while (!(condition))                                                               \
			(void)uv_run(&loop, UV_RUN_ONCE);                                          \
		(void)uv_timer_stop(&guard);                                                       \
	} while (0)

static void peer_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)suggested;
	struct peer *p = handle->data;
	*buf = uv_buf_init(p->bytes, sizeof(p->bytes));
}

static void peer_send(struct peer *p, const void *data, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
	assert_int_equal(uv_try_write((uv_stream_t *)&p->tcp, &buf, 1), (int)len);
}

static void peer_end(struct peer *p)
{
	assert_int_equal(uv_shutdown(&p->shutdown, (uv_stream_t *)&p->tcp, NULL), 0);
}

static void peer_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *p = stream->data;
	if (n < 0) {
		p->ended = true;
		(void)uv_read_stop(stream);
		if (p->habit == ECHOES && n == UV_EOF)
			peer_end(p);
	} else if (p->habit == ECHOES) {
		peer_send(p, buf->base, (size_t)n);
	} else {
		buf_append(&p->got, buf->base, (size_t)n);
	}
}

static void peer_hear(struct peer *p)
{
	p->habit = p->habit == DEAF ? LISTENS : p->habit;
	assert_int_equal(uv_read_start((uv_stream_t *)&p->tcp, peer_alloc, peer_read), 0);
}

static struct peer *peer_new(enum habit habit)
{
	struct peer *p = mem_zero(1, sizeof(*p));
	p->habit = habit;
	p->next = peers;
	peers = p;
	p->tcp.data = p->connect.data = p;
	assert_int_equal(uv_tcp_init(&loop, &p->tcp), 0);
	return p;
}

static void peer_connected(uv_connect_t *request, int status)
{
	struct peer *p = request->data;
	p->connected = status == 0;
	if (p->connected && p->habit != DEAF)
		peer_hear(p);
}

static struct peer *client(enum habit habit)
{
	struct sockaddr_in address;
	struct peer *p = peer_new(habit);
	assert_int_equal(uv_ip4_addr("127.0.0.1", egress_port, &address), 0);
	assert_int_equal(
		uv_tcp_connect(&p->connect, &p->tcp, (struct sockaddr *)&address, peer_connected),
		0);
	until(p->connected);
	return p;
}

/* Sends a request to the egress; %d in it is the origin's port. */
static struct peer *request(enum habit habit, const char *format)
{
	defer_free char *text = mem_alloc(strlen(format) + 64);
	(void)sprintf(text, format, origin_port, origin_port);
	struct peer *p = client(habit);
	peer_send(p, text, strlen(text));
	return p;
}

static bool says(const struct peer *p, const char *text)
{
	return p->got.data != NULL && strstr(p->got.data, text) != NULL;
}

static void peer_close(struct peer *p)
{
	if (!p->closing)
		uv_close((uv_handle_t *)&p->tcp, NULL);
	p->closing = true;
}

static void origin_knocked(uv_stream_t *listener, int status)
{
	assert_int_equal(status, 0);
	struct peer *p = peer_new(origin_habit);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&p->tcp), 0);
	if (origin_habit != DEAF)
		peer_hear(p);
	origin_last = p;
	origin_count++;
}

static int tcp_port(const uv_tcp_t *tcp)
{
	struct sockaddr_in address;
	int len = sizeof(address);
	assert_int_equal(uv_tcp_getsockname(tcp, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

/* ---- a test's beginning and end ---- */

static int begin(void **state)
{
	(void)state;
	struct sockaddr_in any;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(uv_timer_init(&loop, &guard), 0);
	assert_int_equal(uv_tcp_init(&loop, &origin), 0);
	assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &any), 0);
	assert_int_equal(uv_tcp_bind(&origin, (struct sockaddr *)&any, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&origin, 16, origin_knocked), 0);
	origin_port = tcp_port(&origin);
	origin_habit = LISTENS;
	origin_last = NULL;
	origin_count = 0;
	peers = NULL;
	egress = NULL;
	assert_int_equal(sem_init(&slow_asked, 0, 0), 0);
	assert_int_equal(sem_init(&slow_answer, 0, 0), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	egress_destroy(egress);
	for (struct peer *p = peers; p != NULL; p = p->next)
		peer_close(p);
	uv_close((uv_handle_t *)&origin, NULL);
	uv_close((uv_handle_t *)&guard, NULL);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
	while (peers != NULL) {
		struct peer *next = peers->next;
		buf_finish(&peers->got);
		free(peers);
		peers = next;
	}
	return 0;
}

static const char *const test_hosts[] = {
	"127.0.0.1", "one.test", "two.test", "slow.test", "missing.test", NULL};

static void serve(struct egress_policy policy)
{
	struct fault f = {0};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	egress_port = ntohs(any.sin_port);
	if (policy.bytes_max == 0)
		policy.bytes_max = UINT64_C(1) << 40;
	if (policy.connections_max == 0)
		policy.connections_max = 16;
	egress = egress_create(&loop, fd, &policy, &f);
	if (egress == NULL)
		fail_msg("%s", f.text);
}

#define HOST        " HTTP/1.1\r\nHost: x\r\n\r\n"
#define ESTABLISHED "HTTP/1.1 200 Connection established\r\n\r\n"

static void wrote(uv_write_t *request, int status)
{
	*(bool *)request->data = status == 0;
}

static void refused(const char *text, const char *status, const char *reason)
{
	struct peer *p = request(LISTENS, text);
	until(p->ended);
	if (strncmp(p->got.data, status, strlen(status)) != 0 || !says(p, reason))
		fail_msg("%s\nis answered by %s\nwanted: %s … %s", text, p->got.data, status,
			reason);
	peer_close(p);
}

static void serve_upstream(const char *userinfo, const char *no_proxy)
{
	defer_free char *url = mem_printf("http://%sone.test:%d", userinfo, origin_port);
	serve((struct egress_policy){.upstream_proxy = url,
		.no_proxy = no_proxy,
		.trusted_hosts = test_hosts,
		.plain_http = true});
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)
