/* Listening beyond loopback; network.ip4: what follows from what, and the pools that are refused.
 */

#include "config_cases.h"

static void beyond_loopback_a_token_is_needed(void **state)
{
	(void)state;
	bad("{\"listen\": \"0.0.0.0\"}", "listen: found 0.0.0.0",
		"function_token, or with \"open\": true");
	bad("{\"listen\": \"::\"}", "listen: found ::", "function_token");
	bad("{\"listen\": \"192.168.1.5\", \"open\": true, \"admin_api_token\": "
	    "\"asdfasdfasdfasdf\"}",
		"admin_api_token:", "published example");
	bad("{\"listen\": \"192.168.1.5\", \"function_token\": \"asdfasdfasdfasdf\"}",
		"function_token:", "published example");
	/* one fault, one line: the token is faulty, not missing */
	bad("{\"listen\": \"0.0.0.0\", \"function_token\": {\"env\": \"TEST_CONFIG_UNSET\"}}",
		"function_token:", "not set");
	static const char *const fine[] = {"{\"listen\": \"0.0.0.0\", \"open\": true}",
		"{\"listen\": \"::\", \"function_token\": \"t\", \"admin_api_token\": \"a\"}",
		"{\"listen\": \"::ffff:10.0.0.1\", \"open\": true}"};
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		struct config c = good(fine[i]);
		assert_false(config_is_loopback(&c));
		assert_int_equal(c.expressions, CONFIG_EXPRESSIONS_SIMPLE);
		config_finish(&c);
	}
	static const char *const near[] = {"{\"listen\": \"127.8.8.8\"}", "{\"listen\": \"::1\"}",
		"{\"listen\": \"::ffff:127.0.0.1\"}", "{\"listen\": \"unix:/x\"}"};
	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
		struct config c = good(near[i]);
		assert_true(config_is_loopback(&c));
		config_finish(&c);
	}
	struct config c =
		good("{\"listen\": \"0.0.0.0\", \"open\": true, \"expressions\": \"full\"}");
	assert_int_equal(c.expressions, CONFIG_EXPRESSIONS_FULL);
	config_finish(&c);
}

#define POOL(members) "{\"network\": {\"ip4\": {" members "}}}"
#define START_2       "\"start_addr\": \"10.0.0.2\""
#define NET24         "\"mask\": \"255.255.255.0\""

static void pools_fill_in_what_follows(void **state)
{
	(void)state;
	struct config c = good(POOL("\"start_addr\": \"10.1.0.2\", \"mask\": \"255.255.0.0\", "
				    "\"end_addr\": \"10.1.200.9\""));
	assert_string_equal(c.pools[0].gateway, "10.1.0.1");
	assert_null(c.pools[0].interface);
	assert_null(c.pools[0].dns[0]);
	assert_string_equal(c.pools[0].end_addr, "10.1.200.9");
	config_finish(&c);
	c = good("{\"network\": {\"ip4\": ["
		 "{\"name\": \"a\", \"start_addr\": \"10.0.0.2\", " NET24 ", \"range\": 99},"
		 "{\"name\": \"b\", \"start_addr\": \"10.0.0.100\", " NET24
		 ", \"range\": 254, \"gateway\": \"10.0.0.1\"}]}}");
	assert_int_equal(c.pools_count, 2);
	assert_string_equal(c.pools[1].name, "b");
	assert_string_equal(c.pools[1].end_addr, "10.0.0.254");
	config_finish(&c);
	c = good(POOL(START_2 ", " NET24 ", \"range\": 9, \"open\": [\"10.1.0.0/16\", "
			      "\"192.168.1.7/32\"]"));
	assert_string_equal(c.pools[0].open[1], "192.168.1.7/32");
	assert_null(c.pools[0].open[2]);
	config_finish(&c);
	c = good("{\"network\": {\"ip4\": []}}");
	assert_int_equal(c.pools_count, 0);
	config_finish(&c);
}

