#include "function/call.h"

#include "function/call_char.h"
#include "function/call_lex.h"
#include "function/call_read.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Two readings. The first looks at the whole text as Go's scanner would and refuses what no Go
 * parser takes, with the place and what to do; it must never refuse an expression, whatever is in
 * its strings, comments and function literals. The second, call_read, knows literal calls and
 * nothing else. */

/* Go skips one at the start and refuses it elsewhere. */
#define BYTE_ORDER_MARK 0xFEFFU

/* An opening bracket that waits for its other half. */
struct opener {
	char bracket;
	size_t at;
};

struct checker {
	struct call_lex lex;
	struct opener open[CALL_DEPTH_MAX];
	size_t depth;
	bool some;         /* there was a token */
	bool ended;        /* a newline outside of all brackets has ended the expression … */
	size_t newline_at; /* … here */
};

static size_t mark_len(const char *text, size_t len)
{
	uint32_t c = 0;
	size_t n = len > 0 ? call_char_decode(text, len, &c) : 0;
	return n > 0 && c == BYTE_ORDER_MARK ? n : 0;
}

static int check_characters(const char *text, size_t len, bool *unsure, struct fault *f)
{
	const char *nul = memchr(text, '\0', len);
	if (nul != NULL)
		return fault_code(f, FAULT_INPUT, "call_nul",
			"the call has a NUL at byte %zu, which Go source cannot have: in a string, "
			"write \\x00",
			(size_t)(nul - text));
	for (size_t at = 0; at < len;) {
		uint32_t c = 0;
		size_t n = call_char_decode(text + at, len - at, &c);
		if (n == 0)
			return fault_code(f, FAULT_INPUT, "call_utf8",
				"the call is not UTF-8 at byte %zu (0x%02X): in a string, write "
				"\\x%02x",
				at, (unsigned char)text[at], (unsigned char)text[at]);
		if (c == BYTE_ORDER_MARK && at > 0)
			*unsure = true;
		at += n;
	}
	return 0;
}

static int refuse_semicolon(size_t at, struct fault *f)
{
	return fault_code(f, FAULT_INPUT, "call_statement",
		"the ';' at byte %zu ends the expression, and a call is one expression alone: "
		"remove it",
		at);
}

static int refuse_newline(size_t at, struct fault *f)
{
	return fault_code(f, FAULT_INPUT, "call_statement",
		"the newline at byte %zu ends the expression, as a ';' would, and more follows, "
		"but a "
		"call is one expression alone: remove the newline, or what follows",
		at);
}

static int check_open(struct checker *c, char bracket, size_t at, struct fault *f)
{
	if (c->depth == CALL_DEPTH_MAX)
		return fault_code(f, FAULT_INPUT, "call_too_deep",
			"the '%c' at byte %zu is inside of %d other brackets, and more than that "
			"are "
			"not read: nest the call less",
			bracket, at, CALL_DEPTH_MAX);
	c->open[c->depth++] = (struct opener){bracket, at};
	return 0;
}

static int check_close(struct checker *c, char bracket, size_t at, struct fault *f)
{
	if (c->depth == 0)
		return fault_code(f, FAULT_INPUT, "call_unbalanced",
			"the '%c' at byte %zu closes nothing: remove it, or add what it should "
			"close",
			bracket, at);
	const struct opener *opener = &c->open[--c->depth];
	char wanted = opener->bracket == '(' ? ')' : opener->bracket == '[' ? ']' : '}';
	if (bracket == wanted)
		return 0;
	return fault_code(f, FAULT_INPUT, "call_unbalanced",
		"the '%c' at byte %zu meets the '%c' at byte %zu, which is still open: close that "
		"with '%c' first",
		bracket, at, opener->bracket, opener->at, wanted);
}

static int check_token(struct checker *c, const struct call_token *token, struct fault *f)
{
	size_t at = (size_t)(token->text - c->lex.text);
	switch (token->kind) {
	case CALL_TOKEN_COMMENT_OPEN:
		return fault_code(f, FAULT_INPUT, "call_comment_open",
			"the comment at byte %zu does not end: add */ or remove it", at);
	case CALL_TOKEN_STRING_OPEN:
		return fault_code(f, FAULT_INPUT, "call_string_open",
			"the %s at byte %zu does not end%s: add the closing %c",
			token->text[0] == '\'' ? "rune" : "string", at,
			token->text[0] == '`' ? "" : " on its line", token->text[0]);
	case CALL_TOKEN_NEWLINE:
		c->ended = c->depth == 0;
		c->newline_at = at;
		return 0;
	case ';':
		return c->depth == 0 ? refuse_semicolon(at, f) : 0;
	case '(':
	case '[':
	case '{':
		return check_open(c, (char)token->kind, at, f);
	case ')':
	case ']':
	case '}':
		return check_close(c, (char)token->kind, at, f);
	default:
		return 0;
	}
}

static int check_tokens(struct checker *c, struct fault *f)
{
	struct call_token token;
	for (;;) {
		call_lex_next(&c->lex, &token);
		if (token.kind == CALL_TOKEN_END)
			break;
		if (c->ended)
			return refuse_newline(c->newline_at, f);
		c->some = true;
		if (check_token(c, &token, f) < 0)
			return -1;
	}
	if (c->depth > 0) {
		const struct opener *opener = &c->open[c->depth - 1];
		return fault_code(f, FAULT_INPUT, "call_unbalanced",
			"the '%c' at byte %zu is never closed: add its other half", opener->bracket,
			opener->at);
	}
	if (!c->some)
		return fault_code(f, FAULT_INPUT, "call_empty",
			"there is no call in these %zu bytes: write one, such as Encode(100.1, "
			"80.9)",
			c->lex.len);
	return 0;
}

int call_parse(struct call *call, const char *text, size_t len, struct fault *f)
{
	*call = (struct call){.kind = CALL_EXPRESSION};
	if (len > CALL_TEXT_MAX)
		return fault_code(f, FAULT_TOO_LARGE, "call_too_large",
			"the call has %zu bytes, and from byte %d on none is read: pass less", len,
			CALL_TEXT_MAX);
	if (len == 0)
		text = "";
	size_t start = mark_len(text, len);
	struct checker checker = {.lex = {.text = text, .len = len, .at = start}};
	bool unsure = false;
	if (check_characters(text, len, &unsure, f) < 0 || check_tokens(&checker, f) < 0)
		return -1;
	if (unsure || checker.lex.unsure)
		return 0;
	if (call_read(text + start, len - start, &call->name, &call->nodes))
		call->kind = CALL_LITERAL;
	else
		buf_finish(&call->nodes);
	return 0;
}

void call_finish(struct call *call)
{
	free(call->name);
	buf_finish(&call->nodes);
	*call = (struct call){.kind = CALL_EXPRESSION};
}
