/* The configuration: defaults, the original's example, every complaint at once with its path,
 * secrets, pools. */

#include "config_cases.h"

#define SECOND INT64_C(1000000000)
#define MIB    (UINT64_C(1) << 20)

/* The original's example, word for word. */
static const char example[] =
	"{\n"
	"    \"release\": \"11.1-RELEASE\",\n"
	"    \"http_port\": 3280,\n"
	"    \"admin_api_token\": \"asdfasdfasdfasdf\",\n"
	"    \"admin_token_header\": \"X-Sky-Island-Token\",\n"
	"    \"go_version\": \"1.9.2\",\n"
	"    \"base_sys_pkg_dir\": \"/tmp/11.1-RELEASE\",\n"
	"    \"filesystem\": {\"zfs_dataset\": \"zroot\", \"compression\": false},\n"
	"    \"network\": {\"ip4\": {\"interface\": \"em0\", \"start_addr\": \"192.168.0.20\", "
	"\"mask\": \"255.255.255.0\", \"range\": 220,\n"
	"                        \"gateway\": \"192.168.0.1\", \"dns\": [\"4.2.2.1\", "
	"\"4.2.2.2\"]}},\n"
	"    \"jails\": {\"base_jail_dir\": \"/zroot/jails\", \"cache_default_expiration\": "
	"\"8h\", "
	"\"cache_purge_after\": \"24h\",\n"
	"              \"children_max\": 0, \"monitoring_addr\": \"127.0.0.1\", \"build_timeout\": "
	"\"10s\", "
	"\"exec_timeout\": \"5s\"}\n"
	"}\n";

static void an_empty_object_has_every_default(void **state)
{
	(void)state;
	struct config c = good("{}");
	assert_string_equal(c.listen, "127.0.0.1");
	assert_int_equal(c.http_port, 3280);
	assert_null(c.hostnames[0]);
	assert_false(c.open);
	assert_null(c.function_token);
	assert_null(c.admin_api_token);
	assert_string_equal(c.admin_token_header, "X-Sky-Island-Token");
	assert_null(c.user);
	assert_string_equal(c.go_version, "1.26.8");
	assert_non_null(c.state_dir);
	assert_null(c.zfs_dataset);
	assert_int_equal(c.filesystem_type, CONFIG_FILESYSTEM_AUTO);
	assert_null(c.modules.goproxy);
	assert_null(c.base_jail_dir);
	assert_false(c.cgo);
	assert_int_equal(c.expressions, CONFIG_EXPRESSIONS_FULL);
	assert_int_equal(c.cache_default_expiration, 8 * 3600 * SECOND);
	assert_int_equal(c.cache_purge_after, 24 * 3600 * SECOND);
	assert_int_equal(c.build_timeout, 120 * SECOND);
	assert_int_equal(c.exec_timeout, 5 * SECOND);
	assert_int_equal(c.init_timeout, 5 * SECOND);
	assert_int_equal(c.fetch_timeout, 120 * SECOND);
	assert_int_equal(c.children_max, 0);
	assert_int_equal(c.builds_max, 2);
	assert_int_equal(c.uid_base, 200000);
	assert_int_equal(c.output_max, MIB);
	assert_int_equal(c.exec.memory, 128 * MIB);
	assert_int_equal(c.exec.pids, 64);
	assert_int_equal(c.exec.tmp, 16 * MIB);
	assert_int_equal(c.exec.cpu_percent, 0);
	assert_int_equal(c.build.memory, 4096 * MIB);
	assert_int_equal(c.build.pids, 512);
	assert_int_equal(c.build.tmp, 2048 * MIB);
	assert_int_equal(c.pools_count, 0);
	assert_string_equal(c.statsd_host, "127.0.0.1");
	assert_int_equal(c.statsd_port, 8125);
	assert_string_equal(c.log_level, "info");
	assert_int_equal(c.warnings.len, 0);
	assert_true(config_is_loopback(&c));
	config_finish(&c);
}

