/* What call_parse makes of texts: literal calls to the byte, refusals by code and place, the rest.
 */

#include "base/clock.h"
#include "function/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Nodes as frame.h has them; `n` is the length, an octal escape. */
#define TEXT(tag, n, text) tag n "\0\0\0" text
#define INT(n, text)       TEXT("i", n, text)
#define FLOAT(n, text)     TEXT("f", n, text)
#define IMAG(n, text)      TEXT("m", n, text)
#define RUNE(n, text)      TEXT("r", n, text)
#define STR(n, text)       TEXT("s", n, text)
#define TRUE               "b\1"
#define FALSE              "b\0"
#define NIL                "n"
#define CONV(n, type)      "v" n "\0" type
#define COMP(n, type, len) "c" n "\0" type len "\0\0\0"
#define ELIDED(len)        COMP("\0", "", len)
#define POS                "\0"             /* an element without key */
#define KEY                "\1"             /* a literal key, then the value */
#define FIELD(n, name)     "\2" n "\0" name /* a field's name, then the value */

#define BYTES(bytes) (bytes), sizeof(bytes) - 1

struct literal_case {
	const char *args; /* between F( and ) */
	size_t args_len;
	const char *nodes; /* count:u16 node* */
	size_t nodes_len;
};
#define LITERAL(args, count, nodes)                                                                \
	{                                                                                          \
		BYTES(args), BYTES(count "\0" nodes)                                               \
	}
#define ONE(args, nodes) LITERAL(args, "\1", nodes)

