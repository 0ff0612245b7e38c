#include "pool/reuse.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/resident.h"
#include "metrics/metrics.h"
#include "pool/behind.h"
#include "pool/frame.h"
#include "pool/pool_private.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	STUCK_MS = 5, /* none of a set's jails moved on for so long: its calls are long ones */
	LATE_MS = 20, /* a call that waited so long gets a jail though others move on */
	MEASURE_EVERY = 16, /* calls between two looks at a jail's memory … */
	MEASURE_MS = 1,     /* … unless one took so long */
	LEFT_READS = 8,     /* of what was left in a pipe; who writes more than that goes */
};

/* ---- sets ---- */

static struct reuse_set *set_of(
	struct pool_program *program, const struct caller *caller, unsigned generation)
{
	struct reuse_set *set = program->reuse;
	while (set != NULL && (set->caller != caller || set->generation != generation))
		set = set->next;
	if (set != NULL)
		return set;
	set = mem_zero(1, sizeof(*set));
	set->program = program;
	set->caller = caller;
	set->generation = generation;
	set->next = program->reuse;
	program->reuse = set;
	return set;
}

static void set_release(struct reuse_set *set)
{
	if (--set->users > 0)
		return;
	struct reuse_set **at = set->program != NULL ? &set->program->reuse : NULL;
	while (at != NULL && *at != set)
		at = &(*at)->next;
	if (at != NULL)
		*at = set->next;
	free(set);
}

/* One jail a cpu, as there is a jailer for each. */
static bool is_room(const struct pool *pool, const struct reuse_set *set)
{
	return set->program == NULL || set->busy < jailer_client_jailers(pool->jailers);
}

/* ---- jails between calls ---- */

static bool is_aged(const struct pool_run *run, uint64_t now)
{
	return now - run->reuse.since_ns > run->reuse.terms.age_ms * 1000000U;
}

/* Throws away what is in a pipe. False: there is no end of it. */
static bool left_drop(int fd)
{
	static char nowhere[65536];
	for (unsigned i = 0; i < LEFT_READS; i++) {
		if (read(fd, nowhere, sizeof(nowhere)) <= 0)
			return true;
	}
	return false;
}

/* Whether a jail that waits may have another call: nothing was said meanwhile, and what was written
 * is nobody's. */
static bool is_fit(const struct pool_run *run)
{
	struct pollfd ends[] = {
		{run->control, POLLIN, 0}, {run->out, POLLIN, 0}, {run->err, POLLIN, 0}};
	if (is_aged(run, clock_mono_ns()) ||
		!jailer_client_serves(run->pool->jailers, &run->handle))
		return false;
	if (poll(ends, 3, 0) == 0)
		return true;
	return ends[0].revents == 0 && ((ends[1].revents | ends[2].revents) & POLLHUP) == 0 &&
	       ((ends[1].revents & POLLIN) == 0 || left_drop(run->out)) &&
	       ((ends[2].revents & POLLIN) == 0 || left_drop(run->err));
}

/* Looks at the memory now and then, as each look is a system call. */
static bool is_grown(const struct pool_call *call, struct run_reuse *r, uint64_t took_ns)
{
	if (call->calls_before % MEASURE_EVERY != 0 && took_ns < MEASURE_MS * 1000000U)
		return false;
	r->resident = resident_bytes(r->memory);
	return r->resident == 0 || r->resident > r->resident_first + r->terms.memory;
}

bool reuse_is_current(const struct pool_run *run)
{
	return run->reuse.set->generation == run->pool->generation;
}

/* Who answers a call that is not sent whole yet (run->polls_room) has not read it: the rest of it
 * would be its next call's beginning. */
bool reuse_stays(struct pool_run *run)
{
	struct run_reuse *r = &run->reuse;
	const uint64_t now = clock_mono_ns();
	if (r->set == NULL)
		return false;
	r->grown |= is_grown(run->call, r, now - run->call->called_ns);
	r->staying = r->staying && !r->grown && !run->ended && run->forced == POOL_VALUE &&
		     !run->polls_room && run->program != NULL && !run->pool->ending &&
		     reuse_is_current(run) && !is_aged(run, now);
	return r->staying;
}

/* Its first call: from now on it is the set's. */
static void run_join(struct pool_run *run, const struct pool_call *call)
{
	struct run_reuse *r = &run->reuse;
	static bool told;
	r->set = call->set;
	r->set->users++;
	LIST_INSERT_HEAD(&r->set->jails, run, reuse.of_set);
	run->pool->used++;
	r->terms = call->terms;
	r->since_ns = call->called_ns;
	r->memory = resident_open(r->pid);
	r->resident = r->resident_first = resident_bytes(r->memory);
	if (r->resident > 0 || told)
		return;
	told = true;
	log_warn("jails serve one call each, in spite of jails.reuse: how much memory they use "
		 "cannot be seen in /proc");
}