static void the_originals_example_loads_and_warns(void **state)
{
	(void)state;
	struct config c = good(example);
	assert_string_equal(c.release, "11.1-RELEASE");
	assert_string_equal(c.admin_api_token, "asdfasdfasdfasdf");
	assert_string_equal(c.go_version, "1.26.8");
	assert_string_equal(c.zfs_dataset, "zroot");
	assert_int_equal(c.build_timeout, 10 * SECOND);
	assert_int_equal(c.pools_count, 1);
	assert_string_equal(c.pools[0].name, "default");
	assert_string_equal(c.pools[0].interface, "em0");
	assert_string_equal(c.pools[0].start_addr, "192.168.0.20");
	assert_string_equal(c.pools[0].end_addr, "192.168.0.220");
	assert_string_equal(c.pools[0].gateway, "192.168.0.1");
	assert_string_equal(c.pools[0].dns[1], "4.2.2.2");
	assert_null(c.pools[0].dns[2]);
	assert_non_null(
		strstr(c.warnings.data, "go_version: 1.9.2 is older than 1.21; 1.26.8 is used\n"));
	config_finish(&c);
}

static void what_is_not_there_is_a_warning_that_names_the_field(void **state)
{
	(void)state;
	struct config c = good(
		"{\"base_sys_pkg_dir\": \"/nonexistent/base\", \"filesystem\": {\"zfs_dataset\": "
		"\"nosuchpool/x\"}, \"jails\": {\"base_jail_dir\": \"/nonexistent/jails\"}, "
		"\"network\": {\"ip4\": {\"interface\": \"nosuch0\", \"start_addr\": \"10.0.0.2\", "
		"\"mask\": \"255.255.255.0\", \"range\": 9, \"gateway\": \"10.0.0.1\"}}}");
	static const char *const wanted[] = {"base_sys_pkg_dir: /nonexistent/base is not there",
		"filesystem.zfs_dataset: nosuchpool/x is not there",
		"jails.base_jail_dir: /nonexistent/jails is not there",
		"network.ip4.interface: nosuch0 is not there"};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_non_null(strstr(c.warnings.data, wanted[i]));
	assert_int_equal(lines(&c.warnings), 4);
	config_finish(&c);
	c = good("{\"base_sys_pkg_dir\": \"/\", \"network\": {\"ip4\": {\"interface\": \"lo\", "
		 "\"start_addr\": "
		 "\"10.0.0.2\", \"mask\": \"255.255.255.0\", \"range\": 9, \"gateway\": "
		 "\"10.0.0.1\"}}}");
	assert_int_equal(c.warnings.len, 0);
	config_finish(&c);
}

