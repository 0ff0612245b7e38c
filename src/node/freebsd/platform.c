/* What preparing is on FreeBSD. FreeBSD's part is compiled, linked, model-tested; not yet run on
 * FreeBSD. This file itself is compiled and linked only: no model runs it. */

#include "node/freebsd/freebsd.h"

const struct prepare_step *const prepare_platform = prepare_freebsd;
const char node_system[] = "freebsd";

bool node_is_rooted(struct node *n)
{
	const struct preparing p = {.node = n};
	enum base_state state;
	struct fault f = {0};
	return freebsd_base_state(&p, &state, &f) == 0 && state == BASE_READY;
}
