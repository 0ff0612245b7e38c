/* What zfs(8) is asked for: names, argument lists that keep to what is ours, and what is made of what it
 * says. */

#include "base/buf.h"
#include "storage/zfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- names ---- */

static const char *const hostile[] = {"", "/", "a/", "/a", "a//b", "-r", "a/-r", "a/b/-o", "..",
	"a/..", "a/../b", "a/.", "a/b@", "a/@c", "@c", "a b", "a/b c", "a/b\n", "a/b%recv", "a#b",
	"a/b#c", "a@b@c", "a/b,c", "a/b;c", "a/$(x)", "a/b*", "1a", "a/\xc3\xa9", "a\\b", "~",
	"a/b@-r", "a/b@..", "a/b@c/d", "a@b/c"};
enum { HOSTILE = sizeof(hostile) / sizeof(hostile[0]) };

static void names_are_zfs_own(void **state)
{
	(void)state;
	static const char *const good[] = {"tank", "tank/sky", "tank/a.b/c-d_e:f", "zroot/jails",
		"a/1", "tank/sky-1a2b3c4d", "a/...", "a/.b"};
	char longest[DATASET_MAX + 2];
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(dataset_is_name(good[i]));
	for (size_t i = 0; i < HOSTILE; i++) {
		if (dataset_is_name(hostile[i]))
			fail_msg("\"%s\" is a name", hostile[i]);
	}
	assert_false(dataset_is_name(NULL));
	assert_false(dataset_is_name("tank@now"));
	memset(longest, 'a', sizeof(longest));
	longest[DATASET_MAX - 1] = '\0';
	assert_true(dataset_is_name(longest));
	longest[DATASET_MAX - 1] = 'a';
	longest[DATASET_MAX] = '\0';
	assert_false(dataset_is_name(longest));
}

static void below_is_strictly_below(void **state)
{
	(void)state;
	static const char *const below[] = {"pool/sky/a", "pool/sky/a/b", "pool/sky/a@1-x"};
	static const char *const beside[] = {"pool", "pool/sky", "pool/sky/", "pool/sky@x",
		"pool/skyother", "pool/skyother/a", "pool/sk", "pool/other", "pool/sky/..",
		"pool/sky/../other", "pool/sky/a/../../other", "pool/sky//a", "pool/sky/a@",
		"pool/sky/a@b@c", "pool/sky/a@-r", "pool/sky/-r", "pool/sky/a b", "pool/sky/a%b",
		"pool/sky/@x", "xpool/sky/a", "Pool/sky/a"};
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
		assert_true(dataset_is_below("pool/sky", below[i]));
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		if (dataset_is_below("pool/sky", beside[i]))
			fail_msg("\"%s\" is below pool/sky", beside[i]);
	}
	for (size_t i = 0; i < HOSTILE; i++) {
		char name[DATASET_MAX];
		assert_false(dataset_is_below(hostile[i], "pool/sky/a"));
		assert_false(dataset_is_below("pool/sky", hostile[i]));
		(void)snprintf(name, sizeof(name), "%s/a", hostile[i]);
		assert_false(dataset_is_below(hostile[i], name));
	}
	assert_false(dataset_is_below("pool/sky", NULL));
}

