/*
 * What jails need, made once, in steps. Each step looks whether it is done, makes its thing beside
 * the place where it belongs and renames it there: a kill at any point leaves nothing half done,
 * and nothing is downloaded twice.
 *
 *   storage    the directories of the state
 *   toolchain  Go itself, as a module, checksum-verified by whatever `go` the host has
 *   base       the roots that jails share: /etc, places for mounts, CA certificates, time zones
 *   tool       driver/cmd/tool, compiled
 *   cache      the standard library and the driver, compiled, for builds to start from
 */

#include "node/node.h"

#include "base/clock.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "jail/steps.h"
#include "metrics/metrics.h"
#include "node/driver_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct preparing {
	struct node *node;
	char key[33]; /* digest of the driver's source and Go's version */
	char *goroot, *tool;
};

/* ---- storage ---- */

/* In a child that has become whom the directory belongs to, the server of now or before: what is in
 * it is theirs to name, and to swap for a link while root would look. */
static int empty_as_owner(const char *path, uid_t owner, struct fault *f)
{
	int status = -1;
	pid_t child = fork();
	if (child == 0) {
		if (owner != geteuid() &&
			(setgroups(0, NULL) < 0 || setresgid(owner, owner, owner) < 0 ||
				setresuid(owner, owner, owner) < 0))
			_exit(2);
		_exit(fs_empty(path, NULL) < 0 ? 1 : 0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : fault_set(f, FAULT_PLATFORM, 0, "%s could not be emptied", path);
}

/* A directory that the server writes to. What an earlier run left in it is kept where it is the
 * same user's: if not, nobody could use it, and root changes no owner of what lies in a stranger's
 * directory. Others on this host see nothing of it: root's group may look names up, since the
 * helpers that bind a source tree have no more rights than that. */
static int servers_directory(const struct node *n, const char *path, bool kept, struct fault *f)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "stat %s", path);
	const uid_t owner = n->server_uid != 0 ? n->server_uid : geteuid();
	if ((!kept || st.st_uid != owner) && empty_as_owner(path, st.st_uid, f) < 0)
		return -1;
	if (n->server_uid != 0 && chown(path, owner, 0) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "chown %s", path);
	return chmod(path, 0710) < 0 ? fault_set(f, FAULT_PLATFORM, errno, "chmod %s", path) : 0;
}

static int storage_up(void *thing, struct fault *f)
{
	static const struct {
		const char *name;
		bool servers; /* the server writes there */
		bool kept;    /* what is in it is of use to the next run */
	} dirs[] = {{"run", false, true}, {"toolchain", false, true}, {"tool", false, true},
		{"private", false, true}, {"sources", true, true}, {"artifacts", true, true},
		{"store", true, true}, {"tmp", true, false}};
	const struct node *n = ((struct preparing *)thing)->node;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		defer_free char *path = node_path(n, "%s", dirs[i].name);
		if (fs_mkdirs(path, 0755, f) < 0)
			return -1;
		if (dirs[i].servers && servers_directory(n, path, dirs[i].kept, f) < 0)
			return -1;
		if (strcmp(dirs[i].name, "private") == 0 && chmod(path, 0700) < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "chmod %s", path);
	}
	return 0;
}

/* ---- toolchain ---- */

/* A minimal environment of our own, plus how modules are reached, which is the user's to say. */
static char **go_environment(const struct preparing *p, const char *const *more, size_t count)
{
	static const char *const passed[] = {"PATH", "HOME", "GOPROXY", "GOSUMDB", "GONOSUMDB",
		"GOPRIVATE", "GONOPROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy",
		"http_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"};
	const struct config *c = &p->node->config;
	const struct {
		const char *name, *value;
	} configured[] = {{"GOPROXY", c->modules.goproxy}, {"GOSUMDB", c->modules.gosumdb},
		{"GOPRIVATE", c->modules.goprivate}, {"GONOPROXY", c->modules.gonoproxy},
		{"GONOSUMDB", c->modules.gonosumdb}, {"HTTPS_PROXY", c->modules.https_proxy},
		{"NO_PROXY", c->modules.no_proxy}, {"SSL_CERT_FILE", c->modules.ssl_cert_file}};
	const size_t configured_count = sizeof(configured) / sizeof(configured[0]);
	const size_t passed_count = sizeof(passed) / sizeof(passed[0]);
	char **env = mem_zero(
		passed_count + configured_count + count + NODE_GO_SETTINGS + 2, sizeof(*env));
	size_t at = 0;
	/* Go takes the first of two of a name: ours, then what is configured, then what the
	 * environment says. */
	env[at++] = mem_printf("TMPDIR=%s/private", p->node->state);
	for (size_t i = 0; i < count; i++)
		env[at++] = mem_strdup(more[i]);
	node_go_settings(p->node, env + at);
	at += NODE_GO_SETTINGS;
	for (size_t i = 0; i < configured_count; i++) {
		if (configured[i].value != NULL)
			env[at++] = mem_printf("%s=%s", configured[i].name, configured[i].value);
	}
	for (size_t i = 0; i < passed_count; i++) {
		const char *value = getenv(passed[i]);
		if (value != NULL)
			env[at++] = mem_printf("%s=%s", passed[i], value);
	}
	return env;
}

