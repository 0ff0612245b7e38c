#include "function/artifact.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/tree.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Key: "package@version, expressions, imports, expression". Failed builds are not kept. */
struct built {
	struct tree_node node;
	char *key;
	bool ready;
	struct artifact artifact;
	struct artifact_wait *waits;
	struct tool *tool;           /* while it is built */
	struct built *older, *newer; /* ready ones, by their last use */
	uint64_t bytes, used_ns;
};

struct artifact_wait {
	struct built *built;
	struct artifact_wait *next;
	bool *told;
	artifact_done *done;
	void *ctx;
};

struct artifacts {
	struct artifacts_setup setup;
	void *built;
	struct built *oldest, *newest;
	uint64_t bytes;
	uv_timer_t purge;
	unsigned long builds, parts;
};

struct build {
	uv_work_t work;
	struct artifacts *artifacts;
	struct built *built;
	int file;   /* what the jail writes to */
	char *part; /* its path */
	json_t *report;
	struct fault fault;
};

static void waits_tell(
	struct built *built, struct artifact *artifact, const json_t *report, const struct fault *f)
{
	struct artifact_wait *w = built->waits;
	built->waits = NULL;
	while (w != NULL) {
		struct artifact_wait *next = w->next;
		if (w->told != NULL)
			*w->told = true;
		if (w->done != NULL)
			w->done(w->ctx, artifact, report, f);
		free(w);
		w = next;
	}
}

/* ---- what goes ---- */

static void used_remove(struct artifacts *a, struct built *built)
{
	*(built->older != NULL ? &built->older->newer : &a->oldest) = built->newer;
	*(built->newer != NULL ? &built->newer->older : &a->newest) = built->older;
	built->older = built->newer = NULL;
}

static void used_add(struct artifacts *a, struct built *built)
{
	built->used_ns = clock_mono_ns();
	built->older = a->newest;
	*(a->newest != NULL ? &a->newest->newer : &a->oldest) = built;
	a->newest = built;
}

static void built_free(struct built *built)
{
	free(built->key);
	free(built->artifact.program.module);
	free(built);
}

static void built_drop(struct artifacts *a, struct built *built)
{
	defer_free char *path =
		mem_printf("%s/artifacts/%s", a->setup.state, built->artifact.digest);
	used_remove(a, built);
	a->bytes -= built->bytes;
	pool_forget(a->setup.pool, &built->artifact.program);
	(void)close(built->artifact.program.fd);
	(void)unlink(path); /* another of the same content has it open */
	json_decref(built->artifact.functions);
	tree_remove(&a->built, &built->node);
	built_free(built);
}

