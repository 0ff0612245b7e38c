#pragma once

/*
 * prison: FreeBSD's jails as kernel objects: made, found by name, listed, removed. A jail whose
 * last process or connection is still ending is dying: its name is free again, and only who asks
 * for such sees it.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

enum { PRISON_NAME = 256, PRISON_PATH = 1024, PRISON_ADDRESSES = 8 };

struct prison_spec {
	const char *name; /* "parent.name" for one in another */
	const char *path, *hostname;
	uint32_t address;  /* 0: no IPv4 at all */
	bool vnet;         /* a network stack of its own; no address then */
	int children_max;  /* jails in it */
	int devfs_ruleset; /* of a devfs mounted in it */
};

struct prison {
	int jid;
	char name[PRISON_NAME], path[PRISON_PATH], hostname[PRISON_NAME], osrelease[32];
	int ip4;                            /* SYS_JAIL_DISABLE, SYS_JAIL_NEW, SYS_JAIL_INHERIT */
	uint32_t address[PRISON_ADDRESSES]; /* host byte order; 0 behind the last */
};

/* The jid, or -1: FAULT_BUSY where its parent may have no more. It stays until it is removed,
 * without processes. jail(2). */
int prison_make(const struct prison_spec *spec, struct fault *f);
/* 1: found; 0: there is none, or it is dying; -1: FAULT_PLATFORM. jail_get(2), which asks for no
 * rights: who is outside of all jails sees all of them. */
int prison_find(const char *name, struct prison *out, struct fault *f);
int prison_find_jid(int jid, struct prison *out, struct fault *f);
/* The first whose jid is above `after` and whose name begins so; as prison_find. `dying` ones
 * too. */
int prison_next(const char *prefix, int after, bool dying, struct prison *out, struct fault *f);
/* Ends all processes in it and the jails in it. One that is gone is fine. */
int prison_remove(int jid, struct fault *f);
