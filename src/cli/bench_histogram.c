#include "cli/bench_histogram.h"

#include <stdbool.h>

static unsigned bucket_of(uint64_t ns)
{
	if (ns < 2 * BENCH_HALF)
		return (unsigned)ns;
	const unsigned shift = 63U - (unsigned)__builtin_clzll(ns) - 6U;
	if (shift >= BENCH_DOUBLINGS)
		return BENCH_BUCKETS - 1;
	return shift * BENCH_HALF + (unsigned)(ns >> shift);
}

/* The least duration of a bucket. */
static uint64_t lower_end(unsigned bucket)
{
	if (bucket < 2 * BENCH_HALF)
		return bucket;
	const unsigned shift = bucket / BENCH_HALF - 1;
	return (uint64_t)(bucket - shift * BENCH_HALF) << shift;
}

void bench_histogram_add(struct bench_histogram *h, uint64_t ns)
{
	h->counts[bucket_of(ns)]++;
	h->min_ns = h->count == 0 || ns < h->min_ns ? ns : h->min_ns;
	h->max_ns = ns > h->max_ns ? ns : h->max_ns;
	h->sum_ns += ns;
	h->count++;
}

uint64_t bench_histogram_quantile(const struct bench_histogram *h, unsigned thousandths)
{
	const uint64_t rank = (h->count * thousandths + 999) / 1000;
	uint64_t seen = 0;
	for (unsigned i = 0; i + 1 < BENCH_BUCKETS && h->count > 0; i++) {
		seen += h->counts[i];
		if (seen < rank || seen == 0)
			continue;
		const uint64_t upper = lower_end(i + 1) - 1;
		return upper < h->max_ns ? upper : h->max_ns;
	}
	return h->max_ns;
}

uint64_t bench_histogram_between(const struct bench_histogram *h, uint64_t from, uint64_t below)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < BENCH_BUCKETS; i++) {
		const uint64_t lower = lower_end(i);
		count += lower >= from && lower < below ? h->counts[i] : 0;
	}
	return count;
}

/* ---- rows ---- */

enum { ROWS_WANTED = 16 };

static uint64_t step_after(uint64_t at, const uint64_t *steps, unsigned count)
{
	for (uint64_t decade = 1000;; decade *= 10) {
		for (unsigned i = 0; i < count; i++) {
			if (steps[i] * decade / 10 > at)
				return steps[i] * decade / 10;
		}
	}
}

/* False: that makes more than `most`. */
static bool rows_cut(struct bench_rows *rows, const struct bench_histogram *h,
	const uint64_t *steps, unsigned count, unsigned most)
{
	uint64_t from = 0;
	for (uint64_t next; (next = step_after(from, steps, count)) <= h->min_ns;)
		from = next;
	rows->count = 0;
	rows->from[0] = from;
	while (rows->from[rows->count] <= h->max_ns && rows->count < most) {
		rows->from[rows->count + 1] = step_after(rows->from[rows->count], steps, count);
		rows->count++;
	}
	return rows->from[rows->count] > h->max_ns;
}

void bench_rows_make(struct bench_rows *rows, const struct bench_histogram *h)
{
	static const uint64_t fine[] = {10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82};
	static const uint64_t middle[] = {10, 15, 20, 30, 50, 70};
	static const uint64_t coarse[] = {10, 20, 50};
	if (!rows_cut(rows, h, fine, 12, ROWS_WANTED) && !rows_cut(rows, h, middle, 6, ROWS_WANTED))
		(void)rows_cut(rows, h, coarse, 3, BENCH_ROWS);
	rows->from[0] = 0; /* the least one's bucket may begin a little before the row */
}
