/* How fetch jails reach modules, and what each kind of jail is made of: filled once, before anyone
 * is forked. */

#include "node/node.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TREES_MAX = 8, TRUSTED_MAX = 16 };

/* ---- modules ---- */

/* The configuration's word, else the environment's, else what `go env` says (which knows the user's
 * own Go settings). */
static char *setting(const char *configured, const char *name, const json_t *go_env)
{
	const char *value = configured;
	if (value == NULL)
		value = getenv(name);
	if (value == NULL)
		value = json_string_value(json_object_get(go_env, name));
	return mem_strdup(value != NULL ? value : "");
}

static char *proxy_setting(const char *configured, const char *upper, const char *lower)
{
	const char *value = configured != NULL ? configured : getenv(upper);
	if (value == NULL)
		value = getenv(lower);
	return value != NULL && value[0] != '\0' ? mem_strdup(value) : NULL;
}

static json_t *go_env_read(const struct node *n)
{
	defer_free char *go = mem_printf("%s/bin/go", n->plan.toolchain);
	defer_free char *root = mem_printf("GOROOT=%s", n->plan.toolchain);
	defer_free char *home =
		mem_printf("HOME=%s", getenv("HOME") != NULL ? getenv("HOME") : "/nonexistent");
	char *kept[NODE_GO_SETTINGS];
	node_go_settings(n, kept);
	char *const env[] = {
		root, home, (char *)"GOTOOLCHAIN=local", kept[0], kept[1], kept[2], NULL};
	char *const argv[] = {go, (char *)"env", (char *)"-json", (char *)"GOPROXY",
		(char *)"GOSUMDB", (char *)"GOPRIVATE", (char *)"GONOPROXY", (char *)"GONOSUMDB",
		NULL};
	const struct proc_spec spec = {.argv = argv, .env = env, .dir = "/"};
	defer_buf struct buf out = {0};
	struct fault f = {0};
	int ran = proc_run(&spec, &out, &f);
	for (size_t i = 0; i < NODE_GO_SETTINGS; i++)
		free(kept[i]);
	if (ran < 0) {
		log_warn("go env: %s", f.text);
		return NULL;
	}
	return json_loadb(out.data, out.len, 0, NULL);
}

/* The host (and port) of "https://user:word@host:port/path", or of a bare "host/path". */
static char *host_of(const char *url)
{
	const char *at = strstr(url, "://");
	at = at != NULL ? at + 3 : url;
	size_t len = strcspn(at, "/");
	const char *user = memchr(at, '@', len);
	if (user != NULL) {
		len -= (size_t)(user + 1 - at);
		at = user + 1;
	}
	return mem_strndup(at, len);
}

static void trusted_add(struct node_modules *m, const char *url)
{
	size_t count = 0;
	while (m->trusted[count] != NULL)
		count++;
	if (count < TRUSTED_MAX)
		m->trusted[count] = host_of(url);
}

/* GOPROXY for fetch jails: file:// trees are bound there under /modules, `direct` is left out (no
 * jail talks to version control hosts by itself), the hosts of the rest may be private: the
 * operator named them. */
static void proxy_translate(struct node_modules *m)
{
	struct buf out = {0};
	unsigned trees = 0;
	char before = ','; /* what stood between this entry and the one before: "," falls back where
			      it is not found, "|" always */
	for (char *at = m->proxy; *at != '\0';) {
		size_t len = strcspn(at, ",|");
		defer_free char *entry = mem_strndup(at, len);
		char separator = at[len];
		at += len + (separator != '\0' ? 1 : 0);
		if (strcmp(entry, "direct") == 0 || entry[0] == '\0')
			continue;
		if (out.len > 0)
			buf_putc(&out, before);
		before = separator;
		if (strncmp(entry, "file://", 7) == 0 && trees < TREES_MAX) {
			m->trees[trees] = mem_strdup(entry + 7);
			buf_printf(&out, "file:///modules/%u", trees++);
		} else {
			buf_puts(&out, entry);
			if (strcmp(entry, "off") != 0)
				trusted_add(m, entry);
		}
	}
	if (out.len == 0)
		buf_puts(&out, "off");
	free(m->proxy);
	m->proxy = out.data;
}

static void sumdb_trust(struct node_modules *m)
{
	/* "name", "name+key", or "name[+key] url" */
	const char *space = strchr(m->sumdb, ' ');
	defer_free char *name = mem_strndup(m->sumdb, strcspn(m->sumdb, "+ "));
	if (strcmp(name, "off") == 0 || name[0] == '\0')
		return;
	trusted_add(m, space != NULL ? space + 1 : name);
}

