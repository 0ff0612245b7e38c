#include "function/call_read.h"

#include "function/call.h"
#include "function/call_lex.h"
#include "function/call_quote.h"

#include <stdint.h>
#include <string.h>

/* Every read_* below takes what it reads, tokens that fit and nothing else, and returns false
 * otherwise: the whole text is then no literal call, so nothing is ever taken back. */
struct reader {
	struct call_lex lex;
	struct call_token token; /* the one that is looked at */
	struct buf *out;
};

/* What a type can be at the head of. */
enum { HEAD_COMPOSITE = 1, HEAD_CONVERSION = 2 };

static bool read_node(struct reader *r, bool elidable);
static bool read_named(struct reader *r, const struct call_token *name);

static void advance(struct reader *r)
{
	call_lex_next(&r->lex, &r->token);
}

static bool accept(struct reader *r, int kind)
{
	if (r->token.kind != kind)
		return false;
	advance(r);
	return true;
}

static bool is_text(const struct call_token *token, const char *text)
{
	return token->len == strlen(text) && memcmp(token->text, text, token->len) == 0;
}

static bool at_keyword(const struct reader *r, const char *text)
{
	return r->token.kind == CALL_TOKEN_KEYWORD && is_text(&r->token, text);
}

/* Room for a number that is known later; returns where it is. */
static size_t hold(struct reader *r, size_t bytes)
{
	size_t at = r->out->len;
	memset(buf_reserve(r->out, bytes), 0, bytes);
	r->out->len += bytes;
	return at;
}

static void fill(struct reader *r, size_t at, size_t bytes, size_t value)
{
	for (size_t i = 0; i < bytes; i++)
		r->out->data[at + i] = (char)(value >> (8 * i));
}

static void put_token(struct reader *r)
{
	buf_append(r->out, r->token.text, r->token.len);
}

/* Names that Go declares and that are no types: what looks like a conversion to one is none. */
static bool names_no_type(const struct call_token *token)
{
	static const char *const names[] = {"_", "append", "cap", "clear", "close", "complex",
		"copy", "delete", "false", "imag", "iota", "len", "make", "max", "min", "new",
		"nil", "panic", "print", "println", "real", "recover", "true"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_text(token, names[i]))
			return true;
	}
	return false;
}

/* Name or pkg.Name, whose first name has been taken. */
static bool read_type_name(struct reader *r, const struct call_token *first)
{
	buf_append(r->out, first->text, first->len);
	if (r->token.kind != '.')
		return !names_no_type(first);
	buf_putc(r->out, '.');
	advance(r);
	put_token(r);
	return !is_text(&r->token, "_") && accept(r, CALL_TOKEN_NAME);
}

/* [] [N] [...], the last only where `dots`: an array's length from its elements. */
static bool read_brackets(struct reader *r, bool dots)
{
	buf_putc(r->out, '[');
	advance(r);
	if (r->token.kind == CALL_TOKEN_INT || (dots && r->token.kind == CALL_TOKEN_DOTS)) {
		put_token(r);
		advance(r);
	}
	buf_putc(r->out, ']');
	return accept(r, ']');
}

static bool read_type(struct reader *r);

static bool read_map_key(struct reader *r)
{
	buf_puts(r->out, "map[");
	advance(r);
	if (!accept(r, '[') || !read_type(r) || !accept(r, ']'))
		return false;
	buf_putc(r->out, ']');
	return true;
}

/* A type from its first token on. Only a map's key recurses, and that is in brackets; the rest is a
 * row of prefixes, counted so that nobody who walks the type has to go deeper than the call's own
 * depth. */
static bool read_type(struct reader *r)
{
	for (int depth = 0; depth < CALL_DEPTH_MAX; depth++) {
		if (r->token.kind == CALL_TOKEN_NAME) {
			struct call_token first = r->token;
			advance(r);
			return read_type_name(r, &first);
		}
		if (at_keyword(r, "interface")) {
			buf_puts(r->out, "interface{}");
			advance(r);
			return accept(r, '{') && accept(r, '}');
		}
		bool read = true;
		if (accept(r, '*'))
			buf_putc(r->out, '*');
		else if (r->token.kind == '[')
			read = read_brackets(r, false);
		else if (at_keyword(r, "map"))
			read = read_map_key(r);
		else
			read = false;
		if (!read)
			return false;
	}
	return false;
}

/* The type at the head of a composite literal or a conversion; `first` is its name where that has
 * been taken, else NULL. */
static bool read_head(struct reader *r, const struct call_token *first, int *heads)
{
	*heads = HEAD_COMPOSITE | HEAD_CONVERSION;
	if (first != NULL)
		return read_type_name(r, first);
	if (at_keyword(r, "interface"))
		*heads = HEAD_CONVERSION;
	if (r->token.kind != '[')
		return r->token.kind != '*' && read_type(r); /* *T{} is what T{} points to */
	size_t start = r->out->len;
	if (!read_brackets(r, true))
		return false;
	if (r->out->data[start + 1] == '.')
		*heads = HEAD_COMPOSITE;
	return read_type(r);
}

static bool is_constant(const struct call_token *name)
{
	return is_text(name, "true") || is_text(name, "false") || is_text(name, "nil");
}

/* An element from its first token on, its kind put before it as soon as that is known. */
static bool read_element(struct reader *r)
{
	size_t kind_at = hold(r, 1);
	struct call_token first = r->token;
	bool named = accept(r, CALL_TOKEN_NAME);
	if (named && r->token.kind == ':' && !is_constant(&first)) {
		fill(r, kind_at, 1, 2);
		buf_put_u16(r->out, (uint16_t)first.len);
		buf_append(r->out, first.text, first.len);
		advance(r);
		return first.len <= UINT16_MAX && read_node(r, true);
	}
	if (!(named ? read_named(r, &first) : read_node(r, true)))
		return false;
	if (!accept(r, ':'))
		return true;
	fill(r, kind_at, 1, 1);
	return read_node(r, true);
}

