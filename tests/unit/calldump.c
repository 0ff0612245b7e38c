/*
 * calldump: what call_parse makes of texts, for tests in other languages. Reads texts on standard
 * input, each behind its length as u32, until the end, and writes for each: kind:u8 len:u32
 * payload, little-endian. kind 0: a literal call, name:str16 count:u16 node*, as in frame.h; 1: an
 * expression, empty; 2: refused, the code, a NUL, the text.
 */

#include "function/call.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 16 * 1024 * 1024 };

/* 1: *text is the next one; 0: there is no more; -1: the input is cut short. */
static int read_text(struct buf *text)
{
	unsigned char head[4];
	buf_clear(text);
	size_t got = fread(head, 1, sizeof(head), stdin);
	if (got != sizeof(head))
		return got == 0 && feof(stdin) ? 0 : -1;
	size_t len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 |
		     (size_t)head[3] << 24;
	if (len > TEXT_MAX || fread(buf_reserve(text, len), 1, len, stdin) != len)
		return -1;
	text->len = len;
	return 1;
}

static void write_answer(struct buf *answer, const struct buf *text)
{
	struct call call;
	struct fault f = {0};
	struct buf payload = {0};
	int kind = 2;
	if (call_parse(&call, text->data, text->len, &f) < 0) {
		buf_append(&payload, f.code, strlen(f.code) + 1);
		buf_puts(&payload, f.text);
	} else if (call.kind == CALL_LITERAL) {
		kind = 0;
		buf_put_u16(&payload, (uint16_t)strlen(call.name));
		buf_puts(&payload, call.name);
		buf_append(&payload, call.nodes.data, call.nodes.len);
	} else {
		kind = 1;
	}
	call_finish(&call);
	buf_clear(answer);
	buf_putc(answer, (char)kind);
	buf_put_u32(answer, (uint32_t)payload.len);
	buf_append(answer, payload.data, payload.len);
	buf_finish(&payload);
}

int main(void)
{
	struct buf text = {0};
	struct buf answer = {0};
	int more;
	while ((more = read_text(&text)) > 0) {
		write_answer(&answer, &text);
		(void)fwrite(answer.data, 1, answer.len, stdout);
	}
	buf_finish(&text);
	buf_finish(&answer);
	bool written = fflush(stdout) == 0 && !ferror(stdout);
	return more == 0 && written ? EXIT_SUCCESS : EXIT_FAILURE;
}
