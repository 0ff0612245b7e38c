/*
 * Theory of operation. Nothing of the host's network is touched until a call asks for an address.
 * The helper that makes its link then makes what is missing, under a lock: it notes in a file (the
 * record) that something is about to be there, and which interfaces forwarding is switched on for,
 * before it is done. Rules can be loaded again at any time: the new ones replace the old in one
 * transaction. net_host_clear reads the record and undoes all of it; after a boot only the record
 * is left, which names its boot.
 */

#include "net/linux/host.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"
#include "net/linux/rules.h"
#include "net/lock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SWITCHED_MAX = 16, RECORD_MAX = 4096 };

/* Interfaces on which we switched forwarding on. */
struct switched {
	char name[SWITCHED_MAX][HOST_NAME];
	size_t count;
};

/* ---- names ---- */

void host_link_prefix(const char *instance, char prefix[HOST_NAME])
{
	const char *dash = strchr(instance, '-');
	(void)snprintf(prefix, HOST_NAME, "s%.6s", dash != NULL ? dash + 1 : instance);
}

void host_link_name(const char *instance, uint32_t address, char name[HOST_NAME])
{
	char prefix[HOST_NAME];
	host_link_prefix(instance, prefix);
	(void)snprintf(name, HOST_NAME, "%.7s%08x", prefix, address);
}

void host_mac(uint32_t address, uint8_t mac[6])
{
	mac[0] = 0x0a; /* locally administered */
	mac[1] = 0x53;
	for (int i = 0; i < 4; i++)
		mac[2 + i] = (uint8_t)(address >> (24 - 8 * i));
}

/* ---- the record ---- */

static char *boot_id(void)
{
	char *id = fs_read("/proc/sys/kernel/random/boot_id", 64, NULL, NULL);
	if (id != NULL)
		id[strcspn(id, "\n")] = '\0';
	return id != NULL ? id : mem_strdup("unknown");
}

/* False: there is none, or it is of another boot. */
static bool record_read(const struct net_setup *net, struct switched *switched)
{
	*switched = (struct switched){0};
	defer_free char *text =
		net->record != NULL ? fs_read(net->record, RECORD_MAX, NULL, NULL) : NULL;
	defer_free char *boot = boot_id();
	if (text == NULL)
		return false;
	char *save = NULL;
	const char *line = strtok_r(text, "\n", &save);
	if (line == NULL || strcmp(line, boot) != 0)
		return false;
	while ((line = strtok_r(NULL, "\n", &save)) != NULL && switched->count < SWITCHED_MAX)
		(void)snprintf(switched->name[switched->count++], HOST_NAME, "%.15s", line);
	return true;
}

static int record_write(
	const struct net_setup *net, const struct switched *switched, struct fault *f)
{
	defer_buf struct buf text = {0};
	defer_free char *boot = boot_id();
	if (net->record == NULL)
		return 0;
	buf_printf(&text, "%s\n", boot);
	for (size_t i = 0; i < switched->count; i++)
		buf_printf(&text, "%s\n", switched->name[i]);
	return fs_write(net->record, text.data, text.len, 0600, f);
}

/* ---- forwarding ---- */

static char *forwarding_path(const char *interface)
{
	return mem_printf("/proc/sys/net/ipv4/conf/%s/forwarding", interface);
}

static bool forwards(const char *interface)
{
	defer_free char *path = forwarding_path(interface);
	defer_free char *text = fs_read(path, 16, NULL, NULL);
	return text != NULL && text[0] == '1';
}

static int forwarding_set(const char *interface, const char *value)
{
	defer_free char *path = forwarding_path(interface);
	return fs_poke(path, value);
}

struct name_find {
	int index;
	char name[HOST_NAME];
};

static void name_find(void *ctx, const struct rtnl_link *link)
{
	struct name_find *find = ctx;
	if (link->index == find->index)
		memcpy(find->name, link->name, sizeof(find->name));
}

