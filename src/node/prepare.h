#pragma once

/*
 * prepare: what the steps of prepare.c share. A step looks whether it is done, makes its thing
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
};

/* In the state directory, where things are made before they are renamed into their place. */
#define TOOLCHAIN_PART "toolchain/part"
#define TOOL_PART      "tool/part"
#define CACHE_PART     "private/gocache.part"

/* toolchain.c */
int toolchain_make(void *preparing, struct fault *f);
void toolchain_undo(const struct preparing *p);
/* Runs a `go` with a minimal environment, `more` (count of NAME=VALUE) and how modules are reached,
 * in processes that all end with us. */
int toolchain_run(const struct preparing *p, char *const *argv, const char *const *more,
	size_t count, const char *dir, struct fault *f);

/* base.c */
int base_make(void *preparing, struct fault *f);
void base_undo(const struct preparing *p);
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
