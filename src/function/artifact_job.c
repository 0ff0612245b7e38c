/*
 * One piece of work on an artifact: it is opened, if there should be a file, and built where that
 * cannot be used or is not wanted. What is slow about it (reading a program for its digest) is done
 * in worker threads, what changes names on the loop, so that it cannot meet with their removal.
 */

#include "function/artifact_private.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct artifact_job {
	uv_work_t work;
	struct artifacts *artifacts;
	struct built *built;
	struct source *source; /* held */
	struct source *tree;   /* held, while it is built from */
	json_t *request;       /* of the tool */
	struct tool *tool;
	bool given_up;
	int file;   /* what the jail writes to */
	char *part; /* its path */
	int opened; /* the program, for reading */
	struct stat seen;
	char digest[65];
	json_t *report;
	struct fault fault;
};

static void build_begin(struct artifact_job *job);

/* ---- its end ---- */

static void part_remove(struct artifact_job *job)
{
	if (job->file >= 0)
		(void)close(job->file);
	if (job->opened >= 0)
		(void)close(job->opened);
	if (job->part != NULL)
		(void)unlink(job->part);
	free(job->part);
	job->part = NULL;
	job->file = job->opened = -1;
	if (job->tree != NULL)
		source_tree_end(job->tree);
	job->tree = NULL;
}

static void job_free(struct artifact_job *job)
{
	part_remove(job);
	source_release(job->source);
	json_decref(job->request);
	json_decref(job->report);
	free(job);
}

static void job_failed(struct artifact_job *job)
{
	struct built *built = job->built;
	part_remove(job); /* nothing of it is left by the time that anybody is told */
	if (job->given_up && built_wanted(built)) { /* by others, who came later */
		json_decref(job->report);
		job->report = NULL;
		job->given_up = false;
		job->fault = (struct fault){0};
		build_begin(job);
		return;
	}
	if (job->fault.kind == FAULT_FULL) {
		(void)fault_wrap(&job->fault,
			"no room for a program of %s (free some on the disk of the state "
			"directory or lower jails.cache_max; or builds need a larger "
			"jails.build.tmp)",
			built->label);
		json_decref(job->report); /* the tool knows nothing of our disks */
		job->report = NULL;
	}
	built->job = NULL;
	built_tell(built, true, NULL, job->report, &job->fault);
	/* One that was there before serves on. Whoever was told may have asked again. */
	if (!built->ready && built->job == NULL)
		built_free(built);
	job_free(job);
}

/* ---- opening ---- */

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

/* Whoever writes to a file changes its time of change, which nobody can set. */
static bool is_seen(const struct built *built, const struct stat *st)
{
	const struct stat *seen = &built->seen;
	return built->checked && seen->st_dev == st->st_dev && seen->st_ino == st->st_ino &&
	       seen->st_size == st->st_size && seen->st_ctim.tv_sec == st->st_ctim.tv_sec &&
	       seen->st_ctim.tv_nsec == st->st_ctim.tv_nsec;
}

static void open_work(uv_work_t *work)
{
	struct artifact_job *job = work->data;
	const struct built *built = job->built;
	defer_free char *path = artifact_path(job->artifacts, built->artifact.digest);
	job->opened = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (job->opened < 0 || fstat(job->opened, &job->seen) < 0) {
		(void)fault_set(&job->fault, FAULT_PLATFORM, errno, "open %s", path);
		return;
	}
	if (!S_ISREG(job->seen.st_mode))
		(void)fault_set(&job->fault, FAULT_PLATFORM, 0, "%s is no file", path);
	else if ((uint64_t)job->seen.st_size != built->item.bytes)
		(void)fault_set(&job->fault, FAULT_PLATFORM, 0, "%s has %lld bytes, not %llu", path,
			(long long)job->seen.st_size, (unsigned long long)built->item.bytes);
	else if (!is_seen(built, &job->seen) &&
		 digest_file(job->opened, job->digest, &job->fault) == 0 &&
		 strcmp(job->digest, built->artifact.digest) != 0)
		(void)fault_set(&job->fault, FAULT_PLATFORM, 0,
			"%s has the digest %.16s…: it was altered", path, job->digest);
}

