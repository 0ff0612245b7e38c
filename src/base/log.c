#include "base/log.h"

#include "base/buf.h"

#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What is written at once goes into a pipe whole, and where poll says that there is room it does
 * not wait. */
enum { LINE_MAX = 4096, MESSAGE_MAX = 2048, TEXT_MAX = 512, END_MAX = 8 };

static enum log_level lowest = LOG_INFO;
static const char *role = "sky-island";
static bool never_wait, gathers;
/* What follows, and what a line is made of: threads of the server's write too. */
static atomic_flag taken = ATOMIC_FLAG_INIT;
static unsigned long lost;

struct line {
	char text[LINE_MAX];
	size_t len;
};

static struct line gathered; /* whole lines */
static unsigned gathered_count;

/* For as long as a line takes to write; no mutex, which FreeBSD's jailer would need libthr for. */
static void lock(void)
{
	while (atomic_flag_test_and_set_explicit(&taken, memory_order_acquire))
		(void)sched_yield();
}

static void unlock(void)
{
	atomic_flag_clear_explicit(&taken, memory_order_release);
}

void log_set_level(enum log_level level)
{
	lowest = level;
}

void log_set_role(const char *name)
{
	role = name;
}

void log_never_wait(void)
{
	never_wait = true;
}

unsigned long log_lost(void)
{
	lock();
	const unsigned long now = lost;
	unlock();
	return now;
}

/* How many bytes the character at p has; 0: it is not UTF-8 (RFC 3629, section 4). A NUL ends every
 * sequence. */
static size_t utf8_len(const unsigned char *p)
{
	const unsigned char first = p[0];
	const size_t len = first < 0xc2   ? 0
			   : first < 0xe0 ? 2
			   : first < 0xf0 ? 3
			   : first < 0xf5 ? 4
					  : 0;
	if (first < 0x80)
		return 1;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	const bool bad = (first == 0xe0 && p[1] < 0xa0) || (first == 0xed && p[1] > 0x9f) ||
			 (first == 0xf0 && p[1] < 0x90) || (first == 0xf4 && p[1] > 0x8f);
	return bad ? 0 : len;
}

static void put(struct line *line, const char *text, size_t len)
{
	if (line->len + len > sizeof(line->text) - END_MAX)
		return;
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

/* Text as the inside of a JSON string, its first `max` bytes at most. */
static void put_escaped(struct line *line, const char *text, size_t max)
{
	const unsigned char *end = (const unsigned char *)text + strnlen(text, max);
	for (const unsigned char *p = (const unsigned char *)text; p < end;) {
		const size_t len = utf8_len(p);
		char code[8];
		if (p + len > end)
			return; /* cut in its middle */
		if (len == 0) {
			put(line, "\\ufffd", 6);
		} else if (*p == '"' || *p == '\\') {
			put(line, (const char[]){'\\', (char)*p}, 2);
		} else if (*p < 0x20 || *p == 0x7f) {
			(void)snprintf(code, sizeof(code), "\\u%04x", *p);
			put(line, code, 6);
		} else {
			put(line, (const char *)p, len);
		}
		p += len > 0 ? len : 1;
	}
}

/* The second is worded once. */
static void put_time(struct line *line)
{
	static time_t worded = -1;
	static char stamp[32];
	char millis[32];
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != worded) {
		struct tm utc;
		(void)gmtime_r(&now.tv_sec, &utc);
		(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
		worded = now.tv_sec;
	}
	const int len = snprintf(millis, sizeof(millis), ".%03ldZ", now.tv_nsec / 1000000);
	put(line, stamp, strlen(stamp));
	put(line, millis, (size_t)len);
}

/* ,"name":"…": opened and closed whole, or left out where the line is full. */
static void put_text(struct line *line, const char *name, const char *text, size_t max)
{
	const size_t name_len = strlen(name);
	if (line->len + name_len + 2 * END_MAX > sizeof(line->text) - END_MAX)
		return;
	put(line, ",\"", 2);
	put(line, name, name_len);
	put(line, "\":\"", 3);
	put_escaped(line, text, max);
	line->text[line->len++] = '"'; /* END_MAX keeps room for it */
}

static void put_number(struct line *line, const struct log_field *field)
{
	char text[DECIMAL_MAX];
	const size_t len = decimal_put(text, field->number, field->decimals);
	const size_t name_len = strlen(field->name);
	if (line->len + name_len + len + 3 > sizeof(line->text) - END_MAX)
		return;
	put(line, ",\"", 2);
	put(line, field->name, name_len);
	put(line, "\":", 2);
	put(line, text, len);
}

static void text_write(const char *text, size_t len, unsigned lines)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
	const bool full = never_wait && poll(&room, 1, 0) == 0;
	/* Where nobody reads the log there is nothing better to do. */
	if (full || write(STDERR_FILENO, text, len) < 0)
		lost += lines;
}

static void flush(void)
{
	if (gathered_count > 0)
		text_write(gathered.text, gathered.len, gathered_count);
	gathered.len = gathered_count = 0;
}

void log_flush(void)
{
	lock();
	flush();
	unlock();
}

void log_gather(void)
{
	gathers = true;
	(void)atexit(log_flush);
}

static void line_write(struct line *line, enum log_level level)
{
	line->text[line->len++] = '}';
	line->text[line->len++] = '\n';
	if (!gathers || gathered.len + line->len > sizeof(gathered.text))
		flush();
	if (!gathers) {
		text_write(line->text, line->len, 1);
		return;
	}
	memcpy(gathered.text + gathered.len, line->text, line->len);
	gathered.len += line->len;
	gathered_count++;
	if (level >= LOG_WARN)
		flush();
}

static void write_all(enum log_level level, const struct log_field *fields, size_t count,
	const char *format, va_list ap)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	struct line line;
	char message[MESSAGE_MAX];
	(void)vsnprintf(message, sizeof(message), format, ap);
	lock();
	line.len = 0;
	put(&line, "{\"time\":\"", 9);
	put_time(&line);
	line.text[line.len++] = '"';
	put_text(&line, "level", names[level], TEXT_MAX);
	put_text(&line, "role", role, TEXT_MAX);
	for (size_t i = 0; i < count; i++) {
		if (fields[i].is_number)
			put_number(&line, &fields[i]);
		else if (fields[i].text != NULL)
			put_text(&line, fields[i].name, fields[i].text, TEXT_MAX);
	}
	put_text(&line, "message", message, sizeof(message));
	line_write(&line, level);
	unlock();
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list ap;
	if (level < lowest)
		return;
	va_start(ap, format);
	write_all(level, NULL, 0, format, ap);
	va_end(ap);
}

void log_write_with(
	enum log_level level, const struct log_field *fields, size_t count, const char *format, ...)
{
	va_list ap;
	if (level < lowest)
		return;
	va_start(ap, format);
	write_all(level, fields, count, format, ap);
	va_end(ap);
}
