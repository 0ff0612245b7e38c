#pragma once

/*
 * log: one JSON object a line on stderr, written by one write(2), so that lines of several
 * processes do not mix. No secrets: callers pass what may be read by an operator.
 */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below this level are dropped; LOG_INFO at start. */
void log_set_level(enum log_level level);
/* The process's role in every line: "supervisor", "jailer", "server"; borrowed, static. */
void log_set_role(const char *role);

/* {"time":…,"level":…,"role":…,"message":…} */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
