#pragma once

/*
 * dataset: the names that we give to zfs(8), and the only place where they are judged. What may be
 * made, changed or destroyed lies strictly below one dataset, our root, which itself lies strictly
 * below the one that the configuration names; a name that is not just that is never put into an
 * argument list. Letters, digits and "_-.:" are a part of zfs(8)'s own alphabet, without its space
 * and "%".
 */

#include "base/fault.h"

#include <stdbool.h>

enum { DATASET_MAX = 256 }; /* with the NUL, as ZFS has it */

/* Whether it is a file system's name: a pool and what lies in it, "tank/sky"; no snapshot. */
bool dataset_is_name(const char *text);
/* Whether `name`, a file system or one of its snapshots, lies strictly below `root`: "a/b/c" and
 * "a/b/c@d" are below "a/b"; "a/b" itself, "a/b@c" and "a/bc" are not. */
bool dataset_is_below(const char *root, const char *name);
/* root/leaf. `leaf` is one element. FAULT_INPUT where that is no name. */
int dataset_child(const char *root, const char *leaf, char out[DATASET_MAX], struct fault *f);
/* name@snapshot. */
int dataset_snapshot(
	const char *name, const char *snapshot, char out[DATASET_MAX], struct fault *f);
