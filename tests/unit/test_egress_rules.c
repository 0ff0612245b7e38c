/* What egress decides without a socket: public addresses, heads, targets, trust, the operator's
 * proxy. */

#include "base/defer.h"
#include "net/egress_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_public(const char *text)
{
	struct sockaddr_storage address = {0};
	if (strchr(text, ':') != NULL)
		assert_int_equal(uv_ip6_addr(text, 443, (struct sockaddr_in6 *)&address), 0);
	else
		assert_int_equal(uv_ip4_addr(text, 443, (struct sockaddr_in *)&address), 0);
	return egress_address_is_public((struct sockaddr *)&address);
}

static void closed_ranges_are_closed_from_edge_to_edge(void **state)
{
	(void)state;
	static const char *const closed[] = {"0.0.0.0", "0.255.255.255", "10.0.0.0",
		"10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0", "127.0.0.1",
		"127.255.255.255", "168.63.129.16", "169.254.0.0", "169.254.169.254",
		"169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.255",
		"192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "224.0.0.0",
		"239.255.255.255", "240.0.0.0", "255.255.255.255",
		/* IPv6 of its own */
		"::", "::1", "::2", "fc00::", "fd00:ec2::254",
		"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::", "fe80::1",
		"febf:ffff::", "fec0::", "ff00::", "ff02::1", "ffff:ffff::", "100::", "100::1",
		"64:ff9b:1::", "64:ff9b:1::808:808",
		"2001:2::", "2001:2:0:ffff::", "1fff:ffff::", "4000::",
		/* IPv4 within */
		"::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1",
		"::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe",
		"2002:a00:1::", "2002:7f00:1::1", "2002:c0a8:101:ffff::1",
		"2002:a9fe:a9fe::", "2001:0:a00:1::f7f7:f7f7",
		/* Teredo: the server public, the client (inverted) 10.0.0.1, 127.0.0.1 */
		"2001:0:808:808::f5ff:fffe", "2001:0:808:808::80ff:fffe"};
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
		if (is_public(closed[i]))
			fail_msg("%s is called public", closed[i]);
}

static void what_lies_beside_them_is_public(void **state)
{
	(void)state;
	static const char *const public[] = {"1.0.0.0", "9.255.255.255", "11.0.0.0",
		"100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "168.63.129.15",
		"168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
		"191.255.255.255", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "8.8.8.8",
		/* documentation */
		"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1",
		/* IPv6 */
		"2000::", "2001:1:ffff::", "2001:2:1::", "2001:3::", "2001:4860:4860::8888",
		"2003::", "2606:4700::1111", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		/* IPv4 within */
		"::ffff:8.8.8.8", "::8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::8.8.8.8",
		"2002:808:808::1", "2001:0:808:808::f7f7:f7f7"};
	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
		if (!is_public(public[i]))
			fail_msg("%s is called private", public[i]);
	struct sockaddr_storage unix_socket = {.ss_family = AF_UNIX};
	assert_false(egress_address_is_public((struct sockaddr *)&unix_socket));
}

static const char *parse(struct egress_head *head, const char *text)
{
	assert_int_equal(egress_head_length(text, strlen(text)), strlen(text));
	return egress_head_parse(head, text, strlen(text));
}

static void a_connect_names_its_target(void **state)
{
	(void)state;
	struct egress_head head;
	assert_null(parse(&head,
		"CONNECT Proxy.Example.org:443 HTTP/1.1\r\nHost: x\r\nUser-Agent: go\t1\r\n\r\n"));
	assert_true(head.connect);
	assert_string_equal(head.target.host, "proxy.example.org");
	assert_int_equal(head.target.port, 443);
	assert_false(head.target.literal);
	assert_int_equal(head.forward.len, 0);
	assert_null(parse(&head, "CONNECT [2606:4700:0::1111]:8443 HTTP/1.1\r\nhost:\r\n\r\n"));
	assert_true(head.target.literal);
	assert_string_equal(head.target.host, "2606:4700::1111");
}