void reuse_count(struct pool_run *run, struct pool_call *call)
{
	struct run_reuse *r = &run->reuse;
	call->calls_before = r->calls++;
	r->staying = r->calls < r->terms.calls && r->resident > 0 && r->set->program != NULL &&
		     !run->pool->ending;
	call->stays = r->staying;
	frame_set_flags(&call->frame, FRAME_CALL_STAY, call->stays);
}

void reuse_begin(struct pool_run *run, struct pool_call *call)
{
	struct run_reuse *r = &run->reuse;
	if (call->set == NULL)
		return;
	if (r->set == NULL)
		run_join(run, call);
	call->set->moved_ns = call->called_ns;
	reuse_count(run, call);
	buf_clear(&run->out_text);
	buf_clear(&run->err_text);
}

/* ---- calls ---- */

void reuse_want(struct pool_call *call, const struct pool_request *request)
{
	if (request->reuse == NULL || request->ip4 != NULL || call->pool->ending)
		return;
	call->set = set_of(call->program, request->caller, request->reuse->generation);
	call->set->users++;
	call->terms = *request->reuse;
}

struct pool_run *reuse_idle(struct pool *pool, struct pool_call *call)
{
	if (!is_room(pool, call->set) && behind_find(call) != NULL)
		return NULL;
	for (struct pool_run *run; (run = call->set->idle) != NULL;) {
		if (!is_fit(run)) {
			spares_end(pool, run);
			continue;
		}
		spares_remove(pool, run);
		metrics_count(METRIC_POOL_ASKED, METRIC_POOL_REUSED, 0);
		call->waited = true;
		return run;
	}
	return NULL;
}

bool reuse_may_start(const struct pool_call *call)
{
	const struct reuse_set *set = call->set;
	if (is_room(call->pool, set))
		return true;
	const uint64_t now = clock_mono_ns();
	const uint64_t waited = now - call->asked_ns;
	return (waited > STUCK_MS * 1000000U && now - set->moved_ns > STUCK_MS * 1000000U) ||
	       (waited > LATE_MS * 1000000U && now - set->grown_ns > LATE_MS * 1000000U);
}

void reuse_placed(struct pool_call *call)
{
	struct reuse_set *set = call->set;
	if (set == NULL)
		return;
	set->moved_ns = clock_mono_ns();
	if (!is_room(call->pool, set))
		set->grown_ns = set->moved_ns;
	call->busy = true;
	set->busy++;
}

void reuse_unplaced(struct pool_call *call)
{
	if (call->set == NULL)
		return;
	call->set->busy -= call->busy;
	call->busy = false;
}

void reuse_call_over(struct pool_call *call)
{
	struct reuse_set *set = call->set;
	if (set == NULL)
		return;
	reuse_unplaced(call);
	call->set = NULL;
	set_release(set);
}

/* ---- what runs tell ---- */

/* It answered, and that is handled: it waits for the next call. */
static void run_rest(struct pool_run *run, bool open)
{
	struct pool *pool = run->pool;
	struct run_reuse *r = &run->reuse;
	(void)uv_timer_stop(&run->timer);
	run_output_rest(run);
	const bool stays = open && r->staying && run->in.len == 0 && run->forced == POOL_VALUE &&
			   run->program != NULL && !pool->ending && reuse_is_current(run);
	if (stays && spares_room(pool, run->program)) {
		run->state = RUN_WAITING;
		spares_add(pool, run);
		starts_serve(pool);
		return;
	}
	run->state = RUN_ENDING;
	run_kill(run, POOL_JAIL_KILLED);
}

void reuse_frames_end(struct pool_run *run, bool open)
{
	if (run->ended)
		return;
	if (run->state == RUN_RESTED)
		run_rest(run, open);
	else if (run->state == RUN_WAITING && run->reuse.set != NULL &&
		 (!open || !run->reuse.staying || run->in.len > 0))
		spares_end(run->pool, run);
}

void reuse_gone(struct pool_run *run)
{
	if (run->reuse.memory >= 0)
		(void)close(run->reuse.memory);
	if (run->reuse.set != NULL) {
		LIST_REMOVE(run, reuse.of_set);
		run->pool->used--;
		set_release(run->reuse.set);
	}
	run->reuse.memory = -1;
	run->reuse.set = NULL;
}

/* ---- ends ---- */

void reuse_age(struct pool *pool, uint64_t now)
{
	for (struct pool_run *run = pool->oldest, *next; run != NULL; run = next) {
		next = run->newer;
		if (run->reuse.set != NULL && is_aged(run, now))
			spares_end(pool, run);
	}
}

void pool_reuse_end(struct pool *pool)
{
	pool->generation++;
	reuse_age(pool, UINT64_MAX);
}

unsigned pool_generation(const struct pool *pool)
{
	return pool->generation;
}

void reuse_forget(struct pool *pool, struct pool_program *program)
{
	for (struct reuse_set *set; (set = program->reuse) != NULL;) {
		set->users++;
		program->reuse = set->next;
		set->program = NULL;
		while (set->idle != NULL)
			spares_end(pool, set->idle);
		set_release(set);
	}
}
