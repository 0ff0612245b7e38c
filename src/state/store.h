#pragma once

/*
 * store: what the server knows and keeps over a restart, in an SQLite database: three tables of
 * rows made of texts and numbers. All rows are read at the start, on the caller's thread; from then
 * on nobody reads. Changes are queued without a lock and written by one thread, in groups, each
 * group one synchronous transaction (WAL, synchronous=FULL); the caller never waits. Nothing here
 * fails for the caller: while there is no room the changes wait in memory and are tried again; a
 * database that cannot be read is named in the log, moved aside and begun anew. Each row carries a
 * digest of itself: one that was altered is not given. Times are of the wall clock, in milliseconds
 * since 1970, so that they mean the same after a reboot.
 */

#include <stdbool.h>
#include <stdint.h>

enum store_table {
	STORE_RESOLVED,  /* what a query of a package was found to mean */
	STORE_SOURCES,   /* fetched trees, and what is known of their packages */
	STORE_ARTIFACTS, /* compiled programs */
	STORE_TABLES
};

/* The columns; those that make the key come first, `used` is number 0 of each. */
enum { RESOLVED_PACKAGE, RESOLVED_QUERY, RESOLVED_MODULE, RESOLVED_VERSION };
enum { RESOLVED_USED, RESOLVED_UNTIL };
enum {
	SOURCES_PACKAGE,
	SOURCES_VERSION,
	SOURCES_PATH, /* import path of the package, which may have been asked for otherwise */
	SOURCES_MODULE,
	SOURCES_SUM,
	SOURCES_NAME,
	SOURCES_TREE, /* digest of the tree */
	SOURCES_TOOL  /* what fetched it */
};
enum { SOURCES_USED, SOURCES_NUMBER, SOURCES_BYTES, SOURCES_ALONE };
enum { ARTIFACTS_KEY, ARTIFACTS_DIGEST, ARTIFACTS_SOURCE, ARTIFACTS_FUNCTIONS };
enum { ARTIFACTS_USED, ARTIFACTS_BYTES };

enum { STORE_TEXTS = 8, STORE_NUMBERS = 4 };

struct store_row {
	const char *text[STORE_TEXTS]; /* borrowed; none is NULL of those the table has */
	int64_t number[STORE_NUMBERS];
};

struct store;

/* Opens or makes the database `file` ("store/cache.db"; its directory is there). Never NULL. */
struct store *store_open(const char *file);
/* Gives each row of a table, in no order; the row is valid until `row` returns. Before
 * store_start only. */
void store_load(struct store *store, enum store_table table,
	void (*row)(void *ctx, const struct store_row *row), void *ctx);
/* Starts the thread that writes. Without it nothing is written before store_close. */
void store_start(struct store *store);

/* Writes a row, over one of the same key. */
void store_put(struct store *store, enum store_table table, const struct store_row *row);
/* Only its key and number 0, when it was last used. */
void store_used(struct store *store, enum store_table table, const struct store_row *row);
/* Only its key. */
void store_drop(struct store *store, enum store_table table, const struct store_row *row);

/* Writes what waits, tried once, and closes. Blocks: for the end of the process. NULL is fine. */
void store_close(struct store *store);
