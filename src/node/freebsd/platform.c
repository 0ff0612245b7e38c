/* What preparing is on FreeBSD. */

#include "node/freebsd/freebsd.h"

const struct prepare_step *const prepare_platform = prepare_freebsd;
const char node_system[] = "freebsd";

enum storage_type node_storage_usual(bool dataset)
{
	return dataset ? STORAGE_ZFS : STORAGE_PLAIN;
}

bool node_is_rooted(struct node *n)
{
	const struct preparing p = {.node = n};
	enum base_state state;
	struct fault f = {0};
	return freebsd_base_state(&p, &state, &f) == 0 && state == BASE_READY;
}
