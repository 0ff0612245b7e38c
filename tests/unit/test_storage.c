/* Names, argument lists and operations of storage, against a zfs(8) that records. */

#include "fakes.h"

#include "storage/storage.h"
#include "storage/zfs.h"

#include <unistd.h>

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
	zfs_list(&s, &w, "tank/sky");
	assert_string_equal(joined(&w), "zfs list -H -o name tank/sky");
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

/* ---- operations ---- */

struct world {
	struct fakes k;
	struct storage s;
	struct fault f;
	char *state;
};

static int begin(void **state)
{
	struct world *w = mem_zero(1, sizeof(*w));
	fakes_begin(&w->k);
	fakes_put(&w->k, "pool/tank/.ds/order", "");
	fakes_put(&w->k, "pool/tank/sky/.ds/order", "");
	w->state = fakes_at(&w->k, "state");
	assert_int_equal(fs_mkdirs(w->state, 0755, &w->f), 0);
	assert_int_equal(
		storage_init(&w->s, STORAGE_ZFS, w->state, "sky-1", "tank/sky", NULL, &w->f), 0);
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;
	storage_finish(&w->s);
	fakes_end(&w->k);
	free(w->state);
	free(w);
	return 0;
}

static void logged(struct world *w, const char *wanted)
{
	defer_free char *log = fakes_log(&w->k);
	assert_string_equal(log, wanted);
}

static void good(const struct world *w, int did)
{
	if (did != 0)
		fail_msg("%s", w->f.text);
}

static void base_put(struct world *w, const char *word)
{
	defer_free char *path = NULL;
	good(w, storage_base_begin(&w->s, "base", &path, &w->f));
	defer_free char *file = mem_printf("%s/file", path);
	good(w, fs_write(file, word, strlen(word), 0644, &w->f));
	good(w, storage_base_mark(&w->s, "base", word, &w->f));
}

static void opened_once_and_again(void **state)
{
	struct world *w = *state;
	good(w, storage_open(&w->s, &w->f));
	logged(w, "zfs list -H -o name tank/sky\n"
		  "zfs get -H -p -o property,value "
		  "sky-island:state,mountpoint,compression,quota,mounted tank/sky/sky-1\n"
		  "zfs create -o sky-island:state=%/state -o mountpoint=%/state/jails -o atime=off "
		  "-o "
		  "setuid=off -o compression=off tank/sky/sky-1\n"
		  "zfs destroy -r tank/sky/sky-1/slots\nzfs create tank/sky/sky-1/slots\n");
	good(w, storage_open(&w->s, &w->f));
	logged(w, "zfs list -H -o name tank/sky\n"
		  "zfs get -H -p -o property,value "
		  "sky-island:state,mountpoint,compression,quota,mounted tank/sky/sky-1\n"
		  "zfs destroy -r tank/sky/sky-1/slots\nzfs create tank/sky/sky-1/slots\n");
}

static void properties_follow_the_configuration(void **state)
{
	struct world *w = *state;
	good(w, storage_open(&w->s, &w->f));
	w->s.compression = true;
	w->s.quota = 1 << 30;
	fakes_put(&w->k, "pool/tank/sky/sky-1/.ds/mounted", "no\n");
	fakes_drop(&w->k, "log");
	good(w, storage_open(&w->s, &w->f));
	logged(w, "zfs list -H -o name tank/sky\n"
		  "zfs get -H -p -o property,value "
		  "sky-island:state,mountpoint,compression,quota,mounted tank/sky/sky-1\n"
		  "zfs set compression=on tank/sky/sky-1\n"
		  "zfs set quota=1073741824 tank/sky/sky-1\n"
		  "zfs mount tank/sky/sky-1\n"
		  "zfs destroy -r tank/sky/sky-1/slots\nzfs create tank/sky/sky-1/slots\n");
	w->s.quota = 0;
	good(w, storage_open(&w->s, &w->f));
	defer_free char *log = fakes_log(&w->k);
	assert_non_null(strstr(log, "zfs set quota=none tank/sky/sky-1\n"));
}

/* Several may share jails.base_jail_dir. */
static void mounted_elsewhere(void **state)
{
	struct world *w = *state;
	struct storage s;
	defer_free char *jails = fakes_at(&w->k, "elsewhere");
	good(w, storage_open(&w->s, &w->f));
	good(w, storage_init(&s, STORAGE_ZFS, w->state, "sky-1", "tank/sky", jails, &w->f));
	fakes_put(&w->k, "elsewhere/sky-1/letter", "dear");
	assert_int_equal(storage_open(&s, &w->f), -1);
	assert_non_null(strstr(w->f.text, "/elsewhere/sky-1, where jails' roots are"));
	fakes_drop(&w->k, "elsewhere/sky-1");
	fakes_drop(&w->k, "log");
	good(w, storage_open(&s, &w->f));
	defer_free char *log = fakes_log(&w->k);
	assert_non_null(strstr(log, "zfs set mountpoint=%/elsewhere/sky-1 tank/sky/sky-1\n"));
	storage_finish(&s);
}

