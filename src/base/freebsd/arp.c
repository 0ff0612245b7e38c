/* Frames of ARP. Compiled, linked, model-tested; not yet run on FreeBSD. */

#include "base/freebsd/arp.h"

#include <string.h>

/* Where the fields of an ARP frame begin. */
enum {
	TYPE = 12,
	HARDWARE = 14,
	OPERATION = 20,
	SENDER_MAC = 22,
	SENDER = 28,
	TARGET = 38,
	REQUEST = 1
};

static void put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get_address(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void arp_put_question(uint8_t frame[ARP_FRAME], const uint8_t mac[ARP_MAC], uint32_t address)
{
	memset(frame, 0, ARP_FRAME);
	memset(frame, 0xff, ARP_MAC);
	memcpy(frame + ARP_MAC, mac, ARP_MAC);
	put_u16(frame + TYPE, ARP_ETHERTYPE);
	put_u16(frame + HARDWARE, 1);          /* Ethernet */
	put_u16(frame + HARDWARE + 2, 0x0800); /* IPv4 */
	frame[HARDWARE + 4] = ARP_MAC;
	frame[HARDWARE + 5] = 4;
	put_u16(frame + OPERATION, REQUEST);
	memcpy(frame + SENDER_MAC, mac, ARP_MAC);
	put_u16(frame + TARGET, address >> 16);
	put_u16(frame + TARGET + 2, address & 0xffff);
}

bool arp_says_taken(const uint8_t *frame, size_t len, const uint8_t mac[ARP_MAC], uint32_t address)
{
	if (len < ARP_FRAME || frame[TYPE] != ARP_ETHERTYPE >> 8 ||
		frame[TYPE + 1] != (ARP_ETHERTYPE & 0xff) ||
		memcmp(frame + SENDER_MAC, mac, ARP_MAC) == 0)
		return false;
	if (get_address(frame + SENDER) == address)
		return true;
	return frame[OPERATION + 1] == REQUEST && get_address(frame + SENDER) == 0 &&
	       get_address(frame + TARGET) == address;
}
