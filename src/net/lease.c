#include "net/lease.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX, PROBE_AGAIN_S = 60 };

struct entry {
	char *holder;          /* the jail's name; NULL: none */
	uint64_t confirmed_ns; /* when a jail last had it without anybody minding; 0: never */
	uint32_t next;         /* in the queue of free ones */
	bool held, unavailable, queued;
};

struct range {
	struct net_pool pool;
	struct entry *entries;
	uint32_t count, first_free, last_free;
};

struct leases {
	struct range *ranges;
	uint32_t count;
	unsigned held;
};

/* ---- one pool ---- */

static void queue_put(struct range *r, uint32_t at)
{
	struct entry *e = &r->entries[at];
	if (e->queued || e->held || e->unavailable)
		return;
	e->queued = true;
	e->next = NONE;
	if (r->first_free == NONE)
		r->first_free = at;
	else
		r->entries[r->last_free].next = at;
	r->last_free = at;
}

/* Those that became unavailable while they waited are dropped on the way. */
static uint32_t queue_take(struct range *r)
{
	while (r->first_free != NONE) {
		const uint32_t at = r->first_free;
		struct entry *e = &r->entries[at];
		r->first_free = e->next;
		e->queued = false;
		if (!e->unavailable)
			return at;
	}
	return NONE;
}

static struct range *range_of(const struct leases *l, uint32_t address)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct range *r = &l->ranges[i];
		if (address >= r->pool.first && address <= r->pool.last)
			return r;
	}
	return NULL;
}

static struct entry *entry_of(const struct leases *l, uint32_t address)
{
	const struct range *r = range_of(l, address);
	return r != NULL ? &r->entries[address - r->pool.first] : NULL;
}

/* ---- all pools ---- */

static void ranges_make(struct leases *l, const struct net_pools *pools)
{
	l->count = pools->count;
	l->ranges = mem_zero(pools->count + 1, sizeof(*l->ranges));
	for (uint32_t i = 0; i < pools->count; i++) {
		struct range *r = &l->ranges[i];
		r->pool = pools->pool[i];
		r->count = r->pool.last - r->pool.first + 1;
		r->entries = mem_zero(r->count, sizeof(*r->entries));
		r->first_free = r->last_free = NONE;
	}
}

static void ranges_free(struct range *ranges, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t at = 0; at < ranges[i].count; at++)
			free(ranges[i].entries[at].holder);
		free(ranges[i].entries);
	}
	free(ranges);
}

/* What is known of addresses goes over; free ones queue as they did, behind those that are new. */
static void ranges_inherit(struct leases *l, struct leases *old)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct range *r = &l->ranges[i];
		for (uint32_t at = 0; at < r->count; at++) {
			struct entry *was = entry_of(old, r->pool.first + at);
			if (was == NULL) {
				queue_put(r, at);
				continue;
			}
			r->entries[at] = *was;
			r->entries[at].queued = false;
			was->holder = NULL; /* moved */
		}
	}
	for (uint32_t i = 0; i < old->count; i++) {
		const struct range *was = &old->ranges[i];
		for (uint32_t at = was->first_free; at != NONE; at = was->entries[at].next) {
			const uint32_t address = was->pool.first + at;
			struct range *r = range_of(l, address);
			if (r != NULL)
				queue_put(r, address - r->pool.first);
		}
	}
}

void lease_reload(struct leases *l, const struct net_pools *pools)
{
	struct leases old = *l;
	ranges_make(l, pools);
	ranges_inherit(l, &old);
	l->held = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		for (uint32_t at = 0; at < l->ranges[i].count; at++)
			l->held += l->ranges[i].entries[at].held;
	}
	ranges_free(old.ranges, old.count);
}

struct leases *leases_create(const struct net_pools *pools)
{
	struct leases *l = mem_zero(1, sizeof(*l));
	lease_reload(l, pools);
	return l;
}

void leases_destroy(struct leases *l)
{
	if (l == NULL)
		return;
	ranges_free(l->ranges, l->count);
	free(l);
}

