/* Listeners, caps, the timer, and the turns of those who sent ahead. */

#include "base/clock.h"
#include "base/log.h"
#include "http/internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024

const struct http_limits http_limits_default = {
	.connections = 1024,
	.connections_per_peer = 256,
	.headers = 64,
	.header_bytes = 16384,
	.body_bytes = 1048576,
	.header_ms = 10000,
	.body_ms = 30000,
	.write_ms = 30000,
	.idle_ms = 60000,
};

void http_server_release(struct http_server *server)
{
	if (--server->handles == 0)
		free(server);
}

static void arm(struct http_server *server, uint64_t due);

static void on_timer(uv_timer_t *timer)
{
	struct http_server *server = timer->data;
	struct http_connection *c;
	uint64_t now = uv_now(server->loop);
	uint64_t next = UINT64_MAX;
	server->timer_due = UINT64_MAX;
	LIST_FOREACH(c, &server->connections, all)
	{
		if (c->deadline != 0 && c->deadline <= now)
			http_connection_expire(c);
		else if (c->deadline != 0 && c->deadline < next)
			next = c->deadline;
	}
	if (next < server->timer_due && !server->destroyed)
		arm(server, next);
}

static void arm(struct http_server *server, uint64_t due)
{
	uint64_t now = uv_now(server->loop);
	server->timer_due = due;
	(void)uv_timer_start(&server->timer, on_timer, due > now ? due - now : 0, 0);
}

void http_server_set_deadline(struct http_connection *c, uint64_t ms)
{
	c->deadline = uv_now(c->server->loop) + ms;
	if (c->deadline < c->server->timer_due)
		arm(c->server, c->deadline);
}

/* Each who is ready gets one turn; one that becomes ready again waits for the loop's next round. */
static void on_turn(uv_idle_t *turn)
{
	struct http_server *server = turn->data;
	for (unsigned n = server->ready_count; n > 0 && server->ready_count > 0; n--) {
		struct http_connection *c = TAILQ_FIRST(&server->ready);
		http_server_unqueue(c);
		http_request_step(c);
		http_connection_adjust(c);
	}
	if (server->ready_count == 0)
		(void)uv_idle_stop(turn);
}

void http_server_queue(struct http_connection *c)
{
	struct http_server *server = c->server;
	if (c->queued)
		return;
	c->queued = true;
	TAILQ_INSERT_TAIL(&server->ready, c, ready);
	if (server->ready_count++ == 0)
		(void)uv_idle_start(&server->turn, on_turn);
}

void http_server_unqueue(struct http_connection *c)
{
	if (!c->queued)
		return;
	c->queued = false;
	TAILQ_REMOVE(&c->server->ready, c, ready);
	c->server->ready_count--;
}

const char *http_server_date(struct http_server *server)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t now = clock_unix_ns() / 1000000000U;
	if (now == server->date_s)
		return server->date;
	time_t t = (time_t)now;
	struct tm utc;
	(void)gmtime_r(&t, &utc);
	char year[sizeof("-2147481748")];
	(void)snprintf(year, sizeof(year), "%d", utc.tm_year + 1900);
	(void)snprintf(server->date, sizeof(server->date),
		"%.3s, %02u %.3s %.4s %02u:%02u:%02u GMT", days + 3 * (size_t)utc.tm_wday,
		(unsigned)utc.tm_mday % 100, months + 3 * (size_t)utc.tm_mon, year,
		(unsigned)utc.tm_hour % 100, (unsigned)utc.tm_min % 100,
		(unsigned)utc.tm_sec % 100);
	server->date_s = now;
	return server->date;
}

/* A peer that leaves must cost an EPIPE, not the process. */
static void ignore_sigpipe(void)
{
	struct sigaction old;
	if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		(void)signal(SIGPIPE, SIG_IGN);
}

