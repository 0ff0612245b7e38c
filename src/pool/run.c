#include "pool/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/resident.h"
#include "pool/behind.h"
#include "pool/frame.h"
#include "pool/reuse.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ENDING_MS = 200, /* a driver that has answered gets this long to end by itself */
	AGAIN_MS = 5000, /* a jail that should have ended, but its jailer may not have heard it */
	QUICK_MS = 5, /* most starts and calls are done by then: output is read once, at the end */
};

static void run_readable(uv_poll_t *poll, int status, int events);

/* ---- freeing ---- */

static void run_free_maybe(struct pool_run *run)
{
	if (!run->exited || run->open_handles > 0)
		return;
	buf_finish(&run->in);
	buf_finish(&run->out_text);
	buf_finish(&run->err_text);
	buf_finish(&run->unsent);
	free(run->module);
	free(run);
}

static void handle_closed(uv_handle_t *handle)
{
	struct pool_run *run = handle->data;
	run->open_handles--;
	run_free_maybe(run);
}

/* What is never watched costs no handle: most calls' output is not. */
static void watch(struct pool_run *run, uv_poll_t *poll, int fd)
{
	if (poll->data != NULL)
		return;
	(void)uv_poll_init(pool_loop(run->pool), poll, fd);
	poll->data = run;
	run->open_handles++;
}

static void end_close(int *fd, uv_poll_t *poll)
{
	if (*fd < 0)
		return;
	if (poll->data != NULL) {
		(void)uv_poll_stop(poll);
		uv_close((uv_handle_t *)poll, handle_closed);
	}
	(void)close(*fd);
	*fd = -1;
}

static void run_close(struct pool_run *run)
{
	end_close(&run->control, &run->control_poll);
	end_close(&run->out, &run->out_poll);
	end_close(&run->err, &run->err_poll);
	if (run->peer >= 0)
		(void)close(run->peer);
	run->peer = -1;
}

/* ---- the call's end ---- */

static void result_tell(struct pool_run *run, struct pool_result *result)
{
	const uint64_t now = clock_mono_ns();
	struct pool_call *call = run->call;
	result->waited = call->waited;
	result->queue_ns = call->placed_ns - call->asked_ns;
	result->jail_ns = (call->called_ns != 0 ? call->called_ns : now) - call->placed_ns;
	result->run_ns = call->called_ns != 0 ? now - call->called_ns : 0;
	result->in_init = call->called_ns == 0;
	result->calls_before = call->calls_before;
	(void)buf_reserve(&run->out_text, 1);
	(void)buf_reserve(&run->err_text, 1);
	result->out = run->out_text.data;
	result->out_len = run->out_text.len;
	result->err = run->err_text.data;
	result->err_len = run->err_text.len;
	pool_on_result(run, result); /* takes the call off the run */
}

/* Reads what is there; at most one byte beyond the limit is taken. True: the writers have all
 * closed. */
static bool output_drain(struct pool_run *run, int fd, struct buf *text)
{
	const size_t max = pool_limits_of(run->pool)->output_max;
	while (fd >= 0 && text->len <= max) {
		size_t room = max + 1 - text->len;
		room = room > 65536 ? 65536 : room;
		ssize_t n = read(fd, buf_reserve(text, room), room);
		if (n <= 0)
			return n == 0;
		text->len += (size_t)n;
		text->data[text->len] = '\0';
		if ((size_t)n < room && n < 4096)
			return false; /* a pipe gives all it has: nothing is left */
	}
	return true;
}

static bool output_exceeded(struct pool_run *run)
{
	const size_t max = pool_limits_of(run->pool)->output_max;
	bool exceeded = false;
	struct buf *texts[] = {&run->out_text, &run->err_text};
	for (size_t i = 0; i < 2; i++) {
		if (texts[i]->len <= max)
			continue;
		texts[i]->len = max;
		texts[i]->data[max] = '\0';
		exceeded = true;
	}
	return exceeded;
}

static void outputs_drain(struct pool_run *run)
{
	(void)output_drain(run, run->out, &run->out_text);
	(void)output_drain(run, run->err, &run->err_text);
}

static void ending_timeout(uv_timer_t *timer)
{
	struct pool_run *run = timer->data;
	jailer_client_kill(pool_jailers(run->pool), &run->handle);
}