static struct range *range_named(const struct leases *l, const char *name, struct fault *f)
{
	struct buf names = {0};
	for (uint32_t i = 0; i < l->count; i++) {
		if (name[0] == '\0' || strcmp(l->ranges[i].pool.name, name) == 0) {
			buf_finish(&names);
			return &l->ranges[i];
		}
		buf_printf(&names, "%s\"%s\"", i > 0 ? ", " : "", l->ranges[i].pool.name);
	}
	(void)fault_code(f, FAULT_INPUT, "no_such_pool",
		"there is no address pool \"%.60s\"; there %s %.600s", name,
		l->count == 1 ? "is" : "are", names.len > 0 ? names.data : "none");
	buf_finish(&names);
	return NULL;
}

int lease_pool_check(const struct leases *l, const char *pool, struct fault *f)
{
	return range_named(l, pool, f) != NULL ? 0 : -1;
}

/* ---- leasing ---- */

int lease_take(struct leases *l, const char *pool, struct lease_grant *out, struct fault *f)
{
	struct range *r = range_named(l, pool, f);
	if (r == NULL)
		return -1;
	const uint32_t at = queue_take(r);
	if (at == NONE)
		return fault_code(f, FAULT_BUSY, "no_address",
			"no address of the pool \"%s\" is free; try again", r->pool.name);
	struct entry *e = &r->entries[at];
	const uint64_t age = clock_mono_ns() - e->confirmed_ns;
	e->held = true;
	l->held++;
	*out = (struct lease_grant){.address = r->pool.first + at,
		.probe = r->pool.interface[0] != '\0' &&
			 (e->confirmed_ns == 0 || age > PROBE_AGAIN_S * UINT64_C(1000000000))};
	return 0;
}

void lease_hold(struct leases *l, uint32_t address, const char *holder)
{
	struct entry *e = entry_of(l, address);
	if (e == NULL || !e->held)
		return;
	free(e->holder);
	e->holder = mem_strdup(holder);
}

void lease_confirm(struct leases *l, uint32_t address)
{
	struct entry *e = entry_of(l, address);
	if (e != NULL)
		e->confirmed_ns = clock_mono_ns();
}

void lease_conflict(struct leases *l, uint32_t address)
{
	char text[IP4_TEXT];
	struct entry *e = entry_of(l, address);
	if (e == NULL || e->unavailable)
		return;
	e->unavailable = true;
	e->confirmed_ns = 0;
	log_warn("another host answers for %s of network.ip4: the address is unavailable until an "
		 "administrator makes it available",
		ip4_text(address, text));
}

void lease_give(struct leases *l, uint32_t address)
{
	struct range *r = range_of(l, address);
	if (r == NULL)
		return;
	struct entry *e = &r->entries[address - r->pool.first];
	if (!e->held)
		return;
	e->held = false;
	free(e->holder);
	e->holder = NULL;
	l->held--;
	queue_put(r, address - r->pool.first);
}

int lease_set(struct leases *l, uint32_t address, bool available, struct fault *f)
{
	char text[IP4_TEXT];
	struct range *r = range_of(l, address);
	if (r == NULL)
		return fault_code(f, FAULT_NOT_FOUND, "no_such_address",
			"%s is in no pool of network.ip4", ip4_text(address, text));
	struct entry *e = &r->entries[address - r->pool.first];
	if (e->held)
		return fault_code(f, FAULT_CONFLICT, "address_held",
			"a jail holds %s; end the jail, or try again when its call has ended",
			ip4_text(address, text));
	e->unavailable = !available;
	queue_put(r, address - r->pool.first);
	return 0;
}

bool lease_next(const struct leases *l, const char *pool, uint32_t from, struct lease_view *out)
{
	const struct range *best = NULL;
	uint32_t address = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		const struct range *r = &l->ranges[i];
		const uint32_t low = from > r->pool.first ? from : r->pool.first;
		if (low > r->pool.last || (pool != NULL && strcmp(pool, r->pool.name) != 0) ||
			(best != NULL && low >= address))
			continue;
		best = r;
		address = low;
	}
	if (best == NULL)
		return false;
	const struct entry *e = &best->entries[address - best->pool.first];
	*out = (struct lease_view){.address = address,
		.pool = best->pool.name,
		.holder = e->holder,
		.held = e->held,
		.unavailable = e->unavailable};
	return true;
}

unsigned lease_held(const struct leases *l)
{
	return l->held;
}
