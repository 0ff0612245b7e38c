/*
 * What a whole head's fields say, and which of them are refused. Where RFC 9112 lets a server
 * choose between repairing and refusing, this refuses: two parties that repair differently see
 * different requests.
 */

#include "http/head.h"

#include <string.h>
#include <strings.h>

/* Others who decide by these may have read the other one. */
static const char *const single[] = {"Authorization", "Content-Type", "Origin", "Sec-Fetch-Site"};

struct findings {
	const struct http_field *host;
	const struct http_field *length;
	const struct http_field *coding;
	const struct http_field *expect;
	const struct http_field *others[sizeof(single) / sizeof(single[0])];
	bool twice; /* one of these came more than once, and may not */
	bool close;
	bool keep;
};

static enum http_result refuse(struct http_head *h, int status, const char *why)
{
	h->bad = (struct http_refusal){status, why};
	return HTTP_BAD;
}

static bool is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

/* Reads a Connection field's list of options. */
static void read_connection(struct findings *found, const char *p, const char *end)
{
	while (p < end) {
		while (p < end && (*p == ' ' || *p == '\t' || *p == ','))
			p++;
		const char *word = p;
		while (p < end && http_is_token((unsigned char)*p))
			p++;
		if (is(word, (size_t)(p - word), "close"))
			found->close = true;
		if (is(word, (size_t)(p - word), "keep-alive"))
			found->keep = true;
		while (p < end && *p != ',')
			p++;
	}
}

static void once(struct findings *found, const struct http_field **slot, const struct http_field *f)
{
	if (*slot != NULL)
		found->twice = true;
	*slot = f;
}

static void read_single(struct findings *found, const struct http_field *f)
{
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		if (is(f->name, f->name_len, single[i]))
			once(found, &found->others[i], f);
	}
}

static void read_fields(const struct http_head *h, struct findings *found)
{
	for (unsigned i = 0; i < h->field_count; i++) {
		const struct http_field *f = &h->fields[i];
		if (is(f->name, f->name_len, "Host"))
			once(found, &found->host, f);
		else if (is(f->name, f->name_len, "Content-Length"))
			once(found, &found->length, f);
		else if (is(f->name, f->name_len, "Transfer-Encoding"))
			once(found, &found->coding, f);
		else if (is(f->name, f->name_len, "Expect"))
			found->expect = f;
		else if (is(f->name, f->name_len, "Connection"))
			read_connection(found, f->value, f->value + f->value_len);
		else
			read_single(found, f);
	}
}

/* uri-host [":" port], by its bytes only: no '@', no comma, no path. */
static bool is_host(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
		if (!alnum && (c == '\0' || strchr("-._~%!$&'()*+;=[]:", c) == NULL))
			return false;
	}
	return true;
}

static enum http_result judge_host(struct http_head *h, const struct http_field *host)
{
	if (host == NULL)
		return h->minor == 0 ? HTTP_MORE : refuse(h, 400, "HTTP/1.1 needs a Host field");
	if (!is_host(host->value, host->value_len))
		return refuse(h, 400, "the Host field is not a host name");
	if (h->authority != NULL &&
		(host->value_len != h->authority_len ||
			strncasecmp(host->value, h->authority, h->authority_len) != 0))
		return refuse(h, 400, "the Host field and the request target name different hosts");
	return HTTP_MORE;
}

static enum http_result judge_length(struct http_head *h, const struct http_field *length)
{
	uint64_t n = 0;
	if (length->value_len == 0)
		return refuse(h, 400, "Content-Length is not a number");
	for (size_t i = 0; i < length->value_len; i++) {
		char c = length->value[i];
		if (c < '0' || c > '9')
			return refuse(h, 400, "Content-Length is not a number");
		if (n > (UINT64_MAX - 9) / 10)
			return refuse(h, 413, "Content-Length is beyond any body");
		n = n * 10 + (uint64_t)(c - '0');
	}
	h->content_length = n;
	return HTTP_MORE;
}

static enum http_result judge_coding(
	struct http_head *h, const struct http_field *coding, const struct http_field *length)
{
	if (length != NULL)
		return refuse(h, 400, "both Content-Length and Transfer-Encoding");
	if (h->minor == 0)
		return refuse(h, 400, "Transfer-Encoding needs HTTP/1.1");
	if (!is(coding->value, coding->value_len, "chunked"))
		return refuse(h, 501, "the only Transfer-Encoding taken is chunked");
	h->chunked = true;
	return HTTP_MORE;
}

/* HTTP/1.0 has no expectations: there the field is ignored (RFC 9110, 10.1.1). */
static enum http_result judge_expect(struct http_head *h, const struct http_field *expect)
{
	if (h->minor == 0)
		return HTTP_MORE;
	if (!is(expect->value, expect->value_len, "100-continue"))
		return refuse(h, 417, "the only expectation met is 100-continue");
	h->expects_continue = true;
	return HTTP_MORE;
}

enum http_result http_head_judge(struct http_head *h)
{
	struct findings found = {0};
	read_fields(h, &found);
	if (found.twice)
		return refuse(h, 400,
			"a field came twice that may come once: Host, Content-Length, "
			"Transfer-Encoding, Authorization, Content-Type, Origin or Sec-Fetch-Site");
	if (judge_host(h, found.host) == HTTP_BAD)
		return HTTP_BAD;
	if (found.coding != NULL && judge_coding(h, found.coding, found.length) == HTTP_BAD)
		return HTTP_BAD;
	if (found.length != NULL && judge_length(h, found.length) == HTTP_BAD)
		return HTTP_BAD;
	if (is(h->method, h->method_len, "CONNECT"))
		return refuse(h, 501, "this server is no proxy");
	if (found.expect != NULL && judge_expect(h, found.expect) == HTTP_BAD)
		return HTTP_BAD;
	h->keep_alive = !found.close && (h->minor == 1 || found.keep);
	return HTTP_WHOLE;
}