static void environment_free(char **env)
{
	for (char **at = env; *at != NULL; at++)
		free(*at);
	free(env);
}

static int go_run(const struct preparing *p, char *const *argv, const char *const *more,
	size_t count, const char *dir, struct buf *out, struct fault *f)
{
	char **env = go_environment(p, more, count);
	const struct proc_spec spec = {.argv = argv, .env = env, .dir = dir};
	int ran = proc_run(&spec, out, f);
	environment_free(env);
	return ran;
}

/* The module system takes away the run bits of what it unpacks. */
static int run_bits_set(const char *goroot, struct fault *f)
{
	static const char *const dirs[] = {"bin", "pkg/tool/linux_amd64", "pkg/tool/linux_arm64"};
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		defer_free char *path = mem_printf("%s/%s", goroot, dirs[i]);
		defer_closedir DIR *dir = opendir(path);
		for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL;
			e = readdir(dir)) {
			if (e->d_name[0] != '.' && fchmodat(dirfd(dir), e->d_name, 0755, 0) < 0)
				return fault_set(
					f, FAULT_PLATFORM, errno, "chmod %s/%s", path, e->d_name);
		}
	}
	return 0;
}

const char *node_architecture(void)
{
#if defined(__aarch64__)
	return "arm64";
#else
	return "amd64";
#endif
}

static int toolchain_download(
	const struct preparing *p, const char *go, const char *part, struct fault *f)
{
	defer_free char *module = mem_printf("golang.org/toolchain@v0.0.1-%s.linux-%s",
		p->node->go_version, node_architecture());
	defer_free char *cache = mem_printf("GOMODCACHE=%s", part);
	defer_free char *build = mem_printf("GOCACHE=%s/cache-of-go", part);
	const char *more[] = {cache, build, "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local",
		"GO111MODULE=on", "GOWORK=off"};
	char *const argv[] = {
		(char *)(uintptr_t)go, (char *)"mod", (char *)"download", module, NULL};
	if (go_run(p, argv, more, sizeof(more) / sizeof(more[0]), part, NULL, f) < 0)
		return -1;
	defer_free char *unpacked = mem_printf("%s/%s", part, module);
	if (run_bits_set(unpacked, f) < 0)
		return -1;
	if (rename(unpacked, p->goroot) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "rename %s", unpacked);
	return 0;
}

static int toolchain_up(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	if (access(p->goroot, F_OK) == 0)
		return 0;
	defer_free char *go = proc_find("go");
	if (go == NULL)
		return fault_set(f, FAULT_PLATFORM, 0,
			"no `go` on PATH to fetch Go %s with: install your distribution's "
			"(golang-go), any from 1.19 on",
			p->node->go_version);
	defer_free char *part = node_path(p->node, "toolchain/part");
	if (fs_remove_all(part, f) < 0 || fs_mkdirs(part, 0755, f) < 0)
		return -1;
	int did = toolchain_download(p, go, part, f);
	(void)fs_remove_all(part, NULL);
	return did;
}

/* ---- base ---- */

static int base_file(const char *root, const char *name, const char *text, struct fault *f)
{
	defer_free char *path = mem_printf("%s/%s", root, name);
	return fs_keep(path, text, strlen(text), 0644, f);
}

static int base_certificates(const struct node *n, const char *root, struct fault *f)
{
	static const char *const usual[] = {"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
		"/usr/local/share/certs/ca-root-nss.crt"};
	const char *given = n->config.modules.ssl_cert_file != NULL
				    ? n->config.modules.ssl_cert_file
				    : getenv("SSL_CERT_FILE");
	defer_free char *to = mem_printf("%s/etc/ssl/certs/ca-certificates.crt", root);
	if (given != NULL)
		return fs_copy(given, to, 0644, f);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (access(usual[i], R_OK) == 0)
			return fs_copy(usual[i], to, 0644, f);
	}
	log_warn("no CA certificates found: fetching modules over https will fail; install "
		 "ca-certificates");
	return 0;
}

