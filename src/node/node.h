#pragma once

/*
 * node: one running Sky Island and what its processes share. The supervisor fills it before it
 * forks anyone; from then on it is const.
 */

#include "base/log.h"
#include "config/config.h"
#include "jail/jail.h"
#include "jailer/server.h"
#include "node/notify.h"
#include "state/journal.h"
#include "storage/storage.h"

#include <stdint.h>

enum { NODE_JAILERS_MAX = 16 };

/* "linux", "freebsd": Go's word for where jails' programs run. A file of the platform's. */
extern const char node_system[];
/* The kind of storage that is configured; `auto` means what is usual on that system. */
enum storage_type node_storage_type(const struct config *c, const char *system);

struct node {
	struct config config;
	const char *config_path; /* NULL: defaults */
	char *state;             /* absolute */
	char *instance;          /* "sky-1a2b3c4d", of the state directory's path */
	char *go_version;        /* "go1.26.8" */
	int lock;                /* held while we run */
	bool user_mode;
	uid_t server_uid; /* whom the server becomes; 0: stays */
	struct jail_plan plan;
	struct storage storage;  /* where jails' roots live */
	struct net_pools *pools; /* network.ip4, shared by all processes but the server */
	int pools_fd;            /* the same for jailers, which are no forks of ours */
	struct net_setup net;
	struct journal journal;
	unsigned jailers;
	struct node_modules { /* how fetch jails reach modules; from modules{}, the environment or
				 `go env` */
		char *proxy, *sumdb, *private, *noproxy, *nosumdb;
		char *https_proxy, *no_proxy;
		char **trusted; /* hosts of proxy and sumdb, NULL-terminated */
		char **trees;   /* directories of file:// entries, NULL-terminated */
	} modules;
	struct node_git {            /* plain git repositories */
		const char *missing; /* why they cannot be served; NULL: they can */
		char **paths;        /* of the host, for git jails; NULL-terminated */
	} git;
	int listener, local;  /* sockets: the configured one (-1: none); run/api.sock */
	int jailer_program;   /* run/jailer */
	char address[160];    /* where listener listens, for people */
	struct notify notify; /* systemd, where it started us */
};

/* Whether what the roots of execution jails are made of is there; a file of the platform's. */
bool node_is_rooted(struct node *n);

/* Loads the configuration, settles paths, takes the lock, claims the state directory, enters user
 * mode where needed. FAULT_CONFLICT: another holds the lock. */
int node_open(struct node *n, const char *config_path, struct buf *faults, struct fault *f);
/* The same without the lock, and without changing anything: for looking. */
int node_look(struct node *n, const char *config_path, struct buf *faults, struct fault *f);
/* After node_look failed: only because the configured state directory is not there. */
bool node_is_gone(const struct node *n, const struct fault *f);
void node_close(struct node *n);
/* Takes the lock of the state directory, which must be there; FAULT_CONFLICT names the process that
 * has it. */
int node_lock(struct node *n, struct fault *f);

/* claim.c: what Sky Island makes in a state directory, besides the lock and the file that says
 * whose it is; NULL-terminated. Nothing else in it is ever removed. */
extern const char *const node_parts[];
/* Whether the state directory was used by Sky Island before. */
bool node_is_ours(const struct node *n);
/* FAULT_INPUT where the state directory is others': one of the system's, with something in it that
 * has a name of ours and is not, prepared by another user, or one that others can write to. */