static const struct literal_case literals[] = {
	LITERAL("", "\0", ""),
	LITERAL("100.1, -80.9", "\2", FLOAT("\5", "100.1") FLOAT("\5", "-80.9")),
	LITERAL(" 1 ,\n2,\n", "\2", INT("\1", "1") INT("\1", "2")),
	LITERAL("/* ) */ 1, // \" '\n 2", "\2", INT("\1", "1") INT("\1", "2")),
	/* Numbers, as written. */
	ONE("0", INT("\1", "0")),
	ONE("1_000", INT("\5", "1_000")),
	ONE("0x_1F", INT("\5", "0x_1F")),
	ONE("0XaB", INT("\4", "0XaB")),
	ONE("0b101", INT("\5", "0b101")),
	ONE("0O17", INT("\4", "0O17")),
	ONE("0755", INT("\4", "0755")),
	ONE("0_7", INT("\3", "0_7")),
	ONE("- /* c */ 5", INT("\2", "-5")),
	ONE("+\n5", INT("\2", "+5")),
	ONE("1.", FLOAT("\2", "1.")),
	ONE(".5", FLOAT("\2", ".5")),
	ONE("089.5", FLOAT("\5", "089.5")),
	ONE("1e9", FLOAT("\3", "1e9")),
	ONE("1E+9", FLOAT("\4", "1E+9")),
	ONE("6.67_43e-1_1", FLOAT("\14", "6.67_43e-1_1")),
	ONE("0x1p-2", FLOAT("\6", "0x1p-2")),
	ONE("0X_1.8P+3", FLOAT("\11", "0X_1.8P+3")),
	ONE("0x.8p1", FLOAT("\6", "0x.8p1")),
	ONE("0x1e5", INT("\5", "0x1e5")),
	ONE("3i", IMAG("\2", "3i")),
	ONE("-1.5e2i", IMAG("\7", "-1.5e2i")),
	ONE("089i", IMAG("\4", "089i")),
	ONE("0x1p1i", IMAG("\6", "0x1p1i")),
	/* Runes, as written. */
	ONE("'x'", RUNE("\3", "'x'")),
	ONE("'\"'", RUNE("\3", "'\"'")),
	ONE("-'\\''", RUNE("\5", "-'\\''")),
	ONE("'\\\\'", RUNE("\4", "'\\\\'")),
	ONE("'\\n'", RUNE("\4", "'\\n'")),
	ONE("'\\377'", RUNE("\6", "'\\377'")),
	ONE("'\\x80'", RUNE("\6", "'\\x80'")),
	ONE("'\\u00e9'", RUNE("\10", "'\\u00e9'")),
	ONE("'\\U0010FFFF'", RUNE("\14", "'\\U0010FFFF'")),
	ONE("'\xE4\xB8\x96'", RUNE("\5", "'\xE4\xB8\x96'")),
	/* Strings, as what they stand for. */
	ONE("\"\"", STR("\0", "")),
	ONE("``", STR("\0", "")),
	ONE("\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"", STR("\11", "\a\b\f\n\r\t\v\\\"")),
	ONE("\"\\000\\377\\101\"", STR("\3", "\0\377A")),
	ONE("\"\\x00\\xFf\\x41\"", STR("\3", "\0\377A")),
	ONE("\"\\u0041\\u00e9\\uFFFF\"", STR("\6", "A\xC3\xA9\xEF\xBF\xBF")),
	ONE("\"\\uD7FF\\uE000\\u07ff\\u0800\"",
		STR("\13", "\xED\x9F\xBF\xEE\x80\x80\xDF\xBF\xE0\xA0\x80")),
	ONE("\"\\U0001F600\\U0010ffff\"", STR("\10", "\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF")),
	ONE("\"\xC3\xA9 ' ` // /* ) ;\"", STR("\20", "\xC3\xA9 ' ` // /* ) ;")),
	ONE("`a\\n\"'\r\n)`", STR("\7", "a\\n\"'\n)")),
	LITERAL("true, false, nil", "\3", TRUE FALSE NIL),
	/* Composite literals. */
	ONE("T{}", COMP("\1", "T", "\0")),
	ONE("&pkg . /* c */ T {\n}", "&" COMP("\5", "pkg.T", "\0")),
	ONE("[]int{1, 5: 2, 'a': 3,}",
		COMP("\5", "[]int", "\3") POS INT("\1", "1") KEY INT("\1", "5") INT("\1", "2")
			KEY RUNE("\3", "'a'") INT("\1", "3")),
	ONE("[ 0x2 ] [ ] * T{}", COMP("\11", "[0x2][]*T", "\0")),
	ONE("[...]string{``}", COMP("\13", "[...]string", "\1") POS STR("\0", "")),
	ONE("map [ string ] interface { } {\"a\": nil}",
		COMP("\26", "map[string]interface{}", "\1") KEY STR("\1", "a") NIL),
	ONE("map[bool]any{true: 1, nil: 2}",
		COMP("\14", "map[bool]any", "\2") KEY TRUE INT("\1", "1") KEY NIL INT("\1", "2")),
	ONE("map[P][]P{{1, 2}: {{}}}",
		COMP("\11", "map[P][]P", "\1") KEY ELIDED("\2") POS INT("\1", "1")
			POS INT("\1", "2") ELIDED("\1") POS ELIDED("\0")),
	ONE("[]*T{{1}, &T{2}}", COMP("\4", "[]*T", "\2") POS ELIDED("\1") POS INT("\1", "1") POS
		"&" COMP("\1", "T", "\1") POS INT("\1", "2")),
	ONE("T{Name: \"x\", In: &p.U{true}, \xC3\xA9: {},}",
		COMP("\1", "T", "\3") FIELD("\4", "Name") STR("\1", "x") FIELD("\2", "In") "&" COMP(
			"\3", "p.U", "\1") POS TRUE FIELD("\2", "\xC3\xA9") ELIDED("\0")),
	ONE("map[map[*T]int][2]T{}", COMP("\23", "map[map[*T]int][2]T", "\0")),
	/* Conversions. */
	ONE("[]byte(\"ab\")", CONV("\6", "[]byte") STR("\2", "ab")),
	ONE("time.Duration(5,)", CONV("\15", "time.Duration") INT("\1", "5")),
	ONE("any(int8(-1))", CONV("\3", "any") CONV("\4", "int8") INT("\2", "-1")),
	ONE("interface{}(nil)", CONV("\13", "interface{}") NIL),
	ONE("map[K]*V(nil)", CONV("\10", "map[K]*V") NIL),
	ONE("T([]int{1})", CONV("\1", "T") COMP("\5", "[]int", "\1") POS INT("\1", "1")),
	ONE("[]any{error(nil)}", COMP("\5", "[]any", "\1") POS CONV("\5", "error") NIL),
};

static void parse_ok(struct call *call, const char *text, size_t len)
{
	struct fault f = {0};
	if (call_parse(call, text, len, &f) < 0)
		fail_msg("%s: %s: %s", text, f.code, f.text);
}

