#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level lowest = LOG_INFO;
static const char *role = "sky-island";

void log_set_level(enum log_level level)
{
	lowest = level;
}

void log_set_role(const char *name)
{
	role = name;
}

/* Appends text as the inside of a JSON string; stops when `to` is full. */
static size_t json_escape(char *to, size_t size, const char *text)
{
	size_t used = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && used + 7 < size;
		p++) {
		if (*p == '"' || *p == '\\') {
			to[used++] = '\\';
			to[used++] = (char)*p;
		} else if (*p < 0x20 || *p == 0x7f) {
			used += (size_t)snprintf(to + used, size - used, "\\u%04x", *p);
		} else {
			to[used++] = (char)*p;
		}
	}
	to[used] = '\0';
	return used;
}

void log_write(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	if (level < lowest)
		return;
	char message[2048];
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	char escaped[3 * sizeof(message)];
	(void)json_escape(escaped, sizeof(escaped), message);
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	struct tm utc;
	(void)gmtime_r(&now.tv_sec, &utc);
	char stamp[32];
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	char line[sizeof(escaped) + 256];
	int len = snprintf(line, sizeof(line),
		"{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"role\":\"%s\",\"message\":\"%s\"}\n",
		stamp, now.tv_nsec / 1000000, names[level], role, escaped);
	if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* nobody reads the log; nothing better to do */
}
