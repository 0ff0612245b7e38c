#include "pool/behind.h"

#include "base/clock.h"
#include "metrics/metrics.h"
#include "pool/frame.h"
#include "pool/pool_private.h"
#include "pool/reuse.h"

#include <sys/socket.h>

enum {
	BEHIND_MAX = 7, /* more save little (measured: 4 to 16 are alike) */
	KNOWN = 16,     /* so many quick calls tell what the next will be … */
	KNOWN_MAX = 64,
	SLOW_COUNTS = 4, /* … and one that was not as many as this */
	QUICK_MS = 4,    /* many times a quick call's time, as the cpus may have other work */
	RETURNS_MAX = 3, /* jails of a call that may end before they read it */
};

static bool may_follow(const struct pool_run *run)
{
	return run->state == RUN_CALLED && run->call != NULL && !run->ended && run->reuse.staying &&
	       !run->polls_room && run->forced == POOL_VALUE && !run->slow &&
	       run->behind_count < BEHIND_MAX && run->call->frame.len == FRAME_SLOT &&
	       run->program != NULL && reuse_is_current(run);
}

struct pool_run *behind_find(const struct pool_call *call)
{
	const struct reuse_set *set = call->set;
	struct pool_run *best = NULL;
	struct pool_run *run;
	if (set == NULL || set->quick < KNOWN || call->frame.len != FRAME_SLOT)
		return NULL;
	LIST_FOREACH(run, &set->jails, reuse.of_set)
	{
		if (may_follow(run) && (best == NULL || run->behind_count < best->behind_count))
			best = run;
	}
	return best;
}

/* ---- sending ---- */

/* There is always room for so few; a program that is gone shows by its end. */
static void frames_send(const struct pool_run *run, const struct buf *frames)
{
	(void)send(run->control, frames->data, frames->len, MSG_NOSIGNAL);
}

static void unsent_clear(struct pool_run *run)
{
	if (run->unsent.len > 0)
		LIST_REMOVE(run, of_unsent);
	buf_clear(&run->unsent);
}

void behind_flush(struct pool *pool)
{
	struct pool_run *run;
	while ((run = LIST_FIRST(&pool->unsent)) != NULL) {
		frames_send(run, &run->unsent);
		unsent_clear(run);
	}
}

void behind_send(struct pool_run *run, struct pool_call *call)
{
	metrics_count(METRIC_POOL_ASKED, METRIC_POOL_REUSED, 0);
	admission_take(run->pool->admission, &call->entry, &call->ticket, call->placed_ns);
	call->run = run;
	call->waited = true;
	TAILQ_INSERT_TAIL(&run->behind, call, in_run);
	run->behind_count++;
	reuse_count(run, call);
	call->follows = true;
	frame_set_flags(&call->frame, FRAME_CALL_FOLLOWS, true);
	if (run->unsent.len == 0)
		LIST_INSERT_HEAD(&run->pool->unsent, run, of_unsent);
	buf_append(&run->unsent, call->frame.data, call->frame.len);
}

void behind_note(struct reuse_set *set, bool quiet, uint64_t took_ns)
{
	if (set == NULL)
		return;
	if (!quiet)
		set->quick = 0;
	else if (took_ns >= QUICK_MS * 1000000U)
		set->quick -= set->quick < SLOW_COUNTS ? set->quick : SLOW_COUNTS;
	else
		set->quick += set->quick < KNOWN_MAX;
}

/* It was not called: the jail may serve as many more, and waits for another. */
static void unsend(struct pool_run *run, const struct pool_call *call)
{
	run->reuse.calls--;
	run->reuse.staying |= !call->stays && !run->reuse.grown;
}

static void behind_remove(struct pool_run *run, struct pool_call *call)
{
	TAILQ_REMOVE(&run->behind, call, in_run);
	run->behind_count--;
}

void behind_next(struct pool_run *run)
{
	struct pool_call *call = TAILQ_FIRST(&run->behind);
	if (call == NULL || run->state != RUN_RESTED)
		return;
	behind_remove(run, call);
	run->call = call;
	run->ticket = call->ticket;
	call->ticket = (struct ticket){0};
	reuse_placed(call);
	run_goes_on(run);
	if (call->left)
		pool_call_cancel(call);
}

/* It waits again, as it did before. */
static void wait_again(struct pool_run *run, struct pool_call *call)
{
	struct pool *pool = run->pool;
	admission_give(pool->admission, &call->ticket);
	call->run = NULL;
	call->follows = false;
	frame_set_flags(&call->frame, FRAME_CALL_STAY | FRAME_CALL_FOLLOWS, false);
	call->frame_sent = 0;
	call->called_ns = 0;
	if (call->left) {
		call_free(call);
	} else if (run->program == NULL) {
		struct fault f = {0};
		(void)fault_code(&f, FAULT_BUSY, "jail_failed",
			"the jail that the call was to have has ended; try again");
		call_fail(call, &f);
	} else {
		call->program = run->program;
		queue_return(pool, call);
	}
}

/* Its own call is none of its any more. */
static void own_wait_again(struct pool_run *run)
{
	struct pool_call *call = run->call;
	run->call = NULL;
	call->ticket = run->ticket;
	run->ticket = (struct ticket){0};
	reuse_unplaced(call);
	wait_again(run, call);
}

/* How many bytes of calls lie unread, or unsent: they are taken out. */
static size_t unread_take(struct pool_run *run)
{
	char slots[(BEHIND_MAX + 1) * FRAME_SLOT];
	const ssize_t n = run->peer >= 0 ? recv(run->peer, slots, sizeof(slots), MSG_DONTWAIT) : 0;
	const size_t len = run->unsent.len + (n > 0 ? (size_t)n : 0);
	unsent_clear(run);
	return len;
}

/* The last ones first, so that they stand in the queue as they came. */
static void last_wait_again(struct pool_run *run, unsigned count)
{
	while (count-- > 0 && run->behind_count > 0) {
		struct pool_call *call = TAILQ_LAST(&run->behind, calls);
		behind_remove(run, call);
		unsend(run, call);
		wait_again(run, call);
	}
}

void behind_take_back(struct pool_run *run)
{
	if (run->behind_count == 0 || run->program == NULL)
		return;
	const unsigned unread = (unsigned)(unread_take(run) / FRAME_SLOT);
	if (unread > run->behind_count && run->call != NULL) /* nor has it read its own call */
		frames_send(run, &run->call->frame);
	last_wait_again(run, unread);
}

void behind_end(struct pool_run *run)
{
	struct pool_call *own = run->call;
	if (own == NULL && run->behind_count == 0) {
		unsent_clear(run); /* of a call that left before the loop's turn ended */
		return;
	}
	const size_t behind = (size_t)run->behind_count * FRAME_SLOT;
	const bool unread = unread_take(run) > behind || run->polls_room;
	last_wait_again(run, run->behind_count);
	/* One that was READY and ended before it read its call, by whoever killed it: but a program may
	 * do so always. */
	if (own != NULL && own->called_ns != 0 && unread && run->forced == POOL_VALUE &&
		own->returns++ < RETURNS_MAX)
		own_wait_again(run);
}

void behind_passed(struct pool_run *run)
{
	if (!run->call->follows)
		return;
	unsend(run, run->call);
	run->call->set->quick = 0;
	own_wait_again(run);
	run->state = RUN_RESTED;
	behind_next(run);
}