static void literals_become_their_nodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		const struct literal_case *c = &literals[i];
		struct buf text = {0};
		struct call call;
		buf_puts(&text, "F(");
		buf_append(&text, c->args, c->args_len);
		buf_putc(&text, ')');
		parse_ok(&call, text.data, text.len);
		if (call.kind != CALL_LITERAL)
			fail_msg("%s is no literal call", text.data);
		assert_string_equal(call.name, "F");
		if (call.nodes.len != c->nodes_len)
			print_error("%s\n", text.data);
		assert_int_equal(call.nodes.len, c->nodes_len);
		if (memcmp(call.nodes.data, c->nodes, c->nodes_len) != 0)
			print_error("%s\n", text.data);
		assert_memory_equal(call.nodes.data, c->nodes, c->nodes_len);
		call_finish(&call);
		buf_finish(&text);
	}
}

static void names_are_go_identifiers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *name;
	} cases[] = {
		{"Encode()", "Encode"},
		{" \t\r\n/* ( */ // [\n encode /* { */ ( ) // x", "encode"},
		{"\xC3\x89t\xC3\xA9()\n\n", "\xC3\x89t\xC3\xA9"},
		{"\xE4\xB8\x96\xE7\x95\x8C_1()", "\xE4\xB8\x96\xE7\x95\x8C_1"},
		{"a\xD9\xA3()", "a\xD9\xA3"},               /* ARABIC-INDIC DIGIT THREE */
		{"\xF0\x9D\x94\x98()", "\xF0\x9D\x94\x98"}, /* MATHEMATICAL FRAKTUR CAPITAL U */
		{"\xEF\xBB\277F()", "F"},                   /* a byte order mark before it */
		{"funcs()", "funcs"},
		{"true()", "true"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct call call;
		parse_ok(&call, cases[i].text, strlen(cases[i].text));
		if (call.kind != CALL_LITERAL)
			fail_msg("%s is no literal call", cases[i].text);
		assert_string_equal(call.name, cases[i].name);
		assert_int_equal(call.nodes.len, 2);
		call_finish(&call);
	}
}

/* Whole texts that are valid, or are left for Go to refuse in its own words. */
static const char *const expressions[] = {"F", "1", "F.G()", "pkg.F(1)", "F(1).G", "F(1)(2)",
	"F[int](1)", "New(1).Next()", "(F)(1)", "Time(time.Now())", "func() { x; y\n}()",
	"Map(func(x int) int {\nreturn -x;\n}, xs...)", "[]int{1}", "<-c", "<--\n1", "a +\nb",
	"a ==\n b", "x.\nF()", "F(\"a\" + `;\n)`)", "func\n()", "F(1).\n\tG(\"}\")",
	/* Arguments that are no literals. */
	"F(x)", "F(pkg.Const)", "F(g())", "F(g(1, 2))", "F(1 + 2)", "F(^1)", "F(!true)", "F(- -1)",
	"F(--1)", "F(++1)", "F(-x)", "F(-true)", "F(-\"a\")", "F(+)", "F(<-1)", "F((1))",
	"F((*T)(nil))", "F(*T{})", "F(&*T{})", "F(&T(1))", "F(&[]int(nil))", "F(&&T{})", "F(&x)",
	"F(&{1})", "F({1})", "F(T({1}))", "F(xs...)", "F([]int{1}...)", "F(T(xs...))", "F(T())",
	"F(G[int]{1})", "F(a[1])", "F(T{x})", "F(T{a.b: 1})", "F(T{(a): 1})", "F([]int{N: x})",
	"F([N]int{})", "F([1.0]int{})", "F(['a']int{})", "F([...]int(x))", "F([...]int(nil))",
	"F([][...]int{})", "F(map[[...]int]int{})", "F(interface{}{})", "F(&interface{}{})",
	"F(interface{ M() }(nil))", "F(struct{}{})", "F(chan int(nil))", "F(func() {})",
	"F([]func(){})", "F([](T){})", "F(len(\"a\"))", "F(new(1))", "F(true(1))", "F(nil{})",
	"F(_{})", "F(p._{})", "F(p.q.r(1))", "F([]int)", "F(map[string]int)", "F(`a` `b`)",
	"F(\"a\" 'b')", "F(1 2)", "F(1a)",
	/* Go refuses these, and says why. */
	"F(,)", "F(1,,2)", "F(1;2)", "F(1\n)", "F(1 /* \n */)", "F([]int{1\n})", "F([]\nint{})",
	"func(1)", "return 1", "return(1)", "x := 1", "a, b", "F(T{a:})", "F(T{:1})", "F(T{a:1:2})",
	"F(#)", "F(\\)", "\v", "\xE2\x82\xAC()", "\xC2\240F()", "\xD9\xA3()",
	"F(\xE2\x80\234a\xE2\x80\x9D)", "F(\"\xEF\xBB\xBF\")", "F(/* \xEF\xBB\xBF */)",
	"F(/*line x:0*/1)", "F(\n//line x:0\n)", "F(0x)", "F(0b2)", "F(0o8)", "F(08)", "F(0b)",
	"F(1__0)", "F(1_)", "F(0x_)", "F(1_.5)", "F(1._5)", "F(1e)", "F(1e_5)", "F(1e+)", "F(1p5)",
	"F(0x1.8)", "F(0x1p)", "F(0b1e5)", "F(0b1.0)", "F(0b12i)", "F(0x.p1)", "F('')", "F('ab')",
	"F('\\\"')", "F('\\400')", "F('\\ud800')", "F('\\x4')", "F('\\q')", "F(\"\\q\")",
	"F(\"\\'\")", "F(\"\\400\")", "F(\"\\18\")", "F(\"\\x4\")", "F(\"\\xg0\")", "F(\"\\u12\")",
	"F(\"\\uD800\")", "F(\"\\uDFFF\")", "F(\"\\U00110000\")", "F(\"\\UFFFFFFFF\")",
	"F(\"\\U0000DC00\")"};

