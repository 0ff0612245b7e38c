/*
 * GET /api/v1/admin/api-stats and GET /metrics. The first has the fields of thoas/stats, the
 * middleware that the original used: counts without "total" are of the last second.
 */

#include "api/exchange.h"

#include "api/observe.h"
#include "base/clock.h"
#include "base/defer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The last second is kept in parts of a tenth: what is older goes as a part is used again. */
enum { PARTS = 10, STATUSES = 600 };
static const uint64_t part_ns = 100000000;

static struct {
	uint64_t started_ns; /* clock_mono_ns */
	uint64_t totals[STATUSES], time_ns;
	uint64_t part; /* number of the current one, counted from the clock's start */
	unsigned recent[PARTS][STATUSES];
} stats;

/* Empties the parts that were passed over since the last answer. */
static void parts_advance(uint64_t now)
{
	const uint64_t part = now / part_ns;
	if (part - stats.part >= PARTS)
		memset(stats.recent, 0, sizeof(stats.recent));
	else
		for (uint64_t p = stats.part + 1; p <= part; p++)
			memset(stats.recent[p % PARTS], 0, sizeof(stats.recent[0]));
	stats.part = part;
}

void stats_start(void)
{
	stats.started_ns = clock_mono_ns();
	stats.part = stats.started_ns / part_ns;
}

void stats_record(int status, uint64_t now_ns, uint64_t took_ns)
{
	if (status < 0 || status >= STATUSES)
		return;
	if (now_ns / part_ns != stats.part)
		parts_advance(now_ns);
	stats.recent[stats.part % PARTS][status]++;
	stats.totals[status]++;
	stats.time_ns += took_ns;
}

/* As Go writes a time.Duration: "1h2m3.5s", "12.5ms", "0s". */
static json_t *duration_text(uint64_t ns)
{
	const uint64_t seconds = ns / 1000000000U;
	char fraction[16];
	char text[64];
	const bool small = seconds == 0;
	const char *unit = ns < 1000 ? "ns" : ns < 1000000 ? "µs" : small ? "ms" : "s";
	const uint64_t one = ns < 1000 ? 1 : ns < 1000000 ? 1000 : small ? 1000000 : 1000000000;
	const int digits = one == 1 ? 0 : one == 1000 ? 3 : one == 1000000 ? 6 : 9;
	size_t len = (size_t)snprintf(
		fraction, sizeof(fraction), ".%0*llu", digits, (unsigned long long)(ns % one));
	while (len > 0 && (fraction[len - 1] == '0' || fraction[len - 1] == '.'))
		len--;
	fraction[one == 1 ? 0 : len] = '\0';
	const unsigned long long whole = small ? ns / one : seconds % 60;
	if (ns == 0)
		return json_string("0s");
	if (seconds >= 3600)
		(void)snprintf(text, sizeof(text), "%lluh%llum", (unsigned long long)seconds / 3600,
			(unsigned long long)seconds / 60 % 60);
	else if (seconds >= 60)
		(void)snprintf(text, sizeof(text), "%llum", (unsigned long long)seconds / 60);
	else
		text[0] = '\0';
	return json_sprintf("%s%llu%s%s", text, whole, fraction, unit);
}

static double seconds_of(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* As Go writes a time.Time, in UTC. */
static json_t *time_text(uint64_t unix_ns)
{
	const time_t seconds = (time_t)(unix_ns / 1000000000U);
	struct tm utc;
	char text[32];
	(void)gmtime_r(&seconds, &utc);
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &utc);
	return json_sprintf(
		"%s.%09llu +0000 UTC", text, (unsigned long long)(unix_ns % 1000000000U));
}

/* An object of the statuses that were given, and how many in all. */
static json_t *codes_count(bool recent, uint64_t *count)
{
	json_t *codes = json_object();
	*count = 0;
	for (int status = 0; status < STATUSES; status++) {
		uint64_t n = recent ? 0 : stats.totals[status];
		for (int part = 0; recent && part < PARTS; part++)
			n += stats.recent[part][status];
		char name[16];
		(void)snprintf(name, sizeof(name), "%d", status);
		if (n > 0)
			(void)json_object_set_new(codes, name, json_integer((json_int_t)n));
		*count += n;
	}
	return codes;
}

void stats_get(struct api *api, struct http_exchange *x)
{
	const uint64_t now = clock_mono_ns();
	const uint64_t unix_ns = clock_unix_ns();
	uint64_t count;
	uint64_t total;
	(void)api;
	parts_advance(now);
	json_t *codes = codes_count(true, &count);
	json_t *totals = codes_count(false, &total);
	const uint64_t up = now - stats.started_ns;
	const uint64_t average = total > 0 ? stats.time_ns / total : 0;
	json_respond(x, 200,
		json_pack("{s:i, s:o, s:f, s:o, s:I, s:o, s:o, s:I, s:I, s:o, s:f, s:o, s:f}",
			"pid", (int)getpid(), "uptime", duration_text(up), "uptime_sec",
			seconds_of(up), "time", time_text(unix_ns), "unixtime",
			(json_int_t)(unix_ns / 1000000000U), "status_code_count", codes,
			"total_status_code_count", totals, "count", (json_int_t)count,
			"total_count", (json_int_t)total, "total_response_time",
			duration_text(stats.time_ns), "total_response_time_sec",
			seconds_of(stats.time_ns), "average_response_time", duration_text(average),
			"average_response_time_sec", seconds_of(average)));
}

void metrics_get(struct api *api, struct http_exchange *x)
{
	defer_buf struct buf text = {0};
	(void)api;
	metrics_expose(&text);
	http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
}
