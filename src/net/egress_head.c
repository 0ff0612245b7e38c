/*
 * The heads a forward proxy reads, by hand: one request a connection, no body, and anything odd is
 * refused (RFC 9110, RFC 9112). Field values are visible ASCII, spaces and tabs; a line ends in
 * CRLF; there is one Host.
 */

#include "net/egress_private.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *data;
	size_t len;
};

struct header {
	struct span name, value;
};

struct headers {
	struct header list[EGRESS_FIELDS_MAX];
	size_t count;
};

size_t egress_head_length(const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);
	return end == NULL ? 0 : (size_t)(end - data) + 4;
}

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.data, text, s.len) == 0;
}

/* What comes before the next `until`, which is dropped from *from too; all of it where there is
 * none. */
static struct span span_cut(struct span *from, const char *until)
{
	const char *at = memmem(from->data, from->len, until, strlen(until));
	struct span first = {from->data, at == NULL ? from->len : (size_t)(at - from->data)};
	size_t used = first.len + (at == NULL ? 0 : strlen(until));
	from->data += used;
	from->len -= used;
	return first;
}

static struct span span_trim(struct span s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* ASCII text and CRLF only: no lone CR or LF, no other controls, nothing beyond ASCII. */
static bool bytes_allowed(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = data[i];
		if (c == '\r' && i + 1 < len && data[i + 1] == '\n')
			i++;
		else if (c != '\t' && (c < ' ' || c > '~'))
			return false;
	}
	return true;
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.data[i]) &&
			strchr("!#$%&'*+-.^_`|~", s.data[i]) == NULL)
			return false;
	return s.len > 0;
}

/* A host name's letters and labels. A last label that is a number would be read as an address of
 * another notation. */
static bool host_allowed(const char *host)
{
	const char *label = host;
	for (;;) {
		size_t len = strcspn(label, ".");
		if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-')
			return false;
		for (size_t i = 0; i < len; i++)
			if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
				return false;
		if (label[len] == '\0')
			break;
		label += len + 1;
	}
	bool hexadecimal = label[0] == '0' && label[1] == 'x';
	return hexadecimal ? label[2 + strspn(label + 2, "0123456789abcdef")] != '\0'
			   : label[strspn(label, "0123456789")] != '\0';
}

static bool port_parse(struct span text, uint16_t *port)
{
	unsigned number = 0;
	if (text.len == 0 || text.len > 5 || text.data[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!isdigit((unsigned char)text.data[i]))
			return false;
		number = number * 10 + (unsigned)(text.data[i] - '0');
	}
	*port = (uint16_t)number;
	return number <= UINT16_MAX;
}

/* Reads host as an address of the family; writes it in its one spelling. */
static bool literal_parse(struct egress_target *target, int family)
{
	struct sockaddr_in *ip4 = (struct sockaddr_in *)&target->address;
	struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&target->address;
	void *to = family == AF_INET ? (void *)&ip4->sin_addr : (void *)&ip6->sin6_addr;
	if (inet_pton(family, target->host, to) != 1)
		return false;
	target->address.ss_family = (sa_family_t)family;
	target->literal = true;
	return inet_ntop(family, to, target->host, sizeof(target->host)) != NULL;
}

int egress_target_parse(struct egress_target *target, const char *text, size_t len)
{
	*target = (struct egress_target){0};
	struct span rest = {text, len};
	bool bracketed = len > 0 && text[0] == '[';
	if (bracketed) {
		rest.data++;
		rest.len--;
	}
	struct span host = span_cut(&rest, bracketed ? "]" : ":");
	bool port_follows = bracketed ? rest.len > 0 : host.len < len;
	if (host.len == 0 || host.len >= sizeof(target->host) || (bracketed && host.len + 1 >= len))
		return -1;
	for (size_t i = 0; i < host.len; i++)
		target->host[i] = (char)tolower((unsigned char)host.data[i]);
	if (strlen(target->host) != host.len)
		return -1;
	if (bracketed && port_follows) {
		if (rest.data[0] != ':')
			return -1;
		rest.data++;
		rest.len--;
	}
	if (port_follows && !port_parse(rest, &target->port))
		return -1;
	if (bracketed)
		return literal_parse(target, AF_INET6) ? 0 : -1;
	return literal_parse(target, AF_INET) || host_allowed(target->host) ? 0 : -1;
}

static void host_print(const struct egress_target *target, struct buf *out)
{
	bool brackets = target->address.ss_family == AF_INET6;
	buf_printf(out, "%s%s%s", brackets ? "[" : "", target->host, brackets ? "]" : "");
}

void egress_target_print(const struct egress_target *target, struct buf *out)
{
	host_print(target, out);
	buf_printf(out, ":%u", target->port);
}

