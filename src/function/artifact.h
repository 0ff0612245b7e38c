#pragma once

/*
 * artifact: compiled driver binaries, one for a package whose table holds all its plain functions,
 * or one for an expression. A hundred requests at once for one make one build. The binary lies
 * under artifacts/ in the state directory, named by its SHA-256, which is checked before its first
 * use after a start; one that is missing or altered is built again, and its callers only wait
 * longer. It is held open while it is used: what runs is what was built. What is not called any
 * more goes (cache.h).
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
	bool rebuild;            /* even where it is there: that one serves others until then */
};

struct artifacts;
struct artifact_wait;

struct artifacts_setup {
	uv_loop_t *loop;
	struct tools *tools;
	struct pool *pool;   /* whose waiting jails an artifact that goes takes with it */
	struct store *store; /* NULL: nothing is kept over a restart */
	struct cache *cache; /* of what takes room */
	const char *state;
	const char *builder; /* toolchain, platform, flags, driver: all that makes other programs
				of the same source */
	bool cgo;
};

/* Reads what the store remembers; what else lies in artifacts/ goes. */
struct artifacts *artifacts_create(const struct artifacts_setup *setup);
typedef void artifact_done(
	void *ctx, struct artifact *artifact, const json_t *report, const struct fault *f);
/* As source_get. Strings are copied. The report is NULL where nothing was built. */
struct artifact_wait *artifact_get(struct artifacts *artifacts, const struct artifact_want *want,
	artifact_done *done, void *ctx);
void artifact_cancel(struct artifact_wait *wait);
bool artifact_has(const struct artifact *artifact, const char *function);
/* Ends the waiting jails of all artifacts of that package@version; calls in progress go on. */
void artifacts_rest(struct artifacts *artifacts, const char *package, const char *version);
