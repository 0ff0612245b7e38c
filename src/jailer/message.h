#pragma once

/*
 * message: what the server and a jailer say to each other, over SOCK_SEQPACKET, asynchronously,
 * each message one of these structs and its descriptors. A request names an id, a kind that the
 * jailer's own plan defines, and bounded numbers; never a path, an argument list, an environment, a
 * mount or a uid.
 *
 *   START  EXEC, EXEC_NET: stdout stderr control program   (4 descriptors)
 *          BUILD, FETCH: stdin stderr control bulk         (the program is the jailer's own tool)
 *   KILL   id
 *   REST, WAKE  id             of an execution jail whose program waits for its call, or has it
 *   STARTED id                a FETCH jail's listener comes with it; not for EXEC
 *   NUMBERED id, jid          the jail of the kernel's that it has; where kernels number them
 *   EXITED  id, how it ended  the last word about an id that started
 *   FAILED  id, why           the last word about an id that did not
 *   RELEASED address          nothing is left of the jail that a START named it for; comes once
 *                             for each such START, after EXITED or FAILED or before
 */

#include "jail/jail.h"

enum jailer_request_type { JAILER_START = 1, JAILER_KILL, JAILER_REST, JAILER_WAKE };

struct jailer_request {
	uint32_t type;
	uint32_t kind;    /* enum jail_kind */
	uint64_t id;      /* the server's own, never used twice */
	uint64_t source;  /* BUILD: number of a source tree, 0 none */
	uint32_t address; /* EXEC_NET: of a pool that the jailer knows, and free */
	uint32_t probe;   /* EXEC_NET: ask first whether another host has it */
};

enum { JAILER_START_FDS = 4 };

/* Why it FAILED where the jailer may open no more. */
#define JAILER_NO_FILES                                                                            \
	"the jailer may open no more files: raise the limit on them (ulimit -n), or lower "        \
	"jails.children_max"

enum jailer_event_type {
	JAILER_STARTED = 1,
	JAILER_EXITED,
	JAILER_FAILED,
	JAILER_RELEASED,
	JAILER_NUMBERED
};

/* FAILED for its address alone: another would do. */
enum jailer_taken {
	JAILER_TAKEN_NOT,
	JAILER_TAKEN_BY_HOST, /* another host answers for it */
	JAILER_TAKEN_BY_JAIL, /* it is in no pool any more, or a jail still has it */
};

struct jailer_event {
	uint32_t type;
	uint32_t kind;
	uint64_t id;
	int32_t pid;            /* STARTED: of the jail's first process, for people only */
	int32_t status;         /* EXITED: as wait(2) gives it */
	uint32_t out_of_memory; /* EXITED: the kernel ended something in it for want of memory */
	uint32_t full;          /* FAILED: a disk is full */
	uint32_t taken;         /* FAILED: enum jailer_taken */
	uint32_t address;       /* RELEASED */
	uint64_t jid;           /* NUMBERED */
	uint64_t cpu_us;        /* EXITED */
	uint64_t memory_peak;   /* EXITED: bytes */
	uint64_t lived_ns;      /* EXITED: since it was started */
	char text[256];         /* FAILED: why */
};
