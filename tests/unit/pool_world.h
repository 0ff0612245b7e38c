#pragma once

/*
 * pool_world: the pool with jailers and programs that the test plays, on a clock that only the test
 * moves on, and with as much memory as it says. Nothing happens but what a test says, in the order in
 * which it says so.
 *
 * A pool lives as long as its process: a world that has ended keeps it.
 */

#include "base/buf.h"
#include "base/defer.h"
#include "base/fdpass.h"
#include "base/memory.h"
#include "pool/frame.h"
#include "pool/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORLD_JAILERS = 4, WORLD_JAILS = 1024, WORLD_PROGRAMS = 4, LONGER_MAX = 400000 };

static uint64_t world_clock = UINT64_C(1000000000000);

/* In place of the system's, for the program and for libuv. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	*t = (struct timespec){
		(time_t)(world_clock / 1000000000U), (long)(world_clock % 1000000000U)};
	return 0;
}

static uint64_t world_memory = UINT64_MAX;
static bool world_pressed;

/* In place of the program's own. */
void memory_find(struct memory *m, const char *proc, const char *cgroups)
{
	(void)m;
	(void)proc;
	(void)cgroups;
}

uint64_t memory_available(const struct memory *m)
{
	(void)m;
	return world_memory;
}

bool memory_is_pressed(const struct memory *m)
{
	(void)m;
	return world_pressed;
}

/* As its jailer and its program know it. */
struct jail {
	struct world *world;
	unsigned jailer;
	uint64_t id;      /* 0: it is gone */
	uint32_t address; /* that its jailer has not released; 0: none */
	int control, out, err;
	unsigned kills; /* how often its jailer was told to end it */
	bool ready;
	unsigned flags;          /* of the CALL that was read last */
	unsigned number, unread; /* of one that is not read whole; bytes that it lacks */
};

struct world {
	struct world *ended; /* the one that ended before */
	uv_loop_t loop;
	struct jailer_client *client;
	struct pool *pool;
	int jailers[WORLD_JAILERS]; /* their ends; -1: there is none */
	struct jail *jails;
	unsigned started, seen; /* jails; of those, jail_next gave so many */
	unsigned numbers;       /* of calls */
	size_t longer;          /* bytes that the next ones are longer by, LONGER_MAX at most */
	const char *ip4;        /* the next ones' */
	struct pool_program *programs[WORLD_PROGRAMS + 1];
	/* What a caller does as soon as one is over; may be NULL. */
	void (*then)(void *ctx);
	void *then_ctx;
};

/* A call, and what came of it. */
struct one {
	struct world *world;
	struct pool_call *call; /* NULL: it is over, or was refused */
	unsigned number;        /* what its jail is told and is to answer */
	unsigned done;
	enum pool_outcome outcome;
	bool waited;
	unsigned calls_before;
	char said[64], code[40];
};

static inline void jailer_add(struct world *w, unsigned i)
{
	int pair[2];
	struct fault f = {0};
	assert_int_equal(fdpass_pair(pair), 0);
	assert_int_equal(jailer_client_attach(w->client, pair[0], &f), 0);
	w->jailers[i] = pair[1];
}

static inline struct world *world_new(unsigned jailers, const struct pool_limits *limits)
{
	struct world *w = mem_zero(1, sizeof(*w));
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->jails = mem_zero(WORLD_JAILS, sizeof(w->jails[0]));
	w->client = jailer_client_create(&w->loop, false);
	for (unsigned i = 0; i < WORLD_JAILERS; i++)
		w->jailers[i] = -1;
	for (unsigned i = 0; i < jailers; i++)
		jailer_add(w, i);
	w->pool = pool_create(&w->loop, w->client, limits);
	return w;
}

/* ---- what jailers hear ---- */

static inline struct jail *jail_of(struct world *w, uint64_t id)
{
	for (unsigned i = w->started; i-- > 0;) {
		if (w->jails[i].id == id)
			return &w->jails[i];
	}
	return NULL;
}

