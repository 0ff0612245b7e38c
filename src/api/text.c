#include "api/exchange.h"

#include "function/call_char.h"

#include <string.h>

char *text_clean(const char *data, size_t len, size_t *out_len, bool *clean)
{
	struct buf out = {0};
	size_t from = 0; /* start of the run of good bytes not yet copied */
	*clean = true;
	(void)buf_reserve(&out, len);
	for (size_t at = 0; at < len;) {
		uint32_t c;
		size_t bytes = (unsigned char)data[at] < 0x80
				       ? 1
				       : call_char_decode(data + at, len - at, &c);
		if (bytes == 0) {
			buf_append(&out, data + from, at - from);
			buf_puts(&out, "\xef\xbf\xbd");
			*clean = false;
			at++;
			from = at;
		} else {
			at += bytes;
		}
	}
	if (len > from)
		buf_append(&out, data + from, len - from);
	*out_len = out.len;
	return out.data;
}

/* Bytes from the start that stand for themselves in a JSON string. */
static size_t plain_len(const char *data, size_t len)
{
	size_t at = 0;
	while (at < len && (unsigned char)data[at] >= ' ' && (unsigned char)data[at] < 0x80 &&
		data[at] != '"' && data[at] != '\\')
		at++;
	return at;
}

static void escape_put(struct buf *to, char c)
{
	static const char from[] = "\"\\\b\f\n\r\t";
	static const char as[] = "\"\\bfnrt";
	static const char hex[] = "0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(from, c) : NULL;
	const char code[] = {'u', '0', '0', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15]};
	buf_putc(to, '\\');
	buf_append(to, at != NULL ? &as[at - from] : code, at != NULL ? 1 : sizeof(code));
}

bool text_quote(struct buf *to, const char *data, size_t len)
{
	bool clean = true;
	buf_putc(to, '"');
	for (size_t at = 0; at < len;) {
		const size_t plain = plain_len(data + at, len - at);
		buf_append(to, data + at, plain);
		at += plain;
		if (at == len)
			break;
		uint32_t c;
		const size_t bytes = (unsigned char)data[at] < 0x80
					     ? 1
					     : call_char_decode(data + at, len - at, &c);
		if (bytes == 0) {
			buf_puts(to, "\xef\xbf\xbd");
			clean = false;
		} else if (bytes == 1) {
			escape_put(to, data[at]);
		} else {
			buf_append(to, data + at, bytes);
		}
		at += bytes > 0 ? bytes : 1;
	}
	buf_putc(to, '"');
	return clean;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* What "a%20b+c" stands for; NUL is none of it. */
static char *query_decode(const char *text, size_t len)
{
	struct buf out = {0};
	for (size_t i = 0; i < len; i++) {
		int high = text[i] == '%' ? hex_digit(text[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
		if (low >= 0 && (high != 0 || low != 0)) {
			buf_putc(&out, (char)(high << 4 | low));
			i += 2;
		} else {
			buf_putc(&out, (char)(text[i] == '+' ? ' ' : text[i]));
		}
	}
	char *value = mem_strndup(out.len > 0 ? out.data : "", out.len);
	buf_finish(&out);
	return value;
}

char *query_value(const struct http_exchange *x, const char *name)
{
	const size_t name_len = strlen(name);
	for (const char *at = http_query(x); *at != '\0';) {
		const size_t len = strcspn(at, "&");
		const char *equals = memchr(at, '=', len);
		const size_t key = equals != NULL ? (size_t)(equals - at) : len;
		if (key == name_len && strncmp(at, name, key) == 0)
			return equals != NULL ? query_decode(equals + 1, len - key - 1)
					      : mem_strdup("");
		at += len + (at[len] == '&');
	}
	return NULL;
}
