/* What SIGHUP reads again: which fields differ, what may be taken over, and its way as text. */

#include "config_cases.h"

#include "node/node.h"

#include <stdio.h>

#define POOL                                                                                       \
	"{\"name\": \"a\", \"start_addr\": \"10.0.0.2\", \"mask\": \"255.255.255.0\", \"range\": " \
	"9, "                                                                                      \
	"\"dns\": [\"9.9.9.9\"]}"

static void assert_differences(const char *a, const char *b, const char *paths)
{
	struct config left = good(a);
	struct config right = good(b);
	struct buf found = {0};
	config_differences(&left, &right, &found);
	assert_string_equal(found.data != NULL ? found.data : "", paths);
	buf_finish(&found);
	config_finish(&left);
	config_finish(&right);
}

static void fields_that_differ_are_named_once(void **state)
{
	(void)state;
	assert_differences("{}", "{}", "");
	assert_differences(
		"{}", "{\"http_port\": 3280, \"jails\": {\"exec_timeout\": \"5000ms\"}}", "");
	assert_differences("{\"user\": \"a\"}", "{}", "user");
	assert_differences("{\"user\": \"a\"}", "{\"user\": \"b\"}", "user");
	assert_differences("{\"open\": true, \"hostnames\": [\"a\", \"b\"]}",
		"{\"hostnames\": [\"a\"], \"jails\": {\"memory\": \"64MiB\"}}",
		"hostnames, open, jails.memory");
	assert_differences("{\"hostnames\": [\"a\"]}", "{\"hostnames\": [\"b\"]}", "hostnames");
	assert_differences("{\"expressions\": \"off\"}", "{}", "expressions");
	assert_differences("{}", "{\"metrics\": {\"statsd\": {\"port\": 1}}}", "metrics.statsd");
	assert_differences("{\"modules\": {\"goproxy\": \"a\"}}",
		"{\"modules\": {\"goproxy\": \"b\"}}", "modules.goproxy");
}

static void tokens_and_pools_need_no_restart(void **state)
{
	(void)state;
	assert_differences("{\"admin_api_token\": \"a\"}",
		"{\"admin_api_token\": \"b\", \"function_token\": \"c\", \"network\": "
		"{\"ip4\": " POOL "}}",
		"");
}

/* Where the server listens is the running configuration's word, not the new one's. */
static void assert_check(const char *running, const char *fresh, const char *complaint)
{
	struct config left = good(running);
	struct config right = good(fresh);
	struct buf faults = {0};
	struct fault f = {0};
	const int checked = config_reload_check(&left, &right, &faults, &f);
	if (complaint == NULL) {
		assert_int_equal(checked, 0);
		assert_int_equal(faults.len, 0);
	} else {
		assert_int_equal(checked, -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_non_null(strstr(faults.data, complaint));
	}
	buf_finish(&faults);
	config_finish(&left);
	config_finish(&right);
}

static void a_server_beyond_loopback_keeps_its_guard(void **state)
{
	(void)state;
	static const char guarded[] = "{\"listen\": \"0.0.0.0\", \"function_token\": \"a\"}";
	assert_check(guarded, "{\"function_token\": \"b\"}", NULL);
	assert_check(guarded, "{}", "listen: found 0.0.0.0, which is beyond loopback");
	assert_check(guarded, "{\"listen\": \"0.0.0.0\", \"open\": true}", "beyond loopback");
	assert_check(guarded, "{\"function_token\": \"asdfasdfasdfasdf\"}",
		"function_token: found the token of the published example");
	assert_check(guarded,
		"{\"function_token\": \"b\", \"admin_api_token\": \"asdfasdfasdfasdf\"}",
		"admin_api_token: found the token of the published example");
	assert_check("{\"listen\": \"0.0.0.0\", \"open\": true}", "{}", NULL);
	assert_check("{}", "{\"admin_api_token\": \"asdfasdfasdfasdf\"}", NULL);
}

/* What arrives at the server for a configuration. */
static struct config carried(const char *text)
{
	struct config sent = good(text);
	char *said = config_reload_text(&sent);
	assert_non_null(said);
	assert_true(strlen(said) < NODE_CONTROL_MAX);
	struct config came = good(said);
	struct config taken = good("{\"admin_api_token\": \"old\", \"function_token\": \"old\", "
				   "\"http_port\": 1, \"network\": {\"ip4\": " POOL "}}");
	config_reload_take(&taken, &came);
	assert_int_equal(taken.http_port, 1);
	free(said);
	config_finish(&came);
	config_finish(&sent);
	return taken;
}

static void tokens_and_pools_arrive(void **state)
{
	(void)state;
	struct config c = carried("{\"admin_api_token\": \"\\\"a\\\\\", \"http_port\": 2, "
				  "\"network\": {\"ip4\": [" POOL
				  ", {\"name\": \"b\", \"start_addr\": \"10.1.0.2\", \"end_addr\": "
				  "\"10.1.0.3\", \"mask\": \"255.255.0.0\"}]}}");
	assert_string_equal(c.admin_api_token, "\"a\\");
	assert_null(c.function_token);
	assert_int_equal(c.pools_count, 2);
	assert_string_equal(c.pools[0].name, "a");
	assert_string_equal(c.pools[0].end_addr, "10.0.0.9");
	assert_string_equal(c.pools[0].gateway, "10.0.0.1");
	assert_string_equal(c.pools[0].dns[0], "9.9.9.9");
	assert_string_equal(c.pools[1].name, "b");
	assert_string_equal(c.pools[1].end_addr, "10.1.0.3");
	config_finish(&c);
	c = carried("{}");
	assert_null(c.admin_api_token);
	assert_int_equal(c.pools_count, 0);
	config_finish(&c);
}

static void the_largest_fits_a_message(void **state)
{
	(void)state;
	struct buf text = {0};
	buf_printf(&text,
		"{\"admin_api_token\": \"%08192d\", \"function_token\": \"%08192d\", "
		"\"network\": {\"ip4\": [",
		1, 2);
	for (int i = 0; i < 64; i++)
		buf_printf(&text,
			"%s{\"name\": \"%032d\", \"interface\": \"interface-%05d\", "
			"\"start_addr\": "
			"\"100.100.%d.101\", \"end_addr\": \"100.100.%d.102\", \"mask\": "
			"\"255.255.255.0\", \"gateway\": \"100.100.%d.100\", \"dns\": "
			"[\"100.100.100.100\", \"100.100.100.101\", \"100.100.100.102\"]}",
			i > 0 ? "," : "", i, i, 100 + i, 100 + i, 100 + i);
	buf_puts(&text, "]}}");
	struct config c = carried(text.data);
	assert_int_equal(c.pools_count, 64);
	buf_finish(&text);
	config_finish(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_that_differ_are_named_once),
		cmocka_unit_test(tokens_and_pools_need_no_restart),
		cmocka_unit_test(a_server_beyond_loopback_keeps_its_guard),
		cmocka_unit_test(tokens_and_pools_arrive),
		cmocka_unit_test(the_largest_fits_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
