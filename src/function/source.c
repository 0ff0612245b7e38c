#include "function/source_private.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/log.h"
#include "function/treesum.h"
#include "function/unpack.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct source_wait {
	struct asked *asked;
	struct source_wait *next;
	bool *told; /* while source_get still runs */
	source_done *done;
	void *ctx;
};

/* One fetch: the tool's run, then the unpacking in a worker thread. */
struct fetch {
	uv_work_t work;
	struct asked *asked;
	bool refresh; /* what comes replaces what is there */
	bool known;   /* it is of the version that the query is known to mean */
	int tar;
	uint64_t number;
	char *path; /* where the tree goes */
	struct treesum sum;
	json_t *report;
	struct fault fault;
};

static void fetch_start(struct asked *asked);

/* ---- queries ---- */

static struct asked *asked_of(const struct cache_item *item)
{
	return (struct asked *)((char *)(uintptr_t)item - offsetof(struct asked, item));
}

/* Nothing is remembered of what could not be found: the next who asks may be luckier, and
 * strangers' names cost no memory. */
static void asked_forget(struct asked *asked)
{
	cache_remove(asked->sources->known, &asked->item);
	table_remove(&asked->sources->asked, &asked->node);
	free(asked->key);
	free(asked->package);
	free(asked->query);
	free(asked->version);
	resolve_git_free(asked->git);
	free(asked);
}

static struct store_row row_of(const struct asked *asked, const char *module)
{
	return (struct store_row){.text = {[RESOLVED_PACKAGE] = asked->package,
					  [RESOLVED_QUERY] = asked->query,
					  [RESOLVED_MODULE] = module,
					  [RESOLVED_VERSION] = asked->version},
		.number = {[RESOLVED_USED] = asked->item.used, [RESOLVED_UNTIL] = asked->until}};
}

static enum cache_use asked_use(const struct cache_item *item)
{
	return asked_of(item)->fetching ? CACHE_BUSY : CACHE_IDLE;
}

static void asked_drop(struct cache_item *item)
{
	struct asked *asked = asked_of(item);
	const struct store_row row = row_of(asked, "");
	if (asked->sources->setup.store != NULL)
		store_drop(asked->sources->setup.store, STORE_RESOLVED, &row);
	asked_forget(asked);
}

static void asked_save(struct cache_item *item)
{
	const struct asked *asked = asked_of(item);
	const struct store_row row = row_of(asked, "");
	if (asked->sources->setup.store != NULL)
		store_used(asked->sources->setup.store, STORE_RESOLVED, &row);
}

const struct cache_kind asked_kind = {asked_use, asked_drop, asked_save};

struct asked *asked_get(
	struct sources *sources, const char *package, const char *query, bool pinned)
{
	char *key = mem_printf("%s@%s", package, query);
	struct asked *asked = table_find(&sources->asked, key);
	if (asked != NULL) {
		free(key);
		return asked;
	}
	asked = mem_zero(1, sizeof(*asked));
	asked->key = key;
	asked->node.key = key;
	asked->package = mem_strdup(package);
	asked->query = mem_strdup(query);
	asked->pinned = pinned;
	asked->item.kind = &asked_kind;
	asked->sources = sources;
	table_add(&sources->asked, &asked->node);
	return asked;
}

/* Its version is known and not too old. */
static bool is_known(const struct asked *asked)
{
	return asked->version != NULL && (asked->pinned || cache_now() < asked->until);
}

static void asked_means(struct asked *asked, const struct source *source)
{
	free(asked->version);
	asked->version = mem_strdup(source->version);
	asked->until =
		asked->pinned ? INT64_MAX : cache_now() + (int64_t)asked->sources->setup.expires_ms;
	if (!asked->item.listed)
		cache_add(asked->sources->known, &asked->item);
	const struct store_row row = row_of(asked, source->module);
	if (asked->sources->setup.store != NULL)
		store_put(asked->sources->setup.store, STORE_RESOLVED, &row);
}

static void waits_tell(
	struct asked *asked, struct source *source, const json_t *report, const struct fault *f)
{
	struct source_wait *w = asked->waits;
	asked->waits = NULL;
	while (w != NULL) {
		struct source_wait *next = w->next;
		if (w->told != NULL)
			*w->told = true;
		if (w->done != NULL)
			w->done(w->ctx, source, report, f);
		free(w);
		w = next;
	}
}

