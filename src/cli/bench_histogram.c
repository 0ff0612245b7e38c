#include "cli/bench_histogram.h"

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
