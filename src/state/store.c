/*
 * The loop pushes changes on a stack by compare-and-swap and posts a semaphore; the writer takes
 * the whole stack, turns it around and writes it in one transaction. While that commits, the next
 * group gathers. A group that cannot be written, for want of room, stays first in line.
 *
 * One connection, in exclusive locking mode: no file is shared with other processes, so that none
 * has to grow before anything can be read (a start on a full disk), and the WAL is kept when the
 * database is closed, for the same reason.
 */

#include "state/store.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/log.h"
#include "state/database.h"

#include <semaphore.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum {
	VERSION = 1,          /* of the tables */
	PROOF = 16,           /* bytes of a row's digest */
	WAITING_MAX = 200000, /* changes kept while nothing can be written */
	RETRY_SECONDS = 1,
};

enum change { PUT, USED, DROP, CHANGES };

static const struct {
	unsigned texts, keys, numbers;
	const char *create, *load, *change[CHANGES];
} tables[STORE_TABLES] = {
	{4, 2, 2,
		"CREATE TABLE IF NOT EXISTS resolved (package TEXT NOT NULL, query TEXT NOT NULL, "
		"module TEXT NOT NULL, version TEXT NOT NULL, used INTEGER NOT NULL, until INTEGER "
		"NOT NULL, proof BLOB NOT NULL, PRIMARY KEY (package, query)) WITHOUT ROWID",
		"SELECT package, query, module, version, used, until, proof FROM resolved",
		{"INSERT OR REPLACE INTO resolved VALUES (?, ?, ?, ?, ?, ?, ?)",
			"UPDATE resolved SET used = ?3 WHERE package = ?1 AND query = ?2",
			"DELETE FROM resolved WHERE package = ?1 AND query = ?2"}},
	{8, 2, 4,
		"CREATE TABLE IF NOT EXISTS sources (package TEXT NOT NULL, version TEXT NOT NULL, "
		"path TEXT NOT NULL, module TEXT NOT NULL, sum TEXT NOT NULL, name TEXT NOT NULL, "
		"tree TEXT NOT NULL, tool TEXT NOT NULL, used INTEGER NOT NULL, number INTEGER NOT "
		"NULL, bytes INTEGER NOT NULL, alone INTEGER NOT NULL, proof BLOB NOT NULL, "
		"PRIMARY KEY (package, version)) WITHOUT ROWID",
		"SELECT package, version, path, module, sum, name, tree, tool, used, number, "
		"bytes, alone, proof FROM sources",
		{"INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			"UPDATE sources SET used = ?3 WHERE package = ?1 AND version = ?2",
			"DELETE FROM sources WHERE package = ?1 AND version = ?2"}},
	{4, 1, 2,
		"CREATE TABLE IF NOT EXISTS artifacts (key TEXT PRIMARY KEY NOT NULL, digest TEXT "
		"NOT NULL, source TEXT NOT NULL, functions TEXT NOT NULL, used INTEGER NOT NULL, "
		"bytes INTEGER NOT NULL, proof BLOB NOT NULL) WITHOUT ROWID",
		"SELECT key, digest, source, functions, used, bytes, proof FROM artifacts",
		{"INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?)",
			"UPDATE artifacts SET used = ?2 WHERE key = ?1",
			"DELETE FROM artifacts WHERE key = ?1"}},
};

struct op {
	struct op *next;
	enum store_table table;
	enum change change;
	struct store_row row; /* texts lie behind */
};

struct store {
	char *file;
	sqlite3 *db; /* NULL: nothing is kept */
	sqlite3_stmt *statements[STORE_TABLES][CHANGES];
	bool made; /* the tables are there */
	bool anew; /* it could not be opened: once it can, what is in it is of no use */
	_Atomic(struct op *) pushed;
	atomic_bool closing;
	sem_t posted;
	uv_thread_t thread;
	bool started;
	/* the writer's */
	struct op *first, **last;
	unsigned waiting;
	bool troubled; /* the last group could not be written, and that was said */
};

/* ---- opening ---- */

static void reopen(struct store *store)
{
	char why[300];
	int did = database_open(store->file, VERSION, &store->db, why, sizeof(why));
	if (did != 0 && database_is_damaged(did)) {
		database_move_aside(store->file, why);
		did = database_open(store->file, VERSION, &store->db, why, sizeof(why));
	}
	if (did != 0)
		log_error("%s cannot be opened (%s): nothing is known at this start; tried again "
			  "when there is something to write",
			store->file, why);
	store->anew = did != 0;
	store->made = store->db != NULL && database_version(store->db) == VERSION;
}

struct store *store_open(const char *file)
{
	struct store *store = mem_zero(1, sizeof(*store));
	store->file = mem_strdup(file);
	store->last = &store->first;
	if (sem_init(&store->posted, 0, 0) < 0)
		abort();
	reopen(store);
	return store;
}

