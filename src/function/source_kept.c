/* What is kept of each source: what is known of it, and its tree, which goes before. */

#include "function/source_private.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/log.h"
#include "function/treesum.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

char *tree_path(const struct sources *sources, uint64_t number)
{
	return mem_printf("%s/sources/%016llx", sources->setup.state, (unsigned long long)number);
}

static struct kept *kept_of(struct source *source)
{
	return (struct kept *)((char *)source - offsetof(struct kept, source));
}

static struct kept *kept_of_known(const struct cache_item *item)
{
	return (struct kept *)((char *)(uintptr_t)item - offsetof(struct kept, known));
}

static struct kept *kept_of_tree(const struct cache_item *item)
{
	return (struct kept *)((char *)(uintptr_t)item - offsetof(struct kept, tree));
}

struct kept *kept_find(const struct sources *sources, const char *package, const char *version)
{
	defer_free char *key = mem_printf("%s@%s", package, version);
	return table_find(&sources->kept, key);
}

static struct store_row row_of(const struct kept *kept)
{
	const struct source *s = &kept->source;
	return (struct store_row){.text = {[SOURCES_PACKAGE] = kept->asked,
					  [SOURCES_PATH] = s->package,
					  [SOURCES_VERSION] = s->version,
					  [SOURCES_MODULE] = s->module,
					  [SOURCES_SUM] = s->sum,
					  [SOURCES_NAME] = s->name,
					  [SOURCES_TREE] = s->tree,
					  [SOURCES_TOOL] = kept->sources->setup.tool},
		.number = {[SOURCES_USED] = kept->known.used,
			[SOURCES_NUMBER] = (int64_t)s->number,
			[SOURCES_BYTES] = (int64_t)(s->number != 0 ? kept->tree.bytes : 0),
			[SOURCES_ALONE] = s->expressions_only}};
}

void kept_save(const struct kept *kept)
{
	const struct store_row row = row_of(kept);
	if (kept->sources->setup.store != NULL)
		store_put(kept->sources->setup.store, STORE_SOURCES, &row);
}

/* ---- what goes ---- */

void kept_tree_forget(struct kept *kept)
{
	cache_remove(kept->sources->setup.cache, &kept->tree);
	kept->source.number = 0;
	kept->checked = false;
}

/* The tree itself goes first: that needs no room, the row may. */
static void tree_remove_files(struct kept *kept)
{
	if (kept->source.number == 0)
		return;
	defer_free char *path = tree_path(kept->sources, kept->source.number);
	cache_tree_remove(kept->sources->setup.loop, path);
	kept_tree_forget(kept);
}

static void kept_free(struct kept *kept)
{
	struct source *s = &kept->source;
	tree_remove_files(kept);
	free(s->package);
	free(s->module);
	free(s->version);
	free(s->sum);
	free(s->name);
	free(s->tree);
	free(kept->key);
	free(kept->asked);
	resolve_git_free(kept->git);
	free(kept);
}

static bool is_held(const struct kept *kept)
{
	return kept->holds > 0 || kept->builds > 0 || kept->waits != NULL;
}

static enum cache_use known_use(const struct cache_item *item)
{
	return is_held(kept_of_known(item)) ? CACHE_BUSY : CACHE_IDLE;
}

static void kept_leave(struct kept *kept)
{
	cache_remove(kept->sources->known, &kept->known);
	cache_remove(kept->sources->setup.cache, &kept->tree);
	table_remove(&kept->sources->kept, &kept->node);
}

static void known_drop(struct cache_item *item)
{
	struct kept *kept = kept_of_known(item);
	const struct store_row row = row_of(kept);
	if (kept->sources->setup.store != NULL)
		store_drop(kept->sources->setup.store, STORE_SOURCES, &row);
	kept_leave(kept);
	kept_free(kept);
}

static void known_save(struct cache_item *item)
{
	const struct kept *kept = kept_of_known(item);
	const struct store_row row = row_of(kept);
	if (kept->sources->setup.store != NULL)
		store_used(kept->sources->setup.store, STORE_SOURCES, &row);
}

static enum cache_use tree_use(const struct cache_item *item)
{
	const struct kept *kept = kept_of_tree(item);
	return kept->builds > 0 || kept->waits != NULL ? CACHE_BUSY : CACHE_IDLE;
}

static void tree_drop(struct cache_item *item)
{
	struct kept *kept = kept_of_tree(item);
	log_info("the tree of %s goes, as it was not used for longest", kept->key);
	tree_remove_files(kept);
	kept_save(kept);
}

static void tree_save(struct cache_item *item)
{
	(void)item; /* when it was built from is not kept apart */
}

static const struct cache_kind known_kind = {known_use, known_drop, known_save};
static const struct cache_kind tree_kind = {tree_use, tree_drop, tree_save};

/* ---- what comes ---- */

struct kept *kept_new(struct sources *sources, const char *package, const char *version)
{
	struct kept *kept = mem_zero(1, sizeof(*kept));
	kept->key = mem_printf("%s@%s", package, version);
	kept->node.key = kept->key;
	kept->sources = sources;
	kept->asked = mem_strdup(package);
	kept->source.version = mem_strdup(version);
	kept->known.kind = &known_kind;
	kept->tree.kind = &tree_kind;
	return kept;
}

