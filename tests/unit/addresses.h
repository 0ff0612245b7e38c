#pragma once

/* Addresses and pools of them, as tests write them down. */

#include "net/pools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static inline uint32_t ip4(const char *text)
{
	uint32_t address = 0;
	assert_true(ip4_parse(text, &address));
	return address;
}

static inline void pool_add(
	struct net_pools *pools, const char *name, const char *first, const char *last)
{
	struct net_pool *pool = &pools->pool[pools->count++];
	(void)snprintf(pool->name, sizeof(pool->name), "%s", name);
	pool->first = ip4(first);
	pool->last = ip4(last);
	pool->mask = ip4("255.255.255.0");
	pool->gateway = (pool->first & pool->mask) + 1;
}
