/*
 * fuzz_call: call_parse on any bytes. Beyond not crashing: a refusal has one of the codes of
 * call.h, an expression carries nothing, a literal call's nodes are well-formed to the last byte
 * and no deeper than promised, and blanks around a literal call change nothing.
 */

#include "function/call.h"
#include "pool/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct cursor {
	const unsigned char *at;
	const unsigned char *end;
};

static size_t take_number(struct cursor *c, size_t bytes)
{
	size_t value = 0;
	CHECK((size_t)(c->end - c->at) >= bytes);
	for (size_t i = 0; i < bytes; i++)
		value |= (size_t)*c->at++ << (8 * i);
	return value;
}

/* A string behind its length of `bytes` bytes. */
static size_t take_string(struct cursor *c, size_t bytes, const char **text)
{
	size_t len = take_number(c, bytes);
	CHECK((size_t)(c->end - c->at) >= len);
	*text = (const char *)c->at;
	c->at += len;
	return len;
}

static void take_type(struct cursor *c, bool elidable)
{
	const char *text;
	size_t len = take_string(c, 2, &text);
	CHECK(len > 0 || elidable);
	for (size_t i = 0; i < len; i++)
		CHECK((unsigned char)text[i] > ' ' && strchr("()\"'`,:;/&", text[i]) == NULL);
}

static void take_node(struct cursor *c, int depth);

static void take_element(struct cursor *c, int depth)
{
	const char *text;
	size_t kind = take_number(c, 1);
	CHECK(kind <= 2);
	if (kind == 1)
		take_node(c, depth);
	if (kind == 2)
		CHECK(take_string(c, 2, &text) > 0);
	take_node(c, depth);
}

static void take_number_text(struct cursor *c)
{
	const char *text;
	size_t len = take_string(c, 4, &text);
	bool is_signed = len > 0 && (text[0] == '+' || text[0] == '-');
	CHECK(len > (is_signed ? 1 : 0));
	char first = text[is_signed ? 1 : 0];
	CHECK((first >= '0' && first <= '9') || first == '.' || first == '\'');
}

static void take_node(struct cursor *c, int depth)
{
	const char *text;
	CHECK(depth <= CALL_DEPTH_MAX);
	switch (take_number(c, 1)) {
	case 'i':
	case 'f':
	case 'm':
	case 'r':
		take_number_text(c);
		return;
	case 's':
		(void)take_string(c, 4, &text);
		return;
	case 'b':
		CHECK(take_number(c, 1) <= 1);
		return;
	case 'n':
		return;
	case 'v':
		take_type(c, false);
		take_node(c, depth + 1);
		return;
	case 'c':
		take_type(c, true);
		for (size_t n = take_number(c, 4); n > 0; n--)
			take_element(c, depth + 1);
		return;
	case '&':
		CHECK(c->at < c->end && *c->at == 'c');
		take_node(c, depth);
		return;
	default:
		abort();
	}
}

static void check_nodes(const struct buf *nodes)
{
	const unsigned char *start = (const unsigned char *)nodes->data;
	struct cursor c = {start, start + nodes->len};
	for (size_t n = take_number(&c, 2); n > 0; n--)
		take_node(&c, 1);
	CHECK(c.at == c.end);
}

/* The call goes through a frame whole: it fits, and comes out as it went in. */
static void check_frame(const struct call *call)
{
	struct buf out = {0};
	enum frame_type type;
	const char *payload;
	size_t len;
	frame_put_call(&out, 0, 0, call->name, &call->nodes);
	CHECK(frame_peek(&out, &type, &payload, &len) == 1 && type == FRAME_CALL);
	CHECK(len == 1 + 8 + 2 + strlen(call->name) + call->nodes.len);
	CHECK(memcmp(payload + len - call->nodes.len, call->nodes.data, call->nodes.len) == 0);
	buf_finish(&out);
}

static void check_blanks(const struct call *call, const uint8_t *data, size_t size)
{
	struct buf text = {0};
	struct call again;
	buf_puts(&text, "\n/* a\nb */ ");
	buf_append(&text, data, size);
	buf_puts(&text, "\n\t// c\n\n");
	if (text.len <= CALL_TEXT_MAX) {
		CHECK(call_parse(&again, text.data, text.len, NULL) == 0);
		CHECK(again.kind == CALL_LITERAL && strcmp(again.name, call->name) == 0);
		CHECK(again.nodes.len == call->nodes.len);
		CHECK(memcmp(again.nodes.data, call->nodes.data, call->nodes.len) == 0);
		call_finish(&again);
	}
	buf_finish(&text);
}

static void check_refusal(const struct fault *f)
{
	static const char *const codes[] = {"call_empty", "call_nul", "call_utf8",
		"call_unbalanced", "call_too_deep", "call_statement", "call_comment_open",
		"call_string_open"};
	CHECK(f->text[0] != '\0');
	if (f->kind == FAULT_TOO_LARGE && strcmp(f->code, "call_too_large") == 0)
		return;
	CHECK(f->kind == FAULT_INPUT);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(f->code, codes[i]) == 0)
			return;
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct call call;
	struct fault f = {0};
	if (call_parse(&call, (const char *)data, size, &f) < 0) {
		check_refusal(&f);
		CHECK(call.name == NULL && call.nodes.data == NULL);
	} else if (call.kind == CALL_EXPRESSION) {
		CHECK(f.kind == FAULT_NONE && call.name == NULL && call.nodes.data == NULL);
	} else {
		CHECK(f.kind == FAULT_NONE && call.kind == CALL_LITERAL && call.name[0] != '\0');
		check_nodes(&call.nodes);
		check_frame(&call);
		check_blanks(&call, data, size);
	}
	call_finish(&call);
	return 0;
}

#ifdef FUZZ_STANDALONE
#include "fuzz_standalone.h"

static const struct fuzz_seed seeds[] = {
	SEED("Encode(100.1, -80.9)"),
	SEED("F(0x_1F, 0b1, 0o17, 0755, 1_000, .5, 1e+9, 0x1p-2, 3i, '\\'', 'x', '\\u00e9')"),
	SEED("F(\"a\\n\\x41\\101\\u00e9\\U0001F600\\\"\", `raw\r\n`, true, false, nil,)"),
	SEED("F([]int{1, 2, 5: 3}, map[string]interface{}{\"a\": {1}, \"b\": nil}, [...]T{{}})"),
	SEED("F(&pkg.T{Name: \"x\", Sub: &T{}, P: []*T{{1}, &T{2}}}, [3][2]int8{})"),
	SEED("F([]byte(\"abc\"), time.Duration(5), any(int8(-1)), map[K][]V(nil), error(nil))"),
	SEED("\xC3\x89t\xC3\xA9(/* c */ 1, // d\n 2,\n)\n"),
	SEED("Map(func(x int) int {\n\tif x > 0 {\n\t\treturn -x; };\n\treturn x\n}, xs...)"),
	SEED("F(<--1, a[1:2], (*T)(nil), New(1).Next(), G[int](2))"),
	SEED("F(1\n)\n;"),
};

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, seeds, sizeof(seeds) / sizeof(seeds[0]),
		"()[]{}\"'`\\/*\n\r;,.:&+-<_eExXpiuUfTF019 \t\xEF\xBB\xBF\xC3\xA9\x80");
}
#endif
