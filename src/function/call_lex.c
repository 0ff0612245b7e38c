#include "function/call_lex.h"

#include "function/call_char.h"
#include "function/call_number.h"

#include <stdint.h>
#include <string.h>

static int peek(const struct call_lex *lex, size_t ahead)
{
	return lex->len - lex->at > ahead ? (unsigned char)lex->text[lex->at + ahead] : -1;
}

static bool is_word(const struct call_token *token, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strlen(*words) == token->len && memcmp(*words, token->text, token->len) == 0)
			return true;
	}
	return false;
}

/* A comment's text. Go takes "line " at its start for a position, and refuses one that is none. */
static void comment_check(struct call_lex *lex, const char *body, size_t len)
{
	static const char directive[] = "line ";
	if (len >= strlen(directive) && memcmp(body, directive, strlen(directive)) == 0)
		lex->unsure = true;
}

static void comment_line(struct call_lex *lex)
{
	const char *body = lex->text + lex->at + 2;
	size_t rest = lex->len - lex->at - 2;
	const char *end = memchr(body, '\n', rest);
	size_t len = end == NULL ? rest : (size_t)(end - body);
	comment_check(lex, body, len);
	lex->at += 2 + len;
}

/* A comment with a newline inside counts as that newline. Returns whether the token is made. */
static bool comment_block(struct call_lex *lex, struct call_token *token)
{
	const char *body = lex->text + lex->at + 2;
	const char *end = memmem(body, lex->len - lex->at - 2, "*/", 2);
	if (end == NULL) {
		*token = (struct call_token){CALL_TOKEN_COMMENT_OPEN, body - 2, 2};
		lex->at = lex->len;
		return true;
	}
	size_t len = (size_t)(end - body);
	comment_check(lex, body, len);
	lex->at += len + 4;
	if (!lex->ends || memchr(body, '\n', len) == NULL)
		return false;
	*token = (struct call_token){CALL_TOKEN_NEWLINE, memchr(body, '\n', len), 0};
	lex->ends = false;
	return true;
}

/* Goes to the next token's first byte, unless a newline or a comment is one. */
static bool skip_blank(struct call_lex *lex, struct call_token *token)
{
	for (;;) {
		int c = peek(lex, 0);
		if (c == '\n' && lex->ends) {
			*token = (struct call_token){CALL_TOKEN_NEWLINE, lex->text + lex->at, 0};
			lex->ends = false;
			lex->at++;
			return true;
		}
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			lex->at++;
		else if (c == '/' && peek(lex, 1) == '/')
			comment_line(lex);
		else if (c == '/' && peek(lex, 1) == '*') {
			if (comment_block(lex, token))
				return true;
		} else
			return false;
	}
}

/* Every character above ASCII is taken for a letter here. Where it is none, Go refuses the text. */
static void read_name(struct call_lex *lex, struct call_token *token)
{
	static const char *const keywords[] = {"case", "chan", "const", "default", "defer", "else",
		"for", "func", "go", "goto", "if", "import", "interface", "map", "package", "range",
		"select", "struct", "switch", "type", "var", NULL};
	static const char *const ending[] = {"break", "continue", "fallthrough", "return", NULL};
	size_t start = lex->at;
	while (lex->at < lex->len) {
		uint32_t c = 0;
		const char *p = lex->text + lex->at;
		size_t n = call_char_decode(p, lex->len - lex->at, &c);
		bool letter = call_char_is_letter(c);
		bool digit = !letter && call_char_is_digit(c);
		if (c < 0x80 && !letter && !digit)
			break;
		if (!letter && (!digit || lex->at == start))
			lex->unsure = true;
		lex->at += n > 0 ? n : 1;
	}
	token->len = lex->at - start;
	bool keyword = is_word(token, keywords);
	lex->ends = !keyword;
	if (keyword || is_word(token, ending))
		token->kind = CALL_TOKEN_KEYWORD;
}

static void read_number(struct call_lex *lex, struct call_token *token)
{
	struct call_number number;
	call_number_scan(lex->text + lex->at, lex->len - lex->at, &number);
	if (!number.valid)
		lex->unsure = true;
	static const int kinds[] = {CALL_TOKEN_INT, CALL_TOKEN_FLOAT, CALL_TOKEN_IMAGINARY};
	token->kind = kinds[number.kind];
	token->len = number.len;
	lex->at += number.len;
	lex->ends = true;
}

static void read_quoted(struct call_lex *lex, struct call_token *token, int quote)
{
	size_t start = lex->at++;
	int c;
	while ((c = peek(lex, 0)) >= 0 && c != quote && c != '\n') {
		bool escape = c == '\\' && peek(lex, 1) >= 0 && peek(lex, 1) != '\n';
		lex->at += escape ? 2 : 1;
	}
	token->kind = quote == '"' ? CALL_TOKEN_STRING : CALL_TOKEN_RUNE;
	if (c == quote)
		lex->at++;
	else
		token->kind = CALL_TOKEN_STRING_OPEN;
	token->len = lex->at - start;
	lex->ends = true;
}

static void read_raw(struct call_lex *lex, struct call_token *token)
{
	const char *end = memchr(token->text + 1, '`', lex->len - lex->at - 1);
	token->kind = end == NULL ? CALL_TOKEN_STRING_OPEN : CALL_TOKEN_RAW;
	token->len = end == NULL ? lex->len - lex->at : (size_t)(end + 1 - token->text);
	lex->at += token->len;
	lex->ends = true;
}

/* Taken whole are the dots, and what decides about newlines: ++ and --, which end a statement, and
 * what can stand before them: <- and <<, so that the second - of `<--1` is a sign. */
static void read_punctuation(struct call_lex *lex, struct call_token *token)
{
	int c = peek(lex, 0);
	int next = peek(lex, 1);
	bool step = (c == '+' || c == '-') && next == c;
	token->kind = c;
	token->len = 1;
	if (step || (c == '<' && (next == '-' || next == '<'))) {
		token->kind = CALL_TOKEN_OPERATOR;
		token->len = 2;
	} else if (c == '.' && next == '.' && peek(lex, 2) == '.') {
		token->kind = CALL_TOKEN_DOTS;
		token->len = 3;
	}
	lex->at += token->len;
	lex->ends = step || c == ')' || c == ']' || c == '}';
}

void call_lex_next(struct call_lex *lex, struct call_token *token)
{
	if (skip_blank(lex, token))
		return;
	*token = (struct call_token){CALL_TOKEN_END, lex->text + lex->at, 0};
	int c = peek(lex, 0);
	int next = peek(lex, 1);
	if (c < 0)
		return;
	if ((c >= '0' && c <= '9') || (c == '.' && next >= '0' && next <= '9')) {
		read_number(lex, token);
	} else if (c >= 0x80 || call_char_is_letter((uint32_t)c)) {
		token->kind = CALL_TOKEN_NAME;
		read_name(lex, token);
	} else if (c == '"' || c == '\'') {
		read_quoted(lex, token, c);
	} else if (c == '`') {
		read_raw(lex, token);
	} else {
		read_punctuation(lex, token);
	}
}
