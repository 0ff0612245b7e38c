/* Addresses of plain git repositories: what they mean, and what is none. */

#include "function/resolve.h"

#include "base/buf.h"
#include "base/defer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void addresses_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *asked, *version;
		const char *url, *scheme, *host, *user, *path, *directory, *ref, *package;
		unsigned port;
		int pinned;
	} cases[] = {
		{"https://example.com/u/r.git", NULL, "https://example.com/u/r.git", "https",
			"example.com", "", "u/r", "", "latest", "https://example.com/u/r.git", 443,
			0},
		{"https://Example.com:8443/u/r.git/sub/dir#v1", NULL,
			"https://Example.com:8443/u/r.git", "https", "example.com", "", "u/r",
			"sub/dir", "v1", "https://Example.com:8443/u/r.git/sub/dir", 8443, 0},
		{"example.com/r.git", "feature/x", "https://example.com/r.git", "https",
			"example.com", "", "r", "", "feature/x", "https://example.com/r.git", 443,
			0},
		{"http://127.0.0.1:8080/~u/r.git/a.git/b", NULL, "http://127.0.0.1:8080/~u/r.git",
			"http", "127.0.0.1", "", "~u/r", "a.git/b", "latest",
			"http://127.0.0.1:8080/~u/r.git/a.git/b", 8080, 0},
		{"git://example.com/r.git#0123456789abcdef0123456789abcdef01234567", NULL,
			"git://example.com/r.git", "git", "example.com", "", "r", "",
			"0123456789abcdef0123456789abcdef01234567", "git://example.com/r.git", 9418,
			1},
		{"ssh://git@example.com:2222/u/r.git", NULL, "ssh://git@example.com:2222/u/r.git",
			"ssh", "example.com", "git", "u/r", "", "latest",
			"ssh://git@example.com:2222/u/r.git", 2222, 0},
		{"deploy@example.com:u/r.git/sub#main", NULL, "deploy@example.com:u/r.git", "ssh",
			"example.com", "deploy", "u/r", "sub", "main",
			"deploy@example.com:u/r.git/sub", 22, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct resolve r;
		struct fault f = {0};
		assert_int_equal(resolve_parse(&r, cases[i].asked, cases[i].version, &f), 0);
		assert_non_null(r.git);
		assert_string_equal(r.git->url, cases[i].url);
		assert_string_equal(r.git->scheme, cases[i].scheme);
		assert_string_equal(r.git->host, cases[i].host);
		assert_string_equal(r.git->user != NULL ? r.git->user : "", cases[i].user);
		assert_string_equal(r.git->path, cases[i].path);
		assert_string_equal(r.git->directory, cases[i].directory);
		assert_int_equal(r.git->port, cases[i].port);
		assert_string_equal(r.version, cases[i].ref);
		assert_string_equal(r.package, cases[i].package);
		assert_int_equal(r.pinned, cases[i].pinned);
		assert_false(r.standard);
		struct resolve_git *copy = resolve_git_copy(r.git);
		assert_string_equal(copy->url, r.git->url);
		assert_string_equal(copy->directory, r.git->directory);
		resolve_git_free(copy);
		resolve_finish(&r);
	}
	assert_null(resolve_git_copy(NULL));
}

