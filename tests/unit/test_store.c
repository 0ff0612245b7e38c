/* The store: what is put is there after closing, what is damaged is moved aside, what was altered
 * is not believed. */

#include "state/store.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/defer.h"
#include "base/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

struct place {
	char dir[64];
	char *file;
};

static int place_make(void **state)
{
	struct place *p = mem_zero(1, sizeof(*p));
	(void)snprintf(p->dir, sizeof(p->dir), "%s", "/tmp/sky-store-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->file = mem_printf("%s/cache.db", p->dir);
	*state = p;
	return 0;
}

static int place_remove(void **state)
{
	struct place *p = *state;
	(void)fs_remove_all(p->dir, NULL);
	free(p->file);
	free(p);
	return 0;
}

static struct store_row artifact(const char *key, int64_t used, int64_t bytes)
{
	return (struct store_row){.text = {key, "0123", "example.com/a@v1.0.0", "[\"Encode\"]"},
		.number = {used, bytes}};
}

/* Of one table's rows: how many, and the last. */
struct seen {
	unsigned count;
	char *text[STORE_TEXTS];
	int64_t number[STORE_NUMBERS];
};

static void see(void *ctx, const struct store_row *row)
{
	struct seen *seen = ctx;
	seen->count++;
	for (size_t i = 0; i < STORE_TEXTS && row->text[i] != NULL; i++) {
		free(seen->text[i]);
		seen->text[i] = mem_strdup(row->text[i]);
	}
	memcpy(seen->number, row->number, sizeof(seen->number));
}

static void seen_free(struct seen *seen)
{
	for (size_t i = 0; i < STORE_TEXTS; i++)
		free(seen->text[i]);
	*seen = (struct seen){0};
}

static unsigned count(const char *file, enum store_table table, struct seen *seen)
{
	struct store *store = store_open(file);
	store_load(store, table, see, seen);
	store_close(store);
	return seen->count;
}

static bool is_there(const char *file, const char *tail)
{
	defer_free char *path = mem_printf("%s%s", file, tail);
	return access(path, F_OK) == 0;
}

static void sql(const char *file, const char *text)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Five artifacts, k0 … k4, and the file closed. */
static void five(const char *file)
{
	struct store *store = store_open(file);
	store_start(store);
	for (int i = 0; i < 5; i++) {
		char key[8];
		(void)snprintf(key, sizeof(key), "k%d", i);
		const struct store_row row = artifact(key, 1000 + i, i);
		store_put(store, STORE_ARTIFACTS, &row);
	}
	store_close(store);
}

static void rows_of_each_table_come_back_whole(void **state)
{
	const struct place *p = *state;
	struct store *store = store_open(p->file);
	struct seen seen = {0};
	const struct store_row resolved = {
		.text = {"example.com/a", "latest", "example.com/a", "v1.2.3"},
		.number = {7, INT64_MAX}};
	const struct store_row source = {.text = {"example.com/a", "v1.2.3", "example.com/a",
						 "example.com/a", "h1:sum", "a", "tree", "tool"},
		.number = {8, 9, 10, 1}};
	store_put(store, STORE_RESOLVED, &resolved);
	store_put(store, STORE_SOURCES, &source);
	store_close(store);
	assert_int_equal(count(p->file, STORE_RESOLVED, &seen), 1);
	assert_string_equal(seen.text[RESOLVED_QUERY], "latest");
	assert_string_equal(seen.text[RESOLVED_VERSION], "v1.2.3");
	assert_true(seen.number[RESOLVED_UNTIL] == INT64_MAX);
	seen_free(&seen);
	assert_int_equal(count(p->file, STORE_SOURCES, &seen), 1);
	assert_string_equal(seen.text[SOURCES_SUM], "h1:sum");
	assert_int_equal(seen.number[SOURCES_NUMBER], 9);
	assert_int_equal(seen.number[SOURCES_ALONE], 1);
	seen_free(&seen);
	assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 0);
}

static void changes_are_made_in_the_order_in_which_they_came(void **state)
{
	const struct place *p = *state;
	struct seen seen = {0};
	five(p->file);
	struct store *store = store_open(p->file);
	const struct store_row first = artifact("k0", 1, 1);
	const struct store_row again = artifact("k0", 2, 222);
	const struct store_row used = artifact("k0", 3, 0);
	store_put(store, STORE_ARTIFACTS, &first);
	store_drop(store, STORE_ARTIFACTS, &first);
	store_put(store, STORE_ARTIFACTS, &again);
	store_used(store, STORE_ARTIFACTS, &used);
	for (int i = 1; i < 5; i++) {
		char key[8];
		(void)snprintf(key, sizeof(key), "k%d", i);
		const struct store_row row = artifact(key, 0, 0);
		store_drop(store, STORE_ARTIFACTS, &row);
	}
	store_close(store);
	assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 1);
	assert_int_equal(seen.number[ARTIFACTS_USED], 3);
	assert_int_equal(seen.number[ARTIFACTS_BYTES], 222);
	seen_free(&seen);
}

static void what_is_no_database_is_moved_aside(void **state)
{
	const struct place *p = *state;
	struct seen seen = {0};
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(fs_write(p->file, "no database at all", 18, 0600, NULL), 0);
		assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 0);
		assert_true(is_there(p->file, ".bad"));
		five(p->file);
		assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 5);
		seen_free(&seen);
	}
}