/* {…} from its brace on, with the count before the elements. */
static bool read_elements(struct reader *r)
{
	advance(r);
	size_t count_at = hold(r, 4);
	size_t count = 0;
	while (r->token.kind != '}') {
		if (!read_element(r))
			return false;
		count++;
		if (!accept(r, ','))
			break;
	}
	fill(r, count_at, 4, count);
	return accept(r, '}');
}

/* T{…} or T(…); `first` as for read_head. */
static bool read_typed(struct reader *r, const struct call_token *first)
{
	size_t tag_at = hold(r, 1);
	size_t len_at = hold(r, 2);
	int heads;
	if (!read_head(r, first, &heads))
		return false;
	size_t len = r->out->len - len_at - 2;
	if (len > UINT16_MAX)
		return false;
	fill(r, len_at, 2, len);
	if (r->token.kind == '{' && (heads & HEAD_COMPOSITE)) {
		fill(r, tag_at, 1, 'c');
		return read_elements(r);
	}
	fill(r, tag_at, 1, 'v');
	if (!(heads & HEAD_CONVERSION) || !accept(r, '(') || !read_node(r, false))
		return false;
	(void)accept(r, ',');
	return accept(r, ')');
}

/* true, false, nil, or a type's name; `name` has been taken. */
static bool read_named(struct reader *r, const struct call_token *name)
{
	int next = r->token.kind;
	if (next == '.' || next == '{' || next == '(')
		return read_typed(r, name);
	if (is_text(name, "nil")) {
		buf_putc(r->out, 'n');
		return true;
	}
	buf_putc(r->out, 'b');
	buf_putc(r->out, is_text(name, "true") ? 1 : 0);
	return is_constant(name);
}

static bool read_pointer(struct reader *r)
{
	buf_putc(r->out, '&');
	advance(r);
	size_t tag_at = r->out->len;
	struct call_token first = r->token;
	bool named = accept(r, CALL_TOKEN_NAME);
	return read_typed(r, named ? &first : NULL) && r->out->data[tag_at] == 'c';
}

static char number_tag(int kind)
{
	switch (kind) {
	case CALL_TOKEN_INT:
		return 'i';
	case CALL_TOKEN_FLOAT:
		return 'f';
	case CALL_TOKEN_IMAGINARY:
		return 'm';
	case CALL_TOKEN_RUNE:
		return 'r';
	default:
		return 0;
	}
}

/* A number or a rune, with its sign where it has one. */
static bool read_number(struct reader *r)
{
	int sign = r->token.kind;
	bool is_signed = accept(r, '+') || accept(r, '-');
	char tag = number_tag(r->token.kind);
	if (tag == 0 || (tag == 'r' && !call_quote_rune(r->token.text, r->token.len)))
		return false;
	buf_putc(r->out, tag);
	buf_put_u32(r->out, (uint32_t)(r->token.len + (is_signed ? 1 : 0)));
	if (is_signed)
		buf_putc(r->out, (char)sign);
	put_token(r);
	advance(r);
	return true;
}

static bool read_string(struct reader *r)
{
	buf_putc(r->out, 's');
	size_t len_at = hold(r, 4);
	if (r->token.kind == CALL_TOKEN_RAW)
		call_quote_raw(r->token.text, r->token.len, r->out);
	else if (!call_quote_string(r->token.text, r->token.len, r->out))
		return false;
	fill(r, len_at, 4, r->out->len - len_at - 4);
	advance(r);
	return true;
}

/* One literal; `elidable`: inside of a composite literal, where {…} alone may stand. */
static bool read_node(struct reader *r, bool elidable)
{
	struct call_token first = r->token;
	switch (first.kind) {
	case CALL_TOKEN_NAME:
		advance(r);
		return read_named(r, &first);
	case CALL_TOKEN_KEYWORD: /* map, interface: read_type looks */
	case '[':
		return read_typed(r, NULL);
	case CALL_TOKEN_STRING:
	case CALL_TOKEN_RAW:
		return read_string(r);
	case '&':
		return read_pointer(r);
	case '{':
		buf_putc(r->out, 'c');
		buf_put_u16(r->out, 0);
		return elidable && read_elements(r);
	default:
		return read_number(r);
	}
}

/* (args…) from its parenthesis on. */
static bool read_arguments(struct reader *r)
{
	size_t count_at = hold(r, 2);
	size_t count = 0;
	while (r->token.kind != ')') {
		if (!read_node(r, false))
			return false;
		count++;
		if (!accept(r, ','))
			break;
	}
	fill(r, count_at, 2, count);
	return count <= UINT16_MAX && accept(r, ')');
}

bool call_read(const char *text, size_t len, char **name, struct buf *nodes)
{
	struct reader r = {.lex = {.text = text, .len = len}, .out = nodes};
	*name = NULL;
	advance(&r);
	struct call_token first = r.token;
	if (!accept(&r, CALL_TOKEN_NAME) || first.len > UINT16_MAX || !accept(&r, '('))
		return false;
	if (!read_arguments(&r))
		return false;
	(void)accept(&r, CALL_TOKEN_NEWLINE);
	if (r.token.kind != CALL_TOKEN_END)
		return false;
	*name = mem_strndup(first.text, first.len);
	return true;
}