static void built_keep(struct artifacts *a, struct built *built)
{
	struct stat st;
	built->ready = true;
	built->bytes = fstat(built->artifact.program.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	a->bytes += built->bytes;
	used_add(a, built);
	while (a->bytes > a->setup.bytes_max && a->oldest != built)
		built_drop(a, a->oldest);
}

static void purge(uv_timer_t *timer)
{
	struct artifacts *a = timer->data;
	const uint64_t now = clock_mono_ns();
	while (a->oldest != NULL && now - a->oldest->used_ns > a->setup.unused_ms * 1000000U)
		built_drop(a, a->oldest);
}

/* ---- building ---- */

static void build_end(struct build *b)
{
	struct built *built = b->built;
	if (b->file >= 0)
		(void)close(b->file);
	if (b->fault.kind == FAULT_NONE) {
		built_keep(b->artifacts, built);
		waits_tell(built, &built->artifact, b->report, &b->fault);
	} else {
		if (b->part != NULL)
			(void)unlink(b->part);
		tree_remove(&b->artifacts->built, &built->node);
		waits_tell(built, NULL, b->report, &b->fault);
		built_free(built);
	}
	json_decref(b->report);
	free(b->part);
	free(b);
}

/* Runs in a worker thread: the jail is gone, nobody writes any more. */
static int digest_file(int fd, char hex[65], struct fault *f)
{
	crypto_hash_sha256_state state;
	unsigned char hash[crypto_hash_sha256_BYTES];
	defer_free unsigned char *chunk = mem_alloc(1 << 18);
	off_t at = 0;
	(void)crypto_hash_sha256_init(&state);
	for (;;) {
		ssize_t n = pread(fd, chunk, 1 << 18, at);
		if (n < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "read an artifact");
		if (n == 0)
			break;
		(void)crypto_hash_sha256_update(&state, chunk, (unsigned long long)n);
		at += n;
	}
	if (at == 0)
		return fault_set(f, FAULT_PLATFORM, 0, "the build left no artifact");
	(void)crypto_hash_sha256_final(&state, hash);
	(void)sodium_bin2hex(hex, 65, hash, sizeof(hash));
	return 0;
}

static void digest_work(uv_work_t *work)
{
	struct build *b = work->data;
	struct artifact *artifact = &b->built->artifact;
	if (digest_file(b->file, artifact->digest, &b->fault) < 0)
		return;
	defer_free char *path =
		mem_printf("%s/artifacts/%s", b->artifacts->setup.state, artifact->digest);
	/* Nobody may have it open for writing when it is run (ETXTBSY). */
	if (fchmod(b->file, 0555) < 0 || close(b->file) < 0 || rename(b->part, path) < 0) {
		(void)fault_set(&b->fault, FAULT_PLATFORM, errno, "keep %s", path);
		return;
	}
	b->file = -1;
	artifact->program.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (artifact->program.fd < 0)
		(void)fault_set(&b->fault, FAULT_PLATFORM, errno, "open %s", path);
}

static void digest_done(uv_work_t *work, int status)
{
	(void)status;
	build_end(work->data);
}

/* The names as keys of an object, for finding one among thousands. */
static json_t *name_set(const json_t *names)
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

static void tool_ended(void *ctx, const json_t *report, const struct fault *f)
{
	struct build *b = ctx;
	b->built->tool = NULL;
	if (report == NULL) {
		b->fault = *f;
	} else {
		b->report = json_incref((json_t *)(uintptr_t)report);
		if (!json_is_true(json_object_get(report, "ok")))
			(void)tool_fault(report, &b->fault);
	}
	if (b->fault.kind != FAULT_NONE) {
		build_end(b);
		return;
	}
	b->artifacts->builds++;
	b->built->artifact.functions = name_set(json_object_get(report, "functions"));
	b->work.data = b;
	int queued = uv_queue_work(b->artifacts->setup.loop, &b->work, digest_work, digest_done);
	if (queued < 0) {
		(void)fault_set(&b->fault, FAULT_PLATFORM, -queued, "digest");
		build_end(b);
	}
}

static json_t *request_make(const struct artifacts *artifacts, const struct artifact_want *want)
{
	const struct source *source = want->source;
	json_t *imports = want->imports != NULL ? json_deep_copy(want->imports) : json_array();
	return json_pack("{s:s, s:s, s:b, s:s, s:o, s:s, s:b}", "package", source->package, "name",
		source->name, "standard", source->standard, "expression",
		want->expression != NULL ? want->expression : "", "imports", imports, "expressions",
		want->expressions, "cgo", artifacts->setup.cgo);
}

static void build_start(
	struct artifacts *artifacts, struct built *built, const struct artifact_want *want)
{
	struct build *b = mem_zero(1, sizeof(*b));
	b->artifacts = artifacts;
	b->built = built;
	b->part = mem_printf("%s/artifacts/part.%lu", artifacts->setup.state, ++artifacts->parts);
	b->file = open(b->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (b->file < 0) {
		(void)fault_set(&b->fault, FAULT_PLATFORM, errno, "create %s", b->part);
		build_end(b);
		return;
	}
	json_t *request = request_make(artifacts, want);
	if (request == NULL) { /* jansson refuses text that is not UTF-8 */
		(void)fault_code(
			&b->fault, FAULT_INPUT, "call_utf8", "the call is not valid UTF-8");
		build_end(b);
		return;
	}
	struct tool *tool = tool_run(artifacts->setup.tools, JAIL_BUILD, want->source->number,
		request, b->file, tool_ended, b);
	if (tool != NULL) {
		built->tool = tool;
		tool_label(tool, built->artifact.program.module);
	}
	json_decref(request);
}

static char *key_make(const struct artifact_want *want)
{
	defer_free char *imports =
		want->imports != NULL ? json_dumps(want->imports, JSON_COMPACT) : NULL;
	return mem_printf("%s@%s %s %s %s", want->source->package, want->source->version,
		want->expressions, imports != NULL ? imports : "",
		want->expression != NULL ? want->expression : "");
}

struct artifact_wait *artifact_get(struct artifacts *artifacts, const struct artifact_want *want,
	artifact_done *done, void *ctx)
{
	struct fault none = {0};
	char *key = key_make(want);
	struct built *built = tree_find(&artifacts->built, key);
	if (built != NULL)
		free(key);
	if (built != NULL && built->ready) {
		used_remove(artifacts, built);
		used_add(artifacts, built);
		metrics_count(METRIC_CACHE_ASKED, METRIC_CACHE_ARTIFACT, METRIC_RESULT_HIT);
		done(ctx, &built->artifact, NULL, &none);
		return NULL;
	}
	const bool first = built == NULL;
	metrics_count(METRIC_CACHE_ASKED, METRIC_CACHE_ARTIFACT,
		first ? METRIC_RESULT_MISS : METRIC_RESULT_JOINED);
	if (first) {
		built = mem_zero(1, sizeof(*built));
		built->key = key;
		built->node.key = key;
		built->artifact.program.fd = -1;
		built->artifact.program.module = source_label(want->source);
		tree_add(&artifacts->built, &built->node);
	}
	bool told = false;
	struct artifact_wait *w = mem_zero(1, sizeof(*w));
	*w = (struct artifact_wait){
		.built = built, .next = built->waits, .told = &told, .done = done, .ctx = ctx};
	built->waits = w;
	if (first)
		build_start(artifacts, built, want); /* may fail at once, and tell */
	if (told)
		return NULL;
	w->told = NULL;
	return w;
}

void artifact_cancel(struct artifact_wait *wait)
{
	struct built *built = wait->built;
	bool wanted = false;
	wait->done = NULL;
	for (const struct artifact_wait *w = built->waits; w != NULL; w = w->next)
		wanted |= w->done != NULL;
	if (!wanted && built->tool != NULL)
		tool_cancel(built->tool);
}

bool artifact_has(const struct artifact *artifact, const char *function)
{
	return json_object_get(artifact->functions, function) != NULL;
}

unsigned long artifacts_builds(const struct artifacts *artifacts)
{
	return artifacts->builds;
}

struct artifacts *artifacts_create(const struct artifacts_setup *setup)
{
	struct artifacts *artifacts = mem_zero(1, sizeof(*artifacts));
	artifacts->setup = *setup;
	(void)uv_timer_init(setup->loop, &artifacts->purge);
	artifacts->purge.data = artifacts;
	(void)uv_timer_start(&artifacts->purge, purge, 60000, 60000);
	uv_unref((uv_handle_t *)&artifacts->purge);
	return artifacts;
}
