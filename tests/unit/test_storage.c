/* Roots of jails: bases, their states and clones, on a zfs that records, and without one. */

#include "fakes.h"

#include "storage/storage.h"
#include "storage/zfs.h"

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
	logged(w, "zfs get -H -p -o property,value sky-island:state tank/sky\n"
		  "zfs get -H -p -o property,value "
		  "sky-island:state,mountpoint,compression,quota,mounted tank/sky/sky-1\n"
		  "zfs create -o sky-island:state=%/state -o mountpoint=%/state/jails -o atime=off "
		  "-o "
		  "setuid=off -o compression=off tank/sky/sky-1\n"
		  "zfs destroy -r tank/sky/sky-1/slots\nzfs create tank/sky/sky-1/slots\n");
	good(w, storage_open(&w->s, &w->f));
	logged(w, "zfs get -H -p -o property,value sky-island:state tank/sky\n"
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
	logged(w, "zfs get -H -p -o property,value sky-island:state tank/sky\n"
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

static void within_another_ones(void **state)
{
	struct world *w = *state;
	fakes_put(&w->k, "pool/tank/.ds/sky-island:state", "/elsewhere\n");
	assert_int_equal(storage_open(&w->s, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_INPUT);
	assert_non_null(
		strstr(w->f.text, "tank/sky lies in what was made for state_dir /elsewhere"));
	logged(w, "zfs get -H -p -o property,value sky-island:state tank/sky\n");
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

/* A jailer died, and calls wait for the next one: its jails' clones stay until their slots are used. */
static void clones_that_are_left(void **state)
{
	struct world *w = *state;
	good(w, storage_open(&w->s, &w->f));
	base_put(w, "one");
	for (unsigned slot = 3; slot < 5; slot++)
		good(w, storage_clone(&w->s, slot, "base", 0, &w->f));
	fakes_drop(&w->k, "log");
	storage_leave(&w->s);
	storage_unclone(&w->s, 3);
	storage_unclone(&w->s, 4);
	w->s.clones_stay = false;
	assert_false(fakes_has(&w->k, "log"));
	good(w, storage_clone(&w->s, 3, "base", 0, &w->f));
	logged(w,
		"zfs clone -o readonly=on tank/sky/sky-1/base@1-one tank/sky/sky-1/slots/slot3\n"
		"zfs destroy -r tank/sky/sky-1/slots/slot3\n"
		"zfs clone -o readonly=on tank/sky/sky-1/base@1-one tank/sky/sky-1/slots/slot3\n");
	assert_true(w->s.left);
	storage_sweep(&w->s);
	assert_false(w->s.left);
	assert_false(fakes_has(&w->k, "pool/tank/sky/sky-1/slots/slot4"));
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
	fakes_put(&w->k, "fail",
		"1 cannot mount '/s/slot3': failed to create mountpoint: Disk quota exceeded\n");
	assert_int_equal(storage_clone(&w->s, 3, "base", 0, &w->f), -1);
	assert_int_equal(w->f.kind, FAULT_FULL);
	defer_free char *log = fakes_log(&w->k);
	assert_non_null(strstr(log, "zfs destroy -r tank/sky/sky-1/slots/slot3\n"));
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
		IN_WORLD(opened_once_and_again),
		IN_WORLD(properties_follow_the_configuration),
		IN_WORLD(mounted_elsewhere),
		IN_WORLD(another_ones_is_left),
		IN_WORLD(within_another_ones),
		IN_WORLD(a_place_with_something_in_it),
		IN_WORLD(a_dataset_that_is_missing),
		IN_WORLD(no_zfs_at_all),
		IN_WORLD(a_base_and_its_clones),
		IN_WORLD(a_failed_upgrade_is_rolled_back),
		IN_WORLD(a_first_base_that_fails_goes),
		IN_WORLD(busy_is_tried_again),
		IN_WORLD(clones_that_are_left),
		IN_WORLD(a_snapshot_that_is_gone),
		IN_WORLD(full_and_read_only),
		IN_WORLD(all_of_it_goes_and_nothing_else),
		IN_WORLD(a_tree_is_copied_where_it_differs),
		IN_WORLD(plain_bases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
