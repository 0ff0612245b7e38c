/*
 * A member's value as it was written. jansson checks and decodes, but a number it has decoded is a
 * double or 64 bits, and not the text that came any more; what is only passed on, arguments to a
 * driver and results from it, is cut out instead.
 */

#include "api/exchange.h"

#include "base/buf.h"
#include "base/defer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t string_end(const char *text, size_t len, size_t at)
{
	for (at++; at < len && text[at] != '"'; at++) {
		if (text[at] == '\\')
			at++;
	}
	return at + 1;
}

/* Behind the value that begins at `at`: text is valid JSON, so brackets outside of strings are all
 * that counts. */
static size_t value_end(const char *text, size_t len, size_t at)
{
	unsigned depth = 0;
	while (at < len) {
		char c = text[at];
		if (c == '"') {
			at = string_end(text, len, at);
			if (depth == 0)
				return at;
			continue;
		}
		if (depth == 0 && strchr(",]} \t\r\n", c) != NULL)
			return at;
		depth += c == '[' || c == '{';
		if (c == ']' || c == '}') {
			depth--;
			if (depth == 0)
				return at + 1;
		}
		at++;
	}
	return at;
}

static size_t space_skip(const char *text, size_t len, size_t at)
{
	while (at < len && strchr(" \t\r\n:,", text[at]) != NULL)
		at++;
	return at;
}

static size_t digits_end(const char *text, size_t len, size_t at)
{
	while (at < len && text[at] >= '0' && text[at] <= '9')
		at++;
	return at;
}

/* Behind the number that begins at `at` (RFC 8259, section 6); `at` itself: there is none. */
static size_t number_end(const char *text, size_t len, size_t at)
{
	const size_t whole = at + (text[at] == '-');
	size_t end = whole < len && text[whole] == '0' ? whole + 1 : digits_end(text, len, whole);
	if (end == whole)
		return at;
	if (end < len && text[end] == '.') {
		const size_t fraction = digits_end(text, len, end + 1);
		if (fraction == end + 1)
			return at;
		end = fraction;
	}
	if (end < len && (text[end] == 'e' || text[end] == 'E')) {
		const size_t power =
			end + 1 + (end + 1 < len && strchr("+-", text[end + 1]) != NULL);
		end = digits_end(text, len, power);
		if (end == power)
			return at;
	}
	return end;
}

static bool stands_alone(const char *text, size_t len, size_t at, size_t end)
{
	return (at == 0 || strchr("[:, \t\r\n", text[at - 1]) != NULL) &&
	       (end == len || strchr("]}, \t\r\n", text[end]) != NULL);
}

/* Numbers too large for a double become 0, with spaces behind. What is no JSON stays none. */
static void numbers_shrink(char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		if (text[at] == '"') {
			at = string_end(text, len, at);
			continue;
		}
		const size_t end = number_end(text, len, at);
		if (end > at && stands_alone(text, len, at, end) &&
			isinf(strtod(text + at, NULL))) {
			memset(text + at, ' ', end - at);
			text[at] = '0';
		}
		at = end > at ? end : at + 1;
	}
}

json_t *raw_load(const char *text, size_t len, size_t flags, json_error_t *error)
{
	json_t *loaded = json_loadb(text, len, flags, error);
	if (loaded != NULL || json_error_code(error) != json_error_numeric_overflow)
		return loaded;
	defer_free char *other = mem_alloc(len + 1);
	memcpy(other, text, len);
	other[len] = '\0';
	numbers_shrink(other, len);
	return json_loadb(other, len, flags, error);
}

const char *raw_member(const char *text, size_t len, const char *name, size_t *value_len)
{
	const size_t name_len = strlen(name);
	size_t at = space_skip(text, len, 0);
	if (at >= len || text[at] != '{')
		return NULL;
	for (at = space_skip(text, len, at + 1); at < len && text[at] == '"';) {
		const size_t key = at + 1;
		at = string_end(text, len, at);
		const bool hit =
			at - 1 - key == name_len && memcmp(text + key, name, name_len) == 0;
		const size_t value = space_skip(text, len, at);
		at = value_end(text, len, value);
		if (hit) {
			*value_len = at - value;
			return text + value;
		}
		at = space_skip(text, len, at);
	}
	return NULL;
}
