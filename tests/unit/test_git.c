/* Which repositories may be asked for. */

#include "function/git.h"
#include "function/resolve.h"

#include "base/defer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HOSTS                                                                                      \
	"{\"git\": {\"public\": %s, \"hosts\": {\"a.com\": {}, \"a.com:8443\": {\"schemes\": "     \
	"[\"http\"]}, \"b.com\": {\"schemes\": [\"git\", \"http\"]}}}}"

/* What the rules say to a url: "" or the fault's code; *f has more. */
static const char *asked(const char *public, const char *missing, const char *url, struct fault *f)
{
	struct config c;
	struct resolve r;
	defer_buf struct buf faults = {0};
	defer_buf struct buf text = {0};
	*f = (struct fault){0};
	buf_printf(&text, HOSTS, public);
	assert_int_equal(config_parse(&c, text.data, text.len, &faults, f), 0);
	assert_int_equal(resolve_parse(&r, url, NULL, f), 0);
	const struct git_rules rules = {.config = &c, .missing = missing};
	const int allowed = git_check(&rules, r.git, f);
	assert_int_equal(allowed, f->kind == FAULT_NONE ? 0 : -1);
	resolve_finish(&r);
	config_finish(&c);
	return f->code;
}

static void schemes_and_ports_are_the_configurations(void **state)
{
	(void)state;
	static const struct {
		const char *url, *code;
	} cases[] = {{"https://a.com/r.git", ""}, {"https://c.com/r.git", ""},
		{"https://c.com:8443/r.git", ""}, {"http://a.com:8443/r.git", ""},
		{"https://a.com:8443/r.git", "git_scheme_off"},
		{"http://a.com/r.git", "git_scheme_off"}, {"http://c.com/r.git", "git_scheme_off"},
		{"git://b.com/r.git", ""}, {"http://b.com/r.git", ""},
		{"https://b.com/r.git", "git_scheme_off"},
		{"git://b.com:9419/r.git", "git_scheme_off"}, {"git@a.com:r.git", "git_scheme_off"},
		{"ssh://git@c.com/r.git", "git_scheme_off"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault f;
		if (strcmp(asked("true", NULL, cases[i].url, &f), cases[i].code) != 0)
			fail_msg("%s: \"%s\" %s", cases[i].url, f.code, f.text);
		assert_true(f.kind == FAULT_NONE || f.kind == FAULT_FORBIDDEN);
	}
}

static void a_refusal_has_the_line_to_add(void **state)
{
	(void)state;
	struct fault f;
	(void)asked("true", NULL, "git://c.com:99/r.git", &f);
	assert_non_null(
		strstr(f.text, "\"git\": {\"hosts\": {\"c.com:99\": {\"schemes\": [\"git\"]}}}"));
	(void)asked("true", NULL, "git@c.com:r.git", &f);
	assert_non_null(strstr(f.text, "\"c.com\": {\"schemes\": [\"ssh\"], \"ssh_key\""));
}

static void others_can_be_closed(void **state)
{
	(void)state;
	struct fault f;
	assert_string_equal(asked("false", NULL, "https://c.com/r.git", &f), "git_host_off");
	assert_int_equal(f.kind, FAULT_FORBIDDEN);
	assert_string_equal(asked("false", NULL, "https://a.com/r.git", &f), "");
}

static void without_git_nothing_is_served(void **state)
{
	(void)state;
	struct fault f;
	assert_string_equal(asked("true", "no git", "https://a.com/r.git", &f), "git_missing");
	assert_int_equal(f.kind, FAULT_BUSY);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemes_and_ports_are_the_configurations),
		cmocka_unit_test(a_refusal_has_the_line_to_add),
		cmocka_unit_test(others_can_be_closed),
		cmocka_unit_test(without_git_nothing_is_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
