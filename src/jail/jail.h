#pragma once

/*
 * jail: the isolated place where one thing runs. This header is what the rest knows of it; a
 * backend for each platform implements the tables of operations. A jail's life has a slow part and
 * a fast one:
 *
 *   create   (slow, in a helper process)   makes a slot: what is dear to make and can be made ahead
 *                                          of demand
 *   prepare  (fast, in the jailer)         begins a jail in the slot, up to where only its program
 *                                          is missing; can be done ahead of demand, too
 *   start    (fast, in the jailer)         gives it the program; never blocks
 *   kill     (fast, in the jailer)         ends everything in it at once; its end is then seen as
 *                                          any other
 *   destroy  (slow, in a helper process)   removes what create left in the kernel or on disk
 *
 * Everything a jail is made of comes from the plan, which only the supervisor fills, before the
 * server exists; a request adds a kind and bounded numbers, never a path, an argument, a variable
 * or a uid.
 */

#include "base/buf.h"
#include "base/fault.h"
#include "net/link.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct storage;

enum jail_kind {
	JAIL_EXEC,  /* one call: the artifact given by descriptor; no network, no other processes */
	JAIL_BUILD, /* the tool's `build`: toolchain, a source tree read-only, the shared build
		       cache under an overlay */
	JAIL_FETCH, /* the tool's `fetch`: toolchain, a loopback listener as the only way out */
	JAIL_GIT,   /* as FETCH, and the host's git */
	JAIL_SEED,  /* the tool's `seed`: as BUILD, but the shared build cache itself, to be filled;
		       only at preparation */
	JAIL_EXEC_NET, /* as EXEC, with a link and an address of its own */
	JAIL_KINDS,
};

#define JAIL_HOSTNAME "jail" /* what all of them are called inside */
/* Whether a jail of this kind has a listener as its way out. */
static inline bool jail_kind_fetches(enum jail_kind kind)
{
	return kind == JAIL_FETCH || kind == JAIL_GIT;
}

/* Whether a kind runs a call, as against the tool. */
static inline bool jail_runs_call(enum jail_kind kind)
{
	return kind == JAIL_EXEC || kind == JAIL_EXEC_NET;
}

/* The first half of what a jail is called; the second is its number. */
static inline const char *jail_kind_word(enum jail_kind kind)
{
	return jail_runs_call(kind) ? "exec" : kind == JAIL_BUILD ? "build" : "fetch";
}

/* The base (storage/storage.h) that its root is a clone of. */
static inline const char *jail_base(enum jail_kind kind)
{
	return kind == JAIL_EXEC ? "base" : kind == JAIL_EXEC_NET ? "base-net" : "base-tools";
}

/* What a slot is made for. */
struct jail_order {
	enum jail_kind kind;
	uint64_t source;  /* BUILD: the number of a source tree; 0: none */
	uint32_t address; /* EXEC_NET: in host byte order, of a pool */
	bool probe;       /* EXEC_NET: ask first whether another host has it */
};

struct jail_limits {
	uint64_t memory;      /* bytes */
	uint64_t pids;        /* processes and threads, the stub included */
	uint64_t tmp;         /* bytes of the tmpfs at /tmp */
	uint64_t cpu_percent; /* of one cpu; 0: no limit */
	bool together;        /* of several processes, which all end where one finds no memory */
};

struct jail_plan {
	const char *state;     /* absolute path of the state directory; holds base/, sources/,
				  private/gocache/ */
	const char *toolchain; /* GOROOT on the host */
	const char *tool;      /* path of the tool's binary */
	const char *instance;  /* short name of this state directory, for names of kernel objects */
	bool user_mode;        /* root of a user namespace of ours only */
	bool uids_apart;       /* a uid of its own for each slot; else all share the user's */
	bool proc;             /* /proc inside execution jails */
	unsigned uid_base; /* slot n runs as uid_base + n (in our user namespace where user_mode) */
	unsigned cache_uid;    /* owns the shared build cache, so that build jails can lay their own
			       layer over it (root.c) */
	unsigned slots;        /* of all jailers together */
	unsigned children_max; /* FreeBSD: jails that an execution jail may have in it */
	unsigned builds_max;   /* FreeBSD: jails that the jail for builds may have in it */
	struct jail_limits limits[JAIL_KINDS];
	char *const *environment[JAIL_KINDS];
	const char *const *file_trees; /* NULL-terminated directories bound read-only into fetch
					  jails, at /modules/0 and so on */
	const char *const *git_paths;  /* NULL-terminated: what git needs of the host, bound
					  read-only into git jails at the same place */
	const struct net_setup *net;   /* NULL: no jail gets an address */
	const struct storage *storage; /* where roots live; the backend's helpers' */
};

/* A jail as the server knows it, and what is shown of it to administrators: as the kernel has it,
 * where the kernel keeps such a record. */
struct jail_asked {
	uint64_t jid; /* as jailer_handle has it */
	enum jail_kind kind;
	const char *ip4; /* NULL: it has no address */
};

