#pragma once

/* exchange: what the api's files share of one request: its id, and its answers. Private to api. */

#include "api/api.h"

struct api {
	struct api_setup setup;
	bool draining;
	bool loopback;
	char id_prefix[17]; /* random, for request ids */
	unsigned long requests;
	struct tokens *tokens;
};

struct problem {
	int status;
	const char *code;  /* stable, snake_case */
	const char *fault; /* "request", "function" or "platform" */
	const char *stage;
	const char *detail;
	const json_t *extra;  /* members to add (nearest, output, exit_status …), or NULL */
	unsigned retry_after; /* seconds; 0: no such field */
};

/* Answers application/problem+json. */
void problem_respond(struct http_exchange *x, const struct problem *p);
/* The same in short; a 503 is to be tried again after a second. */
void problem_simple(struct http_exchange *x, int status, const char *code, const char *fault,
	const char *detail);
/* A fault's status, code and whose it was; stage is kept as given. */
struct problem problem_of(const struct fault *f, const char *stage);
/* Answers 200 application/json. Steals body. */
void json_respond(struct http_exchange *x, int status, json_t *body);

/* POST /api/v1/function */
void function_post(struct api *api, struct http_exchange *x);
void function_gone(struct http_exchange *x);

/* /api/v1/admin/jails and below (admin.c) */
void jails_get(struct api *api, struct http_exchange *x);
void jails_delete(struct api *api, struct http_exchange *x);
void jail_one_get(struct api *api, struct http_exchange *x);
void jail_one_delete(struct api *api, struct http_exchange *x);

/* What stands in the path for a route's trailing {id}. */
const char *path_parameter(const struct http_exchange *x);
/* stats.c: GET /api/v1/admin/api-stats, GET /metrics, and what they count of answers. */
void stats_get(struct api *api, struct http_exchange *x);
void metrics_get(struct api *api, struct http_exchange *x);
void stats_start(void);
void stats_record(int status, uint64_t now_ns, uint64_t took_ns);
/* ips.c: GET and PUT /api/v1/admin/ips */
void ips_get(struct api *api, struct http_exchange *x);
void ips_put(struct api *api, struct http_exchange *x);
/* Whether calls may have an address of that pool ("": the first): FAULT_FORBIDDEN or FAULT_INPUT
 * otherwise. */
int ips_allowed(const struct api *api, const char *pool, struct fault *f);

/* reuse.c: whether the call may have a jail that served its caller before; FAULT_FORBIDDEN or
 * FAULT_INPUT where that was asked for and is not allowed. */
int reuse_settle(
	const struct api *api, struct http_exchange *x, struct invoke_request *r, struct fault *f);
/* And which it was, in the answer; NULL: it had none. */
void reuse_tell(struct http_exchange *x, const struct pool_result *result);

/* Text for JSON: what is not UTF-8 becomes U+FFFD. *clean says whether nothing was replaced. The
 * caller frees. */
char *text_clean(const char *data, size_t len, size_t *out_len, bool *clean);
/* The same as a JSON string, with its quotes, appended. False: something was replaced. */
bool text_quote(struct buf *to, const char *data, size_t len);

/* The first value of that name in the query, decoded (percent, '+'); NULL where there is none. The
 * caller frees. */
char *query_value(const struct http_exchange *x, const char *name);

/* What json_loadb reads, and numbers that are too large for a double, which it refuses, as 0: what is
 * passed on is cut out of the text as it was written. */
json_t *raw_load(const char *text, size_t len, size_t flags, json_error_t *error);
/* The text of a top-level member's value in `text`, an object that jansson has found valid; NULL
 * where there is none of that name (or its name is written with escapes). */
const char *raw_member(const char *text, size_t len, const char *name, size_t *value_len);
