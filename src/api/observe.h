#pragma once

/*
 * observe: each request as operators see it: its id and trace, its line in the log, its place in
 * the metrics and in api-stats. Private to api. What is known of a request while it is handled
 * stands in its note.
 */

#include "api/trace.h"
#include "base/log.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "pool/caller.h"

struct note {
	char id[65]; /* X-Request-Id */
	struct trace trace;
	enum metric_endpoint endpoint;
	/* Borrowed while the answer is given; NULL: there is none. */
	const char *code, *module, *version;
	struct caller *caller; /* NULL: no token told */
};

struct note *note_of(struct http_exchange *x);

/* Notes the trace and the endpoint, and answers with traceparent; once the request has its id. */
void observe_begin(struct http_exchange *x);
/* http's `answered`. */
void observe_answered(struct http_exchange *x, int status, void *ctx);
/* The caller left: as a status 499. */
void observe_gone(struct http_exchange *x);
/* A line of the log that belongs to this request. */
void observe_log(struct http_exchange *x, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
