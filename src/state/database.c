#include "state/database.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int pragmas_set(sqlite3 *db)
{
	static const char *const all[] = {"PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
		"PRAGMA journal_size_limit = 4194304", "PRAGMA temp_store = MEMORY"};
	int keep = 1;
	(void)sqlite3_busy_timeout(db, 5000);
	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int did = sqlite3_exec(db, all[i], NULL, NULL, NULL);
		if (did != SQLITE_OK)
			return did;
	}
	return SQLITE_OK;
}

int64_t database_version(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = -1;
	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
		sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return number;
}

/* 0: it can be used. Else *why says what is wrong with it. */
static int check(sqlite3 *db, int version, char *why, size_t size)
{
	sqlite3_stmt *quick = NULL;
	int did = pragmas_set(db);
	if (did == SQLITE_OK)
		did = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &quick, NULL);
	if (did == SQLITE_OK && sqlite3_step(quick) != SQLITE_ROW)
		did = sqlite3_errcode(db);
	(void)snprintf(why, size, "%s", sqlite3_errmsg(db));
	const char *word = did == SQLITE_OK ? (const char *)sqlite3_column_text(quick, 0) : NULL;
	if (word != NULL && strcmp(word, "ok") != 0) {
		(void)snprintf(why, size, "%s", word);
		did = SQLITE_CORRUPT;
	}
	(void)sqlite3_finalize(quick);
	const int64_t has = did == SQLITE_OK ? database_version(db) : 0;
	if (has != 0 && has != version) {
		(void)snprintf(why, size, "its tables are of version %lld, not %d", (long long)has,
			version);
		did = SQLITE_CORRUPT;
	}
	return did;
}

int database_open(const char *file, int version, sqlite3 **db, char *why, size_t size)
{
	int did = sqlite3_open_v2(
		file, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (did == SQLITE_OK)
		did = check(*db, version, why, size);
	else
		(void)snprintf(why, size, "%s", *db != NULL ? sqlite3_errmsg(*db) : "no memory");
	if (did == SQLITE_OK)
		return 0;
	(void)sqlite3_close(*db);
	*db = NULL;
	return did;
}

void database_move_aside(const char *file, const char *why)
{
	static const char *const tails[] = {"", "-wal", "-shm"};
	log_error("%s cannot be read (%s): it is moved to %s.bad and begun anew; what it knew is "
		  "fetched and built again",
		file, why, file);
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		defer_free char *from = mem_printf("%s%s", file, tails[i]);
		defer_free char *to = mem_printf("%s.bad%s", file, tails[i]);
		if (rename(from, to) < 0 && errno != ENOENT && unlink(from) < 0)
			log_error("%s cannot be moved: %s", from, strerror(errno));
	}
}

bool database_is_damaged(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_NOMEM:
		return false;
	default:
		return true;
	}
}
