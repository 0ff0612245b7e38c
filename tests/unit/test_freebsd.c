/* `-i` on FreeBSD: its steps on this host, against zfs, fetch, freebsd-update and go that record. */

#include "fakes.h"

#include "base/tarball.h"
#include "node/freebsd/freebsd.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { STEPS_MAX = 16, KILLED = -2 };

struct world {
	struct fakes k;
	struct node n;
	struct prepare_step steps[STEPS_MAX];
	struct fault f;
};

static int nothing(void *preparing, struct fault *f)
{
	(void)preparing;
	(void)f;
	return 0;
}

/* All of the table but what needs jails and a real compiler. */
static void steps_take(struct world *w)
{
	static const char *const left[] = {"jails", "tool", "cache", "build jail"};
	for (size_t i = 0; i < STEPS_MAX; i++) {
		w->steps[i] = prepare_freebsd[i];
		if (prepare_freebsd[i].name == NULL)
			return;
		for (size_t k = 0; k < sizeof(left) / sizeof(left[0]); k++) {
			if (strcmp(w->steps[i].name, left[k]) == 0)
				w->steps[i].up = nothing;
		}
	}
	fail_msg("more steps than that");
}

static void shell(const struct world *w, const char *script)
{
	defer_free char *line = mem_printf("cd %s && %s", w->k.dir, script);
	if (system(line) != 0) /* NOLINT(cert-env33-c) */
		fail_msg("%s", line);
}

/* The mirror of a release, small: links of both kinds, as the real ones have them. */
static void mirror_make(const struct world *w, const char *version)
{
	defer_free char *line = mem_printf(
		"rm -rf mirror base32 tree && mkdir -p mirror tree/bin tree/lib tree/etc "
		"tree/usr/bin "
		"base32/usr/lib32 && "
		"printf 'USERLAND_VERSION=\"%s\"\\n' >tree/bin/freebsd-version && echo c "
		">tree/lib/libc.so.7 "
		"&& echo sh >tree/bin/sh && chmod 4555 tree/bin/sh && ln tree/bin/sh "
		"tree/usr/bin/sh && "
		"ln -s ../lib/libc.so.7 tree/usr/libc && echo 32 >base32/usr/lib32/libc.so.7 && "
		"tar -czf mirror/base.txz -C tree . && tar -czf mirror/lib32.txz -C base32 . && "
		"cd mirror && for f in base lib32; do printf "
		"'%%s.txz\\t%%s\\t10\\t%%s\\t\"x\"\\ton\\n' $f "
		"$(sha256sum <$f.txz | cut -d' ' -f1) $f; done >MANIFEST",
		version);
	shell(w, line);
}

static void host_make(const struct world *w)
{
	fakes_put(&w->k, "host/etc/rc.conf", "jail_enable=\"YES\"\n");
	fakes_put(&w->k, "host/etc/resolv.conf", "nameserver 192.0.2.1\n");
	fakes_put(&w->k, "host/etc/localtime", "TZif2");
}

static void node_make(struct world *w, enum storage_type type, const char *release)
{
	struct node *n = &w->n;
	n->state = fakes_at(&w->k, "state");
	n->instance = mem_strdup("sky-1");
	n->go_version = mem_strdup("go1.26.8");
	n->config.release = mem_strdup(release);
	n->config.base_sys_pkg_url = mem_strdup("https://mirror.example/14.2-RELEASE");
	n->config.modules.ssl_cert_file = fakes_at(&w->k, "host/etc/resolv.conf");
	assert_int_equal(fs_mkdirs(n->state, 0755, &w->f), 0);
	assert_int_equal(
		storage_init(&n->storage, type, n->state, n->instance, "tank/sky", NULL, &w->f), 0);
}

static int begin(void **state)
{
	struct world *w = mem_zero(1, sizeof(*w));
	assert_true(sodium_init() >= 0);
	fakes_begin(&w->k);
	fakes_put(&w->k, "pool/tank/sky/.ds/order", "");
	mirror_make(w, "14.2-RELEASE");
	host_make(w);
	steps_take(w);
	node_make(w, STORAGE_ZFS, "14.2-RELEASE");
	log_set_level(LOG_ERROR);
	*state = w;
	return 0;
}

