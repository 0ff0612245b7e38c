/*
 * What `-i` does on FreeBSD, in the order of the original's list:
 *
 *   storage     the directories of the state
 *   dataset     the ZFS dataset to work from
 *   packages    base.txz and lib32.txz of the release
 *   base        these, extracted
 *   update      freebsd-update
 *   settings    resolv.conf, localtime, rc.conf, places for mounts
 *   go          Go's toolchain
 *   snapshot    of the base, which jails are clones of
 *   jails       a jail is made and removed
 *   tool, cache the workspace: driver/cmd/tool, the standard library and the driver, compiled
 *   build jail  one is made and removed
 *
 * Compiled, linked, model-tested; not yet run on FreeBSD. The unit tests of every system run these
 * steps on commands that record; which table is used the build chooses (platform.c).
 */

#include "node/freebsd/freebsd.h"

const struct prepare_step prepare_freebsd[] = {
	{"storage", "storage", prepare_directories, NULL, NULL, false},
	{"dataset", "dataset", freebsd_dataset, NULL, NULL, false},
	{"packages", "packages", packages_fetch, packages_undo, NULL, false},
	{"base", "base", freebsd_extract, freebsd_base_undo, NULL, false},
	{"update", "update", freebsd_update, freebsd_base_undo, NULL, false},
	{"settings", "settings", freebsd_configure, freebsd_base_undo, NULL, false},
	{"go", "toolchain", toolchain_get, toolchain_undo, TOOLCHAIN_PART, false},
	{"snapshot", "snapshot", freebsd_snapshot, NULL, NULL, false},
	{"jails", "jails", proof_jail, NULL, NULL, true},
	{"tool", "tool", driver_tool, driver_tool_undo, CACHE_PART, false},
	{"cache", "cache", driver_cache, driver_cache_undo, CACHE_PART, false},
	{"build jail", "build_jail", proof_build, NULL, NULL, true},
	{NULL, NULL, NULL, NULL, NULL, false},
};
