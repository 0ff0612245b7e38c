/* Go itself: a release of its that lies in base_sys_pkg_dir, or as a module, checksum-verified by
 * whatever `go` the host has; and how `go` is run outside of jails. */

#include "node/prepare.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/tarball.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GO_TMP "private/tmp"

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
	env[at++] = mem_printf("TMPDIR=%s/" GO_TMP, p->node->state);
	for (size_t i = 0; i < count; i++)
		env[at++] = mem_strdup(more[i]);
	node_go_settings(p->node, env + at);
	at += NODE_GO_SETTINGS;
	for (size_t i = 0; i < configured_count; i++) {
		if (configured[i].value != NULL)
			env[at++] = mem_printf("%s=%s", configured[i].name, configured[i].value);
	}
	proc_env_pass(env + at, passed, passed_count);
	return env;
}

int toolchain_run(const struct preparing *p, char *const *argv, const char *const *more,
	size_t count, const char *dir, struct fault *f)
{
	defer_free char *tmp = node_path(p->node, GO_TMP);
	if (fs_mkdirs(tmp, 0700, f) < 0)
		return -1;
	char **env = go_environment(p, more, count);
	const struct proc_spec spec = {.argv = argv, .env = env, .dir = dir, .apart = true};
	int ran = proc_run(&spec, NULL, f);
	proc_env_free(env);
	(void)fs_remove_all(tmp, NULL);
	return ran;
}

/* The module system takes away the run bits of what it unpacks. */
static int run_bits_set(const char *goroot, struct fault *f)
{
	static const char *const dirs[] = {"bin", "pkg/tool/linux_amd64", "pkg/tool/linux_arm64",
		"pkg/tool/freebsd_amd64", "pkg/tool/freebsd_arm64"};
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
	defer_free char *module = mem_printf("golang.org/toolchain@v0.0.1-%s.%s-%s",
		p->node->go_version, node_system, node_architecture());
	defer_free char *cache = mem_printf("GOMODCACHE=%s", part);
	defer_free char *build = mem_printf("GOCACHE=%s/cache-of-go", part);
	const char *more[] = {cache, build, "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local",
		"GO111MODULE=on", "GOWORK=off"};
	char *const argv[] = {
		(char *)(uintptr_t)go, (char *)"mod", (char *)"download", module, NULL};
	if (toolchain_run(p, argv, more, sizeof(more) / sizeof(more[0]), part, f) < 0)
		return -1;
	defer_free char *unpacked = mem_printf("%s/%s", part, module);
	if (run_bits_set(unpacked, f) < 0)
		return -1;
	if (rename(unpacked, p->goroot) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "rename %s", unpacked);
	return 0;
}

void toolchain_undo(const struct preparing *p)
{
	defer_free char *part = node_path(p->node, TOOLCHAIN_PART);
	(void)fs_remove_all(part, NULL);
}

/* ---- a release of Go's, as its site has it ---- */

char *node_packages(const struct node *n)
{
	return n->config.base_sys_pkg_dir != NULL ? mem_strdup(n->config.base_sys_pkg_dir)
						  : node_path(n, "packages");
}

/* NAME.sha256 beside it, as it is published there. */
static int release_verify(int fd, const char *path, struct fault *f)
{
	char is[TARBALL_SHA256];
	defer_free char *beside = mem_printf("%s.sha256", path);
	defer_free char *wanted = fs_read(beside, 4096, NULL, f);
	if (wanted == NULL)
		return fault_wrap(f,
			"base_sys_pkg_dir: %s cannot be verified: put its SHA256 beside it, or "
			"remove it",
			path);
	if (tarball_sha256(fd, is, f) < 0)
		return -1;
	if (strncmp(is, wanted, sizeof(is) - 1) != 0)
		return fault_set(f, FAULT_INPUT, 0,
			"base_sys_pkg_dir: %s is cut or damaged: its SHA256 is %s, %s has %.64s; "
			"remove it, or put the whole one there",
			path, is, beside, wanted);
	return 0;
}

static int release_unpack(
	const struct preparing *p, int fd, const char *path, const char *part, struct fault *f)
{
	defer_free char *root = mem_printf("%s/go", part);
	defer_free char *version = mem_printf("%s/VERSION", root);
	const size_t len = strlen(p->node->go_version);
	if (fs_remove_all(part, f) < 0 || fs_mkdirs(part, 0755, f) < 0 ||
		tarball_unpack(fd, path, part, (uint64_t)4 << 30, f) < 0)
		return -1;
	defer_free char *said = fs_read(version, 4096, NULL, NULL);
	if (said == NULL || strncmp(said, p->node->go_version, len) != 0 ||
		strchr("\n ", said[len]) == NULL)
		return fault_set(f, FAULT_INPUT, 0,
			"base_sys_pkg_dir: %s is not of %s (go_version): its VERSION says %.40s",
			path, p->node->go_version, said != NULL ? said : "nothing");
	return rename(root, p->goroot) == 0
		       ? 0
		       : fault_set(f, FAULT_PLATFORM, errno, "rename %s", root);
}

/* 1: there is none. */
static int release_take(const struct preparing *p, struct fault *f)
{
	defer_free char *dir = node_packages(p->node);
	defer_free char *path = mem_printf(
		"%s/%s.%s-%s.tar.gz", dir, p->node->go_version, node_system, node_architecture());
	defer_free char *part = node_path(p->node, TOOLCHAIN_PART);
	defer_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 1 : fault_set(f, FAULT_PLATFORM, errno, "open %s", path);
	return release_verify(fd, path, f) < 0 ? -1 : release_unpack(p, fd, path, part, f);
}

/* ---- the step ---- */

static int toolchain_fetch(const struct preparing *p, struct fault *f)
{
	int taken = release_take(p, f);
	if (taken <= 0)
		return taken;
	defer_free char *go = proc_find("go");
	if (go == NULL)
		return fault_set(f, FAULT_PLATFORM, 0,
			"no `go` on PATH to fetch Go %s with: install your distribution's "
			"(golang-go), any from 1.19 on",
			p->node->go_version);
	/* What a kill has left there is of use: Go takes up what it had downloaded whole. */
	defer_free char *part = node_path(p->node, TOOLCHAIN_PART);
	if (fs_mkdirs(part, 0755, f) < 0)
		return -1;
	if (toolchain_download(p, go, part, f) < 0)
		return fault_wrap(f, "%s (go_version)", p->node->go_version);
	return 0;
}

int toolchain_get(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	if (access(p->goroot, F_OK) < 0 && toolchain_fetch(p, f) < 0)
		return -1;
	toolchain_undo(p); /* what is left of the way there */
	return 0;
}
