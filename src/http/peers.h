#pragma once

/*
 * peers: how many connections each peer address has open. IPv4-mapped addresses count as IPv4; of
 * IPv6 the first 64 bits count, since one host commonly has all that follow.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct http_peer {
	unsigned count;
	unsigned char key[16];
	struct http_peer *next;
};

struct http_peers {
	struct http_peer *buckets[256];
};

/* Counts one more for addr and returns its entry, or NULL where it has `max` already (0: no cap).
 */
struct http_peer *http_peers_take(
	struct http_peers *peers, const struct sockaddr *addr, unsigned max);
/* Counts one less; the entry is gone with its last. NULL is fine. */
void http_peers_give(struct http_peers *peers, struct http_peer *peer);
