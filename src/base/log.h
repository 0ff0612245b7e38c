#pragma once

/*
 * log: one JSON object a line on stderr, each written whole by a write(2), so that lines of several
 * processes do not mix. No secrets: callers pass what may be read by an operator.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* A member of the line: text (NULL: left out), or number / 10^decimals. The name is ours, and needs
 * no escape. */
struct log_field {
	const char *name, *text;
	uint64_t number;
	unsigned decimals;
	bool is_number;
};

/* Lines below this level are dropped; LOG_INFO at start. */
void log_set_level(enum log_level level);
/* The process's role in every line: "supervisor", "helper", "jailer", "server"; borrowed, static. */
void log_set_role(const char *role);
/* From now on a line that stderr does not take at once is dropped and counted: for a process that
 * must not wait for who reads its log. */
void log_never_wait(void);
unsigned long log_lost(void);
/* From now on lines below LOG_WARN are kept, a page of them at most, until log_flush or the end of
 * the process: for one that says when, each time before it waits. */
void log_gather(void);
void log_flush(void);

/* {"time":…,"level":…,"role":…,"message":…} */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with more members. What is not UTF-8 becomes U+FFFD; texts longer than 512 bytes are
 * cut. */
void log_write_with(enum log_level level, const struct log_field *fields, size_t count,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
