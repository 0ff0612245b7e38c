#include "base/clock.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

uint64_t clock_unix_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

/* Reads a unit at *text, moves past it and returns its nanoseconds; 0 where there is none. */
static double unit_read(const char **text)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9},
		{"h", 3600e9}};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);
		if (strncmp(*text, units[i].name, len) == 0) {
			*text += len;
			return units[i].ns;
		}
	}
	return 0;
}

int64_t clock_parse_duration(const char *text)
{
	const double most = 10 * 365.25 * 24 * 3600e9;
	double total = 0;
	if (strcmp(text, "0") == 0)
		return 0;
	if (*text == '\0')
		return -1;
	while (*text != '\0') {
		double value = 0;
		int digits = 0;
		for (; isdigit((unsigned char)*text); text++, digits++)
			value = value * 10 + (*text - '0');
		if (*text == '.') {
			double place = 0.1;
			for (text++; isdigit((unsigned char)*text); text++, digits++, place /= 10)
				value += place * (*text - '0');
		}
		double unit = digits > 0 ? unit_read(&text) : 0;
		if (unit <= 0)
			return -1;
		total += value * unit;
		if (total > most)
			return -1;
	}
	return (int64_t)total;
}
