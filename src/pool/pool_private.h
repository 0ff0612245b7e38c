#pragma once

/* pool_private: what pool.c (calls, and what comes of them), queue.c (calls that wait for their
 * turn), starts.c (jails that are started), spares.c (jails that wait for calls) and reuse.c (jails
 * that serve several) share. */

#include "base/memory.h"
#include "pool/pressure.h"
#include "pool/run.h"

enum { STARTS_MAX = 64 };

struct pool {
	uv_loop_t *loop;
	struct jailer_client *jailers;
	struct pool_limits limits;
	struct admission *admission;
	bool ending;
	uv_prepare_t turn; /* what is done when the loop's turn ends */
	/* queue.c */
	LIST_HEAD(, pool_call) displaced; /* for others, and are told then */
	/* starts.c */
	struct pool_run *starting[STARTS_MAX]; /* starts under way that count */
	unsigned starting_count;
	uint64_t start_ns; /* how long one takes, of late */
	uv_timer_t slow;
	/* spares.c */
	struct pool_run *oldest, *newest; /* all that wait, by age */
	unsigned waiting, spares;         /* how many wait; and with those that will */
	uint64_t waiting_bytes;           /* of those that wait and that will */
	struct pool_program *wanting;     /* programs whose turn it is not yet to start one */
	uv_timer_t idle, soon;
	/* pressure.c */
	struct memory memory; /* what there is of it */
	bool scarce;          /* of it, when last looked at */
	unsigned places;      /* calls that may run at once, limits.running_max at most */
	/* reuse.c */
	LIST_HEAD(, pool_run) unsent; /* jails that are sent calls when the loop's turn ends */
	unsigned generation, used;    /* used: jails that have served a call and may another */
};

/* ---- pool.c ---- */

void call_free(struct pool_call *call);
/* Tells it of a fault of ours, and frees it. */
void call_fail(struct pool_call *call, const struct fault *f);
/* Takes a run out of its program's list: it is no longer of any. */
void run_forget(struct pool_run *run);
/* Finds or starts a jail for a call that may have its place, which it takes. -1: f set, and it is
 * still where it was; 0 with call->run NULL: no start has its turn, it waits on. */
int call_place(struct pool *pool, struct pool_call *call, struct fault *f);

/* ---- queue.c ---- */

/* Lets it wait for its turn. -1: there is no room, f set. */
int queue_add(struct pool *pool, struct pool_call *call, struct fault *f);
/* It had its place, and waits again for one, before all others of its caller and function. */
void queue_return(struct pool *pool, struct pool_call *call);
/* Takes it out; also one that another displaced, and that was not told yet. */
void queue_leave(struct pool_call *call);
/* The loop's turn ends: refuses those that others displaced. Not before, as who is told may call
 * again: that would be while the call that displaced it is not yet its caller's. */
void queue_tell(struct pool *pool);
/* The call whose turn it is, if there is one that can have its place now. */
struct pool_call *queue_next(struct pool *pool);
/* Gives their places to all whose turn it is now. */
void queue_serve(struct pool *pool);
/* Refuses all that waited too long. */
void queue_expire(struct pool *pool, uint64_t now);
/* Whether somebody waits for no more than a jail's start. */
bool queue_wants_start(const struct pool *pool);
/* Its calls go on waiting for a program of their own. */
void queue_adopt(struct pool *pool, struct pool_program *program);
/* A call of this caller is beyond that limit: sets f. */
void queue_refuse(const struct pool *pool, enum admission_limit limit, const struct caller *caller,
	struct fault *f);

/* ---- starts.c ---- */

void starts_open(struct pool *pool);
/* Starts a jail at once. NULL: f set. */
struct pool_run *start_run(struct pool *pool, struct pool_program *program,
	const struct lease_grant *grant, struct fault *f);
/* It is READY, or gone: it no longer counts as a start. */
void start_over(struct pool *pool, const struct pool_run *run);
/* Whether there is room for another. */
bool start_has_room(const struct pool *pool);
/* Whether a spare may be started: calls that wait for a start go first. */
bool start_allowed(const struct pool *pool);
/* Something changed: gives their places to calls whose turn it is, then starts spares. */
void starts_serve(struct pool *pool);
/* Somebody waits: time is looked at. */
void starts_watch(struct pool *pool);

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
/* Likewise, a little later: what was just answered goes first. */
void spares_soon(struct pool *pool, struct pool_program *program);
/* Whether one more may wait; the least recently used are ended for it. */
bool spares_room(struct pool *pool, const struct pool_program *program);
/* The program wants none any more. */
void spares_unwant(struct pool *pool, struct pool_program *program);
