#pragma once

/*
 * cache: what may be forgotten, by its last use. Two of these are kept: one of what takes room on
 * the disk, programs and source trees together, with a cap on bytes; one of what is only known.
 * Past the cap the least recently used goes, and all goes that was not used for a while, but never
 * what is in use. Nothing goes while the owner calls: a timer takes a few at a time, so that the
 * loop is never held up.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* The owner embeds it, zeroed. */
struct cache_item {
	const struct cache_kind *kind;
	struct cache_item *older, *newer;
	uint64_t bytes;
	int64_t used; /* milliseconds since 1970 */
	bool listed;
	bool touched; /* since it was last saved */
};

enum cache_use {
	CACHE_IDLE,    /* may go */
	CACHE_WAITING, /* may go when it was not used for too long, not for want of room */
	CACHE_BUSY,
};

/* What the owner does with its items. */
struct cache_kind {
	enum cache_use (*use)(const struct cache_item *item);
	void (*drop)(struct cache_item *item); /* takes it out (cache_remove) and away */
	void (*save)(struct cache_item *item); /* its `used` has changed */
};

struct cache;

/* bytes_max 0: no cap. Saves what was touched now and then. */
struct cache *cache_create(uv_loop_t *loop, uint64_t bytes_max, uint64_t unused_ms);
/* Adds it as just used. */
void cache_add(struct cache *cache, struct cache_item *item);
/* Adds it with `used` as it was, out of order until cache_sort. */
void cache_load(struct cache *cache, struct cache_item *item, int64_t used);
void cache_sort(struct cache *cache);
void cache_touch(struct cache *cache, struct cache_item *item);
/* Fine for what is not in it. */
void cache_remove(struct cache *cache, struct cache_item *item);
uint64_t cache_bytes(const struct cache *cache);
/* Saves all that was touched. */
void cache_save(struct cache *cache);
int64_t cache_now(void);

/* Removes trees of files, or files, in a worker thread, one after the other; what cannot be removed
 * is logged, and found by the next start. Takes the NULL-terminated list and its paths over. */
void cache_trees_remove(uv_loop_t *loop, char **paths);
void cache_tree_remove(uv_loop_t *loop, const char *path);