/* ---- rows ---- */

/* Of all that a row says but when it was used. */
static void proof_make(
	enum store_table table, const struct store_row *row, unsigned char proof[PROOF])
{
	crypto_generichash_state state;
	const unsigned char which = (unsigned char)table;
	(void)crypto_generichash_init(&state, NULL, 0, PROOF);
	(void)crypto_generichash_update(&state, &which, 1);
	for (unsigned i = 0; i < tables[table].texts; i++)
		(void)crypto_generichash_update(
			&state, (const unsigned char *)row->text[i], strlen(row->text[i]) + 1);
	for (unsigned i = 1; i < tables[table].numbers; i++)
		(void)crypto_generichash_update(
			&state, (const unsigned char *)&row->number[i], sizeof(row->number[i]));
	(void)crypto_generichash_final(&state, proof, PROOF);
}

static bool row_read(sqlite3_stmt *from, enum store_table table, struct store_row *row)
{
	const int texts = (int)tables[table].texts;
	const int numbers = (int)tables[table].numbers;
	unsigned char proof[PROOF];
	for (int i = 0; i < texts; i++) {
		row->text[i] = (const char *)sqlite3_column_text(from, i);
		if (row->text[i] == NULL)
			return false;
	}
	for (int i = 0; i < numbers; i++)
		row->number[i] = sqlite3_column_int64(from, texts + i);
	proof_make(table, row, proof);
	return sqlite3_column_bytes(from, texts + numbers) == PROOF &&
	       memcmp(sqlite3_column_blob(from, texts + numbers), proof, PROOF) == 0;
}

void store_load(struct store *store, enum store_table table,
	void (*give)(void *ctx, const struct store_row *row), void *ctx)
{
	sqlite3_stmt *all = NULL;
	unsigned altered = 0;
	if (!store->made)
		return;
	int did = sqlite3_prepare_v2(store->db, tables[table].load, -1, &all, NULL);
	while (did == SQLITE_OK || did == SQLITE_ROW) {
		struct store_row row = {0};
		did = sqlite3_step(all);
		if (did != SQLITE_ROW)
			break;
		if (row_read(all, table, &row))
			give(ctx, &row);
		else
			altered++;
	}
	if (altered > 0)
		log_error("%s: %u rows were altered by others and are not believed", store->file,
			altered);
	defer_free char *why = did != SQLITE_DONE ? mem_strdup(sqlite3_errmsg(store->db)) : NULL;
	(void)sqlite3_finalize(all);
	if (why == NULL)
		return;
	(void)sqlite3_close(store->db);
	store->db = NULL;
	if (database_is_damaged(did))
		database_move_aside(store->file, why);
	reopen(store);
}

/* ---- changes ---- */

static void push(struct store *store, enum store_table table, enum change change,
	const struct store_row *row)
{
	const unsigned texts = change == PUT ? tables[table].texts : tables[table].keys;
	size_t size = sizeof(struct op);
	for (unsigned i = 0; i < texts; i++)
		size += strlen(row->text[i]) + 1;
	struct op *op = mem_alloc(size);
	*op = (struct op){.table = table, .change = change};
	memcpy(op->row.number, row->number, sizeof(op->row.number));
	char *at = (char *)(op + 1);
	for (unsigned i = 0; i < texts; i++) {
		const size_t len = strlen(row->text[i]) + 1;
		memcpy(at, row->text[i], len);
		op->row.text[i] = at;
		at += len;
	}
	op->next = atomic_load(&store->pushed);
	while (!atomic_compare_exchange_weak(&store->pushed, &op->next, op))
		;
	if (op->next == NULL) /* else the writer has been told and has not looked yet */
		(void)sem_post(&store->posted);
}

void store_put(struct store *store, enum store_table table, const struct store_row *row)
{
	push(store, table, PUT, row);
}

void store_used(struct store *store, enum store_table table, const struct store_row *row)
{
	push(store, table, USED, row);
}

void store_drop(struct store *store, enum store_table table, const struct store_row *row)
{
	push(store, table, DROP, row);
}

/* ---- the writer ---- */

static void first_free(struct store *store)
{
	struct op *op = store->first;
	store->first = op->next;
	if (store->first == NULL)
		store->last = &store->first;
	store->waiting--;
	free(op);
}

/* Puts what was pushed behind what waits, in the order in which it came. */
static void take(struct store *store)
{
	struct op *stack = atomic_exchange(&store->pushed, NULL);
	struct op *first = NULL;
	struct op **last = stack != NULL ? &stack->next : NULL; /* what came last ends the line */
	while (stack != NULL) {
		struct op *next = stack->next;
		stack->next = first;
		first = stack;
		stack = next;
		store->waiting++;
	}
	if (first == NULL)
		return;
	*store->last = first;
	store->last = last;
	/* A row that is lost costs a fetch or a build after the next start, no more. */
	while (store->waiting > WAITING_MAX)
		first_free(store);
}

