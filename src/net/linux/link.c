#include "net/link.h"

#include "base/defer.h"
#include "base/fs.h"
#include "net/linux/host.h"
#include "net/linux/probe.h"
#include "net/linux/rules.h"
#include "net/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUSY_TRIES = 100, BUSY_NS = 20000000, WAKING_TRIES = 1000, WAKING_NS = 1000000 };

/* A link being made. */
struct making {
	const struct net_setup *net;
	const struct net_link_want *want;
	struct net_pool pool;
	struct rtnl_link parent; /* a bridge, or the interface of a macvlan */
	char name[HOST_NAME];    /* of the host's end */
	uint8_t mac[6];
	struct rtnl out, in; /* the host's namespace, and the jail's */
	int home;            /* the host's net namespace */
};

static int failed(const struct making *m, const char *what, struct fault *f)
{
	char text[IP4_TEXT];
	return fault_set(
		f, FAULT_PLATFORM, errno, "%s for %s", what, ip4_text(m->want->address, text));
}

/* ---- on the host ---- */

static int parent_find(struct making *m, struct fault *f)
{
	const char *name = m->pool.interface[0] != '\0' ? m->pool.interface : m->net->instance;
	if (rtnl_link_get(&m->out, name, &m->parent) == 0)
		return 0;
	if (errno == ENODEV)
		return fault_code(f, FAULT_BUSY, "no_interface",
			"the interface %s of the pool \"%s\" (network.ip4) is not there", name,
			m->pool.name);
	return failed(m, "find an interface", f);
}

static int veth_make(struct making *m, const struct rtnl_peer *peer, struct fault *f)
{
	defer_buf struct buf text = {0};
	/* What a jail may send is said before it can. */
	rules_put_link(&text, m->net->instance, m->name, m->want->address);
	defer_close int lock = net_lock(m->net);
	(void)lock; /* held until we return */
	if (rules_load(text.data, f) < 0)
		return -1;
	/* One that is going with its net namespace may as well go at once. */
	int made = rtnl_veth_add(&m->out, m->name, peer);
	if (made < 0 && errno == EEXIST && rtnl_link_delete(&m->out, m->name) == 0)
		made = rtnl_veth_add(&m->out, m->name, peer);
	if (made < 0)
		return failed(m, "make a link", f);
	host_ipv6_off(m->name);
	if (rtnl_port_up(&m->out, m->name, m->parent.index) < 0)
		return failed(m, "put a link on its bridge", f);
	return 0;
}

static int macvlan_make(struct making *m, const struct rtnl_peer *peer, struct fault *f)
{
	return rtnl_macvlan_add(&m->out, m->parent.index, peer) < 0 ? failed(m, "make a link", f)
								    : 0;
}

/* ---- in the jail's namespace ---- */

/* No IPv6, and packets are not judged by the way their sender would be answered: most of those ways
 * are closed by a route. */