/* An address is one jail's at a time. */
static inline void address_is_free(const struct world *w, uint32_t address)
{
	for (unsigned i = 0; i < w->started; i++)
		assert_true(address == 0 || w->jails[i].address != address);
}

static inline void jail_add(struct world *w, unsigned jailer, const struct jailer_request *request,
	const int fds[JAILER_START_FDS])
{
	assert_true(w->started < WORLD_JAILS);
	address_is_free(w, request->address);
	w->jails[w->started++] = (struct jail){.world = w,
		.jailer = jailer,
		.id = request->id,
		.address = request->address,
		.out = fds[0],
		.err = fds[1],
		.control = fds[2]};
	(void)close(fds[3]);
}

static inline bool jailer_hears(struct world *w, unsigned i)
{
	struct jailer_request request;
	int fds[JAILER_START_FDS];
	unsigned count = JAILER_START_FDS;
	char one;
	if (w->jailers[i] < 0 || recv(w->jailers[i], &one, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		return false;
	assert_int_equal(fdpass_receive(w->jailers[i], &request, sizeof(request), fds, &count),
		sizeof(request));
	struct jail *j = jail_of(w, request.id);
	if (request.type == JAILER_START) {
		assert_int_equal(count, JAILER_START_FDS);
		jail_add(w, i, &request, fds);
	} else if (request.type == JAILER_KILL && j != NULL) {
		j->kills++;
	}
	return true;
}

/* Everything that follows from what was said until now happens. */
static inline void settle(struct world *w)
{
	for (unsigned quiet = 0; quiet < 3; quiet++) {
		(void)uv_run(&w->loop, UV_RUN_NOWAIT);
		for (unsigned i = 0; i < WORLD_JAILERS; i++) {
			while (jailer_hears(w, i))
				quiet = 0;
		}
	}
}

static inline void pass(struct world *w, uint64_t ms)
{
	world_clock += ms * 1000000U;
	settle(w);
}

/* The next one that was started, which must have been. */
static inline struct jail *jail_next(struct world *w)
{
	assert_true(w->seen < w->started);
	return &w->jails[w->seen++];
}

static inline bool none_started(const struct world *w)
{
	return w->seen == w->started;
}

/* ---- what programs do ---- */

static inline void jail_says(struct jail *j, enum frame_type type, const char *text)
{
	defer_buf struct buf frame = {0};
	buf_put_u32(&frame, (uint32_t)(1 + strlen(text)));
	buf_putc(&frame, (char)type);
	buf_append(&frame, text, strlen(text));
	(void)send(j->control, frame.data, frame.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static inline void jail_ready(struct jail *j)
{
	j->ready = true;
	jail_says(j, FRAME_READY, "");
	settle(j->world);
}

/* Of a call that is longer than a slot, as much as is there. */
static inline unsigned jail_reads_on(struct jail *j)
{
	char some[65536];
	while (j->unread > 0) {
		const size_t want = j->unread < sizeof(some) ? j->unread : sizeof(some);
		const ssize_t n = recv(j->control, some, want, MSG_DONTWAIT);
		if (n <= 0)
			return 0;
		j->unread -= (unsigned)n;
	}
	return j->number;
}

/* The number of the next call that it was sent, 0: there is none, or not yet all of it. */
static inline unsigned jail_reads(struct jail *j)
{
	unsigned char slot[FRAME_SLOT] = {0};
	if (j->unread > 0)
		return jail_reads_on(j);
	ssize_t n = recv(j->control, slot, sizeof(slot), MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0)
		return 0;
	assert_true(n > 16 && slot[4] == FRAME_CALL);
	j->flags = slot[5];
	j->number = (unsigned)strtoul((const char *)slot + 16, NULL, 10);
	/* Those of jails that may stay fill their slots; others come alone. */
	const unsigned whole = 4U + slot[0] + 256U * slot[1] + 65536U * slot[2];
	j->unread = whole > FRAME_SLOT ? whole : (unsigned)n;
	return jail_reads_on(j);
}

/* It returned what it was called with, and says so in a frame or in its output. */
static inline void jail_answers(struct jail *j, enum frame_type type, unsigned number)
{
	char text[16];
	(void)snprintf(text, sizeof(text), "%u", number);
	if (type != FRAME_QUIET)
		(void)!write(j->out, text, strlen(text)); /* perhaps nobody reads it any more */
	jail_says(j, type, type == FRAME_QUIET ? text : "");
}

/* It makes the call that it was sent. */
static inline void jail_serves(struct jail *j, enum frame_type type)
{
	const unsigned number = jail_reads(j);
	assert_int_not_equal(number, 0);
	jail_answers(j, type, number);
	settle(j->world);
}

/* Nobody will say anything to it any more. */
static inline bool jail_left_alone(const struct jail *j)
{
	struct pollfd end = {j->control, POLLIN, 0};
	return poll(&end, 1, 0) == 1 && (end.revents & POLLHUP) != 0;
}

/* The program is gone, but its jailer has not told yet. */
static inline void jail_dies(struct jail *j)
{
	if (j->control >= 0) {
		(void)close(j->control);
		(void)close(j->out);
		(void)close(j->err);
	}
	j->control = j->out = j->err = -1;
}

static inline void jailer_says(const struct jail *j, const struct jailer_event *event)
{
	assert_int_equal(
		fdpass_send(j->world->jailers[j->jailer], event, sizeof(*event), NULL, 0), 0);
}

/* Nothing is left of its link. */
static inline void jail_releases(struct jail *j)
{
	const struct jailer_event event = {.type = JAILER_RELEASED, .address = j->address};
	if (j->address != 0)
		jailer_says(j, &event);
	j->address = 0;
}

/* `status` as wait(2) gives it. */
static inline void jail_exits_with(struct jail *j, int status, uint64_t memory_peak)
{
	const struct jailer_event event = {.type = JAILER_EXITED,
		.id = j->id,
		.status = status,
		.memory_peak = memory_peak,
		.lived_ns = UINT64_C(1000000000)};
	jail_dies(j);
	jailer_says(j, &event);
	j->id = 0;
}

/* It could not be made. */
static inline void jail_fails(struct jail *j, enum jailer_taken taken, bool full)
{
	const struct jailer_event event = {
		.type = JAILER_FAILED, .id = j->id, .taken = taken, .full = full, .text = "no"};
	jail_dies(j);
	jailer_says(j, &event);
	j->id = 0;
}

static inline void jail_exits(struct jail *j)
{
	jail_exits_with(j, 0, 0);
	jail_releases(j);
	settle(j->world);
}

/* With all its jails. */
static inline void jailer_dies(struct world *w, unsigned i)
{
	(void)close(w->jailers[i]);
	w->jailers[i] = -1;
	for (unsigned at = 0; at < w->started; at++) {
		if (w->jails[at].jailer != i)
			continue;
		w->jails[at].address = 0; /* the supervisor sees to its links */
		if (w->jails[at].id == 0)
			continue;
		jail_dies(&w->jails[at]);
		w->jails[at].id = 0;
	}
}

/* ---- calls ---- */

static const struct pool_limits usual = {.exec_ms = 10000,
	.init_ms = 10000,
	.output_max = 1000,
	.waiting_max = 10,
	.waiting_bytes_max = 1000000000,
	.running_max = 10,
	.queue_max = 10,
	.queue_ms = 5000,
	.idle_ms = 60000};

static inline void one_done(void *ctx, const struct pool_result *result)
{
	struct one *o = ctx;
	o->call = NULL;
	o->done++;
	o->outcome = result->outcome;
	o->waited = result->waited;
	o->calls_before = result->calls_before;
	(void)snprintf(o->said, sizeof(o->said), "%.*s", (int)result->out_len, result->out);
	(void)snprintf(o->code, sizeof(o->code), "%s", result->fault.code);
	if (o->world->then != NULL)
		o->world->then(o->world->then_ctx);
}

static inline struct pool_program *program_new(struct world *w)
{
	struct pool_program **at = w->programs;
	while (*at != NULL)
		at++;
	assert_true(at < w->programs + WORLD_PROGRAMS);
	*at = mem_zero(1, sizeof(**at));
	(*at)->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return *at;
}

/* Its owner lets go of it. */
static inline void program_end(struct world *w, struct pool_program *program)
{
	struct pool_program **at = w->programs;
	while (*at != program)
		at++;
	pool_forget(w->pool, program);
	(void)close(program->fd);
	free(program);
	for (; *at != NULL; at++)
		*at = at[1];
}

/* reuse NULL: a jail of its own. */
static inline void call_make(struct world *w, struct one *o, struct pool_program *program,
	const struct pool_reuse *reuse, struct caller *caller)
{
	static char nothing[2 + LONGER_MAX];
	char name[16];
	struct fault f = {0};
	const struct buf rest = {.data = nothing, .len = 2 + w->longer};
	*o = (struct one){.world = w, .number = ++w->numbers};
	(void)snprintf(name, sizeof(name), "%u", o->number);
	const struct pool_request request = {
		.name = name, .rest = &rest, .ip4 = w->ip4, .reuse = reuse, .caller = caller};
	o->call = pool_call(w->pool, program, &request, one_done, o, &f);
	assert_int_equal(o->done, 0); /* it comes later */
	(void)snprintf(o->code, sizeof(o->code), "%s", f.code);
}

/* The same, and what follows from it. False: it was refused. */
static inline bool call_of(struct world *w, struct one *o, struct pool_program *program,
	const struct pool_reuse *reuse, struct caller *caller)
{
	call_make(w, o, program, reuse, caller);
	settle(w);
	return o->call != NULL || o->done > 0;
}

static inline void is_answered(const struct one *o)
{
	char number[16];
	(void)snprintf(number, sizeof(number), "%u", o->number);
	assert_int_equal(o->done, 1);
	assert_int_equal(o->outcome, POOL_VALUE);
	assert_string_equal(o->said, number);
}

/* A call that is made and answered in a fresh jail, which has not ended yet. */
static inline struct jail *call_served(struct world *w, struct one *o, struct pool_program *program)
{
	assert_true(call_of(w, o, program, NULL, NULL));
	struct jail *j = jail_next(w);
	jail_ready(j);
	jail_serves(j, FRAME_RESULT);
	is_answered(o);
	return j;
}

static void handle_close(uv_handle_t *handle, void *ctx)
{
	(void)ctx;
	if (uv_is_closing(handle) == 0)
		uv_close(handle, NULL);
}

static inline void world_end(struct world *w)
{
	static struct world *ended;
	jailer_client_destroy(w->client);
	uv_walk(&w->loop, handle_close, NULL);
	(void)uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	for (unsigned i = 0; i < WORLD_JAILERS; i++) {
		if (w->jailers[i] >= 0)
			(void)close(w->jailers[i]);
	}
	for (unsigned i = 0; i < w->started; i++)
		jail_dies(&w->jails[i]);
	free(w->jails);
	w->ended = ended;
	ended = w;
}

/* No call is under way: all jails are told to end, and nothing is left. The world ends. */
static inline void all_is_over(struct world *w)
{
	pool_drain(w->pool);
	settle(w);
	for (unsigned i = 0; i < w->started; i++) {
		struct jail *j = &w->jails[i];
		if (j->id == 0)
			continue;
		if (!j->ready && j->control >= 0)
			jail_ready(j); /* one that starts is told then */
		assert_true(j->kills > 0 || j->control < 0 || jail_left_alone(j));
		jail_exits_with(j, SIGKILL, 0);
		jail_releases(j);
		settle(w);
	}
	while (w->programs[0] != NULL)
		program_end(w, w->programs[0]);
	assert_int_equal(pool_running(w->pool), 0);
	assert_int_equal(pool_queued(w->pool), 0);
	assert_int_equal(pool_waiting(w->pool), 0);
	assert_int_equal(jailer_client_count(w->client), 0);
	world_end(w);
}
