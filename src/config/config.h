#pragma once

/*
 * config: the configuration, JSON, read whole, validated whole (all faults at once, each with its
 * path and what is allowed), then const. Durations are nanoseconds here, sizes bytes. `{}` is
 * valid: every field has a default.
 */

#include "base/buf.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_MAX = 1 << 20 };

/* What a jail of one kind may use. */
struct config_limits {
	uint64_t memory; /* bytes */
	uint64_t pids;
	uint64_t tmp;         /* bytes of /tmp */
	uint64_t cpu_percent; /* of one cpu; 0: no limit */
};

struct config_pool {     /* network.ip4 */
	char *name;      /* "default" for the original's single object */
	char *interface; /* NULL: a bridge of ours */
	char *start_addr, *end_addr, *mask;
	char *gateway; /* never NULL: the subnet's first address where no interface is given */
	char **dns;    /* NULL-terminated */
	char **open;   /* NULL-terminated networks "10.0.0.0/8" that are reachable though private */
};

struct config_git_host { /* git.hosts */
	char *name;      /* lower case */
	unsigned port;   /* 0: the schemes' own */
	char **schemes;  /* "https", "http", "git", "ssh"; NULL-terminated */
	bool private;    /* its addresses need not be public */
	char *user;      /* "git" */
	char *token;     /* of https and http; NULL: none */
	char *ssh_key;   /* with ssh only, as known_hosts */
	char *known_hosts;
};

struct config_token { /* function_tokens */
	char *name;   /* of its caller: a-z, 0-9 and dashes */
	char *token;
	unsigned calls_max; /* its calls at once; 0: no limit of its own */
};

enum config_reuse_when { CONFIG_REUSE_ASKED, CONFIG_REUSE_ALWAYS };

struct config_reuse {   /* jails.reuse */
	char *url;      /* a package's path; one that ends in * means all that begin so */
	char **tokens;  /* names of callers, NULL-terminated; NULL: all */
	unsigned calls; /* that one jail serves at most */
	int64_t age;    /* ns: from a jail's first call to its last */
	size_t memory;  /* bytes that it may grow by */
	enum config_reuse_when when;
};

enum config_expressions {
	CONFIG_EXPRESSIONS_OFF,
	CONFIG_EXPRESSIONS_SIMPLE,
	CONFIG_EXPRESSIONS_FULL
};

/* filesystem.type: where jails' roots live (storage/storage.h); auto is the platform's own. */
enum config_filesystem {
	CONFIG_FILESYSTEM_AUTO,
	CONFIG_FILESYSTEM_ZFS,
	CONFIG_FILESYSTEM_OVERLAY,
	CONFIG_FILESYSTEM_PLAIN
};

