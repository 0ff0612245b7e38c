#include "cli/bench_client.h"

#include <string.h>
#include <strings.h>

enum { BODY_MAX = 65536, READ_BYTES = 65536 };

static void client_connect(struct bench_client *c);

/* ---- the answer ---- */

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
	struct client_answer *a = &((struct bench_client *)parser->data)->answer;
	if (a->in_value)
		a->name_len = 0;
	a->in_value = false;
	for (size_t i = 0; i < len && a->name_len + 1 < sizeof(a->name); i++)
		a->name[a->name_len++] = at[i];
	a->name[a->name_len] = '\0';
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
	struct client_answer *a = &((struct bench_client *)parser->data)->answer;
	a->in_value = true;
	if (strcasecmp(a->name, "Server-Timing") != 0)
		return 0;
	for (size_t i = 0; i < len && a->timing_len + 1 < sizeof(a->timing); i++)
		a->timing[a->timing_len++] = at[i];
	a->timing[a->timing_len] = '\0';
	return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct bench_client *c = parser->data;
	if (parser->status_code != 200)
		buf_append(&c->answer.body, at, len);
	return 0;
}

static int on_message_complete(llhttp_t *parser)
{
	struct bench_client *c = parser->data;
	c->answer.whole = true;
	c->answer.keep = llhttp_should_keep_alive(parser) != 0;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static void answer_begin(struct bench_client *c)
{
	struct client_answer *a = &c->answer;
	a->name_len = a->timing_len = 0;
	a->timing[0] = '\0';
	a->in_value = a->whole = a->keep = false;
	buf_clear(&a->body);
	buf_limit(&a->body, BODY_MAX);
	llhttp_init(&c->parser, HTTP_RESPONSE, &settings);
	c->parser.data = c;
}

/* ---- the connection ---- */

static void on_closed(uv_handle_t *handle)
{
	struct bench_client *c = handle->data;
	c->state = CLIENT_CLOSED;
	c->writing = false;
	if (c->busy)
		client_connect(c);
}

static void disconnect(struct bench_client *c)
{
	if (c->state != CLIENT_OPEN && c->state != CLIENT_CONNECTING)
		return;
	c->state = CLIENT_CLOSING;
	uv_close(&c->io.handle, on_closed);
}

static void call_end(struct bench_client *c, int status, const char *code)
{
	c->busy = false;
	c->done(c, status, code);
}

static void fail(struct bench_client *c, const char *code)
{
	disconnect(c);
	if (c->busy)
		call_end(c, 0, code);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
	static char bytes[READ_BYTES]; /* what is read is used at once */
	(void)handle;
	(void)suggested;
	*into = uv_buf_init(bytes, sizeof(bytes));
}

static void answer_take(struct bench_client *c, const char *data, size_t len)
{
	const llhttp_errno_t e = llhttp_execute(&c->parser, data, len);
	const struct client_answer *a = &c->answer;
	if (!a->whole && e == HPE_OK)
		return;
	if (!a->whole) {
		fail(c, "bad_answer");
		return;
	}
	/* Bytes behind an answer are none that we asked for. */
	if (!a->keep || c->writing || llhttp_get_error_pos(&c->parser) != data + len)
		disconnect(c);
	call_end(c, c->parser.status_code, NULL);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
	struct bench_client *c = stream->data;
	if (n == 0)
		return;
	if (n < 0)
		fail(c, "connection_lost");
	else if (!c->busy)
		disconnect(c); /* a refusal that came unasked: the next call hears it */
	else
		answer_take(c, bytes->base, (size_t)n);
}

static void on_written(uv_write_t *write, int status)
{
	struct bench_client *c = write->data;
	c->writing = false;
	if (status < 0 && status != UV_ECANCELED)
		fail(c, "connection_lost");
}

static void request_send(struct bench_client *c)
{
	uv_buf_t all =
		uv_buf_init((char *)(uintptr_t)c->setup->request, (unsigned)c->setup->request_len);
	answer_begin(c);
	const int n = uv_try_write(&c->io.stream, &all, 1);
	if (n == (int)all.len)
		return;
	if (n < 0 && n != UV_EAGAIN) {
		fail(c, "connection_lost");
		return;
	}
	const size_t sent = n > 0 ? (size_t)n : 0;
	uv_buf_t rest = uv_buf_init(all.base + sent, (unsigned)(all.len - sent));
	c->write.data = c;
	c->writing = uv_write(&c->write, &c->io.stream, &rest, 1, on_written) == 0;
	if (!c->writing)
		fail(c, "connection_lost");
}

static void on_connected(uv_connect_t *connecting, int status)
{
	struct bench_client *c = connecting->data;
	if (c->state != CLIENT_CONNECTING)
		return;
	if (status < 0 || uv_read_start(&c->io.stream, on_alloc, on_read) < 0) {
		c->why = uv_strerror(status < 0 ? status : UV_ENOTCONN);
		disconnect(c);
		call_end(c, 0, BENCH_UNCONNECTED);
		return;
	}
	c->state = CLIENT_OPEN;
	if (c->busy)
		request_send(c);
	else
		c->done(c, 200, NULL);
}

static void client_connect(struct bench_client *c)
{
	const struct bench_target *t = c->setup->target;
	c->state = CLIENT_CONNECTING;
	c->connecting.data = c;
	if (t->path != NULL) {
		(void)uv_pipe_init(c->pause.loop, &c->io.pipe, 0);
		c->io.handle.data = c;
		uv_pipe_connect(&c->connecting, &c->io.pipe, t->path, on_connected);
		return;
	}
	(void)uv_tcp_init(c->pause.loop, &c->io.tcp);
	c->io.handle.data = c;
	(void)uv_tcp_nodelay(&c->io.tcp, 1);
	const int failed = uv_tcp_connect(
		&c->connecting, &c->io.tcp, (const struct sockaddr *)&t->address, on_connected);
	if (failed < 0)
		on_connected(&c->connecting, failed);
}

void bench_client_open(struct bench_client *c, uv_loop_t *loop)
{
	(void)uv_timer_init(loop, &c->pause);
	c->pause.data = c;
	client_connect(c);
}

void bench_client_call(struct bench_client *c)
{
	c->busy = true;
	if (c->state == CLIENT_OPEN)
		request_send(c);
	else if (c->state == CLIENT_CLOSED)
		client_connect(c);
}

void bench_client_close(struct bench_client *c)
{
	c->busy = false;
	disconnect(c);
	if (uv_is_closing((uv_handle_t *)&c->pause) == 0)
		uv_close((uv_handle_t *)&c->pause, NULL);
}

void bench_client_finish(struct bench_client *c)
{
	buf_finish(&c->answer.body);
}
