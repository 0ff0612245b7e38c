/* Whether the configured pools fit this host, and whether it has what addresses need. Compiled,
 * linked, model-tested; not yet run on FreeBSD. */

#include "base/defer.h"
#include "base/freebsd/prison.h"
#include "net/freebsd/host.h"
#include "net/freebsd/pf.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct checking {
	const struct net_pools *pools;
	const char *instance;
	struct buf *warnings;
	struct fault *fault;
	bool near[POOLS_COUNT_MAX]; /* the interface has a network that holds the pool */
	int failed;
};

/* Jails of a run that was killed still have theirs; the next step clears them. */
static bool is_ours(const char *instance, uint32_t address)
{
	struct prison prison;
	for (int after = 0; prison_next(instance, after, true, &prison, NULL) > 0;
		after = prison.jid) {
		for (unsigned i = 0; i < PRISON_ADDRESSES; i++) {
			if (prison.address[i] == address)
				return true;
		}
	}
	return false;
}

static void held_complain(
	struct checking *c, const struct net_pool *pool, const struct sys_address *address)
{
	char text[IP4_TEXT];
	if (is_ours(c->instance, address->address))
		return;
	c->failed = fault_set(c->fault, FAULT_INPUT, 0,
		"network.ip4.start_addr (pool \"%s\"): found %s, an address of this host's %s, "
		"allowed: a pool that does not hold it",
		pool->name, ip4_text(address->address, text), address->interface);
}

/* The pool's mask is the network's that it lies in. */
static void mask_compare(struct checking *c, uint32_t number, const struct sys_address *address)
{
	const struct net_pool *pool = &c->pools->pool[number];
	char found[IP4_TEXT], allowed[IP4_TEXT];
	if (address->mask == UINT32_MAX || strcmp(address->interface, pool->interface) != 0 ||
		((address->address ^ pool->first) & address->mask) != 0)
		return;
	c->near[number] = true;
	if (pool->mask == address->mask)
		return;
	c->failed = fault_set(c->fault, FAULT_INPUT, 0,
		"network.ip4.mask (pool \"%s\"): found %s, allowed: %s, which %s has", pool->name,
		ip4_text(pool->mask, found), ip4_text(address->mask, allowed), pool->interface);
}

static void address_check(void *ctx, const struct sys_address *address)
{
	struct checking *c = ctx;
	for (uint32_t i = 0; i < c->pools->count && c->failed == 0; i++) {
		const struct net_pool *pool = &c->pools->pool[i];
		if (sys->interface_index(pool->interface) == 0)
			continue; /* another host's configuration: only calls with ip4 fail */
		if (address->address >= pool->first && address->address <= pool->last)
			held_complain(c, pool, address);
		else
			mask_compare(c, i, address);
	}
}

static void pool_advise(struct checking *c, uint32_t number)
{
	const struct net_pool *pool = &c->pools->pool[number];
	char first[IP4_TEXT];
	if (pool->interface[0] == '\0')
		buf_printf(c->warnings,
			"network.ip4.interface: the pool \"%s\" names none, which it must on "
			"FreeBSD: calls with ip4 are refused\n",
			pool->name);
	else if (sys->interface_index(pool->interface) == 0)
		buf_printf(c->warnings,
			"network.ip4.interface: found %s, which is not on this host: calls with "
			"ip4 from the pool \"%s\" are refused\n",
			pool->interface, pool->name);
	else if (!c->near[number])
		buf_printf(c->warnings,
			"network.ip4.start_addr: %s has no network that holds %s of the pool "
			"\"%s\": answers come only if it is routed to this host\n",
			pool->interface, ip4_text(pool->first, first), pool->name);
}

int net_host_check(
	const struct net_pools *pools, const char *instance, struct buf *warnings, struct fault *f)
{
	struct checking c = {
		.pools = pools, .instance = instance, .warnings = warnings, .fault = f};
	if (pools->count > 0 && sys->addresses(address_check, &c) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "the host's addresses");
	for (uint32_t i = 0; i < pools->count && c.failed == 0; i++)
		pool_advise(&c, i);
	return c.failed;
}

/* ---- doctor ---- */

void net_host_report(const struct net_setup *net, struct buf *report)
{
	if (net->record == NULL || access(net->record, F_OK) < 0)
		buf_puts(report, "ok\tnetwork\tnothing is changed on the host\n");
	else
		buf_printf(report,
			"ok\tnetwork\tchanged on the host until stop: aliases of jails with "
			"addresses, pf anchor sky-island/%s\n",
			net->instance);
}

void net_host_probe(const struct net_setup *net, struct buf *report)
{
	struct fault f = {0};
	if (pf_check(&f) < 0)
		buf_printf(report, "warn\tpf\t%s\n", f.text);
	else
		buf_puts(report, "ok\tpf\tit is on and has the anchor sky-island/*\n");
	struct net_pools pools;
	pools_copy(&pools, net->pools);
	for (uint32_t i = 0; i < pools.count; i++) {
		const struct net_pool *pool = &pools.pool[i];
		if (pool->interface[0] != '\0' && sys->interface_index(pool->interface) != 0)
			buf_printf(report, "ok\tpool\t%s: on %s\n", pool->name, pool->interface);
	}
}
