#pragma once

/* What the files of metrics share: the table as data, and the numbers. */

#include "metrics/metrics.h"

#include <stddef.h>

enum metric_kind { METRIC_COUNTER, METRIC_TIMER, METRIC_GAUGE };

struct metric_set {
	const char *label;
	const char *const *values;
	unsigned count;
};

struct metric_fact {
	const char *statsd, *prometheus, *help;
	enum metric_kind kind;
	const struct metric_set *a, *b;
	unsigned first; /* of its series, among values or histograms; b's labels run fastest */
};

extern const struct metric_fact metric_facts[METRICS];

/* Upper bounds, inclusive; one more bucket takes what is longer. */
enum { METRIC_BUCKETS = 19 };
extern const struct metric_bucket {
	uint64_t ns;
	const char *seconds;
} metric_buckets[METRIC_BUCKETS];

struct metric_histogram {
	uint64_t counts[METRIC_BUCKETS + 1]; /* each bucket's own */
	uint64_t sum_ns;
};

unsigned metric_series(const struct metric_fact *fact);
/* Of a counter or a gauge; of a timer. `series` from 0. */
uint64_t metric_value(const struct metric_fact *fact, unsigned series);
const struct metric_histogram *metric_histogram_of(const struct metric_fact *fact, unsigned series);
void metrics_sample(bool exposed);

extern unsigned metric_steps_count;
extern struct metric_step {
	const char *name;
	uint64_t ns;
} metric_steps[METRIC_STEPS];

/* statsd.c, while it is on: something is to be told soon; a time was taken, of the series with this
 * place among histograms. */
extern bool statsd_on;
void statsd_touch(void);
void statsd_sample(unsigned place, uint64_t ns);
