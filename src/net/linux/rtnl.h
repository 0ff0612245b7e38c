#pragma once

/*
 * rtnl: links, addresses and routes by rtnetlink(7), through libmnl. A socket belongs to the net
 * namespace it was opened in, wherever its holder goes afterwards. Functions return 0, or -1 and
 * errno as the kernel gave it.
 */

#include "net/pools.h"

#include <stdbool.h>
#include <stdint.h>

struct mnl_socket;

struct rtnl {
	struct mnl_socket *socket;
	uint32_t sequence;
};

struct rtnl_link {
	char name[16];
	int index;
	uint32_t mtu;
	bool up, bridge;
	bool waking; /* it has a carrier, but the kernel has not made it ready: it drops packets */
};

struct rtnl_address {
	int index; /* of its link */
	uint32_t address;
	unsigned prefix;
	bool dynamic; /* it has a lifetime: a DHCP client brought it */
};

int rtnl_open(struct rtnl *r);
void rtnl_close(struct rtnl *r);

/* ENODEV: there is none of that name. */
int rtnl_link_get(struct rtnl *r, const char *name, struct rtnl_link *out);
/* Calls `each` for every link, or IPv4 address. */
int rtnl_links(struct rtnl *r, void (*each)(void *ctx, const struct rtnl_link *link), void *ctx);
int rtnl_addresses(
	struct rtnl *r, void (*each)(void *ctx, const struct rtnl_address *address), void *ctx);
/* The link by which packets to an address leave; 0: none. */
int rtnl_route_link(struct rtnl *r, uint32_t address);

/* A bridge with this hardware address, down; an existing one is fine. */
int rtnl_bridge_add(struct rtnl *r, const char *name, const uint8_t mac[6]);
struct rtnl_peer {
	const char *name; /* of the end inside */
	int netns;        /* where that end is put */
	const uint8_t *mac;
	uint32_t mtu;
};
/* Two joined ends: `name` here and the peer in its namespace. */
int rtnl_veth_add(struct rtnl *r, const char *name, const struct rtnl_peer *peer);
/* A link of its own on `parent`, in the peer's namespace, that reaches no other such link of this
 * host (macvlan, private). EBUSY: its hardware address is in use there. */
int rtnl_macvlan_add(struct rtnl *r, int parent, const struct rtnl_peer *peer);
/* Makes it an isolated port of the bridge, which reaches no other isolated one, and sets it up. */
int rtnl_port_up(struct rtnl *r, const char *name, int bridge);
int rtnl_up(struct rtnl *r, int index);
/* A missing one is fine. */
int rtnl_link_delete(struct rtnl *r, const char *name);
/* Without a route of its own where `bare`; an existing one is fine. */
int rtnl_address_add(struct rtnl *r, int index, uint32_t address, uint32_t mask, bool bare);

enum rtnl_route { RTNL_VIA, RTNL_LINK, RTNL_PROHIBIT };
/* A route to `to`: via the gateway (which needs no route itself), directly, or to an error that the
 * program sees at once. An existing one is fine. */
int rtnl_route_add(struct rtnl *r, enum rtnl_route kind, const struct net_network *to, int index,
	uint32_t gateway);
