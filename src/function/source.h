#pragma once

/*
 * source: fetched source trees, one for each package@version, a module of ours with everything it
 * needs vendored. A hundred requests at once for one make one fetch. Trees live under sources/ in
 * the state directory by number and are never changed. What a query means, what is known of each
 * source and its tree are remembered apart, each in the store too, and each goes by itself: a tree
 * for want of room or use, the rest when nobody asked for long. A tree that is needed again, or
 * after a restart is not what it was, is fetched again.
 */

#include "function/cache.h"
#include "function/git.h"
#include "function/resolve.h"
#include "function/tool.h"
#include "state/store.h"

#include <stdint.h>

struct source {
	char *package;   /* import path */
	char *module;    /* "" for the standard library; "host/u/r.git" for plain git */
	char *version;   /* "v1.2.3", a commit; Go's own for the standard library */
	char *sum;       /* "h1:…", "git:COMMIT"; "" for the standard library */
	char *name;      /* the package's declared name */
	char *tree;      /* digest of its tree, whether that is there or not */
	uint64_t number; /* of the tree; 0: there is none */
	bool standard;
	bool expressions_only; /* its package artifact does not build: each call is built alone */
};

/* For people: "module@version", of a standard package "std@go1.26.8". The caller frees. */
char *source_label(const struct source *source);

struct sources;
struct source_wait;

struct sources_setup {
	uv_loop_t *loop;
	struct tools *tools;
	struct store *store; /* NULL: nothing is kept over a restart */
	struct cache *cache; /* of what takes room */
	const char *state;   /* directory; sources/ and tmp/ in it are ours to write */
	const char *toolchain;
	const char *go_version; /* "go1.26.8" */
	const char *tool;       /* what fetches: trees that another fetched are not used */
	uint64_t expires_ms;    /* for what is not pinned */
	uint64_t unused_ms;     /* what nobody asked for so long is forgotten */
	uint64_t bytes_max;     /* of one unpacked tree */
	struct git_rules git;
};

/* Reads what the store remembers; what else lies in sources/ goes. */
struct sources *sources_create(const struct sources_setup *setup);

/* What became of it: source, valid until done returns unless it is held, or NULL and why (report:
 * the tool's own words, may be NULL). */
typedef void source_done(
	void *ctx, struct source *source, const json_t *report, const struct fault *f);

/* Gives the source now (done is called before this returns, NULL comes back) or later. `refresh`:
 * what is remembered is not asked; it is replaced by what a fetch that begins from now on finds,
 * and until then stays as it is for others. */
struct source_wait *source_get(struct sources *sources, const struct resolve *resolve, bool refresh,
	source_done *done, void *ctx);
/* No longer interested; the last who is not ends the fetch. */
void source_cancel(struct source_wait *wait);
/* A held source stays, and its tree where there is one, though others may come in its place. */
void source_hold(struct source *source);
void source_release(struct source *source);
/* For builds: makes sure that the source's tree is there and is what it was, and fetches it again
 * where not: done may then be given another source for the same package@version. It comes always,
 * perhaps before this returns. The tree of the source that done is given stays until
 * source_tree_end. */
void source_tree(struct source *source, source_done *done, void *ctx);
void source_tree_end(struct source *source);
/* The package's artifact does not build. */
void source_alone(struct source *source);
/* The version that a query is remembered to mean, borrowed; NULL: not known, or no longer. */
const char *source_known(const struct sources *sources, const struct resolve *resolve);
/* Saves what was used. */
void sources_save(struct sources *sources);