struct jail_description {
	uint64_t jid;
	/* "": there is none */
	char name[256], path[1024], hostname[256], ip4[16], osrelease[65];
};

/* Descriptors a slot is made of: the backend alone knows what they are. The helper sends them to
 * the jailer. */
enum { JAIL_PARTS = 14 };
struct jail_parts {
	int fd[JAIL_PARTS]; /* -1 where unused */
	uint64_t mark;      /* the backend's own, by which it knows an untouched slot */
};

/* The slots' parts should lie above this number, where there may be many, and all else of the jailer
 * below: a jail then does not begin by copying them. */
enum { JAIL_FDS_LOW = 256 };

/* What a program is started with: an execution jail's has no stdin and no bulk (-1). */
enum { JAIL_STDIN, JAIL_STDOUT, JAIL_STDERR, JAIL_CONTROL, JAIL_BULK, JAIL_PROGRAM, JAIL_FDS };

/* The way by which a prepared jail gets its program. */
struct jail_door {
	int outside; /* for start */
	int inside;  /* the jail's own: to be closed once end->parted, or once it has ended */
};

/* What came of a jail's program; all zero while it runs. Written by the stub into memory shared
 * with the jailer. */
struct jail_end {
	uint32_t parted; /* 1 once the jail is prepared, with nothing of the jailer's descriptors */
	uint32_t begun;  /* 1 once it has what start gave it: until then its end is no program's */
	uint32_t reported;    /* 1 once the rest is there */
	int32_t status;       /* as wait(2) gives it */
	int32_t start_error;  /* errno where the program could not be started, else 0 */
	char start_step[24];  /* which step of the stub failed */
	uint32_t starved;     /* 1: it used as much memory as it may, where no counter tells */
	uint64_t cpu_us;      /* user and system time */
	uint64_t memory_peak; /* bytes resident at most */
};

struct jail_backend {
	const char *name;
	/* Once, first of all, in the supervisor: an ordinary user becomes root of a user namespace
	 * here, where the platform has such. Sets plan->uids_apart. */
	int (*enter)(struct jail_plan *plan, struct fault *f);
	/* Tries what a jail needs, by doing. Appends "ok|warn|fail\tname\twhat\n" lines; -1 where
	 * something required is missing. */
	int (*probe)(const struct jail_plan *plan, struct buf *report, struct fault *f);
	/* Makes what all jails share, and removes it again. Idempotent; called by the supervisor.
	 */
	int (*prepare)(struct jail_plan *plan, struct fault *f);
	void (*finish)(const struct jail_plan *plan);
	/* In a helper. */
	int (*create)(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
		struct jail_parts *parts, struct fault *f);
	/* In a helper, or the supervisor for what another left behind; kills what is still in it.
	 * Idempotent. */
	int (*destroy)(const struct jail_plan *plan, unsigned slot, struct fault *f);
	/* Kernel objects of slots that exist now, whoever made them; for doctor. */
	unsigned (*count)(const struct jail_plan *plan);
	/* In the server, which has no rights. 1; 0: there is no such jail now; -1: out has the jid
	 * and nothing else. */
	int (*describe)(const struct jail_plan *plan, const struct jail_asked *asked,
		struct jail_description *out, struct fault *f);
};

/* The jailer's part of it. What it needs to know beyond the plan, prepare found out: `give` puts
 * that into bytes, `take` reads them in the jailer's program (-1: they are not such). */
struct jail_runner {
	void (*give)(struct buf *out);
	int (*take)(const void *bytes, size_t len);
	/* Returns the pid of the jail's first process, or -1. `end` is shared memory. A failure in
	 * the jail itself is its end. */
	pid_t (*prepare)(const struct jail_plan *plan, unsigned slot, enum jail_kind kind,
		const struct jail_parts *parts, struct jail_end *end, struct jail_door *door,
		struct fault *f);
	/* Closes none of the descriptors, which may be closed afterwards. -1 and errno: the jail
	 * has ended, or is about to. */
	int (*start)(const struct jail_door *door, const int fds[JAIL_FDS]);
	/* Whether the kernel ended something in it for want of memory since it was made, or since
	 * recycle. */
	bool (*out_of_memory)(const struct jail_parts *parts);
	/* Once everything in it has ended: whether the slot can be proved to be as
	 * it was when it was made, so that another jail may have it. Fast; false: destroy it. */
	bool (*recycle)(const struct jail_plan *plan, const struct jail_parts *parts);
	/* A resting jail gets the cpu only while no other jail wants it. Does nothing where the
	 * platform cannot. */
	void (*rest)(const struct jail_parts *parts, bool rests);
	/* The listener of a fetch jail in parts, or -1; stays the parts'. */
	int (*listener)(const struct jail_parts *parts);
	/* The kernel's number of a slot's jail. NULL: kernels of this platform number none. */
	uint64_t (*jid)(const struct jail_parts *parts);
};

/* The platform's, chosen by the build. */
extern const struct jail_backend *const jail_backend;
extern const struct jail_runner *const jail_runner;
