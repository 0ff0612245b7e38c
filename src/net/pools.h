#pragma once

/*
 * pools: the address pools of network.ip4 as numbers, in one table of fixed size that lies in
 * memory shared by all processes: the supervisor fills it (and again when it reads the pools anew),
 * the server leases from it, jailers and their helpers check what they are asked for against it.
 * Addresses are in host byte order.
 */

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	POOLS_COUNT_MAX = 64,
	POOLS_NAME = 33,
	POOLS_DNS_MAX = 3,
	POOLS_OPEN_MAX = 16,
	IP4_TEXT = 16
};

struct net_network {
	uint32_t address, mask;
};

struct net_pool {
	char name[POOLS_NAME];
	char interface[16]; /* "": a bridge of ours, with NAT */
	uint32_t first, last, mask, gateway;
	uint32_t dns[POOLS_DNS_MAX];
	uint32_t dns_count;
	struct net_network open[POOLS_OPEN_MAX]; /* reachable though private */
	uint32_t open_count;
};

struct net_pools {
	uint32_t version; /* odd while it is being written */
	uint32_t count;
	struct net_pool pool[POOLS_COUNT_MAX];
};

/* What no jail reaches unless its pool opens it: this network and loopback (RFC 1122), private
 * (RFC 1918), shared (RFC 6598), link-local with the clouds' metadata (RFC 3927), protocol
 * assignments, documentation, benchmarks (RFC 6890), multicast and above. */
extern const struct net_network net_closed[];
extern const size_t net_closed_count;

/* A table that processes share, empty: its descriptor, or -1. */
int pools_share(struct fault *f);
/* Another process's, only to be read; NULL: f set. */
const struct net_pools *pools_map(int fd, struct fault *f);
/* Puts `from` where others may be reading. */
void pools_publish(struct net_pools *shared, const struct net_pools *from);
/* A copy of a table that may be written meanwhile. */
void pools_copy(struct net_pools *to, const struct net_pools *shared);
/* The pool that holds an address, copied; false: none does. */
bool pools_find(const struct net_pools *shared, uint32_t address, struct net_pool *out);

/* "10.0.0.2" to a number; false where it is none. */
bool ip4_parse(const char *text, uint32_t *address);
/* "10.0.0.0/8"; bits beyond the length must be zero. */
bool ip4_parse_network(const char *text, struct net_network *network);
const char *ip4_text(uint32_t address, char text[IP4_TEXT]);
/* Ones at the start of a mask. */
unsigned ip4_prefix(uint32_t mask);
/* Whether all of `inner` lies in `outer`. */
bool ip4_covers(const struct net_network *outer, const struct net_network *inner);
