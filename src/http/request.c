/* From bytes to exchanges, one at a time, in order. */

#include "base/clock.h"
#include "http/internal.h"

#include <string.h>

void http_request_refuse(struct http_connection *c, int status, const char *why)
{
	struct http_server *server = c->server;
	struct http_exchange *x = &c->exchange;
	if (x->started_ns == 0)
		x->started_ns = clock_mono_ns();
	memset(x->note, 0, sizeof(x->note));
	http_body_reset(&c->body);
	c->keep = false;
	c->state = CONNECTION_HANDLED;
	c->deadline = 0;
	x->due = true;
	x->refused = true;
	server->exchanges++;
	server->callbacks.refuse(x, status, why, server->callbacks.ctx);
	if (x->due)
		http_respond(x, status, "text/plain", why, strlen(why));
}

static void hand_over(struct http_connection *c)
{
	struct http_server *server = c->server;
	c->state = CONNECTION_HANDLED;
	c->deadline = 0;
	memset(c->exchange.note, 0, sizeof(c->exchange.note));
	c->exchange.due = true;
	server->exchanges++;
	server->callbacks.request(&c->exchange, server->callbacks.ctx);
}

/* Decodes what is there of the body. False: more must be read. */
static bool step_body(struct http_connection *c)
{
	size_t used = 0;
	enum http_result r = HTTP_MORE;
	if (c->at < c->in_len)
		r = http_body_feed(&c->body, c->in + c->at, c->in_len - c->at, &used);
	if (r == HTTP_BAD) {
		http_request_refuse(c, c->body.bad.status, c->body.bad.why);
		return true;
	}
	if (r == HTTP_MORE) {
		c->in_len = c->at; /* all of it was the body's */
		return false;
	}
	c->at += used;
	hand_over(c);
	return true;
}

/* The head is whole and both readers agree on it. */
static bool begin_body(struct http_connection *c)
{
	http_head_terminate(&c->head);
	c->state = CONNECTION_BODY;
	if (c->head.expects_continue && c->at == c->in_len)
		http_connection_tell(c, "HTTP/1.1 100 Continue\r\n\r\n");
	if (c->state != CONNECTION_BODY || step_body(c))
		return true;
	http_server_set_deadline(c, c->server->limits.body_ms);
	return false;
}

static bool end_head(struct http_connection *c)
{
	struct http_head *h = &c->head;
	c->at = h->at;
	if (http_head_judge(h) == HTTP_BAD) {
		http_head_terminate(h);
		http_request_refuse(c, h->bad.status, h->bad.why);
		return true;
	}
	c->keep = h->keep_alive;
	enum http_result r = http_body_begin(&c->body, h, c->in + h->start, h->at - h->start);
	if (r == HTTP_MORE)
		return begin_body(c);
	http_head_terminate(h);
	if (r == HTTP_BAD)
		http_request_refuse(c, c->body.bad.status, c->body.bad.why);
	else
		hand_over(c);
	return true;
}

static bool step_head(struct http_connection *c)
{
	if (c->in_len == 0)
		return false;
	bool first = c->state == CONNECTION_IDLE;
	if (first) {
		c->state = CONNECTION_HEAD;
		c->exchange.started_ns = clock_mono_ns();
	}
	enum http_result r = http_head_scan(&c->head, c->in, c->in_len);
	if (r == HTTP_WHOLE)
		return end_head(c);
	if (r == HTTP_BAD)
		http_request_refuse(c, c->head.bad.status, c->head.bad.why);
	else if (first)
		http_server_set_deadline(c, c->server->limits.header_ms);
	return false;
}

/* A handler that answers at once comes back here by http_request_answered: the loop goes on then,
 * so that a pipeline of any length needs no stack. */
void http_request_step(struct http_connection *c)
{
	bool more = true;
	c->stepping = true;
	while (more)
		more = c->state <= CONNECTION_HEAD   ? step_head(c)
		       : c->state == CONNECTION_BODY ? step_body(c)
						     : false;
	c->stepping = false;
}

void http_request_answered(struct http_connection *c)
{
	if (!c->keep || c->left || c->server->draining) {
		http_connection_end(c);
		return;
	}
	c->in_len -= c->at;
	if (c->in_len > 0)
		memmove(c->in, c->in + c->at, c->in_len);
	c->at = 0;
	http_head_reset(&c->head);
	http_body_reset(&c->body);
	c->exchange.data = NULL;
	c->state = CONNECTION_IDLE;
	http_server_set_deadline(c, c->server->limits.idle_ms);
	if (c->stepping)
		return;
	if (c->in_len > 0)
		http_server_queue(c);
	http_connection_adjust(c);
}
