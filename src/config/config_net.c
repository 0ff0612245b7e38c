/*
 * network.ip4: one address pool, or a list of named ones. A pool is the addresses from start_addr
 * to end_addr in one subnet; `range`, the original's way, is the last octet of the last address.
 */

#include "base/defer.h"
#include "config/config_field.h"
#include "net/pools.h"

#include <string.h>

enum {
	POOLS_MAX = 64,
	POOL_ADDRESSES_MAX = 65536,
};

/* A pool as it is read: its members as they go to struct config, and what only reading needs. */
struct pool_text {
	struct config_pool pool;
	unsigned range;
	bool listed;
	unsigned before; /* complaints, when it was begun */
};
enum { RANGE_NONE = 256 };

/* A pool in host byte order. */
struct pool_numbers {
	uint32_t start, end, mask, gateway;
};

static const char mask_words[] = "a contiguous mask from \"255.0.0.0\" to \"255.255.255.252\"";

static bool ip4_network(const char *text)
{
	struct net_network network;
	return ip4_parse_network(text, &network);
}

#define POOL_AT(member) FIELD_AT(struct pool_text, member)
static const struct field pool_fields[] = {
	{"name", &field_string, POOL_AT(pool.name), .valid = check_name,
		.allowed = "up to 32 letters, digits, dots, dashes and underscores"},
	{"interface", &field_string, POOL_AT(pool.interface), .valid = check_interface,
		.there = there_interface, .allowed = "the name of a network interface"},
	{"start_addr", &field_string, POOL_AT(pool.start_addr), .valid = check_ip4,
		.allowed = "an IPv4 address"},
	{"mask", &field_string, POOL_AT(pool.mask), .valid = check_ip4, .allowed = mask_words},
	{"range", &field_number, POOL_AT(range), .max = 255},
	{"end_addr", &field_string, POOL_AT(pool.end_addr), .valid = check_ip4,
		.allowed = "an IPv4 address"},
	{"gateway", &field_string, POOL_AT(pool.gateway), .valid = check_ip4,
		.allowed = "an IPv4 address"},
	{"dns", &field_strings, POOL_AT(pool.dns), .fallback = "[]", .max = 3, .valid = check_ip4,
		.allowed = "a list of up to three IPv4 addresses"},
	{"open", &field_strings, POOL_AT(pool.open), .fallback = "[]", .max = 16,
		.valid = ip4_network,
		.allowed = "a list of up to 16 networks such as \"10.1.0.0/16\""},
};
enum { POOL_FIELDS = sizeof(pool_fields) / sizeof(pool_fields[0]) };

static uint32_t ip4_number(const char *text)
{
	uint32_t number = 0;
	(void)ip4_parse(text, &number);
	return number;
}

static char *ip4_string(uint32_t number)
{
	char text[IP4_TEXT];
	return mem_strdup(ip4_text(number, text));
}

static bool mask_allowed(uint32_t mask)
{
	uint32_t hosts = ~mask;
	return (hosts & (hosts + 1)) == 0 && hosts >= 3 && mask >= UINT32_C(0xff000000);
}

/* 0.0.0.0/8, 127.0.0.0/8 and from 224.0.0.0 on are nobody's own. */
static bool unicast(uint32_t ip4)
{
	return ip4 >> 24 != 0 && ip4 >> 24 != 127 && ip4 >> 24 < 224;
}

/* Fills in end_addr and gateway where they follow from the rest. */
static void pool_derive(struct pool_text *text)
{
	struct config_pool *pool = &text->pool;
	uint32_t start = ip4_number(pool->start_addr);
	if (pool->end_addr == NULL)
		pool->end_addr = ip4_string((start & ~UINT32_C(255)) | text->range);
	/* without an interface the bridge is ours, and so is its address: the subnet's first */
	if (pool->gateway == NULL && pool->interface == NULL)
		pool->gateway = ip4_string((start & ip4_number(pool->mask)) + 1);
}

static bool within(const struct pool_numbers *n, uint32_t ip4)
{
	return ip4 >= n->start && ip4 <= n->end;
}

static void pool_check_range(
	struct reading *r, const char *path, const char *last, const struct config_pool *pool)
{
	struct pool_numbers n = {ip4_number(pool->start_addr), ip4_number(pool->end_addr),
		ip4_number(pool->mask), pool->gateway == NULL ? 0 : ip4_number(pool->gateway)};
	uint32_t network = n.start & n.mask;
	if (!unicast(n.start))
		field_complain_member(r, path, "start_addr", pool->start_addr,
			"a unicast address beyond loopback");
	else if ((n.end & n.mask) != network)
		field_complain_member(r, path, last, pool->end_addr,
			"a last address in the subnet of start_addr");
	else if (n.end < n.start)
		field_complain_member(
			r, path, last, pool->end_addr, "a last address not before start_addr");
	else if (n.end - n.start >= POOL_ADDRESSES_MAX)
		field_complain_member(
			r, path, last, pool->end_addr, "at most 65536 addresses in a pool");
	else if (n.start == network)
		field_complain_member(r, path, "start_addr", pool->start_addr,
			"an address after the subnet's own, which the pool must not hold");
	else if (n.end == (network | ~n.mask))
		field_complain_member(r, path, last, pool->end_addr,
			"a last address before the subnet's broadcast address, which the pool must "
			"not hold");
	if (n.gateway == 0)
		return;
	if ((n.gateway & n.mask) != network || n.gateway == network ||
		n.gateway == (network | ~n.mask))
		field_complain_member(r, path, "gateway", pool->gateway,
			"a host's address in the subnet of the pool");
	else if (within(&n, n.gateway))
		field_complain_member(r, path, "gateway", pool->gateway,
			"an address that the pool does not hold");
}

