#include "pool/pressure.h"

#include "base/log.h"
#include "pool/pool_private.h"

#include <inttypes.h>

uint64_t pressure_reserve(uint64_t reserve, bool pressed)
{
	return pressed && reserve <= UINT64_MAX / 2 ? 2 * reserve : reserve;
}

unsigned pressure_places(
	unsigned most, unsigned least, unsigned until_now, unsigned running, bool tight)
{
	if (!tight || most <= least)
		return most;
	const unsigned fewer = running < until_now ? running : until_now;
	return fewer > least ? fewer : least;
}

/* Ends the least recently used until there is enough. A jail is counted with what its program used
 * at most, or a page where that is not known yet. */
static void waiting_end(struct pool *pool, uint64_t available, uint64_t reserve)
{
	for (uint64_t freed = 0; pool->oldest != NULL && available + freed < reserve;) {
		freed += pool->oldest->bytes + 4096;
		spares_end(pool, pool->oldest);
	}
}

static void places_set(struct pool *pool, bool tight)
{
	const unsigned most = pool->limits.running_max;
	const unsigned before = pool->places;
	pool->places = pressure_places(most, jailer_client_jailers(pool->jailers), before,
		admission_running(pool->admission), tight);
	if (pool->places == before)
		return;
	admission_places(pool->admission, pool->places);
	if (before == most)
		log_warn("programs wait for memory, and less than the reserve is left: "
			 "%u calls may run at once for now, others wait",
			pool->places);
	else if (pool->places == most)
		log_info("there is memory again: %u calls may run at once", most);
	starts_serve(pool);
}

void pressure_check(struct pool *pool)
{
	const uint64_t available = memory_available(&pool->memory);
	const bool pressed = memory_is_pressed(&pool->memory);
	const uint64_t reserve = pressure_reserve(pool->limits.reserve_bytes, pressed);
	const bool scarce = available < reserve;
	const unsigned before = pool->waiting;
	waiting_end(pool, available, reserve);
	if (scarce && !pool->scarce)
		log_warn("there are %" PRIu64
			 " MiB of memory to give, jails.memory_reserve is %" PRIu64
			 "%s: %u of %u waiting jails end, and none is kept until there is more",
			available >> 20, pool->limits.reserve_bytes >> 20,
			pressed ? ", doubled while programs wait for memory" : "",
			before - pool->waiting, before);
	pool->scarce = scarce;
	places_set(pool, scarce && pressed);
}

void pressure_open(struct pool *pool)
{
	memory_find(&pool->memory, "/proc", "/sys/fs/cgroup");
	pool->places = pool->limits.running_max;
}
