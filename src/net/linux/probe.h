#pragma once

/* probe: whether another host has an address, asked by ARP as RFC 5227 says, in less time. */

#include <stdint.h>

/* In the caller's net namespace, on the link of that index. 1: another answered; 0: nobody did; -1
 * and errno. */
int probe_ask(int link, const uint8_t mac[6], uint32_t address);
