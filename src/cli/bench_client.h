#pragma once

/* bench_client: one connection that is kept, on which one call at a time is made. */

#include "cli/bench.h"

#include <llhttp.h>
#include <uv.h>

#define BENCH_UNCONNECTED "connect_failed"

enum client_state { CLIENT_CLOSED, CLIENT_CONNECTING, CLIENT_OPEN, CLIENT_CLOSING };

struct client_answer {
	char name[32], timing[256]; /* a field's name; Server-Timing's value */
	size_t name_len, timing_len;
	struct buf body; /* of what is not 200 */
	bool in_value, whole, keep;
};

struct bench_client {
	const struct bench_setup *setup;
	/* The call has ended, with this status, or with 0 and a code of ours; or, where none was
	 * under way, the connection is open (200) or could not be opened (0). */
	void (*done)(struct bench_client *c, int status, const char *code);
	void *owner;
	struct bench_client *next; /* the owner's */
	uint64_t since_ns;         /* when the call was due */
	bool busy;                 /* a call is under way */
	const char *why;           /* BENCH_UNCONNECTED: the system's words */
	uv_timer_t pause;          /* the owner's */
	/* its own */
	enum client_state state;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	uv_connect_t connecting;
	uv_write_t write;
	bool writing;
	llhttp_t parser;
	struct client_answer answer;
};

/* setup, done and owner are set. */
void bench_client_open(struct bench_client *c, uv_loop_t *loop);
/* Makes a call; connects again where the connection is gone. */
void bench_client_call(struct bench_client *c);
/* Gives the call up, where there is one; done does not come. */
void bench_client_close(struct bench_client *c);
void bench_client_finish(struct bench_client *c);
