/* What a handler sees of a request, and the wording of its answer. */

#include "http/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *http_method(const struct http_exchange *x)
{
	const struct http_head *h = &x->connection->head;
	return h->readable ? h->method : "";
}

const char *http_path(const struct http_exchange *x)
{
	const struct http_head *h = &x->connection->head;
	if (!h->readable)
		return "";
	return h->path != NULL ? h->path : "/";
}

const char *http_query(const struct http_exchange *x)
{
	const struct http_head *h = &x->connection->head;
	return h->readable && h->query != NULL ? h->query : "";
}

const char *http_header(const struct http_exchange *x, const char *name)
{
	return http_head_find(&x->connection->head, name);
}

unsigned http_header_count(const struct http_exchange *x, const char *name)
{
	return http_head_count(&x->connection->head, name);
}

const char *http_body(const struct http_exchange *x, size_t *len)
{
	const struct buf *body = &x->connection->body.data;
	*len = body->len;
	return body->data != NULL ? body->data : "";
}

const char *http_peer(const struct http_exchange *x)
{
	return x->connection->address;
}

uint64_t http_started_ns(const struct http_exchange *x)
{
	return x->started_ns;
}

void http_set_data(struct http_exchange *x, void *data)
{
	x->data = data;
}

void *http_data(const struct http_exchange *x)
{
	return x->data;
}

void *http_note(struct http_exchange *x)
{
	return x->note;
}

static void must_be_name(const char *name)
{
	if (*name == '\0')
		abort();
	for (; *name != '\0'; name++)
		if (!http_is_token((unsigned char)*name))
			abort();
}

static void must_be_value(const char *value)
{
	for (; *value != '\0'; value++)
		if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
			abort();
}

void http_add_text(struct http_exchange *x, const char *name, const char *value)
{
	must_be_name(name);
	must_be_value(value);
	buf_puts(&x->added, name);
	buf_puts(&x->added, ": ");
	buf_puts(&x->added, value);
	buf_puts(&x->added, "\r\n");
}

void http_add_header(struct http_exchange *x, const char *name, const char *format, ...)
{
	struct buf *b = &x->added;
	must_be_name(name);
	buf_puts(b, name);
	buf_puts(b, ": ");
	va_list ap;
	va_list again;
	va_start(ap, format);
	va_copy(again, ap);
	const size_t guess = 128;
	char *to = buf_reserve(b, guess);
	int len = vsnprintf(to, guess + 1, format, ap);
	va_end(ap);
	if (len < 0)
		abort();
	if ((size_t)len > guess) {
		to = buf_reserve(b, (size_t)len);
		(void)vsnprintf(to, (size_t)len + 1, format, again);
	}
	va_end(again);
	must_be_value(to);
	b->len += (size_t)len;
	buf_puts(b, "\r\n");
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{303, "See Other"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{415, "Unsupported Media Type"},
		{417, "Expectation Failed"},
		{421, "Misdirected Request"},
		{422, "Unprocessable Content"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].text;
	return ""; /* optional since RFC 9112 */
}

static void put_head(struct http_connection *c, int status, const char *type, size_t len)
{
	struct buf *b = &c->out;
	buf_clear(b);
	buf_puts(b, "HTTP/1.1 ");
	buf_put_decimal(b, (uint64_t)status, 0);
	buf_putc(b, ' ');
	buf_puts(b, reason(status));
	buf_puts(b, "\r\nDate: ");
	buf_puts(b, http_server_date(c->server));
	if (status != 204 && status != 304) {
		buf_puts(b, "\r\nContent-Length: ");
		buf_put_decimal(b, len, 0);
	}
	if (type != NULL) {
		must_be_value(type);
		buf_puts(b, "\r\nContent-Type: ");
		buf_puts(b, type);
	}
	if (!c->keep)
		buf_puts(b, "\r\nConnection: close");
	else if (c->head.minor == 0)
		buf_puts(b, "\r\nConnection: keep-alive");
	buf_puts(b, "\r\n");
	buf_append(b, c->exchange.added.data, c->exchange.added.len);
	buf_puts(b, "\r\n");
}

void http_respond(
	struct http_exchange *x, int status, const char *type, const void *body, size_t len)
{
	struct http_connection *c = x->connection;
	if (!x->due || status < 200 || status > 999)
		abort();
	if (c->server->callbacks.answered != NULL)
		c->server->callbacks.answered(x, status, c->server->callbacks.ctx);
	if (c->server->draining)
		c->keep = false;
	put_head(c, status, type, len);
	buf_clear(&x->added);
	x->due = false;
	c->server->exchanges--;
	bool bare = status == 204 || status == 304 || strcmp(http_method(x), "HEAD") == 0;
	http_connection_send(c, body, bare ? 0 : len);
}
