#pragma once

/*
 * metrics: facts about what was done, counted here and told two ways: to StatsD, which is sent
 * them, and to Prometheus, which asks. facts.h is the one table of all facts.
 *
 * Recording is an addition to an array and, with StatsD, a sample kept for the next datagram: a few
 * nanoseconds, no allocation. One thread: the server's loop (and the supervisor before it forks,
 * for metrics_step). Labels are numbers of small fixed sets; one past its set's end counts as the
 * set's last, which is "other" where that can happen.
 */

#include "base/buf.h"
#include "metrics/facts.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* One more of a counter. a, b: its labels, 0 where it has none. */
void metrics_count(enum metric metric, unsigned a, unsigned b);
/* It took so long. */
void metrics_time(enum metric metric, uint64_t ns);
void metrics_time_of(enum metric metric, unsigned a, unsigned b, uint64_t ns);
/* What a gauge shows now; for the sampler. */
void metrics_set(enum metric metric, uint64_t value);
/* A step of initialisation was done; the name is borrowed, for ever. At most METRIC_STEPS. */
enum { METRIC_STEPS = 32 };
void metrics_step(const char *name, uint64_t ns);

/* Called before gauges are told, to set them; `exposed`: those too that only Prometheus is told. */
void metrics_sampler(void (*sample)(void *ctx, bool exposed), void *ctx);

/* The label's number for a status: itself for those in use, else that of "other". */
unsigned metrics_status(int status);

/* ---- StatsD ---- */

/* Sends to host:port from now on: datagrams of at most STATSD_BYTES, when one is full or 100 ms
 * after the first fact; gauges when they change, and all of them every 10 s. Nothing waits: a
 * name is resolved in a worker thread, tried again every 10 s where that fails; what the kernel
 * does not take is lost and counted. Nobody listening is no failure. */
enum { STATSD_BYTES = 1432 };
void statsd_open(uv_loop_t *loop, const char *host, unsigned port);
/* Sends what is left. */
void statsd_flush(void);
/* For a process without a loop: sends the steps that were recorded, and may wait for the
 * resolver. */
void statsd_send_steps(const char *host, unsigned port);

/* ---- Prometheus ---- */

/* All facts, in the text exposition format 0.0.4. */
void metrics_expose(struct buf *to);