static void node_drop(struct world *w)
{
	struct node *n = &w->n;
	storage_finish(&n->storage);
	free(n->state);
	free(n->instance);
	free(n->go_version);
	free(n->config.release);
	free(n->config.base_sys_pkg_url);
	free(n->config.base_sys_pkg_dir);
	free(n->config.modules.ssl_cert_file);
	*n = (struct node){0};
}

static int end(void **state)
{
	struct world *w = *state;
	node_drop(w);
	fakes_end(&w->k);
	free(w);
	return 0;
}

static _Noreturn void child(struct world *w, enum node_mode mode, int words)
{
	struct fault f = {0};
	defer_free char *host = fakes_at(&w->k, "host");
	struct preparing p = {.node = &w->n, .mode = mode, .host = host};
	(void)freopen("/dev/null", "w", stderr);
	p.goroot = node_path(&w->n, "toolchain/%s", w->n.go_version);
	int did = prepare_run(w->steps, true, &p, &f);
	(void)!write(words, &f, sizeof(f));
	_exit(did < 0 ? 1 : 0);
}

/* Until it has ended, or asks to be killed. */
static void watch(pid_t pid, int words, int killer)
{
	struct pollfd both[] = {{.fd = words, .events = POLLIN}, {.fd = killer, .events = POLLIN}};
	while (poll(both, 2, -1) < 0 && errno == EINTR)
		;
	if (both[1].revents != 0)
		assert_int_equal(kill(pid, SIGKILL), 0);
}

/* 0, -1 with w->f, KILLED. A process of its own, as each -i is. */
static int run(struct world *w, enum node_mode mode)
{
	int pipes[2];
	int status = 0;
	defer_free char *fifo = fakes_at(&w->k, "killer");
	w->f = (struct fault){0};
	fakes_drop(&w->k, "killer");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	defer_close int killer = open(fifo, O_RDWR | O_CLOEXEC);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0)
		child(w, mode, pipes[1]);
	(void)close(pipes[1]);
	watch(pid, pipes[0], killer);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	(void)!read(pipes[0], &w->f, sizeof(w->f));
	(void)close(pipes[0]);
	return WIFSIGNALED(status) ? KILLED : WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void prepared(struct world *w)
{
	if (run(w, NODE_INIT) != 0)
		fail_msg("%s", w->f.text);
}

static void refused(struct world *w, enum fault_kind kind, const char *said)
{
	assert_int_equal(run(w, NODE_INIT), -1);
	if (w->f.kind != kind || strstr(w->f.text, said) == NULL)
		fail_msg("%d %s", w->f.kind, w->f.text);
}

/* ---- what is there ---- */

static struct buf *listed;
static size_t listed_root;

static int entry_list(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type;
	(void)ftw;
	defer_free char *text =
		S_ISREG(st->st_mode) ? fs_read(path, (size_t)1 << 20, NULL, NULL) : NULL;
	buf_printf(listed, "%s %o %s\n", path + listed_root, (unsigned)st->st_mode,
		text != NULL ? text : "");
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything below a directory of the fakes, in order; the caller frees. */
static char *inventory(const struct world *w, const char *name)
{
	struct buf text = {0};
	struct buf out = {0};
	char *lines[512];
	size_t count = 0;
	defer_free char *path = fakes_at(&w->k, name);
	listed = &text;
	listed_root = strlen(path);
	(void)nftw(path, entry_list, 16, FTW_PHYS);
	buf_puts(&out, "");
	char *save = NULL;
	for (char *line = text.data != NULL ? strtok_r(text.data, "\n", &save) : NULL;
		line != NULL && count < 512; line = strtok_r(NULL, "\n", &save))
		lines[count++] = line;
	qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s\n", lines[i]);
	buf_finish(&text);
	return out.data != NULL ? out.data : mem_strdup("");
}

/* What it is for: base with its marks, packages, toolchain. The numbers of marks tell how often it
 * was begun, which may differ. */
static char *result(const struct world *w)
{
	defer_free char *base = inventory(w, "state/jails/base-14.2-RELEASE");
	defer_free char *packages = inventory(w, "state/packages");
	defer_free char *go = inventory(w, "state/toolchain");
	defer_free char *order =
		fakes_get(&w->k, "pool/tank/sky/sky-1/base-14.2-RELEASE/.ds/order");
	const char *word = strchr(order, '-');
	return mem_printf("%s\n%s\n%s\n%s", base, packages, go, word != NULL ? word : "none");
}

static void put_back(struct world *w, const char *release)
{
	node_drop(w);
	fakes_drop(&w->k, "state");
	fakes_drop(&w->k, "pool/tank/sky/sky-1");
	fakes_drop(&w->k, "brought");
	fakes_drop(&w->k, "log");
	fakes_drop(&w->k, "kill");
	fakes_drop(&w->k, "fail");
	node_make(w, STORAGE_ZFS, release);
}

/* Bytes that fetch brought of a file, and how often go downloaded. */
static unsigned long brought(const struct world *w, const char *name)
{
	unsigned long sum = 0;
	defer_free char *text = fakes_get(&w->k, "brought");
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		const size_t len = strlen(name);
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			sum += strtoul(line + len, NULL, 10);
	}
	return sum;
}

