#pragma once

/*
 * memory: what may still be taken of it: of the host's, and of what the control groups of version 2
 * that we are in may have (memory.max, memory.high), as a service's MemoryMax= or a container's. And
 * whether programs already wait for it (PSI, Documentation/accounting/psi.rst).
 */

#include <stdbool.h>
#include <stdint.h>

struct memory {
	char proc[128], cgroups[128]; /* "/proc", "/sys/fs/cgroup" */
	char group[512];              /* of version 2, that we are in: "/a/b", or "" */
};

/* Looks where we are, in these directories. */
void memory_find(struct memory *m, const char *proc, const char *cgroups);
/* Bytes that we could have at most, and that could be had now; UINT64_MAX where nothing tells. */
uint64_t memory_total(const struct memory *m);
uint64_t memory_available(const struct memory *m);
/* Whether some program waited for memory for a tenth of the last ten seconds, on the host or in the
 * group. */
bool memory_is_pressed(const struct memory *m);
