#pragma once

/*
 * artifact: compiled driver binaries, one for a package whose table holds all its plain functions,
 * or one for an expression. A hundred requests at once for one make one build. The binary lies
 * under artifacts/ in the state directory, named by its digest, and is held open: what runs is what
 * was built. What is not called any more goes: the least recently used past a cap on bytes, and all
 * after a while. Calls in progress have what they need and are not disturbed.
 */

#include "function/source.h"
#include "pool/pool.h"

struct artifact {
	struct pool_program program;
	char digest[65];   /* SHA-256, hexadecimal */
	json_t *functions; /* of a package's artifact: an object whose keys are what it can call */
};

/* What is to be built: the package's artifact, or one expression's. */
struct artifact_want {
	struct source *source;
	const char *expression;  /* NULL: the package's */
	const json_t *imports;   /* array of strings, or NULL */
	const char *expressions; /* "full" or "simple" */
};

struct artifacts;
struct artifact_wait;

struct artifacts_setup {
	uv_loop_t *loop;
	struct tools *tools;
	struct pool *pool; /* whose waiting jails an artifact that goes takes with it */
	const char *state;
	bool cgo;
	uint64_t bytes_max; /* of all artifacts; the least recently used go first */
	uint64_t unused_ms; /* one not called for so long goes */
};

struct artifacts *artifacts_create(const struct artifacts_setup *setup);
typedef void artifact_done(
	void *ctx, struct artifact *artifact, const json_t *report, const struct fault *f);
/* As source_get. Strings are copied. */
struct artifact_wait *artifact_get(struct artifacts *artifacts, const struct artifact_want *want,
	artifact_done *done, void *ctx);
void artifact_cancel(struct artifact_wait *wait);
bool artifact_has(const struct artifact *artifact, const char *function);
/* Builds done since the start. */
unsigned long artifacts_builds(const struct artifacts *artifacts);
