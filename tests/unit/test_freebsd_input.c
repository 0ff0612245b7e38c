/* What `-i` on FreeBSD finds: packages, mirrors, releases of it and of Go, rc.conf, tarballs that would lead
 * outside, an ordinary user, no zfs. */

#include "prepare_world.h"

#include "base/tarball.h"

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

#define ADD                                                                                        \
	"/etc/rc.conf has no jail_enable=\\\"YES\\\", which jails need%s: add this line (or: "     \
	"sysrc jail_enable=YES)"

/* The line to add, of -i alone, and what the two spellings of the original come to. */
static void a_missing_line_of_rc_conf_is_told(void **state)
{
	struct world *w = *state;
	static const char nothing_there[] = " (jails_enabled and jail_enabled mean nothing there)";
	static const struct {
		const char *text, *local;
		enum node_mode mode;
		bool told, misspelt;
	} cases[] = {{"sshd_enable=\"YES\"\n", "", NODE_INIT, true, false},
		{"jails_enabled=\"YES\"\n", "", NODE_INIT, true, true},
		{"jail_enabled=\"YES\"\n", "", NODE_INIT, true, true},
		{"jail_enable=\"NO\"\n", "", NODE_INIT, true, false},
		{"jail_enable=\"YES\"\n", "", NODE_INIT, false, false},
		{"", "jail_enable=\"YES\"\n", NODE_INIT, false, false},
		{"jails_enabled=\"YES\"\n", "", NODE_QUIETLY, false, false}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		defer_free char *line = mem_printf(ADD, cases[i].misspelt ? nothing_there : "");
		fakes_put(&w->k, "host/etc/rc.conf", cases[i].text);
		fakes_put(&w->k, "host/etc/rc.conf.local", cases[i].local);
		if (run(w, cases[i].mode) != 0)
			fail_msg("%s", w->f.text);
		defer_free char *said = fakes_get(&w->k, "said");
		if ((strstr(said, line) != NULL) != cases[i].told ||
			(strstr(said, "rc.conf") != NULL) != cases[i].told)
			fail_msg("%s: %s", cases[i].text, said);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(releases),
		cmocka_unit_test(rc_conf),
		cmocka_unit_test(manifests),
		IN_WORLD(a_missing_line_of_rc_conf_is_told),
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
