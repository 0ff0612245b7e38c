/*
 * Which addresses are public. Two tables, read from the top: the first row that holds the address
 * decides. IPv6 forms that carry an IPv4 address are decided by that one, as a translator or tunnel
 * would deliver there.
 *
 * Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890) and the RFCs named.
 * Documentation ranges are left public: nobody is there.
 */

#include "net/egress.h"

#include <netinet/in.h>
#include <string.h>

enum verdict { CLOSED, PUBLIC, EMBEDDED, TEREDO };

struct range4 {
	uint32_t network;
	unsigned bits;
};

struct range6 {
	uint8_t network[16];
	unsigned bits;
	enum verdict verdict;
	unsigned at; /* EMBEDDED: the byte where the IPv4 address begins */
};

#define IP4(a, b, c, d)                                                                            \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static const struct range4 closed4[] = {
	{IP4(0, 0, 0, 0), 8},        /* this network, RFC 791 */
	{IP4(10, 0, 0, 0), 8},       /* private, RFC 1918 */
	{IP4(100, 64, 0, 0), 10},    /* carrier-grade NAT, RFC 6598; some clouds' metadata */
	{IP4(127, 0, 0, 0), 8},      /* loopback, RFC 1122 */
	{IP4(168, 63, 129, 16), 32}, /* Azure's own host, reachable from within only */
	{IP4(169, 254, 0, 0), 16},   /* link-local, RFC 3927; most clouds' metadata */
	{IP4(172, 16, 0, 0), 12},    /* private, RFC 1918 */
	{IP4(192, 0, 0, 0), 24},     /* protocol assignments, RFC 6890; a cloud's metadata */
	{IP4(192, 168, 0, 0), 16},   /* private, RFC 1918 */
	{IP4(198, 18, 0, 0), 15},    /* benchmarking, RFC 2544 */
	{IP4(224, 0, 0, 0), 4},      /* multicast, RFC 5771 */
	{IP4(240, 0, 0, 0), 4},      /* reserved, RFC 1112, and broadcast */
};

static const struct range6 ranges6[] = {
	{{[10] = 0xff, [11] = 0xff}, 96, EMBEDDED, 12}, /* ::ffff:a.b.c.d mapped, RFC 4291 */
	{{[8] = 0xff, [9] = 0xff}, 96, EMBEDDED, 12},   /* ::ffff:0:a.b.c.d translated, RFC 2765 */
	{{0}, 96, EMBEDDED, 12}, /* ::a.b.c.d compatible; so ::, ::1 are closed */
	{{0x00, 0x64, 0xff, 0x9b}, 96, EMBEDDED, 12},          /* NAT64, RFC 6052 */
	{{0x20, 0x02}, 16, EMBEDDED, 2},                       /* 6to4, RFC 3056 */
	{{0x20, 0x01, 0x00, 0x00}, 32, TEREDO, 0},             /* Teredo, RFC 4380 */
	{{0x20, 0x01, 0x00, 0x02, 0x00, 0x00}, 48, CLOSED, 0}, /* benchmarking, RFC 5180 */
	{{0x20}, 3, PUBLIC, 0},                                /* global unicast, RFC 4291 */
	/* all else is closed: fc00::/7, fe80::/10, fec0::/10, ff00::/8, 100::/64, 64:ff9b:1::/48, …
	 */
};

static bool public4(uint32_t ip4)
{
	for (size_t i = 0; i < sizeof(closed4) / sizeof(closed4[0]); i++)
		if ((ip4 ^ closed4[i].network) >> (32 - closed4[i].bits) == 0)
			return false;
	return true;
}

static bool holds6(const struct range6 *range, const uint8_t *ip6)
{
	unsigned whole = range->bits / 8;
	unsigned rest = range->bits % 8;
	if (memcmp(range->network, ip6, whole) != 0)
		return false;
	return rest == 0 || (range->network[whole] ^ ip6[whole]) >> (8 - rest) == 0;
}

static uint32_t ip4_at(const uint8_t *bytes)
{
	return IP4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

static bool public6(const uint8_t *ip6)
{
	for (size_t i = 0; i < sizeof(ranges6) / sizeof(ranges6[0]); i++) {
		if (!holds6(&ranges6[i], ip6))
			continue;
		switch (ranges6[i].verdict) {
		case CLOSED:
			return false;
		case PUBLIC:
			return true;
		case EMBEDDED:
			return public4(ip4_at(ip6 + ranges6[i].at));
		case TEREDO: /* the server, and the client's address, which is kept inverted */
			return public4(ip4_at(ip6 + 4)) && public4(~ip4_at(ip6 + 12));
		}
	}
	return false;
}

bool egress_address_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in ip4;
		memcpy(&ip4, address, sizeof(ip4));
		return public4(ntohl(ip4.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 ip6;
		memcpy(&ip6, address, sizeof(ip6));
		return public6(ip6.sin6_addr.s6_addr);
	}
	return false;
}
