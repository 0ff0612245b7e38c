/*
 * A connection's life: one head is read, judged and dialled; then bytes are carried until both ends
 * have said their last. What we say ourselves (an answer, a request to a server) is short and goes
 * into a socket that has taken nothing before, so it is written at once or the connection is given
 * up.
 */

#include "net/egress_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void conn_free(struct egress_conn *c)
{
	struct egress *e = c->egress;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		e->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	e->conns_count--;
	buf_finish(&c->head.forward);
	free(c->up.data);
	free(c->down.data);
	free(c);
	egress_conn_gone(e);
}

void egress_conn_release(struct egress_conn *c)
{
	if (--c->holds == 0)
		conn_free(c);
}

static void conn_closed(uv_handle_t *handle)
{
	egress_conn_release(handle->data);
}

void egress_conn_close(struct egress_conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->client, conn_closed);
	uv_close((uv_handle_t *)&c->timer, conn_closed);
	egress_dial_drop(c);
	if (c->resolving)
		(void)uv_cancel(
			(uv_req_t *)&c
				->resolve); /* in vain where it runs: its callback comes anyway */
}

static void conn_timeout(uv_timer_t *timer)
{
	struct egress_conn *c = timer->data;
	switch (c->state) {
	case EGRESS_HEAD:
		egress_conn_refuse(c, 408, "no request within %" PRIu64 " ms", c->egress->head_ms);
		break;
	case EGRESS_RESOLVING:
	case EGRESS_CONNECTING:
		egress_dial_timeout(c);
		break;
	case EGRESS_HANDSHAKE:
		egress_conn_refuse(c, 502, "%s: the proxy does not answer", c->head.target.host);
		break;
	case EGRESS_SPLICING:
	case EGRESS_ANSWERING:
		egress_conn_close(c);
		break;
	}
}

static void conn_state(struct egress_conn *c, enum egress_state state, uint64_t ms)
{
	c->state = state;
	(void)uv_timer_start(&c->timer, conn_timeout, ms, ms);
}

void egress_conn_touch(struct egress_conn *c)
{
	(void)uv_timer_again(&c->timer);
}

bool egress_conn_count(struct egress_conn *c, size_t bytes)
{
	struct egress *e = c->egress;
	e->bytes += bytes;
	if (e->bytes <= e->rules.bytes_max)
		return true;
	(void)snprintf(e->last_error, sizeof(e->last_error), "%s: more than %" PRIu64 " bytes",
		c->head.target.host, e->rules.bytes_max);
	egress_conn_close(c);
	return false;
}

/* Writes a short text at once. */
static bool say(uv_tcp_t *to, const char *text, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)text, (unsigned)len);
	return uv_try_write((uv_stream_t *)to, &buf, 1) == (int)len;
}

/* ---- refusing ---- */

static void rest_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)suggested;
	struct egress_conn *c = handle->data;
	*buf = uv_buf_init(c->bytes, sizeof(c->bytes));
}

/* Reads on until the client leaves: closing with unread bytes would reset the connection under our
 * answer. */
static void rest_read(uv_stream_t *client, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	if (n < 0)
		egress_conn_close(client->data);
}

static void refusal_remember(struct egress *e, int status, const char *reason)
{
	if (status != 403 && status != 413 && status != 502)
		return; /* the client's own fault: no target had a part in it */
	(void)snprintf(e->last_error, sizeof(e->last_error), "%s", reason);
	e->unreachable |= status != 413;
}

static void refusal_told(uv_shutdown_t *request, int status)
{
	if (status < 0)
		egress_conn_close(request->data);
}

/* The reason is the status line's phrase too: git and go show that one. */
static bool refusal_say(struct egress_conn *c, int status, const char *reason)
{
	char text[1024];
	int len = snprintf(text, sizeof(text),
		"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
		"%zu\r\n"
		"Connection: close\r\n\r\n%s\n",
		status, reason, strlen(reason) + 1, reason);
	return say(&c->client, text, (size_t)len);
}

void egress_conn_refuse(struct egress_conn *c, int status, const char *format, ...)
{
	char reason[sizeof(c->egress->last_error)];
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(reason, sizeof(reason), format, ap);
	va_end(ap);
	refusal_remember(c->egress, status, reason);
	conn_state(c, EGRESS_ANSWERING, c->egress->linger_ms);
	egress_dial_drop(c);
	(void)uv_read_stop((uv_stream_t *)&c->client);
	c->down.shutdown.data = c;
	if (!refusal_say(c, status, reason) ||
		uv_shutdown(&c->down.shutdown, (uv_stream_t *)&c->client, refusal_told) < 0 ||
		uv_read_start((uv_stream_t *)&c->client, rest_alloc, rest_read) < 0)
		egress_conn_close(c);
}

/* ---- the client's request ---- */

