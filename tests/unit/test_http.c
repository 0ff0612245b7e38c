/*
 * http's parts that work without sockets: head, rules, body, peers. Every text is parsed whole and
 * in pieces of every size.
 */

#include "base/buf.h"
#include "http/body.h"
#include "http/head.h"
#include "http/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define HOST      "Host: a\r\n"
#define FIELD_MAX 8
#define BYTE_MAX  512
#define BODY_MAX  64
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

/* A whole request through head, rules and body, in pieces of `step` bytes. */
struct parsed {
	char in[4096];
	struct http_field fields[FIELD_MAX];
	struct http_head head;
	struct http_body body;
	struct http_refusal bad;
	size_t end; /* bytes that belong to the request */
};

static enum http_result parse_head(struct parsed *p, size_t len, size_t step)
{
	enum http_result r = HTTP_MORE;
	http_head_init(&p->head, p->fields, FIELD_MAX, BYTE_MAX);
	for (size_t n = 0; n < len && r == HTTP_MORE;) {
		n = n + step < len ? n + step : len;
		r = http_head_scan(&p->head, p->in, n);
	}
	return r == HTTP_WHOLE ? http_head_judge(&p->head) : r;
}

static enum http_result parse_body(struct parsed *p, size_t len, size_t step)
{
	size_t start = p->head.start;
	enum http_result r = http_body_begin(&p->body, &p->head, p->in + start, p->head.at - start);
	p->end = p->head.at;
	while (r == HTTP_MORE && p->end < len) {
		size_t used = 0;
		size_t n = len - p->end < step ? len - p->end : step;
		r = http_body_feed(&p->body, p->in + p->end, n, &used);
		p->end += used;
	}
	return r;
}

static enum http_result parse(struct parsed *p, const char *text, size_t len, size_t step)
{
	assert_true(len < sizeof(p->in));
	memset(p, 0, sizeof(*p));
	memcpy(p->in, text, len);
	http_body_init(&p->body, BODY_MAX);
	enum http_result r = parse_head(p, len, step);
	if (r == HTTP_BAD)
		p->bad = p->head.bad;
	if (r != HTTP_WHOLE)
		return r;
	r = parse_body(p, len, step);
	if (r == HTTP_BAD)
		p->bad = p->body.bad;
	return r;
}

static void expect_status(const char *text, size_t len, int status)
{
	for (size_t step = 1; step <= len; step++) {
		struct parsed p;
		enum http_result r = parse(&p, text, len, step);
		if (r != HTTP_BAD || p.bad.status != status)
			fail_msg("%s\nin pieces of %zu: result %d, status %d (%s), not %d", text,
				step, (int)r, p.bad.status, p.bad.why != NULL ? p.bad.why : "",
				status);
		http_body_finish(&p.body);
	}
}

struct refused {
	int status;
	const char *text;
};

