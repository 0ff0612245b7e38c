/* Frames between a server and a driver: the bytes of a CALL, and what counts as a frame. */

#include "pool/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define BYTES(bytes) (bytes), sizeof(bytes) - 1

static void a_call_is_laid_out_as_promised(void **state)
{
	(void)state;
	static const char wanted[] = "\22\0\0\0C\3\10\7\6\5\4\3\2\1\2\0Go\2\0nn";
	struct buf rest = {0};
	struct buf out = {0};
	buf_append(&rest, BYTES("\2\0nn"));
	frame_put_call(&out, FRAME_CALL_JSON | FRAME_CALL_TYPED, 0x0102030405060708, "Go", &rest);
	assert_int_equal(out.len, sizeof(wanted) - 1);
	assert_memory_equal(out.data, wanted, sizeof(wanted) - 1);
	frame_set_flags(&out, FRAME_CALL_STAY, true);
	assert_int_equal(out.data[5], 7);
	frame_set_flags(&out, FRAME_CALL_STAY | FRAME_CALL_FOLLOWS, false);
	assert_int_equal(out.data[5], 3);
	frame_fill(&out);
	assert_int_equal(out.len, FRAME_SLOT);
	assert_memory_equal(out.data, wanted, sizeof(wanted) - 1);
	for (size_t i = sizeof(wanted) - 1; i < FRAME_SLOT; i++)
		assert_int_equal(out.data[i], 0);
	buf_putc(&out, 'x');
	frame_fill(&out);
	assert_int_equal(out.len, FRAME_SLOT + 1);
	buf_finish(&rest);
	buf_finish(&out);
}

static void a_call_may_have_neither_name_nor_rest(void **state)
{
	(void)state;
	static const char wanted[] = "\14\0\0\0C\0\377\377\377\377\377\377\377\377\0\0";
	struct buf rest = {0};
	struct buf out = {0};
	frame_put_call(&out, 0, -1, "", &rest);
	assert_int_equal(out.len, sizeof(wanted) - 1);
	assert_memory_equal(out.data, wanted, sizeof(wanted) - 1);
	buf_finish(&out);
}

static void frames_are_found_whole_and_in_order(void **state)
{
	(void)state;
	static const char stream[] = "\1\0\0\0R\5\0\0\0Vjson\1\0\0\0E";
	static const struct {
		enum frame_type type;
		const char *payload;
	} wanted[] = {{FRAME_READY, ""}, {FRAME_RESULT, "json"}, {FRAME_REFUSED, ""}};
	struct buf in = {0};
	size_t found = 0;
	for (size_t i = 0; i < sizeof(stream) - 1; i++) {
		enum frame_type type;
		const char *payload;
		size_t len;
		buf_append(&in, stream + i, 1);
		int status = frame_peek(&in, &type, &payload, &len);
		assert_int_equal(status, i == 4 || i == 13 || i == 18 ? 1 : 0);
		if (status == 0)
			continue;
		assert_int_equal(type, wanted[found].type);
		assert_int_equal(len, strlen(wanted[found].payload));
		assert_memory_equal(payload, wanted[found].payload, len);
		frame_next(&in);
		assert_int_equal(in.len, 0);
		found++;
	}
	assert_int_equal(found, 3);
	buf_finish(&in);
}

static void the_next_frame_stays(void **state)
{
	(void)state;
	struct buf in = {0};
	enum frame_type type;
	const char *payload;
	size_t len;
	buf_append(&in, BYTES("\4\0\0\0Dwhy\1\0\0\0R\2"));
	assert_int_equal(frame_peek(&in, &type, &payload, &len), 1);
	assert_int_equal(type, FRAME_DECLINED);
	assert_int_equal(len, 3);
	frame_next(&in);
	assert_int_equal(in.len, 6);
	assert_int_equal(frame_peek(&in, &type, &payload, &len), 1);
	assert_int_equal(type, FRAME_READY);
	frame_next(&in);
	assert_int_equal(frame_peek(&in, &type, &payload, &len), 0);
	buf_finish(&in);
}

static int peek(const char *bytes, size_t len)
{
	struct buf in = {0};
	enum frame_type type;
	const char *payload;
	size_t payload_len;
	buf_append(&in, bytes, len);
	int status = frame_peek(&in, &type, &payload, &payload_len);
	buf_finish(&in);
	return status;
}

static void what_is_no_frame_is_told_at_once(void **state)
{
	(void)state;
	assert_int_equal(peek(BYTES("\0\0\0\0")), -1);
	assert_int_equal(peek(BYTES("\1\0\100\0")), -1); /* FRAME_MAX + 1 */
	assert_int_equal(peek(BYTES("\377\377\377\377V")), -1);
	assert_int_equal(peek(BYTES("\5\0\0\0X")), -1);
	assert_int_equal(peek(BYTES("\5\0\0\0r")), -1);
	assert_int_equal(peek(BYTES("\1\0\0\0\0")), -1); /* a type of NUL */
}

static void the_largest_frame_is_one(void **state)
{
	(void)state;
	struct buf in = {0};
	enum frame_type type;
	const char *payload;
	size_t len;
	buf_append(&in, BYTES("\0\0\100\0V"));
	memset(buf_reserve(&in, FRAME_MAX - 1), 'x', FRAME_MAX - 1);
	in.len += FRAME_MAX - 2;
	assert_int_equal(frame_peek(&in, &type, &payload, &len), 0);
	in.len++;
	assert_int_equal(frame_peek(&in, &type, &payload, &len), 1);
	assert_int_equal(len, FRAME_MAX - 1);
	frame_next(&in);
	assert_int_equal(in.len, 0);
	buf_finish(&in);
}

static void no_bytes_are_no_frame_yet(void **state)
{
	(void)state;
	assert_int_equal(peek("", 0), 0);
	assert_int_equal(peek(BYTES("\1\0\0")), 0);
	assert_int_equal(peek(BYTES("\1\0\0\0")), 0);
	struct buf in = {0};
	enum frame_type type;
	const char *payload;
	size_t len;
	assert_int_equal(frame_peek(&in, &type, &payload, &len), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_laid_out_as_promised),
		cmocka_unit_test(a_call_may_have_neither_name_nor_rest),
		cmocka_unit_test(frames_are_found_whole_and_in_order),
		cmocka_unit_test(the_next_frame_stays),
		cmocka_unit_test(what_is_no_frame_is_told_at_once),
		cmocka_unit_test(the_largest_frame_is_one),
		cmocka_unit_test(no_bytes_are_no_frame_yet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
