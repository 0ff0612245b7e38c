#pragma once

/* host: what is changed on the host for jails with addresses: aliases, and the rules of pf. Private
 * to src/net/freebsd. Compiled, linked, model-tested; not yet run on FreeBSD. */

#include "base/freebsd/sys.h"
#include "net/link.h"

#include <stdbool.h>

enum { HOST_INTERFACE = 16 };

/* Where an address is. */
struct host_place {
	uint32_t address;
	bool there;
	char interface[HOST_INTERFACE];
	uint32_t mask;
};

/* Loads the rules where they are not those of the pools as they are now. */
int host_ready(const struct net_setup *net, struct fault *f);
/* Finds an address among the host's own. */
int host_find(struct host_place *place, struct fault *f);
/* The record names every alias that we made or are about to. */
int host_record_add(
	const struct net_setup *net, const struct sys_address *address, struct fault *f);
