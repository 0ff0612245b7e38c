/* The configuration's fields, one row each, and the way in. config_walk.c reads by the table. */

#include "config/config.h"

#include "base/defer.h"
#include "base/fs.h"
#include "config/config_field.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define KIB         UINT64_C(1024)
#define MIB         (1024 * KIB)
#define GIB         (1024 * MIB)
#define TIB         (1024 * GIB)
#define MS          UINT64_C(1000000)
#define HOUR        (UINT64_C(3600000) * MS)
#define YEAR        (UINT64_C(8760) * HOUR)
#define IDS         UINT64_C(4000000000)
#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static const char *const expressions_words[] = {"off", "simple", "full", NULL};
static const char *const filesystem_words[] = {"auto", "zfs", "overlay", "plain", NULL};

static const char path_words[] = "an absolute path";
static const char token_words[] =
	"visible ASCII without spaces, or {\"file\": path} or {\"env\": name} that hold it";
static const char host_words[] = "a host name or an address";
static const char goproxy_words[] = "visible ASCII without spaces, as in `go env`";

static json_t *state_dir_default(const struct config *c)
{
	(void)c;
	const char *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	if (geteuid() == 0)
		return json_string("/var/lib/sky-island");
	if (xdg != NULL && xdg[0] == '/')
		return json_sprintf("%s/sky-island", xdg);
	if (home != NULL && home[0] == '/')
		return json_sprintf("%s/.local/state/sky-island", home);
	return json_null();
}

/* Function literals are anybody's code within ours: only who sits at this machine has them by
 * default. */
static json_t *expressions_default(const struct config *c)
{
	return json_string(config_is_loopback(c) ? "full" : "simple");
}

