#pragma once

/*
 * journal: which slots have something in the kernel, in a fixed-size file mapped shared, written
 * before each thing is made. No fsync: what it speaks of dies with the boot, and the page cache
 * outlives any process. After a crash the next supervisor reads it and clears what it names.
 */

#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum journal_state { JOURNAL_FREE, JOURNAL_MADE };

struct journal_entry {
	uint32_t state;   /* enum journal_state */
	int32_t pid;      /* the jail's first process, 0 before it runs */
	uint32_t address; /* it has, or is about to get; 0: none */
};

struct journal {
	struct journal_entry *entries;
	unsigned count;
};

/* Maps the file at path, made where missing; entries of an earlier run are kept. */
int journal_open(struct journal *j, const char *path, unsigned count, struct fault *f);
/* The same of a file that is open and long enough; fd stays the caller's. */
int journal_map(struct journal *j, int fd, unsigned count, struct fault *f);
void journal_close(struct journal *j);
/* Processes forked from now on do not have the mapping: jails are forks of the jailer. */
void journal_keep_from_children(const struct journal *j);
void journal_made(struct journal *j, unsigned slot);
/* Takes an address for a slot that was made; false: another slot has it, of whichever jailer. */
bool journal_claim(struct journal *j, unsigned slot, uint32_t address);
void journal_started(struct journal *j, unsigned slot, pid_t pid);
void journal_free(struct journal *j, unsigned slot);
/* Kills the process an entry names, if it is still the first process of a jail of ours: its command
 * name (proc(5), `Name` in status) is `name`, which stubs inherit from their jailer, and it is pid
 * 1 of a pid namespace (`NSpid`). */
void journal_kill(const struct journal *j, unsigned slot, const char *name);
/* Entries not free. */
unsigned journal_used(const struct journal *j);