static unsigned long size_of(const struct world *w, const char *name)
{
	struct stat st;
	defer_free char *path = mem_printf("%s/mirror/%s", w->k.dir, name);
	assert_int_equal(stat(path, &st), 0);
	return (unsigned long)st.st_size;
}

/* ---- the order ---- */

#define SKY  "tank/sky/sky-1"
#define BASE SKY "/base-14.2-RELEASE"
#define LOOK "zfs list -H -o name -t snapshot -r -d 1 " BASE "\n"
#define UP   "zfs get -H -p -o property,value mounted " BASE "\n"
#define FROM "https://mirror.example/14.2-RELEASE/"
#define TO   "%/state/packages/"

static const char golden[] =
	/* dataset */
	"zfs list -H -o name tank/sky\n"
	"zfs get -H -p -o property,value "
	"sky-island:state,mountpoint,compression,quota,mounted " SKY "\n"
	"zfs create -o sky-island:state=%/state -o mountpoint=%/state/jails -o atime=off "
	"-o setuid=off -o compression=off " SKY "\n"
	"zfs destroy -r " SKY "/slots\n"
	"zfs create " SKY "/slots\n"
	/* packages */
	LOOK "fetch -q -r -F -o " TO "MANIFEST.part " FROM "MANIFEST\n"
	"fetch -q -r -F -o " TO "base.txz.part " FROM "base.txz\n"
	"fetch -q -r -F -o " TO "lib32.txz.part " FROM "lib32.txz\n"
	/* base */
	LOOK LOOK "zfs create " BASE "\n" UP LOOK "zfs snapshot " BASE "@1-extracted.14.2-RELEASE\n"
	/* update */
	LOOK LOOK "zfs rollback " BASE "@1-extracted.14.2-RELEASE\n" UP
	"freebsd-update -b %/state/jails/base-14.2-RELEASE -d %/state/private/freebsd-update "
	"--currently-running 14.2-RELEASE --not-running-from-cron fetch install\n" LOOK
	"zfs snapshot " BASE "@2-updated.14.2-RELEASE\n"
	"zfs destroy " BASE "@1-extracted.14.2-RELEASE\n"
	/* settings */
	LOOK LOOK "zfs rollback " BASE "@2-updated.14.2-RELEASE\n" UP LOOK "zfs snapshot " BASE
	"@3-configured.14.2-RELEASE\n"
	"zfs destroy " BASE "@2-updated.14.2-RELEASE\n"
	/* go */
	"go mod download golang.org/toolchain@v0.0.1-go1.26.8.linux-ARCH\n"
	/* snapshot */
	LOOK LOOK "zfs snapshot " BASE "@4-ready.14.2-RELEASE\n"
	"zfs destroy " BASE "@3-configured.14.2-RELEASE\n"
	"zfs list -H -o name -t filesystem -r -d 1 " SKY "\n";

/* Go's word for this machine is not in it. */
static char *log_taken(const struct world *w)
{
	char *log = fakes_log(&w->k);
	char *at = strstr(log, node_architecture());
	if (at != NULL) {
		memcpy(at, "ARCH", 4);
		memmove(at + 4, at + strlen(node_architecture()),
			strlen(at + strlen(node_architecture())) + 1);
	}
	return log;
}

