#include "function/invoke.h"

#include "base/clock.h"
#include "pool/frame.h"

#include <stdlib.h>
#include <string.h>

struct invocation {
	struct invoke_setup setup;
	struct invoke_request request;
	struct call call; /* of request.call */
	void (*done)(void *ctx, const struct invoke_answer *answer);
	void *ctx;
	struct source *source; /* held */
	char *version_before;  /* cache_bust: what the query was known to mean */
	/* What it waits for: at most one of these. */
	struct source_wait *source_wait;
	struct artifact_wait *artifact_wait;
	struct pool_call *pool_call;
	bool as_expression; /* the call is compiled */
	unsigned busy;      /* functions of ours on the stack that still need it */
	bool finished;      /* answered: freed once nobody needs it */
	uint64_t since_ns, fetch_ns, build_ns, queue_ns, jail_ns, run_ns;
	bool built;
};

static void fetch_next(struct invocation *i);
static void build_next(struct invocation *i);

static void invocation_free(struct invocation *i)
{
	invoke_request_finish(&i->request);
	call_finish(&i->call);
	if (i->source != NULL)
		source_release(i->source);
	free(i->version_before);
	free(i);
}

static void answer_give(struct invocation *i, struct invoke_answer *answer)
{
	const struct resolve *resolve = &i->request.resolve;
	answer->source = i->source;
	answer->fetch_ns = i->fetch_ns;
	answer->build_ns = i->build_ns;
	answer->queue_ns = i->queue_ns;
	answer->jail_ns = i->jail_ns;
	answer->run_ns = i->run_ns;
	answer->built = i->built;
	answer->busted = i->request.cache_bust;
	answer->proxied =
		i->request.cache_bust && i->setup.proxied && !resolve->standard && !resolve->pinned;
	i->done(i->ctx, answer);
	i->finished = true; /* freed by leave */
}

/* What is asked for may come at once, and with it the answer, so whoever is called from outside
 * enters first and leaves last: the outermost to leave frees what has been answered. True: it is
 * still there. */
static void enter(struct invocation *i)
{
	i->busy++;
}

static bool leave(struct invocation *i)
{
	if (--i->busy > 0)
		return true;
	const bool finished = i->finished;
	if (finished)
		invocation_free(i);
	return !finished;
}

static void fault_give(
	struct invocation *i, enum invoke_stage stage, const struct fault *f, const json_t *report)
{
	struct invoke_answer answer = {.fault = f, .stage = stage, .report = report};
	answer_give(i, &answer);
}

/* ---- the jail ---- */

static void call_ended(struct invocation *i, const struct pool_result *result)
{
	i->pool_call = NULL;
	i->queue_ns += result->queue_ns;
	i->jail_ns += result->jail_ns;
	i->run_ns += result->run_ns;
	if (result->outcome == POOL_DECLINED && !i->as_expression && i->request.call != NULL) {
		i->as_expression = true;
		build_next(i);
		return;
	}
	struct invoke_answer answer = {.result = result, .stage = STAGE_RUN};
	if (result->outcome == POOL_FAULT) {
		answer.fault = &result->fault;
		answer.result = NULL;
		answer.stage = STAGE_JAIL;
	}
	answer_give(i, &answer);
}

static void called(void *ctx, const struct pool_result *result)
{
	struct invocation *i = ctx;
	enter(i);
	call_ended(i, result);
	(void)leave(i);
}

static void jail_next(struct invocation *i, struct artifact *artifact)
{
	struct buf rest = {0};
	struct pool_request request = {.flags = i->request.json ? FRAME_CALL_JSON : 0U,
		.name = "",
		.rest = &rest,
		.ip4 = i->request.ip4,
		.reuse = i->request.reuses ? &i->request.reuse : NULL,
		.caller = i->request.caller};
	if (i->request.call == NULL) {
		buf_puts(&rest, i->request.args);
		request.flags |= FRAME_CALL_TYPED;
		request.name = i->request.function;
	} else if (!i->as_expression) {
		request.name = i->call.name;
		request.rest = &i->call.nodes;
	} else {
		buf_put_u16(&rest, 0);
	}
	struct fault f = {0};
	i->pool_call = pool_call(i->setup.pool, &artifact->program, &request, called, i, &f);
	buf_finish(&rest);
	if (i->pool_call == NULL)
		fault_give(i, STAGE_JAIL, &f, NULL);
}

/* ---- the artifact ---- */

static const char *function_name(const struct invocation *i)
{
	return i->request.call == NULL ? i->request.function : i->call.name;
}

/* The package's artifact is there, or is known not to be possible. */
static void package_ready(struct invocation *i, struct artifact *artifact)
{
	if (artifact != NULL && artifact_has(artifact, function_name(i))) {
		jail_next(i, artifact);
		return;
	}
	i->as_expression = true;
	build_next(i);
}

