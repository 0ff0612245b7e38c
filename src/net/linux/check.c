/* Whether the configured pools fit this host, and whether the kernel has what links need. */

#include "net/linux/host.h"
#include "net/linux/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

struct checking {
	const struct net_pools *pools;
	const char *instance;
	struct buf *warnings;
	struct fault *fault;
	struct rtnl_link links[256];
	size_t links_count;
	int failed;
};

static void link_keep(void *ctx, const struct rtnl_link *link)
{
	struct checking *c = ctx;
	if (c->links_count < sizeof(c->links) / sizeof(c->links[0]))
		c->links[c->links_count++] = *link;
}

static const char *link_name(const struct checking *c, int index)
{
	for (size_t i = 0; i < c->links_count; i++) {
		if (c->links[i].index == index)
			return c->links[i].name;
	}
	return "?";
}

static bool link_there(const struct checking *c, const char *name)
{
	for (size_t i = 0; i < c->links_count; i++) {
		if (strcmp(c->links[i].name, name) == 0)
			return true;
	}
	return false;
}

static void complain(struct checking *c, const struct net_pool *pool, const char *field,
	const char *address, const char *link, const char *what)
{
	if (c->failed != 0)
		return;
	c->failed = fault_set(c->fault, FAULT_INPUT, 0,
		"network.ip4.%s (pool \"%s\"): found %s, an address of this host's %s, allowed: %s",
		field, pool->name, address, link, what);
}

static void pool_compare(
	struct checking *c, const struct net_pool *pool, const struct rtnl_address *address)
{
	char text[IP4_TEXT];
	const char *link = link_name(c, address->index);
	const char *ip4 = ip4_text(address->address, text);
	const uint32_t mask = address->prefix == 0 ? 0 : UINT32_MAX << (32 - address->prefix);
	const uint32_t narrower = mask & pool->mask;
	const bool near = ((address->address ^ pool->first) & narrower) == 0 && narrower != 0;
	if (strcmp(link, c->instance) == 0)
		return; /* our bridge, of a run that was killed */
	if (pool->interface[0] != '\0' && !link_there(c, pool->interface))
		return; /* another host's configuration: it starts, and only calls with ip4 fail */
	if (address->address >= pool->first && address->address <= pool->last)
		complain(c, pool, "start_addr", ip4, link, "a pool that does not hold it");
	else if (pool->interface[0] == '\0' && near && address->address >> 24 != 127)
		complain(c, pool, "start_addr", ip4, link,
			"a subnet that is on no interface yet, or that interface's name as "
			"interface");
	else if (strcmp(pool->interface, link) == 0 && near && address->dynamic)
		buf_printf(c->warnings,
			"network.ip4.interface: %s has %s by DHCP, and the pool \"%s\" lies in the "
			"same subnet: take care that the DHCP server never gives out %s\n",
			link, ip4, pool->name, "the pool's addresses");
}

static void address_check(void *ctx, const struct rtnl_address *address)
{
	struct checking *c = ctx;
	for (uint32_t i = 0; i < c->pools->count; i++)
		pool_compare(c, &c->pools->pool[i], address);
}

int net_host_check(
	const struct net_pools *pools, const char *instance, struct buf *warnings, struct fault *f)
{
	struct checking c = {
		.pools = pools, .instance = instance, .warnings = warnings, .fault = f};
	struct rtnl r;
	if (rtnl_open(&r) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "rtnetlink");
	if (rtnl_links(&r, link_keep, &c) < 0 || rtnl_addresses(&r, address_check, &c) < 0)
		c.failed = fault_set(f, FAULT_PLATFORM, errno, "the host's addresses");
	rtnl_close(&r);
	return c.failed;
}

/* ---- trying ---- */

static int probe_links(struct rtnl *r, const struct net_setup *net, int netns, const char **step)
{
	static const uint8_t macs[3][6] = {
		{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}};
	struct rtnl_link link;
	char name[HOST_NAME];
	host_link_name(net->instance, 1, name);
	const struct rtnl_peer peer = {.name = "eth0", .netns = netns, .mac = macs[1]};
	const struct rtnl_peer other = {.name = "eth1", .netns = netns, .mac = macs[2]};
	*step = "bridge";
	if (rtnl_bridge_add(r, net->instance, macs[0]) < 0 ||
		rtnl_link_get(r, net->instance, &link) < 0)
		return -1;
	*step = "veth";
	if (rtnl_veth_add(r, name, &peer) < 0 || rtnl_port_up(r, name, link.index) < 0)
		return -1;
	*step = "macvlan";
	return rtnl_link_get(r, name, &link) < 0 || rtnl_link_get(r, "eth0", &link) < 0 ||
			       rtnl_macvlan_add(r, link.index, &other) < 0
		       ? -1
		       : 0;
}

static int probe_rules(const struct net_setup *net, struct fault *f)
{
	char prefix[HOST_NAME];
	struct net_pools pools;
	defer_buf struct buf text = {0};
	host_link_prefix(net->instance, prefix);
	const struct rules_host host = {
		.table = net->instance, .bridge = net->instance, .link_prefix = prefix};
	pools_copy(&pools, net->pools);
	rules_put_host(&text, &pools, &host);
	for (uint32_t i = 0; i < pools.count && i < 1; i++)
		rules_put_inside(&text, &pools.pool[i], pools.pool[i].first, NULL, 0);
	return rules_load(text.data, f);
}

void net_host_probe(const struct net_setup *net, struct buf *report)
{
	struct rtnl r;
	struct fault f = {0};
	const char *step = "net namespace";
	if (unshare(CLONE_NEWNET) < 0 || rtnl_open(&r) < 0) {
		buf_printf(report, "fail\tnetwork\t%s: %s\n", step, strerror(errno));
		return;
	}
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (probe_links(&r, net, netns, &step) < 0)
		buf_printf(report, "fail\tnetwork\t%s: %s\n", step, strerror(errno));
	else if (probe_rules(net, &f) < 0)
		buf_printf(report, "fail\tnetwork\t%s\n", f.text);
	else if (access("/proc/sys/net/ipv4/ip_forward", W_OK) < 0)
		buf_printf(report, "fail\tnetwork\tforwarding, in /proc/sys/net: %s\n",
			strerror(errno));
	else
		buf_puts(report, "ok\tnetwork\tbridge, veth, macvlan, nftables\n");
	rtnl_close(&r);
	if (netns >= 0)
		(void)close(netns);
}
