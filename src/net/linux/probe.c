#include "net/linux/probe.h"

#include "base/clock.h"
#include "base/defer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* RFC 5227 asks three times over five seconds, for hosts that come to stay. A call cannot wait so
 * long: two questions, and a neighbour that is awake answers within a millisecond. */
enum { PROBES = 2, WAIT_MS = 60 };

struct arp_packet {
	uint16_t hardware, protocol;
	uint8_t hardware_len, protocol_len;
	uint16_t operation;
	uint8_t sender_mac[6], sender[4], target_mac[6], target[4];
} __attribute__((packed));

static int ask(int fd, int link, const uint8_t mac[6], uint32_t address)
{
	struct arp_packet packet = {.hardware = htons(ARPHRD_ETHER),
		.protocol = htons(ETH_P_IP),
		.hardware_len = 6,
		.protocol_len = 4,
		.operation = htons(ARPOP_REQUEST)};
	struct sockaddr_ll all = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = link,
		.sll_halen = 6};
	const uint32_t target = htonl(address);
	memset(all.sll_addr, 0xff, 6);
	memcpy(packet.sender_mac, mac, 6);
	memcpy(packet.target, &target, 4);
	return sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&all, sizeof(all)) ==
			       (ssize_t)sizeof(packet)
		       ? 0
		       : -1;
}

/* An answer, an announcement, or somebody else's probe for the same address. */
static int is_taken(const struct arp_packet *packet, const uint8_t mac[6], uint32_t address)
{
	const uint32_t wanted = htonl(address);
	if (memcmp(packet->sender_mac, mac, 6) == 0)
		return 0;
	if (memcmp(packet->sender, &wanted, 4) == 0)
		return 1;
	const uint8_t nobody[4] = {0};
	return packet->operation == htons(ARPOP_REQUEST) &&
	       memcmp(packet->sender, nobody, 4) == 0 && memcmp(packet->target, &wanted, 4) == 0;
}

static int listen_for(int fd, const uint8_t mac[6], uint32_t address, int wait_ms)
{
	const uint64_t end = clock_mono_ns() + (uint64_t)wait_ms * 1000000U;
	for (uint64_t now; (now = clock_mono_ns()) < end;) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		struct arp_packet packet;
		if (poll(&readable, 1, (int)((end - now) / 1000000U) + 1) <= 0)
			continue;
		ssize_t n = recv(fd, &packet, sizeof(packet), MSG_DONTWAIT);
		if (n >= (ssize_t)sizeof(packet) && is_taken(&packet, mac, address))
			return 1;
	}
	return 0;
}

int probe_ask(int link, const uint8_t mac[6], uint32_t address)
{
	defer_close int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ARP));
	struct sockaddr_ll here = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = link};
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
		return -1;
	for (int i = 0; i < PROBES; i++) {
		if (ask(fd, link, mac, address) < 0)
			return -1;
		if (listen_for(fd, mac, address, WAIT_MS))
			return 1;
	}
	return 0;
}
