#pragma once

/*
 * resolve: what a request's url and version name, by their form alone: nothing is asked of anyone
 * here. A package path is as Go writes it in an import (Go module reference, "Module paths and
 * versions"); `url@version` is taken too. resolve_git.h has what plain git repositories are.
 */

#include "base/fault.h"
#include "function/resolve_git.h"

#include <stdbool.h>

struct resolve {
	char *package; /* import path: "github.com/mmcloughlin/geohash", "strings"; of a git
			  repository its url with the directory in it */
	char *version; /* "latest" where none was given */
	bool standard; /* of Go's own library: no dot in the first element */
	bool pinned;   /* a full semantic version, or git's commit: means the same for ever */
	struct resolve_git *git; /* NULL: by the module protocol */
};

/* FAULT_INPUT with code url_invalid, url_git, url_scheme, version_invalid or version_twice.
 * `version` may be NULL. */
int resolve_parse(struct resolve *r, const char *url, const char *version, struct fault *f);
/* Whether a text may be a version, or a git ref: nothing that a program would take for an option, a
 * range or a pattern. FAULT_INPUT, version_invalid. */
int resolve_version_check(const char *version, struct fault *f);
void resolve_finish(struct resolve *r);