/* What was printed: it is in the pipes, or there was nothing but this. */
static void printed_take(struct pool_run *run, struct pool_result *result, bool quiet)
{
	if (!quiet) {
		outputs_drain(run);
	} else if (!run->call->json) {
		buf_append(&run->out_text, result->text, result->text_len);
		result->text_len = 0;
	}
}

/* The driver answered: everything it printed is in the pipes already, or with it. */
static void answered(
	struct pool_run *run, enum pool_outcome outcome, bool quiet, const char *text, size_t len)
{
	struct pool_result result = {.outcome = outcome, .text = text, .text_len = len};
	printed_take(run, &result, quiet);
	const bool too_much =
		output_exceeded(run) || result.text_len > pool_limits_of(run->pool)->output_max;
	if (too_much) {
		result.outcome = POOL_OUTPUT_LIMIT;
		run->reuse.staying = false;
	}
	behind_note(run->call->set, quiet, clock_mono_ns() - run->call->called_ns);
	const bool stays = reuse_stays(run) || run->behind_count > 0;
	/* Where it was quiet those behind have begun. */
	run->state = stays && (quiet || !too_much) ? RUN_RESTED : RUN_ENDING;
	result_tell(run, &result);
	if (run->state != RUN_ENDING || run->control < 0)
		return; /* it makes its next call, or waits: reuse_frames_end */
	behind_take_back(run);
	run_close(run);
	(void)uv_timer_start(&run->timer, ending_timeout, ENDING_MS, AGAIN_MS);
}

void run_kill(struct pool_run *run, enum pool_outcome why)
{
	if (run->forced != POOL_VALUE)
		return;
	run->forced = why;
	jailer_client_kill(pool_jailers(run->pool), &run->handle);
}

/* ---- frames ---- */

static bool is_answer(enum frame_type type, enum pool_outcome *outcome)
{
	switch (type) {
	case FRAME_RESULT:
	case FRAME_QUIET:
		*outcome = POOL_VALUE;
		return true;
	case FRAME_DECLINED:
		*outcome = POOL_DECLINED;
		return true;
	case FRAME_REFUSED:
		*outcome = POOL_REFUSED;
		return true;
	case FRAME_NOT_JSON:
		*outcome = POOL_NOT_JSON;
		return true;
	default:
		return false;
	}
}

static void frame_handle(
	struct pool_run *run, enum frame_type type, const char *payload, size_t len)
{
	enum pool_outcome outcome;
	if (type == FRAME_READY && run->state == RUN_STARTING && run->forced == POOL_VALUE) {
		run->state = RUN_WAITING;
		jailer_client_ready(pool_jailers(run->pool), &run->handle);
		(void)uv_timer_stop(&run->timer);
		pool_on_ready(run);
	} else if (run->state == RUN_CALLED && is_answer(type, &outcome)) {
		answered(run, outcome, type == FRAME_QUIET, payload, len);
	} else if (run->state == RUN_CALLED && type == FRAME_PASSED) {
		behind_passed(run);
	} else if (run->state == RUN_WAITING || run->state == RUN_RESTED) {
		run->reuse.staying = false; /* it speaks unasked */
	}
	/* Anything else is the function writing where it has no business: passed over. */
}

/* Takes what came on the control socket: one read, so that a function that floods it holds up
 * nobody, or at its end all. False: it is closed, or no longer speaks frames. */
static bool frames_take(struct pool_run *run, bool all)
{
	while (run->control >= 0) {
		char *to = buf_reserve(&run->in, 16384);
		ssize_t n = run->reuse.pid != 0
				    ? read(run->control, to, 16384)
				    : resident_read(run->control, to, 16384, &run->reuse.pid);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		run->in.len += (size_t)n;
		enum frame_type type;
		const char *payload;
		size_t len;
		int got;
		while ((got = frame_peek(&run->in, &type, &payload, &len)) > 0) {
			frame_handle(run, type, payload, len);
			if (run->control < 0)
				return true;
			frame_next(&run->in);
		}
		if (got < 0)
			return false;
		if (n < 16384 || !all)
			return true;
	}
	return true;
}

static bool frames_read(struct pool_run *run, bool all)
{
	const bool open = frames_take(run, all);
	reuse_frames_end(run, open);
	return open;
}