/* The fields after the request line; NULL or what is wrong. */
static const char *headers_parse(struct headers *h, struct span rest)
{
	unsigned hosts = 0;
	while (rest.len > 0) {
		struct span line = span_cut(&rest, "\r\n");
		if (line.len == 0)
			break;
		if (h->count == EGRESS_FIELDS_MAX)
			return "too many fields";
		const char *colon = memchr(line.data, ':', line.len);
		if (colon == NULL)
			return "a field without a colon";
		struct header *header = &h->list[h->count++];
		header->value = line;
		header->name = span_cut(&header->value, ":");
		header->value = span_trim(header->value);
		if (!is_token(header->name))
			return "a field's name that is none";
		hosts += span_is(header->name, "host");
		if (span_is(header->name, "content-length") ||
			span_is(header->name, "transfer-encoding") ||
			span_is(header->name, "expect"))
			return "a request with a body";
	}
	return hosts == 1 ? NULL : "not one Host";
}

/* Whether a field is for this hop only (RFC 9110 7.6.1), or ours to write. */
static bool header_stays(const struct headers *h, struct span name)
{
	static const char *const ours[] = {"connection", "proxy-connection", "keep-alive", "te",
		"trailer", "upgrade", "proxy-authorization", "proxy-authenticate", "host", "via"};
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (span_is(name, ours[i]))
			return true;
	for (size_t i = 0; i < h->count; i++) {
		struct span named = h->list[i].value;
		while (span_is(h->list[i].name, "connection") && named.len > 0) {
			struct span one = span_trim(span_cut(&named, ","));
			if (one.len == name.len && strncasecmp(one.data, name.data, one.len) == 0)
				return true;
		}
	}
	return false;
}

static void forward_build(
	struct egress_head *head, struct span method, struct span path, const struct headers *h)
{
	struct buf *out = &head->forward;
	buf_printf(out, "%.*s %s%.*s HTTP/1.1\r\nHost: ", (int)method.len, method.data,
		path.len > 0 && path.data[0] == '/' ? "" : "/", (int)path.len, path.data);
	if (head->target.port == 80)
		host_print(&head->target, out);
	else
		egress_target_print(&head->target, out);
	buf_puts(out, "\r\n");
	for (size_t i = 0; i < h->count; i++) {
		const struct header *header = &h->list[i];
		if (!header_stays(h, header->name))
			buf_printf(out, "%.*s: %.*s\r\n", (int)header->name.len, header->name.data,
				(int)header->value.len, header->value.data);
	}
	buf_puts(out, "Via: 1.1 sky-island\r\nConnection: close\r\n\r\n");
}

/* http://authority[/path][?query] */
static const char *absolute_parse(struct egress_head *head, struct span uri, struct span *path)
{
	if (uri.len < 7 || strncasecmp(uri.data, "http://", 7) != 0)
		return "neither CONNECT nor an absolute http URI";
	uri.data += 7;
	uri.len -= 7;
	size_t authority = 0;
	while (authority < uri.len && uri.data[authority] != '/' && uri.data[authority] != '?')
		authority++;
	if (egress_target_parse(&head->target, uri.data, authority) < 0)
		return "a host that is none";
	if (head->target.port == 0)
		head->target.port = 80;
	*path = (struct span){uri.data + authority, uri.len - authority};
	if (memchr(path->data, '#', path->len) != NULL)
		return "a fragment in the URI";
	return NULL;
}

const char *egress_head_parse(struct egress_head *head, const char *data, size_t len)
{
	*head = (struct egress_head){0};
	if (!bytes_allowed(data, len))
		return "bytes that have no place in a head";
	struct span rest = {data, len};
	struct span line = span_cut(&rest, "\r\n");
	struct span method = span_cut(&line, " ");
	struct span uri = span_cut(&line, " ");
	struct span path = {0};
	if (line.len != 8 || memcmp(line.data, "HTTP/1.1", 8) != 0 || uri.len == 0 ||
		memchr(uri.data, '\t', uri.len) != NULL)
		return "no request line of HTTP/1.1";
	struct headers headers = {.count = 0};
	const char *wrong = headers_parse(&headers, rest);
	if (wrong != NULL)
		return wrong;
	head->connect = method.len == 7 && memcmp(method.data, "CONNECT", 7) == 0;
	if (head->connect)
		return egress_target_parse(&head->target, uri.data, uri.len) < 0 ||
				       head->target.port == 0
			       ? "a target that is not host:port"
			       : NULL;
	if (!(method.len == 3 && memcmp(method.data, "GET", 3) == 0) &&
		!(method.len == 4 && memcmp(method.data, "HEAD", 4) == 0))
		return "a method that is not CONNECT, GET or HEAD";
	wrong = absolute_parse(head, uri, &path);
	if (wrong == NULL)
		forward_build(head, method, path, &headers);
	return wrong;
}

int egress_status_parse(const char *data, size_t len)
{
	if (len < 13 || memcmp(data, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)data[7]) ||
		data[8] != ' ')
		return -1;
	int status = 0;
	for (size_t i = 9; i < 12; i++) {
		if (!isdigit((unsigned char)data[i]))
			return -1;
		status = status * 10 + (data[i] - '0');
	}
	return data[12] == ' ' || data[12] == '\r' ? status : -1;
}
