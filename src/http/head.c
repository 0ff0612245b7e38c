/* The scan: every byte is looked at once, every line judged as it ends. */

#include "http/head.h"

#include <string.h>
#include <strings.h>

static enum http_result refuse(struct http_head *h, int status, const char *why)
{
	h->bad = (struct http_refusal){status, why};
	return HTTP_BAD;
}

void http_head_init(
	struct http_head *h, struct http_field *fields, unsigned field_max, size_t byte_max)
{
	*h = (struct http_head){.fields = fields, .field_max = field_max, .byte_max = byte_max};
}

void http_head_reset(struct http_head *h)
{
	http_head_init(h, h->fields, h->field_max, h->byte_max);
}

bool http_is_token(unsigned char c)
{
	static const bool table[256] = {
		['0' ... '9'] = true,
		['A' ... 'Z'] = true,
		['a' ... 'z'] = true,
		['!'] = true,
		['#'] = true,
		['$'] = true,
		['%'] = true,
		['&'] = true,
		['\''] = true,
		['*'] = true,
		['+'] = true,
		['-'] = true,
		['.'] = true,
		['^'] = true,
		['_'] = true,
		['`'] = true,
		['|'] = true,
		['~'] = true,
	};
	return table[c];
}

static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!http_is_token((unsigned char)text[i]))
			return false;
	return len > 0;
}

static enum http_result read_version(struct http_head *h, const char *text, size_t len)
{
	if (len != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' ||
		text[6] != '.' || text[7] < '0' || text[7] > '9')
		return refuse(h, 400, "the request line does not end in HTTP/1.1");
	if (text[5] != '1' || text[7] > '1')
		return refuse(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	h->minor = text[7] == '1';
	return HTTP_MORE;
}

/* "http://authority" before the path, which a server must take (RFC 9112, 3.2.2). */
static char *skip_authority(struct http_head *h, char *target, const char *end)
{
	size_t len = (size_t)(end - target);
	size_t scheme = len >= 7 && strncasecmp(target, "http://", 7) == 0    ? 7
			: len >= 8 && strncasecmp(target, "https://", 8) == 0 ? 8
									      : 0;
	if (scheme == 0)
		return NULL;
	h->authority = target + scheme;
	char *p = h->authority;
	while (p < end && *p != '/' && *p != '?')
		p++;
	h->authority_len = (size_t)(p - h->authority);
	return h->authority_len > 0 ? p : NULL;
}

static enum http_result read_target(struct http_head *h, char *target, char *end)
{
	for (const char *p = target; p < end; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '#')
			return refuse(h, 400, "the request target has a byte that must be encoded");
	bool all = h->method_len == 7 && memcmp(h->method, "OPTIONS", 7) == 0 &&
		   end - target == 1 && *target == '*';
	char *path =
		all || (target < end && *target == '/') ? target : skip_authority(h, target, end);
	if (path == NULL)
		return refuse(h, 400, "the request target is neither a path nor an http URL");
	char *mark = memchr(path, '?', (size_t)(end - path));
	if (mark != NULL) {
		h->query = mark + 1;
		h->query_len = (size_t)(end - h->query);
		end = mark;
	}
	h->path = path < end ? path : NULL;
	h->path_len = (size_t)(end - path);
	return HTTP_MORE;
}

static enum http_result read_request_line(struct http_head *h, char *line, size_t len)
{
	char *end = line + len;
	char *target = memchr(line, ' ', len);
	if (target == NULL || !is_token(line, (size_t)(target - line)))
		return refuse(h, 400, "the request line does not begin with a method");
	h->method = line;
	h->method_len = (size_t)(target++ - line);
	char *version = memchr(target, ' ', (size_t)(end - target));
	if (version == NULL)
		return refuse(h, 400, "the request line has no version");
	if (read_version(h, version + 1, (size_t)(end - version - 1)) == HTTP_BAD ||
		read_target(h, target, version) == HTTP_BAD)
		return HTTP_BAD;
	h->line_read = true;
	return HTTP_MORE;
}

static enum http_result read_field(struct http_head *h, char *line, size_t len)
{
	if (*line == ' ' || *line == '\t')
		return refuse(h, 400, "a folded field line");
	char *colon = memchr(line, ':', len);
	if (colon == NULL)
		return refuse(h, 400, "a field line without a colon");
	if (colon > line && (colon[-1] == ' ' || colon[-1] == '\t'))
		return refuse(h, 400, "whitespace before a field's colon");
	if (!is_token(line, (size_t)(colon - line)))
		return refuse(h, 400, "a field's name has a byte that no name may have");
	if (h->field_count == h->field_max)
		return refuse(h, 431, "too many fields");
	char *value = colon + 1;
	char *end = line + len;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	h->fields[h->field_count++] = (struct http_field){
		.name = line,
		.name_len = (size_t)(colon - line),
		.value = value,
		.value_len = (size_t)(end - value),
	};
	return HTTP_MORE;
}

/* A line ended at h->at, its CR and LF included. */
static enum http_result end_line(struct http_head *h, char *data)
{
	char *line = data + h->line;
	size_t len = h->at - h->line - 2;
	h->line = h->at;
	if (len == 0 && h->line_read)
		return HTTP_WHOLE;
	if (len == 0) {
		if (h->blank)
			return refuse(h, 400, "empty lines before the request line");
		h->blank = true;
		h->start = h->at;
		return HTTP_MORE;
	}
	return h->line_read ? read_field(h, line, len) : read_request_line(h, line, len);
}

static enum http_result take_byte(struct http_head *h, char *data)
{
	unsigned char c = (unsigned char)data[h->at++];
	if (h->cr) {
		h->cr = false;
		return c == '\n' ? end_line(h, data) : refuse(h, 400, "a CR without its LF");
	}
	if (c == '\r')
		h->cr = true;
	else if (c == '\n')
		return refuse(h, 400, "an LF without its CR");
	else if ((c < ' ' && c != '\t') || c == 0x7f)
		return refuse(h, 400, "a control character in the request's head");
	return HTTP_MORE;
}

enum http_result http_head_scan(struct http_head *h, char *data, size_t len)
{
	while (h->at < len) {
		if (h->at == h->byte_max)
			return refuse(h, 431, "the request's line and fields are too long");
		enum http_result r = take_byte(h, data);
		if (r != HTTP_MORE)
			return r;
	}
	return HTTP_MORE;
}

void http_head_terminate(struct http_head *h)
{
	h->method[h->method_len] = '\0';
	if (h->path != NULL)
		h->path[h->path_len] = '\0';
	if (h->query != NULL)
		h->query[h->query_len] = '\0';
	for (unsigned i = 0; i < h->field_count; i++) {
		h->fields[i].name[h->fields[i].name_len] = '\0';
		h->fields[i].value[h->fields[i].value_len] = '\0';
	}
	h->readable = true;
}

const char *http_head_find(const struct http_head *h, const char *name)
{
	if (!h->readable)
		return NULL;
	for (unsigned i = 0; i < h->field_count; i++)
		if (strcasecmp(h->fields[i].name, name) == 0)
			return h->fields[i].value;
	return NULL;
}

unsigned http_head_count(const struct http_head *h, const char *name)
{
	unsigned count = 0;
	for (unsigned i = 0; h->readable && i < h->field_count; i++)
		count += strcasecmp(h->fields[i].name, name) == 0;
	return count;
}
