#pragma once

/*
 * reuse: jails that serve the calls of one caller to one program one after another, where the
 * configuration allows it. Such a jail belongs to a set, the caller's for this program, from its
 * first call to its end, and serves nobody else.
 *
 * Callers and their rights are those of a configuration. Once that is read anew, sets of the one
 * before take no more jails, and theirs end as they become idle.
 *
 * A set has as many calls under way as there are cpus (measured: more jails than that take turns on
 * the cpus and serve fewer calls); what comes on top waits for its turn in the pool's queue. Calls
 * that wait while none of its jails moves on, since their calls take long, get further jails.
 *
 * What the function left running may write at any time. What is there before a CALL is sent is
 * thrown away, and a frame that comes while no call runs ends the jail.
 *
 * Private to the pool.
 */

#include "pool/run.h"

/* The jails of one caller for one program. Lives as long as a call or a jail has it. */
struct reuse_set {
	struct pool_program *program; /* NULL: forgotten, its jails serve nobody any more */
	const struct caller *caller;  /* NULL: those who told no token */
	unsigned generation;          /* of the configuration by which they may reuse jails */
	struct reuse_set *next;       /* in its program */
	unsigned users;               /* calls and jails that point here */
	unsigned busy;                /* calls that a jail makes, or will once it is started */
	LIST_HEAD(, pool_run) jails;  /* that have served one */
	unsigned quick;               /* how far its calls are known to be (behind.c) */
	struct pool_run *idle;        /* READY ones; the one used last first */
	uint64_t moved_ns;            /* when a call of it last had its place or began */
	uint64_t grown_ns;            /* when it last had one beyond a cpu each */
};

/* Where the request allows it, the call has a set from now on: it may have a used jail, and its jail
 * may be used again. */
void reuse_want(struct pool_call *call, const struct pool_request *request);
/* The set's jail for a call of it, which no longer waits; NULL: there is none, or enough others are
 * at work that may be sent it. */
struct pool_run *reuse_idle(struct pool *pool, struct pool_call *call);
/* Whether its set may have another jail for it. */
bool reuse_may_start(const struct pool_call *call);
/* It has its jail to itself now; or no longer, and waits again. */
void reuse_placed(struct pool_call *call);
void reuse_unplaced(struct pool_call *call);
/* A jail is given the call: whether it stays for another one is said in the CALL frame. */
void reuse_count(struct pool_run *run, struct pool_call *call);
/* A call is over, however it was. */
void reuse_call_over(struct pool_call *call);
/* A jail gets its call now. */
void reuse_begin(struct pool_run *run, struct pool_call *call);
/* Whether its set is of the configuration of now. */
bool reuse_is_current(const struct pool_run *run);
/* Whether a jail that answered stays; else it is sent no more calls. */
bool reuse_stays(struct pool_run *run);
/* What was there to be read of a run's frames is handled; false: no more will come. */
void reuse_frames_end(struct pool_run *run, bool open);
/* It is about to be freed. */
void reuse_gone(struct pool_run *run);
/* Ends those that waited too long in all; `now` is clock_mono_ns. */
void reuse_age(struct pool *pool, uint64_t now);
/* The program is forgotten: its used jails end, and serve nobody any more. */
void reuse_forget(struct pool *pool, struct pool_program *program);
