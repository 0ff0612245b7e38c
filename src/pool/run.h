#pragma once

/*
 * run: one execution jail as the server sees it, from its start to its end. Private to the pool.
 *
 *   STARTING ──READY──► WAITING ──CALL──► CALLED ──RESULT, or its end──► ENDING ──EXITED──► freed
 *                            ▲────── RESTED ◄──RESULT, and it stays─┘
 */

#include "pool/admission.h"
#include "pool/pool.h"

enum run_state { RUN_STARTING, RUN_WAITING, RUN_CALLED, RUN_RESTED, RUN_ENDING };

struct pool_call {
	struct pool *pool;
	struct pool_run *run;         /* NULL while it waits for its turn */
	struct pool_program *program; /* while it waits */
	struct entry entry;           /* in the pool's queue */
	struct buf frame;             /* CALL; written up to frame_sent */
	size_t frame_sent;
	void (*done)(void *ctx, const struct pool_result *result);
	void *ctx;
	bool waited;
	char *ip4;           /* as in pool_request, a copy; NULL: none */
	unsigned tries_left; /* of addresses that turn out to be somebody else's */
	uint64_t asked_ns, placed_ns, called_ns;
	unsigned returns; /* jails that ended before they read it */
	/* reuse.h */
	struct reuse_set *set; /* NULL: it gets a fresh jail, which then ends */
	struct pool_reuse terms;
	bool busy;             /* the set counts it */
	bool json;             /* results are wanted as JSON */
	bool stays;            /* its jail was told that another follows */
	unsigned calls_before; /* that its jail was given */
	/* behind.h */
	TAILQ_ENTRY(pool_call) in_run;
	struct ticket ticket; /* while its jail has another call to make */
	bool follows, left;   /* sent behind others; its caller left, and is not told */
	/* queue.c: it gave up its place there, and is to be told which limit held it back */
	LIST_ENTRY(pool_call) of_displaced;
	enum admission_limit held;
};
TAILQ_HEAD(calls, pool_call);

/* What a run has that serves calls one after another (reuse.h). */
struct run_reuse {
	struct reuse_set *set; /* NULL until its first call, and of those that serve one */
	struct pool_reuse terms;
	pid_t pid;      /* of its program; 0: not known */
	unsigned calls; /* that it was given */
	bool staying;   /* its program waits for another CALL once it has answered */
	bool grown;     /* by more than it may */
	LIST_ENTRY(pool_run) of_set;
	uint64_t since_ns;                 /* when its first call began */
	int memory;                        /* descriptor for resident_bytes; -1: none */
	uint64_t resident_first, resident; /* before its first call; when last looked at */
};

struct pool_run {
	struct jailer_handle handle;
	struct pool *pool;
	struct pool_program *program; /* NULL once forgotten */
	struct pool_call *call;       /* NULL: nobody waits for it */
	struct ticket ticket; /* its call's, also while it is killed for a caller that left */
	struct calls behind;  /* sent, but not begun as far as is known (behind.h) */
	unsigned behind_count;
	struct buf unsent; /* of them, when the loop's turn ends */
	LIST_ENTRY(pool_run) of_unsent;
	struct pool_run *sibling,
		**sibling_at;           /* all of its program, and what points to this one */
	struct pool_run *next;          /* waiting in its program, newest first */
	struct pool_run *older, *newer; /* waiting in the pool, by age */
	enum run_state state;
	enum pool_outcome forced; /* why we killed it, once we did; else POOL_VALUE */
	uint64_t started_ns, waiting_since_ns;
	uint32_t address;      /* 0: none */
	char ip4[IP4_TEXT];    /* the same for people */
	int control, out, err; /* our ends */
	int peer;              /* the program's end of control */
	uv_poll_t control_poll, out_poll, err_poll;
	uv_timer_t timer;
	unsigned open_handles; /* uv handles not yet closed */
	bool exited;
	bool ended; /* its last event came */
	bool spare; /* started for no call */
	bool rests; /* its jailer was told so, as it waited for long */
	bool slow;  /* its call takes its time */
	bool polls_output;
	bool polls_room;                   /* to write the rest of a CALL */
	uint64_t bytes;                    /* counted for it while it waits, or is to */
	uint64_t patience_ms;              /* beyond the first QUICK_MS (run.c) */
	struct buf in, out_text, err_text; /* frames; output */
	char *module;                      /* for people; its own, as programs may go first */
	struct run_reuse reuse;
};

/* Starts a jail with the program, and with an address where one is granted. NULL: f set. */
struct pool_run *run_start(struct pool *pool, struct pool_program *program,
	const struct lease_grant *grant, struct fault *f);
/* Hears what its program says, which has until init_timeout to be READY. */
void run_listen(struct pool_run *run);
/* What its jailer says of it. */
void run_event(struct jailer_handle *handle, const struct jailer_event *event, int fd);
/* Gives a run its call, which it makes as soon as it is READY. */
void run_give(struct pool_run *run, struct pool_call *call);
/* A READY run makes the call that it has. */
void run_begin(struct pool_run *run);
/* Its output is no longer read as it comes. */
void run_output_rest(struct pool_run *run);
/* It has answered, and makes the next call that it was sent. */
void run_goes_on(struct pool_run *run);
/* Kills it; its call, if any, is told `why`. */
void run_kill(struct pool_run *run, enum pool_outcome why);

/* What the pool does when a run changes. */
void pool_on_ready(struct pool_run *run);
void pool_on_result(struct pool_run *run, struct pool_result *result);
void pool_on_kill(struct pool_run *run); /* an administrator wants its end */
/* Its jail has its address. */
void pool_on_address(struct pool_run *run);
/* Its address is somebody else's: true where its call goes on with another. */
bool pool_on_taken(struct pool_run *run, enum jailer_taken taken);
/* EXITED or FAILED came: it is about to be freed. Bytes that its program used at most, or 0. */
void pool_on_gone(struct pool_run *run, uint64_t memory_peak);
const struct pool_limits *pool_limits_of(const struct pool *pool);
struct jailer_client *pool_jailers(const struct pool *pool);
uv_loop_t *pool_loop(const struct pool *pool);

/* What a program's end means, from its wait status and what it wrote to stderr. */
/* What a program says of its end on stderr; POOL_EXIT: nothing. */
enum pool_outcome run_last_words(const char *err);
enum pool_outcome run_classify(int status, bool out_of_memory, const char *err);
