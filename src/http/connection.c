/* Bytes between sockets and buffers; how connections open, wait and end. */

#include "http/internal.h"

#include <stdlib.h>
#include <string.h>

/* Beyond a head: what a read of a body may bring, and what is read ahead of an answer. */
#define READ_AHEAD 65536

/* Connections over a cap that may wait at once to be told so; more are closed unheard. */
#define EXTRA_MAX 64

/* How long a refused peer may go on sending before its answer is put at risk. */
#define LINGER_MS 2000

/* Up to here copying a body behind its head is cheaper than a second piece to write. */
#define COPY_BYTES 4096

#define KEPT_BYTES 65536

static void on_closed(uv_handle_t *handle)
{
	struct http_connection *c = handle->data;
	struct http_server *server = c->server;
	LIST_REMOVE(c, all);
	http_body_finish(&c->body);
	buf_finish(&c->exchange.added);
	buf_finish(&c->out);
	free(c->head.fields);
	free(c->in);
	free(c);
	http_server_release(server);
}

void http_connection_close(struct http_connection *c)
{
	struct http_server *server = c->server;
	if (c->state == CONNECTION_CLOSED)
		return;
	c->state = CONNECTION_CLOSED;
	c->deadline = 0;
	http_server_unqueue(c);
	if (c->extra)
		server->extra--;
	else
		server->open--;
	http_peers_give(&server->peers, c->peer);
	c->peer = NULL;
	if (c->exchange.due) {
		c->exchange.due = false;
		server->exchanges--;
		if (!c->exchange.refused)
			server->callbacks.gone(&c->exchange, server->callbacks.ctx);
	}
	uv_close(&c->io.handle, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct http_connection *c = handle->data;
	(void)suggested;
	*out = uv_buf_init(c->in + c->in_len, (unsigned)(c->in_cap - c->in_len));
}

static void read_end(struct http_connection *c, bool in_order)
{
	c->left = true;
	c->reading = false;
	/* An answer being sent may still be read by a peer that only ended its own side. */
	if (c->state != CONNECTION_ANSWERING || !in_order)
		http_connection_close(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct http_connection *c = stream->data;
	(void)room;
	if (c->state == CONNECTION_CLOSED || n == 0)
		return;
	if (n < 0) {
		read_end(c, n == UV_EOF);
		return;
	}
	if (c->state == CONNECTION_LINGER)
		return; /* dropped: in_len stays 0 */
	c->in_len += (size_t)n;
	http_request_step(c);
	http_connection_adjust(c);
}

void http_connection_adjust(struct http_connection *c)
{
	bool want = !c->left && c->in_len < c->in_cap;
	if (c->state == CONNECTION_CLOSED || want == c->reading)
		return;
	c->reading = want;
	if (!want)
		(void)uv_read_stop(&c->io.stream);
	else if (uv_read_start(&c->io.stream, on_alloc, on_read) < 0)
		http_connection_close(c);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct http_connection *c = req->data;
	if (status < 0)
		http_connection_close(c);
}

static void linger(struct http_connection *c)
{
	c->state = CONNECTION_LINGER;
	c->in_len = 0;
	http_server_set_deadline(c, LINGER_MS);
	c->shutdown.data = c;
	if (uv_shutdown(&c->shutdown, &c->io.stream, on_shutdown) < 0)
		http_connection_close(c);
	else
		http_connection_adjust(c);
}

void http_connection_end(struct http_connection *c)
{
	/* A peer that asked for the end and has sent all it had to loses nothing by a close. */
	bool clean = !c->exchange.refused && c->head.readable && !c->head.keep_alive &&
		     c->at == c->in_len;
	if (clean || c->left)
		http_connection_close(c);
	else
		linger(c);
}

static void on_written(uv_write_t *req, int status)
{
	struct http_connection *c = req->data;
	if (c->state == CONNECTION_CLOSED)
		return;
	if (c->out.cap > KEPT_BYTES)
		buf_finish(&c->out);
	if (status < 0)
		http_connection_close(c);
	else
		http_request_answered(c);
}

/* Keeps what the kernel did not take: `sent` bytes of out and body are gone. */
static void send_rest(struct http_connection *c, const void *body, size_t len, size_t sent)
{
	if (sent < c->out.len) {
		buf_consume(&c->out, sent);
		buf_append(&c->out, body, len);
	} else {
		sent -= c->out.len;
		buf_clear(&c->out);
		buf_append(&c->out, (const char *)body + sent, len - sent);
	}
	http_server_set_deadline(c, c->server->limits.write_ms);
	uv_buf_t rest = {.base = c->out.data, .len = c->out.len};
	c->write.data = c;
	if (uv_write(&c->write, &c->io.stream, &rest, 1, on_written) < 0)
		http_connection_close(c);
}

void http_connection_send(struct http_connection *c, const void *body, size_t len)
{
	if (len <= COPY_BYTES) {
		buf_append(&c->out, body, len);
		len = 0;
	}
	uv_buf_t parts[2] = {
		{.base = c->out.data, .len = c->out.len},
		{.base = (char *)body, .len = len},
	};
	c->state = CONNECTION_ANSWERING;
	c->deadline = 0;
	int n = uv_try_write(&c->io.stream, parts, len > 0 ? 2 : 1);
	if (n < 0 && n != UV_EAGAIN)
		http_connection_close(c);
	else if (n >= 0 && (size_t)n == c->out.len + len)
		http_request_answered(c);
	else
		send_rest(c, body, len, n < 0 ? 0 : (size_t)n);
}

void http_connection_tell(struct http_connection *c, const char *text)
{
	uv_buf_t part = uv_buf_init((char *)text, (unsigned)strlen(text));
	int n = uv_try_write(&c->io.stream, &part, 1);
	if (n != UV_EAGAIN && n != (int)part.len)
		http_connection_close(c);
}

void http_connection_expire(struct http_connection *c)
{
	if (c->state == CONNECTION_HEAD)
		http_request_refuse(c, 408, "the request's line and fields took too long");
	else if (c->state == CONNECTION_BODY)
		http_request_refuse(c, 408, "the request's body took too long");
	else
		http_connection_close(c);
}

/* The peer's address into c, and its count taken. -1: the peer is gone already. */
static int know_peer(struct http_connection *c, bool tcp, bool *over)
{
	struct http_server *server = c->server;
	struct sockaddr_storage addr;
	int len = sizeof(addr);
	(void)strcpy(c->address, "unix");
	if (!tcp)
		return 0;
	if (uv_tcp_getpeername(&c->io.tcp, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	if (addr.ss_family == AF_INET)
		(void)uv_ip4_name((struct sockaddr_in *)&addr, c->address, sizeof(c->address));
	else
		(void)uv_ip6_name((struct sockaddr_in6 *)&addr, c->address, sizeof(c->address));
	c->peer = http_peers_take(
		&server->peers, (struct sockaddr *)&addr, server->limits.connections_per_peer);
	if (c->peer == NULL)
		*over = true;
	(void)uv_tcp_nodelay(&c->io.tcp, 1);
	return 0;
}

static struct http_connection *create(struct http_server *server)
{
	const struct http_limits *l = &server->limits;
	struct http_connection *c = mem_zero(1, sizeof(*c));
	c->server = server;
	c->exchange.connection = c;
	c->in_cap = l->header_bytes + READ_AHEAD;
	c->in = mem_alloc(c->in_cap);
	http_head_init(&c->head, mem_alloc(l->headers * sizeof(struct http_field)), l->headers,
		l->header_bytes);
	http_body_init(&c->body, l->body_bytes);
	LIST_INSERT_HEAD(&server->connections, c, all);
	server->handles++;
	server->open++;
	return c;
}

void http_connection_accept(struct http_listener *listener)
{
	struct http_server *server = listener->server;
	struct http_connection *c = create(server);
	bool over = server->open > server->limits.connections;
	if (listener->tcp)
		(void)uv_tcp_init(server->loop, &c->io.tcp);
	else
		(void)uv_pipe_init(server->loop, &c->io.pipe, 0);
	c->io.handle.data = c;
	if (uv_accept(&listener->io.stream, &c->io.stream) < 0 ||
		know_peer(c, listener->tcp, &over) < 0) {
		http_connection_close(c);
		return;
	}
	if (!over) {
		http_server_set_deadline(c, server->limits.header_ms);
		http_connection_adjust(c);
		return;
	}
	c->extra = true;
	server->open--;
	if (server->extra++ < EXTRA_MAX)
		http_request_refuse(c, 503, "too many connections");
	else
		http_connection_close(c);
}
