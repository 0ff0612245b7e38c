/* POST /api/v1/function: the request's JSON read strictly, the call invoked, its outcome worded. */

#include "api/exchange.h"

#include "api/observe.h"
#include "base/clock.h"
#include "base/defer.h"
#include "metrics/metrics.h"
#include "pool/frame.h"

#include <ctype.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What waits on an exchange; http_data. */
struct pending {
	struct api *api;
	struct http_exchange *x;
	struct invocation *invocation;
	bool json;
	uint64_t resolve_ns; /* reading what was asked */
};

static const char *const stage_names[] = {"request", "resolve", "fetch", "build", "jail", "run"};

/* ---- reading the request ---- */

static int field_fault(struct fault *f, const char *name, const char *want)
{
	return fault_code(f, FAULT_INPUT, "wrong_type", "%s must be %s", name, want);
}

static const char *text_field(
	const json_t *body, const char *name, const char *want, struct fault *f)
{
	const json_t *value = json_object_get(body, name);
	if (value == NULL)
		return NULL;
	if (!json_is_string(value)) {
		(void)field_fault(f, name, want);
		return NULL;
	}
	if (strlen(json_string_value(value)) != json_string_length(value)) {
		(void)fault_code(f, FAULT_INPUT, strcmp(name, "call") == 0 ? "call_nul" : "nul",
			"%s has a NUL character in it", name);
		return NULL;
	}
	return json_string_value(value);
}

static int unknown_check(const json_t *body, struct fault *f)
{
	static const char *const known[] = {"url", "call", "function", "args", "version",
		"cache_bust", "output", "imports", "ip4", "reuse"};
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)body, name, value)
	{
		bool ok = false;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			ok |= strcmp(known[i], name) == 0;
		if (!ok)
			return fault_code(f, FAULT_INPUT, "unknown_field",
				"there is no field \"%.60s\"; there are url, call, function, args, "
				"version, cache_bust, output, imports, ip4 and reuse",
				name);
	}
	return 0;
}

static int imports_check(const json_t *imports, struct fault *f)
{
	size_t i;
	json_t *path;
	if (imports == NULL)
		return 0;
	if (!json_is_array(imports) || json_array_size(imports) > 64)
		return field_fault(f, "imports", "an array of at most 64 import paths");
	json_array_foreach((json_t *)(uintptr_t)imports, i, path)
	{
		if (!json_is_string(path))
			return field_fault(f, "imports", "an array of strings");
	}
	return 0;
}

static bool is_identifier(const char *name)
{
	if (name[0] == '\0' || strlen(name) > 200 || isdigit((unsigned char)name[0]))
		return false;
	for (; *name != '\0'; name++) {
		if (!isalnum((unsigned char)*name) && *name != '_' && (unsigned char)*name < 0x80)
			return false;
	}
	return true;
}

/* Kept as the text that came: numbers stay what they are, and a tree of a million small values
 * would take eighty times the room. */
static char *args_text(const struct http_exchange *x, const json_t *args)
{
	size_t len;
	size_t body_len;
	const char *body = http_body(x, &body_len);
	const char *text = raw_member(body, body_len, "args", &len);
	return text != NULL ? mem_strndup(text, len) : json_dumps(args, JSON_COMPACT);
}

/* call, or function with args. */
static int what_read(
	struct http_exchange *x, const json_t *body, struct invoke_request *r, struct fault *f)
{
	const char *call = text_field(body, "call", "a string such as \"Encode(100.1, 80.9)\"", f);
	const char *function =
		text_field(body, "function", "a string, an exported function's name", f);
	const json_t *args = json_object_get(body, "args");
	if (f->kind != FAULT_NONE)
		return -1;
	if ((call != NULL) == (function != NULL))
		return fault_code(f, FAULT_INPUT, call != NULL ? "call_twice" : "call_missing",
			"give either call, such as \"Encode(100.1, 80.9)\", or function and args");
	if (args != NULL && function == NULL)
		return fault_code(f, FAULT_INPUT, "args_without_function",
			"args belongs to function, not to call");
	if (args != NULL && !json_is_array(args))
		return field_fault(f, "args", "an array");
	if (function != NULL && !is_identifier(function))
		return fault_code(f, FAULT_INPUT, "function_invalid",
			"function must be a Go identifier such as \"Encode\"");
	r->call = call != NULL ? mem_strdup(call) : NULL;
	r->function = function != NULL ? mem_strdup(function) : NULL;
	if (function != NULL)
		r->args = args != NULL ? args_text(x, args) : mem_strdup("[]");
	return 0;
}