static void a_damaged_page_is_noticed(void **state)
{
	const struct place *p = *state;
	struct seen seen = {0};
	struct store *store = store_open(p->file);
	for (int i = 0; i < 2000; i++) {
		char key[8];
		(void)snprintf(key, sizeof(key), "k%d", i);
		const struct store_row row = artifact(key, i, i);
		store_put(store, STORE_ARTIFACTS, &row);
	}
	store_close(store);
	const int fd = open(p->file, O_WRONLY | O_CLOEXEC);
	char noise[2000];
	memset(noise, 0xa5, sizeof(noise));
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 10L * 4096), sizeof(noise));
	(void)close(fd);
	assert_true(count(p->file, STORE_ARTIFACTS, &seen) < 2000);
	assert_true(is_there(p->file, ".bad"));
	seen_free(&seen);
	five(p->file);
	assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 5);
	seen_free(&seen);
}

static void a_directory_in_its_place_is_moved_too(void **state)
{
	const struct place *p = *state;
	struct seen seen = {0};
	assert_int_equal(mkdir(p->file, 0700), 0);
	five(p->file);
	assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 5);
	assert_true(is_there(p->file, ".bad"));
	seen_free(&seen);
}

static void tables_of_another_version_are_not_read(void **state)
{
	const struct place *p = *state;
	struct seen seen = {0};
	five(p->file);
	sql(p->file, "PRAGMA user_version = 77");
	assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 0);
	assert_true(is_there(p->file, ".bad"));
}

static void an_altered_row_is_not_believed(void **state)
{
	const struct place *p = *state;
	struct seen seen = {0};
	five(p->file);
	sql(p->file, "UPDATE artifacts SET digest = 'abcd' WHERE key = 'k1'");
	sql(p->file, "UPDATE artifacts SET bytes = 5000 WHERE key = 'k2'");
	sql(p->file, "UPDATE artifacts SET proof = x'00' WHERE key = 'k3'");
	sql(p->file, "UPDATE artifacts SET used = 1 WHERE key = 'k4'"); /* anybody's right */
	assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 2);
	assert_false(is_there(p->file, ".bad"));
	seen_free(&seen);
}

static void nothing_is_lost_by_a_place_that_cannot_be_written(void **state)
{
	const struct place *p = *state;
	struct seen seen = {0};
	defer_free char *file = mem_printf("%s/not/there/cache.db", p->dir);
	defer_free char *dir = mem_printf("%s/not/there", p->dir);
	struct store *store = store_open(file);
	store_load(store, STORE_ARTIFACTS, see, &seen);
	const struct store_row row = artifact("k", 1, 2);
	store_put(store, STORE_ARTIFACTS, &row);
	assert_int_equal(fs_mkdirs(dir, 0700, NULL), 0);
	store_close(store);
	assert_int_equal(count(file, STORE_ARTIFACTS, &seen), 1);
	seen_free(&seen);
}

/* A writer that is killed at any moment leaves what its transactions ended with: all before some
 * moment, nothing after it. */
static void a_kill_leaves_no_gap(void **state)
{
	const struct place *p = *state;
	for (int turn = 0; turn < 5; turn++) {
		struct seen seen = {0};
		(void)unlink(p->file);
		int ready[2];
		assert_int_equal(pipe(ready), 0);
		const pid_t pid = fork();
		if (pid == 0) {
			struct store *store = store_open(p->file);
			store_start(store);
			for (int i = 0;; i++) {
				char key[16];
				(void)snprintf(key, sizeof(key), "%08d", i);
				const struct store_row row = artifact(key, i, i);
				store_put(store, STORE_ARTIFACTS, &row);
				if (i == 100 * turn)
					(void)!write(ready[1], "r", 1);
				if (i % 50 == 0)
					(void)usleep(1000);
			}
		}
		char word;
		assert_int_equal(read(ready[0], &word, 1), 1);
		(void)usleep(5000U * (unsigned)turn);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		(void)close(ready[0]);
		(void)close(ready[1]);
		const unsigned rows = count(p->file, STORE_ARTIFACTS, &seen);
		assert_false(is_there(p->file, ".bad"));
		if (rows > 0)
			assert_int_equal(seen.number[ARTIFACTS_BYTES], rows - 1);
		seen_free(&seen);
	}
}

static void a_hundred_thousand_are_read_within_a_second(void **state)
{
	const struct place *p = *state;
	struct seen seen = {0};
	struct store *store = store_open(p->file);
	for (int i = 0; i < 100000; i++) {
		char key[65];
		(void)snprintf(key, sizeof(key), "%064x", (unsigned)i * 2654435761U);
		const struct store_row row = artifact(key, i, i);
		store_put(store, STORE_ARTIFACTS, &row);
	}
	store_close(store);
	const uint64_t since = clock_mono_ns();
	assert_int_equal(count(p->file, STORE_ARTIFACTS, &seen), 100000);
	/* An emulated processor proves that it works, and nothing of how fast. */
	assert_true(getenv("SKY_EMULATED") != NULL || clock_mono_ns() - since < 1000000000U);
	seen_free(&seen);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)
	const struct CMUnitTest tests[] = {
		TEST(rows_of_each_table_come_back_whole),
		TEST(changes_are_made_in_the_order_in_which_they_came),
		TEST(what_is_no_database_is_moved_aside),
		TEST(a_damaged_page_is_noticed),
		TEST(a_directory_in_its_place_is_moved_too),
		TEST(tables_of_another_version_are_not_read),
		TEST(an_altered_row_is_not_believed),
		TEST(nothing_is_lost_by_a_place_that_cannot_be_written),
		TEST(a_kill_leaves_no_gap),
		TEST(a_hundred_thousand_are_read_within_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
