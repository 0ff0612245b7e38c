#pragma once

/* unpack: a tar of regular files and directories, from a jail and not trusted, into a new
 * directory. */

#include "base/fault.h"

#include <stdint.h>

/* Unpacks the file fd (from its start) into the directory `to`, which must not exist. Names that
 * are absolute or have "..", links, devices, more than `bytes_max` or 100,000 entries:
 * FAULT_PLATFORM (the tool does not write such). On failure nothing stays. Blocks: for a worker
 * thread. */
int unpack_tar(int fd, const char *to, uint64_t bytes_max, struct fault *f);
