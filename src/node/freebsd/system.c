/* The base of FreeBSD's jails: a release, extracted, updated and configured. Compiled, linked,
 * model-tested; not yet run on FreeBSD. */

#include "node/freebsd/freebsd.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/tarball.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BASE_BYTES_MAX ((uint64_t)16 << 30)
#define UPDATE_DIR     "private/freebsd-update"

/* ---- which release ---- */

static bool version_of(const char *release, unsigned *major, unsigned *minor, const char **kind)
{
	int end = 0;
	if (sscanf(release, "%3u.%3u-%n", major, minor, &end) != 2 || end == 0)
		return false;
	*kind = release + end;
	return true;
}

int release_check(const char *system, const char *kernel, const char *release, struct fault *f)
{
	unsigned major;
	unsigned minor;
	unsigned host_major;
	unsigned host_minor;
	const char *kind;
	const char *host_kind;
	if (!version_of(release, &major, &minor, &kind) ||
		(strcmp(kind, "RELEASE") != 0 && strncmp(kind, "RC", 2) != 0 &&
			strncmp(kind, "BETA", 4) != 0))
		return fault_set(f, FAULT_INPUT, 0,
			"release: found \"%s\", allowed: one with packages, such as "
			"\"14.2-RELEASE\" (a host of STABLE or CURRENT must name one)",
			release);
	if (strcmp(system, "FreeBSD") != 0 ||
		!version_of(kernel, &host_major, &host_minor, &host_kind))
		return 0;
	if (major > host_major || (major == host_major && minor > host_minor))
		return fault_set(f, FAULT_INPUT, 0,
			"release: %s is newer than this host's kernel, %s: name one that is not, "
			"or upgrade the host",
			release, kernel);
	return 0;
}

int freebsd_release(const struct preparing *p, char release[RELEASE_MAX], struct fault *f)
{
	struct utsname host;
	const char *named = p->node->config.release;
	if (uname(&host) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "uname");
	if (named == NULL) {
		char *patch = strstr(host.release, "-p");
		if (patch != NULL)
			*patch = '\0';
	}
	(void)snprintf(release, RELEASE_MAX, "%.39s", named != NULL ? named : host.release);
	return release_check(host.sysname, host.release, release, f);
}

/* ---- how far it is ---- */

static const char *const state_words[] = {[BASE_NONE] = "",
	[BASE_EXTRACTED] = "extracted",
	[BASE_UPDATED] = "updated",
	[BASE_CONFIGURED] = "configured",
	[BASE_READY] = "ready"};

/* Two releases are two datasets, so that the one before serves on until the new one is ready. A
 * directory has one place. */
static int base_name(const struct preparing *p, char release[RELEASE_MAX], struct fault *f)
{
	struct storage *s = &p->node->storage;
	if (freebsd_release(p, release, f) < 0)
		return -1;
	(void)snprintf(s->system, sizeof(s->system), "base%s%s", s->type == STORAGE_ZFS ? "-" : "",
		s->type == STORAGE_ZFS ? release : "");
	return 0;
}

int freebsd_base_state(const struct preparing *p, enum base_state *state, struct fault *f)
{
	char release[RELEASE_MAX];
	char word[STORAGE_WORD];
	*state = BASE_NONE;
	if (base_name(p, release, f) < 0 ||
		storage_base_word(&p->node->storage, p->node->storage.system, word, f) < 0)
		return -1;
	for (enum base_state i = BASE_EXTRACTED; i <= BASE_READY; i++) {
		const size_t len = strlen(state_words[i]);
		if (strncmp(word, state_words[i], len) == 0 && word[len] == '.' &&
			strcmp(word + len + 1, release) == 0)
			*state = i;
	}
	return 0;
}

static int base_mark(const struct preparing *p, enum base_state state, struct fault *f)
{
	char release[RELEASE_MAX];
	if (base_name(p, release, f) < 0)
		return -1;
	defer_free char *word = mem_printf("%s.%s", state_words[state], release);
	return storage_base_mark(&p->node->storage, p->node->storage.system, word, f);
}