/* The interface by which packets to `to` leave is one whose answers must be forwarded. */
static int uplink_add(struct rtnl *r, uint32_t to, const char *bridge, struct switched *switched)
{
	struct name_find find = {.index = rtnl_route_link(r, to)};
	if (find.index == 0 || rtnl_links(r, name_find, &find) < 0 || find.name[0] == '\0' ||
		strcmp(find.name, bridge) == 0 || strcmp(find.name, "lo") == 0 ||
		forwards(find.name))
		return 0;
	for (size_t i = 0; i < switched->count; i++) {
		if (strcmp(switched->name[i], find.name) == 0)
			return 0;
	}
	if (switched->count == SWITCHED_MAX)
		return -1;
	memcpy(switched->name[switched->count++], find.name, HOST_NAME);
	return 0;
}

/* Where answers come back from: the way to everywhere, to resolvers, and to what pools open. */
static int uplinks_find(struct rtnl *r, const struct net_pools *pools, const char *bridge,
	struct switched *switched)
{
	static const uint32_t anywhere = UINT32_C(0x01000001); /* any global address */
	int full = uplink_add(r, anywhere, bridge, switched);
	for (uint32_t i = 0; i < pools->count; i++) {
		const struct net_pool *pool = &pools->pool[i];
		if (pool->interface[0] != '\0')
			continue;
		for (uint32_t k = 0; k < pool->dns_count; k++)
			full |= uplink_add(r, pool->dns[k], bridge, switched);
		for (uint32_t k = 0; k < pool->open_count; k++)
			full |= uplink_add(r, pool->open[k].address + 1, bridge, switched);
	}
	return full;
}

/* ---- the bridge ---- */

void host_ipv6_off(const char *link)
{
	defer_free char *path = mem_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", link);
	(void)fs_poke(path, "1"); /* not there: no IPv6 to turn off */
}

static int bridge_make(
	struct rtnl *r, const struct net_setup *net, const struct net_pools *pools, struct fault *f)
{
	struct rtnl_link bridge;
	uint8_t mac[6];
	host_mac(pools->pool[0].gateway, mac);
	if (rtnl_bridge_add(r, net->instance, mac) < 0 ||
		rtnl_link_get(r, net->instance, &bridge) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "make the bridge %s", net->instance);
	host_ipv6_off(net->instance);
	for (uint32_t i = 0; i < pools->count; i++) {
		const struct net_pool *pool = &pools->pool[i];
		if (pool->interface[0] == '\0' &&
			rtnl_address_add(r, bridge.index, pool->gateway, pool->mask, false) < 0)
			return fault_set(f, FAULT_PLATFORM, errno,
				"give the bridge %s the gateway's address", net->instance);
	}
	if (rtnl_up(r, bridge.index) < 0 || forwarding_set(net->instance, "1") < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "set the bridge %s up", net->instance);
	return 0;
}

/* ---- all of it ---- */

static void address_keep(void *ctx, const struct rtnl_address *address)
{
	struct host_addresses *all = ctx;
	if (all->count < HOST_ADDRESSES_MAX && address->address >> 24 != 127)
		all->address[all->count++] = address->address;
}

int host_addresses(struct rtnl *r, struct host_addresses *out)
{
	*out = (struct host_addresses){0};
	return rtnl_addresses(r, address_keep, out);
}

static bool bridge_wanted(const struct net_pools *pools)
{
	for (uint32_t i = 0; i < pools->count; i++) {
		if (pools->pool[i].interface[0] == '\0')
			return true;
	}
	return false;
}

static int rules_make(struct rtnl *r, const struct net_setup *net, const struct net_pools *pools,
	const struct switched *switched, struct fault *f)
{
	struct host_addresses own;
	char prefix[HOST_NAME];
	const char *names[SWITCHED_MAX];
	defer_buf struct buf text = {0};
	host_link_prefix(net->instance, prefix);
	for (size_t i = 0; i < switched->count; i++)
		names[i] = switched->name[i];
	if (host_addresses(r, &own) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "the host's addresses");
	struct rules_host host = {.table = net->instance,
		.bridge = net->instance,
		.link_prefix = prefix,
		.own = own.address,
		.own_count = own.count,
		.switched = names,
		.switched_count = switched->count,
		.counts = true};
	rules_put_host(&text, pools, &host);
	if (rules_load(text.data, NULL) == 0)
		return 0;
	/* Perhaps the kernel cannot count connections (nft_connlimit): what else there is to say
	 * the next try says. */
	host.counts = false;
	text.len = 0;
	rules_put_host(&text, pools, &host);
	return rules_load(text.data, f);
}

