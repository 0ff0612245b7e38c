#pragma once

/*
 * bench_histogram: durations counted by size, so that percentiles of any number of them take a few
 * KiB. Up to 127 ns each has a bucket of its own; above, each doubling is cut into 64: what is read
 * back is at most 1.6 % above the truth.
 */

#include <stdint.h>

enum { BENCH_HALF = 64, BENCH_DOUBLINGS = 36, BENCH_BUCKETS = (BENCH_DOUBLINGS + 1) * BENCH_HALF };

/* `= {0}` initialises one. */
struct bench_histogram {
	uint64_t counts[BENCH_BUCKETS]; /* the last one takes what is longer than 73 minutes */
	uint64_t count, sum_ns, min_ns, max_ns;
};

void bench_histogram_add(struct bench_histogram *h, uint64_t ns);
/* The duration that so many thousandths of all do not exceed; 0 where there is none. */
uint64_t bench_histogram_quantile(const struct bench_histogram *h, unsigned thousandths);
/* How many are from `from` on and below `below`, by the lower ends of their buckets. */
uint64_t bench_histogram_between(const struct bench_histogram *h, uint64_t from, uint64_t below);

/* How it is shown: row i is of durations from from[i] on and below from[i + 1]. The steps are 1, 2
 * and 5 of each decade, or finer where that makes few rows. */
enum { BENCH_ROWS = 32 };
struct bench_rows {
	uint64_t from[BENCH_ROWS + 1];
	unsigned count;
};
/* All that was counted is in some row. */
void bench_rows_make(struct bench_rows *rows, const struct bench_histogram *h);