static void every_field_goes_where_it_belongs(void **state)
{
	(void)state;
	struct config c = good(
		"{\"listen\": \"unix:/run/sky.sock\", \"http_port\": 0, \"hostnames\": "
		"[\"a.example\", \"::1\"], "
		"\"open\": true, \"user\": \"www\", \"state_dir\": \"/var/x\", \"go_version\": "
		"\"1.22\", "
		"\"log_level\": \"debug\", \"expressions\": \"off\", \"function_token\": \"f\", "
		"\"filesystem\": {\"type\": \"plain\", \"compression\": true, \"quota\": "
		"\"5GiB\"}, "
		"\"base_sys_pkg_url\": \"https://mirror.example/14.2-RELEASE/\", "
		"\"modules\": {\"goproxy\": \"off\", \"gosumdb\": \"sum.example key\", "
		"\"goprivate\": \"*.corp\", "
		"\"gonoproxy\": \"a\", \"gonosumdb\": \"b\", \"https_proxy\": "
		"\"http://u:p@[::1]:3128/\", "
		"\"no_proxy\": \".corp\", \"ssl_cert_file\": \"/etc\", \"cgo\": true}, "
		"\"jails\": {\"init_timeout\": \"1ms\", \"fetch_timeout\": \"1h30m\", "
		"\"builds_max\": 3, "
		"\"uid_base\": 70000, \"proc\": true, \"output\": 2048, \"memory\": \"64MiB\", "
		"\"pids\": 32, "
		"\"tmp\": 65536, \"cpu_percent\": 150, \"build\": {\"memory\": \"2GiB\", \"pids\": "
		"100, "
		"\"tmp\": \"1GiB\", \"cpu_percent\": 200}}, \"metrics\": {\"statsd\": {\"port\": "
		"9125}}}");
	assert_string_equal(c.listen, "unix:/run/sky.sock");
	assert_true(config_is_loopback(&c));
	assert_int_equal(c.http_port, 0);
	assert_string_equal(c.hostnames[1], "::1");
	assert_true(c.open && c.proc && c.cgo && c.compression);
	assert_string_equal(c.user, "www");
	assert_string_equal(c.state_dir, "/var/x");
	assert_string_equal(c.go_version, "1.22.0");
	assert_string_equal(c.function_token, "f");
	assert_int_equal(c.expressions, CONFIG_EXPRESSIONS_OFF);
	assert_int_equal(c.filesystem_type, CONFIG_FILESYSTEM_PLAIN);
	assert_int_equal(c.filesystem_quota, (uint64_t)5 << 30);
	assert_string_equal(c.base_sys_pkg_url, "https://mirror.example/14.2-RELEASE/");
	assert_string_equal(c.modules.goproxy, "off");
	assert_string_equal(c.modules.gosumdb, "sum.example key");
	assert_string_equal(c.modules.goprivate, "*.corp");
	assert_string_equal(c.modules.gonoproxy, "a");
	assert_string_equal(c.modules.gonosumdb, "b");
	assert_string_equal(c.modules.https_proxy, "http://u:p@[::1]:3128/");
	assert_string_equal(c.modules.no_proxy, ".corp");
	assert_string_equal(c.modules.ssl_cert_file, "/etc");
	assert_int_equal(c.init_timeout, 1000000);
	assert_int_equal(c.fetch_timeout, 5400 * SECOND);
	assert_int_equal(c.builds_max, 3);
	assert_int_equal(c.uid_base, 70000);
	assert_int_equal(c.output_max, 2048);
	assert_int_equal(c.exec.memory, 64 * MIB);
	assert_int_equal(c.exec.pids, 32);
	assert_int_equal(c.exec.tmp, 65536);
	assert_int_equal(c.exec.cpu_percent, 150);
	assert_int_equal(c.build.memory, 2048 * MIB);
	assert_int_equal(c.build.pids, 100);
	assert_int_equal(c.build.tmp, 1024 * MIB);
	assert_int_equal(c.build.cpu_percent, 200);
	assert_string_equal(c.statsd_host, "127.0.0.1");
	assert_int_equal(c.statsd_port, 9125);
	config_finish(&c);
}

static void statsd_has_one_host_and_null_turns_it_off(void **state)
{
	(void)state;
	struct config c = good("{\"metrics\": {\"statsd\": null}, \"jails\": {\"monitoring_addr\": "
			       "\"10.1.1.1\"}}");
	assert_null(c.statsd_host);
	config_finish(&c);
	c = good("{\"jails\": {\"monitoring_addr\": \"10.1.1.1\"}}");
	assert_string_equal(c.statsd_host, "10.1.1.1");
	assert_int_equal(c.statsd_port, 8125);
	config_finish(&c);
	c = good("{\"metrics\": {\"statsd\": {\"host\": \"stats.lan\"}}, \"jails\": "
		 "{\"monitoring_addr\": \"10.1.1.1\"}}");
	assert_string_equal(c.statsd_host, "stats.lan");
	config_finish(&c);
	bad("{\"metrics\": {\"statsd\": false}}", "metrics.statsd: found false",
		"allowed: null, or");
	bad("{\"metrics\": {\"statsd\": {\"prt\": 1}}}", "metrics.statsd.prt: unknown field",
		"did you mean metrics.statsd.port?");
	bad("{\"metrics\": {\"statsd\": {\"port\": 0}}}", "metrics.statsd.port: found 0",
		"from 1 to 65535");
}

