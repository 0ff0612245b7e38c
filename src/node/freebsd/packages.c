/*
 * base.txz and lib32.txz of a release, in base_sys_pkg_dir: reused where they are there, else
 * fetched by fetch(1), and always what MANIFEST says they are. MANIFEST is the one in that
 * directory, put there by the operator or fetched by https. What is fetched is called NAME.part
 * until it is whole, so that a run that was killed goes on with what it has.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "node/freebsd/freebsd.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/tarball.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_MAX = 1 << 16 };

static const char *const packages[] = {"base.txz", "lib32.txz"};
enum { PACKAGES = sizeof(packages) / sizeof(packages[0]) };

/* ---- the directory ---- */

/* Who can write to it chooses what jails are made of. */
static int directory_check(const char *path, struct fault *f)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "base_sys_pkg_dir %s", path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH) != 0)
		return fault_set(f, FAULT_INPUT, 0,
			"base_sys_pkg_dir: others can write to %s, and could change what jails are "
			"made of: chown it to root and chmod o-w it, or name another",
			path);
	return 0;
}

static int directory_make(const struct preparing *p, char **dir, struct fault *f)
{
	*dir = node_packages(p->node);
	return fs_mkdirs(*dir, 0755, f) < 0 ? -1 : directory_check(*dir, f);
}

/* ---- MANIFEST ---- */

