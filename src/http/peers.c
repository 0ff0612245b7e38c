#include "http/peers.h"

#include "base/buf.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void key_of(const struct sockaddr *addr, unsigned char key[16])
{
	memset(key, 0, 16);
	if (addr->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)addr;
		key[10] = key[11] = 0xff;
		memcpy(key + 12, &v4->sin_addr, 4);
	} else if (addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)addr;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
		memcpy(key, &v6->sin6_addr, mapped ? 16 : 8);
	}
}

static struct http_peer **bucket_of(struct http_peers *peers, const unsigned char key[16])
{
	uint32_t hash =
		2166136261U; /* FNV-1a: a peer who aims at one chain only has so many addresses */
	for (size_t i = 0; i < 16; i++)
		hash = (hash ^ key[i]) * 16777619U;
	return &peers->buckets[(hash ^ hash >> 16) % 256];
}

struct http_peer *http_peers_take(
	struct http_peers *peers, const struct sockaddr *addr, unsigned max)
{
	unsigned char key[16];
	key_of(addr, key);
	struct http_peer **bucket = bucket_of(peers, key);
	struct http_peer *p = *bucket;
	while (p != NULL && memcmp(p->key, key, 16) != 0)
		p = p->next;
	if (p == NULL) {
		p = mem_zero(1, sizeof(*p));
		memcpy(p->key, key, 16);
		p->next = *bucket;
		*bucket = p;
	} else if (max != 0 && p->count >= max) {
		return NULL;
	}
	p->count++;
	return p;
}

void http_peers_give(struct http_peers *peers, struct http_peer *peer)
{
	if (peer == NULL || --peer->count > 0)
		return;
	struct http_peer **at = bucket_of(peers, peer->key);
	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	free(peer);
}