#define AT(member) FIELD_AT(struct config, member)
static const struct field fields[] = {
	{"release", &field_string, AT(release), .valid = check_name,
		.allowed = "a release such as \"14.2-RELEASE\""},
	{"http_port", &field_number, AT(http_port), .fallback = "3280", .max = 65535},
	{"admin_api_token", &field_secret, AT(admin_api_token), .valid = check_visible,
		.allowed = token_words, .reload = true},
	{"admin_token_header", &field_string, AT(admin_token_header),
		.fallback = "\"X-Sky-Island-Token\"", .valid = check_header_name,
		.allowed = "a header's name, a token of RFC 9110"},
	{"go_version", &field_string, AT(go_version), .fallback = "\"1.26.8\"",
		.valid = check_go_version, .allowed = "a Go release such as \"1.26.8\""},
	{"base_sys_pkg_dir", &field_string, AT(base_sys_pkg_dir), .valid = check_absolute,
		.there = there_path, .allowed = path_words},
	{"base_sys_pkg_url", &field_string, AT(base_sys_pkg_url), .valid = check_package_url,
		.allowed = "an https:// or file:// URL of a directory"},
	{"state_dir", &field_string, AT(state_dir), .derive = state_dir_default,
		.valid = check_absolute, .allowed = path_words},
	{"listen", &field_string, AT(listen), .fallback = "\"127.0.0.1\"", .valid = check_listen,
		.allowed = "an IPv4 or IPv6 address, or \"unix:\" and an absolute path"},
	{"hostnames", &field_strings, AT(hostnames), .fallback = "[]", .max = 256,
		.valid = check_host, .allowed = "a list of up to 256 host names or addresses"},
	{"open", &field_bool, AT(open), .fallback = "false"},
	{"function_token", &field_secret, AT(function_token), .valid = check_visible,
		.allowed = token_words, .reload = true},
	/* after function_token, which they must differ from */
	{"function_tokens", &field_tokens, .offset = offsetof(struct config, function_tokens),
		.allowed = "a list of up to 64 objects with name and token", .reload = true},
	{"user", &field_string, AT(user), .valid = check_name, .allowed = "a user's name"},
	{"log_level", &field_string, AT(log_level), .fallback = "\"info\"",
		.valid = check_log_level, .allowed = "\"debug\", \"info\", \"warn\" or \"error\""},
	{"expressions", &field_choice, AT(expressions), .derive = expressions_default,
		.choices = expressions_words},

	{"filesystem.zfs_dataset", &field_string, AT(zfs_dataset), .valid = check_dataset,
		.there = there_dataset, .allowed = "a ZFS dataset's name"},
	{"filesystem.compression", &field_bool, AT(compression), .fallback = "false"},
	{"filesystem.quota", &field_size, AT(filesystem_quota), .fallback = "0", .max = 1024 * TIB},
	{"filesystem.type", &field_choice, AT(filesystem_type), .fallback = "\"auto\"",
		.choices = filesystem_words},

	{"network.ip4", &field_pools, .offset = offsetof(struct config, pools),
		.allowed = "an object, or a list of up to 64 of them", .reload = true},

	{"jails.base_jail_dir", &field_string, AT(base_jail_dir), .valid = check_absolute,
		.there = there_path, .allowed = path_words},
	{"jails.cache_default_expiration", &field_duration, AT(cache_default_expiration),
		.fallback = "\"8h\"", .max = YEAR},
	{"jails.cache_purge_after", &field_duration, AT(cache_purge_after), .fallback = "\"24h\"",
		.max = YEAR},
	{"jails.cache_max", &field_size, AT(cache_max), .fallback = "\"4GiB\"", .min = MIB,
		.max = TIB},
	{"jails.children_max", &field_number, AT(children_max), .fallback = "0", .max = 100000},
	{"jails.calls_per_function", &field_number, AT(calls_per_function), .fallback = "0",
		.max = 100000},
	{"jails.queue_max", &field_number, AT(queue_max), .fallback = "512", .max = 100000},
	{"jails.queue_timeout", &field_duration, AT(queue_timeout), .fallback = "\"1s\"", .min = MS,
		.max = HOUR},
	{"jails.monitoring_addr", &field_string, AT(statsd_host), .fallback = "\"127.0.0.1\"",
		.valid = check_host, .allowed = host_words},
	{"jails.build_timeout", &field_duration, AT(build_timeout), .fallback = "\"120s\"",
		.min = MS, .max = 24 * HOUR},
	{"jails.exec_timeout", &field_duration, AT(exec_timeout), .fallback = "\"5s\"", .min = MS,
		.max = 24 * HOUR},
	{"jails.init_timeout", &field_duration, AT(init_timeout), .fallback = "\"5s\"", .min = MS,
		.max = 24 * HOUR},
	{"jails.fetch_timeout", &field_duration, AT(fetch_timeout), .fallback = "\"120s\"",
		.min = MS, .max = 24 * HOUR},
	{"jails.waiting_max", &field_number, AT(waiting_max), .fallback = "1000", .min = 0,
		.max = 10000},
	{"jails.waiting_memory", &field_size, AT(waiting_memory), .fallback = "0", .max = TIB},
	{"jails.memory_reserve", &field_size, AT(memory_reserve), .fallback = "0", .max = TIB},
	{"jails.idle_timeout", &field_duration, AT(idle_timeout), .fallback = "\"10m\"",
		.min = 1000 * MS, .max = 1000 * HOUR},
	{"jails.builds_max", &field_number, AT(builds_max), .fallback = "2", .min = 1, .max = 1024},
	{"jails.uid_base", &field_number, AT(uid_base), .fallback = "200000", .min = 10000,
		.max = IDS},
	{"jails.proc", &field_bool, AT(proc), .fallback = "false"},
	{"jails.output", &field_size, AT(output_max), .fallback = "\"1MiB\"", .min = KIB,
		.max = GIB},
	{"jails.memory", &field_size, AT(exec.memory), .fallback = "\"128MiB\"", .min = 32 * MIB,
		.max = TIB},
	{"jails.pids", &field_number, AT(exec.pids), .fallback = "64", .min = 16, .max = 32768},
	{"jails.tmp", &field_size, AT(exec.tmp), .fallback = "\"16MiB\"", .min = 64 * KIB,
		.max = TIB},
	{"jails.cpu_percent", &field_number, AT(exec.cpu_percent), .fallback = "0", .max = 102400},
	{"jails.reuse", &field_reuse, .offset = offsetof(struct config, reuse),
		.allowed = "a list of up to 32 objects", .reload = true},
	{"jails.build.memory", &field_size, AT(build.memory), .fallback = "\"4GiB\"",
		.min = 256 * MIB, .max = TIB},
	{"jails.build.pids", &field_number, AT(build.pids), .fallback = "512", .min = 64,
		.max = 32768},
	{"jails.build.tmp", &field_size, AT(build.tmp), .fallback = "\"2GiB\"", .min = 64 * MIB,
		.max = TIB},
	{"jails.build.cpu_percent", &field_number, AT(build.cpu_percent), .fallback = "0",
		.max = 102400},

	{"git.hosts", &field_git_hosts, .offset = offsetof(struct config, git_hosts),
		.allowed = "an object of up to 64 hosts, each an object"},
	{"git.public", &field_bool, AT(git_public), .fallback = "true"},
	{"git.repository_max", &field_size, AT(git_repository_max), .fallback = "\"256MiB\"",
		.min = 64 * KIB, .max = TIB},

	{"modules.goproxy", &field_secret, AT(modules.goproxy), .valid = check_visible,
		.allowed = goproxy_words},
	{"modules.gosumdb", &field_string, AT(modules.gosumdb),
		.allowed = "a text, as in `go env`"},
	{"modules.goprivate", &field_string, AT(modules.goprivate), .valid = check_visible,
		.allowed = goproxy_words},
	{"modules.gonoproxy", &field_string, AT(modules.gonoproxy), .valid = check_visible,
		.allowed = goproxy_words},
	{"modules.gonosumdb", &field_string, AT(modules.gonosumdb), .valid = check_visible,
		.allowed = goproxy_words},
	{"modules.https_proxy", &field_secret, AT(modules.https_proxy), .valid = check_proxy,
		.allowed = "http://[user:password@]host[:port]"},
	{"modules.no_proxy", &field_string, AT(modules.no_proxy), .valid = check_visible,
		.allowed = "hosts and .suffixes, divided by commas"},
	{"modules.ssl_cert_file", &field_string, AT(modules.ssl_cert_file), .valid = check_absolute,
		.there = there_path, .allowed = path_words},
	{"modules.cgo", &field_bool, AT(cgo), .fallback = "false"},

	/* after jails.monitoring_addr, which its host overrides */
	{"metrics.statsd", &field_statsd, AT(statsd_host), .fallback = "{}",
		.allowed = "null, or an object with host and port"},
};