bool manifest_find(const char *manifest, const char *name, char digest[65])
{
	const size_t len = strlen(name);
	for (const char *line = manifest; line != NULL && *line != '\0';) {
		const char *at = line + len + 1;
		if (strncmp(line, name, len) == 0 && line[len] == '\t' &&
			strspn(at, "0123456789abcdef") == 64) {
			(void)snprintf(digest, 65, "%.64s", at);
			return true;
		}
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return false;
}

static char *manifest_read(const char *dir, struct fault *f)
{
	char digest[65];
	defer_free char *path = mem_printf("%s/MANIFEST", dir);
	char *text = fs_read(path, MANIFEST_MAX, NULL, f);
	if (text != NULL && !manifest_find(text, packages[0], digest)) {
		(void)fault_set(f, FAULT_INPUT, 0,
			"%s has no line for base.txz: it is no MANIFEST of FreeBSD's; remove it, "
			"or put the release's there",
			path);
		free(text);
		return NULL;
	}
	return text;
}

/* ---- fetching ---- */

static const char *source_url(const struct preparing *p)
{
	const char *url = p->node->config.base_sys_pkg_url;
	return url != NULL ? url : getenv("BSDINSTALL_DISTSITE");
}

static int source_check(const struct preparing *p, const char *dir, const char *name,
	const char *release, struct fault *f)
{
	const char *url = source_url(p);
	if (url == NULL || url[0] == '\0')
		return fault_set(f, FAULT_INPUT, 0,
			"base_sys_pkg_url: nothing says where %s of %s comes from: give the URL of "
			"that release's directory on a mirror of FreeBSD, the one with MANIFEST in "
			"it, or put MANIFEST, base.txz and lib32.txz into %s",
			name, release, dir);
	if (strcmp(name, "MANIFEST") == 0 && strncmp(url, "https://", 8) != 0 &&
		strncmp(url, "file:///", 8) != 0)
		return fault_set(f, FAULT_INPUT, 0,
			"BSDINSTALL_DISTSITE is %.200s: MANIFEST, by which all else is verified, "
			"comes by https:// or file:// only; put the release's into %s yourself",
			url, dir);
	return 0;
}

/* Of the environment only how the network is reached. */
static char **fetch_environment(void)
{
	static const char *const passed[] = {"PATH", "HOME", "HTTP_PROXY", "HTTPS_PROXY",
		"NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CA_CERT_FILE",
		"SSL_CA_CERT_PATH", "FETCH_BIND_ADDRESS"};
	const size_t count = sizeof(passed) / sizeof(passed[0]);
	char **env = mem_zero(count + 1, sizeof(*env));
	proc_env_pass(env, passed, count);
	return env;
}

/* -r goes on with what a killed run has left, -F whatever time that has; it is verified. */
static int fetch(const struct preparing *p, const char *name, const char *to, struct fault *f)
{
	defer_free char *program = proc_find("fetch");
	if (program == NULL)
		return fault_set(f, FAULT_PLATFORM, 0,
			"no `fetch` on PATH: it is FreeBSD's; put the packages into "
			"base_sys_pkg_dir yourself");
	const char *base = source_url(p);
	const size_t len = strlen(base);
	defer_free char *url = mem_printf("%s%s%s", base, base[len - 1] == '/' ? "" : "/", name);
	char *const argv[] = {program, (char *)"-q", (char *)"-r", (char *)"-F", (char *)"-o",
		(char *)(uintptr_t)to, url, NULL};
	char **env = fetch_environment();
	const struct proc_spec spec = {.argv = argv, .env = env, .dir = "/"};
	int ran = proc_run(&spec, NULL, f);
	proc_env_free(env);
	return ran < 0 ? fault_wrap(f, "%s (release, base_sys_pkg_url)", url) : 0;
}

static int part_take(const char *part, const char *path, struct fault *f)
{
	return rename(part, path) == 0 ? 0 : fault_set(f, FAULT_PLATFORM, errno, "rename %s", part);
}

static int manifest_fetch(
	const struct preparing *p, const char *dir, const char *release, struct fault *f)
{
	defer_free char *path = mem_printf("%s/MANIFEST", dir);
	defer_free char *part = mem_printf("%s/MANIFEST.part", dir);
	if (access(path, F_OK) == 0)
		return 0;
	if (source_check(p, dir, "MANIFEST", release, f) < 0)
		return -1;
	(void)unlink(part); /* nothing could tell whether half of it is right */
	return fetch(p, "MANIFEST", part, f) < 0 ? -1 : part_take(part, path, f);
}

/* ---- verifying ---- */

/* Opened once: what is verified is what is used. -1: not there, or a fault; *is tells the digest.
 */
static int file_open(const char *path, char is[TARBALL_SHA256], struct fault *f)
{
	struct stat st;
	defer_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fault_set(f, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_PLATFORM, errno,
			"open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fault_set(f, FAULT_INPUT, 0, "%s is no file", path);
	if (tarball_sha256(fd, is, f) < 0)
		return fault_wrap(f, "%s", path);
	return defer_take(&fd);
}

int package_open(const struct preparing *p, const char *name, struct fault *f)
{
	char wanted[65];
	char is[TARBALL_SHA256];
	defer_free char *dir = node_packages(p->node);
	defer_free char *manifest = manifest_read(dir, f);
	if (manifest == NULL)
		return -1;
	if (!manifest_find(manifest, name, wanted))
		return -2;
	defer_free char *path = mem_printf("%s/%s", dir, name);
	defer_close int fd = file_open(path, is, f);
	if (fd < 0)
		return -1;
	if (strcmp(is, wanted) != 0)
		return fault_set(f, FAULT_INPUT, 0,
			"base_sys_pkg_dir: %s is cut, damaged or of another release: its SHA256 is "
			"%s, MANIFEST has %s; remove it, and the next run fetches it",
			path, is, wanted);
	return defer_take(&fd);
}

static int part_verify(const char *part, const char *wanted, struct fault *f)
{
	char is[TARBALL_SHA256];
	defer_close int fd = file_open(part, is, f);
	if (fd < 0)
		return -1;
	return strcmp(is, wanted) == 0
		       ? 0
		       : fault_set(f, FAULT_PLATFORM, 0,
				 "its SHA256 is %s, MANIFEST has %s: the mirror has another "
				 "release's there, or the transfer was cut short; try again, or "
				 "another base_sys_pkg_url",
				 is, wanted);
}

static int package_fetch(const struct preparing *p, const char *dir, const char *name,
	const char *release, struct fault *f)
{
	char wanted[65];
	defer_free char *manifest = manifest_read(dir, f);
	defer_free char *path = mem_printf("%s/%s", dir, name);
	defer_free char *part = mem_printf("%s.part", path);
	if (manifest == NULL)
		return -1;
	if (!manifest_find(manifest, name, wanted))
		return 0; /* not every architecture has lib32.txz */
	if (access(path, F_OK) == 0) {
		defer_close int fd = package_open(p, name, f);
		return fd < 0 ? -1 : 0;
	}
	/* One that had come whole before the kill */
	if (part_verify(part, wanted, NULL) == 0)
		return part_take(part, path, f);
	if (source_check(p, dir, name, release, f) < 0 || fetch(p, name, part, f) < 0)
		return -1;
	return part_verify(part, wanted, f) < 0 ? fault_wrap(f, "%s", name)
						: part_take(part, path, f);
}

/* ---- the step ---- */

int packages_fetch(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	enum base_state state;
	char release[RELEASE_MAX];
	defer_free char *dir = NULL;
	if (freebsd_base_state(p, &state, f) < 0)
		return -1;
	if (state >= BASE_EXTRACTED)
		return 0;
	if (freebsd_release(p, release, f) < 0 || directory_make(p, &dir, f) < 0 ||
		manifest_fetch(p, dir, release, f) < 0)
		return -1;
	for (size_t i = 0; i < PACKAGES; i++) {
		if (package_fetch(p, dir, packages[i], release, f) < 0)
			return -1;
	}
	return 0;
}

void packages_undo(const struct preparing *p)
{
	static const char *const parts[] = {"MANIFEST.part", "base.txz.part", "lib32.txz.part"};
	defer_free char *dir = node_packages(p->node);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		defer_free char *part = mem_printf("%s/%s", dir, parts[i]);
		(void)unlink(part);
	}
}
