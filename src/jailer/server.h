#pragma once

/* server: the jailer's own loop. One thread; slow steps run in helper processes; it never blocks.
 */

#include "jail/jail.h"
#include "state/journal.h"

enum { JAILER_HELPERS = 2 };

struct jailer_setup {
	const struct jail_plan *plan;
	struct journal *journal;
	unsigned first_slot, slots;  /* this jailer's part of all slots */
	int cpu;                     /* pinned to, with its jails; -1: not pinned */
	unsigned stock;              /* execution slots kept ready ahead of demand */
	int socket;                  /* SOCK_SEQPACKET to the server */
	int helpers[JAILER_HELPERS]; /* SOCK_SEQPACKET to each */
	int tool;                    /* the tool's binary, for build and fetch jails */
};

/* Runs until the server is gone, then ends all jails and returns the process's exit status. */
int jailer_run(const struct jailer_setup *setup);
