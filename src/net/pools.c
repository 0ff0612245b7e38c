#include "net/pools.h"

#include "base/defer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETWORK(a, b, c, d, length)                                                                \
	{                                                                                          \
		(uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d),    \
			UINT32_MAX << (32 - (length))                                              \
	}

const struct net_network net_closed[] = {
	NETWORK(0, 0, 0, 0, 8),
	NETWORK(10, 0, 0, 0, 8),
	NETWORK(100, 64, 0, 0, 10),
	NETWORK(127, 0, 0, 0, 8),
	NETWORK(169, 254, 0, 0, 16),
	NETWORK(172, 16, 0, 0, 12),
	NETWORK(192, 0, 0, 0, 24),
	NETWORK(192, 0, 2, 0, 24),
	NETWORK(192, 168, 0, 0, 16),
	NETWORK(198, 18, 0, 0, 15),
	NETWORK(198, 51, 100, 0, 24),
	NETWORK(203, 0, 113, 0, 24),
	NETWORK(224, 0, 0, 0, 3),
};
const size_t net_closed_count = sizeof(net_closed) / sizeof(net_closed[0]);

int pools_share(struct fault *f)
{
	defer_close int fd = memfd_create("pools", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(struct net_pools)) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "memfd_create");
	return defer_take(&fd);
}

const struct net_pools *pools_map(int fd, struct fault *f)
{
	void *map = mmap(NULL, sizeof(struct net_pools), PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		return map;
	(void)fault_set(f, FAULT_PLATFORM, errno, "map the address pools");
	return NULL;
}

void pools_publish(struct net_pools *shared, const struct net_pools *from)
{
	const uint32_t version = __atomic_load_n(&shared->version, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->version, version + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	shared->count = from->count;
	memcpy(shared->pool, from->pool, sizeof(shared->pool));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&shared->version, version + 2, __ATOMIC_RELEASE);
}

void pools_copy(struct net_pools *to, const struct net_pools *shared)
{
	uint32_t before;
	do {
		before = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);
		memcpy(to, shared, sizeof(*to));
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	} while (
		(before & 1) != 0 || before != __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE));
	to->version = before;
}

bool pools_find(const struct net_pools *shared, uint32_t address, struct net_pool *out)
{
	struct net_pools pools;
	pools_copy(&pools, shared);
	for (uint32_t i = 0; i < pools.count && i < POOLS_COUNT_MAX; i++) {
		if (address < pools.pool[i].first || address > pools.pool[i].last)
			continue;
		*out = pools.pool[i];
		return true;
	}
	return false;
}

bool ip4_parse(const char *text, uint32_t *address)
{
	struct in_addr ip4;
	if (inet_pton(AF_INET, text, &ip4) != 1)
		return false;
	*address = ntohl(ip4.s_addr);
	return true;
}

bool ip4_parse_network(const char *text, struct net_network *network)
{
	char address[IP4_TEXT];
	const char *slash = strchr(text, '/');
	if (slash == NULL || (size_t)(slash - text) >= sizeof(address))
		return false;
	const size_t digits = strspn(slash + 1, "0123456789");
	if (digits == 0 || digits > 2 || slash[1 + digits] != '\0')
		return false;
	const int length = atoi(slash + 1);
	(void)snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (length > 32 || !ip4_parse(address, &network->address))
		return false;
	network->mask = length == 0 ? 0 : UINT32_MAX << (32 - length);
	return (network->address & ~network->mask) == 0;
}

const char *ip4_text(uint32_t address, char text[IP4_TEXT])
{
	(void)snprintf(text, IP4_TEXT, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		address >> 8 & 255, address & 255);
	return text;
}

unsigned ip4_prefix(uint32_t mask)
{
	return (unsigned)__builtin_popcount(mask);
}

bool ip4_covers(const struct net_network *outer, const struct net_network *inner)
{
	return (outer->mask & inner->mask) == outer->mask &&
	       (inner->address & outer->mask) == outer->address;
}