static void all_else_is_an_expression(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
		struct call call;
		parse_ok(&call, expressions[i], strlen(expressions[i]));
		if (call.kind != CALL_EXPRESSION)
			fail_msg("%s is a literal call", expressions[i]);
		assert_null(call.name);
		assert_int_equal(call.nodes.len, 0);
		call_finish(&call);
	}
}

struct refusal_case {
	const char *text;
	size_t len;
	const char *code;
	const char *says; /* part of the fault's text */
};
#define REFUSAL(text, code, says)                                                                  \
	{                                                                                          \
		BYTES(text), code, says                                                            \
	}

static const struct refusal_case refusals[] = {
	REFUSAL("", "call_empty", "write one"),
	REFUSAL(" \n\t// F()\n/* F() */\r\n", "call_empty", "write one"),
	REFUSAL("\xEF\xBB\xBF", "call_empty", "write one"),
	REFUSAL("F(\0)", "call_nul", "byte 2"),
	REFUSAL("F(\"a\0\")", "call_nul", "byte 4"),
	REFUSAL("F() // \0", "call_nul", "byte 7"),
	REFUSAL("F(\"\x80\")", "call_utf8", "byte 3 (0x80)"),
	REFUSAL("F(\"\xC3\")", "call_utf8", "byte 3"),
	REFUSAL("F() // \xC0\xAF", "call_utf8", "byte 7"),         /* overlong */
	REFUSAL("F() // \xE0\x9F\xBF", "call_utf8", "byte 7"),     /* overlong */
	REFUSAL("F() // \xED\xA0\x80", "call_utf8", "byte 7"),     /* a surrogate */
	REFUSAL("F() // \xF0\x8F\xBF\xBF", "call_utf8", "byte 7"), /* overlong */
	REFUSAL("F() // \xF4\x90\x80\x80", "call_utf8", "byte 7"), /* above U+10FFFF */
	REFUSAL("F() // \xE4\xB8", "call_utf8", "byte 7"),         /* cut short */
	REFUSAL("F() // \xF5", "call_utf8", "byte 7"),
	REFUSAL("F(", "call_unbalanced", "'(' at byte 1"),
	REFUSAL("F(T{1)", "call_unbalanced", "'{' at byte 3"),
	REFUSAL("F([)]", "call_unbalanced", "')' at byte 3"),
	REFUSAL("F())", "call_unbalanced", "')' at byte 3"),
	REFUSAL("]", "call_unbalanced", "']' at byte 0"),
	REFUSAL("F(\")\"", "call_unbalanced", "'(' at byte 1"),
	REFUSAL("F(// )", "call_unbalanced", "'(' at byte 1"),
	REFUSAL("F(1);", "call_statement", "';' at byte 4"),
	REFUSAL(";", "call_statement", "';' at byte 0"),
	REFUSAL("F(1)\n;", "call_statement", "newline at byte 4"),
	REFUSAL("a; b", "call_statement", "';' at byte 1"),
	REFUSAL("F(func() { a; b }); G()", "call_statement", "';' at byte 18"),
	REFUSAL("F\n(1)", "call_statement", "newline at byte 1"),
	REFUSAL("F(1)\n.G()", "call_statement", "newline at byte 4"),
	REFUSAL("F(1) // c\nG(1)", "call_statement", "newline at byte 9"),
	REFUSAL("F(1) /* \n */ + 1", "call_statement", "newline at byte 8"),
	REFUSAL("1\n2", "call_statement", "newline at byte 1"),
	REFUSAL("\"\"\n2", "call_statement", "newline at byte 2"),
	REFUSAL("return\n2", "call_statement", "newline at byte 6"),
	REFUSAL("i++\n2", "call_statement", "newline at byte 3"),
	REFUSAL("F(1) /*", "call_comment_open", "byte 5"),
	REFUSAL("/*/", "call_comment_open", "byte 0"),
	REFUSAL("F(\"a)", "call_string_open", "string at byte 2"),
	REFUSAL("F(\"a\n\")", "call_string_open", "string at byte 2"),
	REFUSAL("F(\"a\\", "call_string_open", "string at byte 2"),
	REFUSAL("F(\"a\\\n\")", "call_string_open", "string at byte 2"),
	REFUSAL("F(\"a\\\")", "call_string_open", "string at byte 2"),
	REFUSAL("F('a)", "call_string_open", "rune at byte 2"),
	REFUSAL("F(''')", "call_string_open", "rune at byte 4"),
	REFUSAL("F(`a)", "call_string_open", "string at byte 2"),
};