static void open_failed(struct artifact_job *job)
{
	struct built *built = job->built;
	if (job->fault.error == EMFILE || job->fault.error == ENFILE ||
		job->fault.error == ENOMEM) { /* says nothing of the file */
		job->fault.kind = FAULT_BUSY;
		job_failed(job);
		return;
	}
	log_warn("a program of %s cannot be used and is built again: %s", built->label,
		job->fault.text);
	built_strip(built);
	job->fault = (struct fault){0};
	if (built_wanted(built))
		build_begin(job);
	else
		job_failed(job);
}

static void open_done(uv_work_t *work, int status)
{
	struct artifact_job *job = work->data;
	struct built *built = job->built;
	(void)status;
	if (job->fault.kind != FAULT_NONE) {
		if (job->opened >= 0)
			(void)close(job->opened);
		job->opened = -1;
		open_failed(job);
		return;
	}
	built_opened(built, job->source, job->opened, &job->seen);
	job->opened = -1;
	built_tell(built, false, &built->artifact, NULL, &job->fault);
	if (built_wanted(built)) { /* by those who want it built anew */
		build_begin(job);
		return;
	}
	built->job = NULL;
	built_tell(built, true, NULL, NULL, &job->fault); /* nobody listens */
	job_free(job);
}

/* ---- building ---- */

static void install(struct artifact_job *job)
{
	struct built *built = job->built;
	json_t *functions = json_object_get(job->report, "functions");
	defer_free char *names = functions != NULL ? json_dumps(functions, JSON_COMPACT) : NULL;
	(void)content_add(job->artifacts, job->digest); /* it may be the same as before */
	if (built->ready)
		built_strip(built);
	memcpy(built->artifact.digest, job->digest, sizeof(job->digest));
	built->artifact.functions = name_set(functions);
	built->ready = true;
	built_opened(built, job->source, job->opened, &job->seen);
	job->opened = -1;
	built->item.bytes = (uint64_t)job->seen.st_size;
	cache_add(job->artifacts->setup.cache, &built->item);
	built_store(built, names != NULL ? names : "[]");
	/* It stays while it is told to those who waited: the cache's timer comes later. */
	built->job = NULL;
	built_tell(built, true, &built->artifact, job->report, &job->fault);
	job_free(job);
}

static void digest_work(uv_work_t *work)
{
	struct artifact_job *job = work->data;
	if (digest_file(job->file, job->digest, &job->fault) < 0)
		return;
	/* Nobody may have it open for writing when it is run (ETXTBSY). */
	const int file = job->file;
	job->file = -1;
	if (fchmod(file, 0555) < 0 || close(file) < 0)
		(void)fault_set(&job->fault, FAULT_PLATFORM, errno, "keep %s", job->part);
	else if ((job->opened = open(job->part, O_RDONLY | O_CLOEXEC)) < 0)
		(void)fault_set(&job->fault, FAULT_PLATFORM, errno, "open %s", job->part);
}

static void digest_done(uv_work_t *work, int status)
{
	struct artifact_job *job = work->data;
	(void)status;
	defer_free char *path = artifact_path(job->artifacts, job->digest);
	if (job->fault.kind == FAULT_NONE &&
		(rename(job->part, path) < 0 || fstat(job->opened, &job->seen) < 0))
		(void)fault_set(&job->fault, FAULT_PLATFORM, errno, "keep %s", path);
	if (job->fault.kind != FAULT_NONE) {
		json_decref(job->report);
		job->report = NULL;
		job_failed(job);
		return;
	}
	free(job->part);
	job->part = NULL;
	install(job);
}

static void tool_ended(void *ctx, const json_t *report, const struct fault *f)
{
	struct artifact_job *job = ctx;
	job->tool = NULL;
	if (report == NULL) {
		job->fault = *f;
	} else {
		job->report = json_incref((json_t *)(uintptr_t)report);
		if (!json_is_true(json_object_get(report, "ok")))
			(void)tool_fault(report, &job->fault);
	}
	if (job->fault.kind != FAULT_NONE) {
		job_failed(job);
		return;
	}
	job->work.data = job;
	int queued =
		uv_queue_work(job->artifacts->setup.loop, &job->work, digest_work, digest_done);
	if (queued < 0) {
		(void)fault_set(&job->fault, FAULT_PLATFORM, -queued, "digest");
		job_failed(job);
	}
}

