#include "api/exchange.h"

#include "api/observe.h"
#include "base/defer.h"

#include <string.h>

/* The one table from what went wrong to a status. What the function did is never 5xx, so that
 * nobody retries it. */
static const struct {
	enum fault_kind kind;
	int status;
	const char *code, *fault;
	unsigned retry_after;
} table[] = {
	{FAULT_INPUT, 400, "bad_request", "request", 0},
	{FAULT_UNAUTHORIZED, 401, "unauthorized", "request", 0},
	{FAULT_FORBIDDEN, 403, "forbidden", "request", 0},
	{FAULT_NOT_FOUND, 404, "not_found", "request", 0},
	{FAULT_CONFLICT, 409, "conflict", "request", 0},
	{FAULT_TOO_LARGE, 413, "too_large", "request", 0},
	{FAULT_FUNCTION, 422, "function_failed", "function", 0},
	{FAULT_LIMITED, 429, "too_many_calls", "request", 1},
	{FAULT_UPSTREAM, 502, "source_unreachable", "platform", 0},
	{FAULT_BUSY, 503, "busy", "platform", 1},
	{FAULT_FULL, 507, "disk_full", "platform", 0},
	{FAULT_PLATFORM, 500, "internal", "platform", 0},
};

static const char *status_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {{400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
		{404, "Not Found"}, {405, "Method Not Allowed"}, {408, "Request Timeout"},
		{409, "Conflict"}, {413, "Content Too Large"}, {417, "Expectation Failed"},
		{421, "Misdirected Request"}, {422, "Unprocessable Content"},
		{429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
		{503, "Service Unavailable"}, {505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"}};
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (titles[i].status == status)
			return titles[i].title;
	}
	return "Error";
}

struct problem problem_of(const struct fault *f, const char *stage)
{
	size_t i = sizeof(table) / sizeof(table[0]) - 1;
	for (size_t at = 0; at < sizeof(table) / sizeof(table[0]); at++) {
		if (table[at].kind == f->kind)
			i = at;
	}
	return (struct problem){
		.status = table[i].status,
		.code = f->code[0] != '\0' ? f->code : table[i].code,
		.fault = table[i].fault,
		.stage = stage,
		.detail = f->text,
		.retry_after = f->seconds > 0 ? f->seconds : table[i].retry_after,
	};
}

void problem_respond(struct http_exchange *x, const struct problem *p)
{
	size_t detail_len;
	bool clean;
	defer_free char *detail = text_clean(p->detail, strlen(p->detail), &detail_len, &clean);
	json_t *body = json_pack("{s:o, s:s, s:i, s:s, s:s, s:s, s:s#}", "type",
		json_sprintf("urn:sky-island:problem:%s", p->code), "title",
		status_title(p->status), "status", p->status, "code", p->code, "fault", p->fault,
		"stage", p->stage, "detail", detail, (int)detail_len);
	if (p->extra != NULL)
		(void)json_object_update_missing(body, (json_t *)(uintptr_t)p->extra);
	defer_free char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	note_of(x)->code = p->code;
	if (p->retry_after > 0)
		http_add_header(x, "Retry-After", "%u", p->retry_after);
	if (text == NULL)
		text = mem_strdup("{}");
	http_respond(x, p->status, "application/problem+json", text, strlen(text));
}

void json_respond(struct http_exchange *x, int status, json_t *body)
{
	defer_free char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(body);
	if (text == NULL)
		text = mem_strdup("{}");
	http_respond(x, status, "application/json", text, strlen(text));
}
