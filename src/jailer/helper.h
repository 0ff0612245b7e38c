#pragma once

/* helper: a process beside the jailer that does one slow step at a time (create, destroy) and
 * answers with descriptors. The supervisor starts it, since it needs libraries that the jailer does
 * without; it ends when the jailer does. */

#include "jail/jail.h"

enum helper_job_type { HELPER_CREATE = 1, HELPER_DESTROY };

struct helper_job {
	uint32_t type;
	uint32_t slot;
	uint32_t kind;
	uint64_t source;
	uint32_t address;
	uint32_t probe;
};

struct helper_done {
	struct helper_job job;
	int32_t failed;
	uint32_t full;
	uint32_t taken; /* another host has the address */
	uint32_t parts; /* bit i: part i came, in order of bits */
	uint64_t mark;  /* of the parts */
	char text[256];
};

/* The jailer's view of one. */
struct helper {
	int socket; /* SOCK_SEQPACKET, non-blocking */
	bool busy;
};

/* In the helper's process: does what comes over the socket until the jailer closes it, then ends
 * the process. */
_Noreturn void helper_run(const struct jail_plan *plan, int socket);
int helper_give(struct helper *h, const struct helper_job *job);
/* 1: an answer, with descriptors; 0: none yet; -1: the helper is gone. */
int helper_take(struct helper *h, struct helper_done *done, struct jail_parts *parts);
