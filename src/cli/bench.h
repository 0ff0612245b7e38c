#pragma once

/*
 * bench: what the files of `sky-island bench` share. bench.c reads the command line, bench_target.c
 * finds the server, bench_load.c paces calls over clients (bench_client.c), each of which has a
 * connection that is kept; bench_report.c tells what came of it.
 *
 * Closed loop: each client makes its next call when the last one is answered. Open loop (a rate):
 * calls are due at fixed times, and a call's time runs from when it was due, also where all clients
 * were busy then: a server that stalls is charged for all who had to wait.
 */

#include "base/buf.h"
#include "base/fault.h"
#include "cli/bench_histogram.h"

#include <stdbool.h>
#include <sys/socket.h>

struct bench_target {
	char *shown; /* "http://127.0.0.1:3280", "unix:/run/sky.sock" */
	char *host;  /* of the request's Host */
	char *path;  /* of a unix socket; NULL: address */
	char *token; /* NULL: none is sent */
	struct sockaddr_storage address;
};

/* "http://host:port" or "unix:PATH". */
int bench_target_parse(struct bench_target *t, const char *text, struct fault *f);
/* Where the server of a configuration listens, with its function_token. */
int bench_target_of_config(
	struct bench_target *t, const char *config_path, struct buf *faults, struct fault *f);
/* The file's first line. */
int bench_target_token(struct bench_target *t, const char *path, struct fault *f);
void bench_target_finish(struct bench_target *t);

struct bench_setup {
	const struct bench_target *target;
	const char *request; /* all of it, as it is sent */
	size_t request_len;
	unsigned clients, think_ms;
	uint64_t calls; /* 0: for so many seconds */
	double seconds;
	double rate; /* calls a second; 0: closed loop */
};

enum { BENCH_STAGES = 5, BENCH_FAILURES = 32 };
extern const char *const bench_stage_names[BENCH_STAGES]; /* as Server-Timing has them */

/* Failed calls of a kind; the last kind takes all that found no room. */
struct bench_failure {
	int status;                 /* 0: there was no answer */
	char code[40], detail[200]; /* of the first one */
	uint64_t count;
};

struct bench_result {
	struct bench_histogram whole, stages[BENCH_STAGES]; /* of calls that succeeded */
	uint64_t made, failed;
	uint64_t elapsed_ns;
	struct bench_failure failures[BENCH_FAILURES];
	unsigned failures_count;
	bool interrupted;
};

void bench_result_fail(
	struct bench_result *r, int status, const char *code, const char *detail, uint64_t count);

/* Makes the calls. -1: there is no server. */
int bench_load(const struct bench_setup *setup, struct bench_result *out, struct fault *f);

struct bench_words {
	const char *url, *call;
	bool json;
};
void bench_report(const struct bench_setup *setup, const struct bench_result *r,
	const struct bench_words *words);