static void frame_write(struct pool_run *run)
{
	struct pool_call *call = run->call;
	while (call->frame_sent < call->frame.len) {
		ssize_t n = send(run->control, call->frame.data + call->frame_sent,
			call->frame.len - call->frame_sent, MSG_NOSIGNAL);
		if (n < 0)
			break;
		call->frame_sent += (size_t)n;
	}
	bool more = call->frame_sent < call->frame.len && errno == EAGAIN;
	/* A write that fails otherwise means that the program is gone: its end is on the way. */
	if (more || run->polls_room)
		(void)uv_poll_start(
			&run->control_poll, UV_READABLE | (more ? UV_WRITABLE : 0), run_readable);
	run->polls_room = more;
}

/* Nobody is told of room that nothing is to be written to: that would be without end. */
static void room_found(struct pool_run *run)
{
	if (run->call != NULL) {
		frame_write(run);
		return;
	}
	(void)uv_poll_start(&run->control_poll, UV_READABLE, run_readable);
	run->polls_room = false;
}

static void run_readable(uv_poll_t *poll, int status, int events)
{
	struct pool_run *run = poll->data;
	(void)status;
	if (poll == &run->control_poll) {
		/* First what was said: it may be an answer to a call that is not sent whole. */
		const bool open = frames_read(run, false);
		if ((events & UV_WRITABLE) != 0 && run->control >= 0)
			room_found(run);
		if (!open && run->control >= 0)
			(void)uv_poll_stop(
				&run->control_poll); /* it ended, or nonsense was written: only its
							end matters now */
		return;
	}
	bool is_out = poll == &run->out_poll;
	if (output_drain(
		    run, is_out ? run->out : run->err, is_out ? &run->out_text : &run->err_text))
		(void)uv_poll_stop(poll);
	if (run->out_text.len > pool_limits_of(run->pool)->output_max ||
		run->err_text.len > pool_limits_of(run->pool)->output_max)
		run_kill(run, POOL_OUTPUT_LIMIT);
}

static void call_timeout(uv_timer_t *timer)
{
	struct pool_run *run = timer->data;
	run_kill(run, run->state == RUN_STARTING ? POOL_INIT_TIMEOUT : POOL_TIMEOUT);
	(void)uv_timer_start(timer, ending_timeout, AGAIN_MS, AGAIN_MS);
}

/* It takes its time: its output may be more than a pipe holds. */
static void goes_on(uv_timer_t *timer)
{
	struct pool_run *run = timer->data;
	run->slow = true;
	behind_take_back(run);
	if (!run->polls_output) {
		watch(run, &run->out_poll, run->out);
		watch(run, &run->err_poll, run->err);
		(void)uv_poll_start(&run->out_poll, UV_READABLE, run_readable);
		(void)uv_poll_start(&run->err_poll, UV_READABLE, run_readable);
		run->polls_output = true;
	}
	(void)uv_timer_start(timer, call_timeout, run->patience_ms, 0);
}

/* It has so long for what it does next. */
static void patience_start(struct pool_run *run, uint64_t ms)
{
	const uint64_t quick = ms < QUICK_MS ? ms : QUICK_MS;
	run->patience_ms = ms - quick;
	run->slow = false;
	(void)uv_timer_start(&run->timer, goes_on, quick, 0);
}

void run_output_rest(struct pool_run *run)
{
	if (!run->polls_output)
		return;
	(void)uv_poll_stop(&run->out_poll);
	(void)uv_poll_stop(&run->err_poll);
	run->polls_output = false;
}

void run_goes_on(struct pool_run *run)
{
	run->call->called_ns = clock_mono_ns();
	run->state = RUN_CALLED;
	run_output_rest(run);
	buf_clear(&run->out_text);
	buf_clear(&run->err_text);
	patience_start(run, pool_limits_of(run->pool)->exec_ms);
}

void run_begin(struct pool_run *run)
{
	struct pool_call *call = run->call;
	call->called_ns = clock_mono_ns(); /* sending it may give a cpu to the program at once */
	run->state = RUN_CALLED;
	if (call->set != NULL)
		reuse_begin(run, call);
	if (call->frame_sent == 0)
		frame_write(run);
	patience_start(run, pool_limits_of(run->pool)->exec_ms);
}

void run_give(struct pool_run *run, struct pool_call *call)
{
	run->call = call;
	call->run = run;
	call->frame_sent = 0;
	if (run->state == RUN_WAITING)
		run_begin(run);
	else if (call->set == NULL) /* else it is said then whether the jail stays */
		frame_write(run);
	if (run->rests) /* it has begun already where a cpu is free */
		jailer_client_rest(pool_jailers(run->pool), &run->handle, false);
	run->rests = false;
}

