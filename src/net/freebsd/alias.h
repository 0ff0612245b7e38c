#pragma once

/* alias: the counterpart of net_link_make on FreeBSD, where a jail's address is an alias on the
 * interface of its pool and does not go with the jail. Compiled, linked, model-tested; not yet run
 * on FreeBSD. */

#include "net/link.h"

/* Removes it from the interface. One that is not there, or that is not of our making, is passed
 * over. */
int net_alias_remove(const struct net_setup *net, uint32_t address, struct fault *f);
