#include "function/cache.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

#include <stdlib.h>

enum {
	STEP = 16,        /* items that go in one turn of the loop */
	AGAIN_MS = 500,   /* all are in use: until the next look */
	SAVE_MS = 15000,  /* between two savings of what was touched */
	PURGE_MS = 60000, /* between two looks for what was not used for long, at most */
};

struct cache {
	struct cache_item *oldest, *newest;
	uint64_t count, bytes, bytes_max;
	int64_t unused_ms, saved;
	uv_timer_t trim, purge, save;
};

int64_t cache_now(void)
{
	return (int64_t)(clock_unix_ns() / 1000000U);
}

static void unlink_item(struct cache *cache, struct cache_item *item)
{
	*(item->older != NULL ? &item->older->newer : &cache->oldest) = item->newer;
	*(item->newer != NULL ? &item->newer->older : &cache->newest) = item->older;
	item->older = item->newer = NULL;
}

static void link_newest(struct cache *cache, struct cache_item *item)
{
	item->older = cache->newest;
	*(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = item;
	cache->newest = item;
}

/* ---- what goes ---- */

static bool is_full(const struct cache *cache)
{
	return cache->bytes_max > 0 && cache->bytes > cache->bytes_max;
}

static void trim(uv_timer_t *timer)
{
	struct cache *cache = timer->data;
	unsigned gone = 0;
	struct cache_item *item = cache->oldest;
	while (item != NULL && is_full(cache) && gone < STEP) {
		struct cache_item *next = item->newer;
		if (item->kind->use(item) == CACHE_IDLE) {
			item->kind->drop(item);
			gone++;
		}
		item = next;
	}
	if (is_full(cache))
		(void)uv_timer_start(&cache->trim, trim, gone == STEP ? 1 : AGAIN_MS, 0);
}

static void purge(uv_timer_t *timer)
{
	struct cache *cache = timer->data;
	const int64_t before = cache_now() - cache->unused_ms;
	unsigned gone = 0;
	struct cache_item *item = cache->oldest;
	while (item != NULL && item->used < before && gone < STEP) {
		struct cache_item *next = item->newer;
		if (item->kind->use(item) != CACHE_BUSY) {
			item->kind->drop(item);
			gone++;
		}
		item = next;
	}
	const int64_t look = cache->unused_ms / 4;
	(void)uv_timer_start(&cache->purge, purge,
		gone == STEP      ? 1
		: look > PURGE_MS ? PURGE_MS
		: look < AGAIN_MS ? AGAIN_MS
				  : (uint64_t)look,
		0);
}

/* ---- what is in it ---- */

static void put(struct cache *cache, struct cache_item *item)
{
	link_newest(cache, item);
	item->listed = true;
	cache->count++;
	cache->bytes += item->bytes;
	if (is_full(cache) && !uv_is_active((uv_handle_t *)&cache->trim))
		(void)uv_timer_start(&cache->trim, trim, 1, 0);
}

void cache_add(struct cache *cache, struct cache_item *item)
{
	item->used = cache_now();
	put(cache, item);
}

void cache_load(struct cache *cache, struct cache_item *item, int64_t used)
{
	const int64_t now = cache_now();
	item->used = used < now ? used : now; /* the clock may have been set back */
	put(cache, item);
}

static int by_use(const void *a, const void *b)
{
	const struct cache_item *one = *(struct cache_item *const *)a;
	const struct cache_item *two = *(struct cache_item *const *)b;
	return one->used < two->used ? -1 : one->used > two->used;
}

void cache_sort(struct cache *cache)
{
	struct cache_item **all = mem_zero(cache->count + 1, sizeof(struct cache_item *));
	size_t count = 0;
	for (struct cache_item *item = cache->oldest; item != NULL; item = item->newer)
		all[count++] = item;
	qsort(all, count, sizeof(struct cache_item *), by_use);
	cache->oldest = cache->newest = NULL;
	for (size_t i = 0; i < count; i++) {
		all[i]->newer = NULL;
		link_newest(cache, all[i]);
	}
	free(all);
}

void cache_touch(struct cache *cache, struct cache_item *item)
{
	if (!item->listed)
		return;
	unlink_item(cache, item);
	link_newest(cache, item);
	item->used = cache_now();
	item->touched = true;
}

void cache_remove(struct cache *cache, struct cache_item *item)
{
	if (!item->listed)
		return;
	unlink_item(cache, item);
	item->listed = false;
	cache->count--;
	cache->bytes -= item->bytes;
}

uint64_t cache_bytes(const struct cache *cache)
{
	return cache->bytes;
}

/* What was touched stands at the newer end. */
void cache_save(struct cache *cache)
{
	const int64_t since = cache->saved;
	cache->saved = cache_now();
	for (struct cache_item *item = cache->newest; item != NULL && item->used >= since;
		item = item->older) {
		if (item->touched)
			item->kind->save(item);
		item->touched = false;
	}
}

static void save(uv_timer_t *timer)
{
	cache_save(timer->data);
}

static void timer_init(struct cache *cache, uv_loop_t *loop, uv_timer_t *timer)
{
	(void)uv_timer_init(loop, timer);
	timer->data = cache;
	uv_unref((uv_handle_t *)timer);
}

struct cache *cache_create(uv_loop_t *loop, uint64_t bytes_max, uint64_t unused_ms)
{
	struct cache *cache = mem_zero(1, sizeof(*cache));
	cache->bytes_max = bytes_max;
	cache->unused_ms = (int64_t)unused_ms;
	timer_init(cache, loop, &cache->trim);
	timer_init(cache, loop, &cache->purge);
	timer_init(cache, loop, &cache->save);
	(void)uv_timer_start(&cache->purge, purge, AGAIN_MS, 0);
	(void)uv_timer_start(&cache->save, save, SAVE_MS, SAVE_MS);
	return cache;
}

/* ---- trees of files ---- */

struct removal {
	uv_work_t work;
	char **paths;
};

static void removal_work(uv_work_t *work)
{
	const struct removal *r = work->data;
	for (char *const *path = r->paths; *path != NULL; path++) {
		struct fault f = {0};
		if (fs_remove_all(*path, &f) < 0)
			log_warn("%s", f.text);
	}
}

static void removal_done(uv_work_t *work, int status)
{
	struct removal *r = work->data;
	(void)status;
	for (char **path = r->paths; *path != NULL; path++)
		free(*path);
	free(r->paths);
	free(r);
}

void cache_trees_remove(uv_loop_t *loop, char **paths)
{
	struct removal *r = mem_zero(1, sizeof(*r));
	r->paths = paths;
	r->work.data = r;
	if (uv_queue_work(loop, &r->work, removal_work, removal_done) < 0)
		removal_done(&r->work, 0);
}

void cache_tree_remove(uv_loop_t *loop, const char *path)
{
	char **paths = mem_zero(2, sizeof(*paths));
	paths[0] = mem_strdup(path);
	cache_trees_remove(loop, paths);
}