static void build_ended(struct invocation *i, struct artifact *artifact, const json_t *report,
	const struct fault *f)
{
	i->artifact_wait = NULL;
	if (report != NULL || artifact == NULL) /* else it was there */
		i->build_ns += clock_mono_ns() - i->since_ns;
	if (report != NULL)
		i->built = true;
	if (i->as_expression && i->request.call == NULL &&
		(artifact != NULL || strcmp(f->code, "compile_error") == 0)) {
		struct fault typed = {0};
		(void)fault_code(&typed, FAULT_FUNCTION, "not_a_plain_function",
			"%s cannot be called by function and args: it is generic, a variable or a "
			"type, or its package can only be built "
			"call by call; give call instead, such as \"call\": \"%s(…)\"",
			i->request.function, i->request.function);
		fault_give(i, STAGE_BUILD, &typed, NULL);
	} else if (artifact != NULL && i->as_expression) {
		jail_next(i, artifact);
	} else if (artifact != NULL) {
		package_ready(i, artifact);
	} else if (!i->as_expression && f->kind == FAULT_FUNCTION &&
		   strcmp(f->code, "compile_error") == 0) {
		/* One bad function can do that: from now on each call of this package is built
		 * alone. */
		source_alone(i->source);
		package_ready(i, NULL);
	} else {
		fault_give(i, STAGE_BUILD, f, report);
	}
}

static void built(void *ctx, struct artifact *artifact, const json_t *report, const struct fault *f)
{
	struct invocation *i = ctx;
	enter(i);
	build_ended(i, artifact, report, f);
	(void)leave(i);
}

/* A typed call that its package's table does not have cannot be said as an expression; the build
 * says what is wrong with the name. */
static char *typed_as_text(const struct invocation *i)
{
	return mem_printf("%s()", i->request.function);
}

static bool expression_allowed(struct invocation *i)
{
	struct fault f = {0};
	if (strcmp(i->setup.expressions, "off") != 0 || i->request.call == NULL ||
		i->call.kind == CALL_LITERAL)
		return true;
	(void)fault_code(&f, FAULT_FORBIDDEN, "expressions_off",
		"this server takes literal calls only, such as Encode(100.1, 80.9) (expressions is "
		"\"off\" in its configuration)");
	fault_give(i, STAGE_REQUEST, &f, NULL);
	return false;
}

static void build_next(struct invocation *i)
{
	if (!i->as_expression && i->source->expressions_only)
		i->as_expression = true;
	if (i->as_expression && !expression_allowed(i))
		return;
	char *typed = i->as_expression && i->request.call == NULL ? typed_as_text(i) : NULL;
	struct artifact_want want = {
		.source = i->source,
		.expression = !i->as_expression ? NULL
			      : typed != NULL   ? typed
						: i->request.call,
		.imports = i->as_expression ? i->request.imports : NULL,
		.expressions = i->as_expression && strcmp(i->setup.expressions, "full") != 0
				       ? "simple"
				       : "full",
		.rebuild = i->request.cache_bust,
	};
	i->since_ns = clock_mono_ns();
	struct artifact_wait *wait = artifact_get(i->setup.artifacts, &want, built, i);
	if (wait != NULL)
		i->artifact_wait = wait;
	free(typed);
}

/* ---- the source ---- */

static void fetched(void *ctx, struct source *source, const json_t *report, const struct fault *f)
{
	struct invocation *i = ctx;
	enter(i);
	i->source_wait = NULL;
	if (report != NULL || source == NULL)
		i->fetch_ns = clock_mono_ns() - i->since_ns;
	if (source != NULL) {
		source_hold(source);
		i->source = source;
		/* Of what it meant until now nothing shall wait for calls any more. */
		if (i->version_before != NULL)
			artifacts_rest(i->setup.artifacts, source->package, i->version_before);
		build_next(i);
	} else {
		fault_give(i, STAGE_FETCH, f, report);
	}
	(void)leave(i);
}

static void fetch_next(struct invocation *i)
{
	const char *known =
		i->request.cache_bust ? source_known(i->setup.sources, &i->request.resolve) : NULL;
	i->version_before = known != NULL ? mem_strdup(known) : NULL;
	i->since_ns = clock_mono_ns();
	struct source_wait *wait = source_get(
		i->setup.sources, &i->request.resolve, i->request.cache_bust, fetched, i);
	if (wait != NULL)
		i->source_wait = wait;
}

/* ---- the whole ---- */

struct invocation *invoke_start(const struct invoke_setup *setup, struct invoke_request *request,
	void (*done)(void *ctx, const struct invoke_answer *answer), void *ctx)
{
	struct fault f = {0};
	struct invocation *i = mem_zero(1, sizeof(*i));
	i->setup = *setup;
	i->request = *request;
	*request = (struct invoke_request){0};
	i->done = done;
	i->ctx = ctx;
	enter(i);
	if (i->request.call != NULL &&
		call_parse(&i->call, i->request.call, strlen(i->request.call), &f) < 0) {
		fault_give(i, STAGE_REQUEST, &f, NULL);
	} else {
		i->as_expression = i->request.call != NULL && i->call.kind == CALL_EXPRESSION;
		fetch_next(i);
	}
	return leave(i) ? i : NULL;
}

void invoke_cancel(struct invocation *i)
{
	if (i->source_wait != NULL)
		source_cancel(i->source_wait);
	if (i->artifact_wait != NULL)
		artifact_cancel(i->artifact_wait);
	if (i->pool_call != NULL)
		pool_call_cancel(i->pool_call);
	invocation_free(i);
}

void invoke_request_finish(struct invoke_request *request)
{
	resolve_finish(&request->resolve);
	free(request->call);
	free(request->function);
	free(request->args);
	free(request->ip4);
	json_decref(request->imports);
	*request = (struct invoke_request){0};
}
