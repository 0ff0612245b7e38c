/* The table as data, the numbers, and how they are recorded. */

#include "metrics/internal.h"

#include <stdlib.h>

/* ---- the table ---- */

#define SET_X(id, label, ...) static const char *const values_##id[] = {__VA_ARGS__};
METRIC_SETS(SET_X)
#undef SET_X

enum {
#define SET_X(id, label, ...) SIZE_##id = sizeof(values_##id) / sizeof(values_##id[0]),
	METRIC_SETS(SET_X)
#undef SET_X
};

#define SET_X(id, label, ...)                                                                      \
	static const struct metric_set set_##id = {label, values_##id, SIZE_##id};
METRIC_SETS(SET_X)
#undef SET_X

/* Where the series of each fact begin; the compiler counts. */
#define PLACE_X(id, statsd, prometheus, a, b, help)                                                \
	FIRST_##id, LAST_##id = FIRST_##id + SIZE_##a * SIZE_##b - 1,
enum { METRIC_COUNTERS(PLACE_X) METRIC_GAUGES(PLACE_X) VALUES };
enum { METRIC_TIMERS(PLACE_X) HISTOGRAMS };
#undef PLACE_X

#define FACT_X(id, statsd, prometheus, a, b, help, kind)                                           \
	[METRIC_##id] = {statsd, prometheus, help, kind, &set_##a, &set_##b, FIRST_##id},
#define COUNTER_X(...) FACT_X(__VA_ARGS__, METRIC_COUNTER)
#define TIMER_X(...)   FACT_X(__VA_ARGS__, METRIC_TIMER)
#define GAUGE_X(...)   FACT_X(__VA_ARGS__, METRIC_GAUGE)
const struct metric_fact metric_facts[METRICS] = {
	METRIC_COUNTERS(COUNTER_X) METRIC_TIMERS(TIMER_X) METRIC_GAUGES(GAUGE_X)};

#define MS UINT64_C(1000000)
const struct metric_bucket metric_buckets[METRIC_BUCKETS] = {{MS / 10, "0.0001"},
	{MS / 4, "0.00025"}, {MS / 2, "0.0005"}, {MS, "0.001"}, {5 * MS / 2, "0.0025"},
	{5 * MS, "0.005"}, {10 * MS, "0.01"}, {25 * MS, "0.025"}, {50 * MS, "0.05"},
	{100 * MS, "0.1"}, {250 * MS, "0.25"}, {500 * MS, "0.5"}, {1000 * MS, "1"},
	{2500 * MS, "2.5"}, {5000 * MS, "5"}, {10000 * MS, "10"}, {30000 * MS, "30"},
	{60000 * MS, "60"}, {120000 * MS, "120"}};

/* ---- the numbers ---- */

static uint64_t values[VALUES];
static struct metric_histogram histograms[HISTOGRAMS];
unsigned metric_steps_count;
struct metric_step metric_steps[METRIC_STEPS];
static void (*sampler)(void *ctx, bool exposed);
static void *sampler_ctx;

unsigned metric_series(const struct metric_fact *fact)
{
	return fact->a->count * fact->b->count;
}

uint64_t metric_value(const struct metric_fact *fact, unsigned series)
{
	return values[fact->first + series];
}

const struct metric_histogram *metric_histogram_of(const struct metric_fact *fact, unsigned series)
{
	return &histograms[fact->first + series];
}

static unsigned place(const struct metric_fact *fact, unsigned a, unsigned b)
{
	a = a < fact->a->count ? a : fact->a->count - 1;
	b = b < fact->b->count ? b : fact->b->count - 1;
	return a * fact->b->count + b;
}

void metrics_count(enum metric metric, unsigned a, unsigned b)
{
	const struct metric_fact *fact = &metric_facts[metric];
	values[fact->first + place(fact, a, b)]++;
	if (statsd_on)
		statsd_touch();
}

void metrics_time(enum metric metric, uint64_t ns)
{
	metrics_time_of(metric, 0, 0, ns);
}

void metrics_time_of(enum metric metric, unsigned a, unsigned b, uint64_t ns)
{
	const struct metric_fact *fact = &metric_facts[metric];
	const unsigned at = fact->first + place(fact, a, b);
	struct metric_histogram *h = &histograms[at];
	unsigned bucket = 0;
	while (bucket < METRIC_BUCKETS && ns > metric_buckets[bucket].ns)
		bucket++;
	h->counts[bucket]++;
	h->sum_ns += ns;
	if (statsd_on)
		statsd_sample(at, ns);
}

void metrics_set(enum metric metric, uint64_t value)
{
	values[metric_facts[metric].first] = value;
}

void metrics_step(const char *name, uint64_t ns)
{
	if (metric_steps_count < METRIC_STEPS)
		metric_steps[metric_steps_count++] = (struct metric_step){name, ns};
}

void metrics_sampler(void (*sample)(void *ctx, bool exposed), void *ctx)
{
	sampler = sample;
	sampler_ctx = ctx;
}

void metrics_sample(bool exposed)
{
	if (sampler != NULL)
		sampler(sampler_ctx, exposed);
}

unsigned metrics_status(int status)
{
	static unsigned char numbers[600]; /* by status, plus one; made when first asked for */
	if (status < 0 || status >= 600)
		return SIZE_STATUS - 1;
	if (numbers[200] == 0) {
		for (unsigned i = 0; i + 1 < SIZE_STATUS; i++)
			numbers[atoi(values_STATUS[i])] = (unsigned char)(i + 1);
	}
	return numbers[status] == 0 ? SIZE_STATUS - 1 : numbers[status] - 1U;
}
