/* function_tokens: names and tokens each once, secrets never shown, and their way over SIGHUP. */

#include "config_cases.h"

#include "node/node.h"
#include "pool/caller.h"

#include <stdio.h>

static void tokens_have_names_and_limits(void **state)
{
	(void)state;
	struct config c = good("{\"function_token\": \"d\", \"function_tokens\": ["
			       "{\"name\": \"team-a\", \"token\": \"a\", \"calls_max\": 20}, "
			       "{\"name\": \"b2\", \"token\": {\"env\": \"TEST_TOKENS_B\"}}]}");
	assert_int_equal(c.function_tokens_count, 2);
	assert_string_equal(c.function_tokens[0].name, "team-a");
	assert_string_equal(c.function_tokens[0].token, "a");
	assert_int_equal(c.function_tokens[0].calls_max, 20);
	assert_string_equal(c.function_tokens[1].token, "of-b");
	assert_int_equal(c.function_tokens[1].calls_max, 0);
	assert_true(config_asks_token(&c));
	config_finish(&c);
	c = good("{\"function_tokens\": []}");
	assert_false(config_asks_token(&c));
	config_finish(&c);
}

#define ONE(members) "{\"function_tokens\": [{" members "}]}"
#define TWO(a, b)    "{\"function_tokens\": [{" a "}, {" b "}]}"

static void what_is_wrong_is_said_with_its_place(void **state)
{
	(void)state;
	bad("{\"function_tokens\": {}}", "function_tokens: found an object", "a list of up to 64");
	bad("{\"function_tokens\": [\"hunter2\"]}", "function_tokens[0]: found what is no object",
		"name, token");
	bad(ONE("\"name\": \"a\""), "function_tokens[0].token: found nothing", "a token");
	bad(ONE("\"token\": \"a\""), "function_tokens[0].name: found nothing", "a name");
	bad(ONE("\"name\": \"A\", \"token\": \"a\""), "function_tokens[0].name: found \"A\"",
		"a to z");
	bad(ONE("\"name\": \"a\", \"token\": \"hunter 2\""),
		"function_tokens[0].token: found a string that is not shown", "visible");
	bad(ONE("\"name\": \"a\", \"token\": \"b\", \"call_max\": 1"),
		"function_tokens[0].call_max: unknown field", "calls_max");
	bad(TWO("\"name\": \"a\", \"token\": \"b\"", "\"name\": \"a\", \"token\": \"c\""),
		"function_tokens[1].name: found a name that another", "once");
	bad(TWO("\"name\": \"a\", \"token\": \"b\"", "\"name\": \"c\", \"token\": \"b\""),
		"function_tokens[1].token: found a token that is there", "once");
	bad("{\"function_token\": \"b\", \"function_tokens\": [{\"name\": \"default\", \"token\": "
	    "\"c\"}]}",
		"function_tokens[0].name:", "function_token's");
	bad("{\"function_token\": \"b\", \"function_tokens\": [{\"name\": \"a\", \"token\": "
	    "\"b\"}]}",
		"function_tokens[0].token:", "once");
}

static void they_guard_a_server_beyond_loopback(void **state)
{
	(void)state;
	struct config c = good("{\"listen\": \"0.0.0.0\", \"function_tokens\": [{\"name\": \"a\", "
			       "\"token\": \"b\"}]}");
	config_finish(&c);
	bad("{\"listen\": \"0.0.0.0\", \"function_tokens\": []}", "listen: found 0.0.0.0",
		"beyond loopback");
	bad("{\"listen\": \"0.0.0.0\", \"function_tokens\": [{\"name\": \"a\", \"token\": "
	    "\"asdfasdfasdfasdf\"}]}",
		"function_tokens[0].token: found the token of the published example", "your own");
}

static void sixty_four_of_the_longest_arrive_by_sighup(void **state)
{
	(void)state;
	struct buf text = {0};
	buf_puts(&text, "{\"function_tokens\": [");
	for (int i = 0; i < 64; i++) {
		buf_printf(&text, "%s{\"name\": \"%032d\", \"calls_max\": %d, \"token\": \"%04d",
			i > 0 ? "," : "", i, i, i);
		for (int at = 4; at < 512; at++)
			buf_puts(&text, "\\\""); /* a byte that takes two in JSON */
		buf_puts(&text, "\"}");
	}
	buf_puts(&text, "]}");
	struct config sent = good(text.data);
	char *said = config_reload_text(&sent);
	assert_true(strlen(said) < NODE_CONTROL_MAX);
	struct config came = good(said);
	struct config c = good("{\"function_tokens\": [{\"name\": \"a\", \"token\": \"b\"}]}");
	config_reload_take(&c, &came);
	assert_int_equal(c.function_tokens_count, 64);
	assert_int_equal(c.function_tokens[63].calls_max, 63);
	assert_string_equal(c.function_tokens[63].token, sent.function_tokens[63].token);
	assert_int_equal(came.function_tokens_count, 0);
	free(said);
	buf_finish(&text);
	config_finish(&came);
	config_finish(&sent);
	config_finish(&c);
}

static void a_caller_outlasts_its_token(void **state)
{
	(void)state;
	struct caller *all = NULL;
	struct caller *a = caller_named(&all, "a", 1);
	struct caller *b = caller_named(&all, "b", 0);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(caller_named(&all, "a", 7), a);
	assert_int_equal(a->calls_max, 7);
	while (all != NULL) {
		struct caller *caller = all;
		all = caller->next;
		free((char *)(uintptr_t)caller->name);
		free(caller);
	}
}

int main(void)
{
	(void)setenv("TEST_TOKENS_B", "of-b", 1);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_have_names_and_limits),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(they_guard_a_server_beyond_loopback),
		cmocka_unit_test(sixty_four_of_the_longest_arrive_by_sighup),
		cmocka_unit_test(a_caller_outlasts_its_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