static void what_is_no_expression_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal_case *c = &refusals[i];
		struct call call;
		struct fault f = {0};
		if (call_parse(&call, c->text, c->len, &f) != -1)
			fail_msg("%s is not refused", c->text);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_string_equal(f.code, c->code);
		if (strstr(f.text, c->says) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", c->text, f.text, c->says);
		assert_null(call.name);
		call_finish(&call);
	}
}

/* Parses before, `times` of open, middle, `times` of close, after. */
static int parse_nested(
	const char *const parts[5], size_t times, struct call *call, struct fault *f)
{
	struct buf text = {0};
	buf_puts(&text, parts[0]);
	for (size_t i = 0; i < times; i++)
		buf_puts(&text, parts[1]);
	buf_puts(&text, parts[2]);
	for (size_t i = 0; i < times; i++)
		buf_puts(&text, parts[3]);
	buf_puts(&text, parts[4]);
	*f = (struct fault){0};
	int status = call_parse(call, text.data, text.len, f);
	buf_finish(&text);
	return status;
}

static void depth_is_bounded(void **state)
{
	(void)state;
	static const struct {
		const char *parts[5];
		enum call_kind kind;
	} cases[] = {
		{{"F(", "T(", "1", ")", ")"}, CALL_LITERAL},
		{{"F([]T", "{", "", "}", ")"}, CALL_LITERAL},
		{{"F([]T{}, ", "&T{a:", "1", "}", ")"}, CALL_LITERAL},
		{{"F(", "map[", "T", "]T", "{})"}, CALL_LITERAL},
		{{"F(", "(", "", ")", ")"}, CALL_EXPRESSION},
		{{"F(", "func(){", "", "}", ")"}, CALL_EXPRESSION},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct call call;
		struct fault f;
		assert_int_equal(parse_nested(cases[i].parts, CALL_DEPTH_MAX - 1, &call, &f), 0);
		assert_int_equal(call.kind, cases[i].kind);
		call_finish(&call);
		assert_int_equal(parse_nested(cases[i].parts, CALL_DEPTH_MAX, &call, &f), -1);
		assert_string_equal(f.code, "call_too_deep");
		call_finish(&call);
	}
}

