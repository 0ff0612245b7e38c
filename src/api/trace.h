#pragma once

/*
 * trace: W3C Trace Context, https://www.w3.org/TR/trace-context/ (Level 1). Only traceparent is of
 * use here: nothing is called on behalf of a request that should have tracestate.
 */

#include <stdbool.h>

enum { TRACE_ID = 32, TRACE_SPAN = 16 };

struct trace {
	char id[TRACE_ID + 1];     /* of the whole trace: the caller's, or new */
	char span[TRACE_SPAN + 1]; /* ours */
	bool sampled;              /* as the caller says */
};

/* Takes the caller's trace id where `parent` is a valid traceparent, makes a new one otherwise
 * (NULL: there was none, or more than one). Always makes a span id. */
void trace_begin(struct trace *trace, const char *parent);
