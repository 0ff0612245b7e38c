#include "function/artifact_private.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/defer.h"
#include "base/log.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 2000, OPEN_MS = 5000 }; /* a file stays open so long after its last use */

/* ---- names ---- */

char *artifact_path(const struct artifacts *artifacts, const char *digest)
{
	return mem_printf("%s/artifacts/%s", artifacts->setup.state, digest);
}

static void key_add(crypto_generichash_state *state, const char *text)
{
	(void)crypto_generichash_update(state, (const unsigned char *)text, strlen(text) + 1);
}

/* The tree's digest is in it beside the module's sum: what a module without a go.mod depends on may
 * change, and its version may be another name of the same. */
void artifact_key(const struct artifacts *artifacts, const struct artifact_want *want, char key[65])
{
	const struct source *source = want->source;
	defer_free char *imports =
		want->imports != NULL ? json_dumps(want->imports, JSON_COMPACT) : NULL;
	unsigned char hash[32];
	crypto_generichash_state state;
	(void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	key_add(&state, artifacts->setup.builder);
	key_add(&state, source->sum);
	key_add(&state, source->tree);
	key_add(&state, source->package);
	key_add(&state, want->expressions);
	key_add(&state, imports != NULL ? imports : "[]");
	key_add(&state, want->expression != NULL ? want->expression : "");
	(void)crypto_generichash_final(&state, hash, sizeof(hash));
	(void)sodium_bin2hex(key, 65, hash, sizeof(hash));
}

json_t *name_set(const json_t *names)
{
	size_t i;
	json_t *name;
	json_t *set = json_object();
	json_array_foreach(names, i, name)
	{
		if (json_is_string(name))
			(void)json_object_set_new(set, json_string_value(name), json_true());
	}
	return set;
}

/* ---- the store ---- */

static struct store_row row_of(const struct built *built, const char *names)
{
	return (struct store_row){.text = {[ARTIFACTS_KEY] = built->key,
					  [ARTIFACTS_DIGEST] = built->artifact.digest,
					  [ARTIFACTS_SOURCE] = built->label,
					  [ARTIFACTS_FUNCTIONS] = names},
		.number = {[ARTIFACTS_USED] = built->item.used,
			[ARTIFACTS_BYTES] = (int64_t)built->item.bytes}};
}

void built_store(const struct built *built, const char *names)
{
	const struct store_row row = row_of(built, names);
	if (built->artifacts->setup.store != NULL)
		store_put(built->artifacts->setup.store, STORE_ARTIFACTS, &row);
}

/* ---- files ---- */

struct content *content_add(struct artifacts *artifacts, const char *digest)
{
	struct content *content = table_find(&artifacts->contents, digest);
	if (content == NULL) {
		content = mem_zero(1, sizeof(*content));
		memcpy(content->digest, digest, sizeof(content->digest));
		content->node.key = content->digest;
		table_add(&artifacts->contents, &content->node);
	}
	content->count++;
	return content;
}

/* Removing needs no room; the row, whose change may need some, goes later or is found to be wrong
 * by the next start. */
static void content_leave(struct artifacts *artifacts, const char *digest)
{
	struct content *content = table_find(&artifacts->contents, digest);
	if (content == NULL || --content->count > 0)
		return;
	defer_free char *path = artifact_path(artifacts, digest);
	if (unlink(path) < 0 && errno != ENOENT)
		log_warn("%s cannot be removed: %s", path, strerror(errno));
	table_remove(&artifacts->contents, &content->node);
	free(content);
}

static void built_close(struct built *built)
{
	struct artifacts *a = built->artifacts;
	if (built->artifact.program.fd < 0)
		return;
	(void)close(built->artifact.program.fd);
	free(built->artifact.program.module);
	built->artifact.program.module = NULL;
	built->artifact.program.fd = -1;
	*(built->open_before != NULL ? &built->open_before->open_behind : &a->open) =
		built->open_behind;
	if (built->open_behind != NULL)
		built->open_behind->open_before = built->open_before;
	built->open_before = built->open_behind = NULL;
}

void built_opened(struct built *built, const struct source *source, int fd, const struct stat *seen)
{
	struct artifacts *a = built->artifacts;
	built->artifact.program.fd = fd;
	built->artifact.program.module = source_label(source);
	built->seen = *seen;
	built->checked = true;
	built->open_behind = a->open;
	if (a->open != NULL)
		a->open->open_before = built;
	a->open = built;
	if (built->names == NULL)
		return;
	json_t *names = json_loads(built->names, 0, NULL);
	built->artifact.functions = name_set(names);
	json_decref(names);
	free(built->names);
	built->names = NULL;
}

/* Hundreds may be in use at once, not all that are known. */
static void closing(uv_timer_t *timer)
{
	struct artifacts *a = timer->data;
	const int64_t before = cache_now() - OPEN_MS;
	for (struct built *built = a->open; built != NULL;) {
		struct built *next = built->open_behind;
		if (built->job == NULL && !pool_program_used(&built->artifact.program) &&
			built->item.used < before)
			built_close(built);
		built = next;
	}
}

/* Lets go of its jails, as if it had just been opened. */
static void built_rest(struct built *built)
{
	struct pool_program *program = &built->artifact.program;
	pool_forget(built->artifacts->setup.pool, program);
	*program = (struct pool_program){
		.fd = program->fd, .module = program->module, .function = program->function};
}

void built_strip(struct built *built)
{
	struct artifacts *a = built->artifacts;
	built_rest(built);
	built_close(built);
	cache_remove(a->setup.cache, &built->item);
	content_leave(a, built->artifact.digest);
	json_decref(built->artifact.functions);
	built->artifact.functions = NULL;
	free(built->names);
	built->names = NULL;
	built->ready = built->checked = false;
}

void built_free(struct built *built)
{
	const struct store_row row = row_of(built, "");
	if (built->artifacts->setup.store != NULL)
		store_drop(built->artifacts->setup.store, STORE_ARTIFACTS, &row);
	table_remove(&built->artifacts->built, &built->node);
	free(built->label);
	free(built->names);
	free(built);
}

/* ---- what goes ---- */

static struct built *built_of(const struct cache_item *item)
{
	return (struct built *)((char *)(uintptr_t)item - offsetof(struct built, item));
}

static enum cache_use built_use(const struct cache_item *item)
{
	const struct built *built = built_of(item);
	if (built->job != NULL || pool_program_called(&built->artifact.program))
		return CACHE_BUSY;
	return pool_program_used(&built->artifact.program) ? CACHE_WAITING : CACHE_IDLE;
}

static void built_drop(struct cache_item *item)
{
	struct built *built = built_of(item);
	log_debug("a program of %s goes, as it was not called for longest", built->label);
	built_strip(built);
	built_free(built);
}

static void built_save(struct cache_item *item)
{
	const struct built *built = built_of(item);
	const struct store_row row = row_of(built, "");
	if (built->artifacts->setup.store != NULL)
		store_used(built->artifacts->setup.store, STORE_ARTIFACTS, &row);
}

const struct cache_kind built_kind = {built_use, built_drop, built_save};

/* ---- who waits ---- */

void built_tell(struct built *built, bool all, struct artifact *artifact, const json_t *report,
	const struct fault *f)
{
	struct artifact_wait *told = NULL;
	for (struct artifact_wait **at = &built->waits; *at != NULL;) {
		struct artifact_wait *w = *at;
		if (!all && w->rebuild) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = told;
		told = w;
	}
	while (told != NULL) {
		struct artifact_wait *next = told->next;
		if (told->told != NULL)
			*told->told = true;
		if (told->done != NULL)
			told->done(told->ctx, artifact, report, f);
		free(told);
		told = next;
	}
}

bool built_wanted(const struct built *built)
{
	const struct artifact_wait *w = built->waits;
	while (w != NULL && w->done == NULL)
		w = w->next;
	return w != NULL;
}

static struct built *built_add(
	struct artifacts *artifacts, const char *key, const struct source *source)
{
	struct built *built = mem_zero(1, sizeof(*built));
	memcpy(built->key, key, sizeof(built->key));
	built->node.key = built->key;
	built->label = mem_printf("%s@%s", source->package, source->version);
	built->artifact.program.function = built->label;
	built->artifacts = artifacts;
	built->item.kind = &built_kind;
	built->artifact.program.fd = -1;
	table_add(&artifacts->built, &built->node);
	return built;
}

/* One whose file has to be opened first is there. */
static void asked_count(const struct built *built, bool rebuild)
{
	metrics_count(METRIC_CACHE_ASKED, METRIC_CACHE_ARTIFACT,
		built->ready && !rebuild ? METRIC_RESULT_HIT
		: built->job == NULL     ? METRIC_RESULT_MISS
					 : METRIC_RESULT_JOINED);
}

struct artifact_wait *artifact_get(struct artifacts *artifacts, const struct artifact_want *want,
	artifact_done *done, void *ctx)
{
	struct fault none = {0};
	char key[65];
	artifact_key(artifacts, want, key);
	struct built *built = table_find(&artifacts->built, key);
	if (built != NULL)
		cache_touch(artifacts->setup.cache, &built->item);
	if (built != NULL && built->artifact.program.fd >= 0 && !want->rebuild) {
		asked_count(built, false);
		done(ctx, &built->artifact, NULL, &none);
		return NULL;
	}
	if (built == NULL)
		built = built_add(artifacts, key, want->source);
	asked_count(built, want->rebuild);
	bool told = false;
	struct artifact_wait *w = mem_zero(1, sizeof(*w));
	*w = (struct artifact_wait){.built = built,
		.next = built->waits,
		.rebuild = want->rebuild,
		.told = &told,
		.done = done,
		.ctx = ctx};
	built->waits = w;
	if (built->job == NULL)
		job_start(built, want); /* may fail at once, and tell */
	if (told)
		return NULL;
	w->told = NULL;
	return w;
}

void artifact_cancel(struct artifact_wait *wait)
{
	struct built *built = wait->built;
	wait->done = NULL;
	if (!built_wanted(built) && built->job != NULL)
		job_give_up(built->job);
}

bool artifact_has(const struct artifact *artifact, const char *function)
{
	return json_object_get(artifact->functions, function) != NULL;
}

void artifacts_rest(struct artifacts *artifacts, const char *package, const char *version)
{
	defer_free char *label = mem_printf("%s@%s", package, version);
	for (struct built *built = artifacts->open; built != NULL; built = built->open_behind) {
		if (strcmp(built->label, label) == 0)
			built_rest(built);
	}
}

struct artifacts *artifacts_create(const struct artifacts_setup *setup)
{
	struct artifacts *artifacts = mem_zero(1, sizeof(*artifacts));
	artifacts->setup = *setup;
	artifacts->part_prefix = mem_printf(
		"%s/artifacts/part.%llx", setup->state, (unsigned long long)clock_unix_ns());
	(void)uv_timer_init(setup->loop, &artifacts->closing);
	(void)uv_timer_init(setup->loop, &artifacts->sweeping);
	artifacts->closing.data = artifacts->sweeping.data = artifacts;
	(void)uv_timer_start(&artifacts->closing, closing, LOOK_MS, LOOK_MS);
	uv_unref((uv_handle_t *)&artifacts->closing);
	uv_unref((uv_handle_t *)&artifacts->sweeping);
	artifacts_load(artifacts);
	return artifacts;
}
