#pragma once

/*
 * lease: which address of which pool is held by which jail, in the server's memory. The one that
 * was free for longest goes first, so that what still lingers of an address anywhere has gone when
 * it comes again.
 *
 *   free ──take──► held ──give──► free      give comes once nothing is left of the jail's link,
 *                                           however it ended (jailer/message.h)
 *
 * Besides, an address can be unavailable, because an admin said so or another host answers for it:
 * it is not handed out until it is made available again. One thread, the loop's.
 */

#include "base/fault.h"
#include "net/pools.h"

struct leases;

struct lease_grant {
	uint32_t address;
	bool probe; /* ask the network first whether anybody else has it */
};

struct lease_view {
	uint32_t address;
	const char *pool;
	const char *holder; /* the jail's name; NULL: none */
	bool held, unavailable;
};

struct leases *leases_create(const struct net_pools *pools);
void leases_destroy(struct leases *leases);
/* Other pools from now on. What is held stays held, also where no pool has it any more; what was
 * made unavailable stays so. */
void lease_reload(struct leases *leases, const struct net_pools *pools);
/* An address of the pool of that name ("": the first). FAULT_INPUT: there is no such pool, the
 * names are told; FAULT_BUSY, no_address: none is free. */
int lease_take(struct leases *leases, const char *pool, struct lease_grant *out, struct fault *f);
/* Says which jail has it; the name is copied. */
void lease_hold(struct leases *leases, uint32_t address, const char *holder);
/* It worked: nobody else has that address, and for a while nobody needs to ask. */
void lease_confirm(struct leases *leases, uint32_t address);
/* Another host answers for it: unavailable until an admin says otherwise. */
void lease_conflict(struct leases *leases, uint32_t address);
/* Nothing is left of the jail that had it. An address that is not held is passed over. */
void lease_give(struct leases *leases, uint32_t address);
/* FAULT_NOT_FOUND: no pool has it; FAULT_CONFLICT: a jail holds it. */
int lease_set(struct leases *leases, uint32_t address, bool available, struct fault *f);
/* The lowest address from `from` on, of the pool of that name (NULL: of any); false: no more. */
bool lease_next(
	const struct leases *leases, const char *pool, uint32_t from, struct lease_view *out);
/* 0 where there is a pool of that name; else as lease_take. */
int lease_pool_check(const struct leases *leases, const char *pool, struct fault *f);
unsigned lease_held(const struct leases *leases);
