#pragma once

/* clock: CLOCK_MONOTONIC and CLOCK_REALTIME in nanoseconds, and durations as people write them. */

#include <stdint.h>

uint64_t clock_mono_ns(void);
uint64_t clock_unix_ns(void);

/* "250ms", "5s", "8h", "1h30m", "1.5s" → nanoseconds; -1 where the text is no duration or is
 * negative or above ten years. The syntax of Go's time.ParseDuration, without signs. */
int64_t clock_parse_duration(const char *text);
