#pragma once

/*
 * pf: what jails with addresses may send and receive, as the text of rules of pf.conf(5) for an
 * anchor of ours, and what pfctl(8) is asked. The texts are made, and read, by pure functions.
 * Which address a jail sends from is the kernel's to enforce (ip4.addr).
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "base/buf.h"
#include "base/fault.h"
#include "net/pools.h"

#include <stdbool.h>

#define PF_LINE "anchor \"sky-island/*\""

/* All rules of the pools. Loading them again replaces them. */
void pf_put_rules(struct buf *out, const struct net_pools *pools);
/* Whether `pfctl -s info` says that pf is on. */
bool pf_is_on(const char *info);
/* Whether `pfctl -s rules` has our anchor in the main ruleset. */
bool pf_has_anchor(const char *rules);
/* Whether `pfctl -v -s Interfaces -i lo0` says that pf leaves loopback alone: then jails would
 * reach whatever listens on the host. */
bool pf_skips(const char *interfaces, const char *name);

/* Whether pf is as it must be; else what to do. */
int pf_check(struct fault *f);
/* The rules in the file, into the anchor of an instance. */
int pf_load(const char *instance, const char *file, struct fault *f);
int pf_flush(const char *instance, struct fault *f);
