#pragma once

/*
 * call: reads the text of a call as far as C may: a literal call `Name(args…)` whose arguments are
 * Go literals becomes the nodes of a CALL frame (frame.h); any other text is left to go/parser in
 * the build jail, which decides whether it is one Go expression. Nothing here ever turns text into
 * source. Grammar: the Go specification (Lexical elements; Composite literals; Conversions), read
 * by recursive descent with a depth limit.
 */

#include "base/buf.h"
#include "base/fault.h"

enum call_kind {
	CALL_LITERAL,    /* name and nodes are set */
	CALL_EXPRESSION, /* anything else; the text goes to the build jail */
};

enum { CALL_TEXT_MAX = 256 * 1024, CALL_DEPTH_MAX = 200 };

struct call {
	enum call_kind kind;
	char *name;       /* literal calls: the function's name */
	struct buf nodes; /* literal calls: count:u16 node*, as in frame.h */
};

/* Parses `text` of `len` bytes. FAULT_INPUT with a code where no Go expression can begin or go on
 * like this: call_empty, call_nul, call_utf8, call_unbalanced, call_too_deep (also for what would
 * be an expression), call_statement (a ';', or a newline where Go inserts one, outside of brackets
 * and literals), call_comment_open, call_string_open; FAULT_TOO_LARGE call_too_large. Everything
 * else that is not a literal call is CALL_EXPRESSION. */
int call_parse(struct call *call, const char *text, size_t len, struct fault *f);
void call_finish(struct call *call);
