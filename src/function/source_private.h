#pragma once

/* source_private: what source.c (queries and fetches), source_kept.c (sources and their trees) and
 * source_load.c (the start) share. */

#include "base/table.h"
#include "function/source.h"

/* What was asked, "package@query", and what it was last found to mean. */
struct asked {
	struct table_node node;
	char *key, *package, *query;
	char *version;           /* NULL: not known (yet) */
	struct resolve_git *git; /* NULL: by the module protocol, or not asked since the start */
	bool pinned;             /* means the same for ever */
	int64_t until;           /* when one that is not must be asked for again */
	bool fetching;           /* a fetch is under way; these wait for it */
	bool given_up;           /* that fetch is: who comes now waits for another */
	bool refresh_next;       /* the next fetch is to replace what is there */
	struct source_wait *waits, *again; /* again: for a fetch that begins after this one */
	struct tool *tool;                 /* its run */
	struct cache_item item;            /* once the version is known */
	struct sources *sources;
};

/* Waits for a tree to be looked at, or fetched. */
struct tree_wait {
	struct tree_wait *next;
	source_done *done;
	void *ctx;
};

/* A source by what it is: "package@module version". */
struct kept {
	struct table_node node;
	char *key, *asked;       /* asked: the package as it was asked for */
	struct resolve_git *git; /* as struct asked's */
	struct source source;
	struct sources *sources;
	struct cache_item known; /* what is known of it */
	struct cache_item tree;  /* its tree, while there is one */
	unsigned holds, builds;
	bool replaced; /* another has its key: goes when nobody holds it any more */
	bool checked;  /* the tree was looked at since the start */
	struct tree_wait *waits;
};

struct sources {
	struct sources_setup setup;
	struct table asked, kept;
	struct cache *known;
	uint64_t last_number;
};

extern const struct cache_kind asked_kind;

/* source.c */
struct asked *asked_get(
	struct sources *sources, const char *package, const char *query, bool pinned);

/* source_kept.c */
char *tree_path(const struct sources *sources, uint64_t number);
struct kept *kept_find(const struct sources *sources, const char *package, const char *version);
/* One that is not in the lists; texts are copied. */
struct kept *kept_new(struct sources *sources, const char *package, const char *version);
/* Puts it in the place of another of its key, and into lists and store. */
void kept_enter(struct kept *kept, uint64_t bytes);
/* The same at the start: from the store, as used then. */
void kept_enter_loaded(struct kept *kept, uint64_t bytes, int64_t used);
/* There is no tree, whatever was thought. */
void kept_tree_forget(struct kept *kept);
void kept_save(const struct kept *kept);

/* source_load.c */
void sources_load(struct sources *sources);
