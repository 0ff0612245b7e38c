#pragma once

/*
 * refusal: why a host did not let us make a jail, and what its administrator can do. That something
 * is refused is found out by trying (backend.c, userns.c); what is looked up here only explains it:
 * the kernel says "Operation not permitted" for a dozen reasons.
 */

#include "base/buf.h"
#include "base/fault.h"

#include <stdbool.h>

/* Kinds of namespaces that the kernel counts, in the order of refusal_spaces. */
enum { REFUSAL_SPACES = 7 };
extern const char *const refusal_spaces[REFUSAL_SPACES];

enum refusal_container {
	CONTAINER_NONE,
	CONTAINER_OTHER, /* one of those that say so, but none of the following */
	CONTAINER_DOCKER,
	CONTAINER_PODMAN,
	CONTAINER_KUBERNETES,
};

struct refusal_facts {
	bool user_mode;                   /* an ordinary user asks */
	bool sys_admin;                   /* CAP_SYS_ADMIN is effective */
	bool net_admin;                   /* CAP_NET_ADMIN is */
	bool filtered;                    /* a seccomp filter is on us */
	bool proc_masked;                 /* parts of /proc are covered by mounts */
	int userns_clone;                 /* kernel.unprivileged_userns_clone; -1: no such */
	int apparmor_userns;              /* kernel.apparmor_restrict_unprivileged_userns; -1 */
	long long spaces[REFUSAL_SPACES]; /* user.max_*_namespaces; -1: no such */
	char profile[80];                 /* AppArmor's, by which we are confined; empty: none */
	enum refusal_container container;
};

/* Of this process as it is now, and its host. */
void refusal_look(struct refusal_facts *facts, bool user_mode);
/* Appends what may have refused it and what to do, in one line; nothing where nothing is known.
 * `what` is the fault's text, `error` an errno. Depends on its arguments alone. */
void refusal_why(const struct refusal_facts *facts, const char *what, int error, struct buf *why);
/* The same of the host's network, once jails without an address are made. */
void refusal_net_why(const struct refusal_facts *facts, const char *what, struct buf *why);
/* Adds that to the fault; returns -1. */
int refusal_explain(bool user_mode, struct fault *f);