/* Another has come in its place. */
static void kept_replace(struct kept *old)
{
	kept_leave(old);
	old->replaced = true;
	if (!is_held(old))
		kept_free(old);
}

void kept_enter(struct kept *kept, uint64_t bytes)
{
	struct kept *old = table_find(&kept->sources->kept, kept->key);
	if (old != NULL)
		kept_replace(old);
	table_add(&kept->sources->kept, &kept->node);
	if (kept->source.standard)
		return;
	kept->tree.bytes = bytes;
	kept->checked = true;
	cache_add(kept->sources->known, &kept->known);
	cache_add(kept->sources->setup.cache, &kept->tree);
	kept_save(kept);
}

void kept_enter_loaded(struct kept *kept, uint64_t bytes, int64_t used)
{
	table_add(&kept->sources->kept, &kept->node);
	kept->tree.bytes = bytes;
	cache_load(kept->sources->known, &kept->known, used);
	if (kept->source.number != 0)
		cache_load(kept->sources->setup.cache, &kept->tree, used);
}

void source_hold(struct source *source)
{
	kept_of(source)->holds++;
}

static void released(struct kept *kept)
{
	if (kept->replaced && !is_held(kept))
		kept_free(kept);
}

void source_release(struct source *source)
{
	struct kept *kept = kept_of(source);
	kept->holds--;
	released(kept);
}

void source_tree_end(struct source *source)
{
	struct kept *kept = kept_of(source);
	kept->builds--;
	released(kept);
}

void source_alone(struct source *source)
{
	struct kept *kept = kept_of(source);
	if (source->expressions_only)
		return;
	source->expressions_only = true;
	if (!source->standard && !kept->replaced)
		kept_save(kept);
}

/* ---- trees for builds ---- */

struct check {
	uv_work_t work;
	struct kept *kept;
	char *path;
	struct treesum sum;
	struct fault fault;
};

static void waits_tell(
	struct kept *kept, struct source *source, const json_t *report, const struct fault *f)
{
	struct tree_wait *w = kept->waits;
	kept->holds++;
	kept->waits = NULL;
	while (w != NULL) {
		struct tree_wait *next = w->next;
		if (source != NULL)
			kept_of(source)->builds++;
		w->done(w->ctx, source, report, f);
		free(w);
		w = next;
	}
	source_release(&kept->source);
}

static void tree_fetched(
	void *ctx, struct source *source, const json_t *report, const struct fault *f)
{
	waits_tell(ctx, source, report, f);
}

static void tree_fetch(struct kept *kept)
{
	const struct resolve same = {.package = kept->asked,
		.version = kept->source.version,
		.pinned = true,
		.git = kept->git};
	(void)source_get(kept->sources, &same, true, tree_fetched, kept);
}

static void check_work(uv_work_t *work)
{
	struct check *check = work->data;
	(void)treesum_make(check->path, &check->sum, &check->fault);
}

static void check_done(uv_work_t *work, int status)
{
	struct check *check = work->data;
	struct kept *kept = check->kept;
	const struct fault none = {0};
	(void)status;
	if (check->fault.kind == FAULT_NONE && strcmp(check->sum.digest, kept->source.tree) == 0) {
		kept->checked = true;
		waits_tell(kept, &kept->source, NULL, &none);
	} else if (check->fault.error == EMFILE || check->fault.error == ENFILE) {
		check->fault.kind = FAULT_BUSY;
		waits_tell(kept, NULL, NULL, &check->fault);
	} else {
		log_warn("the tree of %s, %s, is not what it was (%s): it is fetched again",
			kept->key, check->path,
			check->fault.kind != FAULT_NONE ? check->fault.text : "its digest differs");
		tree_remove_files(kept);
		tree_fetch(kept);
	}
	free(check->path);
	free(check);
}

static void tree_check(struct kept *kept)
{
	struct check *check = mem_zero(1, sizeof(*check));
	check->kept = kept;
	check->path = tree_path(kept->sources, kept->source.number);
	check->work.data = check;
	if (uv_queue_work(kept->sources->setup.loop, &check->work, check_work, check_done) == 0)
		return;
	(void)fault_set(&check->fault, FAULT_PLATFORM, 0, "no worker thread");
	check_done(&check->work, 0);
}

void source_tree(struct source *source, source_done *done, void *ctx)
{
	struct kept *kept = kept_of(source);
	const struct fault none = {0};
	if (source->standard || (source->number != 0 && kept->checked)) {
		cache_touch(kept->sources->setup.cache, &kept->tree);
		kept->builds++;
		done(ctx, source, NULL, &none);
		return;
	}
	struct tree_wait *w = mem_zero(1, sizeof(*w));
	const bool first = kept->waits == NULL;
	*w = (struct tree_wait){.next = kept->waits, .done = done, .ctx = ctx};
	kept->waits = w;
	if (!first)
		return;
	if (source->number != 0)
		tree_check(kept);
	else
		tree_fetch(kept);
}