/* `len` bytes are the head; what follows it is for the server. */
static void request_judge(struct egress_conn *c, size_t len)
{
	struct egress *e = c->egress;
	const char *wrong = egress_head_parse(&c->head, c->bytes, len);
	if (wrong == NULL && !c->head.connect && c->bytes_len > len)
		wrong = "bytes after the request";
	if (wrong != NULL) {
		egress_conn_refuse(c, 400, "%s", wrong);
		return;
	}
	const char *why = egress_rules_refuse(&e->rules, &c->head);
	if (why != NULL) {
		egress_conn_refuse(c, 403, "%s:%u is refused: %s", c->head.target.host,
			c->head.target.port, why);
		return;
	}
	if (e->bytes >= e->rules.bytes_max) {
		egress_conn_refuse(c, 413, "%s: the %" PRIu64 " bytes allowed are used up",
			c->head.target.host, e->rules.bytes_max);
		return;
	}
	c->up.data = mem_alloc(EGRESS_LANE_BYTES);
	c->down.data = mem_alloc(EGRESS_LANE_BYTES);
	c->up.len = c->bytes_len - len;
	memcpy(c->up.data, c->bytes + len, c->up.len);
	c->bytes_len = 0;
	c->upstream = egress_rules_upstream(&e->rules, &c->head.target);
	egress_dial(c);
}

static void head_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)suggested;
	struct egress_conn *c = handle->data;
	*buf = uv_buf_init(c->bytes + c->bytes_len, (unsigned)(sizeof(c->bytes) - c->bytes_len));
}

static void request_read(uv_stream_t *client, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	struct egress_conn *c = client->data;
	if (n < 0) {
		egress_conn_close(c);
		return;
	}
	c->bytes_len += (size_t)n;
	size_t len = egress_head_length(c->bytes, c->bytes_len);
	if (len == 0 && c->bytes_len < sizeof(c->bytes))
		return;
	(void)uv_read_stop(client);
	if (len == 0)
		egress_conn_refuse(c, 431, "a head of more than %d bytes", EGRESS_HEAD_MAX);
	else
		request_judge(c, len);
}

/* ---- the server ---- */

static void lanes_open(struct egress_conn *c)
{
	static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	const struct buf *forward = &c->head.forward;
	conn_state(c, EGRESS_SPLICING, c->egress->idle_ms);
	bool said = c->head.connect ? say(&c->client, established, sizeof(established) - 1)
				    : say(&c->server, forward->data, forward->len);
	if (!said) {
		egress_conn_close(c);
		return;
	}
	c->up.from = c->down.to = (uv_stream_t *)&c->client;
	c->down.from = c->up.to = (uv_stream_t *)&c->server;
	/* a plain request is whole, and its answer ends with the connection: nothing else goes up
	 */
	c->up.done = !c->head.connect;
	if (c->head.connect)
		egress_lane_open(&c->up);
	if (!c->closing)
		egress_lane_open(&c->down);
}

static void handshake_read(uv_stream_t *server, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	struct egress_conn *c = server->data;
	const char *host = c->head.target.host;
	if (n < 0) {
		egress_conn_refuse(c, 502, "%s: the proxy left: %s", host, uv_strerror((int)n));
		return;
	}
	c->bytes_len += (size_t)n;
	size_t len = egress_head_length(c->bytes, c->bytes_len);
	if (len == 0 && c->bytes_len < sizeof(c->bytes))
		return;
	(void)uv_read_stop(server);
	int status = egress_status_parse(c->bytes, len);
	if (status < 200 || status > 299) {
		egress_conn_refuse(c, 502, "%s: the proxy answers %d", host, status);
		return;
	}
	c->down.len = c->bytes_len - len;
	memcpy(c->down.data, c->bytes + len, c->down.len);
	lanes_open(c);
}

void egress_conn_connected(struct egress_conn *c)
{
	if (!c->upstream) {
		lanes_open(c);
		return;
	}
	struct buf words = {0};
	const char *authorization = c->egress->rules.upstream_authorization;
	buf_puts(&words, "CONNECT ");
	egress_target_print(&c->head.target, &words);
	buf_puts(&words, " HTTP/1.1\r\nHost: ");
	egress_target_print(&c->head.target, &words);
	buf_printf(&words, "\r\n%s\r\n", authorization == NULL ? "" : authorization);
	conn_state(c, EGRESS_HANDSHAKE, c->egress->connect_ms);
	if (!say(&c->server, words.data, words.len) ||
		uv_read_start((uv_stream_t *)&c->server, head_alloc, handshake_read) < 0)
		egress_conn_refuse(c, 502, "%s: the proxy takes no request", c->head.target.host);
	buf_finish(&words);
}

void egress_conn_accept(struct egress *e)
{
	struct egress_conn *c = mem_zero(1, sizeof(*c));
	c->egress = e;
	c->next = e->conns;
	if (c->next != NULL)
		c->next->prev = c;
	e->conns = c;
	e->conns_count++;
	c->up.conn = c->down.conn = c;
	c->client.data = c->server.data = c->timer.data = c->resolve.data = c->connect.data = c;
	/* these two cannot fail: no descriptor is made yet */
	(void)uv_tcp_init(e->loop, &c->client);
	(void)uv_timer_init(e->loop, &c->timer);
	c->holds = 2;
	conn_state(c, EGRESS_HEAD, e->head_ms);
	if (uv_accept((uv_stream_t *)&e->listener, (uv_stream_t *)&c->client) < 0 ||
		uv_read_start((uv_stream_t *)&c->client, head_alloc, request_read) < 0) {
		egress_conn_close(c);
		return;
	}
	(void)uv_tcp_nodelay(&c->client, 1);
}
