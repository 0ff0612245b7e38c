#include "net/linux/rtnl.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_MAX = 4096, ANSWER_MAX = 32768 };

int rtnl_open(struct rtnl *r)
{
	*r = (struct rtnl){.socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC),
		.sequence = (uint32_t)clock_mono_ns()};
	if (r->socket == NULL)
		return -1;
	if (mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) == 0)
		return 0;
	rtnl_close(r);
	return -1;
}

void rtnl_close(struct rtnl *r)
{
	if (r->socket != NULL)
		(void)mnl_socket_close(r->socket);
	r->socket = NULL;
}

/* Sends a request and reads its answers to the end; each goes to `each`. */
static int ask(struct rtnl *r, struct nlmsghdr *request, mnl_cb_t each, void *ctx)
{
	static _Thread_local char answer[ANSWER_MAX];
	request->nlmsg_seq = ++r->sequence;
	if (mnl_socket_sendto(r->socket, request, request->nlmsg_len) < 0)
		return -1;
	for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
		ssize_t n = mnl_socket_recvfrom(r->socket, answer, sizeof(answer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		more = mnl_cb_run(answer, (size_t)n, r->sequence, mnl_socket_get_portid(r->socket),
			each, ctx);
		if (more < 0)
			return -1;
	}
	return 0;
}

/* A request that only its acknowledgement answers. */
static int tell(struct rtnl *r, struct nlmsghdr *request)
{
	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	return ask(r, request, NULL, NULL);
}

static struct nlmsghdr *begin(char *space, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(space);
	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	return h;
}

static struct ifinfomsg *link_begin(
	char *space, struct nlmsghdr **h, uint16_t type, uint16_t flags, int index)
{
	*h = begin(space, type, flags);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(*h, sizeof(*link));
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = index;
	return link;
}

/* ---- looking ---- */

static bool attribute_there(const struct nlattr *a, const char *end)
{
	return mnl_attr_ok(a, (int)(end - (const char *)a));
}

/* The message's attributes, one by one; `after` NULL: the first. As mnl_attr_for_each, whose own
 * lengths are too long for their type. */
static const struct nlattr *attribute(
	const struct nlmsghdr *h, size_t header, const struct nlattr *after)
{
	const struct nlattr *a =
		after == NULL ? mnl_nlmsg_get_payload_offset(h, header) : mnl_attr_next(after);
	return attribute_there(a, mnl_nlmsg_get_payload_tail(h)) ? a : NULL;
}

struct link_walk {
	void (*each)(void *ctx, const struct rtnl_link *link);
	void *ctx;
};

static bool is_bridge(const struct nlattr *info)
{
	const char *end = (const char *)info + mnl_attr_get_len(info);
	for (const struct nlattr *a = mnl_attr_get_payload(info); attribute_there(a, end);
		a = mnl_attr_next(a)) {
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			return strcmp(mnl_attr_get_str(a), "bridge") == 0;
	}
	return false;
}

static int link_read(const struct nlmsghdr *h, void *data)
{
	const struct link_walk *walk = data;
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct rtnl_link link = {.index = m->ifi_index, .up = (m->ifi_flags & IFF_UP) != 0};
	bool carrier = false, ready = true;
	if (h->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	for (const struct nlattr *a = attribute(h, sizeof(*m), NULL); a != NULL;
		a = attribute(h, sizeof(*m), a)) {
		const uint16_t type = mnl_attr_get_type(a);
		if (type == IFLA_IFNAME)
			(void)snprintf(link.name, sizeof(link.name), "%s", mnl_attr_get_str(a));
		else if (type == IFLA_MTU)
			link.mtu = mnl_attr_get_u32(a);
		else if (type == IFLA_LINKINFO)
			link.bridge = is_bridge(a);
		else if (type == IFLA_CARRIER)
			carrier = mnl_attr_get_u8(a) != 0;
		else if (type == IFLA_OPERSTATE)
			ready = mnl_attr_get_u8(a) == IF_OPER_UP ||
				mnl_attr_get_u8(a) == IF_OPER_UNKNOWN;
	}
	link.waking = link.up && carrier && !ready;
	walk->each(walk->ctx, &link);
	return MNL_CB_OK;
}

static void link_keep(void *ctx, const struct rtnl_link *link)
{
	*(struct rtnl_link *)ctx = *link;
}

int rtnl_link_get(struct rtnl *r, const char *name, struct rtnl_link *out)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h;
	struct link_walk walk = {.each = link_keep, .ctx = out};
	*out = (struct rtnl_link){0};
	(void)link_begin(space, &h, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return ask(r, h, link_read, &walk);
}

int rtnl_links(struct rtnl *r, void (*each)(void *ctx, const struct rtnl_link *link), void *ctx)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h;
	struct link_walk walk = {.each = each, .ctx = ctx};
	(void)link_begin(space, &h, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 0);
	return ask(r, h, link_read, &walk);
}

struct address_walk {
	void (*each)(void *ctx, const struct rtnl_address *address);
	void *ctx;
};

static int address_read(const struct nlmsghdr *h, void *data)
{
	const struct address_walk *walk = data;
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	struct rtnl_address address = {.index = (int)m->ifa_index,
		.prefix = m->ifa_prefixlen,
		.dynamic = (m->ifa_flags & IFA_F_PERMANENT) == 0};
	if (h->nlmsg_type != RTM_NEWADDR || m->ifa_family != AF_INET)
		return MNL_CB_OK;
	for (const struct nlattr *a = attribute(h, sizeof(*m), NULL); a != NULL;
		a = attribute(h, sizeof(*m), a)) {
		if (mnl_attr_get_type(a) == IFA_LOCAL)
			address.address = ntohl(mnl_attr_get_u32(a));
		else if (mnl_attr_get_type(a) == IFA_FLAGS)
			address.dynamic = (mnl_attr_get_u32(a) & IFA_F_PERMANENT) == 0;
	}
	walk->each(walk->ctx, &address);
	return MNL_CB_OK;
}

int rtnl_addresses(
	struct rtnl *r, void (*each)(void *ctx, const struct rtnl_address *address), void *ctx)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h = begin(space, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct address_walk walk = {.each = each, .ctx = ctx};
	m->ifa_family = AF_INET;
	return ask(r, h, address_read, &walk);
}

static int route_read(const struct nlmsghdr *h, void *data)
{
	if (h->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	for (const struct nlattr *a = attribute(h, sizeof(struct rtmsg), NULL); a != NULL;
		a = attribute(h, sizeof(struct rtmsg), a)) {
		if (mnl_attr_get_type(a) == RTA_OIF)
			*(int *)data = (int)mnl_attr_get_u32(a);
	}
	return MNL_CB_OK;
}

int rtnl_route_link(struct rtnl *r, uint32_t address)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h = begin(space, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	int index = 0;
	m->rtm_family = AF_INET;
	m->rtm_dst_len = 32;
	mnl_attr_put_u32(h, RTA_DST, htonl(address));
	return ask(r, h, route_read, &index) < 0 ? 0 : index;
}

/* ---- links ---- */

int rtnl_bridge_add(struct rtnl *r, const char *name, const uint8_t mac[6])
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h;
	(void)link_begin(space, &h, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(h, info);
	return tell(r, h) < 0 && errno != EEXIST ? -1 : 0;
}

static void peer_put(struct nlmsghdr *h, const struct rtnl_peer *peer)
{
	mnl_attr_put_strz(h, IFLA_IFNAME, peer->name);
	mnl_attr_put(h, IFLA_ADDRESS, 6, peer->mac);
	if (peer->mtu != 0)
		mnl_attr_put_u32(h, IFLA_MTU, peer->mtu);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)peer->netns);
}