/* Complains about what one pool lacks or has too much; true where its addresses can be looked at.
 */
static bool pool_complete(struct reading *r, const char *path, const struct pool_text *text)
{
	const struct config_pool *pool = &text->pool;
	if (pool->name == NULL && text->listed)
		field_complain_member(
			r, path, "name", NULL, "a name of its own for each pool of a list");
	if (pool->start_addr == NULL)
		field_complain_member(r, path, "start_addr", NULL, "the pool's first IPv4 address");
	if (pool->mask == NULL)
		field_complain_member(
			r, path, "mask", NULL, "the subnet's mask, such as \"255.255.255.0\"");
	else if (!mask_allowed(ip4_number(pool->mask)))
		field_complain_member(r, path, "mask", pool->mask, mask_words);
	defer_free char *range = mem_printf("%s.range", path);
	defer_free char *end = mem_printf("%s.end_addr", path);
	bool ends = field_faulty(r, range) || field_faulty(r, end);
	if (text->range == RANGE_NONE && pool->end_addr == NULL && !ends)
		field_complain(r, path, "found neither range nor end_addr, allowed: one of them");
	if (text->range != RANGE_NONE && pool->end_addr != NULL)
		field_complain(r, path, "found both range and end_addr, allowed: one of them");
	if (pool->interface != NULL && pool->gateway == NULL)
		field_complain_member(
			r, path, "gateway", NULL, "the subnet's gateway, as interface is set");
	return r->count == text->before && !ends && pool->start_addr != NULL && pool->mask != NULL;
}

static void pool_check(struct reading *r, const char *path, void *entry)
{
	struct pool_text *text = entry;
	if (pool_complete(r, path, text)) {
		pool_derive(text);
		pool_check_range(
			r, path, text->range == RANGE_NONE ? "end_addr" : "range", &text->pool);
	}
	if (text->pool.name == NULL)
		text->pool.name = mem_strdup("default");
}

/* Reads one pool into the next place of the configuration. */
static void pool_read(struct reading *r, const char *path, const json_t *value, bool listed)
{
	static const struct field_entry kind = {.table = pool_fields,
		.rows = POOL_FIELDS,
		.allowed = "an object with start_addr, mask and range",
		.check = pool_check};
	struct config *c = r->config;
	struct pool_text text = {.range = RANGE_NONE, .listed = listed, .before = r->count};
	if (field_entry_read(r, &kind, path, value, &text))
		c->pools[c->pools_count++] = text.pool;
}

static void pool_read_listed(struct reading *r, const char *path, const json_t *value)
{
	pool_read(r, path, value, true);
}

static void pools_compare(
	struct reading *r, const struct config_pool *a, const struct config_pool *b)
{
	if (strcmp(a->name, b->name) == 0)
		field_complain(r, "network.ip4",
			"found two pools named \"%s\", allowed: a name of its own for each",
			a->name);
	if (ip4_number(a->start_addr) <= ip4_number(b->end_addr) &&
		ip4_number(b->start_addr) <= ip4_number(a->end_addr))
		field_complain(r, "network.ip4",
			"the pools \"%s\" and \"%s\" overlap, allowed: each address in one pool",
			a->name, b->name);
}

/* The gateway of one must not be handed out by another. */
static void gateways_compare(
	struct reading *r, const struct config_pool *a, const struct config_pool *b)
{
	const uint32_t gateway = ip4_number(a->gateway);
	if (gateway >= ip4_number(b->start_addr) && gateway <= ip4_number(b->end_addr))
		field_complain(r, "network.ip4",
			"the pool \"%s\" holds %s, the gateway of the pool \"%s\", allowed: "
			"addresses that are no pool's gateway",
			b->name, a->gateway, a->name);
}

static bool pools_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)field;
	(void)at;
	struct config *c = r->config;
	size_t count = json_is_array(value) ? json_array_size(value) : 1;
	if (!(json_is_array(value) || json_is_object(value)) || count > POOLS_MAX)
		return false;
	c->pools = mem_zero(count, sizeof(*c->pools));
	c->pools_text = json_dumps(value, JSON_COMPACT);
	if (json_is_object(value))
		pool_read(r, path, value, false);
	field_each(r, path, value, pool_read_listed);
	for (size_t i = 0; i < c->pools_count; i++)
		for (size_t j = 0; j < i; j++)
			pools_compare(r, &c->pools[j], &c->pools[i]);
	for (size_t i = 0; i < c->pools_count; i++)
		for (size_t j = 0; j < c->pools_count; j++)
			if (i != j)
				gateways_compare(r, &c->pools[i], &c->pools[j]);
	return true;
}

void pools_drop(struct config *c)
{
	for (size_t i = 0; i < c->pools_count; i++) {
		struct pool_text text = {.pool = c->pools[i]};
		field_drop(pool_fields, POOL_FIELDS, &text);
	}
	free(c->pools);
	free(c->pools_text);
	c->pools = NULL;
	c->pools_text = NULL;
	c->pools_count = 0;
}

const struct field_kind field_pools = {.read = pools_read};