struct config {
	/* where we listen */
	char *listen;       /* "127.0.0.1" | address | "unix:PATH" */
	unsigned http_port; /* 3280; 0: any free one, printed at start */
	char **hostnames;   /* NULL-terminated */
	bool open;
	char *function_token;                 /* NULL: none; its caller is "default" */
	struct config_token *function_tokens; /* function_tokens_count of them */
	size_t function_tokens_count;
	char *admin_api_token; /* NULL: made at start */
	char *admin_token_header;
	char *user; /* whom the server becomes where started as root; NULL: an unused uid */
	/* what we build with */
	char *release;          /* of FreeBSD's base; NULL: the host's */
	char *go_version;       /* "1.26.8": always a toolchain of 1.21 or later */
	char *base_sys_pkg_dir; /* where FreeBSD's packages and Go's are kept; NULL: in state_dir */
	char *base_sys_pkg_url; /* where FreeBSD's packages come from; NULL: from the environment */
	char *state_dir;
	char *zfs_dataset; /* NULL: none */
	bool compression;
	uint64_t filesystem_quota; /* bytes below zfs_dataset; 0: no limit */
	enum config_filesystem filesystem_type;
	struct {
		char *goproxy, *gosumdb, *goprivate, *gonoproxy, *gonosumdb;
		char *https_proxy, *no_proxy, *ssl_cert_file;
	} modules;                         /* NULL: from the environment and `go env` at start */
	bool cgo;                          /* false */
	struct config_git_host *git_hosts; /* git_hosts_count of them */
	size_t git_hosts_count;
	bool git_public;           /* https repositories of hosts that are not in git_hosts: true */
	size_t git_repository_max; /* bytes of one, packed, and of its files: 256 MiB */
	enum config_expressions expressions;
	/* what a call may use */
	char *base_jail_dir;                                 /* NULL: under state_dir */
	int64_t cache_default_expiration, cache_purge_after; /* ns */
	size_t cache_max;                    /* bytes of compiled programs kept: 4 GiB */
	int64_t build_timeout, exec_timeout; /* ns: 120 s, 5 s */
	int64_t init_timeout, fetch_timeout; /* ns: 5 s, 120 s */
	unsigned children_max, builds_max, uid_base;
	unsigned calls_per_function; /* at once; 0: no limit */
	unsigned queue_max;          /* calls that wait beyond a limit */
	int64_t queue_timeout;       /* ns: how long, 1 s */
	unsigned waiting_max;        /* jails that wait for calls, of all programs */
	size_t waiting_memory;       /* bytes for them; 0: a quarter of the host's */
	size_t memory_reserve;       /* bytes of the host's that they leave free; 0: a twentieth */
	int64_t idle_timeout;        /* ns: how long one waits: 10 min */
	bool proc;                   /* jails.proc: /proc inside execution jails */
	size_t output_max;           /* bytes: 1 MiB */
	struct config_limits exec, build;
	struct config_reuse *reuse; /* reuse_count of them */
	size_t reuse_count;
	char *reuse_text;          /* jails.reuse as it was given, JSON; NULL: not given */
	struct config_pool *pools; /* pools_count of them */
	size_t pools_count;
	char *pools_text; /* network.ip4 as it was given, JSON; NULL: not given */
	/* who is told */
	char *statsd_host; /* NULL: off */
	unsigned statsd_port;
	char *log_level;     /* "info" */
	struct buf warnings; /* lines about fields that name what is not there; for the log */
};

/* Reads and validates. On failure every fault is a line of *faults ("jails.exec_timeout: …\n") and
 * f says how many there are (FAULT_INPUT). path NULL: the defaults. Secrets given as {"file":…} or
 * {"env":…} are read here. */
int config_load(struct config *c, const char *path, struct buf *faults, struct fault *f);
int config_parse(
	struct config *c, const char *text, size_t len, struct buf *faults, struct fault *f);
void config_finish(struct config *c);

/*
 * What SIGHUP reads again: the tokens, jails.reuse and the address pools. The supervisor loads the file anew,
 * checks it against what runs and sends these fields on as text; the server parses that and takes
 * them (config_reload.c).
 */
/* Appends the paths of all other fields in which the two differ, ", " between them. */
void config_differences(const struct config *a, const struct config *b, struct buf *paths);
/* Whether these tokens will do where `running` listens, which SIGHUP does not change. Complaints as
 * config_load's. */
int config_reload_check(const struct config *running, const struct config *fresh,
	struct buf *faults, struct fault *f);
/* A configuration of these fields alone, for config_parse; secrets stand in it. The caller frees.
 */
char *config_reload_text(const struct config *c);
/* Moves these fields; what `to` had is freed. */
void config_reload_take(struct config *to, struct config *from);
/* The entry of git.hosts that has this name and port, 0 where it has none; NULL: there is none. */
const struct config_git_host *config_git_find(
	const struct config *c, const char *name, unsigned port);
bool config_git_serves(const struct config_git_host *host, const char *scheme);

/* The first rule of jails.reuse for a package and a caller, NULL where no token told who that is;
 * NULL: there is none. */
const struct config_reuse *config_reuse_find(
	const struct config *c, const char *url, const char *caller);
/* Whether a call needs a token. */
bool config_asks_token(const struct config *c);
/* True where `listen` is loopback or a unix socket. */
bool config_is_loopback(const struct config *c);
