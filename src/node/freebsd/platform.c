/* What preparing is on FreeBSD. */

#include "node/prepare.h"

const struct prepare_step *const prepare_platform = prepare_freebsd;
const char node_system[] = "freebsd";

enum storage_type node_storage_usual(bool dataset)
{
	return dataset ? STORAGE_ZFS : STORAGE_PLAIN;
}
