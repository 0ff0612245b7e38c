#include "sample.h"

#include <stdlib.h>

void sample_add(struct sample *s, uint64_t ns)
{
	if (s->count == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 4096;
		s->ns = realloc(s->ns, s->cap * sizeof(*s->ns));
		if (s->ns == NULL)
			abort();
	}
	s->ns[s->count++] = ns;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a;
	const uint64_t y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* The smallest duration that the given part of all does not exceed, in milliseconds. */
static double quantile(const struct sample *s, unsigned percent)
{
	size_t rank = (s->count * percent + 99) / 100;
	return (double)s->ns[rank > 0 ? rank - 1 : 0] / 1e6;
}

void sample_put(struct sample *s, struct buf *out)
{
	uint64_t sum = 0;
	if (s->count == 0) {
		buf_puts(out, "null");
		return;
	}
	qsort(s->ns, s->count, sizeof(*s->ns), compare);
	for (size_t i = 0; i < s->count; i++)
		sum += s->ns[i];
	buf_printf(out,
		"{\"count\":%zu,\"mean\":%.4f,\"p50\":%.4f,\"p90\":%.4f,\"p99\":%.4f,\"max\":%.4f}",
		s->count, (double)sum / (double)s->count / 1e6, quantile(s, 50), quantile(s, 90),
		quantile(s, 99), (double)s->ns[s->count - 1] / 1e6);
}