void freebsd_base_undo(const struct preparing *p)
{
	struct storage *s = &p->node->storage;
	if (s->system[0] != '\0')
		storage_base_undo(s, s->system);
}

static int base_begin(const struct preparing *p, char **path, struct fault *f)
{
	struct storage *s = &p->node->storage;
	return storage_base_begin(s, s->system, path, f);
}

/* ---- the dataset ---- */

int freebsd_dataset(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	if (p->node->user_mode)
		return fault_set(f, FAULT_INPUT, 0,
			"only root can prepare FreeBSD's jails, which are made of ZFS datasets and "
			"mounts: run it as root");
	if (p->mode == NODE_INIT)
		rcconf_warn(p);
	return storage_open(&p->node->storage, f);
}

/* ---- extracting ---- */

static int package_extract(
	const struct preparing *p, const char *name, const char *to, struct fault *f)
{
	defer_close int fd = package_open(p, name, f);
	if (fd == -2)
		return 0;
	return fd < 0 ? -1 : tarball_unpack(fd, name, to, BASE_BYTES_MAX, f);
}

/* The base says itself what it is of. */
static int base_verify(const char *base, const char *release, struct fault *f)
{
	defer_free char *path = mem_printf("%s/bin/freebsd-version", base);
	defer_free char *text = fs_read(path, (size_t)1 << 20, NULL, NULL);
	const char *at = text != NULL ? strstr(text, "USERLAND_VERSION=\"") : NULL;
	if (at == NULL)
		return fault_set(f, FAULT_INPUT, 0,
			"base_sys_pkg_dir: base.txz has no bin/freebsd-version: it is no base "
			"system of FreeBSD");
	at += strlen("USERLAND_VERSION=\"");
	const size_t len = strlen(release);
	if (strncmp(at, release, len) == 0 && (at[len] == '"' || strncmp(at + len, "-p", 2) == 0))
		return 0;
	return fault_set(f, FAULT_INPUT, 0,
		"base_sys_pkg_dir: base.txz is of %.*s, release says %s: name that release, or "
		"another directory",
		(int)strcspn(at, "\"\n"), at, release);
}

int freebsd_extract(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	enum base_state state;
	char release[RELEASE_MAX];
	defer_free char *base = NULL;
	if (freebsd_base_state(p, &state, f) < 0 || freebsd_release(p, release, f) < 0)
		return -1;
	if (state >= BASE_EXTRACTED)
		return 0;
	if (base_begin(p, &base, f) < 0 || package_extract(p, "base.txz", base, f) < 0 ||
		base_verify(base, release, f) < 0 || package_extract(p, "lib32.txz", base, f) < 0)
		return -1;
	return base_mark(p, BASE_EXTRACTED, f);
}

/* ---- freebsd-update ---- */

/* Its mirrors are those of the host's /etc/freebsd-update.conf. */
static int update_run(
	const struct preparing *p, const char *base, const char *release, struct fault *f)
{
	defer_free char *program = proc_find("freebsd-update");
	defer_free char *dir = node_path(p->node, UPDATE_DIR);
	if (program == NULL)
		return fault_set(f, FAULT_PLATFORM, 0, "no `freebsd-update` on PATH");
	if (fs_mkdirs(dir, 0700, f) < 0)
		return -1;
	const char *path = getenv("PATH");
	const char *proxy = getenv("HTTP_PROXY");
	defer_free char *paths =
		mem_printf("PATH=%s", path != NULL ? path : "/sbin:/usr/sbin:/bin:/usr/bin");
	defer_free char *proxies = mem_printf("HTTP_PROXY=%s", proxy != NULL ? proxy : "");
	char *const env[] = {paths, (char *)"PAGER=cat", (char *)"LC_ALL=C",
		proxy != NULL ? proxies : NULL, NULL};
	char *const argv[] = {program, (char *)"-b", (char *)(uintptr_t)base, (char *)"-d", dir,
		(char *)"--currently-running", (char *)(uintptr_t)release,
		(char *)"--not-running-from-cron", (char *)"fetch", (char *)"install", NULL};
	const struct proc_spec spec = {.argv = argv, .env = env, .dir = "/"};
	defer_buf struct buf said = {0};
	if (proc_run(&spec, &said, f) == 0)
		return 0;
	/* Which older ones end with 1 for. */
	if (said.data != NULL &&
		strstr(said.data, "No updates are available to install.") != NULL) {
		*f = (struct fault){0};
		return 0;
	}
	return fault_wrap(f, "the base is as it was before");
}