static void another_ones_is_left(void **state)
{
	struct world *w = *state;
	fakes_put(&w->k, "pool/tank/sky/sky-1/.ds/sky-island:state", "/elsewhere\n");
	fakes_put(&w->k, "pool/tank/sky/sky-1/.ds/mountpoint", "/nonexistent/x\n");
	assert_int_equal(storage_open(&w->s, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_INPUT);
	assert_non_null(strstr(w->f.text, "was not made for state_dir"));
	assert_int_equal(storage_remove(&w->s, &w->f), -1);
	assert_true(fakes_has(&w->k, "pool/tank/sky/sky-1/.ds"));
	defer_free char *log = fakes_log(&w->k);
	assert_null(strstr(log, "destroy"));
	assert_null(strstr(log, "set "));
}

static void a_place_with_something_in_it(void **state)
{
	struct world *w = *state;
	fakes_put(&w->k, "state/jails/letter", "dear");
	assert_int_equal(storage_open(&w->s, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_INPUT);
	assert_non_null(strstr(w->f.text, "is not empty"));
	assert_true(fakes_has(&w->k, "state/jails/letter"));
}

static void a_dataset_that_is_missing(void **state)
{
	struct world *w = *state;
	fakes_drop(&w->k, "pool/tank/sky");
	assert_int_equal(storage_open(&w->s, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_INPUT);
	assert_non_null(strstr(w->f.text, "filesystem.zfs_dataset: tank/sky is not there"));
	good(w, storage_remove(&w->s, &w->f));
}

static void no_zfs_at_all(void **state)
{
	struct world *w = *state;
	free(w->s.program);
	w->s.program = NULL;
	assert_int_equal(storage_open(&w->s, &w->f), -1);
	assert_non_null(strstr(w->f.text, "no `zfs` on PATH"));
}

static void a_base_and_its_clones(void **state)
{
	struct world *w = *state;
	char word[STORAGE_WORD];
	char path[4200];
	good(w, storage_open(&w->s, &w->f));
	fakes_drop(&w->k, "log");
	base_put(w, "one");
	logged(w, "zfs list -H -o name -t snapshot -r -d 1 tank/sky/sky-1/base\n"
		  "zfs create tank/sky/sky-1/base\n"
		  "zfs get -H -p -o property,value mounted tank/sky/sky-1/base\n"
		  "zfs list -H -o name -t snapshot -r -d 1 tank/sky/sky-1/base\n"
		  "zfs snapshot tank/sky/sky-1/base@1-one\n");
	good(w, storage_clone(&w->s, 7, "base", 0, &w->f));
	logged(w,
		"zfs clone -o readonly=on tank/sky/sky-1/base@1-one tank/sky/sky-1/slots/slot7\n");
	storage_path(&w->s, 7, "base", path, sizeof(path));
	assert_true(
		strlen(path) > 18 && strcmp(path + strlen(path) - 18, "/jails/slots/slot7") == 0);
	assert_true(fakes_has(&w->k, "state/jails/slots/slot7/file"));
	base_put(w, "two");
	logged(w, "zfs list -H -o name -t snapshot -r -d 1 tank/sky/sky-1/base\n"
		  "zfs rollback tank/sky/sky-1/base@1-one\n"
		  "zfs get -H -p -o property,value mounted tank/sky/sky-1/base\n"
		  "zfs list -H -o name -t snapshot -r -d 1 tank/sky/sky-1/base\n"
		  "zfs snapshot tank/sky/sky-1/base@2-two\n"
		  "zfs destroy tank/sky/sky-1/base@1-one\n");
	/* which a clone still hangs on; it goes with the next mark */
	storage_unclone(&w->s, 7);
	good(w, storage_clone(&w->s, 7, "base", 1 << 20, &w->f));
	logged(w, "zfs destroy -r tank/sky/sky-1/slots/slot7\n"
		  "zfs clone -o quota=1048576 tank/sky/sky-1/base@2-two "
		  "tank/sky/sky-1/slots/slot7\n");
	base_put(w, "three");
	defer_free char *order = fakes_get(&w->k, "pool/tank/sky/sky-1/base/.ds/order");
	assert_string_equal(order, "2-two\n3-three\n");
	good(w, storage_base_word(&w->s, "base", word, &w->f));
	assert_string_equal(word, "three");
}

static void a_failed_upgrade_is_rolled_back(void **state)
{
	struct world *w = *state;
	defer_free char *path = NULL;
	good(w, storage_open(&w->s, &w->f));
	base_put(w, "one");
	good(w, storage_base_begin(&w->s, "base", &path, &w->f));
	fakes_put(&w->k, "state/jails/base/file", "spoilt");
	fakes_drop(&w->k, "log");
	storage_base_undo(&w->s, "base");
	logged(w, "zfs list -H -o name -t snapshot -r -d 1 tank/sky/sky-1/base\n"
		  "zfs rollback tank/sky/sky-1/base@1-one\n");
	defer_free char *file = fakes_get(&w->k, "state/jails/base/file");
	assert_string_equal(file, "one");
	/* and one that was killed, at the next begin */
	fakes_put(&w->k, "state/jails/base/file", "spoilt");
	base_put(w, "two");
	defer_free char *again = fakes_get(&w->k, "state/jails/base/file");
	assert_string_equal(again, "two");
}

static void a_first_base_that_fails_goes(void **state)
{
	struct world *w = *state;
	defer_free char *path = NULL;
	char word[STORAGE_WORD];
	good(w, storage_open(&w->s, &w->f));
	good(w, storage_base_begin(&w->s, "base", &path, &w->f));
	storage_base_undo(&w->s, "base");
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/base"));
	storage_base_undo(&w->s, "base");
	good(w, storage_base_word(&w->s, "base", word, &w->f));
	assert_string_equal(word, "");
	assert_int_equal(storage_clone(&w->s, 1, "base", 0, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_NOT_FOUND);
	assert_non_null(strstr(w->f.text, "sky-island -i"));
}

static void busy_is_tried_again(void **state)
{
	struct world *w = *state;
	good(w, storage_open(&w->s, &w->f));
	base_put(w, "one");
	good(w, storage_clone(&w->s, 3, "base", 0, &w->f));
	fakes_drop(&w->k, "log");
	fakes_put(&w->k, "busy", "2\n");
	storage_unclone(&w->s, 3);
	logged(w, "zfs destroy -r tank/sky/sky-1/slots/slot3\n"
		  "zfs destroy -r tank/sky/sky-1/slots/slot3\n"
		  "zfs destroy -r tank/sky/sky-1/slots/slot3\n");
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/slots/slot3"));
	storage_unclone(&w->s, 3); /* there is none */
	good(w, storage_clone(&w->s, 3, "base", 0, &w->f));
	fakes_put(&w->k, "busy", "1000\n");
	assert_int_equal(zfs_slot_unclone(&w->s, 3, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_BUSY);
	/* the slot's next jail, and the next start, try again */
	fakes_put(&w->k, "busy", "1\n");
	w->f = (struct fault){0};
	good(w, storage_clone(&w->s, 3, "base", 0, &w->f));
	fakes_put(&w->k, "busy", "1\n");
	good(w, storage_open(&w->s, &w->f));
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/slots/slot3"));
	assert_true(fakes_has(&w->k, "pool/tank/sky/sky-1/base"));
}

static void a_snapshot_that_is_gone(void **state)
{
	struct world *w = *state;
	good(w, storage_open(&w->s, &w->f));
	base_put(w, "one");
	fakes_drop(&w->k, "pool/tank/sky/sky-1/base/.ds/@1-one");
	assert_int_equal(storage_clone(&w->s, 3, "base", 0, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_NOT_FOUND);
	assert_non_null(strstr(w->f.text, "base@1-one': dataset does not exist"));
	assert_non_null(strstr(w->f.text, "run `sky-island -i`"));
}

static void full_and_read_only(void **state)
{
	struct world *w = *state;
	good(w, storage_open(&w->s, &w->f));
	base_put(w, "one");
	fakes_drop(&w->k, "log");
	fakes_put(&w->k, "fail", "1 cannot create 'tank/sky/sky-1/slot3': out of space\n");
	assert_int_equal(storage_clone(&w->s, 3, "base", 0, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_FULL);
	fakes_drop(&w->k, "log");
	fakes_put(&w->k, "fail", "1 cannot create 'tank/sky/sky-1/slot3': pool is read-only\n");
	assert_int_equal(storage_clone(&w->s, 3, "base", 0, &w->f), -1);
	assert_non_null(strstr(w->f.text, "read-only"));
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/slots/slot3"));
}

static void all_of_it_goes_and_nothing_else(void **state)
{
	struct world *w = *state;
	good(w, storage_open(&w->s, &w->f));
	base_put(w, "one");
	good(w, storage_clone(&w->s, 3, "base", 0, &w->f));
	fakes_put(&w->k, "pool/tank/sky/sky-10/.ds/order", "");
	fakes_drop(&w->k, "log");
	good(w, storage_remove(&w->s, &w->f));
	logged(w, "zfs get -H -p -o property,value "
		  "sky-island:state,mountpoint,compression,quota,mounted tank/sky/sky-1\n"
		  "zfs destroy -r tank/sky/sky-1\n");
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1"));
	assert_true(fakes_has(&w->k, "pool/tank/sky/sky-10/.ds"));
	assert_false(fakes_has(&w->k, "state/jails"));
	good(w, storage_remove(&w->s, &w->f));
}

static void a_tree_is_copied_where_it_differs(void **state)
{
	struct world *w = *state;
	defer_free char *tree = fakes_at(&w->k, "tree");
	fakes_put(&w->k, "tree/etc/passwd", "root");
	good(w, storage_open(&w->s, &w->f));
	good(w, storage_base_copy(&w->s, "base", tree, "digest1", &w->f));
	fakes_drop(&w->k, "log");
	good(w, storage_base_copy(&w->s, "base", tree, "digest1", &w->f));
	logged(w, "zfs list -H -o name -t snapshot -r -d 1 tank/sky/sky-1/base\n");
	fakes_put(&w->k, "tree/etc/group", "wheel");
	fakes_drop(&w->k, "tree/etc/passwd");
	good(w, storage_base_copy(&w->s, "base", tree, "digest2", &w->f));
	good(w, storage_clone(&w->s, 1, "base", 0, &w->f));
	assert_true(fakes_has(&w->k, "state/jails/slots/slot1/etc/group"));
	assert_false(fakes_has(&w->k, "state/jails/slots/slot1/etc/passwd"));
}

/* A directory has no way back: what fails goes, and is made anew. */
static void plain_bases(void **state)
{
	struct world *w = *state;
	struct storage s;
	char word[STORAGE_WORD];
	char path[4200];
	good(w, storage_init(&s, STORAGE_PLAIN, w->state, "sky-1", NULL, NULL, &w->f));
	good(w, storage_open(&s, &w->f));
	for (int turn = 0; turn < 2; turn++) {
		defer_free char *base = NULL;
		good(w, storage_base_begin(&s, "base", &base, &w->f));
		good(w, storage_base_word(&s, "base", word, &w->f));
		assert_string_equal(word, "");
		fakes_put(&w->k, turn == 0 ? "state/base/a" : "state/base/b", "x");
		good(w, storage_base_mark(&s, "base", turn == 0 ? "one" : "two", &w->f));
	}
	good(w, storage_base_word(&s, "base", word, &w->f));
	assert_string_equal(word, "two");
	assert_true(fakes_has(&w->k, "state/base/a"));
	good(w, storage_clone(&s, 3, "base", 0, &w->f));
	storage_path(&s, 3, "base", path, sizeof(path));
	defer_free char *base = fakes_at(&w->k, "state/base");
	assert_string_equal(path, base);
	storage_base_undo(&s, "base"); /* nothing was begun */
	assert_true(fakes_has(&w->k, "state/base/a"));
	defer_free char *again = NULL;
	good(w, storage_base_begin(&s, "base", &again, &w->f));
	storage_base_undo(&s, "base");
	assert_false(fakes_has(&w->k, "state/base"));
	storage_finish(&s);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

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
		IN_WORLD(opened_once_and_again),
		IN_WORLD(properties_follow_the_configuration),
		IN_WORLD(mounted_elsewhere),
		IN_WORLD(another_ones_is_left),
		IN_WORLD(a_place_with_something_in_it),
		IN_WORLD(a_dataset_that_is_missing),
		IN_WORLD(no_zfs_at_all),
		IN_WORLD(a_base_and_its_clones),
		IN_WORLD(a_failed_upgrade_is_rolled_back),
		IN_WORLD(a_first_base_that_fails_goes),
		IN_WORLD(busy_is_tried_again),
		IN_WORLD(a_snapshot_that_is_gone),
		IN_WORLD(full_and_read_only),
		IN_WORLD(all_of_it_goes_and_nothing_else),
		IN_WORLD(a_tree_is_copied_where_it_differs),
		IN_WORLD(plain_bases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