static bool is_wanted(const struct source_wait *waits)
{
	while (waits != NULL && waits->done == NULL)
		waits = waits->next;
	return waits != NULL;
}

/* ---- a fetch ---- */

static const char *report_text(const json_t *report, const char *name)
{
	const char *text = json_string_value(json_object_get(report, name));
	return text != NULL ? text : "";
}

static void fetch_free(struct fetch *fetch)
{
	if (fetch->tar >= 0)
		(void)close(fetch->tar);
	json_decref(fetch->report);
	free(fetch->path);
	free(fetch);
}

/* Those who came too late for the fetch that has just ended. */
static void again_start(struct asked *asked)
{
	if (asked->fetching)
		return;
	struct source_wait *late = asked->again;
	asked->again = NULL;
	asked->waits = late;
	if (is_wanted(late)) {
		fetch_start(asked);
		return;
	}
	waits_tell(asked, NULL, NULL, NULL); /* frees them: nobody listens */
	if (asked->version == NULL)
		asked_forget(asked);
}

static void fetch_end(struct fetch *fetch, struct source *source)
{
	struct asked *asked = fetch->asked;
	asked->fetching = asked->given_up = false;
	if (fetch->fault.kind == FAULT_FULL) {
		(void)fault_wrap(&fetch->fault,
			"no room for the source of %s (free some on the disk of the state "
			"directory or lower jails.cache_max; or fetches need a larger "
			"jails.build.tmp)",
			asked->key);
		json_decref(fetch->report); /* the tool knows nothing of our disks */
		fetch->report = NULL;
	}
	if (source != NULL) {
		source_hold(source);
		if (!fetch->known || strcmp(asked->version, source->version) != 0) {
			if (asked->git != NULL)
				asked->pinned =
					json_is_true(json_object_get(fetch->report, "pinned"));
			asked_means(asked, source);
		}
	}
	waits_tell(asked, source, fetch->report, &fetch->fault);
	if (source != NULL)
		source_release(source);
	again_start(asked);
	fetch_free(fetch);
}

static void unpack_work(uv_work_t *work)
{
	struct fetch *fetch = work->data;
	if (unpack_tar(fetch->tar, fetch->path, fetch->asked->sources->setup.bytes_max,
		    &fetch->fault) < 0)
		(void)fault_wrap(&fetch->fault, "unpack %s", fetch->asked->package);
	else
		(void)treesum_make(fetch->path, &fetch->sum, &fetch->fault);
}

static void unpack_done(uv_work_t *work, int status)
{
	struct fetch *fetch = work->data;
	struct asked *asked = fetch->asked;
	(void)status;
	if (fetch->fault.kind != FAULT_NONE) {
		cache_tree_remove(asked->sources->setup.loop, fetch->path);
		fetch_end(fetch, NULL);
		return;
	}
	const char *version = report_text(fetch->report, "version");
	const struct kept *old = kept_find(asked->sources, asked->package, version);
	struct kept *kept = kept_new(asked->sources, asked->package, version);
	kept->git = resolve_git_copy(asked->git);
	/* Of a repository, its go.mod says it. */
	kept->source.package = mem_strdup(report_text(fetch->report, "package"));
	kept->source.module = mem_strdup(report_text(fetch->report, "module"));
	kept->source.sum = mem_strdup(report_text(fetch->report, "sum"));
	kept->source.name = mem_strdup(report_text(fetch->report, "name"));
	kept->source.tree = mem_strdup(fetch->sum.digest);
	kept->source.number = fetch->number;
	kept->source.expressions_only = !fetch->refresh && old != NULL &&
					old->source.expressions_only &&
					strcmp(old->source.tree, fetch->sum.digest) == 0;
	kept_enter(kept, fetch->sum.bytes);
	fetch_end(fetch, &kept->source);
}

/* What came is what we have already, under another name. */
static struct kept *same_find(const struct fetch *fetch)
{
	struct kept *same = kept_find(fetch->asked->sources, fetch->asked->package,
		report_text(fetch->report, "version"));
	return same != NULL && !fetch->refresh && same->source.number != 0 &&
			       strcmp(same->source.sum, report_text(fetch->report, "sum")) == 0
		       ? same
		       : NULL;
}

