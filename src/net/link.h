#pragma once

/*
 * link: a jail's own network link with its address, and what the host needs for it. A pool without
 * an interface is on a bridge of ours, with NAT; one whose interface is a bridge has its links
 * there; on any other interface each jail has a macvlan link. All of it is made at first use, is
 * named for the instance, noted in a file before it is made, and removed at stop or by the next
 * start.
 *
 * Slow: for helpers and the supervisor. Needs root of the host.
 */

#include "base/buf.h"
#include "base/fault.h"
#include "net/pools.h"

struct net_setup {
	const char *instance;          /* "sky-1a2b3c4d" */
	const char *record;            /* the file; NULL: nothing is noted */
	const struct net_pools *pools; /* shared; may be read anew */
};

struct net_link_want {
	int netns; /* the jail's net namespace, without links yet */
	uint32_t address;
	bool probe; /* ask the network first whether somebody else has it */
};

/* Makes it, and eth0 of the namespace is up with address and routes. It goes with the namespace;
 * the kernel does that soon after the last process and descriptor, some 40 ms. One that is still
 * going when its address is wanted again is taken away first. FAULT_BUSY with the code
 * address_taken: another host answered for it. */
int net_link_make(const struct net_setup *net, const struct net_link_want *want, struct fault *f);
/* Removes all that was made on the host, where the file says that something was. */
int net_host_clear(const struct net_setup *net, struct fault *f);
/* "ok|warn|fail\tname\twhat\n" lines on what is changed on the host at the moment. */
void net_host_report(const struct net_setup *net, struct buf *report);
/* Tries bridge, veth, macvlan and rules, in a net namespace of its own which the caller keeps: for
 * a process that ends afterwards. */
void net_host_probe(const struct net_setup *net, struct buf *report);

/* Whether the pools fit the host: what they must not hold is a fault (FAULT_INPUT); lines of advice
 * go to *warnings. */
int net_host_check(
	const struct net_pools *pools, const char *instance, struct buf *warnings, struct fault *f);