static int options_read(const json_t *body, struct invoke_request *r, struct fault *f)
{
	const json_t *bust = json_object_get(body, "cache_bust");
	const json_t *ip4 = json_object_get(body, "ip4");
	const json_t *reuse = json_object_get(body, "reuse");
	const char *output = text_field(body, "output", "\"text\" or \"json\"", f);
	if (f->kind != FAULT_NONE)
		return -1;
	if (bust != NULL && !json_is_boolean(bust))
		return field_fault(f, "cache_bust", "a boolean, true or false");
	if (reuse != NULL && !json_is_boolean(reuse))
		return field_fault(f, "reuse", "a boolean, true or false");
	if (ip4 != NULL && !json_is_boolean(ip4) &&
		(!json_is_string(ip4) || json_string_length(ip4) == 0 ||
			strlen(json_string_value(ip4)) != json_string_length(ip4)))
		return field_fault(f, "ip4", "a boolean, or a pool's name");
	if (output != NULL && strcmp(output, "text") != 0 && strcmp(output, "json") != 0)
		return field_fault(f, "output", "\"text\" or \"json\"");
	const json_t *imports = json_object_get(body, "imports");
	if (imports_check(imports, f) < 0)
		return -1;
	r->imports = imports != NULL ? json_incref((json_t *)(uintptr_t)imports) : NULL;
	if (json_is_true(ip4) || json_is_string(ip4))
		r->ip4 = mem_strdup(json_is_string(ip4) ? json_string_value(ip4) : "");
	r->cache_bust = json_is_true(bust);
	if (reuse != NULL)
		r->reuse_wish = json_is_true(reuse) ? INVOKE_REUSE_ASKED : INVOKE_REUSE_REFUSED;
	r->json = output != NULL && strcmp(output, "json") == 0;
	return 0;
}