/* These are told to callers, in headers too: who took over a fetch jail may write anything. */
static int names_check(const json_t *report, struct fault *f)
{
	static const char *const names[] = {"module", "version", "package"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (const char *p = report_text(report, names[i]); *p != '\0'; p++) {
			if ((unsigned char)*p <= ' ' || *p == 0x7f)
				return fault_set(f, FAULT_PLATFORM, 0,
					"what was fetched is called what nothing can be (%s)",
					names[i]);
		}
	}
	return 0;
}

static void fetched(void *ctx, const json_t *report, const struct fault *f)
{
	struct fetch *fetch = ctx;
	struct asked *asked = fetch->asked;
	asked->tool = NULL;
	if (report == NULL) {
		fetch->fault = *f;
	} else {
		fetch->report = json_incref((json_t *)(uintptr_t)report);
		if (!json_is_true(json_object_get(report, "ok")))
			(void)tool_fault(report, &fetch->fault);
		else
			(void)names_check(report, &fetch->fault);
	}
	if (fetch->known && fetch->fault.kind == FAULT_NOT_FOUND && !asked->pinned) {
		asked->until = 0; /* a branch's commit may have gone: what does it mean now? */
		fetch_free(fetch);
		fetch_start(asked);
		return;
	}
	if (fetch->fault.kind != FAULT_NONE) {
		fetch_end(fetch, NULL);
		return;
	}
	struct kept *same = same_find(fetch);
	if (same != NULL) {
		if (same->git == NULL)
			same->git = resolve_git_copy(asked->git);
		fetch_end(fetch, &same->source);
		return;
	}
	fetch->work.data = fetch;
	int queued =
		uv_queue_work(asked->sources->setup.loop, &fetch->work, unpack_work, unpack_done);
	if (queued < 0) {
		(void)fault_set(&fetch->fault, FAULT_PLATFORM, -queued, "unpack");
		fetch_end(fetch, NULL);
	}
}

