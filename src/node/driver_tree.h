#pragma once

/* driver_tree: the Go source of the driver and the tool, which the build puts into the program
 * (tools/embed.py). */

#include <stddef.h>

struct driver_file {
	const char *path; /* relative to driver/ */
	const unsigned char *data;
	size_t len;
};

/* Ends with a path of NULL. */
extern const struct driver_file driver_tree[];
