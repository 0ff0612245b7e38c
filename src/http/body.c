#include "http/body.h"

#include <string.h>

#define KEPT_BYTES 65536

/* For each byte of data a sender may spend this many on framing, beside a head's worth at large. */
#define OVERHEAD_RATIO 8

static int refuse(struct http_body *b, int status, const char *why)
{
	if (b->bad.status == 0)
		b->bad = (struct http_refusal){status, why};
	return -1;
}

static int watch_byte(struct http_body *b, unsigned char c)
{
	if (b->cr) {
		if (c != '\n')
			return refuse(b, 400, "a CR without its LF in a chunked body");
		b->cr = false;
		b->line++;
		b->line_len = 0;
		return b->line > b->head->field_max + 3 ? refuse(b, 431, "too many trailers") : 0;
	}
	if (c == '\r') {
		b->cr = true;
		return 0;
	}
	if (c == '\n')
		return refuse(b, 400, "an LF without its CR in a chunked body");
	bool blank = c == ' ' || c == '\t';
	if (b->line == 0 || (b->line == 1 && (c <= ' ' || c >= 0x7f)))
		return refuse(b, 400, "a malformed chunk");
	if ((c < ' ' && !blank) || c == 0x7f || (blank && b->line_len == 0))
		return refuse(b, 400, "a malformed trailer");
	b->line_len++;
	return 0;
}

/* Looks at what llhttp passed over on its way to `end`. */
static int watch(struct http_body *b, const char *end)
{
	for (; b->seen < end; b->seen++) {
		size_t *count = b->line < 2 ? &b->overhead : &b->trailer;
		(*count)++;
		if (watch_byte(b, (unsigned char)*b->seen) < 0)
			return -1;
	}
	if (b->trailer > b->head->byte_max)
		return refuse(b, 431, "the trailers are too long");
	if (b->overhead > b->head->byte_max + OVERHEAD_RATIO * b->data.len)
		return refuse(b, 400, "the body is mostly chunk framing");
	return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
	struct http_body *b = parser->data;
	bool chunked = (parser->flags & F_CHUNKED) != 0;
	if (chunked != b->head->chunked ||
		(!chunked && parser->content_length != b->head->content_length))
		return refuse(b, 400, "the body's length is ambiguous");
	return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct http_body *b = parser->data;
	if (len > b->max - b->data.len)
		return refuse(b, 413, "the body is too large");
	if (b->head->chunked) {
		if (watch(b, at) < 0)
			return -1;
		b->seen = at + len;
		b->line = 0;
	}
	buf_append(&b->data, at, len);
	return 0;
}

/* Pausing here also keeps llhttp from seeing an Upgrade through: no protocol is switched to. */
static int on_message_complete(llhttp_t *parser)
{
	struct http_body *b = parser->data;
	b->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

void http_body_init(struct http_body *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void http_body_finish(struct http_body *b)
{
	buf_finish(&b->data);
}

void http_body_reset(struct http_body *b)
{
	if (b->data.cap > KEPT_BYTES)
		buf_finish(&b->data);
	else
		buf_clear(&b->data);
}

/* Runs llhttp over a piece and says what came of it. */
static enum http_result run(struct http_body *b, const char *data, size_t len)
{
	llhttp_errno_t e = llhttp_execute(&b->parser, data, len);
	if (b->bad.status != 0)
		return HTTP_BAD;
	if (e == HPE_PAUSED && b->complete)
		return HTTP_WHOLE;
	if (e == HPE_OK)
		return HTTP_MORE;
	/* The request line has its shape already: what llhttp finds wrong there is the method. */
	bool unknown = e == HPE_INVALID_METHOD || e == HPE_INVALID_CONSTANT;
	const char *why = llhttp_get_error_reason(&b->parser);
	(void)refuse(b, unknown ? 501 : 400, why != NULL ? why : "malformed");
	return HTTP_BAD;
}

enum http_result http_body_begin(
	struct http_body *b, const struct http_head *head, const char *data, size_t len)
{
	http_body_reset(b);
	b->head = head;
	b->left = head->content_length;
	b->complete = false;
	b->line = 1;
	b->line_len = b->overhead = b->trailer = 0;
	b->cr = false;
	b->bad = (struct http_refusal){0};
	if (head->content_length > b->max) {
		(void)refuse(b, 413, "the body is too large");
		return HTTP_BAD;
	}
	llhttp_init(&b->parser, HTTP_REQUEST, &settings);
	b->parser.data = b;
	enum http_result r = run(b, data, len);
	bool body = head->chunked || head->content_length > 0;
	if (r != HTTP_BAD && (r == HTTP_MORE) != body) {
		(void)refuse(b, 400, "the end of the request is ambiguous");
		return HTTP_BAD;
	}
	return r;
}

static enum http_result feed_chunked(
	struct http_body *b, const char *data, size_t len, size_t *used)
{
	b->seen = data;
	enum http_result r = run(b, data, len);
	if (r == HTTP_BAD)
		return r;
	const char *end = r == HTTP_WHOLE ? llhttp_get_error_pos(&b->parser) : data + len;
	if (end < data || end > data + len)
		(void)refuse(b, 400, "the end of the request is ambiguous");
	else if (watch(b, end) == 0 && r == HTTP_WHOLE && (b->line_len != 0 || b->cr))
		(void)refuse(b, 400, "a malformed end of a chunked body");
	*used = (size_t)(end - data);
	return b->bad.status != 0 ? HTTP_BAD : r;
}

enum http_result http_body_feed(struct http_body *b, const char *data, size_t len, size_t *used)
{
	*used = 0;
	if (b->head->chunked)
		return feed_chunked(b, data, len, used);
	size_t n = len < b->left ? len : (size_t)b->left;
	enum http_result r = run(b, data, n);
	b->left -= n;
	*used = n;
	if (r != HTTP_BAD && (r == HTTP_WHOLE) != (b->left == 0)) {
		(void)refuse(b, 400, "the end of the request is ambiguous");
		return HTTP_BAD;
	}
	return r;
}