int node_claim_check(const struct node *n, struct fault *f);
/* From now on it is ours. The lock is held. */
int node_claim(const struct node *n, struct fault *f);
/* And no longer; removes the lock's file too. */
void node_disclaim(const struct node *n);
/* Faults that the rest of the node, not the configuration alone, finds in it. */
int node_config_check(const struct node *n, const struct config *c, struct fault *f);
/* A path in the state directory; the caller frees. */
char *node_path(const struct node *n, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* For a `go` run outside jails: the user's settings are read, but what Go writes of its own
 * (telemetry, checksums seen) stays in the state directory. NAME=VALUE each; the caller frees. */
enum { NODE_GO_SETTINGS = 3 };
void node_go_settings(const struct node *n, char *settings[NODE_GO_SETTINGS]);

/* Where FreeBSD's packages and Go's are kept; the caller frees. */
char *node_packages(const struct node *n);
/* "amd64", "arm64". */
const char *node_architecture(void);
/* prepare.c: makes what jails need, in steps, each done only where it is not done yet. Progress
 * goes to stderr, but for NODE_QUIETLY; NODE_INIT proves besides that build jails can be made. */
enum node_mode { NODE_QUIETLY, NODE_SERVE, NODE_INIT };
int node_prepare(struct node *n, enum node_mode mode, struct fault *f);
/* seed.c: runs the tool's `seed` in a jail, on the directory private/gocache.part. */
int node_seed(struct node *n, struct fault *f);
/* git.c: looks for git and what it needs; fills n->git. */
void node_git_find(struct node *n);
/* Makes the places in a root that they are bound on, and gives them to the plan. */
int node_git_places(struct node *n, const char *root, struct fault *f);
/* Fills plan and modules, which need what prepare made. */
int node_plan(struct node *n, struct fault *f);
/* That part of it which is the configuration's numbers. */
void node_plan_limits(struct jail_plan *plan, const struct config *c);

/* spawn.c: a jailer, its program and its helpers. */
struct spawned {
	pid_t jailer, helpers[JAILER_HELPERS];
};
/* Once, before the first: puts the jailer's program where it can be started from. */
int spawn_prepare(struct node *n, struct fault *f);
/* Starts jailer i; returns the server's end of its socket, or -1. */
int spawn_jailer(const struct node *n, unsigned i, struct spawned *s, struct fault *f);
/* Kills what there is of it, mostly helpers of a jailer that has ended, and waits for it. */
void spawn_end(struct spawned *s);
/* Waits for the ends of the server, where there is one, and of jailers and helpers, which the end of the
 * server's sockets is the sign for; after half a minute they are killed. There may be other children,
 * of whoever became us by exec(2), or as the first process of a container: those are not waited for. */
void spawn_wait(pid_t server, struct spawned *all, unsigned count);
/* listen.c: binds what calls come by, and fills n->address. */
int node_listen(struct node *n, struct fault *f);
/* token.c: gives c an admin token where it has none: the one in the state directory's admin-token,
 * made where missing, its path logged. */
int node_admin_token(const struct node *n, struct config *c, struct fault *f);

/* reload.c: what SIGHUP does, in the supervisor; `control` leads to the server. */
void node_reload(struct node *n, int control);
/* The same in the server, with what came over it: longer than NODE_WORD, which is how the messages
 * about jailers are told apart. */
enum { NODE_WORD = 1, NODE_CONTROL_MAX = 1 << 17 };
void node_reload_take(struct node *n, const char *text, size_t len);
/* Faults or warnings of a configuration, a log line each. */
void node_log_lines(enum log_level level, const struct buf *lines);
/* pools.c: the pools of a configuration as numbers. */
void node_pools_read(const struct config *c, struct net_pools *out);
/* Puts them where all processes see them, and checks them against the host. In user mode jails get
 * no addresses. */
int node_pools(struct node *n, struct buf *warnings, struct fault *f);
/* How what is changed on the host for them is named and noted; enough to undo it. */
void node_net_name(struct node *n);
/* Others, that SIGHUP brought: whether they fit the host; and in place of those there are. */
int node_pools_check(const struct node *n, struct config *fresh, struct fault *f);
void node_pools_publish(struct node *n, const struct config *c);
/* In the server, which must not be able to change what jailers go by: a copy of its own instead. */
void node_pools_leave(struct node *n);

/* supervisor.c: runs until told to stop; the exit status. `ready_fd` gets a byte when calls are
 * served (-1: nobody waits). */
int supervisor_run(struct node *n, int ready_fd);
/* Clears what an earlier run left in all slots. */
void supervisor_clean(struct node *n);

/* server.c: the unprivileged server; the exit status. `control`: new jailers' sockets come over it.
 */
int server_run(struct node *n, int control, const int *jailers, unsigned count);