/* A file without a name that fetch jails write their archive to. */
static int bulk_open(const char *state)
{
	defer_free char *path = mem_printf("%s/tmp/fetched.XXXXXX", state);
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

static void fetch_start(struct asked *asked)
{
	struct sources *sources = asked->sources;
	struct fetch *fetch = mem_zero(1, sizeof(*fetch));
	fetch->asked = asked;
	fetch->refresh = asked->refresh_next;
	fetch->number = ++sources->last_number;
	fetch->path = tree_path(sources, fetch->number);
	fetch->tar = bulk_open(sources->setup.state);
	/* Only its tree or what is known of it has gone: what the query means has not. */
	fetch->known = !fetch->refresh && is_known(asked);
	asked->fetching = true;
	asked->refresh_next = false;
	if (fetch->tar < 0) {
		(void)fault_set(&fetch->fault, FAULT_PLATFORM, errno, "create a file in %s/tmp",
			sources->setup.state);
		fetch_end(fetch, NULL);
		return;
	}
	json_t *request = json_pack("{s:s, s:s}", "package", asked->package, "version",
		fetch->known ? asked->version : asked->query);
	struct tool *tool = asked->git != NULL
				    ? git_fetch(&sources->setup.git, sources->setup.tools,
					      asked->git, request, fetch->tar, fetched, fetch)
				    : tool_run(sources->setup.tools, JAIL_FETCH, 0, request,
					      fetch->tar, fetched, fetch);
	if (tool != NULL) {
		asked->tool = tool;
		tool_label(tool, asked->key);
	}
	json_decref(request);
}

/* ---- the standard library ---- */

/* It is there already; only whether the package is has to be looked up. */
static struct source *standard_get(struct sources *sources, const char *package, struct fault *f)
{
	struct kept *kept = kept_find(sources, package, sources->setup.go_version);
	if (kept != NULL)
		return &kept->source;
	defer_free char *dir = mem_printf("%s/src/%s", sources->setup.toolchain, package);
	const char *last = strrchr(package, '/');
	bool hidden = strncmp(package, "cmd", 3) == 0 || strstr(package, "internal") != NULL ||
		      strncmp(package, "vendor", 6) == 0 || strstr(package, "testdata") != NULL;
	if (hidden || access(dir, R_OK) < 0) {
		(void)fault_code(f, FAULT_NOT_FOUND, "package_not_found",
			"%s is no package of Go's standard library%s; other packages are named "
			"with their host, such as github.com/user/repository",
			package, hidden ? " that can be imported" : "");
		return NULL;
	}
	kept = kept_new(sources, package, sources->setup.go_version);
	kept->source.package = mem_strdup(package);
	kept->source.module = mem_strdup("");
	kept->source.sum = mem_strdup("");
	kept->source.tree = mem_strdup("");
	kept->source.name = mem_strdup(last != NULL ? last + 1 : package);
	kept->source.standard = true;
	kept_enter(kept, 0);
	return &kept->source;
}

/* ---- asking ---- */

/* What is remembered; NULL: it has to be fetched. */
static struct source *remembered(struct asked *asked)
{
	struct kept *kept =
		is_known(asked) ? kept_find(asked->sources, asked->package, asked->version) : NULL;
	if (kept == NULL)
		return NULL;
	if (kept->git == NULL)
		kept->git = resolve_git_copy(asked->git);
	cache_touch(asked->sources->known, &asked->item);
	cache_touch(asked->sources->known, &kept->known);
	return &kept->source;
}

static struct source_wait *wait_add(
	struct source_wait **list, struct asked *asked, source_done *done, void *ctx)
{
	metrics_count(METRIC_CACHE_ASKED, METRIC_CACHE_SOURCE,
		*list == NULL ? METRIC_RESULT_MISS : METRIC_RESULT_JOINED);
	struct source_wait *w = mem_zero(1, sizeof(*w));
	*w = (struct source_wait){.asked = asked, .next = *list, .done = done, .ctx = ctx};
	*list = w;
	return w;
}

struct source_wait *source_get(struct sources *sources, const struct resolve *resolve, bool refresh,
	source_done *done, void *ctx)
{
	struct fault f = {0};
	if (resolve->standard) {
		struct source *source = standard_get(sources, resolve->package, &f);
		done(ctx, source, NULL, &f);
		return NULL;
	}
	if (resolve->git != NULL && git_check(&sources->setup.git, resolve->git, &f) < 0) {
		done(ctx, NULL, NULL, &f);
		return NULL;
	}
	struct asked *asked =
		asked_get(sources, resolve->package, resolve->version, resolve->pinned);
	if (asked->git == NULL)
		asked->git = resolve_git_copy(resolve->git);
	struct source *source = refresh ? NULL : remembered(asked);
	if (source != NULL) {
		metrics_count(METRIC_CACHE_ASKED, METRIC_CACHE_SOURCE, METRIC_RESULT_HIT);
		done(ctx, source, NULL, &f);
		return NULL;
	}
	asked->refresh_next |= refresh;
	/* Who wants news cannot have them from a fetch that began before. */
	if (asked->fetching && (refresh || asked->given_up))
		return wait_add(&asked->again, asked, done, ctx);
	bool told = false;
	struct source_wait *w = wait_add(&asked->waits, asked, done, ctx);
	w->told = &told;
	if (!asked->fetching)
		fetch_start(asked); /* may fail at once, and tell */
	if (told)
		return NULL;
	w->told = NULL;
	return w;
}

void source_cancel(struct source_wait *wait)
{
	struct asked *asked = wait->asked;
	wait->done = NULL;
	if (is_wanted(asked->waits) || asked->tool == NULL || asked->given_up)
		return;
	asked->given_up = true;
	tool_cancel(asked->tool);
}

const char *source_known(const struct sources *sources, const struct resolve *resolve)
{
	defer_free char *key = mem_printf("%s@%s", resolve->package, resolve->version);
	const struct asked *asked = table_find(&sources->asked, key);
	return asked != NULL && is_known(asked) ? asked->version : NULL;
}

char *source_label(const struct source *source)
{
	return mem_printf("%s@%s", source->standard ? "std" : source->module, source->version);
}

/* ---- the whole ---- */

void sources_save(struct sources *sources)
{
	cache_save(sources->known);
}

struct sources *sources_create(const struct sources_setup *setup)
{
	struct sources *sources = mem_zero(1, sizeof(*sources));
	sources->setup = *setup;
	sources->known = cache_create(setup->loop, 0, setup->unused_ms);
	sources_load(sources);
	return sources;
}
