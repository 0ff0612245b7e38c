#include "function/source.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/tree.h"
#include "function/unpack.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What was asked, "package@query", and what it was last found to mean. */
struct asked {
	struct tree_node node;
	char *key, *package, *version;
	struct resolve_git *git; /* NULL: by the module protocol */
	bool pinned;
	struct source *source;     /* NULL: not known (yet) */
	uint64_t until_ns;         /* when a source that is not pinned must be asked for again */
	struct source_wait *waits; /* non-NULL: a fetch is under way */
	struct tool *tool;         /* its run */
	struct sources *sources;
};

struct source_wait {
	struct asked *asked;
	struct source_wait *next;
	bool *told; /* while source_get still runs */
	source_done *done;
	void *ctx;
};

/* A source by what it is: "package@module version". */
struct kept {
	struct tree_node node;
	char *key;
	struct source source;
};

struct sources {
	struct sources_setup setup;
	void *asked, *kept; /* trees */
	uint64_t last_number;
};

/* One fetch: the tool's run, then the unpacking in a worker thread. */
struct fetch {
	uv_work_t work;
	struct asked *asked;
	int tar;
	uint64_t number;
	char *path; /* where the tree goes */
	json_t *report;
	struct fault fault;
};

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

/* Nothing is remembered of what could not be found: the next who asks may be luckier, and
 * strangers' names cost no memory. */
static void asked_forget(struct asked *asked)
{
	tree_remove(&asked->sources->asked, &asked->node);
	free(asked->key);
	free(asked->package);
	free(asked->version);
	resolve_git_free(asked->git);
	free(asked);
}

static const char *report_text(const json_t *report, const char *name)
{
	const char *text = json_string_value(json_object_get(report, name));
	return text != NULL ? text : "";
}

static struct kept *kept_add(
	struct sources *sources, const char *package, const char *module, const char *version)
{
	struct kept *kept = mem_zero(1, sizeof(*kept));
	kept->key = mem_printf("%s@%s", package, version);
	kept->node.key = kept->key;
	kept->source.package = mem_strdup(package);
	kept->source.module = mem_strdup(module);
	kept->source.version = mem_strdup(version);
	tree_add(&sources->kept, &kept->node);
	return kept;
}

static void fetch_free(struct fetch *fetch)
{
	if (fetch->tar >= 0)
		(void)close(fetch->tar);
	json_decref(fetch->report);
	free(fetch->path);
	free(fetch);
}

static void fetch_end(struct fetch *fetch, struct source *source)
{
	struct asked *asked = fetch->asked;
	if (source != NULL) {
		asked->source = source;
		asked->pinned |= json_is_true(json_object_get(fetch->report, "pinned"));
		asked->until_ns = clock_mono_ns() + asked->sources->setup.expires_ms * 1000000U;
	}
	waits_tell(asked, source, fetch->report, &fetch->fault);
	if (asked->source == NULL && asked->waits == NULL)
		asked_forget(asked);
	fetch_free(fetch);
}

static void unpack_work(uv_work_t *work)
{
	struct fetch *fetch = work->data;
	if (unpack_tar(fetch->tar, fetch->path, fetch->asked->sources->setup.bytes_max,
		    &fetch->fault) < 0)
		(void)fault_wrap(&fetch->fault, "unpack %s", fetch->asked->package);
}

static void unpack_done(uv_work_t *work, int status)
{
	struct fetch *fetch = work->data;
	struct asked *asked = fetch->asked;
	(void)status;
	if (fetch->fault.kind != FAULT_NONE) {
		fetch_end(fetch, NULL);
		return;
	}
	struct kept *kept = kept_add(asked->sources, asked->package,
		report_text(fetch->report, "module"), report_text(fetch->report, "version"));
	free(kept->source.package); /* of a repository, its go.mod says it */
	kept->source.package = mem_strdup(report_text(fetch->report, "package"));
	kept->source.sum = mem_strdup(report_text(fetch->report, "sum"));
	kept->source.name = mem_strdup(report_text(fetch->report, "name"));
	kept->source.number = fetch->number;
	fetch_end(fetch, &kept->source);
}

