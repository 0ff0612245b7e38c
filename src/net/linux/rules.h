#pragma once

/*
 * rules: what jails with addresses may send and receive, as the text of nftables rules (nft(8)),
 * and loading such text through libnftables. The texts are made by pure functions.
 *
 *   bridge table  between jails' links and whatever bridge they are on: each sends from its own
 *                 address only, by IPv4 and ARP, and to nothing that is closed
 *   ip table      on a bridge of ours: NAT, nothing for the host itself, nothing from outside that
 *                 no jail asked for
 *   netdev table  in the net namespace of a jail whose link is on an interface itself: as the first
 */

#include "base/buf.h"
#include "base/fault.h"
#include "net/pools.h"

#include <stdbool.h>

/* Connections of one address at a time, on a bridge of ours; those that are closed do not count. */
enum { RULES_FLOWS_MAX = 2048 };

struct rules_host {
	const char *table;       /* the name of ours */
	const char *bridge;      /* our bridge */
	const char *link_prefix; /* what the names of jails' links begin with */
	const uint32_t *own;     /* the host's addresses: closed too */
	size_t own_count;
	const char *const *switched; /* links on which forwarding is on for our sake only */
	size_t switched_count;
	bool counts; /* the kernel can count connections */
};

/* The bridge and ip tables; loading it again replaces the rules and keeps which jail has what. */
void rules_put_host(struct buf *out, const struct net_pools *pools, const struct rules_host *host);
/* Takes both tables away, also where there are none. */
void rules_put_removal(struct buf *out, const char *table);
/* What a link may send from, in the host's bridge table. It stays there: links are named for their
 * addresses, and taking it out would wait for a grace period of the kernel's, 12 ms. */
void rules_put_link(struct buf *out, const char *table, const char *link, uint32_t address);
/* The netdev table for the link `eth0` of one jail. */
void rules_put_inside(struct buf *out, const struct net_pool *pool, uint32_t address,
	const uint32_t *own, size_t own_count);

/* In the net namespace of the caller; all of it or nothing. */
int rules_load(const char *text, struct fault *f);
