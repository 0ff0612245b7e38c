/*
 * The calls over the clients. A client is idle, busy with a call, or pausing (think time, or after
 * a connection that could not be made). All clients connect before the clock starts, so that no
 * call's time has a connection's in it.
 */

#include "cli/bench_client.h"

#include "base/clock.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { GRACE_MS = 30000, RETRY_MS = 100 };

struct load {
	uv_loop_t loop;
	const struct bench_setup *setup;
	struct bench_result *result;
	struct fault *fault;
	struct bench_client *clients, *idle;
	unsigned opening, busy;
	uint64_t total; /* calls to begin */
	uint64_t begun, start_ns, last_ns;
	uv_timer_t end, grace;
	uv_poll_t due; /* open loop: a call is due; uv's own timers count in whole milliseconds */
	int due_fd;
	uv_signal_t signals[2];
	bool over; /* no call begins any more */
};

const char *const bench_stage_names[BENCH_STAGES] = {"resolve", "fetch", "build", "jail", "run"};

/* ---- what came of a call ---- */

static void copy(char *to, size_t size, const char *text)
{
	const size_t len = strnlen(text, size - 1);
	memcpy(to, text, len);
	to[len] = '\0';
}

void bench_result_fail(
	struct bench_result *r, int status, const char *code, const char *detail, uint64_t count)
{
	struct bench_failure *kind = r->failures;
	r->made += count;
	r->failed += count;
	while (kind < &r->failures[r->failures_count] &&
		(kind->status != status || strcmp(kind->code, code) != 0))
		kind++;
	if (kind == &r->failures[BENCH_FAILURES]) {
		kind--;
		kind->status = 0;
		copy(kind->code, sizeof(kind->code), "others");
		copy(kind->detail, sizeof(kind->detail), "more kinds than are told apart");
	} else if (kind == &r->failures[r->failures_count]) {
		r->failures_count++;
		kind->status = status;
		copy(kind->code, sizeof(kind->code), code);
		copy(kind->detail, sizeof(kind->detail), detail);
	}
	kind->count += count;
}

static void refusal_count(struct bench_result *r, int status, const struct buf *body)
{
	json_t *problem =
		body->data != NULL ? json_loadb(body->data, body->len, JSON_ALLOW_NUL, NULL) : NULL;
	const char *code = json_string_value(json_object_get(problem, "code"));
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	bench_result_fail(r, status, code != NULL ? code : "no_code",
		detail != NULL ? detail : "an answer without a problem's code", 1);
	json_decref(problem);
}

/* "resolve;dur=0.012, fetch;dur=0.000, …" */
static void stages_count(struct bench_result *r, const char *timing)
{
	for (unsigned i = 0; i < BENCH_STAGES; i++) {
		const size_t len = strlen(bench_stage_names[i]);
		const char *at = strstr(timing, bench_stage_names[i]);
		if (at == NULL || strncmp(at + len, ";dur=", 5) != 0)
			continue;
		const double ms = strtod(at + len + 5, NULL);
		if (ms >= 0 && ms < 1e9)
			bench_histogram_add(&r->stages[i], (uint64_t)(ms * 1e6));
	}
}

static void call_count(struct load *l, const struct bench_client *c, int status, const char *code)
{
	struct bench_result *r = l->result;
	l->last_ns = clock_mono_ns();
	if (status == 200) {
		r->made++;
		bench_histogram_add(&r->whole, l->last_ns - c->since_ns);
		stages_count(r, c->answer.timing);
	} else if (status != 0) {
		refusal_count(r, status, &c->answer.body);
	} else {
		bench_result_fail(r, 0, code,
			strcmp(code, BENCH_UNCONNECTED) == 0 ? c->why : "the answer did not come",
			1);
	}
}

/* ---- pace ---- */

static bool is_open_loop(const struct load *l)
{
	return l->setup->rate > 0;
}

/* When the next call is due. */
static uint64_t next_due(const struct load *l)
{
	return l->start_ns + (uint64_t)((double)l->begun * 1e9 / l->setup->rate);
}