int rtnl_veth_add(struct rtnl *r, const char *name, const struct rtnl_peer *peer)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h;
	(void)link_begin(space, &h, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	if (peer->mtu != 0)
		mnl_attr_put_u32(h, IFLA_MTU, peer->mtu);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	struct nlattr *other = mnl_attr_nest_start(h, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	peer_put(h, peer);
	mnl_attr_nest_end(h, other);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return tell(r, h);
}

int rtnl_macvlan_add(struct rtnl *r, int parent, const struct rtnl_peer *peer)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h;
	(void)link_begin(space, &h, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_u32(h, IFLA_LINK, (uint32_t)parent);
	peer_put(h, peer);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "macvlan");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u32(h, IFLA_MACVLAN_MODE, MACVLAN_MODE_PRIVATE);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return tell(r, h);
}

int rtnl_port_up(struct rtnl *r, const char *name, int bridge)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h;
	(void)link_begin(space, &h, RTM_NEWLINK, 0, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)bridge);
	if (tell(r, h) < 0)
		return -1;
	struct ifinfomsg *link = link_begin(space, &h, RTM_NEWLINK, 0, 0);
	link->ifi_flags = link->ifi_change = IFF_UP;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, "bridge");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(h, IFLA_BRPORT_ISOLATED, 1);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return tell(r, h);
}

int rtnl_up(struct rtnl *r, int index)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h;
	struct ifinfomsg *link = link_begin(space, &h, RTM_NEWLINK, 0, index);
	link->ifi_flags = link->ifi_change = IFF_UP;
	return tell(r, h);
}

int rtnl_link_delete(struct rtnl *r, const char *name)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h;
	(void)link_begin(space, &h, RTM_DELLINK, 0, 0);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return tell(r, h) < 0 && errno != ENODEV ? -1 : 0;
}

/* ---- addresses and routes ---- */

int rtnl_address_add(struct rtnl *r, int index, uint32_t address, uint32_t mask, bool bare)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h = begin(space, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifa_family = AF_INET;
	m->ifa_prefixlen = (uint8_t)ip4_prefix(mask);
	m->ifa_scope = RT_SCOPE_UNIVERSE;
	m->ifa_index = (unsigned)index;
	mnl_attr_put_u32(h, IFA_LOCAL, htonl(address));
	mnl_attr_put_u32(h, IFA_ADDRESS, htonl(address));
	if (bare)
		mnl_attr_put_u32(h, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
	else
		mnl_attr_put_u32(h, IFA_BROADCAST, htonl(address | ~mask));
	return tell(r, h) < 0 && errno != EEXIST ? -1 : 0;
}

int rtnl_route_add(struct rtnl *r, enum rtnl_route kind, const struct net_network *to, int index,
	uint32_t gateway)
{
	char space[MESSAGE_MAX];
	struct nlmsghdr *h = begin(space, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->rtm_family = AF_INET;
	m->rtm_dst_len = (uint8_t)ip4_prefix(to->mask);
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = kind == RTNL_LINK ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	m->rtm_type = kind == RTNL_PROHIBIT ? RTN_PROHIBIT : RTN_UNICAST;
	if (m->rtm_dst_len > 0)
		mnl_attr_put_u32(h, RTA_DST, htonl(to->address));
	if (kind != RTNL_PROHIBIT)
		mnl_attr_put_u32(h, RTA_OIF, (uint32_t)index);
	if (kind == RTNL_VIA) {
		m->rtm_flags = RTNH_F_ONLINK;
		mnl_attr_put_u32(h, RTA_GATEWAY, htonl(gateway));
	}
	return tell(r, h) < 0 && errno != EEXIST ? -1 : 0;
}
