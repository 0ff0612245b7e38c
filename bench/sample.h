#pragma once

/* sample: durations collected by the bench's helpers, and their percentiles as JSON. */

#include "base/buf.h"

struct sample {
	uint64_t *ns;
	size_t count, cap;
};

void sample_add(struct sample *s, uint64_t ns);
/* Appends {"count":…,"mean":…,"p50":…,"p90":…,"p99":…,"max":…} in milliseconds; null where there is
 * none. Sorts. */
void sample_put(struct sample *s, struct buf *out);