static int request_read(struct http_exchange *x, struct invoke_request *r, struct fault *f)
{
	size_t len;
	json_error_t error;
	const char *text = http_body(x, &len);
	if (len == 0)
		return fault_code(f, FAULT_INPUT, "body_missing",
			"the body must be a JSON object with url and call");
	json_t *body = raw_load(text, len,
		JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	if (body == NULL)
		return fault_code(f, FAULT_INPUT,
			json_error_code(&error) == json_error_duplicate_key  ? "duplicate_key"
			: json_error_code(&error) == json_error_invalid_utf8 ? "invalid_utf8"
									     : "not_json",
			"the body is not valid JSON: line %d, column %d: %s%s", error.line,
			error.column, error.text,
			strstr(error.text, "'}' expected") != NULL
				? " (a quote inside of a string needs a backslash before it)"
				: "");
	int read = -1;
	if (!json_is_object(body)) {
		(void)fault_code(f, FAULT_INPUT, "not_an_object",
			"the body must be a JSON object with url and call");
	} else if (unknown_check(body, f) == 0) {
		const char *url = text_field(
			body, "url", "a string such as \"github.com/mmcloughlin/geohash\"", f);
		const char *version = text_field(
			body, "version", "a string: a tag, branch, commit or \"latest\"", f);
		if (f->kind == FAULT_NONE && url == NULL)
			(void)fault_code(f, FAULT_INPUT, "url_missing",
				"url is missing: give a Go import path such as \"strings\"");
		if (f->kind == FAULT_NONE && resolve_parse(&r->resolve, url, version, f) == 0 &&
			what_read(x, body, r, f) == 0)
			read = options_read(body, r, f);
	}
	json_decref(body);
	return read;
}

/* ---- answering ---- */

_Static_assert((int)STAGE_RUN == (int)METRIC_STAGE_RUN, "metrics' stages are those of calls");

/* Of fetch, build and jail only what this call had to wait for; a hit of the cache is no fetch. */
static void stages_count(const struct pending *p, const struct invoke_answer *a)
{
	metrics_time_of(METRIC_STAGE, STAGE_RESOLVE, 0, p->resolve_ns);
	if (a->fetch_ns > 0)
		metrics_time_of(METRIC_STAGE, STAGE_FETCH, 0, a->fetch_ns);
	if (a->build_ns > 0)
		metrics_time_of(METRIC_STAGE, STAGE_BUILD, 0, a->build_ns);
	if (a->jail_ns > 0)
		metrics_time_of(METRIC_STAGE, STAGE_JAIL, 0, a->jail_ns);
	if (a->run_ns > 0)
		metrics_time_of(METRIC_STAGE, STAGE_RUN, 0, a->run_ns);
}

/* "resolve;dur=0.017, …", in milliseconds. */
static void timing_put(struct buf *to, const struct pending *p, const struct invoke_answer *a)
{
	const struct {
		const char *name;
		uint64_t ns;
	} stages[] = {{"resolve;dur=", p->resolve_ns}, {", fetch;dur=", a->fetch_ns},
		{", build;dur=", a->build_ns}, {", queue;dur=", a->queue_ns},
		{", jail;dur=", a->jail_ns}, {", run;dur=", a->run_ns}};
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		buf_puts(to, stages[i].name);
		buf_put_decimal(to, (stages[i].ns + 500) / 1000, 3);
	}
}

static void timing_add(const struct pending *p, const struct invoke_answer *a)
{
	struct http_exchange *x = p->x;
	defer_buf struct buf timing = {0};
	timing_put(&timing, p, a);
	http_add_text(x, "Server-Timing", timing.data);
	if (a->busted)
		http_add_header(x, "X-Sky-Island-Cache", "bust%s", a->proxied ? "; proxy" : "");
	if (a->source == NULL)
		return;
	struct note *note = note_of(x);
	note->module = a->source->module[0] != '\0' ? a->source->module : "std";
	note->version = a->source->version;
	defer_free char *module = source_label(a->source);
	http_add_text(x, "X-Sky-Island-Module", module);
}

static char *base64_of(const char *data, size_t len)
{
	const size_t size = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	char *encoded = mem_alloc(size);
	return sodium_bin2base64(
		encoded, size, (const unsigned char *)data, len, sodium_base64_VARIANT_ORIGINAL);
}

static void text_set(json_t *to, const char *name, const char *data, size_t len)
{
	size_t clean_len;
	bool clean;
	defer_free char *text = text_clean(data, len, &clean_len, &clean);
	(void)json_object_set_new(to, name, json_stringn_nocheck(text, clean_len));
	if (clean)
		return;
	defer_free char *encoded = base64_of(data, len);
	char key[64];
	(void)snprintf(key, sizeof(key), "%s_base64", name);
	(void)json_object_set_new(to, key, json_string_nocheck(encoded));
}

/* The same to an object's text. */
static void text_put(struct buf *to, const char *name, const char *data, size_t len)
{
	buf_printf(to, ",\"%s\":", name);
	if (text_quote(to, data, len))
		return;
	defer_free char *encoded = base64_of(data, len);
	buf_printf(to, ",\"%s_base64\":\"%s\"", name, encoded);
}

