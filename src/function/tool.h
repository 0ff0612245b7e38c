#pragma once

/*
 * tool: one run of driver/cmd/tool in a fetch or build jail: a JSON request in, a JSON report out,
 * bulk output into a file that the caller opened. At most so many run at once; further ones wait
 * their turn.
 */

#include "base/fault.h"
#include "jailer/client.h"
#include "net/egress.h"

#include <jansson.h>
#include <uv.h>

struct tool_limits {
	uint64_t build_ms, fetch_ms;
	unsigned builds_max, fetches_max;
	struct egress_policy egress;
};

struct tools;

/* The policy's strings are borrowed. */
struct tools *tools_create(
	uv_loop_t *loop, struct jailer_client *jailers, const struct tool_limits *limits);

/* What came of it: report is the tool's own word, ok or not, and borrowed; NULL: f says why there
 * is none. */
typedef void tool_done(void *ctx, const json_t *report, const struct fault *f);

/* Runs the tool, or queues it; NULL where done has come already (FAULT_LIMITED: the queue is full).
 * The request is serialised before this returns; bulk stays the caller's and must live until done.
 */
struct tool *tool_run(struct tools *tools, enum jail_kind kind, uint64_t source,
	const json_t *request, int bulk, tool_done *done, void *ctx);
/* Where one fetch may go besides what the limits say. */
struct tool_target {
	const char *target; /* "host:port" */
	bool private;       /* its address need not be public */
};
/* As tool_run, of a git jail. */
struct tool *tool_run_git(struct tools *tools, const struct tool_target *target,
	const json_t *request, int bulk, tool_done *done, void *ctx);
/* Nobody waits for it any more: it is ended, or never started; done comes all the same, perhaps
 * before this returns. */
void tool_cancel(struct tool *tool);

/* Names for people what it works for, "path@version"; copied. */
void tool_label(struct tool *tool, const char *module);

/* Turns a report that is not ok into a fault (kind from its "fault", code, detail cut to fit). */
int tool_fault(const json_t *report, struct fault *f);
unsigned tools_running(const struct tools *tools, enum jail_kind kind);
unsigned tools_waiting(const struct tools *tools); /* for their turn */
