#pragma once

/* lock: the host's network is changed, and the record of that written, by one process at a time. The
 * lock is a file beside the record. Private to src/net. */

#include "net/link.h"

/* Waits until nobody else has it; the descriptor holds it. -1: there is no record, or no file could
 * be made, and the caller goes on without. */
int net_lock(const struct net_setup *net);
/* The record goes, and the lock with it. */
void net_record_remove(const struct net_setup *net);