static void null_means_none_where_none_is_a_value(void **state)
{
	(void)state;
	struct config c =
		good("{\"user\": null, \"function_token\": null, \"state_dir\": null, "
		     "\"filesystem\": {\"zfs_dataset\": null}, \"network\": {\"ip4\": null}}");
	assert_null(c.user);
	assert_null(c.function_token);
	assert_non_null(c.state_dir);
	config_finish(&c);
	bad("{\"http_port\": null}", "http_port: found null",
		"allowed: a whole number from 0 to 65535");
	bad("{\"open\": null}", "open: found null", "true or false");
}

static void unknown_fields_name_the_nearest(void **state)
{
	(void)state;
	bad("{\"http_prot\": 1}", "http_prot: unknown field", "did you mean http_port?");
	bad("{\"httpPort\": 1}", "httpPort: unknown field", "did you mean http_port?");
	bad("{\"jails\": {\"exec_timout\": \"5s\"}}",
		"jails.exec_timout:", "did you mean jails.exec_timeout?");
	bad("{\"jails\": {\"build\": {\"memry\": 1}}}",
		"jails.build.memry:", "did you mean jails.build.memory?");
	/* in the wrong section */
	bad("{\"exec_timeout\": \"5s\"}", "exec_timeout:", "did you mean jails.exec_timeout?");
	bad("{\"network\": {\"ip4\": {\"start_addr\": \"10.0.0.2\", \"mask\": \"255.0.0.0\", "
	    "\"range\": 9, \"gw\": 1}}}",
		"network.ip4.gw:", "allowed: name, interface");
	bad("{\"quite_something_else\": 1}",
		"quite_something_else:", "allowed: release, http_port,");
	bad("{\"\": 1}", "\"\":", "unknown field");
	bad("{\"jails.proc\": true}", "jails.proc:", "unknown field");
	bad("{\"a\\nb\\u001b\\u009bdefghi\": 1}", "a\\nb\\u001B\\u009Bdefghi:", "unknown field");
}

