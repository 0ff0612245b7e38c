#pragma once

/*
 * source: fetched source trees, one for each package@version, a module of ours with everything it
 * needs vendored. A hundred requests at once for one make one fetch. Trees live under sources/ in
 * the state directory by number and are never changed; `latest` and branches are remembered for a
 * while, versions for ever.
 */

#include "function/git.h"
#include "function/resolve.h"
#include "function/tool.h"

#include <stdint.h>

struct source {
	char *package;   /* import path */
	char *module;    /* "" for the standard library; "host/u/r.git" for plain git */
	char *version;   /* "v1.2.3", a commit; Go's own for the standard library */
	char *sum;       /* "h1:…", "git:COMMIT"; "" for the standard library */
	char *name;      /* the package's declared name */
	uint64_t number; /* of the tree; 0 for the standard library */
	bool standard;
	void *artifacts;       /* of this source: artifact.c's own */
	bool expressions_only; /* its package artifact does not build: each call is built alone */
};

/* For people: "module@version", of a standard package "std@go1.26.8". The caller frees. */
char *source_label(const struct source *source);

struct sources;
struct source_wait;

struct sources_setup {
	uv_loop_t *loop;
	struct tools *tools;
	const char *state; /* directory; sources/ and tmp/ in it are ours to write */
	const char *toolchain;
	const char *go_version; /* "go1.26.8" */
	uint64_t expires_ms;    /* for what is not pinned */
	uint64_t bytes_max;     /* of one unpacked tree */
	struct git_rules git;
};

struct sources *sources_create(const struct sources_setup *setup);

/* What became of it: source, valid as long as the sources, or NULL and why (report: the tool's own
 * words, may be NULL). */
typedef void source_done(
	void *ctx, struct source *source, const json_t *report, const struct fault *f);

/* Gives the source now (done is called before this returns, NULL comes back) or later. `refresh`:
 * forget what is remembered first. */
struct source_wait *source_get(struct sources *sources, const struct resolve *resolve, bool refresh,
	source_done *done, void *ctx);
/* No longer interested; the last who is not ends the fetch. */
void source_cancel(struct source_wait *wait);
