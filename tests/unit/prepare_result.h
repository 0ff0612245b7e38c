#pragma once

/* What `-i` on FreeBSD is for, as it came to be: the same however often it was begun. */

#include "prepare_world.h"

#include <ftw.h>

static struct buf *listed;
static size_t listed_root;

static inline int entry_list(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type;
	(void)ftw;
	defer_free char *text =
		S_ISREG(st->st_mode) ? fs_read(path, (size_t)1 << 20, NULL, NULL) : NULL;
	buf_printf(listed, "%s %o %s\n", path + listed_root, (unsigned)st->st_mode,
		text != NULL ? text : "");
	return 0;
}

static inline int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything below a directory of the fakes, in order; the caller frees. */
static inline char *inventory(const struct world *w, const char *name)
{
	struct buf text = {0};
	struct buf out = {0};
	char *lines[512];
	size_t count = 0;
	defer_free char *path = fakes_at(&w->k, name);
	listed = &text;
	listed_root = strlen(path);
	(void)nftw(path, entry_list, 16, FTW_PHYS);
	buf_puts(&out, "");
	char *save = NULL;
	for (char *line = text.data != NULL ? strtok_r(text.data, "\n", &save) : NULL;
		line != NULL && count < 512; line = strtok_r(NULL, "\n", &save))
		lines[count++] = line;
	qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s\n", lines[i]);
	buf_finish(&text);
	return out.data != NULL ? out.data : mem_strdup("");
}

/* What it is for: base with its marks, packages, toolchain. The numbers of marks tell how often it
 * was begun, which may differ. */
static inline char *result(const struct world *w)
{
	defer_free char *base = inventory(w, "state/jails/base-14.2-RELEASE");
	defer_free char *packages = inventory(w, "state/packages");
	defer_free char *go = inventory(w, "state/toolchain");
	defer_free char *order =
		fakes_get(&w->k, "pool/tank/sky/sky-1/base-14.2-RELEASE/.ds/order");
	const char *word = strchr(order, '-');
	return mem_printf("%s\n%s\n%s\n%s", base, packages, go, word != NULL ? word : "none");
}

/* Whether a recorded command is one that changes something. */
static inline bool changes(const char *line)
{
	return strncmp(line, "zfs list", 8) != 0 && strncmp(line, "zfs get", 7) != 0;
}
