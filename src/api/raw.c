/*
 * A member's value as it was written. jansson checks and decodes, but a number it has decoded is a
 * double or 64 bits, and not the text that came any more; what is only passed on, arguments to a
 * driver and results from it, is cut out instead.
 */

#include "api/exchange.h"

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