static json_t *results_load(const struct pool_result *r)
{
	json_error_t error;
	return raw_load(r->text, r->text_len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
}

/* "results" and "error" as the driver wrote them. The function can write frames too, so only these
 * are taken, and only of their shape; a program that ended by itself with status 0 has none. */
static void results_put(struct buf *out, const struct pool_result *r)
{
	json_t *said = r->text_len == 0 ? NULL : results_load(r);
	const json_t *error = json_object_get(said, "error");
	size_t len;
	const char *results = json_is_array(json_object_get(said, "results"))
				      ? raw_member(r->text, r->text_len, "results", &len)
				      : NULL;
	buf_puts(out, ",\"results\":");
	buf_append(out, results != NULL ? results : "[]", results != NULL ? len : 2);
	const char *text =
		json_is_string(error) ? raw_member(r->text, r->text_len, "error", &len) : NULL;
	buf_puts(out, ",\"error\":");
	buf_append(out, text != NULL ? text : "null", text != NULL ? len : 4);
	json_decref(said);
}

/* Deeper than jansson reads (2,048), or no JSON at all: forged, then. */
static bool results_unreadable(const struct pool_result *r)
{
	json_t *said = r->text_len == 0 ? json_object() : results_load(r);
	const bool bad = said == NULL;
	json_decref(said);
	return bad;
}

static void end_respond(struct pending *p, const struct pool_result *r);

static void value_respond(struct pending *p, const struct pool_result *r)
{
	if (p->json && results_unreadable(r)) {
		static const char why[] =
			"the results are no JSON that can be read here, or nest deeper than 2048";
		struct pool_result bad = *r;
		bad.outcome = POOL_NOT_JSON;
		bad.text = why;
		bad.text_len = sizeof(why) - 1;
		end_respond(p, &bad);
		return;
	}

	defer_buf struct buf out = {0};
	buf_puts(&out, "{\"timestamp\":");
	buf_put_decimal(&out, (uint64_t)time(NULL), 0);
	text_put(&out, "data", r->out, r->out_len);
	if (r->err_len > 0)
		text_put(&out, "stderr", r->err, r->err_len);
	if (p->json)
		results_put(&out, r);
	buf_putc(&out, '}');
	http_respond(p->x, 200, "application/json", out.data, out.len);
}

/* How each end of a function is told; what it did is never 5xx. */
static const struct {
	enum pool_outcome outcome;
	const char *code, *detail;
} ends[] = {
	{POOL_REFUSED, "arguments_do_not_fit", NULL},
	{POOL_NOT_JSON, "results_not_json", NULL},
	{POOL_DECLINED, "answered_out_of_turn",
		"the function's program wrote to the driver's descriptor itself"},
	{POOL_PANIC, "function_panicked", "the function panicked; stderr has Go's words"},
	{POOL_EXIT, "function_exited", NULL},
	{POOL_SIGNAL, "function_killed", NULL},
	{POOL_OUT_OF_MEMORY, "out_of_memory",
		"the function needed more memory than its jail has (jails.memory)"},
	{POOL_STACK_OVERFLOW, "stack_overflow",
		"the function's stack outgrew its jail, perhaps by endless recursion"},
	{POOL_DEADLOCK, "deadlock", "all goroutines of the function wait for each other for ever"},
	{POOL_TIMEOUT, "function_timeout",
		"the function took longer than it may (jails.exec_timeout)"},
	{POOL_INIT_TIMEOUT, "init_timeout",
		"the package's initialisation took longer than it may (jails.init_timeout)"},
	{POOL_OUTPUT_LIMIT, "output_limit",
		"the function wrote more than it may (jails.output); what came before is here"},
	{POOL_JAIL_KILLED, "jail_killed", "an administrator ended the jail"},
};

/* Of ends whose words are not always the same. */
static char *end_detail(const struct pool_result *r)
{
	if (r->outcome == POOL_EXIT)
		return mem_printf("the function ended its program with status %d", r->status);
	if (r->outcome == POOL_SIGNAL)
		return mem_printf(
			"a signal ended the function's program: %s", strsignal(r->status));
	return mem_strndup(r->text, r->text_len);
}

static void end_respond(struct pending *p, const struct pool_result *r)
{
	size_t i = 0;
	while (ends[i].outcome != r->outcome && i + 1 < sizeof(ends) / sizeof(ends[0]))
		i++;
	json_t *extra = json_object();
	if (r->outcome == POOL_EXIT)
		(void)json_object_set_new(extra, "exit_status", json_integer(r->status));
	if (r->outcome == POOL_SIGNAL)
		(void)json_object_set_new(extra, "signal", json_string(strsignal(r->status)));
	if (r->in_init && r->outcome != POOL_INIT_TIMEOUT)
		(void)json_object_set_new(extra, "in_init", json_true());
	text_set(extra, "stdout", r->out, r->out_len);
	text_set(extra, "stderr", r->err, r->err_len);
	defer_free char *said = ends[i].detail == NULL ? end_detail(r) : NULL;
	const struct problem problem = {.status = 422,
		.code = ends[i].code,
		.fault = "function",
		.stage = "run",
		.detail = said != NULL ? said : ends[i].detail,
		.extra = extra};
	problem_respond(p->x, &problem);
	json_decref(extra);
}

static void fault_respond(struct pending *p, const struct invoke_answer *a)
{
	struct problem problem = problem_of(a->fault, stage_names[a->stage]);
	json_t *extra = json_object();
	const char *const kept[] = {"nearest", "candidates", "versions"};
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(a->report, kept[i]);
		if (value != NULL)
			(void)json_object_set(extra, kept[i], value);
	}
	const char *detail = json_string_value(json_object_get(a->report, "detail"));
	if (detail != NULL)
		problem.detail = detail; /* whole, where the fault's was cut to fit */
	problem.extra = extra;
	if (problem.status == 500)
		observe_log(p->x, LOG_ERROR, "%s: %s", stage_names[a->stage], a->fault->text);
	problem_respond(p->x, &problem);
	json_decref(extra);
}

