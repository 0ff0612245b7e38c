#pragma once

/* treesum: what a fetched tree is, by all that is in it, and how much room it takes. */

#include "base/fault.h"

#include <stdint.h>

struct treesum {
	char digest[65]; /* BLAKE2b of names and contents, hexadecimal */
	uint64_t bytes;  /* files rounded up to 4 KiB, a directory counted as one */
};

/* Reads all of the tree. FAULT_NOT_FOUND where it is not there; a file that cannot be read fails.
 * Blocks: for a worker thread. */
int treesum_make(const char *path, struct treesum *sum, struct fault *f);