static int op_write(struct store *store, const struct op *op)
{
	sqlite3_stmt **at = &store->statements[op->table][op->change];
	unsigned char proof[PROOF];
	int did = *at != NULL ? SQLITE_OK
			      : sqlite3_prepare_v3(store->db, tables[op->table].change[op->change],
					-1, SQLITE_PREPARE_PERSISTENT, at, NULL);
	if (did != SQLITE_OK)
		return did;
	int column = 0;
	const unsigned texts = op->change == PUT ? tables[op->table].texts : tables[op->table].keys;
	const unsigned numbers = op->change == PUT    ? tables[op->table].numbers
				 : op->change == USED ? 1
						      : 0;
	for (unsigned i = 0; i < texts; i++)
		(void)sqlite3_bind_text(*at, ++column, op->row.text[i], -1, SQLITE_STATIC);
	for (unsigned i = 0; i < numbers; i++)
		(void)sqlite3_bind_int64(*at, ++column, op->row.number[i]);
	if (op->change == PUT) {
		proof_make(op->table, &op->row, proof);
		(void)sqlite3_bind_blob(*at, ++column, proof, PROOF, SQLITE_STATIC);
	}
	did = sqlite3_step(*at);
	(void)sqlite3_reset(*at);
	(void)sqlite3_clear_bindings(*at);
	return did == SQLITE_DONE ? SQLITE_OK : did;
}

static int tables_make(struct store *store)
{
	int did = SQLITE_OK;
	char version[64];
	(void)snprintf(version, sizeof(version), "PRAGMA user_version = %d", VERSION);
	for (size_t i = 0; i < STORE_TABLES && did == SQLITE_OK; i++)
		did = sqlite3_exec(store->db, tables[i].create, NULL, NULL, NULL);
	return did == SQLITE_OK ? sqlite3_exec(store->db, version, NULL, NULL, NULL) : did;
}

static int late_open(struct store *store)
{
	char why[300];
	return store->db != NULL
		       ? SQLITE_OK
		       : database_open(store->file, VERSION, &store->db, why, sizeof(why));
}

static int group_write(struct store *store)
{
	static const char empty[] =
		"DELETE FROM resolved; DELETE FROM sources; DELETE FROM artifacts";
	int did = late_open(store);
	if (did != SQLITE_OK)
		return did;
	did = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (did == SQLITE_OK && !store->made)
		did = tables_make(store);
	if (did == SQLITE_OK && store->anew)
		did = sqlite3_exec(store->db, empty, NULL, NULL, NULL);
	for (const struct op *op = store->first; op != NULL && did == SQLITE_OK; op = op->next)
		did = op_write(store, op);
	if (did == SQLITE_OK)
		did = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
	return did;
}

/* Says once that it does not go, and once that it goes again. */
static void trouble_tell(struct store *store, int did)
{
	if (did == SQLITE_OK && store->troubled)
		log_info("%s is written again", store->file);
	else if (did != SQLITE_OK && !store->troubled)
		log_error("%s cannot be written (%s): what is new is kept in memory and tried "
			  "again",
			store->file, sqlite3_errstr(did));
	store->troubled = did != SQLITE_OK;
}

/* False: what waits could not be written. */
static bool waiting_write(struct store *store)
{
	take(store);
	if (store->first == NULL)
		return true;
	int did = group_write(store);
	trouble_tell(store, did);
	if (did != SQLITE_OK) {
		if (store->db != NULL)
			(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
		return false;
	}
	store->made = true;
	store->anew = false;
	while (store->first != NULL)
		first_free(store);
	return true;
}

static void writer(void *arg)
{
	struct store *store = arg;
	bool written = true;
	while (!atomic_load(&store->closing)) {
		struct timespec until;
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += RETRY_SECONDS;
		if (written)
			(void)sem_wait(&store->posted);
		else
			(void)sem_timedwait(&store->posted, &until);
		written = waiting_write(store);
	}
}

void store_start(struct store *store)
{
	store->started = uv_thread_create(&store->thread, writer, store) == 0;
	if (!store->started)
		log_error("%s: no thread writes it until the end", store->file);
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	atomic_store(&store->closing, true);
	(void)sem_post(&store->posted);
	if (store->started)
		(void)uv_thread_join(&store->thread);
	(void)waiting_write(store);
	while (store->first != NULL)
		first_free(store);
	for (unsigned i = 0; i < STORE_TABLES; i++) {
		for (unsigned k = 0; k < CHANGES; k++)
			(void)sqlite3_finalize(store->statements[i][k]);
	}
	(void)sqlite3_close(store->db);
	(void)sem_destroy(&store->posted);
	free(store->file);
	free(store);
}
