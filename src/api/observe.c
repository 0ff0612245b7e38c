#include "api/observe.h"

#include "api/exchange.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct note) <= HTTP_NOTE_BYTES, "a note fits where http keeps it");

struct note *note_of(struct http_exchange *x)
{
	return http_note(x);
}

/* By the path alone, so that a wrong method counts with its endpoint too. */
static enum metric_endpoint endpoint_of(const char *path)
{
	static const char admin[] = "/api/v1/admin/";
	static const struct {
		const char *path;
		enum metric_endpoint endpoint;
	} known[] = {
		{"/api/v1/function", METRIC_ENDPOINT_FUNCTION},
		{"/healthcheck", METRIC_ENDPOINT_HEALTH},
		{"/api/v1/healthcheck", METRIC_ENDPOINT_HEALTH},
		{"/readyz", METRIC_ENDPOINT_READY},
		{"/metrics", METRIC_ENDPOINT_METRICS},
		{"/api/v1/admin/api-stats", METRIC_ENDPOINT_API_STATS},
		{"/api/v1/admin/jails", METRIC_ENDPOINT_JAILS},
		{"/api/v1/admin/ips", METRIC_ENDPOINT_IPS},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].path, path) == 0)
			return known[i].endpoint;
	}
	if (strncmp(path, admin, sizeof(admin) - 1) != 0)
		return METRIC_ENDPOINT_OTHER;
	path += sizeof(admin) - 1;
	return strncmp(path, "jail/", 5) == 0 || strncmp(path, "jails/", 6) == 0
		       ? METRIC_ENDPOINT_JAIL
		       : METRIC_ENDPOINT_ADMIN;
}

void observe_begin(struct http_exchange *x)
{
	struct note *note = note_of(x);
	const char *parent = http_header(x, "traceparent");
	if (parent != NULL && http_header_count(x, "traceparent") > 1)
		parent = NULL;
	trace_begin(&note->trace, parent);
	note->endpoint = endpoint_of(http_path(x));
	http_add_header(x, "traceparent", "00-%s-%s-%s", note->trace.id, note->trace.span,
		note->trace.sampled ? "01" : "00");
}

/* Probes and scrapes that go well are no news. */
static enum log_level level_of(const struct note *note, int status)
{
	const bool routine = note->endpoint == METRIC_ENDPOINT_HEALTH ||
			     note->endpoint == METRIC_ENDPOINT_READY ||
			     note->endpoint == METRIC_ENDPOINT_METRICS;
	if (status >= 500)
		return LOG_WARN;
	return routine && status < 400 ? LOG_DEBUG : LOG_INFO;
}

static void line_write(struct http_exchange *x, int status, uint64_t ns)
{
	const struct note *note = note_of(x);
	const struct log_field fields[] = {
		{"request_id", .text = note->id},
		{"trace_id", .text = note->trace.id},
		{"span_id", .text = note->trace.span},
		{"method", .text = http_method(x)},
		{"path", .text = http_path(x)},
		{"status", .number = (unsigned)status, .is_number = true},
		{"ms", .number = (ns + 500) / 1000, .decimals = 3, .is_number = true},
		{"code", .text = note->code},
		{"module", .text = note->module},
		{"version", .text = note->version},
		{"caller", .text = note->caller != NULL ? note->caller->name : NULL},
		{"peer", .text = http_peer(x)},
	};
	log_write_with(level_of(note, status), fields, sizeof(fields) / sizeof(fields[0]),
		status == 499 ? "the caller left" : "request");
}

static void tell(struct http_exchange *x, int status)
{
	const struct note *note = note_of(x);
	const uint64_t now = clock_mono_ns();
	const uint64_t started = http_started_ns(x);
	const uint64_t ns = now > started ? now - started : 0;
	metrics_count(METRIC_REQUEST, note->endpoint, metrics_status(status));
	metrics_time_of(METRIC_REQUEST_TIME, note->endpoint, (unsigned)status / 100 - 1, ns);
	if (status != 499)
		stats_record(status, now, ns);
	line_write(x, status, ns);
}

void observe_answered(struct http_exchange *x, int status, void *ctx)
{
	(void)ctx;
	tell(x, status);
}

void observe_gone(struct http_exchange *x)
{
	tell(x, 499);
}

void observe_log(struct http_exchange *x, enum log_level level, const char *format, ...)
{
	const struct note *note = note_of(x);
	const struct log_field fields[] = {
		{"request_id", .text = note->id},
		{"trace_id", .text = note->trace.id},
	};
	char message[1200];
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	log_write_with(level, fields, sizeof(fields) / sizeof(fields[0]), "%s", message);
}