static void malformed_heads_are_refused(void **state)
{
	static const struct refused table[] = {
		{400, "GET / HTTP/1.1\n" HOST "\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "A\t: b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "A(: b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n"},
		{400, "GET /\r\n" HOST "\r\n"},
		{400, "GET\r\n\r\n"},
		{400, "GET / \r\n" HOST "\r\n"},
		{400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /  HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
		{400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET / http/1.1\r\n" HOST "\r\n"},
		{400, "GET / HTTP/1.11\r\n" HOST "\r\n"},
		{400, "GET / HTTP/1\r\n" HOST "\r\n"},
		{400, "GET / ICE/1.0\r\n" HOST "\r\n"},
		{400, "GET x HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET * HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET http:// HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /#x HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"},
		{400, "G\x80T / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "\x16\x03\x01"},
		{501, "BREW / HTTP/1.1\r\n" HOST "\r\n"},
		{501, "get / HTTP/1.1\r\n" HOST "\r\n"},
		{501, "DESCRIBE / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n"},
		{501, "CONNECT / HTTP/1.1\r\n" HOST "\r\n"},
		{505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
		{505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
		{505, "GET / HTTP/0.9\r\n" HOST "\r\n"},
		{505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		expect_status(table[i].text, strlen(table[i].text), table[i].status);
}

static void a_nul_is_refused_wherever_it_stands(void **state)
{
	static const char text[] = "GET /a HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";
	char copy[sizeof(text)];
	(void)state;
	for (size_t i = 0; i < sizeof(text) - 5; i++) {
		memcpy(copy, text, sizeof(text));
		copy[i] = '\0';
		expect_status(copy, sizeof(text) - 1, 400);
	}
}

static void fields_that_contradict_are_refused(void **state)
{
#define POST "POST / HTTP/1.1\r\n"
	static const struct refused table[] = {
		{400, "GET / HTTP/1.1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "host: b\r\n\r\n"},
		{400, "GET / HTTP/1.0\r\n" HOST HOST "\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
		{400, "GET http://b/ HTTP/1.1\r\n" HOST "\r\n"},
		{400, POST HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{400, POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"},
		{400, POST HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"},
		{400, POST HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
		{400, POST HOST "Origin: http://a\r\norigin: http://b\r\n\r\n"},
		{400, POST HOST "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n\r\n"},
		{400, POST HOST "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n\r\n"},
		{400, POST HOST "Content-Length: 1, 1\r\n\r\n"},
		{400, POST HOST "Content-Length: \r\n\r\n"},
		{400, POST HOST "Content-Length: +1\r\n\r\n"},
		{400, POST HOST "Content-Length: -1\r\n\r\n"},
		{400, POST HOST "Content-Length: 0x1\r\n\r\n"},
		{400, POST HOST "Content-Length: 1 1\r\n\r\n"},
		{413, POST HOST "Content-Length: 99999999999999999999999\r\n\r\n"},
		{413, POST HOST "Content-Length: 18446744073709551615\r\n\r\n"},
		{413, POST HOST "Content-Length: 65\r\n\r\n"},
		{501, POST HOST "Transfer-Encoding: gzip\r\n\r\n"},
		{501, POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
		{501, POST HOST "Transfer-Encoding: chunked, gzip\r\n\r\n"},
		{501, POST HOST "Transfer-Encoding: xchunked\r\n\r\n"},
		{501, POST HOST "Transfer-Encoding: \"chunked\"\r\n\r\n"},
		{501, POST HOST "Transfer-Encoding: chunked;q=1\r\n\r\n"},
		{501, POST HOST "Transfer-Encoding:\r\n\r\n"},
		{400, POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{400, POST HOST
			"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{417, POST HOST "Expect: 200-ok\r\n\r\n"},
		{417, POST HOST "Expect: 100-continue, x\r\n\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		expect_status(table[i].text, strlen(table[i].text), table[i].status);
}

static void too_much_of_a_head_is_refused(void **state)
{
	char text[BYTE_MAX + 64];
	(void)state;
	int n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", BYTE_MAX, 0);
	expect_status(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1, 431);
	const char *many =
		"GET / HTTP/1.1\r\n" HOST "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\n"
		"A: 8\r\n\r\n";
	expect_status(many, strlen(many), 431);
	/* The cap itself is taken, one byte more is not. */
	struct parsed p;
	int pad = BYTE_MAX - (int)strlen("GET / HTTP/1.1\r\n" HOST "\r\n");
	n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", pad, 0);
	assert_int_equal(n, BYTE_MAX);
	assert_int_equal(parse(&p, text, (size_t)n, 7), HTTP_WHOLE);
	n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", pad + 1, 0);
	expect_status(text, (size_t)n, 431);
}

static void malformed_chunks_are_refused(void **state)
{
#define CHUNKED POST HOST "Transfer-Encoding: chunked\r\n\r\n"
	static const struct refused table[] = {
		{400, CHUNKED "3\nabc\r\n0\r\n\r\n"},
		{400, CHUNKED "3\r\nabc\n0\r\n\r\n"},
		{400, CHUNKED "3\r\nabc\r\n0\n\r\n"},
		{400, CHUNKED "3\r\nabc\r\n0\r\n\n"},
		{400, CHUNKED "3\r\nabcd\r\n0\r\n\r\n"},
		{400, CHUNKED "3\r\nabc0\r\n\r\n"},
		{400, CHUNKED "3 \r\nabc\r\n0\r\n\r\n"},
		{400, CHUNKED " 3\r\nabc\r\n0\r\n\r\n"},
		{400, CHUNKED "3 ;a\r\nabc\r\n0\r\n\r\n"},
		{400, CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"},
		{400, CHUNKED "-3\r\nabc\r\n0\r\n\r\n"},
		{400, CHUNKED "\r\nabc\r\n0\r\n\r\n"},
		{400, CHUNKED "g\r\n"},
		{400, CHUNKED "11111111111111111\r\n"},
		{413, CHUNKED
			"41\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{400, CHUNKED "0\r\nA: b\n\r\n"},
		{400, CHUNKED "0\r\nA: b\r\n c\r\n\r\n"},
		{431, CHUNKED
			"0\r\na:1\r\na:2\r\na:3\r\na:4\r\na:5\r\na:6\r\na:7\r\na:8\r\na:9\r\n\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		expect_status(table[i].text, strlen(table[i].text), table[i].status);
}

static void framing_without_data_is_refused(void **state)
{
	char text[4096];
	(void)state;
	int n = snprintf(
		text, sizeof(text), "%s1;%0*d\r\na\r\n0\r\n\r\n", CHUNKED, BYTE_MAX + 8, 0);
	expect_status(text, (size_t)n, 400);
	n = snprintf(text, sizeof(text), "%s0\r\na: %0*d\r\n\r\n", CHUNKED, BYTE_MAX, 0);
	expect_status(text, (size_t)n, 431);
}

static void well_formed_requests_are_read(void **state)
{
	static const struct {
		const char *text; /* "GET /next" follows */
		const char *path;
		const char *query;
		const char *body;
		bool keep;
	} table[] = {
		{GET("/"), "/", NULL, "", true},
		{"\r\n" GET("/a?b?c"), "/a", "b?c", "", true},
		{"GET /? HTTP/1.1\r\n" HOST "\r\n", "/", "", "", true},
		{"GET http://a HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, "", true},
		{"GET HTTP://A?q HTTP/1.1\r\n" HOST "\r\n", NULL, "q", "", true},
		{"GET https://a/b HTTP/1.1\r\n" HOST "\r\n", "/b", NULL, "", true},
		{"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "*", NULL, "", true},
		{"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "/", NULL, "", true},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", "/", NULL, "", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection: a, Close\r\n\r\n", "/", NULL, "", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", "/", NULL, "", true},
		{"GET / HTTP/1.0\r\n\r\n", "/", NULL, "", false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "/", NULL, "", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", "/", NULL,
			"", true},
		{POST HOST "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab",
			"/", NULL, "ab", true},
		{POST HOST "Content-Length: 0\r\n\r\n", "/", NULL, "", true},
		{POST HOST "content-length: \t 3 \r\n\r\nabc", "/", NULL, "abc", true},
		{POST HOST "Connection: close\r\nContent-Length: 3\r\n\r\nabc", "/", NULL, "abc",
			false},
		{POST HOST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "/", NULL, "", true},
		{CHUNKED "3\r\nabc\r\n002;x=y\r\nde\r\n0;z\r\nA: b\r\nC:\r\n\r\n", "/", NULL,
			"abcde", true},
		{CHUNKED "1\r\n\n\r\n1\r\n\r\r\n0\r\n\r\n", "/", NULL, "\n\r", true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		char text[1024];
		size_t len = strlen(table[i].text);
		int n = snprintf(text, sizeof(text), "%s%s", table[i].text, GET("/next"));
		for (size_t step = 1; step <= (size_t)n; step++) {
			struct parsed p;
			if (parse(&p, text, (size_t)n, step) != HTTP_WHOLE)
				fail_msg("%s\nin pieces of %zu: %s", text, step, p.bad.why);
			assert_int_equal(p.end, len);
			assert_string_equal(
				p.body.data.data != NULL ? p.body.data.data : "", table[i].body);
			assert_int_equal(p.head.keep_alive, table[i].keep);
			http_head_terminate(&p.head);
			if (table[i].path == NULL)
				assert_null(p.head.path);
			else
				assert_string_equal(p.head.path, table[i].path);
			if (table[i].query == NULL)
				assert_null(p.head.query);
			else
				assert_string_equal(p.head.query, table[i].query);
			http_body_finish(&p.body);
		}
	}
}

static void fields_are_found_by_any_case_first_first(void **state)
{
	struct parsed p;
	(void)state;
	const char *text = "GET / HTTP/1.1\r\n" HOST "X-A:  one two\t\r\nx-a: three\r\nE:\r\n\r\n";
	assert_int_equal(parse(&p, text, strlen(text), 5), HTTP_WHOLE);
	assert_null(http_head_find(&p.head, "X-A"));
	http_head_terminate(&p.head);
	assert_string_equal(http_head_find(&p.head, "x-A"), "one two");
	assert_string_equal(http_head_find(&p.head, "e"), "");
	assert_null(http_head_find(&p.head, "X-"));
}

static struct http_peer *take(struct http_peers *peers, const char *text, unsigned max)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return http_peers_take(peers, (struct sockaddr *)&v4, max);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return http_peers_take(peers, (struct sockaddr *)&v6, max);
}

static void peers_are_counted_by_address(void **state)
{
	struct http_peers peers = {0};
	(void)state;
	struct http_peer *a = take(&peers, "192.0.2.1", 2);
	assert_non_null(a);
	assert_ptr_equal(take(&peers, "::ffff:192.0.2.1", 2), a);
	assert_null(take(&peers, "192.0.2.1", 2));
	assert_ptr_equal(take(&peers, "192.0.2.1", 0), a);
	struct http_peer *b = take(&peers, "192.0.2.2", 2);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	struct http_peer *c = take(&peers, "2001:db8::1", 2);
	assert_ptr_equal(take(&peers, "2001:db8::2", 2), c);
	assert_null(take(&peers, "2001:db8::ffff:1", 2));
	struct http_peer *d = take(&peers, "2001:db8:0:1::1", 2);
	assert_ptr_not_equal(c, d);
	http_peers_give(&peers, c);
	assert_ptr_equal(take(&peers, "2001:db8::3", 2), c);
	struct http_peer *const all[] = {a, a, a, b, c, c, d, NULL};
	for (size_t i = 0; i < COUNT(all); i++)
		http_peers_give(&peers, all[i]);
	for (size_t i = 0; i < COUNT(peers.buckets); i++)
		assert_null(peers.buckets[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_heads_are_refused),
		cmocka_unit_test(a_nul_is_refused_wherever_it_stands),
		cmocka_unit_test(fields_that_contradict_are_refused),
		cmocka_unit_test(too_much_of_a_head_is_refused),
		cmocka_unit_test(malformed_chunks_are_refused),
		cmocka_unit_test(framing_without_data_is_refused),
		cmocka_unit_test(well_formed_requests_are_read),
		cmocka_unit_test(fields_are_found_by_any_case_first_first),
		cmocka_unit_test(peers_are_counted_by_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
