#pragma once

/*
 * invoke: one call from its text to its result, the way of a request through call, resolve, source,
 * artifact and pool:
 *
 *   literal and typed calls  source → the package's artifact → jail; DECLINED, or a name that its
 * table does not have → as an expression expressions              source → the expression's
 * artifact → jail
 */

#include "function/artifact.h"
#include "function/call.h"
#include "pool/caller.h"

struct invoke_setup {
	struct sources *sources;
	struct artifacts *artifacts;
	struct pool *pool;
	const char *expressions; /* "off", "simple" or "full" */
	bool proxied;            /* modules come from a proxy, which may remember versions */
};

/* What the request says of it. */
enum invoke_reuse_wish { INVOKE_REUSE_UNSAID, INVOKE_REUSE_ASKED, INVOKE_REUSE_REFUSED };

struct invoke_request {
	struct resolve resolve;
	char *call;      /* the text; NULL: a typed call */
	char *function;  /* typed calls */
	char *args;      /* typed calls: a JSON array's text */
	json_t *imports; /* array of strings, or NULL */
	char *ip4;       /* the pool of the jail's address, "": the first; NULL: no network */
	bool json;       /* output: json */
	bool cache_bust;
	enum invoke_reuse_wish reuse_wish;
	bool reuses; /* and so it is settled: it may have a jail that served its caller before */
	struct pool_reuse reuse;
	struct caller *caller; /* as long as the process; NULL: no token told */
};

/* Which stage a fault happened in, for people. */
enum invoke_stage { STAGE_REQUEST, STAGE_RESOLVE, STAGE_FETCH, STAGE_BUILD, STAGE_JAIL, STAGE_RUN };

struct invoke_answer {
	const struct fault *fault; /* NULL: there is a result */
	enum invoke_stage stage;
	const json_t *report; /* with a fault of the tool: its own words (detail, nearest,
				 candidates), else NULL */
	const struct pool_result *result; /* NULL: there is a fault */
	const struct source *source;      /* NULL: not known */
	uint64_t fetch_ns, build_ns;      /* 0: nothing had to be done */
	uint64_t queue_ns;                /* waiting for its turn */
	uint64_t jail_ns, run_ns;         /* of all its jails: a call that was declined had two */
	bool built;
	bool busted;  /* cache_bust: what was remembered was not asked */
	bool proxied; /* and what a proxy may have remembered could not be passed by */
};

struct invocation;

/* Takes the request over (moves out of it). `done` comes once, unless cancelled, perhaps before
 * this returns (NULL then). The answer's pointers are valid until done returns. */
struct invocation *invoke_start(const struct invoke_setup *setup, struct invoke_request *request,
	void (*done)(void *ctx, const struct invoke_answer *answer), void *ctx);
/* The caller left. */
void invoke_cancel(struct invocation *invocation);
void invoke_request_finish(struct invoke_request *request);
