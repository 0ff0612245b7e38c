/* The start: what the store remembers, beside what lies in artifacts/. */

#include "function/artifact_private.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SWEEP = 16, SWEEP_MS = 2 }; /* files removed in one turn of the loop, and its distance */

struct loading {
	struct artifacts *artifacts;
	struct buf rows; /* of struct built * */
};

static bool is_hex(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void artifact_row(void *ctx, const struct store_row *row)
{
	struct loading *l = ctx;
	struct artifacts *a = l->artifacts;
	const char *key = row->text[ARTIFACTS_KEY];
	const int64_t bytes = row->number[ARTIFACTS_BYTES];
	if (!is_hex(key) || !is_hex(row->text[ARTIFACTS_DIGEST]) || bytes < 0) {
		store_drop(a->setup.store, STORE_ARTIFACTS, row);
		return;
	}
	struct built *built = mem_zero(1, sizeof(*built));
	memcpy(built->key, key, sizeof(built->key));
	memcpy(built->artifact.digest, row->text[ARTIFACTS_DIGEST], sizeof(built->artifact.digest));
	built->node.key = built->key;
	built->label = mem_strdup(row->text[ARTIFACTS_SOURCE]);
	built->artifact.program.function = built->label;
	built->names = mem_strdup(row->text[ARTIFACTS_FUNCTIONS]);
	built->artifacts = a;
	built->ready = true;
	built->artifact.program.fd = -1;
	built->item.kind = &built_kind;
	built->item.bytes = (uint64_t)bytes;
	table_add(&a->built, &built->node);
	(void)content_add(a, built->artifact.digest);
	cache_load(a->setup.cache, &built->item, row->number[ARTIFACTS_USED]);
	buf_append(&l->rows, &built, sizeof(struct built *));
}

/* Looked at once more, since one of the same content may have been built meanwhile. */
static void sweeping(uv_timer_t *timer)
{
	struct artifacts *a = timer->data;
	for (unsigned i = 0; i < SWEEP && a->strays_left > 0; i++) {
		defer_free char *name = a->strays[--a->strays_left];
		defer_free char *path = artifact_path(a, name);
		if (table_find(&a->contents, name) == NULL && unlink(path) < 0 && errno != ENOENT)
			log_warn("%s cannot be removed: %s", path, strerror(errno));
	}
	if (a->strays_left > 0) {
		(void)uv_timer_start(&a->sweeping, sweeping, SWEEP_MS, 0);
		return;
	}
	free(a->strays);
	a->strays = NULL;
}

static void directory_look(struct artifacts *a)
{
	defer_free char *path = artifact_path(a, "");
	defer_closedir DIR *dir = opendir(path);
	struct buf strays = {0};
	if (dir == NULL)
		log_error("%s cannot be read: %s", path, strerror(errno));
	for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
		struct content *content = table_find(&a->contents, e->d_name);
		if (content != NULL) {
			content->found = true;
		} else if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			const char *name = mem_strdup(e->d_name);
			buf_append(&strays, &name, sizeof(name));
		}
	}
	a->strays = (char **)(void *)strays.data;
	a->strays_left = strays.len / sizeof(char *);
	if (a->strays_left == 0)
		return;
	log_info("%zu files in artifacts/ that nobody knows any more are removed", a->strays_left);
	(void)uv_timer_start(&a->sweeping, sweeping, SWEEP_MS, 0);
}

static void missing_drop(struct loading *l)
{
	struct built **all = (struct built **)(void *)l->rows.data;
	const size_t count = l->rows.len / sizeof(struct built *);
	size_t missing = 0;
	for (size_t i = 0; i < count; i++) {
		struct built *built = all[i];
		const struct content *content =
			table_find(&l->artifacts->contents, built->artifact.digest);
		if (content->found)
			continue;
		if (missing++ < 10)
			log_warn("a program of %s, artifacts/%s, is not there any more: it is "
				 "built again when it is called",
				built->label, built->artifact.digest);
		built_strip(built);
		built_free(built);
	}
	if (missing > 10)
		log_warn("%zu programs in all are not there any more", missing);
}

void artifacts_load(struct artifacts *a)
{
	struct loading l = {.artifacts = a};
	if (a->setup.store != NULL)
		store_load(a->setup.store, STORE_ARTIFACTS, artifact_row, &l);
	directory_look(a);
	missing_drop(&l);
	buf_finish(&l.rows);
	cache_sort(a->setup.cache); /* with the source trees, which came before */
}
