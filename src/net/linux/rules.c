#include "net/linux/rules.h"

#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

/* ---- texts ---- */

static void put_network(struct buf *out, const struct net_network *network)
{
	char text[IP4_TEXT];
	buf_printf(out, "%s/%u", ip4_text(network->address, text), ip4_prefix(network->mask));
}

static void put_ip4(struct buf *out, uint32_t address)
{
	char text[IP4_TEXT];
	buf_puts(out, ip4_text(address, text));
}

/* "{ 10.0.0.0/8, … }": the networks that are closed to all, the pools' own, and the host. */
static void put_closed(struct buf *out, const struct net_pool *pools, uint32_t count,
	const uint32_t *own, size_t own_count)
{
	buf_puts(out, "{ ");
	for (size_t i = 0; i < net_closed_count; i++) {
		put_network(out, &net_closed[i]);
		buf_puts(out, ", ");
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct net_network subnet = {pools[i].gateway & pools[i].mask, pools[i].mask};
		put_network(out, &subnet);
		buf_puts(out, ", ");
	}
	for (size_t i = 0; i < own_count; i++) {
		put_ip4(out, own[i]);
		buf_puts(out, ", ");
	}
	buf_puts(out, "255.255.255.255 }");
}

static void put_dns(struct buf *out, const char *rule, const struct net_pool *pool)
{
	for (uint32_t i = 0; i < pool->dns_count; i++) {
		buf_puts(out, rule);
		buf_puts(out, " ip daddr ");
		put_ip4(out, pool->dns[i]);
		buf_puts(out, " meta l4proto { tcp, udp } th dport 53 accept\n");
	}
}

/* What one pool's jails reach though it is closed to others. */
static void put_opened(struct buf *out, const char *rule, const struct net_pool *pool)
{
	put_dns(out, rule, pool);
	for (uint32_t i = 0; i < pool->open_count; i++) {
		buf_puts(out, rule);
		buf_puts(out, " ip daddr ");
		put_network(out, &pool->open[i]);
		buf_puts(out, " accept\n");
	}
}

static void put_bridge_table(
	struct buf *out, const struct net_pools *pools, const struct rules_host *host)
{
	const char *t = host->table;
	buf_printf(out,
		"add table bridge %s\n"
		"add set bridge %s links { type ifname . ipv4_addr; }\n"
		"add set bridge %s closed { type ipv4_addr; flags interval; auto-merge; }\n"
		"add chain bridge %s arrive { type filter hook prerouting priority -300; }\n"
		"add chain bridge %s jail\n",
		t, t, t, t, t);
	buf_printf(out, "flush chain bridge %s arrive\nflush chain bridge %s jail\n", t, t);
	buf_printf(out, "flush set bridge %s closed\nadd element bridge %s closed ", t, t);
	put_closed(out, pools->pool, pools->count, host->own, host->own_count);
	buf_printf(out, "\nadd rule bridge %s arrive iifname \"%s*\" jump jail\n", t,
		host->link_prefix);
	/* A probe (RFC 5227) has no sender yet. */
	const char *const first[] = {"arp operation request arp saddr ip 0.0.0.0 accept",
		"iifname . arp saddr ip @links accept", "ether type != ip drop",
		"iifname . ip saddr != @links drop", "ip hdrlength > 5 drop"};
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		buf_printf(out, "add rule bridge %s jail %s\n", t, first[i]);
	for (uint32_t i = 0; i < pools->count; i++) {
		const struct net_pool *pool = &pools->pool[i];
		char rule[160];
		char low[IP4_TEXT];
		char high[IP4_TEXT];
		(void)snprintf(rule, sizeof(rule), "add rule bridge %s jail ip saddr %s-%s", t,
			ip4_text(pool->first, low), ip4_text(pool->last, high));
		put_opened(out, rule, pool);
	}
	buf_printf(out, "add rule bridge %s jail ip daddr @closed drop\n", t);
}

/* Each connection, and each peer of a datagram, takes a place in a table that the whole host shares
 * and that stays taken after the jail: when it is full the host has no network. */
static void put_flows(struct buf *out, const char *chain, const struct rules_host *host)
{
	if (host->counts)
		buf_printf(out,
			"add rule ip %s %s iifname \"%s\" ct state new "
			"add @flows { ip saddr ct count over %d } drop\n",
			host->table, chain, host->bridge, RULES_FLOWS_MAX);
}

/* Resolvers may be the host's own; nothing else of it is for jails. */
static void put_input(struct buf *out, const struct net_pools *pools, const struct rules_host *host)
{
	char rule[120];
	(void)snprintf(rule, sizeof(rule), "add rule ip %s input iifname \"%s\"", host->table,
		host->bridge);
	put_flows(out, "input", host);
	for (uint32_t i = 0; i < pools->count; i++) {
		if (pools->pool[i].interface[0] == '\0')
			put_dns(out, rule, &pools->pool[i]);
	}
	buf_printf(out, "%s drop\n", rule);
}

