/* jails.reuse: its rules, which of them is a call's, and their way over SIGHUP. */

#include "config_cases.h"

#include <stdio.h>

static void a_rule_has_limits(void **state)
{
	(void)state;
	struct config c =
		good("{\"jails\": {\"reuse\": [{\"url\": \"strings\"}, {\"url\": \"a.b/*\", "
		     "\"calls\": 5, \"age\": \"2s\", \"memory\": \"2MiB\", \"when\": "
		     "\"always\"}]}}");
	assert_int_equal(c.reuse_count, 2);
	assert_int_equal(c.reuse[0].calls, 1000);
	assert_int_equal(c.reuse[0].age, 60000000000);
	assert_int_equal(c.reuse[0].memory, 16 << 20);
	assert_int_equal(c.reuse[0].when, CONFIG_REUSE_ASKED);
	assert_null(c.reuse[0].tokens);
	assert_int_equal(c.reuse[1].calls, 5);
	assert_int_equal(c.reuse[1].age, 2000000000);
	assert_int_equal(c.reuse[1].memory, 2 << 20);
	assert_int_equal(c.reuse[1].when, CONFIG_REUSE_ALWAYS);
	config_finish(&c);
	c = good("{}");
	assert_int_equal(c.reuse_count, 0);
	assert_null(config_reuse_find(&c, "strings", NULL));
	config_finish(&c);
}

#define ONE(members) "{\"jails\": {\"reuse\": [{" members "}]}}"

static void what_is_wrong_is_said_with_its_place(void **state)
{
	(void)state;
	bad("{\"jails\": {\"reuse\": {}}}", "jails.reuse: found an object", "a list of up to 32");
	bad("{\"jails\": {\"reuse\": [\"strings\"]}}", "jails.reuse[0]: found what is no object",
		"url");
	bad(ONE(""), "jails.reuse[0].url: found nothing", "path");
	bad(ONE("\"url\": \"a*b\""), "jails.reuse[0].url: found \"a*b\"", "its beginning");
	bad(ONE("\"url\": \"a\", \"calls\": 1"), "jails.reuse[0].calls: found 1", "from 2");
	bad(ONE("\"url\": \"a\", \"memory\": 1"), "jails.reuse[0].memory: found 1", "1MiB");
	bad(ONE("\"url\": \"a\", \"when\": \"never\""), "jails.reuse[0].when: found \"never\"",
		"\"asked\" or \"always\"");
	bad(ONE("\"url\": \"a\", \"tokens\": []"), "jails.reuse[0].tokens: found a list", "names");
	bad(ONE("\"url\": \"a\", \"tokens\": [\"x\"]"), "jails.reuse[0].tokens: found \"x\"",
		"function_tokens");
	bad(ONE("\"url\": \"a\", \"tokens\": [\"default\"]"),
		"jails.reuse[0].tokens: found \"default\"", "function_token");
	bad(ONE("\"url\": \"a\", \"call\": 5"), "jails.reuse[0].call: unknown field", "calls");
}

static unsigned calls_of(const struct config *c, const char *url, const char *caller)
{
	const struct config_reuse *rule = config_reuse_find(c, url, caller);
	return rule != NULL ? rule->calls : 0;
}

static const char rules[] =
	"{\"function_token\": \"d\", \"function_tokens\": [{\"name\": \"a\", \"token\": \"x\"}], "
	"\"jails\": {\"reuse\": ["
	"{\"url\": \"h.io/me/one\", \"calls\": 11}, "
	"{\"url\": \"h.io/me/*\", \"tokens\": [\"a\"], \"calls\": 12}, "
	"{\"url\": \"h.io/me/two\", \"tokens\": [\"default\"], \"calls\": 13}, "
	"{\"url\": \"*\", \"tokens\": [\"default\", \"a\"], \"calls\": 14}]}}";

static void check_rules(const struct config *c)
{
	assert_int_equal(calls_of(c, "h.io/me/one", "a"), 11);
	assert_int_equal(calls_of(c, "h.io/me/one", NULL), 11);
	assert_int_equal(calls_of(c, "h.io/me/one/more", "a"), 12);
	assert_int_equal(calls_of(c, "h.io/me/two", "a"), 12);
	assert_int_equal(calls_of(c, "h.io/me/two", "default"), 13);
	assert_int_equal(calls_of(c, "h.io/me", "a"), 14);
	assert_int_equal(calls_of(c, "h.io/Me/one", "default"), 14);
	assert_int_equal(calls_of(c, "h.io/me/two", NULL), 0);
	assert_int_equal(calls_of(c, "strings", "others"), 0);
}

static void the_first_that_fits_counts(void **state)
{
	(void)state;
	struct config c = good(rules);
	check_rules(&c);
	config_finish(&c);
}

static void sighup_takes_them_over(void **state)
{
	(void)state;
	struct config running = good("{\"jails\": {\"reuse\": [{\"url\": \"old\"}]}}");
	struct config read = good(rules);
	char *text = config_reload_text(&read);
	struct config sent = good(text);
	config_reload_take(&running, &sent);
	check_rules(&running);
	assert_null(config_reuse_find(&running, "old", NULL));
	assert_int_equal(sent.reuse_count, 0);
	free(text);
	config_finish(&sent);
	config_finish(&read);
	config_finish(&running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_has_limits),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(the_first_that_fits_counts),
		cmocka_unit_test(sighup_takes_them_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