void run_listen(struct pool_run *run)
{
	watch(run, &run->control_poll, run->control);
	(void)uv_timer_init(pool_loop(run->pool), &run->timer);
	run->timer.data = run;
	run->open_handles++;
	(void)uv_poll_start(&run->control_poll, UV_READABLE, run_readable);
	patience_start(run, pool_limits_of(run->pool)->init_ms);
}

/* ---- its end ---- */

/* Why we ended it. Go looks through the whole of a stack that overflowed, which may take longer than
 * the call has: it had said before what it died of. */
static enum pool_outcome forced_outcome(const struct pool_run *run)
{
	if (run->forced == POOL_TIMEOUT &&
		run_last_words(run->err_text.data) == POOL_STACK_OVERFLOW)
		return POOL_STACK_OVERFLOW;
	return run->forced;
}

/* A program that was READY too late may have made its call, and ended well, by the time it is killed:
 * what it answered was passed over. */
static bool is_of_force(const struct pool_call *call, enum pool_outcome outcome)
{
	return outcome == POOL_SIGNAL || (outcome == POOL_VALUE && call->called_ns == 0);
}

static void end_tell(struct pool_run *run, const struct jailer_event *event)
{
	struct pool_result result = {0};
	outputs_drain(run);
	(void)buf_reserve(&run->err_text, 1);
	const uint64_t init_ns = pool_limits_of(run->pool)->init_ms * 1000000U;
	if (run->forced == POOL_INIT_TIMEOUT &&
		(event->type == JAILER_FAILED || event->lived_ns < init_ns / 10 * 9)) {
		/* It waited for its slot, not for the package: that is our doing. */
		result.outcome = POOL_FAULT;
		(void)fault_code(&result.fault, FAULT_BUSY, "no_jail_in_time",
			"no jail could be started in time, the node is too busy; try again");
	} else if (run->forced == POOL_JAIL_KILLED && event->type == JAILER_FAILED) {
		result.outcome = POOL_JAIL_KILLED; /* before it had a slot */
	} else if (event->type == JAILER_FAILED && event->taken != JAILER_TAKEN_NOT) {
		result.outcome = POOL_FAULT;
		(void)fault_code(&result.fault, FAULT_BUSY, "no_address",
			"other hosts answer for the addresses that were tried; try again");
	} else if (event->type == JAILER_FAILED) {
		result.outcome = POOL_FAULT;
		(void)fault_code(&result.fault, event->full ? FAULT_FULL : FAULT_BUSY,
			event->full ? "disk_full" : "jail_failed", "%s", event->text);
	} else {
		result.outcome =
			run_classify(event->status, event->out_of_memory != 0, run->err_text.data);
		result.status = WIFSIGNALED(event->status) ? WTERMSIG(event->status)
							   : WEXITSTATUS(event->status);
	}
	if (output_exceeded(run))
		result.outcome = POOL_OUTPUT_LIMIT;
	else if (run->forced != POOL_VALUE && is_of_force(run->call, result.outcome))
		result.outcome = forced_outcome(run);
	result_tell(run, &result);
}

void run_event(struct jailer_handle *handle, const struct jailer_event *event, int fd)
{
	struct pool_run *run =
		(struct pool_run *)((char *)handle - offsetof(struct pool_run, handle));
	(void)fd;
	if (event->type == JAILER_STARTED) {
		pool_on_address(run);
		return;
	}
	run->ended = true;
	if (run->call != NULL) /* an answer may lie there still: then it counts */
		(void)frames_read(run, true);
	behind_end(run);
	if (run->call != NULL && event->type == JAILER_FAILED && event->taken != JAILER_TAKEN_NOT &&
		run->forced == POOL_VALUE && pool_on_taken(run, (enum jailer_taken)event->taken))
		log_debug("a call goes on with another address");
	else if (run->call != NULL)
		end_tell(run, event);
	else if (event->type == JAILER_FAILED && run->forced == POOL_VALUE)
		log_warn("a jail could not be kept waiting: %s", event->text);
	pool_on_gone(run, event->memory_peak);
	run->exited = true;
	run_close(run);
	uv_close((uv_handle_t *)&run->timer, handle_closed);
}
