/* What came of it, for people and for machines. */

#include "cli/bench.h"

#include "base/defer.h"

#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_MAX = 50 };

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static double rate_of(const struct bench_result *r)
{
	return r->elapsed_ns > 0 ? (double)r->whole.count * 1e9 / (double)r->elapsed_ns : 0;
}

/* ---- for people ---- */

static unsigned bar_room(void)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 40)
		return BAR_MAX;
	return size.ws_col - 30U < BAR_MAX ? size.ws_col - 30U : BAR_MAX;
}

static bool blocks_shown(void)
{
	(void)setlocale(LC_CTYPE, "");
	return isatty(STDOUT_FILENO) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* `eighths` of a character's width; at least one where there is anything. */
static void bar_put(uint64_t eighths, bool blocks)
{
	static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	for (; eighths >= 8; eighths -= 8)
		(void)fputs(blocks ? "█" : "#", stdout);
	if (blocks)
		(void)fputs(parts[eighths], stdout);
	else if (eighths > 0)
		(void)putchar(eighths >= 4 ? '#' : '.');
}

static void histogram_put(const struct bench_histogram *h)
{
	struct bench_rows rows;
	uint64_t counts[BENCH_ROWS];
	uint64_t most = 1;
	const bool blocks = blocks_shown();
	const unsigned room = bar_room();
	bench_rows_make(&rows, h);
	for (unsigned i = 0; i < rows.count; i++) {
		counts[i] = bench_histogram_between(h, rows.from[i], rows.from[i + 1]);
		most = counts[i] > most ? counts[i] : most;
	}
	(void)printf("\n%12s%10s\n", "ms below", "calls");
	for (unsigned i = 0; i < rows.count; i++) {
		(void)printf("%12.4g%10llu", ms(rows.from[i + 1]), (unsigned long long)counts[i]);
		(void)fputs(counts[i] > 0 ? "  " : "", stdout);
		bar_put((counts[i] * room * 8 + most - 1) / most, blocks);
		(void)putchar('\n');
	}
}

static void line_put(const char *name, const struct bench_histogram *h)
{
	static const unsigned shown[] = {500, 900, 990};
	(void)printf("%-10s", name);
	for (unsigned i = 0; i < 3; i++)
		(void)printf("%11.3f", ms(bench_histogram_quantile(h, shown[i])));
	(void)printf("%11.3f\n", ms(h->max_ns));
}

static void failures_put(const struct bench_result *r)
{
	for (unsigned i = 0; i < r->failures_count; i++) {
		const struct bench_failure *kind = &r->failures[i];
		char status[12] = "-";
		if (kind->status > 0)
			(void)snprintf(status, sizeof(status), "%d", kind->status);
		(void)printf("%12llu  %s %s: %.*s\n", (unsigned long long)kind->count, status,
			kind->code, (int)strcspn(kind->detail, "\n"), kind->detail);
	}
}

static void text_put(
	const struct bench_setup *s, const struct bench_result *r, const struct bench_words *words)
{
	(void)printf("%s  %s %s\n", s->target->shown, words->url, words->call);
	(void)printf("%u client%s, ", s->clients, s->clients == 1 ? "" : "s");
	if (s->rate > 0)
		(void)printf("open loop, %g calls a second wanted", s->rate);
	else
		(void)printf("closed loop");
	if (s->think_ms > 0)
		(void)printf(", %u ms between calls", s->think_ms);
	(void)printf("; %.2f s%s\n\n", (double)r->elapsed_ns / 1e9,
		r->interrupted ? ", interrupted" : "");
	(void)printf("calls     %llu\nsucceeded %llu, %.1f a second\nfailed    %llu\n",
		(unsigned long long)r->made, (unsigned long long)r->whole.count, rate_of(r),
		(unsigned long long)r->failed);
	failures_put(r);
	if (r->whole.count == 0)
		return;
	(void)printf("\n%-10s%11s%11s%11s%11s\n", "ms", "p50", "p90", "p99", "max");
	line_put("whole", &r->whole);
	for (unsigned i = 0; i < BENCH_STAGES; i++) {
		if (r->stages[i].count > 0)
			line_put(bench_stage_names[i], &r->stages[i]);
	}
	histogram_put(&r->whole);
}

/* ---- for machines ---- */

static json_t *summary(const struct bench_histogram *h)
{
	if (h->count == 0)
		return json_null();
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "count", (json_int_t)h->count,
		"min", ms(h->min_ns), "mean", ms(h->sum_ns) / (double)h->count, "p50",
		ms(bench_histogram_quantile(h, 500)), "p90", ms(bench_histogram_quantile(h, 900)),
		"p99", ms(bench_histogram_quantile(h, 990)), "max", ms(h->max_ns));
}

static json_t *histogram_json(const struct bench_histogram *h)
{
	struct bench_rows rows;
	json_t *list = json_array();
	if (h->count == 0)
		return list;
	bench_rows_make(&rows, h);
	for (unsigned i = 0; i < rows.count; i++) {
		const uint64_t count = bench_histogram_between(h, rows.from[i], rows.from[i + 1]);
		(void)json_array_append_new(
			list, json_pack("{s:f, s:I}", "below_ms", ms(rows.from[i + 1]), "count",
				      (json_int_t)count));
	}
	return list;
}

static json_t *failures_json(const struct bench_result *r)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < r->failures_count; i++) {
		const struct bench_failure *kind = &r->failures[i];
		json_t *one = json_pack("{s:i, s:s, s:I}", "status", kind->status, "code",
			kind->code, "count", (json_int_t)kind->count);
		/* Cut where it was long, perhaps within a character; then it is left out. */
		json_t *detail = json_string(kind->detail);
		if (detail != NULL)
			(void)json_object_set_new(one, "detail", detail);
		(void)json_array_append_new(list, one);
	}
	return list;
}

static void json_put(
	const struct bench_setup *s, const struct bench_result *r, const struct bench_words *words)
{
	json_t *times = json_pack("{s:o}", "whole", summary(&r->whole));
	for (unsigned i = 0; i < BENCH_STAGES; i++)
		(void)json_object_set_new(times, bench_stage_names[i], summary(&r->stages[i]));
	json_t *all = json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:f, s:b, s:I, s:I, s:I, s:f, s:o, "
				"s:o, s:o}",
		"server", s->target->shown, "url", words->url, "call", words->call, "clients",
		(int)s->clients, "think_ms", (int)s->think_ms, "rate_wanted",
		s->rate > 0 ? json_real(s->rate) : json_null(), "seconds",
		(double)r->elapsed_ns / 1e9, "interrupted", r->interrupted, "calls",
		(json_int_t)r->made, "succeeded", (json_int_t)r->whole.count, "failed",
		(json_int_t)r->failed, "rate", rate_of(r), "failures", failures_json(r), "ms",
		times, "histogram", histogram_json(&r->whole));
	defer_free char *text =
		all != NULL ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
	(void)printf("%s\n", text != NULL ? text : "{}");
	json_decref(all);
}

void bench_report(const struct bench_setup *setup, const struct bench_result *r,
	const struct bench_words *words)
{
	if (words->json)
		json_put(setup, r, words);
	else
		text_put(setup, r, words);
}