/* Each case is a literal call at `most`, and one more is of the kind `beyond`. */
static void lengths_that_do_not_fit_are_left_to_go(void **state)
{
	(void)state;
	static const struct {
		const char *parts[5];
		size_t most;
		enum call_kind beyond;
	} cases[] = {
		{{"F(", "1,", "", "", ")"}, UINT16_MAX, CALL_EXPRESSION},
		{{"", "N", "", "", "()"}, UINT16_MAX, CALL_EXPRESSION},
		{{"F(", "T", "", "", "{})"}, UINT16_MAX, CALL_EXPRESSION},
		{{"F(", "T", "", "", "(1))"}, UINT16_MAX, CALL_EXPRESSION},
		{{"F(T{", "f", "", "", ": 1})"}, UINT16_MAX, CALL_EXPRESSION},
		{{"F(T{", "1,", "", "", "})"}, UINT16_MAX, CALL_LITERAL},
		{{"F(\"", "s", "", "", "\")"}, UINT16_MAX, CALL_LITERAL},
		{{"F(", "1", "", "", ")"}, UINT16_MAX, CALL_LITERAL},
		/* Deep for whoever walks the type, though no bracket stays open. */
		{{"F([]", "[]", "T{})", "", ""}, CALL_DEPTH_MAX - 1, CALL_EXPRESSION},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct call call;
		struct fault f;
		assert_int_equal(parse_nested(cases[i].parts, cases[i].most, &call, &f), 0);
		assert_int_equal(call.kind, CALL_LITERAL);
		call_finish(&call);
		assert_int_equal(parse_nested(cases[i].parts, cases[i].most + 1, &call, &f), 0);
		assert_int_equal(call.kind, cases[i].beyond);
		call_finish(&call);
	}
}

static void the_size_is_bounded(void **state)
{
	(void)state;
	static const char *const parts[] = {"F()", " ", "", "", ""};
	struct call call;
	struct fault f;
	assert_int_equal(parse_nested(parts, CALL_TEXT_MAX - 3, &call, &f), 0);
	assert_int_equal(call.kind, CALL_LITERAL);
	call_finish(&call);
	assert_int_equal(parse_nested(parts, CALL_TEXT_MAX - 2, &call, &f), -1);
	assert_int_equal(f.kind, FAULT_TOO_LARGE);
	assert_string_equal(f.code, "call_too_large");
	call_finish(&call);
}

/* What takes a quadratic reader minutes is read at once: the limit is a hundred times what it
 * takes. */
static void the_largest_texts_are_read_fast(void **state)
{
	(void)state;
	static const char *const pieces[] = {"(", "[", "{", ")", "-", "*", "&", "/", "[]", "()",
		"/**/", "\n", "a\n", "'", "\"\\", "`", "1,", "{},", "a:", "0x_", "\xC3\xA9",
		"\xE2\x82\xAC", "// ", "map[", "T(", ".", "\"\",", "<", "F(1)", "/*", "\r", "\\"};
	uint64_t start = clock_mono_ns();
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		const char *const bare[] = {"", pieces[i], "", "", ""};
		const char *const closed[] = {"F([]T{", pieces[i], "", "", "})"};
		const char *const raw[] = {"F(`", pieces[i], "`)", "", ""};
		size_t times = (CALL_TEXT_MAX - 8) / strlen(pieces[i]);
		struct call call;
		struct fault f;
		(void)parse_nested(bare, times, &call, &f);
		call_finish(&call);
		(void)parse_nested(closed, times, &call, &f);
		call_finish(&call);
		(void)parse_nested(raw, times, &call, &f);
		call_finish(&call);
	}
	assert_true(clock_mono_ns() - start < 60 * UINT64_C(1000000000));
}

static void no_bytes_at_all_are_empty(void **state)
{
	(void)state;
	struct call call;
	struct fault f = {0};
	assert_int_equal(call_parse(&call, NULL, 0, &f), -1);
	assert_string_equal(f.code, "call_empty");
	assert_int_equal(call_parse(&call, "F(", 2, NULL), -1);
	call_finish(&call);
	call_finish(&call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_become_their_nodes),
		cmocka_unit_test(names_are_go_identifiers),
		cmocka_unit_test(all_else_is_an_expression),
		cmocka_unit_test(what_is_no_expression_is_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(lengths_that_do_not_fit_are_left_to_go),
		cmocka_unit_test(the_size_is_bounded),
		cmocka_unit_test(the_largest_texts_are_read_fast),
		cmocka_unit_test(no_bytes_at_all_are_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
