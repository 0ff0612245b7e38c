#pragma once

/* The commands of tests/unit/fake: a directory that they record into, and what they recorded. */

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fakes {
	char dir[64];
};

/* They are what PATH finds first from now on. */
static inline void fakes_begin(struct fakes *k)
{
	const char *from = getenv("SKY_FAKES");
	assert_non_null(from); /* tests/meson.build sets it */
	(void)strcpy(k->dir, "/tmp/sky-fakes-XXXXXX");
	assert_non_null(mkdtemp(k->dir));
	defer_free char *bin = mem_printf("%s/bin", k->dir);
	defer_free char *path = mem_printf("%s:/usr/bin:/bin", bin);
	assert_int_equal(symlink(from != NULL ? from : "", bin), 0);
	assert_int_equal(setenv("PATH", path, 1), 0);
}

static inline void fakes_end(struct fakes *k)
{
	assert_int_equal(fs_remove_all(k->dir, NULL), 0);
}

static inline char *fakes_at(const struct fakes *k, const char *name)
{
	return mem_printf("%s/%s", k->dir, name);
}

static inline void fakes_put(const struct fakes *k, const char *name, const char *text)
{
	struct fault f = {0};
	defer_free char *path = fakes_at(k, name);
	defer_free char *dir = mem_strdup(path);
	*strrchr(dir, '/') = '\0';
	if (fs_mkdirs(dir, 0755, &f) < 0 || fs_write(path, text, strlen(text), 0644, &f) < 0)
		fail_msg("%s", f.text);
}

static inline bool fakes_has(const struct fakes *k, const char *name)
{
	defer_free char *path = fakes_at(k, name);
	return access(path, F_OK) == 0;
}

/* "" where there is none; the caller frees. */
static inline char *fakes_get(const struct fakes *k, const char *name)
{
	defer_free char *path = fakes_at(k, name);
	char *text = fs_read(path, (size_t)1 << 20, NULL, NULL);
	return text != NULL ? text : mem_strdup("");
}

static inline void fakes_drop(const struct fakes *k, const char *name)
{
	defer_free char *path = fakes_at(k, name);
	assert_int_equal(fs_remove_all(path, NULL), 0);
}

/* What was recorded since the last time, "%" for the directory; the caller frees. */
static inline char *fakes_log(const struct fakes *k)
{
	struct buf out = {0};
	defer_free char *text = fakes_get(k, "log");
	const size_t len = strlen(k->dir);
	buf_puts(&out, "");
	for (const char *at = text; *at != '\0';) {
		const bool here = strncmp(at, k->dir, len) == 0;
		buf_putc(&out, here ? '%' : *at);
		at += here ? len : 1;
	}
	fakes_drop(k, "log");
	return out.data != NULL ? out.data : mem_strdup("");
}
