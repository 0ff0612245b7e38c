#pragma once

/* arp: the question whether another host has an address, as a frame of Ethernet, and what answers it
 * (RFC 826, RFC 5227). Pure functions; addresses in host byte order. Compiled, linked,
 * model-tested; not yet run on FreeBSD. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 5227 asks three times over five seconds, for hosts that come to stay. A call cannot wait so
 * long: two questions, and a neighbour that is awake answers within a millisecond. */
enum { ARP_QUESTIONS = 2, ARP_WAIT_MS = 60 };
enum { ARP_MAC = 6, ARP_FRAME = 42, ARP_ETHERTYPE = 0x0806 };

void arp_put_question(uint8_t frame[ARP_FRAME], const uint8_t mac[ARP_MAC], uint32_t address);
/* An answer, an announcement, or somebody else's question for the same address. */
bool arp_says_taken(const uint8_t *frame, size_t len, const uint8_t mac[ARP_MAC], uint32_t address);
