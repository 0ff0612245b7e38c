#pragma once

/*
 * pool: hands out execution jails in which a program (an artifact) is started, initialised and
 * waiting, makes one where none waits, and refills behind the request. Each jail serves one call
 * and is thrown away, unless the request allows more (reuse.h). A jail with an address is made for its call: none is kept waiting, so that
 * whoever is told that no address is free knows that calls hold them all. A call's end is told
 * apart here: what the function did (pool_outcome) from what we failed to do (a fault).
 */

#include "base/buf.h"
#include "base/fault.h"
#include "jailer/client.h"
#include "net/lease.h"
#include "pool/caller.h"
#include "pool/demand.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum pool_outcome {
	POOL_VALUE,    /* returned, or exited with status 0 */
	POOL_DECLINED, /* nothing was called: compile the call; text says why */
	POOL_REFUSED,  /* nothing was called: typed arguments do not fit; text says why */
	POOL_NOT_JSON, /* it returned what cannot be JSON; text says why */
	POOL_PANIC,
	POOL_EXIT,   /* status */
	POOL_SIGNAL, /* status: the signal */
	POOL_OUT_OF_MEMORY,
	POOL_STACK_OVERFLOW,
	POOL_DEADLOCK,
	POOL_TIMEOUT,
	POOL_INIT_TIMEOUT, /* package initialisation did not end in time */
	POOL_OUTPUT_LIMIT,
	POOL_JAIL_KILLED, /* by an admin */
	POOL_FAULT,       /* ours: see fault */
};

struct pool_result {
	enum pool_outcome outcome;
	int status;   /* of POOL_EXIT, POOL_SIGNAL */
	bool in_init; /* it ended before the call was made */
	const char *out,
		*err; /* what it wrote to stdout and stderr, NUL-terminated behind its length */
	size_t out_len, err_len;
	const char *text; /* RESULT's JSON, or the text of DECLINED, REFUSED or NOT_JSON */
	size_t text_len;
	bool waited;              /* a jail was waiting for the call */
	uint64_t queue_ns;        /* until its turn came */
	unsigned calls_before;    /* that its jail served; 0: it was a fresh one */
	uint64_t jail_ns, run_ns; /* until a jail was READY; from CALL to the end */
	struct fault fault;
};

/* One program in the pool's eyes; its owner embeds it. Zeroed but for fd; pool_forget before it
 * goes. */
struct pool_program {
	int fd;                   /* the binary, open for reading */
	char *module;             /* its owner's: "path@version", for people; NULL: not known */
	const char *function;     /* its owner's: what its calls are counted as; NULL: by itself */
	struct pool_run *runs;    /* all that are alive */
	struct pool_run *waiting; /* of those, READY ones; the newest first */
	unsigned spare;           /* of those, waiting ones and such as will be */
	unsigned queued;          /* calls that wait for their turn */
	struct function *counted; /* what `function` names */
	bool orphan;              /* the pool's own, for calls that wait: its owner let go of it */
	struct demand demand;
	struct reuse_set *reuse;           /* its callers' used jails */
	uint64_t bytes;                    /* that one of its jails used at most, when last told */
	struct pool_program *next_wanting; /* of those that want a spare, when it is their turn */
	bool wanting;
};

struct pool_limits {
	uint64_t exec_ms, init_ms;
	size_t output_max;          /* stdout and stderr, each */
	unsigned waiting_max;       /* over all programs; the least recently used goes first */
	uint64_t waiting_bytes_max; /* likewise */
	uint64_t reserve_bytes;     /* where the host has less to give, none waits */
	unsigned running_max;       /* calls at once; beyond they wait (admission.h) */
	unsigned function_max;      /* of one function; 0: no limit */
	unsigned queue_max;         /* calls that may wait beyond a limit */
	uint64_t queue_ms;          /* and how long; beyond: FAULT_LIMITED */
	uint64_t idle_ms;           /* a jail waits no longer than this */
	struct leases *leases;      /* NULL: no call gets an address */
};

/* How long a jail may serve one caller's calls. */
struct pool_reuse {
	unsigned calls;
	uint64_t age_ms;     /* since its first call */
	uint64_t memory;     /* bytes resident more than before its first call */
	unsigned generation; /* pool_generation, when this was settled */
};

struct pool_request {
	unsigned flags; /* FRAME_CALL_… */
	const char *name;
	const struct buf *rest; /* as frame.h says */
	const char *ip4;        /* the pool of addresses its jail has one of, ""  the first; NULL:
				   no network */
	const struct pool_reuse *reuse; /* NULL: a fresh jail, which then ends */
	struct caller *caller;          /* whose used jails it may have; NULL: nobody known */
};

struct pool;
struct pool_call;

struct pool *pool_create(
	uv_loop_t *loop, struct jailer_client *jailers, const struct pool_limits *limits);
/* Whether a call of this caller would be refused whatever it calls: -1 and f set then. */
int pool_check(struct pool *pool, const struct caller *caller, struct fault *f);
/* Calls; `done` comes once, later, unless cancelled; the result's pointers are valid until it
 * returns. NULL: f set (FAULT_LIMITED, FAULT_BUSY). What the request points to is copied. */
struct pool_call *pool_call(struct pool *pool, struct pool_program *program,
	const struct pool_request *request,
	void (*done)(void *ctx, const struct pool_result *result), void *ctx, struct fault *f);
/* The caller is no longer interested: the jail is killed, `done` does not come. */
void pool_call_cancel(struct pool_call *call);
/* Whether a call of it is under way, or waits for its turn. */
bool pool_program_called(const struct pool_program *program);
/* Whether the pool has a use for it: a call, a jail, or one that is to be started. */
bool pool_program_used(const struct pool_program *program);
/* Ends the program's waiting jails and lets go of it; calls in progress go on. */
void pool_forget(struct pool *pool, struct pool_program *program);
unsigned pool_running(const struct pool *pool);
unsigned pool_queued(const struct pool *pool);
unsigned pool_waiting(const struct pool *pool);
/* For the end of the process: ends all waiting jails and keeps none from now on. Calls in progress
 * go on. */
void pool_drain(struct pool *pool);
/* No jail that served a call until now gets another: who calls, or what is allowed, has changed. */
void pool_reuse_end(struct pool *pool);
/* How often that was. */
unsigned pool_generation(const struct pool *pool);
