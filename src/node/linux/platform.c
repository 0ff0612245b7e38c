/* What preparing is on Linux:
 *
 *   storage     the directories of the state, and the dataset with filesystem.type "zfs"
 *   base root   the roots that jails share: /etc, places for mounts, CA certificates
 *   jails       a jail is made and removed, before anything is downloaded for one
 *   toolchain   Go itself, as a module, checksum-verified by whatever `go` the host has
 *   tool        driver/cmd/tool, compiled
 *   cache       the standard library and the driver, compiled, for builds to start from
 *   build jail  one is made and removed
 */

#include "node/prepare.h"

#include "base/defer.h"

#include <unistd.h>

static int linux_storage(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	return prepare_directories(thing, f) < 0 ? -1 : storage_open(&p->node->storage, f);
}

static int linux_toolchain(void *thing, struct fault *f)
{
	return toolchain_get(thing, f) < 0 ? -1 : base_zones(thing, f);
}

static const struct prepare_step steps[] = {
	{"storage", "storage", linux_storage, NULL, NULL, false},
	{"base root", "base", base_make, base_undo, NULL, false},
	{"jails", "jails", proof_jail, NULL, NULL, true},
	{"toolchain", "toolchain", linux_toolchain, toolchain_undo, TOOLCHAIN_PART, false},
	{"tool", "tool", driver_tool, driver_tool_undo, CACHE_PART, false},
	{"cache", "cache", driver_cache, driver_cache_undo, CACHE_PART, false},
	{"build jail", "build_jail", proof_build, NULL, NULL, true},
	{NULL, NULL, NULL, NULL, NULL, false},
};

const struct prepare_step *const prepare_platform = steps;
const char node_system[] = "linux";

bool node_is_rooted(struct node *n)
{
	char word[STORAGE_WORD];
	struct fault f = {0};
	defer_free char *base = node_path(n, "base/etc/passwd");
	return n->storage.type == STORAGE_ZFS
		       ? storage_base_word(&n->storage, "base", word, &f) == 0 && word[0] != '\0'
		       : access(base, F_OK) == 0;
}