/* Where the tree had to be fetched again, it may be another: what is built from it has another
 * key. */
static bool is_same(const struct artifact_job *job, struct source *tree)
{
	char key[65];
	const json_t *imports = json_object_get(job->request, "imports");
	const char *expression = json_string_value(json_object_get(job->request, "expression"));
	const struct artifact_want want = {.source = tree,
		.expression = expression,
		.imports = json_array_size(imports) > 0 ? imports : NULL,
		.expressions = json_string_value(json_object_get(job->request, "expressions"))};
	artifact_key(job->artifacts, &want, key);
	return strcmp(key, job->built->key) == 0;
}

static void tree_ready(void *ctx, struct source *tree, const json_t *report, const struct fault *f)
{
	struct artifact_job *job = ctx;
	struct artifacts *a = job->artifacts;
	job->tree = tree;
	if (tree == NULL) {
		job->fault = *f;
		job->report = json_incref((json_t *)(uintptr_t)report);
	} else if (!built_wanted(job->built)) {
		(void)fault_code(&job->fault, FAULT_BUSY, "cancelled", "nobody waits for it");
	} else if (!is_same(job, tree)) {
		(void)fault_code(&job->fault, FAULT_BUSY, "source_changed",
			"the source of %s is not what it was: try again", job->built->label);
	} else {
		job->part = mem_printf("%s.%lu", a->part_prefix, ++a->parts);
		job->file = open(job->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (job->file < 0)
			(void)fault_set(&job->fault, FAULT_PLATFORM, errno, "create %s", job->part);
	}
	if (job->fault.kind != FAULT_NONE) {
		job_failed(job);
		return;
	}
	struct tool *tool = tool_run(
		a->setup.tools, JAIL_BUILD, tree->number, job->request, job->file, tool_ended, job);
	if (tool == NULL)
		return;
	defer_free char *label = source_label(tree);
	job->tool = tool;
	tool_label(tool, label);
}

static void build_begin(struct artifact_job *job)
{
	source_tree(job->source, tree_ready, job);
}

/* ---- its start ---- */

static json_t *request_make(const struct artifacts *artifacts, const struct artifact_want *want)
{
	const struct source *source = want->source;
	json_t *imports = want->imports != NULL ? json_deep_copy(want->imports) : json_array();
	return json_pack("{s:s, s:s, s:b, s:s, s:o, s:s, s:b}", "package", source->package, "name",
		source->name, "standard", source->standard, "expression",
		want->expression != NULL ? want->expression : "", "imports", imports, "expressions",
		want->expressions, "cgo", artifacts->setup.cgo);
}

void job_start(struct built *built, const struct artifact_want *want)
{
	struct artifact_job *job = mem_zero(1, sizeof(*job));
	job->artifacts = built->artifacts;
	job->built = built;
	job->file = job->opened = -1;
	job->source = want->source;
	source_hold(job->source);
	built->job = job;
	job->request = request_make(job->artifacts, want);
	job->work.data = job;
	if (job->request == NULL) { /* jansson refuses text that is not UTF-8 */
		(void)fault_code(
			&job->fault, FAULT_INPUT, "call_utf8", "the call is not valid UTF-8");
		job_failed(job);
	} else if (built->ready && built->artifact.program.fd < 0) {
		int queued =
			uv_queue_work(job->artifacts->setup.loop, &job->work, open_work, open_done);
		if (queued < 0) {
			(void)fault_set(&job->fault, FAULT_BUSY, -queued, "no worker thread");
			job_failed(job);
		}
	} else {
		build_begin(job);
	}
}

void job_give_up(struct artifact_job *job)
{
	if (job->tool == NULL || job->given_up)
		return;
	job->given_up = true;
	tool_cancel(job->tool);
}
