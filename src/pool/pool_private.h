#pragma once

/* pool_private: what pool.c (calls, and what comes of them), starts.c (jails that are started, and
 * the calls that queue for that), spares.c (jails that wait for calls) and reuse.c (jails that serve
 * several) share. */

#include "pool/run.h"

enum { STARTS_MAX = 64 };

struct pool {
	uv_loop_t *loop;
	struct jailer_client *jailers;
	struct pool_limits limits;
	unsigned running; /* calls */
	bool ending;
	/* starts.c */
	struct pool_run *starting[STARTS_MAX]; /* starts under way that count */
	unsigned starting_count;
	struct pool_call *first, **last; /* calls that wait for their turn to start a jail */
	uv_timer_t slow;
	/* spares.c */
	struct pool_run *oldest, *newest; /* all that wait, by age */
	unsigned waiting, spares;         /* how many wait; and with those that will */
	uint64_t waiting_bytes;
	struct pool_program *wanting; /* programs whose turn it is not yet to start one */
	uv_timer_t idle;
	/* reuse.c */
	unsigned generation;
	struct reuse_set *queueing; /* sets that calls wait for */
	uv_timer_t queue;
};

/* ---- pool.c ---- */

void call_free(struct pool_call *call);
/* Tells it of a fault of ours, and frees it. */
void call_fail(struct pool_call *call, const struct fault *f);
/* A call that waited for a used jail goes the way of all others. */
void call_go(struct pool *pool, struct pool_call *call);
/* Takes a run out of its program's list: it is no longer of any. */
void run_forget(struct pool_run *run);

/* ---- starts.c ---- */

void starts_open(struct pool *pool);
/* Starts a jail at once. NULL: f set. */
struct pool_run *start_run(struct pool *pool, struct pool_program *program,
	const struct lease_grant *grant, struct fault *f);
/* It is READY, or gone: it no longer counts as a start. */
void start_over(struct pool *pool, const struct pool_run *run);
/* Whether a start's turn has come: calls that queue go first. */
bool start_allowed(const struct pool *pool);
void queue_add(struct pool *pool, struct pool_call *call);
void queue_leave(struct pool_call *call);
/* Takes the first call that waits for this program; NULL: there is none. */
struct pool_call *queue_find(struct pool *pool, const struct pool_program *program);
/* Starts a call's jail out of turn. */
void call_start(struct pool *pool, struct pool_call *call);
/* Starts what has its turn now: calls first, then spares. */
void starts_serve(struct pool *pool);

/* ---- spares.c ---- */

void spares_open(struct pool *pool);
/* A run waits from now on. */
void spares_add(struct pool *pool, struct pool_run *run);
/* It waits no longer: a call has it, or it ended. */
void spares_remove(struct pool *pool, struct pool_run *run);
/* Takes a waiting run out and ends it. */
void spares_end(struct pool *pool, struct pool_run *run);
/* Likewise one that was to wait, once it were READY. */
void spares_end_starting(struct pool *pool, struct pool_run *run);
/* A run that was to wait is none of those any more. */
void spares_leave(struct pool *pool, struct pool_run *run);
/* A spare that is on its way, for the call that comes before it is READY; NULL: there is none. */
struct pool_run *spares_starting(struct pool *pool, const struct pool_program *program);
/* Starts what the program should have waiting, as far as it has its turn; the rest later. */
void spares_refill(struct pool *pool, struct pool_program *program);
/* The same for all that wait for their turn. */
void spares_serve(struct pool *pool);
/* Whether one more may wait; the least recently used are ended for it. */
bool spares_room(struct pool *pool, const struct pool_program *program);
/* The program wants none any more. */
void spares_unwant(struct pool *pool, struct pool_program *program);