static void what_is_no_repository_is_left_to_go(void **state)
{
	(void)state;
	static const char *const others[] = {"strings", "github.com/u/r", "https://github.com/u/r",
		"github.com/u/r@v1.0.0", "gopkg.in/yaml.v3@x.git", "example.com/a.gits", "r.git"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(resolve_git_is(others[i]));
}

static void tricks_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *url, *version, *code;
	} cases[] = {{"https://user:pw@example.com/r.git", NULL, "url_invalid"},
		{"https://user@example.com/r.git", NULL, "url_invalid"},
		{"http://:pw@example.com/r.git", NULL, "url_invalid"},
		{"ssh://git:pw@example.com/r.git", NULL, "url_invalid"},
		{"ssh://-oProxyCommand=x@example.com/r.git", NULL, "url_invalid"},
		{"ssh://-oProxyCommand=x/r.git", NULL, "url_invalid"},
		{"git@-oProxyCommand=x:r.git", NULL, "url_invalid"},
		{"ext::sh -c x/r.git", NULL, "url_invalid"},
		{"ext::https://example.com/r.git", NULL, "url_scheme"},
		{"file:///srv/r.git", NULL, "url_scheme"},
		{"ftp://e.com/r.git", NULL, "url_scheme"},
		{"HTTPS://e.com/r.git", NULL, "url_scheme"},
		{"https://e.com/../r.git", NULL, "url_invalid"},
		{"https://e.com/r.git/../x", NULL, "url_invalid"},
		{"https://e.com/r.git/./x", NULL, "url_invalid"},
		{"https://e.com/r.git/.git/x", NULL, "url_invalid"},
		{"https://e.com/r.git/-x", NULL, "url_invalid"},
		{"https://e.com/r.git/", NULL, "url_invalid"},
		{"https://e.com//r.git", NULL, "url_invalid"},
		{"https://e.com/a\nb/r.git", NULL, "url_invalid"},
		{"https://e.com/a b/r.git", NULL, "url_invalid"},
		{"https://e.com/a%2e/r.git", NULL, "url_invalid"},
		{"https://e.com/a\\b/r.git", NULL, "url_invalid"},
		{"https://e.com/r.git?x", NULL, "url_invalid"},
		{"https://e.com/\xc3\xa9/r.git", NULL, "url_invalid"},
		{"https://e.com/r.git\x01", NULL, "url_invalid"},
		{"https://[::1]/r.git", NULL, "url_invalid"},
		{"https:///r.git", NULL, "url_invalid"},
		{"https://e..com/r.git", NULL, "url_invalid"},
		{"https://e.com:0/r.git", NULL, "url_invalid"},
		{"https://e.com:65536/r.git", NULL, "url_invalid"},
		{"https://e.com:/r.git", NULL, "url_invalid"},
		{"https://e.com:80x/r.git", NULL, "url_invalid"},
		{"git://e.com/r", NULL, "url_invalid"}, {"ssh://e.com", NULL, "url_invalid"},
		{"ssh://", NULL, "url_invalid"}, {"git@e.com:/r.git", NULL, "url_invalid"},
		{"https://e.com/r.git@v1.0.0", NULL, "url_git"},
		{"https://e.com/r.git#-x", NULL, "version_invalid"},
		{"https://e.com/r.git#--upload-pack=x", NULL, "version_invalid"},
		{"https://e.com/r.git#", NULL, "version_invalid"},
		{"https://e.com/r.git#a..b", NULL, "version_invalid"},
		{"https://e.com/r.git#a b", NULL, "version_invalid"},
		{"https://e.com/r.git#a:b", NULL, "version_invalid"},
		{"https://e.com/r.git#v*", NULL, "version_invalid"},
		{"https://e.com/r.git#a#b", NULL, "version_invalid"},
		{"https://e.com/r.git", "--upload-pack=x", "version_invalid"},
		{"https://e.com/r.git#v1", "v1", "version_twice"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct resolve r;
		struct fault f = {0};
		if (resolve_parse(&r, cases[i].url, cases[i].version, &f) == 0)
			fail_msg("%s is taken", cases[i].url);
		if (strcmp(f.code, cases[i].code) != 0)
			fail_msg("%s: %s", cases[i].url, f.code);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_null(r.git);
	}
}

static void a_long_url_is_refused(void **state)
{
	(void)state;
	struct resolve r;
	struct fault f = {0};
	defer_free char *name = mem_zero(600, 1);
	memset(name, 'a', 599);
	defer_free char *url = mem_printf("https://e.com/%s.git", name);
	assert_int_equal(resolve_parse(&r, url, NULL, &f), -1);
	assert_string_equal(f.code, "url_invalid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(addresses_are_told_apart),
		cmocka_unit_test(what_is_no_repository_is_left_to_go),
		cmocka_unit_test(tricks_are_refused), cmocka_unit_test(a_long_url_is_refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
