#include "pool/demand.h"

static const uint64_t least_ns = DEMAND_STRETCH_MS * 1000000ULL;
static const uint64_t most_ns = DEMAND_STRETCH_MOST_MS * 1000000ULL;
static const uint64_t half_life_ns = DEMAND_HALF_LIFE_MS * 1000000ULL;

/* What the peak counts for now. */
static unsigned faded(const struct demand *d, uint64_t now)
{
	const uint64_t halvings = (now - d->peak_ns) / half_life_ns;
	return halvings < 32 ? d->peak >> halvings : 0;
}

void demand_note(struct demand *d, uint64_t now)
{
	const uint64_t stretch_ns = d->made_ns > least_ns ? d->made_ns : least_ns;
	if (now - d->stretch_ns >= stretch_ns) {
		d->stretch_ns = now;
		d->calls = 0;
	}
	d->calls++;
	if (d->calls >= faded(d, now)) {
		d->peak = d->calls;
		d->peak_ns = now;
	}
}

void demand_made(struct demand *d, uint64_t took_ns)
{
	const uint64_t took = took_ns < most_ns ? took_ns : most_ns;
	d->made_ns = d->made_ns == 0 ? took : (d->made_ns * 3 + took) / 4;
}

bool demand_is_slow(const struct demand *d)
{
	return d->made_ns > least_ns;
}

unsigned demand_jails(const struct demand *d, uint64_t now)
{
	if (d->peak == 0)
		return 0;
	const unsigned jails = faded(d, now);
	return jails > 0 ? jails : 1;
}
