#pragma once

/*
 * resolve: what a request's url and version name, by their form alone: nothing is asked of anyone
 * here. A package path is as Go writes it in an import (Go module reference, "Module paths and
 * versions"); `url@version` is taken too.
 */

#include "base/fault.h"

#include <stdbool.h>

struct resolve {
	char *package; /* import path: "github.com/mmcloughlin/geohash", "strings" */
	char *version; /* "latest" where none was given */
	bool standard; /* of Go's own library: no dot in the first element */
	bool pinned;   /* a full semantic version: means the same for ever */
};

/* FAULT_INPUT with code url_invalid, url_scheme, version_invalid or version_twice. `version` may be
 * NULL. */
int resolve_parse(struct resolve *r, const char *url, const char *version, struct fault *f);
void resolve_finish(struct resolve *r);