static void the_order_and_the_arguments(void **state)
{
	struct world *w = *state;
	prepared(w);
	defer_free char *log = log_taken(w);
	assert_string_equal(log, golden);
	static const char *const files[][2] = {{"etc/resolv.conf", "nameserver 192.0.2.1\n"},
		{"etc/localtime", "TZif2"}, {"lib/libc.so.7", "patched\n"},
		{"usr/libc", "patched\n"}, {"usr/lib32/libc.so.7", "32\n"}, {"usr/bin/sh", "sh\n"},
		{"bin/freebsd-version", "USERLAND_VERSION=\"14.2-RELEASE-p1\"\n"}};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		defer_free char *name = mem_printf("state/jails/base-14.2-RELEASE/%s", files[i][0]);
		defer_free char *text = fakes_get(&w->k, name);
		assert_string_equal(text, files[i][1]);
	}
	assert_true(fakes_has(&w->k, "state/jails/base-14.2-RELEASE/modules/7"));
	defer_free char *rc = fakes_get(&w->k, "state/jails/base-14.2-RELEASE/etc/rc.conf");
	assert_non_null(strstr(rc, "sendmail_enable=\"NONE\"\n"));
}

/* Where the names of the steps stand in the original's list. */
static void the_steps_are_the_originals(void **state)
{
	(void)state;
	static const char *const names[] = {"storage", "dataset", "packages", "base", "update",
		"settings", "go", "snapshot", "jails", "tool", "cache", "build jail"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(prepare_freebsd[i].name, names[i]);
	assert_null(prepare_freebsd[sizeof(names) / sizeof(names[0])].name);
}

/* Only freebsd-update, whose business that is, is asked again; a server's start asks nothing. */
static void again(void **state)
{
	struct world *w = *state;
	prepared(w);
	defer_free char *first = result(w);
	fakes_drop(&w->k, "log");
	fakes_drop(&w->k, "brought");
	assert_int_equal(run(w, NODE_QUIETLY), 0);
	defer_free char *quiet = fakes_log(&w->k);
	assert_null(strstr(quiet, "fetch "));
	assert_null(strstr(quiet, "freebsd-update "));
	assert_null(strstr(quiet, "go "));
	assert_null(strstr(quiet, "zfs snapshot "));
	fakes_put(&w->k, "current", "");
	prepared(w);
	defer_free char *log = fakes_log(&w->k);
	assert_null(strstr(log, "fetch -q"));
	assert_null(strstr(log, "go "));
	assert_non_null(strstr(log, "freebsd-update "));
	defer_free char *second = result(w);
	assert_string_equal(second, first);
	assert_false(fakes_has(&w->k, "brought"));
}

/* ---- killed ---- */

static bool changes(const char *line)
{
	return strncmp(line, "zfs list", 8) != 0 && strncmp(line, "zfs get", 7) != 0;
}

static bool has_middle(const char *line)
{
	return strncmp(line, "zfs snapshot", 12) == 0 || strncmp(line, "zfs", 3) != 0;
}

static void killed_and_goes_on(struct world *w, const char *when, const char *whole)
{
	put_back(w, "14.2-RELEASE");
	fakes_put(&w->k, "kill", when);
	int did = run(w, NODE_INIT);
	if (did != KILLED)
		fail_msg("%s: %d %s", when, did, w->f.text);
	fakes_drop(&w->k, "log");
	if (run(w, NODE_INIT) != 0)
		fail_msg("after %s: %s", when, w->f.text);
	defer_free char *now = result(w);
	if (strcmp(now, whole) != 0)
		fail_msg("after %s:\n%s\ninstead of\n%s", when, now, whole);
	assert_int_equal(brought(w, "base.txz"), size_of(w, "base.txz"));
	assert_int_equal(brought(w, "lib32.txz"), size_of(w, "lib32.txz"));
	assert_int_equal(brought(w, "toolchain"), 1);
}

static void killed_anywhere_it_goes_on(void **state)
{
	struct world *w = *state;
	prepared(w);
	defer_free char *whole = result(w);
	defer_free char *log = fakes_log(&w->k);
	unsigned kills = 0;
	unsigned number = 0;
	char *save = NULL;
	for (char *line = strtok_r(log, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		char when[32];
		number++;
		for (int i = 0; changes(line) && i < (has_middle(line) ? 2 : 1); i++, kills++) {
			(void)snprintf(
				when, sizeof(when), "%u %s\n", number, i == 0 ? "before" : "amid");
			killed_and_goes_on(w, when, whole);
		}
	}
	assert_int_equal(kills, 27);
}

/* ---- failing ---- */

static void fails_and_is_undone(struct world *w, unsigned number, const char *whole)
{
	char when[64];
	put_back(w, "14.2-RELEASE");
	(void)snprintf(when, sizeof(when), "%u it cannot be done: out of space\n", number);
	fakes_put(&w->k, "fail", when);
	if (run(w, NODE_INIT) == 0)
		return; /* what only tidies up */
	if (strstr(w->f.text, "it cannot be done") == NULL ||
		strncmp(w->f.text, "prepare ", 8) != 0)
		fail_msg("%u: %s", number, w->f.text);
	defer_free char *packages = inventory(w, "state/packages");
	defer_free char *go = inventory(w, "state/toolchain");
	if (strstr(packages, ".part") != NULL || strstr(go, "/part") != NULL)
		fail_msg("%u: %s%s", number, packages, go);
	fakes_drop(&w->k, "fail");
	fakes_drop(&w->k, "log");
	prepared(w);
	defer_free char *now = result(w);
	if (strcmp(now, whole) != 0)
		fail_msg("after %u:\n%s\ninstead of\n%s", number, now, whole);
}

static void failing_anywhere_it_is_undone(void **state)
{
	struct world *w = *state;
	prepared(w);
	defer_free char *whole = result(w);
	defer_free char *log = fakes_log(&w->k);
	unsigned number = 0;
	char *save = NULL;
	for (char *line = strtok_r(log, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		if (++number <= 4 || changes(line))
			fails_and_is_undone(w, number, whole);
	}
}

static void a_failed_upgrade_leaves_the_base(void **state)
{
	struct world *w = *state;
	prepared(w);
	defer_free char *whole = result(w);
	fakes_drop(&w->k, "log");
	prepared(w);
	defer_free char *log = fakes_log(&w->k);
	unsigned number = 1;
	for (const char *at = log; strncmp(at, "freebsd-update", 14) != 0; number++)
		at = strchr(at, '\n') + 1;
	/* half of it is there, then there is no network */
	char when[32];
	(void)snprintf(when, sizeof(when), "%u amid\n", number);
	fakes_put(&w->k, "stop", when);
	refused(w, FAULT_PLATFORM, "prepare update: the base is as it was before: ");
	fakes_drop(&w->k, "stop");
	assert_true(fakes_has(&w->k, "state/jails/base-14.2-RELEASE/bin/freebsd-version"));
	assert_false(fakes_has(&w->k, "state/jails/base-14.2-RELEASE/bin/freebsd-version.new"));
	fakes_drop(&w->k, "log");
	assert_int_equal(run(w, NODE_QUIETLY), 0);
	defer_free char *now = result(w);
	assert_string_equal(now, whole);
}

/* ---- another release ---- */

static void another_release_replaces_it_when_it_is_ready(void **state)
{
	struct world *w = *state;
	prepared(w);
	mirror_make(w, "14.3-RELEASE");
	free(w->n.config.release);
	w->n.config.release = mem_strdup("14.3-RELEASE");
	refused(w, FAULT_INPUT, "base.txz is of 14.2-RELEASE, release says 14.3-RELEASE");
	assert_true(fakes_has(&w->k, "pool/tank/sky/sky-1/base-14.2-RELEASE/.ds"));
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/base-14.3-RELEASE"));
	fakes_drop(&w->k, "state/packages");
	prepared(w);
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/base-14.2-RELEASE"));
	assert_true(fakes_has(&w->k, "state/jails/base-14.3-RELEASE/bin/freebsd-version"));
}

/* ---- bad input ---- */

static void packages_that_are_there_are_used(void **state)
{
	struct world *w = *state;
	w->n.config.base_sys_pkg_dir = fakes_at(&w->k, "given");
	free(w->n.config.base_sys_pkg_url);
	w->n.config.base_sys_pkg_url = NULL;
	shell(w, "cp -r mirror given");
	prepared(w);
	assert_int_equal(brought(w, "base.txz"), 0);
	assert_false(fakes_has(&w->k, "state/packages"));
}

static void a_tarball_that_is_not_what_it_says(void **state)
{
	struct world *w = *state;
	static const char *const spoils[] = {"truncate -s -20 given/base.txz",
		"printf x | dd of=given/base.txz bs=1 seek=40 conv=notrunc 2>/dev/null",
		"cp mirror/lib32.txz given/base.txz", "cp /dev/null given/base.txz",
		"truncate -s -1 given/lib32.txz"};
	w->n.config.base_sys_pkg_dir = fakes_at(&w->k, "given");
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		shell(w, "rm -rf given && cp -r mirror given");
		shell(w, spoils[i]);
		refused(w, FAULT_INPUT, "is cut, damaged or of another release");
		assert_true(fakes_has(&w->k, "given/base.txz"));
		assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/base-14.2-RELEASE"));
	}
	/* one that MANIFEST has right, but is no whole archive */
	shell(w, "rm -rf given && cp -r mirror given && truncate -s -20 given/base.txz && "
		 "sed -i \"s/^base.txz\t[0-9a-f]*/base.txz\t$(sha256sum <given/base.txz | cut -d' "
		 "' -f1)/\" "
		 "given/MANIFEST");
	refused(w, FAULT_PLATFORM, "base.txz is cut short or damaged");
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/base-14.2-RELEASE"));
	shell(w, "rm -rf given && cp -r mirror given && echo hello >given/MANIFEST");
	refused(w, FAULT_INPUT, "MANIFEST has no line for base.txz");
	shell(w, "rm -rf given && cp -r mirror given && chmod o+w given");
	refused(w, FAULT_INPUT, "others can write to");
}

static void a_mirror_that_is_not_one(void **state)
{
	struct world *w = *state;
	shell(w, "rm mirror/base.txz");
	refused(w, FAULT_PLATFORM, "14.2-RELEASE/base.txz (release, base_sys_pkg_url): ");
	assert_non_null(strstr(w->f.text, "Not Found"));
	shell(w, "cp mirror/lib32.txz mirror/base.txz");
	refused(w, FAULT_PLATFORM, "the mirror has another release's there");
	assert_false(fakes_has(&w->k, "state/packages/base.txz.part"));
	assert_false(fakes_has(&w->k, "state/packages/base.txz"));
	put_back(w, "14.2-RELEASE");
	free(w->n.config.base_sys_pkg_url);
	w->n.config.base_sys_pkg_url = NULL;
	refused(w, FAULT_INPUT, "base_sys_pkg_url: nothing says where MANIFEST of 14.2-RELEASE");
	assert_int_equal(setenv("BSDINSTALL_DISTSITE", "http://mirror.example/x", 1), 0);
	refused(w, FAULT_INPUT, "comes by https:// or file:// only");
	assert_int_equal(unsetenv("BSDINSTALL_DISTSITE"), 0);
}

static void releases(void **state)
{
	(void)state;
	static const struct {
		const char *system, *kernel, *release, *said;
	} cases[] = {{"FreeBSD", "14.2-RELEASE-p1", "14.2-RELEASE", NULL},
		{"FreeBSD", "14.2-STABLE", "13.4-RELEASE", NULL},
		{"FreeBSD", "15.0-CURRENT", "15.0-BETA2", NULL},
		{"Linux", "6.1.0", "14.2-RELEASE", NULL}, {"Linux", "6.1.0", "11.1-RC1", NULL},
		{"FreeBSD", "14.2-RELEASE", "14.3-RELEASE", "newer than this host's kernel"},
		{"FreeBSD", "14.2-RELEASE", "15.0-RELEASE", "newer than this host's kernel"},
		{"FreeBSD", "14.2-STABLE", "14.2-STABLE", "one with packages"},
		{"FreeBSD", "14.2-RELEASE", "14", "one with packages"},
		{"FreeBSD", "14.2-RELEASE", "latest", "one with packages"},
		{"FreeBSD", "14.2-RELEASE", "14.2-RELEASE-p1", "one with packages"},
		{"Linux", "6.1.0-28-amd64", "6.1.0-28-amd64", "one with packages"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault f = {0};
		int did = release_check(cases[i].system, cases[i].kernel, cases[i].release, &f);
		if (did != (cases[i].said == NULL ? 0 : -1) ||
			(cases[i].said != NULL && strstr(f.text, cases[i].said) == NULL))
			fail_msg("%s on %s: %s", cases[i].release, cases[i].kernel, f.text);
	}
}

static void another_go(void **state)
{
	struct world *w = *state;
	free(w->n.go_version);
	w->n.go_version = mem_strdup("go1.99.9");
	refused(w, FAULT_PLATFORM, "go1.99.9 (go_version)");
	assert_false(fakes_has(&w->k, "state/toolchain/part"));
}

/* A release of Go's own beside the packages. */
static void a_go_that_is_there_is_used(void **state)
{
	struct world *w = *state;
	defer_free char *make = mem_printf("cp -r mirror given && mkdir -p go/bin && echo go1.26.8 "
					   ">go/VERSION && echo x >go/bin/go && "
					   "tar -czf given/go1.26.8.%s-%s.tar.gz go",
		node_system, node_architecture());
	defer_free char *sum =
		mem_printf("cd given && sha256sum <go1.26.8.%s-%s.tar.gz | cut -d' ' -f1 "
			   ">go1.26.8.%s-%s.tar.gz.sha256",
			node_system, node_architecture(), node_system, node_architecture());
	w->n.config.base_sys_pkg_dir = fakes_at(&w->k, "given");
	shell(w, make);
	refused(w, FAULT_NOT_FOUND, "cannot be verified: put its SHA256 beside it");
	shell(w, "for f in given/*.tar.gz; do echo 00 >$f.sha256; done");
	refused(w, FAULT_INPUT, "tar.gz is cut or damaged");
	shell(w, sum);
	prepared(w);
	assert_true(fakes_has(&w->k, "state/toolchain/go1.26.8/bin/go"));
	assert_false(fakes_has(&w->k, "state/toolchain/part"));
	assert_int_equal(brought(w, "toolchain"), 0);
	/* of another version under this one's name */
	shell(w, "rm -r state/toolchain/go1.26.8 && echo go1.26.80 >go/VERSION && "
		 "for f in given/*.tar.gz; do tar -czf $f go; done");
	shell(w, sum);
	refused(w, FAULT_INPUT, "is not of go1.26.8 (go_version)");
	assert_false(fakes_has(&w->k, "state/toolchain/part"));
}

static void an_ordinary_user(void **state)
{
	struct world *w = *state;
	w->n.user_mode = true;
	refused(w, FAULT_INPUT, "only root can prepare FreeBSD's jails");
	defer_free char *log = fakes_log(&w->k);
	assert_string_equal(log, "");
}

static void without_zfs(void **state)
{
	struct world *w = *state;
	node_drop(w);
	node_make(w, STORAGE_PLAIN, "14.2-RELEASE");
	prepared(w);
	defer_free char *mark = fakes_get(&w->k, "state/base.mark");
	assert_string_equal(mark, "ready.14.2-RELEASE");
	assert_true(fakes_has(&w->k, "state/base/usr/lib32/libc.so.7"));
	defer_free char *log = fakes_log(&w->k);
	assert_null(strstr(log, "zfs "));
	/* another release takes its place */
	mirror_make(w, "14.3-RELEASE");
	fakes_drop(&w->k, "state/packages");
	free(w->n.config.release);
	w->n.config.release = mem_strdup("14.3-RELEASE");
	prepared(w);
	defer_free char *other = fakes_get(&w->k, "state/base.mark");
	assert_string_equal(other, "ready.14.3-RELEASE");
}

/* ---- rc.conf ---- */

static void rc_conf(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool enabled, misspelt;
	} cases[] = {{"", false, false}, {"jail_enable=\"YES\"\n", true, false},
		{"jail_enable=yes", true, false}, {"  jail_enable='On' # jails\n", true, false},
		{"jail_enable=1;", true, false}, {"jail_enable=\"NO\"\n", false, false},
		{"jail_enable=\"YES\"\njail_enable=\"NO\"\n", false, false},
		{"#jail_enable=\"YES\"\n", false, false}, {"jails_enabled=\"YES\"\n", false, true},
		{"jail_enabled=\"YES\"\n", false, true}, {"xjail_enable=\"YES\"\n", false, false},
		{"jail_enable=\n", false, false},
		{"sshd_enable=\"YES\"\njail_enable=\"YES\"", true, false}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool misspelt = false;
		if (rcconf_enables_jails(cases[i].text, &misspelt) != cases[i].enabled ||
			misspelt != cases[i].misspelt)
			fail_msg("%s", cases[i].text);
	}
}

static void manifests(void **state)
{
	(void)state;
	char digest[65];
	static const char sum[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	defer_free char *text =
		mem_printf("xbase.txz\tbad\nbase.txz\t%s\t1\tbase\nlib32.txz\t%.60s\t1\n"
			   "kernel.txz %s\n",
			sum, sum, sum);
	assert_true(manifest_find(text, "base.txz", digest));
	assert_string_equal(digest, sum);
	assert_false(manifest_find(text, "lib32.txz", digest));
	assert_false(manifest_find(text, "kernel.txz", digest));
	assert_false(manifest_find(text, "ports.txz", digest));
	assert_false(manifest_find("", "base.txz", digest));
}

/* ---- what would lead outside ---- */

static void tarballs_stay_inside(void **state)
{
	struct world *w = *state;
	static const char *const scripts[] = {
		"tar -czPf bad.tgz --transform 's,^seed,/tmp/sky-escaped,' seed",
		"tar -czPf bad.tgz --transform 's,^seed,../escaped,' seed",
		"tar -czPf bad.tgz --transform 's,^seed,a/../../escaped,' seed",
		/* a link, and then a name through it */
		("ln -s .. out && tar -cf bad.tar out && rm out && mkdir out && cp seed "
		 "out/escaped "
		 "&& tar -rf bad.tar "
		 "out/escaped && mv bad.tar bad.tgz"),
		/* a hard link to what lies outside */
		"ln seed hard && tar -cPf bad.tgz --transform 's,^seed$,../seed,RSh' seed hard",
		"mkfifo pipe && tar -czf bad.tgz pipe",
		"head -c 3000 /dev/zero >bad.tgz",
		"echo no >bad.tgz",
	};
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		shell(w, "rm -rf into seed hard out pipe bad.tgz bad.tar && mkdir -p into/here && "
			 "echo seed >seed");
		shell(w, scripts[i]);
		defer_free char *path = fakes_at(&w->k, "bad.tgz");
		defer_free char *to = fakes_at(&w->k, "into/here");
		defer_close int fd = open(path, O_RDONLY | O_CLOEXEC);
		struct fault f = {0};
		if (tarball_unpack(fd, "bad.tgz", to, 1 << 20, &f) == 0)
			fail_msg("%s", scripts[i]);
		assert_non_null(strstr(f.text, "bad.tgz"));
		assert_false(fakes_has(&w->k, "into/escaped"));
		assert_int_not_equal(access("/tmp/sky-escaped", F_OK), 0);
	}
	shell(w, "rm -rf into && mkdir -p into/here && head -c 100000 /dev/zero >seed && tar -czf "
		 "bad.tgz seed");
	defer_free char *path = fakes_at(&w->k, "bad.tgz");
	defer_free char *to = fakes_at(&w->k, "into/here");
	defer_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(tarball_unpack(fd, "bad.tgz", to, 50000, &w->f), -1);
	assert_non_null(strstr(w->f.text, "more than is allowed"));
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_steps_are_the_originals),
		cmocka_unit_test(releases),
		cmocka_unit_test(rc_conf),
		cmocka_unit_test(manifests),
		IN_WORLD(the_order_and_the_arguments),
		IN_WORLD(again),
		IN_WORLD(killed_anywhere_it_goes_on),
		IN_WORLD(failing_anywhere_it_is_undone),
		IN_WORLD(a_failed_upgrade_leaves_the_base),
		IN_WORLD(another_release_replaces_it_when_it_is_ready),
		IN_WORLD(packages_that_are_there_are_used),
		IN_WORLD(a_tarball_that_is_not_what_it_says),
		IN_WORLD(a_mirror_that_is_not_one),
		IN_WORLD(another_go),
		IN_WORLD(a_go_that_is_there_is_used),
		IN_WORLD(an_ordinary_user),
		IN_WORLD(without_zfs),
		IN_WORLD(tarballs_stay_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