int freebsd_update(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	enum base_state state;
	char release[RELEASE_MAX];
	defer_free char *base = NULL;
	if (freebsd_base_state(p, &state, f) < 0 || freebsd_release(p, release, f) < 0)
		return -1;
	/* A base that is there is brought up to date by each -i, and by nothing else. */
	if (state >= BASE_UPDATED && (p->mode != NODE_INIT || state != BASE_READY))
		return 0;
	if (base_begin(p, &base, f) < 0 || update_run(p, base, release, f) < 0)
		return -1;
	return base_mark(p, BASE_UPDATED, f);
}

/* ---- configuration ---- */

/* Of the host's, where it has one. */
static int host_file(const struct preparing *p, const char *base, const char *name, struct fault *f)
{
	defer_free char *from = mem_printf("%s/%s", p->host, name);
	defer_free char *to = mem_printf("%s/%s", base, name);
	return access(from, R_OK) < 0 ? 0 : fs_copy(from, to, 0644, f);
}

/* What jails of all kinds mount something on. */
static int places_make(const char *base, struct fault *f)
{
	static const char *const places[] = {"dev", "tmp", "etc/ssl/certs", "usr/share", "go",
		"src", "cache", "modules/0", "modules/1", "modules/2", "modules/3", "modules/4",
		"modules/5", "modules/6", "modules/7"};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		defer_free char *path = mem_printf("%s/%s", base, places[i]);
		if (fs_mkdirs(path, 0755, f) < 0)
			return -1;
	}
	return 0;
}

static int base_configure(const struct preparing *p, const char *base, struct fault *f)
{
	static const char rc_conf[] = "# of Sky Island's jails, in which no service runs\n"
				      "cron_enable=\"NO\"\n"
				      "sendmail_enable=\"NONE\"\n"
				      "syslogd_enable=\"NO\"\n";
	defer_free char *path = mem_printf("%s/etc/rc.conf", base);
	if (places_make(base, f) < 0 || host_file(p, base, "etc/resolv.conf", f) < 0 ||
		host_file(p, base, "etc/localtime", f) < 0 ||
		fs_keep(path, rc_conf, sizeof(rc_conf) - 1, 0644, f) < 0)
		return -1;
	return base_certificates(p->node, base, f);
}

int freebsd_configure(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	enum base_state state;
	defer_free char *base = NULL;
	if (freebsd_base_state(p, &state, f) < 0)
		return -1;
	if (state >= BASE_CONFIGURED)
		return 0;
	if (base_begin(p, &base, f) < 0 || base_configure(p, base, f) < 0)
		return -1;
	return base_mark(p, BASE_CONFIGURED, f);
}

/* ---- the snapshot that jails are cloned from ---- */

int freebsd_snapshot(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	struct storage *s = &p->node->storage;
	enum base_state state;
	if (freebsd_base_state(p, &state, f) < 0)
		return -1;
	if (state < BASE_READY && base_mark(p, BASE_READY, f) < 0)
		return -1;
	if (state == BASE_READY || s->type != STORAGE_ZFS)
		return 0;
	/* Those of other releases, which were of use until now. */
	return storage_bases_drop(s, "base-", s->system, f);
}
