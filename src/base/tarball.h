#pragma once

/* tarball: archives of whole systems, compressed or not: links, owners and modes as they have them.
 * What is in them stays inside the directory they are unpacked to. */

#include "base/fault.h"

#include <stdint.h>

enum { TARBALL_SHA256 = 65 };

/* The file's SHA256 as 64 lower-case digits, from its start. */
int tarball_sha256(int fd, char digest[TARBALL_SHA256], struct fault *f);
/*
 * Unpacks fd, from its start, into the directory `to`, which is there. `name` is how faults call
 * it. Owners are kept where root unpacks. Absolute names, "..", names and hard links that lead
 * through symbolic links, and anything but files, directories and links are refused, as is more
 * than `bytes_max`. What was unpacked before a failure stays.
 */
int tarball_unpack(int fd, const char *name, const char *to, uint64_t bytes_max, struct fault *f);
