/* The text exposition format 0.0.4 of Prometheus: HELP and TYPE of each fact, then its series. */

#include "metrics/internal.h"

/* What has more series than this shows only those that are not zero. */
enum { ZEROS_SHOWN = 17 };

static const char *const type_names[] = {"counter", "histogram", "gauge"};

static void head_put(struct buf *to, const char *name, const char *help, const char *type)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* "{kind="exec",le="0.1"}", or nothing where there is no label. */
static void labels_put(
	struct buf *to, const struct metric_fact *fact, unsigned series, const char *bound)
{
	const struct metric_set *sets[2] = {fact->a, fact->b};
	const unsigned values[2] = {series / fact->b->count, series % fact->b->count};
	char before = '{';
	for (unsigned i = 0; i < 2; i++) {
		if (sets[i]->label[0] == '\0')
			continue;
		buf_printf(to, "%c%s=\"%s\"", before, sets[i]->label, sets[i]->values[values[i]]);
		before = ',';
	}
	if (bound != NULL) {
		buf_printf(to, "%cle=\"%s\"", before, bound);
		before = ',';
	}
	if (before == ',')
		buf_putc(to, '}');
}

static void seconds_put(struct buf *to, uint64_t ns)
{
	buf_printf(to, "%llu.%09llu\n", (unsigned long long)(ns / 1000000000U),
		(unsigned long long)(ns % 1000000000U));
}

static void histogram_put(struct buf *to, const struct metric_fact *fact, unsigned series)
{
	const struct metric_histogram *h = metric_histogram_of(fact, series);
	uint64_t count = 0;
	for (unsigned i = 0; i <= METRIC_BUCKETS; i++)
		count += h->counts[i];
	if (count == 0 && metric_series(fact) > ZEROS_SHOWN)
		return;
	uint64_t below = 0;
	for (unsigned i = 0; i <= METRIC_BUCKETS; i++) {
		below += h->counts[i];
		buf_printf(to, "%s_bucket", fact->prometheus);
		labels_put(
			to, fact, series, i < METRIC_BUCKETS ? metric_buckets[i].seconds : "+Inf");
		buf_printf(to, " %llu\n", (unsigned long long)below);
	}
	buf_printf(to, "%s_sum", fact->prometheus);
	labels_put(to, fact, series, NULL);
	buf_putc(to, ' ');
	seconds_put(to, h->sum_ns);
	buf_printf(to, "%s_count", fact->prometheus);
	labels_put(to, fact, series, NULL);
	buf_printf(to, " %llu\n", (unsigned long long)count);
}

static void value_put(struct buf *to, const struct metric_fact *fact, unsigned series)
{
	const uint64_t value = metric_value(fact, series);
	if (value == 0 && metric_series(fact) > ZEROS_SHOWN)
		return;
	buf_puts(to, fact->prometheus);
	labels_put(to, fact, series, NULL);
	buf_printf(to, " %llu\n", (unsigned long long)value);
}

static void steps_put(struct buf *to)
{
	static const char name[] = "sky_initialize_system_seconds";
	head_put(to, name, "Steps of initialisation before the server's start.", "gauge");
	for (unsigned i = 0; i < metric_steps_count; i++) {
		buf_printf(to, "%s{step=\"%s\"} ", name, metric_steps[i].name);
		seconds_put(to, metric_steps[i].ns);
	}
}

void metrics_expose(struct buf *to)
{
	metrics_sample(true);
	for (unsigned m = 0; m < METRICS; m++) {
		const struct metric_fact *fact = &metric_facts[m];
		head_put(to, fact->prometheus, fact->help, type_names[fact->kind]);
		for (unsigned i = 0; i < metric_series(fact); i++) {
			if (fact->kind == METRIC_TIMER)
				histogram_put(to, fact, i);
			else
				value_put(to, fact, i);
		}
	}
	steps_put(to);
	head_put(to, "sky_build_info", "Always 1; its label says what runs.", "gauge");
	buf_puts(to, "sky_build_info{version=\"" SKY_VERSION "\"} 1\n");
}