struct http_server *http_server_create(uv_loop_t *loop, const struct http_limits *limits,
	const struct http_callbacks *callbacks, struct fault *f)
{
	struct http_server *server = mem_zero(1, sizeof(*server));
	server->loop = loop;
	server->limits = *limits;
	server->callbacks = *callbacks;
	server->timer_due = UINT64_MAX;
	LIST_INIT(&server->listeners);
	LIST_INIT(&server->connections);
	TAILQ_INIT(&server->ready);
	int error = uv_timer_init(loop, &server->timer);
	if (error == 0)
		error = uv_idle_init(loop, &server->turn);
	if (error != 0) {
		(void)fault_set(f, FAULT_PLATFORM, -error, "http server");
		free(server);
		return NULL;
	}
	server->handles = 2;
	server->timer.data = server;
	server->turn.data = server;
	ignore_sigpipe();
	return server;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct http_listener *listener = handle->data;
	struct http_server *server = listener->server;
	free(listener);
	http_server_release(server);
}

static void close_listeners(struct http_server *server)
{
	while (!LIST_EMPTY(&server->listeners)) {
		struct http_listener *listener = LIST_FIRST(&server->listeners);
		LIST_REMOVE(listener, all);
		uv_close(&listener->io.handle, on_listener_closed);
	}
}

static void on_connection(uv_stream_t *stream, int status)
{
	if (status < 0)
		log_warn("accept: %s", uv_strerror(status));
	else
		http_connection_accept(stream->data);
}

/* Gives fd to the listener's handle. */
static int listener_open(struct http_listener *listener, int fd)
{
	uv_loop_t *loop = listener->server->loop;
	int error = listener->tcp ? uv_tcp_init(loop, &listener->io.tcp)
				  : uv_pipe_init(loop, &listener->io.pipe, 0);
	if (error != 0)
		abort(); /* both only fill in memory */
	listener->io.handle.data = listener;
	return listener->tcp ? uv_tcp_open(&listener->io.tcp, fd)
			     : uv_pipe_open(&listener->io.pipe, fd);
}

int http_server_listen(struct http_server *server, int listen_fd, struct fault *f)
{
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof(addr);
	if (getsockname(listen_fd, (struct sockaddr *)&addr, &len) < 0) {
		(void)fault_set(f, FAULT_PLATFORM, errno, "listening socket");
		(void)close(listen_fd);
		return -1;
	}
	struct http_listener *listener = mem_zero(1, sizeof(*listener));
	listener->server = server;
	listener->tcp = addr.ss_family != AF_UNIX;
	server->handles++;
	LIST_INSERT_HEAD(&server->listeners, listener, all);
	int error = listener_open(listener, listen_fd);
	if (error != 0)
		(void)close(listen_fd);
	else
		error = uv_listen(&listener->io.stream, BACKLOG, on_connection);
	if (error == 0)
		return 0;
	LIST_REMOVE(listener, all);
	uv_close(&listener->io.handle, on_listener_closed);
	return fault_set(f, FAULT_PLATFORM, -error, "listen");
}

void http_server_drain(struct http_server *server)
{
	struct http_connection *c;
	server->draining = true;
	close_listeners(server);
	LIST_FOREACH(c, &server->connections, all)
	if (c->state == CONNECTION_IDLE && c->in_len == 0)
		http_connection_close(c);
}

unsigned http_server_open_exchanges(const struct http_server *server)
{
	return server->exchanges;
}

unsigned http_server_unsent(const struct http_server *server)
{
	const struct http_connection *c;
	unsigned count = 0;
	LIST_FOREACH(c, &server->connections, all)
	count += c->state == CONNECTION_ANSWERING || c->state == CONNECTION_LINGER;
	return count;
}

unsigned http_server_connections(const struct http_server *server)
{
	return server->open;
}

static void on_part_closed(uv_handle_t *handle)
{
	http_server_release(handle->data);
}

void http_server_destroy(struct http_server *server)
{
	struct http_connection *c;
	if (server == NULL || server->destroyed)
		return;
	server->destroyed = true;
	server->draining = true;
	close_listeners(server);
	LIST_FOREACH(c, &server->connections, all)
	http_connection_close(c);
	uv_close((uv_handle_t *)&server->timer, on_part_closed);
	uv_close((uv_handle_t *)&server->turn, on_part_closed);
}