static void put_ip_table(
	struct buf *out, const struct net_pools *pools, const struct rules_host *host)
{
	const char *t = host->table;
	const char *b = host->bridge;
	buf_printf(out,
		"add table ip %s\n"
		"add set ip %s jails { type ipv4_addr; flags interval; auto-merge; }\n"
		"add chain ip %s forward { type filter hook forward priority -10; }\n"
		"add chain ip %s input { type filter hook input priority -10; }\n"
		"add chain ip %s leave { type nat hook postrouting priority 100; }\n",
		t, t, t, t, t);
	if (host->counts)
		buf_printf(out,
			"add set ip %s flows { type ipv4_addr; flags dynamic; size 65536; }\n", t);
	buf_printf(out, "flush chain ip %s forward\nflush chain ip %s input\n", t, t);
	buf_printf(out, "flush chain ip %s leave\nflush set ip %s jails\n", t, t);
	for (uint32_t i = 0; i < pools->count; i++) {
		const struct net_pool *pool = &pools->pool[i];
		char low[IP4_TEXT];
		char high[IP4_TEXT];
		if (pool->interface[0] == '\0')
			buf_printf(out, "add element ip %s jails { %s-%s }\n", t,
				ip4_text(pool->first, low), ip4_text(pool->last, high));
	}
	buf_printf(
		out, "add rule ip %s leave ip saddr @jails oifname != \"%s\" masquerade\n", t, b);
	buf_printf(out, "add rule ip %s forward iifname \"%s\" oifname \"%s\" drop\n", t, b, b);
	put_flows(out, "forward", host);
	buf_printf(out, "add rule ip %s forward iifname \"%s\" accept\n", t, b);
	buf_printf(out,
		"add rule ip %s forward oifname \"%s\" ct state established,related accept\n", t,
		b);
	buf_printf(out, "add rule ip %s forward oifname \"%s\" drop\n", t, b);
	/* The host was no router before us, and becomes none for its neighbours. */
	for (size_t i = 0; i < host->switched_count; i++)
		buf_printf(
			out, "add rule ip %s forward iifname \"%s\" drop\n", t, host->switched[i]);
	put_input(out, pools, host);
}

void rules_put_host(struct buf *out, const struct net_pools *pools, const struct rules_host *host)
{
	put_bridge_table(out, pools, host);
	put_ip_table(out, pools, host);
}

void rules_put_removal(struct buf *out, const char *table)
{
	buf_printf(out, "add table bridge %s\ndelete table bridge %s\n", table, table);
	buf_printf(out, "add table ip %s\ndelete table ip %s\n", table, table);
}

void rules_put_link(struct buf *out, const char *table, const char *link, uint32_t address)
{
	char text[IP4_TEXT];
	buf_printf(out, "add element bridge %s links { \"%s\" . %s }\n", table, link,
		ip4_text(address, text));
}

void rules_put_inside(struct buf *out, const struct net_pool *pool, uint32_t address,
	const uint32_t *own, size_t own_count)
{
	char text[IP4_TEXT];
	const char *ip4 = ip4_text(address, text);
	buf_puts(out, "add table netdev jail\n"
		      "add set netdev jail closed { type ipv4_addr; flags interval; auto-merge; }\n"
		      "add chain netdev jail leave { type filter hook egress device eth0 priority "
		      "0; }\n"
		      "add element netdev jail closed ");
	put_closed(out, pool, 1, own, own_count);
	buf_printf(out,
		"\nadd rule netdev jail leave arp operation request arp saddr ip 0.0.0.0 accept\n"
		"add rule netdev jail leave arp saddr ip %s accept\n"
		"add rule netdev jail leave ether type != ip drop\n"
		"add rule netdev jail leave ip saddr != %s drop\n"
		"add rule netdev jail leave ip hdrlength > 5 drop\n",
		ip4, ip4);
	put_opened(out, "add rule netdev jail leave", pool);
	buf_puts(out, "add rule netdev jail leave ip daddr @closed drop\n");
}

/* ---- loading ---- */

static struct nft_ctx *context_open(void)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (nft != NULL && (nft_ctx_buffer_error(nft) != 0 || nft_ctx_buffer_output(nft) != 0)) {
		nft_ctx_free(nft);
		return NULL;
	}
	return nft;
}

int rules_load(const char *text, struct fault *f)
{
	struct nft_ctx *nft = context_open();
	if (nft == NULL)
		return fault_set(f, FAULT_PLATFORM, 0, "libnftables does not start");
	int loaded = -1;
	for (int tries = 0; tries < 3 && loaded != 0; tries++)
		loaded = nft_run_cmd_from_buffer(nft, text);
	if (loaded != 0) {
		const char *why = nft_ctx_get_error_buffer(nft);
		(void)fault_set(
			f, FAULT_PLATFORM, 0, "nftables: %.*s", (int)strcspn(why, "\n"), why);
	}
	nft_ctx_free(nft);
	return loaded != 0 ? -1 : 0;
}