static void children_are_one_element(void **state)
{
	(void)state;
	char out[DATASET_MAX];
	char large[DATASET_MAX];
	struct fault f = {0};
	assert_int_equal(dataset_child("pool/sky", "slot7", out, &f), 0);
	assert_string_equal(out, "pool/sky/slot7");
	assert_int_equal(dataset_snapshot("pool/sky/slot7", "1-ready", out, &f), 0);
	assert_string_equal(out, "pool/sky/slot7@1-ready");
	static const char *const bad[] = {"", "a/b", "..", ".", "-r", "a@b", "a b", "a%b"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(dataset_child("pool/sky", bad[i], out, &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_string_equal(out, "");
		assert_int_equal(dataset_snapshot("pool/sky", bad[i], out, &f), -1);
	}
	memset(large, 'a', sizeof(large));
	large[250] = '\0';
	assert_int_equal(dataset_child("pool/sky", large, out, &f), -1);
}

/* ---- argument lists ---- */

static struct storage storage_of(const char *dataset, const char *root)
{
	struct storage s = {.type = STORAGE_ZFS, .state = "/s", .dataset = dataset};
	s.mount = (char *)(uintptr_t) "/s/jails";
	(void)snprintf(s.root, sizeof(s.root), "%s", root);
	return s;
}

static const char *joined(const struct zfs_words *w)
{
	static char text[ZFS_TEXT];
	size_t len = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < w->count && len < sizeof(text); i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "", w->argv[i]);
	assert_null(w->argv[w->count]);
	return w->refused ? "refused" : text;
}

static void the_lists(void **state)
{
	(void)state;
	struct storage s = storage_of("tank/sky", "tank/sky/sky-1a2b3c4d");
	struct zfs_words w;
	zfs_children(&s, &w, s.root);
	assert_string_equal(
		joined(&w), "zfs list -H -o name -t filesystem -r -d 1 tank/sky/sky-1a2b3c4d");
	zfs_create_root(&s, &w);
	assert_string_equal(joined(&w),
		"zfs create -o sky-island:state=/s -o mountpoint=/s/jails -o atime=off "
		"-o setuid=off -o compression=off tank/sky/sky-1a2b3c4d");
	s.compression = true;
	s.quota = (uint64_t)5 << 30;
	zfs_create_root(&s, &w);
	assert_string_equal(joined(&w),
		"zfs create -o sky-island:state=/s -o mountpoint=/s/jails -o atime=off "
		"-o setuid=off -o compression=on -o quota=5368709120 tank/sky/sky-1a2b3c4d");
	zfs_clone(&s, &w, "tank/sky/sky-1a2b3c4d/base@2-x", "tank/sky/sky-1a2b3c4d/slot3", 0);
	assert_string_equal(joined(&w), "zfs clone -o readonly=on tank/sky/sky-1a2b3c4d/base@2-x "
					"tank/sky/sky-1a2b3c4d/slot3");
	zfs_clone(&s, &w, "tank/sky/sky-1a2b3c4d/base@2-x", "tank/sky/sky-1a2b3c4d/slot3", 4096);
	assert_string_equal(joined(&w), "zfs clone -o quota=4096 tank/sky/sky-1a2b3c4d/base@2-x "
					"tank/sky/sky-1a2b3c4d/slot3");
	zfs_destroy_all(&s, &w, "tank/sky/sky-1a2b3c4d/slot3", false);
	assert_string_equal(joined(&w), "zfs destroy -r tank/sky/sky-1a2b3c4d/slot3");
	zfs_destroy(&s, &w, "tank/sky/sky-1a2b3c4d/base@1-x");
	assert_string_equal(joined(&w), "zfs destroy tank/sky/sky-1a2b3c4d/base@1-x");
	zfs_destroy_all(&s, &w, "tank/sky/sky-1a2b3c4d", true);
	assert_string_equal(joined(&w), "zfs destroy -r tank/sky/sky-1a2b3c4d");
}

typedef void changing(const struct storage *s, struct zfs_words *w, const char *name);

static void destroy_all_below(const struct storage *s, struct zfs_words *w, const char *name)
{
	zfs_destroy_all(s, w, name, false);
}

static void destroy_root(const struct storage *s, struct zfs_words *w, const char *name)
{
	zfs_destroy_all(s, w, name, true);
}

static void clone_of(const struct storage *s, struct zfs_words *w, const char *name)
{
	zfs_clone(s, w, name, "tank/sky/sky-1/slot1", 0);
}

static void clone_to(const struct storage *s, struct zfs_words *w, const char *name)
{
	zfs_clone(s, w, "tank/sky/sky-1/base@1-x", name, 0);
}

static changing *const all_changing[] = {zfs_mount, zfs_create, zfs_snapshot, zfs_rollback,
	zfs_destroy, destroy_all_below, destroy_root, clone_of, clone_to};
enum { CHANGING = sizeof(all_changing) / sizeof(all_changing[0]) };

static void nothing_outside_can_be_changed(void **state)
{
	(void)state;
	static const char *const outside[] = {"tank", "tank/sky", "tank/skyother", "tank/sky@x",
		"tank/sky/other", "tank/sky/other@x", "tank/sky/sky-10", "tank/sky/sky-10/a",
		"tank/sky/sky-1/../other", "tank/sky/sky-1/", "tank/sky/sky-1@x", "zroot/ROOT"};
	struct storage s = storage_of("tank/sky", "tank/sky/sky-1");
	struct zfs_words w;
	struct fault f;
	s.program = (char *)(uintptr_t) "/nonexistent/zfs";
	for (size_t i = 0; i < CHANGING; i++) {
		for (size_t k = 0; k < HOSTILE + sizeof(outside) / sizeof(outside[0]); k++) {
			const char *name = k < HOSTILE ? hostile[k] : outside[k - HOSTILE];
			all_changing[i](&s, &w, name);
			if (!w.refused)
				fail_msg("%zu: \"%s\": %s", i, name, joined(&w));
			assert_int_equal(zfs_run(&s, &w, NULL, &f), -1);
			assert_non_null(strstr(f.text, "refused"));
		}
	}
	/* the root goes only where it is meant, and a snapshot never recursively */
	zfs_destroy_all(&s, &w, "tank/sky/sky-1", false);
	assert_true(w.refused);
	zfs_destroy(&s, &w, "tank/sky/sky-1");
	assert_true(w.refused);
	zfs_destroy_all(&s, &w, "tank/sky/sky-1/base@1-x", false);
	assert_true(w.refused);
	zfs_destroy_all(&s, &w, "tank/sky/sky-1/base", true);
	assert_true(w.refused);
}

/* Whatever came to stand in the structure: a root that is not below the dataset allows nothing. */
static void a_wrong_root_allows_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *dataset, *root;
	} wrong[] = {{"tank/sky", "tank/skyother"}, {"tank/sky", "tank/sky"}, {"tank/sky", "tank"},
		{"tank/sky", ""}, {"", "tank/sky"}, {NULL, "tank/sky"}, {"tank/sky", "tank/sky/.."},
		{"tank/sky", "zroot/x"}, {"-r", "-r/x"}, {"tank/sky", "tank/sky/a@b"}};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct storage s = storage_of(wrong[i].dataset, wrong[i].root);
		struct zfs_words w;
		char name[DATASET_MAX + 8];
		(void)snprintf(name, sizeof(name), "%s/slot1", wrong[i].root);
		zfs_destroy_all(&s, &w, name, false);
		assert_true(w.refused);
		zfs_destroy_all(&s, &w, wrong[i].root, true);
		assert_true(w.refused);
		zfs_create_root(&s, &w);
		assert_true(w.refused);
		zfs_set_root(&s, &w, "compression", "on");
		assert_true(w.refused);
	}
}

