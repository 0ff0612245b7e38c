/* log: each line is one JSON object, whatever is said in it. */

#include "base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static int own_stderr, out;

static int catch (void **state)
{
	int pair[2];
	(void)state;
	own_stderr = dup(STDERR_FILENO);
	if (own_stderr < 0 || pipe2(pair, O_NONBLOCK | O_CLOEXEC) < 0 ||
		dup2(pair[1], STDERR_FILENO) < 0)
		return -1;
	(void)close(pair[1]);
	(void)fcntl(STDERR_FILENO, F_SETFL, 0); /* as a log is: waits where nobody reads */
	out = pair[0];
	return 0;
}

static int release(void **state)
{
	(void)state;
	(void)dup2(own_stderr, STDERR_FILENO);
	(void)close(own_stderr);
	(void)close(out);
	return 0;
}

/* The one line that was written, as JSON. */
static json_t *line_read(void)
{
	char line[65536];
	json_error_t error;
	const ssize_t n = read(out, line, sizeof(line));
	assert_true(n > 1);
	assert_true(n <= PIPE_BUF);
	assert_ptr_equal(memchr(line, '\n', (size_t)n), line + n - 1);
	json_t *said = json_loadb(line, (size_t)n, JSON_REJECT_DUPLICATES, &error);
	if (said == NULL)
		print_message("%s: %.*s\n", error.text, (int)n, line);
	assert_non_null(said);
	return said;
}

static const char *member(const json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

static void text_is_escaped(void **state)
{
	(void)state;
	const struct log_field fields[] = {
		{"path", .text = "/\"\\\x01\x7f\xff/\xc3\xa4\xed\xa0\x80"}, {"code", .text = NULL},
		{"status", .number = 200, .is_number = true},
		{"ms", .number = 123, .decimals = 3, .is_number = true}};
	log_write_with(LOG_WARN, fields, 4, "two\nlines\t%s", "\xe2\x82");
	json_t *line = line_read();
	assert_string_equal(member(line, "level"), "warn");
	assert_string_equal(member(line, "path"),
		"/\"\\\x01\x7f\xef\xbf\xbd/\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(member(line, "message"), "two\nlines\t\xef\xbf\xbd\xef\xbf\xbd");
	assert_null(json_object_get(line, "code"));
	assert_int_equal(json_integer_value(json_object_get(line, "status")), 200);
	assert_true(json_real_value(json_object_get(line, "ms")) == 0.123);
	assert_int_equal(strlen(member(line, "time")), strlen("2026-11-22T12:05:40.123Z"));
	json_decref(line);
}

static void what_is_long_is_cut(void **state)
{
	(void)state;
	char text[8192];
	const char *const fills[] = {"x", "\x01", "\"", "\xc3\xa4", "\xf0\x9f\x8f\x9d", "\xff"};
	for (size_t fill = 0; fill < sizeof(fills) / sizeof(fills[0]); fill++) {
		const size_t len = strlen(fills[fill]);
		for (size_t at = 0; at + len < sizeof(text); at += len)
			memcpy(text + at, fills[fill], len + 1);
		const struct log_field fields[] = {{"a", .text = text}, {"b", .text = text},
			{"c", .text = text}, {"d", .text = text}, {"e", .text = text}};
		log_write_with(LOG_INFO, fields, 5, "%s", text);
		json_t *line = line_read();
		assert_non_null(json_object_get(line, "a"));
		json_decref(line);
		log_info("%s", text);
		json_decref(line_read());
	}
}

static void lower_levels_are_dropped(void **state)
{
	(void)state;
	char byte;
	log_debug("nothing");
	assert_int_equal(read(out, &byte, 1), -1);
}

/* A reader that stands still holds up nobody. */
static void a_full_pipe_loses_lines(void **state)
{
	(void)state;
	char bytes[65536];
	log_never_wait();
	assert_int_equal(log_lost(), 0);
	for (unsigned i = 0; i < 2000 && log_lost() == 0; i++)
		log_info("%1000d", i);
	assert_int_equal(log_lost(), 1);
	while (read(out, bytes, sizeof(bytes)) > 0)
		;
	log_info("again");
	json_t *line = line_read();
	assert_string_equal(member(line, "message"), "again");
	json_decref(line);
}

/* Of those that are kept all come out in their order: when it is said, with a warning, and before
 * there are too many for a pipe to take them whole. */
static void lines_are_gathered(void **state)
{
	(void)state;
	char text[65536];
	log_gather();
	log_info("first");
	assert_int_equal(read(out, text, sizeof(text)), -1);
	log_info("second");
	log_warn("third");
	ssize_t n = read(out, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	const char *second = strstr(text, "second");
	assert_true(strstr(text, "first") < second && second < strstr(text, "third"));
	log_info("fourth");
	log_flush();
	log_flush();
	json_t *line = line_read();
	assert_string_equal(member(line, "message"), "fourth");
	json_decref(line);
	for (unsigned i = 0; i < 40; i++)
		log_info("%100u", i);
	n = read(out, text, sizeof(text));
	assert_true(n > 0 && n % PIPE_BUF != 0 && text[n - 1] == '\n');
	log_flush();
}

enum { THREADS = 4, LINES = 3000 };

static void *lines_write(void *name)
{
	for (unsigned i = 0; i < LINES; i++)
		log_info("%s %u", (const char *)name, i);
	return NULL;
}

/* Each line of each thread is there once, whole, and a thread's in their order. */
static void threads_write_whole_lines(void **state)
{
	static char names[THREADS][2] = {"a", "b", "c", "d"};
	pthread_t threads[THREADS];
	unsigned next[THREADS] = {0};
	char text[4096];
	FILE *file = tmpfile();
	(void)state;
	assert_non_null(file);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_gather();
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, lines_write, names[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	log_flush();
	rewind(file);
	while (fgets(text, sizeof(text), file) != NULL) {
		json_t *line = json_loads(text, 0, NULL);
		assert_non_null(line);
		const char *message = member(line, "message");
		const unsigned thread = (unsigned)(message[0] - 'a');
		assert_true(thread < THREADS);
		assert_int_equal(strtoul(message + 2, NULL, 10), next[thread]++);
		json_decref(line);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(next[i], LINES);
	(void)fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_is_escaped, catch, release),
		cmocka_unit_test_setup_teardown(what_is_long_is_cut, catch, release),
		cmocka_unit_test_setup_teardown(lower_levels_are_dropped, catch, release),
		cmocka_unit_test_setup_teardown(a_full_pipe_loses_lines, catch, release),
		cmocka_unit_test_setup_teardown(lines_are_gathered, catch, release),
		cmocka_unit_test_setup_teardown(threads_write_whole_lines, catch, release),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
