#pragma once

/*
 * What the files of the FreeBSD backend share: the shape of a slot, and the calls between its parts.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 *
 *   backend.c  the table of operations; probe, prepare, finish
 *   runner.c   the jailer's part; what the jailer is told of what prepare found
 *   slot.c     create and destroy, in a helper process
 *   mounts.c   what a jail's root is made of
 *   limits.c   rctl rules
 *   devices.c  the devfs ruleset
 *   listener.c the way out of a fetch jail, opened inside its network stack
 *   stub.c     prepare: the process beside the jail, from fork to exec
 *
 * The system calls themselves are behind base/freebsd/sys.h.
 */

#include "base/freebsd/prison.h"
#include "jail/jail.h"

/* Indexes into jail_parts.fd. The jail itself is known by its jid, which is the parts' mark. */
enum { PART_LISTENER /* fetch */, PART_COUNT };

/* The devfs ruleset of our jails: five devices and nothing else. */
enum { FREEBSD_RULESET = 3280 };

/* What prepare found, in supervisor, helpers and jailers. */
struct freebsd_facts {
	unsigned uid_base;
	bool racct; /* limits can be set by rctl */
};
extern struct freebsd_facts freebsd_facts;

/* ---- names ---- */

enum { SLOT_PATH = 900 }; /* a mount point's path, at most */

/* "sky-1a2b3c4d-s17"; of a jail that builds "sky-1a2b3c4d-build.s17", in the jail `build`. */
void slot_name(const struct jail_plan *plan, unsigned slot, bool builds, char name[PRISON_NAME]);
/* The slot that a name belongs to, or -1. */
int slot_of_name(const struct jail_plan *plan, const char *name);
bool slot_builds(enum jail_kind kind);
void build_name(const struct jail_plan *plan, char name[PRISON_NAME]);
/* The root of a slot's jail on the host. */
void slot_path(const struct jail_plan *plan, unsigned slot, char path[SLOT_PATH]);

/* ---- slot.c ---- */

int slot_create(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
	struct jail_parts *parts, struct fault *f);
int slot_destroy(const struct jail_plan *plan, unsigned slot, struct fault *f);

/* ---- mounts.c ---- */

enum { MOUNTS_MAX = 48 };

struct mount {
	const char *what; /* for people */
	const char *type; /* "nullfs", "devfs", "tmpfs" */
	char from[SLOT_PATH], at[SLOT_PATH];
	int flags;
	bool strangers; /* what it is mounted from has a name that the server could change */
	uint64_t size, inodes;
	unsigned uid;
};

struct mounts {
	struct mount each[MOUNTS_MAX];
	unsigned count;
};

/* The base (storage/storage.h) that the root of a jail of this kind is a clone of: the system that
 * `-i` made, else one of node/base.c's. */
const char *mounts_base(const struct jail_plan *plan, enum jail_kind kind);
/* What the root of a slot for this order is made of, in order. A pure function. */
int mounts_list(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
	struct mounts *out, struct fault *f);
/* All of them or none. */
int mounts_up(const struct mounts *m, struct fault *f);
/* Whatever is mounted at this path or below it, newest first. Nothing there is fine. What is busy is
 * tried for a while, then taken away by force. */
int mounts_clear(const char *root, struct fault *f);

/* ---- limits.c ---- */

int limits_up(
	const char *name, enum jail_kind kind, const struct jail_limits *limits, struct fault *f);
int limits_down(const char *name, struct fault *f);

/* ---- devices.c ---- */

/* Makes the ruleset, or sees that it is as it should be. */
int devices_prepare(struct fault *f);
/* Whether a devfs mounted there shows what it should and nothing else. */
int devices_check(const char *dev, struct fault *f);

/* ---- listener.c ---- */

/* 127.0.0.1:3128 in the network stack of a jail, or -1. */
int listener_open(int jid, struct fault *f);

/* ---- stub.c ---- */

pid_t stub_prepare(const struct jail_plan *plan, unsigned slot, enum jail_kind kind,
	const struct jail_parts *parts, struct jail_end *end, struct jail_door *door,
	struct fault *f);

_Static_assert((int)PART_COUNT <= (int)JAIL_PARTS, "a slot has more parts than a message carries");