static void fetched(void *ctx, const json_t *report, const struct fault *f)
{
	struct fetch *fetch = ctx;
	struct asked *asked = fetch->asked;
	struct sources *sources = asked->sources;
	asked->tool = NULL;
	if (report == NULL) {
		fetch->fault = *f;
	} else {
		fetch->report = json_incref((json_t *)(uintptr_t)report);
		if (!json_is_true(json_object_get(report, "ok")))
			(void)tool_fault(report, &fetch->fault);
	}
	if (fetch->fault.kind != FAULT_NONE) {
		fetch_end(fetch, NULL);
		return;
	}
	defer_free char *key = mem_printf("%s@%s", asked->package, report_text(report, "version"));
	struct kept *same = tree_find(&sources->kept, key);
	if (same != NULL) { /* another name for what we have */
		fetch_end(fetch, &same->source);
		return;
	}
	fetch->work.data = fetch;
	int queued = uv_queue_work(sources->setup.loop, &fetch->work, unpack_work, unpack_done);
	if (queued < 0) {
		(void)fault_set(&fetch->fault, FAULT_PLATFORM, -queued, "unpack");
		fetch_end(fetch, NULL);
	}
}

/* A file without a name that fetch jails write their archive to. */
static int bulk_open(const char *state)
{
	defer_free char *dir = mem_printf("%s/tmp", state);
	return open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static void fetch_start(struct asked *asked)
{
	struct sources *sources = asked->sources;
	struct fetch *fetch = mem_zero(1, sizeof(*fetch));
	fetch->asked = asked;
	fetch->number = ++sources->last_number;
	fetch->path = mem_printf(
		"%s/sources/%016llx", sources->setup.state, (unsigned long long)fetch->number);
	fetch->tar = bulk_open(sources->setup.state);
	if (fetch->tar < 0) {
		(void)fault_set(&fetch->fault, FAULT_PLATFORM, errno, "create a file in %s/tmp",
			sources->setup.state);
		fetch_end(fetch, NULL);
		return;
	}
	json_t *request =
		json_pack("{s:s, s:s}", "package", asked->package, "version", asked->version);
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

/* The standard library is there already; only whether the package is has to be looked up. */
static struct source *standard_get(struct sources *sources, const char *package, struct fault *f)
{
	defer_free char *key = mem_printf("%s@%s", package, sources->setup.go_version);
	struct kept *kept = tree_find(&sources->kept, key);
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
	kept = kept_add(sources, package, "", sources->setup.go_version);
	kept->source.sum = mem_strdup("");
	kept->source.name = mem_strdup(last != NULL ? last + 1 : package);
	kept->source.standard = true;
	return &kept->source;
}

static struct asked *asked_get(struct sources *sources, const struct resolve *r)
{
	char *key = mem_printf("%s@%s", r->package, r->version);
	struct asked *asked = tree_find(&sources->asked, key);
	if (asked != NULL) {
		free(key);
		return asked;
	}
	asked = mem_zero(1, sizeof(*asked));
	asked->key = key;
	asked->node.key = key;
	asked->package = mem_strdup(r->package);
	asked->version = mem_strdup(r->version);
	asked->git = resolve_git_copy(r->git);
	asked->pinned = r->pinned;
	asked->sources = sources;
	tree_add(&sources->asked, &asked->node);
	return asked;
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
	struct asked *asked = asked_get(sources, resolve);
	const bool known = asked->source != NULL && !refresh &&
			   (asked->pinned || clock_mono_ns() < asked->until_ns);
	if (known && asked->waits == NULL) {
		metrics_count(METRIC_CACHE_ASKED, METRIC_CACHE_SOURCE, METRIC_RESULT_HIT);
		done(ctx, asked->source, NULL, &f);
		return NULL;
	}
	bool told = false;
	struct source_wait *w = mem_zero(1, sizeof(*w));
	const bool first = asked->waits == NULL;
	metrics_count(METRIC_CACHE_ASKED, METRIC_CACHE_SOURCE,
		first ? METRIC_RESULT_MISS : METRIC_RESULT_JOINED);
	w->asked = asked;
	w->done = done;
	w->ctx = ctx;
	w->next = asked->waits;
	asked->waits = w;
	w->told = &told;
	if (first)
		fetch_start(asked); /* may fail at once, and tell */
	if (told)
		return NULL;
	w->told = NULL;
	return w;
}

void source_cancel(struct source_wait *wait)
{
	struct asked *asked = wait->asked;
	bool wanted = false;
	wait->done = NULL;
	for (const struct source_wait *w = asked->waits; w != NULL; w = w->next)
		wanted |= w->done != NULL;
	if (!wanted && asked->tool != NULL)
		tool_cancel(asked->tool);
}

char *source_label(const struct source *source)
{
	return mem_printf("%s@%s", source->standard ? "std" : source->module, source->version);
}

struct sources *sources_create(const struct sources_setup *setup)
{
	struct sources *sources = mem_zero(1, sizeof(*sources));
	sources->setup = *setup;
	return sources;
}
