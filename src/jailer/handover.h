#pragma once

/*
 * handover: what the supervisor gives a jailer, which is a program of its own: small and linked
 * statically, since each jail begins as a fork of it (docs/design.md, "Processes"). A file without
 * a name holds the setup and the parts of the plan that starting a jail needs, as structs: both
 * programs come from one build. Descriptors come at fixed numbers.
 */

#include "jailer/server.h"

enum {
	HANDOVER_SERVER = 3, /* socket to the server */
	HANDOVER_SETUP,      /* the file */
	HANDOVER_JOURNAL,
	HANDOVER_TOOL,
	HANDOVER_POOLS,   /* net_pools, which SIGHUP changes */
	HANDOVER_HELPERS, /* JAILER_HELPERS sockets */
	HANDOVER_END = HANDOVER_HELPERS + JAILER_HELPERS,
};

/* A file that holds it, or -1. */
int handover_write(const struct jailer_setup *setup, struct fault *f);
/* In the jailer: fills setup and plan, whose pointers live as long as the process. The descriptors
 * are the caller's. */
int handover_read(
	int fd, int pools, struct jailer_setup *setup, struct jail_plan *plan, struct fault *f);
