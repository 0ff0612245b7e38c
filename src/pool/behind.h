#pragma once

/*
 * behind: calls that a jail is sent behind the one it makes, so that neither side is woken for each
 * (measured: a call costs a third then). They have their places, but their jail has not begun with
 * them; it reads one at a time. What it has not read when it takes its time, or ends, is taken back
 * out of its socket, of which the server keeps both ends, and waits again for its turn, first of
 * its caller's. So nothing is called twice, and nothing waits long for another call's end.
 *
 * A set gets that only while its calls are quick and write nothing by themselves: whose output it
 * is could not be told otherwise (frame.h, PASSED).
 *
 * Private to the pool.
 */

#include "pool/run.h"

/* The loop's turn ends: what came up in it goes out at once, one system call and one waking up. */
void behind_flush(struct pool *pool);
/* The jail that may be sent this call behind others; NULL: there is none. */
struct pool_run *behind_find(const struct pool_call *call);
/* Sends it there: it has its place. */
void behind_send(struct pool_run *run, struct pool_call *call);
/* How a call of the set ended: `quiet`, nothing was written to the pipes. */
void behind_note(struct reuse_set *set, bool quiet, uint64_t took_ns);
/* The jail's call is over, and it goes on with the next one that it was sent, if any. */
void behind_next(struct pool_run *run);
/* What its program has not read waits again. */
void behind_take_back(struct pool_run *run);
/* Its program ended: what it has not begun with waits again, its own call too. */
void behind_end(struct pool_run *run);
/* PASSED came for its call. */
void behind_passed(struct pool_run *run);