static void settings_write(void)
{
	static const char *const settings[][2] = {{"/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"},
		{"/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"},
		{"/proc/sys/net/ipv4/conf/all/rp_filter", "0"},
		{"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
		{"/proc/sys/net/ipv4/conf/all/accept_redirects", "0"},
		{"/proc/sys/net/ipv4/conf/default/accept_redirects", "0"}};
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		(void)fs_poke(settings[i][0], settings[i][1]);
}

static bool opened(const struct net_pool *pool, const struct net_network *network)
{
	for (uint32_t i = 0; i < pool->open_count; i++) {
		if (ip4_covers(&pool->open[i], network))
			return true;
	}
	return false;
}

static int way_add(struct making *m, const struct net_network *to, int index)
{
	const struct net_network subnet = {m->pool.gateway & m->pool.mask, m->pool.mask};
	return rtnl_route_add(
		&m->in, ip4_covers(&subnet, to) ? RTNL_LINK : RTNL_VIA, to, index, m->pool.gateway);
}

/* What the rules drop is refused here already, so that a program is told at once. */
static int routes_make(struct making *m, int index)
{
	const struct net_network all = {0, 0};
	const struct net_network subnet = {m->pool.gateway & m->pool.mask, m->pool.mask};
	int bad = rtnl_route_add(&m->in, RTNL_VIA, &all, index, m->pool.gateway);
	for (uint32_t i = 0; i < m->pool.open_count; i++)
		bad |= way_add(m, &m->pool.open[i], index);
	for (uint32_t i = 0; i < m->pool.dns_count; i++) {
		const struct net_network one = {m->pool.dns[i], UINT32_MAX};
		bad |= way_add(m, &one, index);
	}
	for (size_t i = 0; i < net_closed_count; i++) {
		if (!opened(&m->pool, &net_closed[i]))
			bad |= rtnl_route_add(&m->in, RTNL_PROHIBIT, &net_closed[i], 0, 0);
	}
	if (!opened(&m->pool, &subnet))
		bad |= rtnl_route_add(&m->in, RTNL_PROHIBIT, &subnet, 0, 0);
	return bad;
}

static int rules_inside(struct making *m, struct fault *f)
{
	struct host_addresses own;
	defer_buf struct buf text = {0};
	if (host_addresses(&m->out, &own) < 0)
		return failed(m, "find the host's addresses", f);
	rules_put_inside(&text, &m->pool, m->want->address, own.address, own.count);
	return rules_load(text.data, f);
}

static int probe(struct making *m, int index, struct fault *f)
{
	char text[IP4_TEXT];
	int answered = probe_ask(index, m->mac, m->want->address);
	if (answered < 0)
		return failed(m, "ask by ARP", f);
	return answered == 0
		       ? 0
		       : fault_code(f, FAULT_BUSY, "address_taken", "another host answers for %s",
				 ip4_text(m->want->address, text));
}

/* A macvlan link that had this address, and so this hardware address, may still be going: then this
 * one can be made, but not set up. */
static int link_up(struct making *m, int index, struct fault *f)
{
	for (int i = 0; i < BUSY_TRIES; i++) {
		if (rtnl_up(&m->in, index) == 0)
			return 0;
		if (errno != EBUSY && errno != EADDRINUSE)
			break;
		(void)nanosleep(&(struct timespec){.tv_nsec = BUSY_NS}, NULL);
	}
	return failed(m, "set a link up", f);
}

static void awake(struct rtnl *r, const char *name)
{
	struct rtnl_link link;
	for (int i = 0; i < WAKING_TRIES && rtnl_link_get(r, name, &link) == 0 && link.waking; i++)
		(void)nanosleep(&(struct timespec){.tv_nsec = WAKING_NS}, NULL);
}

/* With the jail's end up, the host's end has a carrier, and with it the bridge whose first port it
 * is; on a busy host the kernel comes to that later. What is sent until then is lost, and a program's
 * first connection takes a second more. */
static void awake_all(struct making *m)
{
	if (m->parent.bridge)
		awake(&m->out, m->name);
	awake(&m->out, m->parent.name);
	awake(&m->in, "eth0");
}

/* The caller is in the jail's namespace. */
static int inside_make(struct making *m, struct fault *f)
{
	struct rtnl_link lo;
	struct rtnl_link own;
	if (rtnl_link_get(&m->in, "lo", &lo) < 0 || rtnl_link_get(&m->in, "eth0", &own) < 0 ||
		rtnl_up(&m->in, lo.index) < 0)
		return failed(m, "find a jail's link", f);
	if (!m->parent.bridge && rules_inside(m, f) < 0)
		return -1;
	if (link_up(m, own.index, f) < 0)
		return -1;
	awake_all(m);
	if (m->want->probe && probe(m, own.index, f) < 0)
		return -1;
	if (rtnl_address_add(&m->in, own.index, m->want->address, m->pool.mask, true) < 0)
		return failed(m, "set an address", f);
	if (routes_make(m, own.index) < 0)
		return failed(m, "make routes", f);
	return 0;
}

/* A helper left in a jail's namespace would be of no use to the next: the jailer sees its end. */
static void go_home(const struct making *m)
{
	if (setns(m->home, CLONE_NEWNET) < 0)
		_exit(1);
}

static int making_run(struct making *m, struct fault *f)
{
	const struct rtnl_peer peer = {
		.name = "eth0", .netns = m->want->netns, .mac = m->mac, .mtu = m->parent.mtu};
	if (setns(m->want->netns, CLONE_NEWNET) < 0)
		return failed(m, "enter a jail's net namespace", f);
	settings_write();
	const bool opened_in = rtnl_open(&m->in) == 0;
	go_home(m);
	if (!opened_in)
		return failed(m, "rtnetlink", f);
	if ((m->parent.bridge ? veth_make(m, &peer, f) : macvlan_make(m, &peer, f)) < 0)
		return -1;
	if (setns(m->want->netns, CLONE_NEWNET) < 0)
		return failed(m, "enter a jail's net namespace", f);
	int made = inside_make(m, f);
	go_home(m);
	return made;
}

int net_link_make(const struct net_setup *net, const struct net_link_want *want, struct fault *f)
{
	struct making m = {.net = net, .want = want};
	if (!pools_find(net->pools, want->address, &m.pool))
		return fault_set(f, FAULT_BUSY, 0, "the address is in no pool any more");
	if (host_ready(net, f) < 0)
		return -1;
	host_link_name(net->instance, want->address, m.name);
	host_mac(want->address, m.mac);
	defer_close int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	m.home = home;
	if (home < 0 || rtnl_open(&m.out) < 0)
		return failed(&m, "rtnetlink", f);
	int made = parent_find(&m, f) < 0 ? -1 : making_run(&m, f);
	rtnl_close(&m.in);
	rtnl_close(&m.out);
	return made;
}