static void due_arm(struct load *l)
{
	const uint64_t at = next_due(l);
	const struct itimerspec when = {
		.it_value = {(time_t)(at / 1000000000U), (long)(at % 1000000000U)}};
	(void)timerfd_settime(l->due_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool may_begin(struct load *l)
{
	return !l->over && l->begun < l->total &&
	       (!is_open_loop(l) || next_due(l) <= clock_mono_ns());
}

static void calls_begin(struct load *l)
{
	while (l->idle != NULL && may_begin(l)) {
		struct bench_client *c = l->idle;
		l->idle = c->next;
		c->since_ns = is_open_loop(l) ? next_due(l) : clock_mono_ns();
		l->begun++;
		l->busy++;
		bench_client_call(c);
	}
	const bool more = !l->over && l->begun < l->total;
	if (more && is_open_loop(l) && l->idle != NULL)
		due_arm(l);
	if (!more && l->busy == 0)
		uv_stop(&l->loop);
}

static void client_free(struct load *l, struct bench_client *c)
{
	c->next = l->idle;
	l->idle = c;
	calls_begin(l);
}

static void on_paused(uv_timer_t *timer)
{
	struct bench_client *c = timer->data;
	client_free(c->owner, c);
}

static void on_due(uv_poll_t *handle, int status, int events)
{
	struct load *l = handle->data;
	uint64_t times;
	(void)status;
	(void)events;
	if (read(l->due_fd, &times, sizeof(times)) > 0)
		calls_begin(l);
}

/* A closed loop ends with its time; an open one still makes the calls that were due in it. */
static void on_end(uv_timer_t *timer)
{
	struct load *l = timer->data;
	l->over = !is_open_loop(l);
	calls_begin(l);
}

static void on_grace(uv_timer_t *timer)
{
	struct load *l = timer->data;
	if (l->busy > 0)
		bench_result_fail(l->result, 0, "no_answer",
			"no answer within 30 s of the end of the time", l->busy);
	if (is_open_loop(l) && l->begun < l->total)
		bench_result_fail(l->result, 0, "not_made",
			"due within the time; all clients were busy until 30 s behind it",
			l->total - l->begun);
	l->last_ns = clock_mono_ns();
	uv_stop(&l->loop);
}

/* The second one ends the process, as usual. */
static void on_signal(uv_signal_t *handle, int number)
{
	struct load *l = handle->data;
	(void)number;
	l->result->interrupted = true;
	l->last_ns = clock_mono_ns();
	uv_stop(&l->loop);
}

static void clock_start(struct load *l)
{
	const struct bench_setup *s = l->setup;
	const uint64_t ms = (uint64_t)(s->seconds * 1000);
	l->start_ns = l->last_ns = clock_mono_ns();
	if (s->calls == 0) {
		(void)uv_timer_start(&l->end, on_end, ms, 0);
		(void)uv_timer_start(&l->grace, on_grace, ms + GRACE_MS, 0);
	}
	calls_begin(l);
}

static void on_done(struct bench_client *c, int status, const char *code)
{
	struct load *l = c->owner;
	if (l->start_ns == 0) {
		if (status == 0) {
			(void)fault_set(l->fault, FAULT_CONFLICT, 0,
				"no server answers at %s (%s): start one with \"sky-island\", or "
				"give --server",
				l->setup->target->shown, c->why);
			uv_stop(&l->loop);
			return;
		}
		c->next = l->idle;
		l->idle = c;
		if (--l->opening == 0)
			clock_start(l);
		return;
	}
	l->busy--;
	call_count(l, c, status, code);
	const bool unconnected = status == 0 && strcmp(code, BENCH_UNCONNECTED) == 0;
	const unsigned pause_ms =
		unconnected && l->setup->think_ms < RETRY_MS ? RETRY_MS : l->setup->think_ms;
	if (pause_ms == 0) {
		client_free(l, c);
		return;
	}
	(void)uv_timer_start(&c->pause, on_paused, pause_ms, 0);
	calls_begin(l);
}

/* ---- the whole ---- */

static uint64_t total_of(const struct bench_setup *s)
{
	if (s->calls > 0)
		return s->calls;
	if (s->rate <= 0)
		return UINT64_MAX;
	const double due = s->seconds * s->rate;
	return due < 1 ? 1 : (uint64_t)due;
}

static int load_open(struct load *l)
{
	static const int numbers[2] = {SIGINT, SIGTERM};
	(void)uv_loop_init(&l->loop);
	l->due_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->due_fd < 0)
		return -1;
	(void)uv_poll_init(&l->loop, &l->due, l->due_fd);
	(void)uv_poll_start(&l->due, UV_READABLE, on_due);
	(void)uv_timer_init(&l->loop, &l->end);
	(void)uv_timer_init(&l->loop, &l->grace);
	l->due.data = l->end.data = l->grace.data = l;
	for (unsigned i = 0; i < 2; i++) {
		(void)uv_signal_init(&l->loop, &l->signals[i]);
		l->signals[i].data = l;
		(void)uv_signal_start_oneshot(&l->signals[i], on_signal, numbers[i]);
	}
	l->total = total_of(l->setup);
	l->opening = l->setup->clients;
	l->clients = mem_zero(l->setup->clients, sizeof(*l->clients));
	for (unsigned i = 0; i < l->setup->clients; i++) {
		struct bench_client *c = &l->clients[i];
		c->setup = l->setup;
		c->owner = l;
		c->done = on_done;
		bench_client_open(c, &l->loop);
	}
	return 0;
}

static void load_close(struct load *l)
{
	for (unsigned i = 0; i < l->setup->clients; i++)
		bench_client_close(&l->clients[i]);
	uv_close((uv_handle_t *)&l->due, NULL);
	uv_close((uv_handle_t *)&l->end, NULL);
	uv_close((uv_handle_t *)&l->grace, NULL);
	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&l->signals[i], NULL);
	(void)uv_run(&l->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&l->loop);
	(void)close(l->due_fd);
	for (unsigned i = 0; i < l->setup->clients; i++)
		bench_client_finish(&l->clients[i]);
	free(l->clients);
}

int bench_load(const struct bench_setup *setup, struct bench_result *out, struct fault *f)
{
	struct load l = {.setup = setup, .result = out, .fault = f};
	(void)signal(SIGPIPE, SIG_IGN);
	if (load_open(&l) < 0)
		return fault_set(f, FAULT_PLATFORM, 0, "timerfd_create");
	(void)uv_run(&l.loop, UV_RUN_DEFAULT);
	out->elapsed_ns = l.start_ns > 0 ? l.last_ns - l.start_ns : 0;
	load_close(&l);
	return f->kind == FAULT_NONE ? 0 : -1;
}
