#pragma once

/* tree: whole directory trees of our own: directories, plain files and symbolic links; anything
 * else in one fails. */

#include "base/fault.h"

/* Copies what is in the directory `from` into the directory `to`, which is there. Modes are kept,
 * owners and times are not. */
int tree_copy(const char *from, const char *to, struct fault *f);
