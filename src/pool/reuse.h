#pragma once

/*
 * reuse: jails that serve the calls of one caller to one program one after another, where the
 * configuration allows it. Such a jail belongs to a set, the caller's for this program, from its
 * first call to its end, and serves nobody else.
 *
 * A set has as many calls under way as there are cpus (measured: more jails than that take turns on
 * the cpus and serve fewer calls); what comes on top queues behind them. Calls that wait while none
 * of its jails moves on, since their calls take long, get further jails.
 *
 * What the function left running may write at any time. What is there before a CALL is sent is
 * thrown away, and a frame that comes while no call runs ends the jail.
 *
 * Private to the pool.
 */

#include "pool/run.h"

/* The jails of one caller for one program. Lives as long as a call or a jail has it. */
struct reuse_set {
	struct pool_program *program;    /* NULL: forgotten, its jails serve nobody any more */
	const struct caller *caller;     /* NULL: those who told no token */
	struct reuse_set *next;          /* in its program */
	unsigned users;                  /* calls and jails that point here */
	unsigned busy;                   /* calls that have a jail, or get one */
	struct pool_run *idle;           /* READY ones; the one used last first */
	struct pool_call *first, **last; /* calls that wait for one of its jails */
	bool queueing;
	struct reuse_set *next_queueing;
	uint64_t moved_ns; /* when a call of it last began or was given a jail to come */
};

void reuse_open(struct pool *pool);
/* A call that may have a used jail, or whose jail may be used again: true, it has one or waits for
 * one; false: it needs one as any other call. */
bool reuse_offer(struct pool *pool, struct pool_call *call, const struct pool_request *request);
/* Takes a call out of its set's queue. */
void reuse_queue_leave(struct pool_call *call);
/* Whether calls of the program wait for used jails. */
bool reuse_waited(const struct pool_program *program);
/* A call is over, however it was. */
void reuse_call_over(struct pool_call *call);
/* A jail gets its call now: whether it stays for another one is said in the CALL frame. */
void reuse_begin(struct pool_run *run, struct pool_call *call);
/* Whether a jail that answered stays. */
bool reuse_stays(struct pool_run *run);
/* What was there to be read of a run's frames is handled; false: no more will come. */
void reuse_frames_end(struct pool_run *run, bool open);
/* It is about to be freed. */
void reuse_gone(struct pool_run *run);
/* Ends those that waited too long in all; `now` is clock_mono_ns. */
void reuse_age(struct pool *pool, uint64_t now);
/* The program is forgotten: its used jails end, and who waits for one gets a jail of its own. */
void reuse_forget(struct pool *pool, struct pool_program *program);