static void names_of_the_configuration(void **state)
{
	(void)state;
	struct fault f = {0};
	for (size_t i = 0; i < HOSTILE; i++) {
		struct storage s;
		assert_int_equal(
			storage_init(&s, STORAGE_ZFS, "/s", "sky-1", hostile[i], NULL, &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_string_equal(s.root, "");
		storage_finish(&s);
	}
}

/* ---- what it says ---- */

static void faults_say_what_to_do(void **state)
{
	(void)state;
	static const struct {
		const char *name, *said;
		enum fault_kind kind;
		const char *told;
	} cases[] = {
		{"tank/sky", "cannot open 'tank/sky': dataset does not exist", FAULT_INPUT,
			"filesystem.zfs_dataset: tank/sky is not there: make it (zfs create -p "
			"tank/sky)"},
		{"tank/sky", "cannot open 'tank/sky': no such pool 'tank'", FAULT_INPUT,
			"filesystem.zfs_dataset: tank/sky is not there"},
		{"tank/sky/sky-1/base@3-x",
			"cannot open 'tank/sky/sky-1/base@3-x': dataset does not exist",
			FAULT_NOT_FOUND,
			"base@3-x': dataset does not exist: it was there when all was prepared"},
		{"tank/sky/sky-1/slot1", "cannot create 'tank/sky/sky-1/slot1': out of space",
			FAULT_FULL, "free some room in the pool"},
		{"tank/sky/sky-1", "cannot create: Disc quota exceeded", FAULT_FULL,
			"filesystem.quota"},
		{"tank/sky/sky-1",
			"cannot set property for 'x': size is less than current used or reserved "
			"space",
			FAULT_INPUT, "filesystem.quota is less"},
		{"tank/sky/sky-1", "cannot create 'x': pool is read-only", FAULT_PLATFORM,
			"import it without readonly=on"},
		{"tank/sky/sky-1", "cannot create 'x': Read-only file system", FAULT_PLATFORM,
			"import it without readonly=on"},
		{"tank/sky/sky-1", "cannot open 'x': pool I/O is currently is suspended",
			FAULT_PLATFORM, "zpool status"},
		{"tank/sky/sky-1/slot1", "cannot destroy 'tank/sky/sky-1/slot1': dataset is busy",
			FAULT_BUSY, "fuser -m"},
		{"tank/sky/sky-1/slot1", "cannot unmount '/x': target is busy", FAULT_BUSY,
			"fuser -m"},
		{"tank/sky/sky-1", "cannot create 'x': permission denied", FAULT_PLATFORM,
			"as root"},
		{"tank/sky", "The ZFS modules are not loaded.", FAULT_PLATFORM, "modprobe zfs"},
		{"tank/sky", "something else", FAULT_PLATFORM, "zfs on tank/sky: something else"},
	};
	const struct storage s = storage_of("tank/sky", "tank/sky/sky-1");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault f = {0};
		assert_int_equal(zfs_fault(&s, cases[i].name, cases[i].said, &f), -1);
		if (f.kind != cases[i].kind || strstr(f.text, cases[i].told) == NULL)
			fail_msg("%s: %d %s", cases[i].said, f.kind, f.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_zfs_own),
		cmocka_unit_test(below_is_strictly_below),
		cmocka_unit_test(children_are_one_element),
		cmocka_unit_test(the_lists),
		cmocka_unit_test(nothing_outside_can_be_changed),
		cmocka_unit_test(a_wrong_root_allows_nothing),
		cmocka_unit_test(names_of_the_configuration),
		cmocka_unit_test(faults_say_what_to_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
