#pragma once

/* What the tests of the configuration share. */

#include "base/defer.h"
#include "base/fs.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(struct config *c, const char *text, struct buf *faults, struct fault *f)
{
	return config_parse(c, text, strlen(text), faults, f);
}

/* Parses what must be good. */
static struct config good(const char *text)
{
	struct config c;
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	if (parse(&c, text, &faults, &f) < 0)
		fail_msg("refused: %s\n%s", text, faults.data);
	assert_int_equal(faults.len, 0);
	return c;
}

static unsigned lines(const struct buf *b)
{
	unsigned count = 0;
	for (size_t i = 0; i < b->len; i++)
		count += b->data[i] == '\n';
	return count;
}

/* Parses what must be refused with exactly one complaint, which begins and goes on as given. */
static inline void bad(const char *text, const char *begins, const char *holds)
{
	struct config c;
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	if (parse(&c, text, &faults, &f) == 0) {
		config_finish(&c);
		fail_msg("taken: %s", text);
	}
	assert_int_equal(f.kind, FAULT_INPUT);
	if (lines(&faults) != 1 || strncmp(faults.data, begins, strlen(begins)) != 0 ||
		strstr(faults.data, holds) == NULL)
		fail_msg("%s\ncomplains: %swanted: %s … %s", text, faults.data, begins, holds);
}
