/* What goes from a cache, when, and in which order. */

#include "function/cache.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"
#include "function/treesum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* Six items, a … f, of 10 bytes each. */
struct thing {
	struct cache_item item;
	char name;
	enum cache_use use;
	unsigned saved;
};

static struct cache *cache;
static char gone[16];

/* Each test's, until the end of the process: a cache lives as long. */
static struct {
	uv_loop_t loop;
	struct cache *cache;
} worlds[8];
static unsigned worlds_used;

static uv_loop_t *world(uint64_t bytes_max, uint64_t unused_ms)
{
	uv_loop_t *loop = &worlds[worlds_used].loop;
	gone[0] = '\0';
	assert_int_equal(uv_loop_init(loop), 0);
	cache = cache_create(loop, bytes_max, unused_ms);
	worlds[worlds_used++].cache = cache;
	return loop;
}

static struct thing *thing_of(const struct cache_item *item)
{
	return (struct thing *)((char *)(uintptr_t)item - offsetof(struct thing, item));
}

static enum cache_use use(const struct cache_item *item)
{
	return thing_of(item)->use;
}

static void drop(struct cache_item *item)
{
	const size_t len = strlen(gone);
	gone[len] = thing_of(item)->name;
	gone[len + 1] = '\0';
	cache_remove(cache, item);
}

static void save(struct cache_item *item)
{
	thing_of(item)->saved++;
}

static const struct cache_kind kind = {use, drop, save};

static uv_loop_t *six(struct thing things[6], uint64_t max, uint64_t unused_ms)
{
	uv_loop_t *loop = world(max, unused_ms);
	for (int i = 0; i < 6; i++) {
		things[i] = (struct thing){
			.name = (char)('a' + i), .item = {.kind = &kind, .bytes = 10}};
		cache_add(cache, &things[i].item);
	}
	return loop;
}

static void ring(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
}

/* The cache's timers hold no loop; one of ours does. */
static void run(uv_loop_t *loop, unsigned ms)
{
	uv_timer_t timer;
	(void)uv_timer_init(loop, &timer);
	(void)uv_timer_start(&timer, ring, ms, 0);
	(void)uv_run(loop, UV_RUN_DEFAULT);
}

static void past_the_cap_the_least_recently_used_go(void **state)
{
	(void)state;
	struct thing things[6];
	uv_loop_t *loop = six(things, 35, 3600000);
	cache_touch(cache, &things[0].item);
	run(loop, 20);
	assert_string_equal(gone, "bcd");
	assert_int_equal(cache_bytes(cache), 30);
}

static void what_is_in_use_stays_and_goes_later(void **state)
{
	(void)state;
	struct thing things[6];
	uv_loop_t *loop = six(things, 5, 3600000);
	things[1].use = CACHE_BUSY;
	things[2].use = CACHE_WAITING;
	run(loop, 20);
	assert_string_equal(gone, "adef");
	things[1].use = things[2].use = CACHE_IDLE;
	run(loop, 700);
	assert_string_equal(gone, "adefbc");
}

static void what_was_not_used_for_long_goes_though_it_waits(void **state)
{
	(void)state;
	struct thing things[6];
	uv_loop_t *loop = six(things, 0, 100);
	things[0].use = CACHE_BUSY;
	things[1].use = CACHE_WAITING;
	run(loop, 300);
	assert_string_equal(gone, "");
	cache_touch(cache, &things[5].item);
	things[5].item.used += 100000;
	run(loop, 400);
	assert_string_equal(gone, "bcde");
}

static void what_was_loaded_is_put_in_order(void **state)
{
	(void)state;
	struct thing things[4];
	const int64_t used[4] = {3000, 1000, INT64_MAX, 2000}; /* one of a clock that was ahead */
	uv_loop_t *loop = world(10, UINT32_MAX * (uint64_t)100000);
	for (int i = 0; i < 4; i++) {
		things[i] = (struct thing){
			.name = (char)('a' + i), .item = {.kind = &kind, .bytes = 10}};
		cache_load(cache, &things[i].item, used[i]);
	}
	cache_sort(cache);
	assert_true(things[2].item.used <= cache_now());
	run(loop, 20);
	assert_string_equal(gone, "bda");
}

static void what_was_touched_is_saved_once(void **state)
{
	(void)state;
	struct thing things[6];
	(void)six(things, 0, 3600000);
	cache_touch(cache, &things[2].item);
	cache_touch(cache, &things[2].item);
	cache_touch(cache, &things[4].item);
	cache_save(cache);
	cache_save(cache);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(things[i].saved, i == 2 || i == 4);
	cache_touch(cache, &things[2].item);
	cache_save(cache);
	assert_int_equal(things[2].saved, 2);
}

static void a_tree_is_known_by_all_that_is_in_it(void **state)
{
	(void)state;
	char dir[] = "/tmp/sky-tree-XXXXXX";
	struct treesum one = {0};
	struct treesum two = {0};
	struct fault f = {0};
	assert_non_null(mkdtemp(dir));
	defer_free char *sub = mem_printf("%s/vendor", dir);
	defer_free char *file = mem_printf("%s/vendor/a.go", dir);
	defer_free char *other = mem_printf("%s/vendor/b.go", dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	assert_int_equal(fs_write(file, "package a\n", 10, 0644, NULL), 0);
	assert_int_equal(treesum_make(dir, &one, &f), 0);
	assert_int_equal(one.bytes, 3 * 4096);
	assert_int_equal(treesum_make(dir, &two, &f), 0);
	assert_string_equal(one.digest, two.digest);
	assert_int_equal(fs_write(file, "package b\n", 10, 0644, NULL), 0);
	assert_int_equal(treesum_make(dir, &two, &f), 0);
	assert_string_not_equal(one.digest, two.digest);
	assert_int_equal(fs_write(file, "package a\n", 10, 0644, NULL), 0);
	assert_int_equal(rename(file, other), 0);
	assert_int_equal(treesum_make(dir, &two, &f), 0);
	assert_string_not_equal(one.digest, two.digest);
	assert_int_equal(symlink("b.go", file), 0);
	assert_int_equal(treesum_make(dir, &two, &f), -1);
	assert_int_equal(fs_remove_all(dir, NULL), 0);
	f = (struct fault){0};
	assert_int_equal(treesum_make(dir, &two, &f), -1);
	assert_int_equal(f.kind, FAULT_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(past_the_cap_the_least_recently_used_go),
		cmocka_unit_test(what_is_in_use_stays_and_goes_later),
		cmocka_unit_test(what_was_not_used_for_long_goes_though_it_waits),
		cmocka_unit_test(what_was_loaded_is_put_in_order),
		cmocka_unit_test(what_was_touched_is_saved_once),
		cmocka_unit_test(a_tree_is_known_by_all_that_is_in_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
