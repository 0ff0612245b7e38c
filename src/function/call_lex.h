#pragma once

/*
 * call_lex: the tokens of a call's text (Go specification, Lexical elements), with the semicolons
 * that Go inserts at the ends of lines. It reads text that is UTF-8 without NUL. Where it cannot
 * say for certain what Go's scanner would, it goes on and sets `unsure`: the text is then no
 * literal call.
 */

#include <stdbool.h>
#include <stddef.h>

/* Other punctuation comes character by character: && as '&' twice. */
enum call_token_kind {
	CALL_TOKEN_END = 256, /* of the text */
	CALL_TOKEN_NEWLINE,   /* a semicolon that Go inserts here */
	CALL_TOKEN_NAME,      /* an identifier */
	CALL_TOKEN_KEYWORD,
	CALL_TOKEN_INT,
	CALL_TOKEN_FLOAT,
	CALL_TOKEN_IMAGINARY,
	CALL_TOKEN_RUNE,        /* with its quotes; what is between them is not looked at */
	CALL_TOKEN_STRING,      /* likewise */
	CALL_TOKEN_RAW,         /* likewise, in backquotes */
	CALL_TOKEN_DOTS,        /* ... */
	CALL_TOKEN_OPERATOR,    /* ++ -- <- << */
	CALL_TOKEN_STRING_OPEN, /* a string or rune that does not end */
	CALL_TOKEN_COMMENT_OPEN,
};

struct call_token {
	int kind;         /* an enum call_token_kind, or the character itself */
	const char *text; /* borrowed from the lexer's text */
	size_t len;       /* bytes; 0 at the end and for a newline */
};

/* Set text and len, the rest zero. The text is borrowed. */
struct call_lex {
	const char *text;
	size_t len;
	size_t at;
	bool ends;   /* the last token can end a statement: a newline here is a semicolon */
	bool unsure; /* Go may refuse what was read: a malformed number, an unknown letter, … */
};

void call_lex_next(struct call_lex *lex, struct call_token *token);