static const struct field statsd_fields[] = {
	{"host", &field_string, AT(statsd_host), .valid = check_host, .allowed = host_words},
	{"port", &field_number, AT(statsd_port), .fallback = "8125", .min = 1, .max = 65535},
};

static bool statsd_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)field;
	if (json_is_null(value))
		field_string.drop(at);
	else if (json_is_object(value))
		field_walk(r, statsd_fields, ROWS(statsd_fields), path, value, r->config);
	else
		return false;
	return true;
}

/* Its port has no row of its own here. */
static bool statsd_same(const void *a, const void *b)
{
	const size_t back = offsetof(struct config, statsd_host);
	const struct config *left = (const void *)((const char *)a - back);
	const struct config *right = (const void *)((const char *)b - back);
	return field_string.same(a, b) && left->statsd_port == right->statsd_port;
}

const struct field_kind field_statsd = {.read = statsd_read, .same = statsd_same};

/* Where the text stops being JSON. The words near the place stay out: they may be a token. */
static void syntax_complain(struct reading *r, const json_error_t *e)
{
	const char *near = strstr(e->text, " near ");
	int len = near == NULL ? (int)strlen(e->text) : (int)(near - e->text);
	if (json_error_code(e) == json_error_duplicate_key)
		len = (int)strlen(e->text); /* a name, not a value */
	defer_free char *place = mem_printf("line %d, column %d", e->line, e->column);
	field_complain(
		r, place, "found what is not JSON (%.*s), allowed: one JSON object", len, e->text);
}

int config_parse(
	struct config *c, const char *text, size_t len, struct buf *faults, struct fault *f)
{
	*c = (struct config){0};
	struct reading r = {.config = c, .faults = faults};
	json_error_t e;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (root == NULL) {
		syntax_complain(&r, &e);
	} else if (!json_is_object(root)) {
		field_complain(&r, "configuration", "found a list, allowed: one JSON object");
	} else {
		field_walk(&r, fields, ROWS(fields), "", root, c);
		rules_apply(&r);
	}
	json_decref(root);
	if (r.count == 0)
		return 0;
	field_complain_rest(&r);
	config_finish(c);
	return fault_set(f, FAULT_INPUT, 0, "%u fault%s in the configuration", r.count,
		r.count == 1 ? "" : "s");
}

int config_load(struct config *c, const char *path, struct buf *faults, struct fault *f)
{
	*c = (struct config){0};
	if (path == NULL)
		return config_parse(c, "{}", 2, faults, f);
	size_t len = 0;
	defer_free char *text = fs_read(path, CONFIG_MAX, &len, f);
	if (text == NULL) {
		if (f->kind == FAULT_PLATFORM) /* a directory, not ours to read … */
			f->kind = FAULT_INPUT;
		return fault_wrap(f, "configuration");
	}
	if (config_parse(c, text, len, faults, f) < 0)
		return fault_wrap(f, "%s", path);
	return 0;
}

void config_differences(const struct config *a, const struct config *b, struct buf *paths)
{
	for (size_t i = 0; i < ROWS(fields); i++) {
		const struct field *field = &fields[i];
		const void *left = (const char *)a + field->offset;
		const void *right = (const char *)b + field->offset;
		if (field->reload ||
			(field->kind->same != NULL ? field->kind->same(left, right)
						   : memcmp(left, right, field->size) == 0))
			continue;
		buf_printf(paths, "%s%s", paths->len > 0 ? ", " : "", field->path);
	}
}

void config_finish(struct config *c)
{
	field_drop(fields, ROWS(fields), c);
	pools_drop(c);
	reuse_drop(c);
	buf_finish(&c->warnings);
	*c = (struct config){0};
}

bool config_asks_token(const struct config *c)
{
	return c->function_token != NULL || c->function_tokens_count > 0;
}

bool config_is_loopback(const struct config *c)
{
	struct in_addr ip4;
	struct in6_addr ip6;
	if (c->listen == NULL)
		return false;
	if (strncmp(c->listen, "unix:", 5) == 0)
		return true;
	if (inet_pton(AF_INET, c->listen, &ip4) == 1)
		return ntohl(ip4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, c->listen, &ip6) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&ip6) || (IN6_IS_ADDR_V4MAPPED(&ip6) && ip6.s6_addr[12] == 127);
}
