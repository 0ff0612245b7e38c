#pragma once

/*
 * pressure: what is given up where memory is short. Jails that only wait go first, until
 * jails.memory_reserve is left; where programs wait for memory besides (PSI), calls may take no more
 * of it than they have: no more run at once than did, and one a cpu. Private to the pool.
 */

#include <stdbool.h>
#include <stdint.h>

struct pool;

void pressure_open(struct pool *pool);
/* Looks at the memory there is, and acts; once a second. */
void pressure_check(struct pool *pool);

/* What is to be left: twice as much where programs wait for memory already. Pressure alone is no
 * reason: one function that thrashes within its own limit makes it too. */
uint64_t pressure_reserve(uint64_t reserve, bool pressed);
/* How many calls may run: `most`, but where it is `tight` no more than `running`, or than could
 * until now, though always `least`. */
unsigned pressure_places(
	unsigned most, unsigned least, unsigned until_now, unsigned running, bool tight);
