#pragma once

/*
 * remove: whole trees by descriptor, for who has rights over more than the tree. No link is
 * followed, wherever it is put meanwhile, and no mount point is crossed, on Linux not even one of
 * the same file system (openat2(2), RESOLVE_NO_XDEV).
 */

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct remove_job {
	bool only_count; /* looks, and leaves everything */
	uint64_t bytes;  /* on disk, of what was removed or counted */
	unsigned kept;   /* entries that could not be removed */
	/* Told of each of them; may be NULL. */
	void (*tell)(const char *path, const char *why);
	struct buf path; /* of the directory; the caller's to finish */
};

/* Removes the entry `name` of the directory `dir`, whose path is job->path, with all that is in it.
 * A missing one is fine. */
void remove_entry(struct remove_job *job, int dir, const char *name);