/* What all kinds of root have. */
static int root_make(
	const struct preparing *p, const char *root, const char *const *dirs, struct fault *f)
{
	static const char *const devices[] = {"null", "zero", "full", "random", "urandom"};
	static const char *const files[][2] = {
		{"etc/passwd", "root:x:0:0:root:/:/nologin\njail:x:1000:1000:jail:/tmp:/"
			       "nologin\nnobody:x:65534:65534::/:/nologin\n"},
		{"etc/group", "root:x:0:\njail:x:1000:\nnogroup:x:65534:\n"},
		{"etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
		{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
	};
	for (; *dirs != NULL; dirs++) {
		defer_free char *path = mem_printf("%s/%s", root, *dirs);
		if (fs_mkdirs(path, 0755, f) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		defer_free char *name = mem_printf("dev/%s", devices[i]);
		if (base_file(root, name, "", f) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (base_file(root, files[i][0], files[i][1], f) < 0)
			return -1;
	}
	defer_free char *zones = mem_printf("%s/lib/time/zoneinfo.zip", p->goroot);
	defer_free char *zones_to = mem_printf("%s/usr/share/zoneinfo.zip", root);
	return fs_copy(zones, zones_to, 0644, f) < 0 ? -1 : base_certificates(p->node, root, f);
}

/* One for calls, with or without /proc. */
static int calls_root_make(const struct preparing *p, const char *root, struct fault *f)
{
	static const char *const calls[] = {"dev", "tmp", "etc/ssl/certs", "usr/share", NULL};
	static const char *const with_proc[] = {
		"dev", "tmp", "etc/ssl/certs", "usr/share", "proc", NULL};
	return root_make(p, root, p->node->config.proc ? with_proc : calls, f);
}

/* Three roots: what calls run in has no place that is of no use to them. Made anew each time, so
 * that nothing of an older version or of a kill while they were written is seen in jails. */
static int base_up(void *thing, struct fault *f)
{
	static const char *const tools[] = {"dev", "tmp", "etc/ssl/certs", "usr/share", "go", "src",
		"cache", "modules/0", "modules/1", "modules/2", "modules/3", "modules/4",
		"modules/5", "modules/6", "modules/7", NULL};
	const struct preparing *p = thing;
	defer_free char *base = node_path(p->node, "base");
	defer_free char *base_net = node_path(p->node, "base-net");
	defer_free char *base_tools = node_path(p->node, "base-tools");
	if (fs_remove_all(base, f) < 0 || fs_remove_all(base_net, f) < 0 ||
		fs_remove_all(base_tools, f) < 0)
		return -1;
	if (calls_root_make(p, base, f) < 0 || calls_root_make(p, base_net, f) < 0 ||
		base_file(base_net, "etc/resolv.conf", "", f) < 0 ||
		root_make(p, base_tools, tools, f) < 0)
		return -1;
	node_git_find(p->node);
	return node_git_places(p->node, base_tools, f);
}

/* ---- tool and cache ---- */

static void key_make(struct preparing *p)
{
	unsigned char hash[16];
	crypto_generichash_state state;
	(void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	(void)crypto_generichash_update(
		&state, (const unsigned char *)p->node->go_version, strlen(p->node->go_version));
	for (const struct driver_file *file = driver_tree; file->path != NULL; file++) {
		(void)crypto_generichash_update(
			&state, (const unsigned char *)file->path, strlen(file->path) + 1);
		(void)crypto_generichash_update(&state, file->data, file->len);
	}
	(void)crypto_generichash_final(&state, hash, sizeof(hash));
	(void)sodium_bin2hex(p->key, sizeof(p->key), hash, sizeof(hash));
}

static int driver_unpack(const char *to, struct fault *f)
{
	for (const struct driver_file *file = driver_tree; file->path != NULL; file++) {
		defer_free char *path = mem_printf("%s/%s", to, file->path);
		char *slash = strrchr(path, '/');
		*slash = '\0';
		if (fs_mkdirs(path, 0755, f) < 0)
			return -1;
		*slash = '/';
		if (fs_write(path, file->data, file->len, 0644, f) < 0)
			return -1;
	}
	return 0;
}

/* The variables under which both tool and cache are compiled. */
static int with_toolchain(const struct preparing *p, const char *cache, char *const *argv,
	const char *dir, struct fault *f)
{
	defer_free char *root = mem_printf("GOROOT=%s", p->goroot);
	defer_free char *build = mem_printf("GOCACHE=%s", cache);
	defer_free char *modules = mem_printf("GOMODCACHE=%s/private/modcache", p->node->state);
	defer_free char *home = mem_printf("HOME=%s/private", p->node->state);
	const char *more[] = {root, build, modules, home, "GOPROXY=off", "GOFLAGS=-mod=mod",
		"GOTOOLCHAIN=local", "GOENV=off", "GOWORK=off", "GOTELEMETRY=off", "CGO_ENABLED=0"};
	return go_run(p, argv, more, sizeof(more) / sizeof(more[0]), dir, NULL, f);
}

static int tool_up(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	if (access(p->tool, X_OK) == 0)
		return 0;
	defer_free char *part = node_path(p->node, "tool/part");
	defer_free char *source = mem_printf("%s/driver", part);
	defer_free char *made = mem_printf("%s/tool", part);
	defer_free char *cache = node_path(p->node, "private/gocache.part");
	defer_free char *go = mem_printf("%s/bin/go", p->goroot);
	if (fs_remove_all(part, f) < 0 || driver_unpack(source, f) < 0)
		return -1;
	char *const argv[] = {go, (char *)"build", (char *)"-trimpath", (char *)"-buildvcs=false",
		(char *)"-o", made, (char *)"./cmd/tool", NULL};
	int did = with_toolchain(p, cache, argv, source, f);
	if (did == 0 && (chmod(made, 0755) < 0 || rename(made, p->tool) < 0))
		did = fault_set(f, FAULT_PLATFORM, errno, "rename %s", made);
	(void)fs_remove_all(part, NULL);
	return did;
}

/* Gives what is in the cache to a uid, and opens its directories to all (see cache_overlay in
 * jail/linux/root.c). The directory itself stays ours, so that an ordinary user can remove
 * everything again. */
static int cache_give(const struct node *n, const char *cache, unsigned uid, struct fault *f)
{
	defer_closedir DIR *dir = opendir(cache);
	if (dir == NULL || chmod(cache, 0777) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "open up %s", cache);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		defer_free char *path = mem_printf("%s/%s", cache, e->d_name);
		struct stat st;
		if (e->d_name[0] == '.')
			continue;
		if (n->plan.uids_apart && fs_chown_all(path, uid, uid, f) < 0)
			return -1;
		if (stat(path, &st) < 0 || (S_ISDIR(st.st_mode) && chmod(path, 0777) < 0))
			return fault_set(f, FAULT_PLATFORM, errno, "chmod %s", path);
	}
	return 0;
}

static int cache_up(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	struct node *n = p->node;
	defer_free char *part = node_path(n, "private/gocache.part");
	defer_free char *cache = node_path(n, "private/gocache");
	defer_free char *mark = mem_printf("%s/seeded-%s", cache, p->key);
	defer_free char *mark_part = mem_printf("%s/seeded-%s", part, p->key);
	if (access(mark, F_OK) == 0)
		return 0;
	if (fs_mkdirs(part, 0755, f) < 0 ||
		cache_give(n, part, n->plan.uid_base + n->plan.slots, f) < 0 ||
		node_seed(n, f) < 0 || cache_give(n, part, n->plan.cache_uid, f) < 0 ||
		fs_write(mark_part, "", 0, 0644, f) < 0 || fs_remove_all(cache, f) < 0)
		return -1;
	if (rename(part, cache) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "rename %s", part);
	return 0;
}

/* ---- the whole ---- */

static const struct step steps[] = {
	{"storage", storage_up, NULL},
	{"toolchain", toolchain_up, NULL},
	{"base", base_up, NULL},
	{"tool", tool_up, NULL},
	{"cache", cache_up, NULL},
};

static int step_do(const struct step *step, struct preparing *p, bool loud, struct fault *f)
{
	const uint64_t start = clock_mono_ns();
	const bool terminal = loud && isatty(STDERR_FILENO);
	if (terminal)
		(void)fprintf(stderr, "  %-10s …", step->name);
	if (step->up(p, f) < 0) {
		if (terminal)
			(void)fprintf(stderr, "\r  %-10s failed\n", step->name);
		return fault_wrap(f, "prepare %s", step->name);
	}
	const uint64_t took = clock_mono_ns() - start;
	const double seconds = (double)took / 1e9;
	metrics_step(step->name, took);
	if (terminal)
		(void)fprintf(stderr, "\r  %-10s %.2f s\n", step->name, seconds);
	else if (loud)
		(void)fprintf(stderr, "prepare %s: %.2f s\n", step->name, seconds);
	return 0;
}

int node_prepare(struct node *n, bool loud, struct fault *f)
{
	struct preparing p = {.node = n};
	key_make(&p);
	p.goroot = node_path(n, "toolchain/%s", n->go_version);
	p.tool = node_path(n, "tool/%s", p.key);
	n->plan.toolchain = p.goroot; /* as long as the process */
	n->plan.tool = p.tool;
	int failed = 0;
	for (size_t i = 0; failed == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		failed = step_do(&steps[i], &p, loud, f);
	if (n->config.statsd_host != NULL)
		statsd_send_steps(n->config.statsd_host, n->config.statsd_port);
	return failed;
}