static int host_make(
	struct rtnl *r, const struct net_setup *net, const struct net_pools *pools, struct fault *f)
{
	struct switched switched;
	const bool bridge = bridge_wanted(pools);
	(void)record_read(net, &switched);
	if (bridge && uplinks_find(r, pools, net->instance, &switched) < 0)
		return fault_set(f, FAULT_PLATFORM, 0, "too many interfaces to forward between");
	if (record_write(net, &switched, f) < 0)
		return -1;
	/* Rules stand before anything is forwarded. */
	if (rules_make(r, net, pools, &switched, f) < 0 ||
		(bridge && bridge_make(r, net, pools, f) < 0))
		return -1;
	for (size_t i = 0; i < switched.count; i++) {
		if (forwarding_set(switched.name[i], "1") < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "switch on forwarding for %s",
				switched.name[i]);
	}
	return 0;
}

int host_ready(const struct net_setup *net, struct fault *f)
{
	static uint32_t made_version; /* a helper's own; the record speaks for all */
	struct net_pools pools;
	struct rtnl r;
	pools_copy(&pools, net->pools);
	if (made_version == pools.version && net->record != NULL)
		return 0;
	defer_close int lock = net_lock(net);
	(void)lock; /* held until we return */
	if (rtnl_open(&r) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "rtnetlink");
	int made = host_make(&r, net, &pools, f);
	rtnl_close(&r);
	if (made == 0)
		made_version = pools.version;
	return made;
}

/* ---- taking it away ---- */

struct clearing {
	const char *prefix;
	char name[64][HOST_NAME];
	size_t count;
};

static void left_find(void *ctx, const struct rtnl_link *link)
{
	struct clearing *c = ctx;
	if (c->count < 64 && strncmp(link->name, c->prefix, strlen(c->prefix)) == 0)
		memcpy(c->name[c->count++], link->name, HOST_NAME);
}

/* Links of jails that were killed go with their net namespaces, but not at once. */
static int links_clear(struct rtnl *r, const char *instance)
{
	char prefix[HOST_NAME];
	host_link_prefix(instance, prefix);
	for (;;) {
		struct clearing c = {.prefix = prefix};
		if (rtnl_links(r, left_find, &c) < 0)
			return -1;
		if (c.count == 0)
			return rtnl_link_delete(r, instance);
		for (size_t i = 0; i < c.count; i++) {
			if (rtnl_link_delete(r, c.name[i]) < 0)
				return -1;
		}
	}
}

int net_host_clear(const struct net_setup *net, struct fault *f)
{
	struct switched switched;
	struct rtnl r;
	defer_buf struct buf text = {0};
	if (net->record == NULL || access(net->record, F_OK) < 0)
		return 0;
	if (record_read(net, &switched)) {
		/* Unless the host was made a router meanwhile; an interface that is gone has
		 * nothing to undo. */
		for (size_t i = 0; i < switched.count && !forwards("all"); i++)
			(void)forwarding_set(switched.name[i], "0");
		if (rtnl_open(&r) < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "rtnetlink");
		const int cleared = links_clear(&r, net->instance);
		rtnl_close(&r);
		if (cleared < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "remove links of jails");
		rules_put_removal(&text, net->instance);
		if (rules_load(text.data, f) < 0)
			return -1;
	}
	net_record_remove(net);
	return 0;
}

void net_host_report(const struct net_setup *net, struct buf *report)
{
	struct switched switched;
	struct rtnl_link bridge;
	struct rtnl r;
	if (!record_read(net, &switched)) {
		buf_puts(report, "ok\tnetwork\tnothing is changed on the host\n");
		return;
	}
	buf_printf(report,
		"ok\tnetwork\tchanged on the host until stop: nftables tables bridge %s "
		"and ip %s",
		net->instance, net->instance);
	if (rtnl_open(&r) == 0) {
		if (rtnl_link_get(&r, net->instance, &bridge) == 0)
			buf_printf(report, ", the bridge %s", net->instance);
		rtnl_close(&r);
	}
	for (size_t i = 0; i < switched.count; i++)
		buf_printf(report, ", forwarding on %s", switched.name[i]);
	buf_putc(report, '\n');
}
