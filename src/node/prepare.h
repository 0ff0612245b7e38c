#pragma once

/*
 * prepare: what the steps of preparing share; the tables are the platform's. A step looks whether it is done, makes its thing
 * beside the place where it belongs and renames it there. Its undo removes what was made beside:
 * after a failure. What a kill leaves is used or removed by the step's next run.
 */

#include "node/node.h"

#include <stdbool.h>

struct preparing {
	struct node *node;
	enum node_mode mode;
	char key[33]; /* digest of the driver's source and Go's version */
	char *goroot, *tool;
	const char *host; /* in front of the host's own /etc: "", but in tests */
};

struct prepare_step {
	const char *name, *fact; /* for people, and for metrics */
	int (*up)(void *preparing, struct fault *f);
	void (*undo)(const struct preparing *p); /* NULL: it leaves nothing */
	const char *grows;                       /* what tells how far it is, or NULL */
	bool proves;                             /* makes nothing: done by -i, and at first */
};

/* The steps in order, to one without a name: FreeBSD's, and those of the platform that this is
 * built for. */
extern const struct prepare_step prepare_freebsd[];
extern const struct prepare_step *const prepare_platform;
/* Does them, `prove` as proves has it. */
int prepare_run(const struct prepare_step *steps, bool prove, struct preparing *p, struct fault *f);
/* The directories of the state. */
int prepare_directories(void *preparing, struct fault *f);

/* In the state directory, where things are made before they are renamed into their place. */
#define TOOLCHAIN_PART "toolchain/part"
#define TOOL_PART      "tool/part"
#define CACHE_PART     "private/gocache.part"

/* toolchain.c */
int toolchain_get(void *preparing, struct fault *f);
void toolchain_undo(const struct preparing *p);
/* Runs a `go` with a minimal environment, `more` (count of NAME=VALUE) and how modules are reached,
 * in processes that all end with us. */
int toolchain_run(const struct preparing *p, char *const *argv, const char *const *more,
	size_t count, const char *dir, struct fault *f);

/* base.c */
int base_make(void *preparing, struct fault *f);
void base_undo(const struct preparing *p);
/* The CA certificates of this host, or of the configuration, into a root. */
int base_certificates(const struct node *n, const char *root, struct fault *f);
/* The toolchain's time zones, into the roots. */
int base_zones(const struct preparing *p, struct fault *f);

/* driver.c */
void driver_key(struct preparing *p);
int driver_tool(void *preparing, struct fault *f);
void driver_tool_undo(const struct preparing *p);
int driver_cache(void *preparing, struct fault *f);
void driver_cache_undo(const struct preparing *p);
bool driver_is_cached(const struct preparing *p);

/* proof.c: jails that are made and removed at once. Any jail, before there is a toolchain to wait
 * for: */
int proof_jail(void *preparing, struct fault *f);
/* and one that builds, with toolchain and cache in it. */
int proof_build(void *preparing, struct fault *f);