static void answered(void *ctx, const struct invoke_answer *a)
{
	struct pending *p = ctx;
	timing_add(p, a);
	stages_count(p, a);
	reuse_tell(p->x, a->result);
	http_set_data(p->x, NULL);
	if (a->fault != NULL)
		fault_respond(p, a);
	else if (a->result->outcome == POOL_VALUE)
		value_respond(p, a->result);
	else
		end_respond(p, a->result);
	free(p);
}

void function_post(struct api *api, struct http_exchange *x)
{
	struct invoke_request request = {0};
	struct fault f = {0};
	const uint64_t since = clock_mono_ns();
	const uint64_t first_byte = http_started_ns(x);
	metrics_time_of(
		METRIC_STAGE, STAGE_REQUEST, 0, since > first_byte ? since - first_byte : 0);
	if (api->draining) {
		(void)fault_code(&f, FAULT_BUSY, "draining",
			"the server is stopping and takes no new calls; try another, or again "
			"later");
	} else if (pool_check(api->setup.invoke.pool, note_of(x)->caller, &f) == 0 &&
		   request_read(x, &request, &f) == 0 && reuse_settle(api, x, &request, &f) == 0 &&
		   (request.ip4 == NULL || ips_allowed(api, request.ip4, &f) == 0)) {
		struct pending *p = mem_zero(1, sizeof(*p));
		p->api = api;
		p->x = x;
		p->json = request.json;
		request.caller = note_of(x)->caller;
		p->resolve_ns = clock_mono_ns() - since;
		http_set_data(x, p);
		struct invocation *i = invoke_start(&api->setup.invoke, &request, answered, p);
		if (i != NULL)
			p->invocation = i;
		return;
	}
	invoke_request_finish(&request);
	struct problem problem = problem_of(&f, f.kind == FAULT_LIMITED ? "jail" : "request");
	problem_respond(x, &problem);
}

void function_gone(struct http_exchange *x)
{
	struct pending *p = http_data(x);
	invoke_cancel(p->invocation);
	free(p);
}
