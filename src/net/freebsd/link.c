/* A jail's address: made, looked at and given back. Compiled, linked, model-tested; not yet run on
 * FreeBSD. */

#include "net/link.h"

#include "base/freebsd/sys.h"
#include "net/freebsd/alias.h"
#include "net/freebsd/host.h"

#include <errno.h>

static int taken(uint32_t address, const char *by, struct fault *f)
{
	char text[IP4_TEXT];
	return fault_code(f, FAULT_BUSY, "address_taken", "%s has %s", by, ip4_text(address, text));
}

/* One of ours that is still there is of a jail that nothing is left of: it goes first. */
static int leftover_remove(
	const struct net_setup *net, const struct sys_address *alias, struct fault *f)
{
	struct host_place place = {.address = alias->address};
	if (net_alias_remove(net, alias->address, f) < 0 || host_find(&place, f) < 0)
		return -1;
	return place.there ? taken(alias->address, place.interface, f) : 0;
}

static int neighbours_ask(
	const struct net_link_want *want, const struct sys_address *alias, struct fault *f)
{
	if (!want->probe)
		return 0;
	const int answered = sys->arp_ask(alias->interface, alias->address);
	if (answered < 0)
		return fault_set(
			f, FAULT_PLATFORM, errno, "ask for an address on %s", alias->interface);
	return answered > 0 ? taken(alias->address, "another host", f) : 0;
}

static int alias_make(const struct net_setup *net, const struct sys_address *alias, struct fault *f)
{
	if (host_record_add(net, alias, f) < 0)
		return -1;
	if (sys->alias_add(alias) == 0)
		return 0;
	char text[IP4_TEXT];
	return fault_set(f, FAULT_PLATFORM, errno, "put %s on %s", ip4_text(alias->address, text),
		alias->interface);
}

int net_link_make(const struct net_setup *net, const struct net_link_want *want, struct fault *f)
{
	struct net_pool pool;
	if (!pools_find(net->pools, want->address, &pool))
		return fault_set(f, FAULT_BUSY, 0, "the address is in no pool any more");
	const struct sys_address alias = {
		.interface = pool.interface, .address = want->address, .mask = UINT32_MAX};
	if (pool.interface[0] == '\0')
		return fault_set(f, FAULT_PLATFORM, 0,
			"network.ip4.interface (pool \"%s\"): name the interface that gets its "
			"addresses; a bridge with NAT is made on Linux only",
			pool.name);
	if (sys->interface_index(pool.interface) == 0)
		return fault_set(f, FAULT_PLATFORM, 0,
			"network.ip4.interface (pool \"%s\"): there is no interface %s here",
			pool.name, pool.interface);
	if (host_ready(net, f) < 0 || leftover_remove(net, &alias, f) < 0 ||
		neighbours_ask(want, &alias, f) < 0)
		return -1;
	return alias_make(net, &alias, f);
}