static void a_plain_request_goes_on_without_its_hop_by_hop_fields(void **state)
{
	(void)state;
	struct egress_head head;
	assert_null(parse(&head,
		"GET http://example.org:8080/a?b=c HTTP/1.1\r\nHost: "
		"elsewhere\r\nProxy-Connection: keep-alive\r\n"
		"Connection: X-Secret, keep-alive\r\nx-secret: 1\r\nKeep-Alive: 5\r\nTE: "
		"trailers\r\nUpgrade: h2c\r\n"
		"Proxy-Authorization: Basic eA==\r\nAccept:  */* \r\nRange: bytes=0-\r\n\r\n"));
	assert_false(head.connect);
	assert_string_equal(head.forward.data,
		"GET /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\nRange: "
		"bytes=0-\r\n"
		"Via: 1.1 sky-island\r\nConnection: close\r\n\r\n");
	buf_finish(&head.forward);
	assert_null(parse(&head, "HEAD HTTP://[2001:db8::1]?q HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_int_equal(head.target.port, 80);
	assert_string_equal(head.forward.data, "HEAD /?q HTTP/1.1\r\nHost: [2001:db8::1]\r\nVia: "
					       "1.1 sky-island\r\nConnection: close\r\n\r\n");
	buf_finish(&head.forward);
}

static void odd_heads_are_refused(void **state)
{
	(void)state;
#define AFTER " HTTP/1.1\r\nHost: x\r\n\r\n"
	static const char *const odd[] = {
		"CONNECT a.example:443 HTTP/1.0\r\nHost: x\r\n\r\n",
		"CONNECT a.example:443 HTTP/2.0\r\nHost: x\r\n\r\n",
		"CONNECT a.example:443\r\nHost: x\r\n\r\n",
		"CONNECT  a.example:443" AFTER,
		"CONNECT\ta.example:443" AFTER,
		"connect a.example:443" AFTER,
		" CONNECT a.example:443" AFTER,
		"CONNECT a.example:443 " AFTER,
		"CONNECT a.example" AFTER,
		"CONNECT a.example:" AFTER,
		"CONNECT a.example:0" AFTER,
		"CONNECT a.example:0443" AFTER,
		"CONNECT a.example:65536" AFTER,
		"CONNECT a.example:+443" AFTER,
		"CONNECT a.example:443/" AFTER,
		"CONNECT :443" AFTER,
		"CONNECT u@a.example:443" AFTER,
		"CONNECT a..example:443" AFTER,
		"CONNECT a.example.:443" AFTER,
		"CONNECT -a.example:443" AFTER,
		"CONNECT a%2eexample:443" AFTER,
		"CONNECT 127.1:443" AFTER,
		"CONNECT 2130706433:443" AFTER,
		"CONNECT 0x7f000001:443" AFTER,
		"CONNECT 0177.0.0.1:443" AFTER,
		"CONNECT 127.0.0.1.:443" AFTER,
		"CONNECT ::1:443" AFTER,
		"CONNECT [::1:443" AFTER,
		"CONNECT [::1]443" AFTER,
		"CONNECT [::1]" AFTER,
		"CONNECT []:443" AFTER,
		"CONNECT [fe80::1%lo]:443" AFTER,
		"CONNECT [a.example]:443" AFTER,
		"CONNECT a.example:443 HTTP/1.1\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n A: b\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\nHost: x\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: \x01\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n",
		"CONNECT \xc3\xa4.example:443" AFTER,
		"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET https://a.example/" AFTER,
		"GET http:///x" AFTER,
		"GET http://u:p@a.example/" AFTER,
		"GET http://a.example/#f" AFTER,
		"GET http://a.example/ x" AFTER,
		"GET http://a.example\\@b/" AFTER,
		"POST http://a.example/" AFTER,
		"OPTIONS *" AFTER,
		"\r\nCONNECT a.example:443" AFTER,
		"\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct egress_head head;
		if (egress_head_parse(&head, odd[i], strlen(odd[i])) == NULL)
			fail_msg("taken: %s", odd[i]);
		buf_finish(&head.forward);
	}
	struct egress_head head;
	assert_non_null(egress_head_parse(
		&head, "CONNECT a.example:443\0 HTTP/1.1\r\nHost: x\r\n\r\n", 44));
	defer_buf struct buf many = {0};
	buf_puts(&many, "CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < EGRESS_FIELDS_MAX; i++)
		buf_puts(&many, "A: b\r\n");
	buf_puts(&many, "\r\n");
	assert_string_equal(egress_head_parse(&head, many.data, many.len), "too many fields");
}

static void heads_end_at_the_empty_line(void **state)
{
	(void)state;
	assert_int_equal(egress_head_length("GET", 3), 0);
	assert_int_equal(egress_head_length("A\r\n\r", 4), 0);
	assert_int_equal(egress_head_length("A\n\nB\r\n\r\nrest", 12), 8);
	assert_int_equal(egress_status_parse("HTTP/1.1 200 OK\r\n\r\n", 19), 200);
	assert_int_equal(egress_status_parse("HTTP/1.0 407\r\n\r\n", 16), 407);
	assert_int_equal(egress_status_parse("HTTP/1.1 2000\r\n\r\n", 17), -1);
	assert_int_equal(egress_status_parse("HTTP/1.1 2x0 OK\r\n\r\n", 19), -1);
	assert_int_equal(egress_status_parse("SSH-2.0-x\r\n\r\n\r\n", 15), -1);
	assert_int_equal(egress_status_parse("", 0), -1);
}

static struct egress_rules rules_of(const struct egress_policy *given)
{
	struct egress_policy policy = *given;
	struct egress_rules rules;
	struct fault f = {0};
	policy.bytes_max = policy.connections_max = 1;
	if (egress_rules_init(&rules, &policy, &f) < 0)
		fail_msg("%s", f.text);
	return rules;
}

/* NULL or why "host:port" is refused. */
static const char *refuse(const struct egress_rules *rules, const char *target, bool connect)
{
	struct egress_head head = {.connect = connect};
	assert_int_equal(egress_target_parse(&head.target, target, strlen(target)), 0);
	return egress_rules_refuse(rules, &head);
}

static void trusted_hosts_may_be_anything(void **state)
{
	(void)state;
	static const char *const trusted[] = {
		"Goproxy.corp", "10.0.0.5:3000", "::1", "[fd00::5]:99", NULL};
	struct egress_rules rules = rules_of(&(struct egress_policy){.trusted_hosts = trusted});
	assert_null(refuse(&rules, "goproxy.corp:7", true));
	assert_null(refuse(&rules, "10.0.0.5:3000", true));
	assert_non_null(refuse(&rules, "10.0.0.5:443", true));
	assert_non_null(refuse(&rules, "10.0.0.50:3000", true));
	assert_null(refuse(&rules, "[::1]:1", true));
	assert_null(refuse(&rules, "[fd00:0::5]:99", true));
	assert_non_null(refuse(&rules, "[fd00::5]:443", true));
	assert_non_null(refuse(&rules, "a.goproxy.corp:7", true));
	egress_rules_finish(&rules);
}

static void a_reachable_port_is_open_at_public_addresses_only(void **state)
{
	(void)state;
	static const char *const reachable[] = {"a.example:22", "10.0.0.1:22", NULL};
	struct egress_rules rules = rules_of(&(struct egress_policy){.reachable = reachable});
	assert_null(refuse(&rules, "a.example:22", true));
	assert_non_null(refuse(&rules, "b.example:22", true));
	assert_non_null(refuse(&rules, "a.example:23", true));
	assert_non_null(refuse(&rules, "10.0.0.1:22", true));
	egress_rules_finish(&rules);
}

static void strangers_are_reached_at_public_ports_and_addresses(void **state)
{
	(void)state;
	struct egress_rules rules = rules_of(&(struct egress_policy){0});
	static const char *const fine[] = {"a.example:443", "a.example:80", "a.example:8080",
		"8.8.8.8:8443", "[2606:4700::1111]:443", "localhost.example:443"};
	static const char *const closed[] = {"a.example:22", "a.example:25", "a.example:444",
		"10.0.0.1:443", "127.0.0.1:443", "169.254.169.254:80", "[::1]:443",
		"[::ffff:10.0.0.1]:443", "localhost:443", "a.localhost:443"};
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_null(refuse(&rules, fine[i], true));
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
		assert_non_null(refuse(&rules, closed[i], true));
	assert_non_null(refuse(&rules, "a.example:80", false));
	egress_rules_finish(&rules);
	rules = rules_of(&(struct egress_policy){.plain_http = true});
	assert_null(refuse(&rules, "a.example:80", false));
	egress_rules_finish(&rules);
}

static bool goes_upstream(const char *no_proxy, const char *target)
{
	struct egress_rules rules = rules_of(&(struct egress_policy){
		.upstream_proxy = "http://proxy:3128", .no_proxy = no_proxy});
	struct egress_target parsed;
	assert_int_equal(egress_target_parse(&parsed, target, strlen(target)), 0);
	bool upstream = egress_rules_upstream(&rules, &parsed);
	egress_rules_finish(&rules);
	return upstream;
}

static void no_proxy_names_who_is_reached_without(void **state)
{
	(void)state;
	assert_true(goes_upstream(NULL, "a.corp:443"));
	assert_true(goes_upstream("", "a.corp:443"));
	assert_true(goes_upstream(" , ,", "a.corp:443"));
	assert_false(goes_upstream("*", "a.corp:443"));
	assert_false(goes_upstream("x, corp ,y", "a.corp:443"));
	assert_false(goes_upstream("A.Corp", "a.corp:443"));
	assert_true(goes_upstream("corp", "acorp:443"));
	assert_false(goes_upstream(".corp", "a.corp:443"));
	assert_true(goes_upstream(".corp", "corp:443"));
	assert_false(goes_upstream("corp:443", "a.corp:443"));
	assert_true(goes_upstream("corp:80", "a.corp:443"));
	assert_false(goes_upstream("10.0.0.1", "10.0.0.1:443"));
	assert_true(goes_upstream("0.0.1", "10.0.0.1:443"));
}

static void the_upstream_proxys_url_is_understood(void **state)
{
	(void)state;
	struct egress_rules rules = rules_of(&(struct egress_policy){
		.upstream_proxy = "HTTP://Aladdin:open%20sesame@Proxy.corp:3128/"});
	assert_string_equal(rules.upstream.host, "proxy.corp");
	assert_int_equal(rules.upstream.port, 3128);
	assert_string_equal(rules.upstream_authorization,
		"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
	egress_rules_finish(&rules);
	rules = rules_of(&(struct egress_policy){.upstream_proxy = "u@[::1]"});
	assert_int_equal(rules.upstream.port, 80);
	assert_string_equal(rules.upstream_authorization, "Proxy-Authorization: Basic dTo=\r\n");
	egress_rules_finish(&rules);
	rules = rules_of(&(struct egress_policy){.upstream_proxy = "http://a%40:b:c@proxy"});
	assert_string_equal(
		rules.upstream_authorization, "Proxy-Authorization: Basic YUA6Yjpj\r\n");
	egress_rules_finish(&rules);
	static const char *const wrong[] = {"", "http://", "https://secret:secret@proxy",
		"socks5://secret@proxy", "http://secret%4@proxy", "http://secret%zz@proxy",
		"http://proxy/path", "http://proxy:0", "http://a b"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fault f = {0};
		struct egress_policy policy = {
			.upstream_proxy = wrong[i], .bytes_max = 1, .connections_max = 1};
		if (egress_rules_init(&rules, &policy, &f) == 0)
			fail_msg("taken: %s", wrong[i]);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_null(strstr(f.text, "secret"));
	}
}

static void policies_that_allow_nothing_are_refused(void **state)
{
	(void)state;
	struct egress_rules rules;
	static const char *const trusted[] = {"fine.example", "not/fine", NULL};
	struct fault f = {0};
	assert_int_equal(
		egress_rules_init(&rules, &(struct egress_policy){.connections_max = 1}, &f), -1);
	assert_int_equal(
		egress_rules_init(&rules, &(struct egress_policy){.bytes_max = 1}, &f), -1);
	assert_int_equal(
		egress_rules_init(&rules,
			&(struct egress_policy){
				.trusted_hosts = trusted, .bytes_max = 1, .connections_max = 1},
			&f),
		-1);
	assert_non_null(strstr(f.text, "not/fine"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_ranges_are_closed_from_edge_to_edge),
		cmocka_unit_test(what_lies_beside_them_is_public),
		cmocka_unit_test(a_connect_names_its_target),
		cmocka_unit_test(a_plain_request_goes_on_without_its_hop_by_hop_fields),
		cmocka_unit_test(odd_heads_are_refused),
		cmocka_unit_test(heads_end_at_the_empty_line),
		cmocka_unit_test(trusted_hosts_may_be_anything),
		cmocka_unit_test(a_reachable_port_is_open_at_public_addresses_only),
		cmocka_unit_test(strangers_are_reached_at_public_ports_and_addresses),
		cmocka_unit_test(no_proxy_names_who_is_reached_without),
		cmocka_unit_test(the_upstream_proxys_url_is_understood),
		cmocka_unit_test(policies_that_allow_nothing_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
