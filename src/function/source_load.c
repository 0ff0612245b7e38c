/* The start: what the store remembers, beside what lies in sources/. */

#include "function/source_private.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tree that a row names. */
struct named {
	uint64_t number;
	struct kept *kept;
	bool found;
};

struct loading {
	struct sources *sources;
	struct named *named;
	size_t count, room;
};

static void resolved_row(void *ctx, const struct store_row *row)
{
	struct sources *sources = ctx;
	struct asked *asked = asked_get(sources, row->text[RESOLVED_PACKAGE],
		row->text[RESOLVED_QUERY], row->number[RESOLVED_UNTIL] == INT64_MAX);
	if (asked->version != NULL)
		return;
	asked->version = mem_strdup(row->text[RESOLVED_VERSION]);
	asked->until = row->number[RESOLVED_UNTIL];
	cache_load(sources->known, &asked->item, row->number[RESOLVED_USED]);
}

static void named_add(struct loading *l, struct kept *kept)
{
	if (l->count == l->room) {
		l->room = l->room * 2 + 64;
		l->named = realloc(l->named, l->room * sizeof(*l->named));
		if (l->named == NULL)
			abort();
	}
	l->named[l->count++] = (struct named){.number = kept->source.number, .kept = kept};
}

static void source_row(void *ctx, const struct store_row *row)
{
	struct loading *l = ctx;
	struct sources *sources = l->sources;
	const int64_t bytes = row->number[SOURCES_BYTES];
	if (strcmp(row->text[SOURCES_TOOL], sources->setup.tool) != 0) {
		store_drop(sources->setup.store, STORE_SOURCES, row);
		return;
	}
	struct kept *kept =
		kept_new(sources, row->text[SOURCES_PACKAGE], row->text[SOURCES_VERSION]);
	kept->source.package = mem_strdup(row->text[SOURCES_PATH]);
	kept->source.module = mem_strdup(row->text[SOURCES_MODULE]);
	kept->source.sum = mem_strdup(row->text[SOURCES_SUM]);
	kept->source.name = mem_strdup(row->text[SOURCES_NAME]);
	kept->source.tree = mem_strdup(row->text[SOURCES_TREE]);
	kept->source.number = (uint64_t)row->number[SOURCES_NUMBER];
	kept->source.expressions_only = row->number[SOURCES_ALONE] != 0;
	kept_enter_loaded(kept, bytes > 0 ? (uint64_t)bytes : 0, row->number[SOURCES_USED]);
	if (kept->source.number != 0)
		named_add(l, kept);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t one = ((const struct named *)a)->number;
	const uint64_t two = ((const struct named *)b)->number;
	return one < two ? -1 : one > two;
}

static struct named *named_find(const struct loading *l, const char *name)
{
	struct named want = {0};
	int end = 0;
	if (l->count == 0 || sscanf(name, "%16" SCNx64 "%n", &want.number, &end) != 1 ||
		end != 16 || name[end] != '\0')
		return NULL;
	return bsearch(&want, l->named, l->count, sizeof(*l->named), by_number);
}

/* A number is never used twice, not even that of a tree whose removal is still under way. */
static void number_pass(struct sources *sources, const char *name)
{
	const uint64_t number = strtoull(name, NULL, 16);
	if (number > sources->last_number && number < UINT64_MAX / 2)
		sources->last_number = number;
}

/* Finds the trees that are named, and removes all else that lies there. */
static void directory_look(const struct loading *l)
{
	struct sources *sources = l->sources;
	defer_free char *path = mem_printf("%s/sources", sources->setup.state);
	defer_closedir DIR *dir = opendir(path);
	struct buf strays = {0};
	const char *none = NULL;
	if (dir == NULL)
		log_error("%s cannot be read: %s", path, strerror(errno));
	for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		number_pass(sources, e->d_name);
		struct named *named = named_find(l, e->d_name);
		if (named != NULL) {
			named->found = true;
			continue;
		}
		const char *stray = mem_printf("%s/%s", path, e->d_name);
		buf_append(&strays, &stray, sizeof(stray));
	}
	buf_append(&strays, &none, sizeof(none));
	if (strays.len > sizeof(none))
		log_info("%zu source trees that nobody knows any more are removed",
			strays.len / sizeof(none) - 1);
	cache_trees_remove(sources->setup.loop, (char **)(void *)strays.data);
}

void sources_load(struct sources *sources)
{
	struct loading l = {.sources = sources};
	if (sources->setup.store != NULL) {
		store_load(sources->setup.store, STORE_RESOLVED, resolved_row, sources);
		store_load(sources->setup.store, STORE_SOURCES, source_row, &l);
		cache_sort(sources->known);
	}
	if (l.count > 0)
		qsort(l.named, l.count, sizeof(*l.named), by_number);
	directory_look(&l);
	for (size_t i = 0; i < l.count; i++) {
		struct kept *kept = l.named[i].kept;
		if (l.named[i].number > sources->last_number)
			sources->last_number = l.named[i].number;
		if (l.named[i].found)
			continue;
		log_warn("the tree of %s is not there any more: it is fetched again when it is "
			 "needed",
			kept->key);
		kept_tree_forget(kept);
		kept_save(kept);
	}
	free(l.named);
}
