#pragma once

/*
 * sys: the system calls of FreeBSD that others lack, as one table of typed functions. sys.c has the
 * real ones and is compiled for FreeBSD only; all else that is FreeBSD's is plain C that compiles
 * anywhere, and the unit tests run it on a fake that enforces the manual's rules. Numbers are those
 * of FreeBSD's headers; sys.c asserts that they are.
 *
 * Functions return 0, or -1 and errno, unless they say otherwise.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "base/buf.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* jail_set(2) and jail_get(2): flags, and the states of ip4, ip6, vnet and host. */
enum { SYS_JAIL_CREATE = 1, SYS_JAIL_UPDATE = 2, SYS_JAIL_ATTACH = 4, SYS_JAIL_DYING = 8 };
enum { SYS_JAIL_DISABLE = 0, SYS_JAIL_NEW = 1, SYS_JAIL_INHERIT = 2 };

/* nmount(2), unmount(2) */
enum {
	SYS_MNT_RDONLY = 0x1,
	SYS_MNT_NOEXEC = 0x4,
	SYS_MNT_NOSUID = 0x8,
	SYS_MNT_FORCE = 0x80000,
	SYS_MNT_IGNORE = 0x800000,
	SYS_MNT_NOATIME = 0x10000000,
};

/* pdfork(2) */
enum { SYS_PD_CLOEXEC = 2 };

/* procctl(2), those commands whose datum is an int, and their values. */
enum { SYS_PROC_TRACE = 7, SYS_PROC_DEATH_SIGNAL = 11, SYS_PROC_NO_NEW_PRIVS = 19 };
enum { SYS_TRACE_DISABLE_EXEC = 3, SYS_NO_NEW_PRIVS_ENABLE = 1 };

/* setrlimit(2): the numbers are not those of Linux. */
enum {
	SYS_LIMIT_FSIZE = 1,
	SYS_LIMIT_CORE = 4,
	SYS_LIMIT_MEMLOCK = 6,
	SYS_LIMIT_NPROC = 7,
	SYS_LIMIT_NOFILE = 8,
};

/* What a descriptor may still be used for (rights(4)); looking at its status, waiting for it and
 * its flags always, but for SYS_CAN_WAIT. */
enum {
	SYS_CAN_READ = 1,
	SYS_CAN_WRITE = 2,
	SYS_CAN_SEEK = 4,
	SYS_CAN_TRUNCATE = 8,
	SYS_CAN_EXEC = 16,
	SYS_CAN_WAIT = 32, /* of a process descriptor: its end, and nothing else */
};

/* What a program and those it waited for used. */
struct sys_usage {
	uint64_t cpu_us;
	uint64_t memory_peak; /* bytes, of the largest of them */
};

struct sys_address {
	const char *interface;
	uint32_t address, mask; /* host byte order */
};

struct sys_calls {
	/* jail(2) */
	int (*jail_set)(struct iovec *iov, unsigned count, int flags); /* the jid, or -1 */
	int (*jail_get)(struct iovec *iov, unsigned count, int flags); /* the jid, or -1 */
	int (*jail_attach)(int jid);
	int (*jail_remove)(int jid);
	/* Whether the kernel knows a parameter (security.jail.param). */
	bool (*jail_param)(const char *name);
	/* mounts */
	int (*nmount)(struct iovec *iov, unsigned count, int flags);
	int (*unmount)(const char *path, int flags);
	/* Where something is mounted, oldest first (getmntinfo(3)). */
	int (*mounts)(void (*each)(void *ctx, const char *at), void *ctx);
	int (*mkdir)(const char *path, mode_t mode);
	int (*rmdir)(const char *path);
	/* Names in a directory but "." and "..". */
	int (*names)(const char *path, void (*each)(void *ctx, const char *name), void *ctx);
	/* rctl(2), as the system calls: lengths have the NUL. */
	int (*rctl_add_rule)(const char *in, size_t in_len, char *out, size_t out_len);
	int (*rctl_remove_rule)(const char *in, size_t in_len, char *out, size_t out_len);
	/* sysctlbyname(3) of an int */
	int (*sysctl_int)(const char *name, int *value);
	/* processes */
	pid_t (*fork)(void);
	pid_t (*pdfork)(int *fd, int flags);
	/* One child, by its pid, as pdfork wants it; blocks (wait6(2)). */
	int (*wait)(pid_t pid, int *status, struct sys_usage *usage);
	int (*procctl_int)(int command, int value); /* of the caller */
	int (*reap_acquire)(void);
	int (*reap_kill)(int signal); /* ESRCH: there was nobody */
	int (*setgroups_none)(void);
	int (*setresgid)(gid_t real, gid_t effective, gid_t saved);
	int (*setresuid)(uid_t real, uid_t effective, uid_t saved);
	int (*setrlimit)(int what, uint64_t value); /* both, soft and hard */
	int (*cap_limit)(int fd, unsigned rights);
	int (*cpus_open)(void); /* the caller may run on all cpus */
	int (*chdir)(const char *path);
	int (*close_range)(unsigned low, unsigned high);
	int (*fexecve)(int fd, char *const argv[], char *const env[]);
	void (*exit)(int status) __attribute__((noreturn));
	void (*pause_ms)(unsigned ms);
	/* network; addresses in host byte order */
	int (*interface_index)(const char *name); /* 0: there is none */
	int (*interface_up)(const char *name);
	int (*alias_add)(const struct sys_address *address);
	int (*alias_remove)(const struct sys_address *address);
	int (*addresses)(void (*each)(void *ctx, const struct sys_address *address), void *ctx);
	/* Whether another host answers for an address: 1, 0, or -1. */
	int (*arp_ask)(const char *interface, uint32_t address);
	/* A listening socket of TCP, non-blocking. */
	int (*listen_at)(uint32_t address, uint16_t port);
	/* Another program to its end, as proc_run. */
	int (*run)(char *const argv[], struct buf *out, struct fault *f);
};

/* sys.c's, or the fake's. */
extern const struct sys_calls *const sys;
