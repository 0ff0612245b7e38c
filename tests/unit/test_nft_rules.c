/* The texts of the rules that Linux's packets pass. */

#include "addresses.h"

#include "base/buf.h"
#include "net/linux/rules.h"

#include <string.h>

static void rules_name_what_they_must(void **state)
{
	(void)state;
	struct net_pools pools = {0};
	struct buf text = {0};
	const uint32_t own[] = {ip4("203.0.114.5")};
	const char *const switched[] = {"wan0"};
	pool_add(&pools, "one", "10.0.0.2", "10.0.0.4");
	pool_add(&pools, "two", "10.0.1.9", "10.0.1.9");
	pools.pool[0].dns[0] = ip4("9.9.9.9");
	pools.pool[0].dns_count = 1;
	assert_true(ip4_parse_network("10.8.0.0/16", &pools.pool[0].open[0]));
	pools.pool[0].open_count = 1;
	struct rules_host host = {.table = "sky-1",
		.bridge = "sky-1",
		.link_prefix = "s1v",
		.own = own,
		.own_count = 1,
		.switched = switched,
		.switched_count = 1,
		.counts = true};
	rules_put_host(&text, &pools, &host);
	const char *const wanted[] = {"10.0.0.0/8, ", "169.254.0.0/16", "203.0.114.5",
		"iifname \"s1v*\" jump jail", "iifname . ip saddr != @links drop",
		"ip daddr 9.9.9.9 meta l4proto { tcp, udp } th dport 53 accept",
		"ip saddr 10.0.0.2-10.0.0.4 ip daddr 10.8.0.0/16 accept",
		"jail ip daddr @closed drop", "iifname \"wan0\" drop", "masquerade",
		"input iifname \"sky-1\" drop"};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_non_null(strstr(text.data, wanted[i]));
	/* What is opened comes before what is closed. */
	assert_true(strstr(text.data, "10.8.0.0/16 accept") < strstr(text.data, "@closed drop"));
	assert_null(strstr(text.data, "10.0.1.9-10.0.1.9 ip daddr"));
	/* Connections are counted before any passes. */
	const char *counted =
		strstr(text.data, "forward iifname \"sky-1\" ct state new add @flows");
	assert_non_null(counted);
	assert_non_null(strstr(counted, "forward iifname \"sky-1\" accept"));
	buf_clear(&text);
	host.counts = false;
	rules_put_host(&text, &pools, &host);
	assert_null(strstr(text.data, "flows"));
	buf_clear(&text);
	rules_put_link(&text, "sky-1", "s1v7", ip4("10.0.0.3"));
	assert_string_equal(text.data, "add element bridge sky-1 links { \"s1v7\" . 10.0.0.3 }\n");
	buf_clear(&text);
	rules_put_inside(&text, &pools.pool[0], ip4("10.0.0.3"), own, 1);
	assert_non_null(strstr(text.data, "ip saddr != 10.0.0.3 drop"));
	assert_non_null(strstr(text.data, "203.0.114.5"));
	buf_finish(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_name_what_they_must),
	};
	return cmocka_run_group_tests_name("nft_rules", tests, NULL, NULL);
}