static void modules_fill(struct node *n)
{
	struct node_modules *m = &n->modules;
	json_t *go_env = go_env_read(n);
	m->proxy = setting(n->config.modules.goproxy, "GOPROXY", go_env);
	m->sumdb = setting(n->config.modules.gosumdb, "GOSUMDB", go_env);
	m->private = setting(n->config.modules.goprivate, "GOPRIVATE", go_env);
	m->noproxy = setting(n->config.modules.gonoproxy, "GONOPROXY", go_env);
	m->nosumdb = setting(n->config.modules.gonosumdb, "GONOSUMDB", go_env);
	json_decref(go_env);
	m->https_proxy = proxy_setting(n->config.modules.https_proxy, "HTTPS_PROXY", "https_proxy");
	m->no_proxy = proxy_setting(n->config.modules.no_proxy, "NO_PROXY", "no_proxy");
	m->trusted = mem_zero(TRUSTED_MAX + 1, sizeof(*m->trusted));
	m->trees = mem_zero(TREES_MAX + 1, sizeof(*m->trees));
	proxy_translate(m);
	sumdb_trust(m);
}

/* ---- jails ---- */

static char **environment(const char *const *first, size_t count)
{
	char **env = mem_zero(count + 1, sizeof(*env));
	for (size_t i = 0; i < count; i++)
		env[i] = mem_strdup(first[i]);
	return env;
}

static void environments_fill(struct node *n)
{
	const struct node_modules *m = &n->modules;
	/* Go keeps a tenth of its memory for what is not heap; the jail's limit is the hard one. */
	defer_free char *memory =
		mem_printf("GOMEMLIMIT=%llu", (unsigned long long)(n->config.exec.memory / 10 * 9));
	const char *exec[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "TZ=UTC",
		"ZONEINFO=/usr/share/zoneinfo.zip",
		"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "LANG=C.UTF-8", memory};
	const char *build[] = {"PATH=/go/bin", "HOME=/tmp", "TMPDIR=/tmp", "GOROOT=/go",
		"GOCACHE=/cache", "LANG=C.UTF-8"};
	defer_free char *proxy = mem_printf("GOPROXY=%s", m->proxy);
	defer_free char *sumdb = mem_printf("GOSUMDB=%s", m->sumdb);
	defer_free char *private = mem_printf("GOPRIVATE=%s", m->private);
	defer_free char *noproxy = mem_printf("GONOPROXY=%s", m->noproxy);
	defer_free char *nosumdb = mem_printf("GONOSUMDB=%s", m->nosumdb);
	/* git and ssh are in git jails only. */
	const char *fetch[] = {"PATH=/go/bin:/usr/bin:/usr/local/bin:/bin", "HOME=/tmp",
		"TMPDIR=/tmp", "GOROOT=/go", "GOCACHE=/tmp/.gocache", "LANG=C.UTF-8",
		"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
		"HTTPS_PROXY=http://127.0.0.1:3128", "HTTP_PROXY=http://127.0.0.1:3128", proxy,
		sumdb, private, noproxy, nosumdb};
	n->plan.environment[JAIL_EXEC] = environment(exec, sizeof(exec) / sizeof(exec[0]));
	n->plan.environment[JAIL_EXEC_NET] = n->plan.environment[JAIL_EXEC];
	n->plan.environment[JAIL_BUILD] = environment(build, sizeof(build) / sizeof(build[0]));
	n->plan.environment[JAIL_FETCH] = environment(fetch, sizeof(fetch) / sizeof(fetch[0]));
	n->plan.environment[JAIL_GIT] = n->plan.environment[JAIL_FETCH];
}

static struct jail_limits limits_of(const struct config_limits *c)
{
	return (struct jail_limits){
		.memory = c->memory, .pids = c->pids, .tmp = c->tmp, .cpu_percent = c->cpu_percent};
}

/* On FreeBSD jails.children_max is also what the kernel is told, as in the original: 0 means that
 * an execution jail may have no jails in it. How many calls it stands for is the pool's to say. */
void node_plan_limits(struct jail_plan *plan, const struct config *c)
{
	plan->limits[JAIL_EXEC] = limits_of(&c->exec);
	plan->limits[JAIL_EXEC_NET] = limits_of(&c->exec);
	plan->limits[JAIL_BUILD] = limits_of(&c->build);
	plan->limits[JAIL_BUILD].together = true;
	plan->limits[JAIL_FETCH] = plan->limits[JAIL_GIT] = plan->limits[JAIL_BUILD];
	plan->children_max = c->children_max;
	plan->builds_max = c->builds_max;
}

int node_plan(struct node *n, struct fault *f)
{
	if (node_pools(n, &n->config.warnings, f) < 0)
		return -1;
	modules_fill(n);
	environments_fill(n);
	node_plan_limits(&n->plan, &n->config);
	n->plan.file_trees = (const char *const *)n->modules.trees;
	defer_free char *journal = node_path(n, "run/journal");
	return journal_open(&n->journal, journal, n->plan.slots, f);
}
