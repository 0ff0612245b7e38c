#pragma once

/*
 * world: a model of what FreeBSD's kernel does with the calls of base/freebsd/sys.h, stricter than
 * the kernel where that finds faults: an iovec that the manual does not allow, an undo that leaves
 * something, a descriptor that stayed open. It lies in memory that processes share, so that helpers,
 * stubs and programs are real processes here too. A call can be made to fail, or to kill its caller,
 * by its number.
 *
 *   world.c        what there is; failing; processes
 *   world_jail.c   jail_set(2), jail_get(2), jail_attach(2), jail_remove(2)
 *   world_mount.c  nmount(2), unmount(2), devfs
 *   world_net.c    addresses, pf, rctl, sysctl
 *   world_storage.c  clones of bases, instead of storage/
 */

#include "base/freebsd/sys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WORLD_JAILS = 64,
	WORLD_MOUNTS = 64,
	WORLD_RULES = 64,
	WORLD_ALIASES = 32,
	WORLD_FDS = 32,
	WORLD_CLONES = 16
};

struct world_jail {
	int jid, parent; /* jid 0: not used; parent 0: the host */
	bool dying, persist, vnet, loopback_up;
	char name[256], path[1024], hostname[256];
	int ip4; /* SYS_JAIL_* */
	uint32_t address[8];
	unsigned addresses;
	int children_max, enforce_statfs, devfs_ruleset, securelevel;
	char allow[1024]; /* "allow.nomount " and so on */
	pid_t inside[8];
};

struct world_mount {
	bool there;
	unsigned age;
	char type[16], at[1024], from[1024], options[256];
	int flags;
};

struct world_alias {
	char interface[16];
	uint32_t address, mask;
	int jid; /* of the network stack; 0: the host's */
};

/* What a program was when it was executed. */
struct world_program {
	bool ran;
	int jid;
	uid_t uid, gid;
	bool groups_none, no_new_privs, no_trace, cpus_open;
	uint64_t limit[16];
	bool limited[16];
	unsigned rights[WORLD_FDS]; /* of what stays open */
	bool open[WORLD_FDS];
	uint64_t inode[WORLD_FDS];
	char argv[256], environment[256], directory[256];
};

/* LEAVES: it exits, and another process of its own stays. */
enum world_end { WORLD_EXITS, WORLD_IS_KILLED, WORLD_STAYS, WORLD_LEAVES };

struct world {
	/* What tests say. */
	unsigned fail_at; /* the number of the call that fails; 0: none */
	int fail_errno;
	bool kills;    /* it ends its caller instead */
	unsigned busy; /* unmounts that find it busy */
	bool lingers;  /* jails that are removed are dying for a while */
	bool racct, vimage, pf_on, pf_anchor, pf_skips, old_kernel;
	uint32_t neighbour; /* another host's address */
	enum world_end end;
	int end_status; /* exit status or signal */
	uint64_t memory_peak;
	/* What happened. */
	unsigned calls;
	bool failed;
	char failed_call[64];
	struct world_program program;
	char log[65536];
	size_t log_len;
	/* What there is. */
	int last_jid;
	struct world_jail jail[WORLD_JAILS];
	unsigned age;
	struct world_mount mount[WORLD_MOUNTS];
	char rule[WORLD_RULES][256];
	struct world_alias alias[WORLD_ALIASES];
	bool clone[WORLD_CLONES]; /* of slots */
	char pf[8192];            /* the rules in our anchor */
	char devfs[1024];         /* the rules in our set, as devfs(8) shows them */
};

extern struct world *world;

/* A new one in which all is well, with an interface em0 at 10.0.0.1/24. */
void world_begin(void);
/* Texts in the log and in mounts are without this path before them. */
void world_hide(const char *path);
/* What is left but what world_begin made, in words; "": nothing. */
const char *world_left(void);

/* ---- for the model's own files ---- */

struct world_pair {
	const char *name;
	void *value;
	size_t len;
};
/* A process's own. */
struct world_self {
	int jid;
	uid_t uid, gid;
	bool groups_none, no_new_privs, no_trace, cpus_open;
	uint64_t limit[16];
	bool limited[16];
	unsigned rights[WORLD_FDS];
	bool bounded[WORLD_FDS];
};
extern struct world_self world_self;

/* Counts a call. False: it fails, errno is set. */
bool world_call(const char *name);
void world_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* -1 and errno. */
int world_refuse(int error);
/* The pairs of an iovec; -1: it is not one. */
int world_pairs(const struct iovec *iov, unsigned count, struct world_pair pairs[64]);
/* The kernel's words, where somebody asked for them. */
void world_why(const struct world_pair *pairs, int count, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A text with its NUL at its end and nowhere else. */
bool world_is_text(const struct world_pair *pair, size_t most);
struct world_jail *world_jail_find(int jid);

int world_jail_set(struct iovec *iov, unsigned count, int flags);
int world_jail_get(struct iovec *iov, unsigned count, int flags);
int world_jail_attach(int jid);
int world_jail_remove(int jid);
bool world_jail_param(const char *name);
int world_nmount(struct iovec *iov, unsigned count, int flags);
int world_unmount(const char *path, int flags);
int world_mounts(void (*each)(void *ctx, const char *at), void *ctx);
/* Whether anything is mounted at a path that ends so. */
bool world_is_mounted(const char *end);
int world_mkdir(const char *path, mode_t mode);
int world_rmdir(const char *path);
int world_names(const char *path, void (*each)(void *ctx, const char *name), void *ctx);
int world_rctl_add(const char *in, size_t in_len, char *out, size_t out_len);
int world_rctl_remove(const char *in, size_t in_len, char *out, size_t out_len);
int world_sysctl_int(const char *name, int *value);
int world_interface_index(const char *name);
int world_interface_up(const char *name);
int world_alias_add(const struct sys_address *address);
int world_alias_remove(const struct sys_address *address);
int world_addresses(void (*each)(void *ctx, const struct sys_address *address), void *ctx);
int world_arp_ask(const char *interface, uint32_t address);
int world_listen_at(uint32_t address, uint16_t port);
int world_run(char *const argv[], struct buf *out, struct fault *f);
