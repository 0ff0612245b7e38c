#pragma once

/*
 * git: plain git repositories as sources. What the configuration lets callers name, and the run of
 * the tool that fetches one: the url, its host's secrets and limits travel in the tool's request,
 * where git and nobody else gets them (driver/cmd/tool/git.go).
 */

#include "config/config.h"
#include "function/resolve_git.h"
#include "function/tool.h"

struct git_rules {
	const struct config *config;
	const char *missing; /* why there is no git here; NULL: there is */
};

/* Whether this repository may be asked for: FAULT_FORBIDDEN, code git_scheme_off or git_host_off,
 * with the line to add; FAULT_BUSY, code git_missing. */
int git_check(const struct git_rules *rules, const struct resolve_git *git, struct fault *f);
/* Runs the tool's `fetch` of it; as tool_run. `request` has package and version, and gets the rest.
 */
struct tool *git_fetch(const struct git_rules *rules, struct tools *tools,
	const struct resolve_git *git, json_t *request, int bulk, tool_done *done, void *ctx);
