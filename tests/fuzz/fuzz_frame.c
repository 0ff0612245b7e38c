/*
 * fuzz_frame: frame_peek on what a driver, or the function in it, may write. The frames found do
 * not depend on how the bytes arrive, lie within them, and account for all that went before an end
 * or error.
 */

#include "pool/frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

enum { INPUT_MAX = 4096 };

/* Takes the frames at the start of `in`, and appends them to `seen`; returns frame_peek's last
 * word. */
static int drain(struct buf *in, struct buf *seen)
{
	for (;;) {
		enum frame_type type = 0;
		const char *payload = NULL;
		size_t len = 0;
		int found = frame_peek(in, &type, &payload, &len);
		if (found <= 0)
			return found;
		CHECK(found == 1 && type != 0 && strchr("RCVQPDEJ", (int)type) != NULL);
		CHECK(payload == in->data + 5 && len < FRAME_MAX && 5 + len <= in->len);
		buf_putc(seen, (char)type);
		buf_put_u32(seen, (uint32_t)len);
		buf_append(seen, payload, len);
		size_t before = in->len;
		frame_next(in);
		CHECK(before - in->len == 5 + len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > INPUT_MAX)
		return 0;
	struct buf whole = {0};
	struct buf whole_seen = {0};
	buf_append(&whole, data, size);
	int whole_end = drain(&whole, &whole_seen);
	CHECK(whole_seen.len + whole.len == size);

	struct buf slow = {0};
	struct buf slow_seen = {0};
	int slow_end = 0;
	for (size_t i = 0; i < size && slow_end == 0; i++) {
		buf_append(&slow, data + i, 1);
		slow_end = drain(&slow, &slow_seen);
	}
	CHECK(slow_end == whole_end && slow_seen.len == whole_seen.len);
	CHECK(slow_seen.len == 0 || memcmp(slow_seen.data, whole_seen.data, slow_seen.len) == 0);
	buf_finish(&whole);
	buf_finish(&whole_seen);
	buf_finish(&slow);
	buf_finish(&slow_seen);
	return 0;
}

#ifdef FUZZ_STANDALONE
#include "fuzz_standalone.h"

static const struct fuzz_seed seeds[] = {
	SEED("\x01\0\0\0R"),
	SEED("\x01\0\0\0R\x01\0\0\0V"),
	SEED("\x13\0\0\0V{\"results\":[\"x\"]}"),
	SEED("\x05\0\0\0Dwhy?\x03\0\0\0Eno"),
	SEED("\x0d\0\0\0C\0\0\0\0\0\0\0\0\0\x01\0F\0\0"),
	SEED("\0\0\0\0"),
	SEED("\0\0\x40\0V"),
	SEED("\x01\0\x40\0V"),
};

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, seeds, sizeof(seeds) / sizeof(seeds[0]),
		"\x01\x02\x03\x05\x40\xFFRCVQPDEJX");
}
#endif