static void values_not_allowed_say_what_is(void **state)
{
	(void)state;
	static const char *const rows[][3] = {
		{"{\"http_port\": 65536}", "http_port: found 65536", "from 0 to 65535"},
		{"{\"http_port\": -1}", "http_port: found -1", "from 0 to 65535"},
		{"{\"http_port\": 3280.0}", "http_port: found 3280.0", "a whole number"},
		{"{\"http_port\": \"3280\"}", "http_port: found \"3280\"", "a whole number"},
		{"{\"listen\": \"localhost\"}", "listen: found \"localhost\"",
			"an IPv4 or IPv6 address"},
		{"{\"listen\": \"unix:sock\"}", "listen: found", "an absolute path"},
		{"{\"listen\": \"127.0.0.1:80\"}", "listen: found", "an IPv4 or IPv6 address"},
		{"{\"hostnames\": \"a\"}", "hostnames: found \"a\"", "a list"},
		{"{\"hostnames\": [\"ok\", \"-a\"]}", "hostnames: found \"-a\" at place 1",
			"host names"},
		{"{\"hostnames\": [[]]}", "hostnames: found an object or list at place 0",
			"host names"},
		{"{\"open\": \"true\"}", "open: found \"true\"", "true or false"},
		{"{\"admin_token_header\": \"X Y\"}", "admin_token_header: found", "RFC 9110"},
		{"{\"admin_token_header\": \"\"}", "admin_token_header: found \"\"", "RFC 9110"},
		{"{\"go_version\": \"latest\"}", "go_version: found", "a Go release"},
		{"{\"go_version\": \"1.26.8.1\"}", "go_version: found", "a Go release"},
		{"{\"log_level\": \"INFO\"}", "log_level: found", "\"debug\", \"info\""},
		{"{\"expressions\": \"some\"}", "expressions: found \"some\"",
			"\"off\", \"simple\" or \"full\""},
		{"{\"expressions\": 1}", "expressions: found 1", "\"off\""},
		{"{\"state_dir\": \"var\"}", "state_dir: found \"var\"", "an absolute path"},
		{"{\"user\": \"a/b\"}", "user: found", "a user's name"},
		{"{\"release\": \"../x\"}", "release: found", "a release"},
		{"{\"filesystem\": []}", "filesystem: found a list", "an object"},
		{"{\"filesystem\": {\"zfs_dataset\": \"-o x\"}}", "filesystem.zfs_dataset: found",
			"dataset"},
		{"{\"filesystem\": {\"type\": \"zfs\"}}", "filesystem.type: found \"zfs\"",
			"zfs_dataset"},
		{"{\"filesystem\": {\"type\": \"ufs\"}}", "filesystem.type: found \"ufs\"",
			"\"overlay\" or \"plain\""},
		{"{\"filesystem\": {\"zfs_dataset\": \"tank/../x\"}}",
			"filesystem.zfs_dataset: found", "dataset"},
		{"{\"filesystem\": {\"zfs_dataset\": \"tank/sky@now\"}}",
			"filesystem.zfs_dataset: found", "dataset"},
		{"{\"filesystem\": {\"zfs_dataset\": \"tank/-r\"}}",
			"filesystem.zfs_dataset: found", "dataset"},
		{"{\"filesystem\": {\"quota\": \"much\"}}", "filesystem.quota: found \"much\"",
			"\"64MiB\""},
		{"{\"base_sys_pkg_url\": \"http://mirror.example/x\"}", "base_sys_pkg_url: found",
			"https://"},
		{"{\"base_sys_pkg_url\": \"https:///x\"}", "base_sys_pkg_url: found", "https://"},
		{"{\"base_sys_pkg_url\": \"https://m.example/a b\"}", "base_sys_pkg_url: found",
			"https://"},
		{"{\"base_sys_pkg_url\": \"-o/etc/passwd\"}", "base_sys_pkg_url: found",
			"https://"},
		{"{\"jails\": {\"exec_timeout\": \"0s\"}}", "jails.exec_timeout: found \"0s\"",
			"from 1ms to 24h"},
		{"{\"jails\": {\"exec_timeout\": \"25h\"}}",
			"jails.exec_timeout:", "from 1ms to 24h"},
		{"{\"jails\": {\"exec_timeout\": 5}}", "jails.exec_timeout: found 5",
			"such as \"5s\""},
		{"{\"jails\": {\"exec_timeout\": \"-5s\"}}",
			"jails.exec_timeout:", "such as \"5s\""},
		{"{\"jails\": {\"memory\": \"31MiB\"}}", "jails.memory:", "from 32MiB to 1TiB"},
		{"{\"jails\": {\"memory\": \"1MB\"}}", "jails.memory: found \"1MB\"", "\"64MiB\""},
		{"{\"jails\": {\"memory\": \"-1MiB\"}}", "jails.memory:", "from 32MiB"},
		{"{\"jails\": {\"memory\": \"99999999999999999999MiB\"}}",
			"jails.memory:", "from 32MiB"},
		{"{\"jails\": {\"memory\": \"17592186044417MiB\"}}", "jails.memory:", "from 32MiB"},
		{"{\"jails\": {\"pids\": 1}}", "jails.pids: found 1", "from 16 to 32768"},
		{"{\"jails\": {\"builds_max\": 0}}", "jails.builds_max: found 0", "from 1"},
		{"{\"jails\": {\"uid_base\": 0}}", "jails.uid_base: found 0", "from 10000"},
		{"{\"modules\": {\"https_proxy\": \"socks5://x\"}}",
			"modules.https_proxy: found a string", "http://"},
		{"{\"modules\": {\"https_proxy\": \"http://h:0\"}}",
			"modules.https_proxy:", "http://"},
		{"{\"modules\": {\"https_proxy\": \"http://h/x\"}}",
			"modules.https_proxy:", "http://"},
		{"{\"modules\": {\"https_proxy\": \"http://\"}}",
			"modules.https_proxy:", "http://"},
		{"{\"modules\": {\"https_proxy\": \"http://[\"}}",
			"modules.https_proxy:", "http://"},
		{"{\"modules\": {\"https_proxy\": \"http://:80\"}}",
			"modules.https_proxy:", "http://"},
		{"[]", "configuration: found a list", "one JSON object"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bad(rows[i][0], rows[i][1], rows[i][2]);
}

static void all_faults_come_at_once(void **state)
{
	(void)state;
	struct config c;
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	assert_int_equal(
		parse(&c,
			"{\"http_port\": -1, \"nope_nope\": 1, \"listen\": \"0.0.0.0\", \"jails\": "
			"{\"pids\": \"x\", \"memory\": 1}, \"network\": {\"ip4\": {\"mask\": "
			"\"255.0.255.0\"}}}",
			&faults, &f),
		-1);
	static const char *const wanted[] = {"http_port: found -1", "nope_nope: unknown",
		"listen: found 0.0.0.0", "jails.pids: found \"x\"", "jails.memory: found 1",
		"network.ip4.mask: found 255.0.255.0", "network.ip4.start_addr: found nothing",
		"network.ip4: found neither range nor end_addr"};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strstr(faults.data, wanted[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", wanted[i], faults.data);
	assert_int_equal(lines(&faults), 8);
	assert_string_equal(f.text, "8 faults in the configuration");
}

static void a_thousand_faults_are_counted_not_printed(void **state)
{
	(void)state;
	struct config c;
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	defer_buf struct buf text = {0};
	buf_putc(&text, '{');
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "%s\"unheard_of_%d\": 1", i == 0 ? "" : ",", i);
	buf_putc(&text, '}');
	assert_int_equal(config_parse(&c, text.data, text.len, &faults, &f), -1);
	assert_int_equal(lines(&faults), 101);
	assert_non_null(strstr(faults.data, "configuration: 900 more faults\n"));
	assert_string_equal(f.text, "1000 faults in the configuration");
}

static void text_that_is_not_json_says_where(void **state)
{
	(void)state;
	bad("{\n \"open\": tru }", "line 2, column", "not JSON");
	bad("", "line 1, column 0", "not JSON");
	bad("{} x", "line 1, column", "end of file expected");
	bad("{\"open\": true, \"open\": true}", "line 1, column",
		"duplicate object key near '\"open\"'");
	bad("{\"user\": \"a\\u0000b\"}", "line 1, column", "not JSON");
	bad("{\"user\": \"\xff\"}", "line 1, column", "not JSON");
}

static void secrets_never_show(void **state)
{
	(void)state;
	static const char *const texts[] = {"{\"function_token\": \"hunter2 \"}",
		"{\"function_token\": hunter2}", "{\"function_token\" \"hunter2\"}",
		"{\"admin_api_token\": [\"hunter2\"]}",
		"{\"modules\": {\"https_proxy\": \"ftp://u:hunter2@x\"}}",
		"{\"modules\": {\"goproxy\": \"https://u:hunter2@x y\"}}"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config c;
		struct fault f = {0};
		defer_buf struct buf faults = {0};
		assert_int_equal(parse(&c, texts[i], &faults, &f), -1);
		assert_null(strstr(faults.data, "hunter2"));
		assert_null(strstr(f.text, "hunter2"));
	}
}

static void secrets_come_from_files_and_the_environment(void **state)
{
	(void)state;
	char path[] = "/tmp/test_config.XXXXXX";
	defer_close int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_fd(fd, "from-file\r\n", 11, NULL), 0);
	assert_int_equal(setenv("TEST_CONFIG_SECRET", "from-env", 1), 0);
	assert_int_equal(setenv("TEST_CONFIG_EMPTY", "\n", 1), 0);
	defer_free char *text =
		mem_printf("{\"function_token\": {\"file\": \"%s\"}, \"admin_api_token\": "
			   "{\"env\": \"TEST_CONFIG_SECRET\"}}",
			path);
	struct config c = good(text);
	assert_string_equal(c.function_token, "from-file");
	assert_string_equal(c.admin_api_token, "from-env");
	config_finish(&c);

	bad("{\"function_token\": {\"env\": \"TEST_CONFIG_EMPTY\"}}",
		"function_token: TEST_CONFIG_EMPTY is empty", "");
	bad("{\"function_token\": {\"env\": \"TEST_CONFIG_UNSET\"}}",
		"function_token:", "TEST_CONFIG_UNSET is not set");
	bad("{\"function_token\": {\"file\": \"/nonexistent/t\"}}",
		"function_token:", "/nonexistent/t");
	bad("{\"function_token\": {\"file\": \"/tmp\"}}", "function_token:", "/tmp");
	bad("{\"function_token\": {\"file\": \"a\", \"env\": \"b\"}}",
		"function_token:", "{\"file\": path} or");
	bad("{\"function_token\": {}}", "function_token:", "{\"file\": path} or");
	assert_int_equal(ftruncate(fd, 0), 0);
	bad(text, "function_token:", "is empty");
	assert_int_equal(pwrite(fd, "two words", 9, 0), 9);
	bad(text, "function_token:", "not allowed; allowed: visible ASCII");
	assert_int_equal(pwrite(fd, "a\0b", 3, 0), 3);
	bad(text, "function_token:", "NUL");
	(void)unlink(path);
}

static void go_versions_are_ours_or_newer(void **state)
{
	(void)state;
	static const char *const rows[][2] = {{"1.20.14", "1.26.8"}, {"1.9", "1.26.8"},
		{"0.9", "1.26.8"}, {"1.21.0", "1.21.0"}, {"1.21", "1.21.0"}, {"1.27rc1", "1.27rc1"},
		{"2.0", "2.0.0"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		defer_free char *text = mem_printf("{\"go_version\": \"%s\"}", rows[i][0]);
		struct config c = good(text);
		assert_string_equal(c.go_version, rows[i][1]);
		assert_int_equal(c.warnings.len != 0, strcmp(rows[i][1], "1.26.8") == 0);
		config_finish(&c);
	}
}

static void files_are_loaded_and_named(void **state)
{
	(void)state;
	struct config c;
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	assert_int_equal(config_load(&c, NULL, &faults, &f), 0);
	assert_int_equal(c.http_port, 3280);
	config_finish(&c);
	assert_int_equal(config_load(&c, "/nonexistent/config.json", &faults, &f), -1);
	assert_int_equal(f.kind, FAULT_NOT_FOUND);
	assert_non_null(strstr(f.text, "/nonexistent/config.json"));
	char path[] = "/tmp/test_config.XXXXXX";
	defer_close int fd = mkstemp(path);
	assert_int_equal(fs_write_fd(fd, "{\"open\": 1}", 11, NULL), 0);
	assert_int_equal(config_load(&c, path, &faults, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_non_null(strstr(f.text, path));
	assert_non_null(strstr(f.text, "1 fault in the configuration"));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, example, strlen(example), 0), (ssize_t)strlen(example));
	assert_int_equal(config_load(&c, path, &faults, &f), 0);
	config_finish(&c);
	assert_int_equal(ftruncate(fd, CONFIG_MAX + 1), 0);
	assert_int_equal(config_load(&c, path, &faults, &f), -1);
	assert_int_equal(f.kind, FAULT_TOO_LARGE);
	(void)unlink(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_object_has_every_default),
		cmocka_unit_test(the_originals_example_loads_and_warns),
		cmocka_unit_test(what_is_not_there_is_a_warning_that_names_the_field),
		cmocka_unit_test(every_field_goes_where_it_belongs),
		cmocka_unit_test(statsd_has_one_host_and_null_turns_it_off),
		cmocka_unit_test(null_means_none_where_none_is_a_value),
		cmocka_unit_test(unknown_fields_name_the_nearest),
		cmocka_unit_test(values_not_allowed_say_what_is),
		cmocka_unit_test(all_faults_come_at_once),
		cmocka_unit_test(a_thousand_faults_are_counted_not_printed),
		cmocka_unit_test(text_that_is_not_json_says_where),
		cmocka_unit_test(secrets_never_show),
		cmocka_unit_test(secrets_come_from_files_and_the_environment),
		cmocka_unit_test(go_versions_are_ours_or_newer),
		cmocka_unit_test(files_are_loaded_and_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
