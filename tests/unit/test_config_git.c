/* The configuration's git.hosts. */

#include "config_cases.h"

#define KEY   "-----BEGIN OPENSSH PRIVATE KEY-----\\nx\\n-----END OPENSSH PRIVATE KEY-----"
#define KNOWN "\"known_hosts\": \"e.com ssh-ed25519 AAAA\""

static void without_hosts_https_is_public(void **state)
{
	(void)state;
	struct config c = good("{}");
	assert_int_equal(c.git_hosts_count, 0);
	assert_true(c.git_public);
	assert_int_equal(c.git_repository_max, 256 << 20);
	assert_null(config_git_find(&c, "e.com", 0));
	config_finish(&c);
}

static void hosts_are_read(void **state)
{
	(void)state;
	(void)setenv("GIT_TEST_TOKEN", "s3cret", 1);
	struct config c =
		good("{\"git\": {\"public\": false, \"repository_max\": \"1MiB\", \"hosts\": "
		     "{\"A.com\": {}, "
		     "\"a.com:8443\": {\"token\": {\"env\": \"GIT_TEST_TOKEN\"}, \"user\": \"me\", "
		     "\"private\": true, \"schemes\": [\"https\", \"http\"]}, "
		     "\"b.com\": {\"schemes\": [\"ssh\"], \"ssh_key\": \"" KEY "\", " KNOWN "}}}}");
	assert_int_equal(c.git_hosts_count, 3);
	assert_false(c.git_public);
	assert_int_equal(c.git_repository_max, 1 << 20);
	const struct config_git_host *host = config_git_find(&c, "a.com", 0);
	assert_non_null(host);
	assert_true(config_git_serves(host, "https"));
	assert_false(config_git_serves(host, "http"));
	assert_string_equal(host->user, "git");
	assert_null(host->token);
	host = config_git_find(&c, "A.COM", 8443);
	assert_non_null(host);
	assert_true(config_git_serves(host, "http"));
	assert_true(host->private);
	assert_string_equal(host->token, "s3cret");
	assert_string_equal(host->user, "me");
	host = config_git_find(&c, "b.com", 0);
	assert_non_null(host);
	assert_non_null(strstr(host->ssh_key, "PRIVATE KEY-----\nx\n"));
	config_finish(&c);
}

static void what_cannot_work_is_refused(void **state)
{
	(void)state;
	static const char *const rows[][3] = {
		{"{\"git\": {\"hosts\": []}}", "git.hosts: found a list", "64 hosts"},
		{"{\"git\": {\"host\": {}}}", "git.host: unknown field", "git.hosts"},
		{"{\"git\": {\"hosts\": {\"a b\": {}}}}", "git.hosts: found the name a b",
			"host:port"},
		{"{\"git\": {\"hosts\": {\"https://a.com\": {}}}}", "git.hosts: found the name",
			"host:port"},
		{"{\"git\": {\"hosts\": {\"a.com:0\": {}}}}", "git.hosts: found the name", ""},
		{"{\"git\": {\"hosts\": {\"a.com:x\": {}}}}", "git.hosts: found the name", ""},
		{"{\"git\": {\"hosts\": {\"a.com:\": {}}}}", "git.hosts: found the name", ""},
		{"{\"git\": {\"hosts\": {\"a.com\": true}}}", "git.hosts.a.com: found what",
			"object"},
		{"{\"git\": {\"hosts\": {\"a.com\": {}, \"A.com\": {}}}}",
			"git.hosts.A.com:", "each once"},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"schemes\": [\"ftp\"]}}}}",
			"git.hosts.a.com.schemes:", "\"ftp\" at place 0"},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"schemes\": []}}}}",
			"git.hosts.a.com.schemes:", ""},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"tokn\": \"x\"}}}}",
			"git.hosts.a.com.tokn:", "token"},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"token\": \"a b\"}}}}",
			"git.hosts.a.com.token: found a string that is not shown", "visible"},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"user\": \"-x\"}}}}",
			"git.hosts.a.com.user:", ""},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"schemes\": [\"ssh\"], " KNOWN "}}}}",
			"git.hosts.a.com.ssh_key: found nothing", "private key"},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"schemes\": [\"ssh\"], \"ssh_key\": \"" KEY
		 "\"}}}}",
			"git.hosts.a.com.known_hosts: found nothing", "known_hosts"},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"ssh_key\": \"x\"}}}}",
			"git.hosts.a.com.ssh_key: found a string that is not shown", "ssh-keygen"},
		{"{\"git\": {\"hosts\": {\"a.com\": {" KNOWN "}}}}",
			"git.hosts.a.com.schemes:", "\"ssh\""},
		{"{\"git\": {\"hosts\": {\"a.com\": {\"schemes\": [\"git\"], \"token\": \"x\"}}}}",
			"git.hosts.a.com.schemes:", "with token"},
		{"{\"git\": {\"repository_max\": 1}}", "git.repository_max:", "64KiB"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bad(rows[i][0], rows[i][1], rows[i][2]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_hosts_https_is_public),
		cmocka_unit_test(hosts_are_read),
		cmocka_unit_test(what_cannot_work_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
