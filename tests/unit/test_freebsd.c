/* `-i` on FreeBSD: the order of its steps and their arguments, failing anywhere, another release. */

#include "prepare_result.h"

/* ---- the order ---- */

#define SKY  "tank/sky/sky-1"
#define BASE SKY "/base-14.2-RELEASE"
#define LOOK "zfs list -H -o name -t snapshot -r -d 1 " BASE "\n"
#define UP   "zfs get -H -p -o property,value mounted " BASE "\n"
#define FROM "https://mirror.example/14.2-RELEASE/"
#define TO   "%/state/packages/"

static const char golden[] =
	/* dataset */
	"zfs get -H -p -o property,value sky-island:state tank/sky\n"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_steps_are_the_originals),
		IN_WORLD(the_order_and_the_arguments),
		IN_WORLD(again),
		IN_WORLD(failing_anywhere_it_is_undone),
		IN_WORLD(a_failed_upgrade_leaves_the_base),
		IN_WORLD(another_release_replaces_it_when_it_is_ready),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
