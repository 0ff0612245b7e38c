#pragma once

/* host: what is changed on the host for jails with addresses: the bridge, the tables of rules, and
 * forwarding. Private to src/net/linux. */

#include "net/linux/rtnl.h"
#include "net/link.h"

enum { HOST_NAME = 16, HOST_ADDRESSES_MAX = 256 };

/* The host's IPv4 addresses but those of loopback. */
struct host_addresses {
	uint32_t address[HOST_ADDRESSES_MAX];
	size_t count;
};

/* Makes what is missing, once for each process and version of the pools. */
int host_ready(const struct net_setup *net, struct fault *f);
int host_addresses(struct rtnl *r, struct host_addresses *out);
/* The name of the host's end of the link that has an address, and what such names begin with. Being
 * named for the address, the kernel lets no two links have one. */
void host_link_name(const char *instance, uint32_t address, char name[HOST_NAME]);
void host_link_prefix(const char *instance, char prefix[HOST_NAME]);
/* One hardware address for each address: tables of neighbours stay true when it moves on. */
void host_mac(uint32_t address, uint8_t mac[6]);
/* No IPv6 on a link of ours. */
void host_ipv6_off(const char *link);
