#include "function/call_quote.h"

#include "function/call_char.h"

#include <string.h>

struct escape {
	uint32_t value;
	bool byte; /* the value is a byte of the string, not a character */
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Exactly `digits` digits of `base`; false where one is missing. */
static bool read_digits(const char *text, size_t len, size_t digits, uint32_t base, uint32_t *value)
{
	if (len < digits)
		return false;
	*value = 0;
	for (size_t i = 0; i < digits; i++) {
		int digit = hex_value(text[i]);
		if (digit < 0 || (uint32_t)digit >= base)
			return false;
		*value = *value * base + (uint32_t)digit;
	}
	return true;
}

/* The escapes of one letter; `quote` is the one that may be escaped here. */
static bool read_simple(char c, char quote, uint32_t *value)
{
	static const char letters[] = "abfnrtv\\";
	static const char values[] = "\a\b\f\n\r\t\v\\";
	const char *at = c == '\0' ? NULL : strchr(letters, c);
	if (at == NULL && c != quote)
		return false;
	*value = (uint32_t)(at == NULL ? c : values[at - letters]);
	return true;
}

/* The escape whose backslash stands before `text`. Returns its length without the backslash, 0
 * where it is none. */
static size_t read_escape(const char *text, size_t len, char quote, struct escape *out)
{
	*out = (struct escape){0};
	if (len == 0)
		return 0;
	if (read_simple(text[0], quote, &out->value))
		return 1;
	size_t digits = text[0] == 'x' ? 2 : text[0] == 'u' ? 4 : text[0] == 'U' ? 8 : 0;
	if (digits == 0) {
		out->byte = true;
		bool ok = read_digits(text, len, 3, 8, &out->value) && out->value <= 0xFF;
		return ok ? 3 : 0;
	}
	if (!read_digits(text + 1, len - 1, digits, 16, &out->value))
		return 0;
	out->byte = digits == 2;
	bool surrogate = out->value >= 0xD800 && out->value <= 0xDFFF;
	return surrogate || out->value > 0x10FFFF ? 0 : digits + 1;
}

bool call_quote_string(const char *text, size_t len, struct buf *out)
{
	const char *p = text + 1;
	const char *end = text + len - 1;
	while (p < end) {
		const char *backslash = memchr(p, '\\', (size_t)(end - p));
		const char *plain_end = backslash == NULL ? end : backslash;
		buf_append(out, p, (size_t)(plain_end - p));
		if (backslash == NULL)
			break;
		struct escape escape;
		p = backslash + 1;
		size_t used = read_escape(p, (size_t)(end - p), '"', &escape);
		if (used == 0)
			return false;
		char bytes[4] = {(char)escape.value};
		size_t n = escape.byte ? 1 : call_char_encode(escape.value, bytes);
		buf_append(out, bytes, n);
		p += used;
	}
	return true;
}

void call_quote_raw(const char *text, size_t len, struct buf *out)
{
	const char *p = text + 1;
	const char *end = text + len - 1;
	while (p < end) {
		const char *cr = memchr(p, '\r', (size_t)(end - p));
		const char *piece_end = cr == NULL ? end : cr;
		buf_append(out, p, (size_t)(piece_end - p));
		p = piece_end + 1;
	}
}

bool call_quote_rune(const char *text, size_t len)
{
	const char *p = text + 1;
	size_t inside = len - 2;
	if (inside == 0)
		return false;
	if (p[0] == '\\') {
		struct escape escape;
		return read_escape(p + 1, inside - 1, '\'', &escape) == inside - 1 && inside > 1;
	}
	uint32_t c;
	return call_char_decode(p, inside, &c) == inside;
}
