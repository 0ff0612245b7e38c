#pragma once

/*
 * database: the file of an SQLite database: opened, looked through, moved aside where it is damaged.
 * In exclusive locking mode, with a WAL that is kept: see store.c.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens or makes `file`, whose tables are of `version`, or not made yet. 0 and *db, to be closed
 * with sqlite3_close; else SQLite's code, *db NULL, and `why` says what is wrong. */
int database_open(const char *file, int version, sqlite3 **db, char *why, size_t size);
/* Of its tables (PRAGMA user_version); 0: there are none; -1: it cannot be read. */
int64_t database_version(sqlite3 *db);
/* What SQLite's code says of the file. That there is no room, or that somebody else has it, is no
 * fault of the file's. */
bool database_is_damaged(int code);
/* Renames the file that is closed to FILE.bad, over one that was moved before, and says why in the
 * log. */
void database_move_aside(const char *file, const char *why);