static void pools_that_cannot_work_are_refused(void **state)
{
	(void)state;
#define START(ip) "\"start_addr\": \"" ip "\""
	static const char *const rows[][3] = {
		{POOL(START("10.0.0.9") ", " NET24 ", \"range\": 8"),
			"network.ip4.range: found 10.0.0.8", "not before"},
		{POOL(START("10.0.0.9") ", " NET24 ", \"range\": 256"),
			"network.ip4.range: found 256", "from 0 to 255"},
		{POOL(START("10.0.0.9") ", " NET24 ", \"range\": 255"),
			"network.ip4.range:", "broadcast"},
		{POOL(START("10.0.0.0") ", " NET24 ", \"range\": 9, \"gateway\": \"10.0.0.99\""),
			"network.ip4.start_addr:", "subnet's own"},
		{POOL(START("10.0.0.1") ", " NET24 ", \"range\": 9"),
			"network.ip4.gateway: found 10.0.0.1", "the pool does not hold"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"gateway\": \"10.0.0.5\""),
			"network.ip4.gateway:", "the pool does not hold"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"gateway\": \"10.0.1.1\""),
			"network.ip4.gateway:", "in the subnet"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"gateway\": \"10.0.0.255\""),
			"network.ip4.gateway:", "in the subnet"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"interface\": \"lo\""),
			"network.ip4.gateway:", "as interface is set"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"end_addr\": \"10.0.1.9\""),
			"network.ip4.end_addr:", "in the subnet"},
		{POOL(START("10.0.0.2") ", \"mask\": \"255.0.255.0\", \"range\": 9"),
			"network.ip4.mask:", "contiguous"},
		{POOL(START("10.0.0.2") ", \"mask\": \"255.255.255.254\", \"range\": 3"),
			"network.ip4.mask:", "contiguous"},
		{POOL(START("10.0.0.2") ", \"mask\": \"0.0.0.0\", \"range\": 3"),
			"network.ip4.mask:", "contiguous"},
		{POOL(START("10.0.0.2") ", \"mask\": \"/24\", \"range\": 3"),
			"network.ip4.mask: found \"/24\"", "contiguous"},
		{POOL(START("10.0.0.256") ", " NET24 ", \"range\": 9"),
			"network.ip4.start_addr:", "an IPv4 address"},
		{POOL(START("127.0.0.2") ", " NET24 ", \"range\": 9"),
			"network.ip4.start_addr:", "beyond loopback"},
		{POOL(START("224.0.0.2") ", " NET24 ", \"range\": 9"),
			"network.ip4.start_addr:", "unicast"},
		{POOL(START("10.0.0.2") ", \"mask\": \"255.0.0.0\", \"end_addr\": \"10.1.0.2\""),
			"network.ip4.end_addr:", "at most 65536"},
		{POOL(START("10.0.0.2") ", " NET24), "network.ip4: found neither", "one of them"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"end_addr\": \"10.0.0.9\""),
			"network.ip4: found both", "one of them"},
		{POOL(NET24 ", \"range\": 9"), "network.ip4.start_addr: found nothing", "first"},
		{POOL(START("10.0.0.2") ", \"range\": 9"), "network.ip4.mask: found nothing",
			"255.255.255.0"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"dns\": [\"dns.example\"]"),
			"network.ip4.dns: found \"dns.example\" at place 0", "IPv4"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"dns\": [\"1.1.1.1\", "
					"\"1.1.1.2\", \"1.1.1.3\", \"1.1.1.4\"]"),
			"network.ip4.dns: found a list", "up to three"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"interface\": \"a/b\""),
			"network.ip4.interface:", "network interface"},
		{"{\"network\": {\"ip4\": 5}}", "network.ip4: found 5", "an object, or a list"},
		{"{\"network\": {\"ip4\": [5]}}", "network.ip4[0]: found", "an object"},
		{"{\"network\": {\"ip4\": [{" START("10.0.0.2") ", " NET24 ", \"range\": 9}]}}",
			"network.ip4[0].name:", "a name of its own"},
		{"{\"network\": {\"ip4\": [{\"name\": \"a\", " START(
			 "10.0.0.2") ", " NET24 ", \"range\": 9},"
				     "{\"name\": \"a\", " START("10.0.0.20") ", " NET24
									     ", \"range\": 29}]}}",
			"network.ip4: found two pools named \"a\"", "for each"},
		{"{\"network\": {\"ip4\": [{\"name\": \"a\", " START(
			 "10.0.0.2") ", " NET24 ", \"range\": 20},"
				     "{\"name\": \"b\", " START("10.0.0.20") ", " NET24
									     ", \"range\": 29}]}}",
			"network.ip4: the pools \"a\" and \"b\" overlap", "one pool"},
		{"{\"network\": {\"ip4\": [{\"name\": \"a\", " START(
			 "10.0.0.2") ", " NET24 ", \"range\": 20},"
				     "{\"name\": \"b\", " START(
					     "10.0.0.30") ", " NET24
							  ", \"range\": 39, \"gateway\": "
							  "\"10.0.0.9\"}]}}",
			"network.ip4: the pool \"a\" holds 10.0.0.9",
			"the gateway of the pool \"b\""},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"open\": [\"10.1.0.1/16\"]"),
			"network.ip4.open: found \"10.1.0.1/16\" at place 0", "networks such as"},
		{POOL(START("10.0.0.2") ", " NET24 ", \"range\": 9, \"open\": \"10.1.0.0/16\""),
			"network.ip4.open: found", "networks such as"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bad(rows[i][0], rows[i][1], rows[i][2]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(beyond_loopback_a_token_is_needed),
		cmocka_unit_test(pools_fill_in_what_follows),
		cmocka_unit_test(pools_that_cannot_work_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
