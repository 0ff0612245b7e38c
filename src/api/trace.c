#include "api/trace.h"

#include <sodium.h>
#include <string.h>

/* Lower-case hexadecimal, not all zeros; both as the standard wants it. */
static bool id_valid(const char *text, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	return strspn(text, digits) >= len && strspn(text, "0") < len;
}

static bool hex_valid(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdef") >= len;
}

static int hex_value(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* "00-<trace id>-<parent id>-<flags>"; what later versions put behind that is passed over. */
static bool parent_valid(const char *text)
{
	enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, LEN = 55 };
	const size_t len = strlen(text);
	if (len < LEN || !hex_valid(text, 2) || strncmp(text, "ff", 2) == 0)
		return false;
	if (len > LEN && (strncmp(text, "00", 2) == 0 || text[LEN] != '-'))
		return false;
	return text[TRACE_AT - 1] == '-' && text[PARENT_AT - 1] == '-' &&
	       text[FLAGS_AT - 1] == '-' && id_valid(text + TRACE_AT, TRACE_ID) &&
	       id_valid(text + PARENT_AT, TRACE_SPAN) && hex_valid(text + FLAGS_AT, 2);
}

/* Random bytes in hexadecimal. They are drawn many at a time: each draw is a system call. */
static void hex_random(char *to, size_t digits)
{
	static unsigned char stock[4800];
	static size_t used = sizeof(stock);
	if (used + digits / 2 > sizeof(stock)) {
		randombytes_buf(stock, sizeof(stock));
		used = 0;
	}
	(void)sodium_bin2hex(to, digits + 1, stock + used, digits / 2);
	used += digits / 2;
}

void trace_begin(struct trace *trace, const char *parent)
{
	const bool valid = parent != NULL && parent_valid(parent);
	if (valid) {
		memcpy(trace->id, parent + 3, TRACE_ID);
		trace->id[TRACE_ID] = '\0';
		trace->sampled = (hex_value(parent[54]) & 1) != 0;
	} else {
		do
			hex_random(trace->id, TRACE_ID);
		while (!id_valid(trace->id, TRACE_ID));
		trace->sampled = false;
	}
	do
		hex_random(trace->span, TRACE_SPAN);
	while (!id_valid(trace->span, TRACE_SPAN));
}
