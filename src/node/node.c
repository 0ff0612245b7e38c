#include "node/node.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1280 };

char *node_path(const struct node *n, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	defer_free char *tail = mem_vprintf(format, ap);
	va_end(ap);
	return mem_printf("%s/%s", n->state, tail);
}

void node_go_settings(const struct node *n, char *settings[NODE_GO_SETTINGS])
{
	const char *given = getenv("GOENV");
	const char *xdg = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	if (given != NULL)
		settings[0] = mem_printf("GOENV=%s", given);
	else if (xdg != NULL)
		settings[0] = mem_printf("GOENV=%s/go/env", xdg);
	else
		settings[0] = mem_printf("GOENV=%s/.config/go/env", home != NULL ? home : "");
	settings[1] = mem_printf("XDG_CONFIG_HOME=%s/private", n->state);
	settings[2] = mem_printf("GOPATH=%s/private/go", n->state);
}

/* Kernel objects are named for the state directory, so that two Sky Islands on a host keep apart.
 */
static char *instance_name(const char *state)
{
	unsigned char hash[crypto_generichash_BYTES_MIN];
	char hex[2 * sizeof(hash) + 1];
	(void)crypto_generichash(
		hash, sizeof(hash), (const unsigned char *)state, strlen(state), NULL, 0);
	(void)sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	return mem_printf("sky-%.8s", hex);
}

static unsigned cpus(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	return count < 1 ? 1 : count > NODE_JAILERS_MAX ? NODE_JAILERS_MAX : (unsigned)count;
}

static void log_level_set(const struct config *c)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(c->log_level, names[i]) == 0)
			log_set_level((enum log_level)i);
	}
}

static int state_find(struct node *n, bool make, struct fault *f)
{
	if (make && fs_mkdirs(n->config.state_dir, 0755, f) < 0)
		return fault_wrap(f, "state_dir");
	n->state = realpath(n->config.state_dir, NULL);
	if (n->state == NULL)
		return fault_set(f, FAULT_NOT_FOUND, errno, "state_dir %s", n->config.state_dir);
	if (strlen(n->state) > 3000)
		return fault_set(f, FAULT_INPUT, 0, "state_dir is longer than 3000 bytes");
	n->instance = instance_name(n->state);
	return 0;
}

int node_config_check(const struct node *n, const struct config *c, struct fault *f)
{
	if (c->cgo)
		return fault_set(f, FAULT_INPUT, 0,
			"modules.cgo: build jails have no C compiler in this version; leave it "
			"out");
	if (c->proc && n->user_mode)
		return fault_set(f, FAULT_INPUT, 0,
			"jails.proc: only root can give jails a /proc (the kernel lets nobody else "
			"mount it there); leave it out");
	if (c->filesystem_type == CONFIG_FILESYSTEM_ZFS && n->user_mode)
		return fault_set(f, FAULT_INPUT, 0,
			"filesystem.type: only root can clone ZFS datasets and mount them: run as "
			"root, or leave it out");
	return 0;
}

enum storage_type node_storage_type(const struct config *c, const char *system)
{
	static const enum storage_type types[] = {[CONFIG_FILESYSTEM_ZFS] = STORAGE_ZFS,
		[CONFIG_FILESYSTEM_OVERLAY] = STORAGE_OVERLAY,
		[CONFIG_FILESYSTEM_PLAIN] = STORAGE_PLAIN};
	if (c->filesystem_type != CONFIG_FILESYSTEM_AUTO)
		return types[c->filesystem_type];
	if (strcmp(system, "freebsd") == 0)
		return c->zfs_dataset != NULL ? STORAGE_ZFS : STORAGE_PLAIN;
	return STORAGE_OVERLAY; /* ZFS only where it is asked for by filesystem.type */
}

static int node_storage(struct node *n, struct fault *f)
{
	const struct config *c = &n->config;
	const enum storage_type type = node_storage_type(c, node_system);
	if (storage_init(&n->storage, type, n->state, n->instance, c->zfs_dataset, c->base_jail_dir,
		    f) < 0)
		return -1;
	n->storage.compression = c->compression;
	n->storage.quota = c->filesystem_quota;
	n->plan.storage = &n->storage;
	return 0;
}

static int node_load(
	struct node *n, const char *config_path, bool make, struct buf *faults, struct fault *f)
{
	*n = (struct node){.config_path = config_path, .lock = -1, .listener = -1, .local = -1};
	if (sodium_init() < 0)
		return fault_set(f, FAULT_PLATFORM, 0, "libsodium does not start");
	if (config_load(&n->config, config_path, faults, f) < 0)
		return -1;
	log_level_set(&n->config);
	if (state_find(n, make, f) < 0)
		return -1;
	n->go_version = mem_printf("go%s", n->config.go_version);
	n->user_mode = geteuid() != 0;
	n->jailers = cpus();
	n->plan.slots = SLOTS / n->jailers * n->jailers;
	n->plan.state = n->state;
	n->plan.instance = n->instance;
	n->plan.user_mode = n->user_mode;
	n->plan.proc = n->config.proc;
	return node_config_check(n, &n->config, f) < 0 ? -1 : node_storage(n, f);
}

int node_look(struct node *n, const char *config_path, struct buf *faults, struct fault *f)
{
	return node_load(n, config_path, false, faults, f);
}

bool node_is_gone(const struct node *n, const struct fault *f)
{
	return f->kind == FAULT_NOT_FOUND && n->config.state_dir != NULL && n->state == NULL &&
	       access(n->config.state_dir, F_OK) < 0 && errno == ENOENT;
}

/* The process that holds the lock wrote its number there; 0: not known. */
static pid_t lock_holder(int fd)
{
	char text[16] = {0};
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	long pid = len > 0 ? strtol(text, NULL, 10) : 0;
	return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static int lock_refuse(const struct node *n, pid_t holder, struct fault *f)
{
	char who[40] = "";
	if (holder > 0)
		(void)snprintf(who, sizeof(who), " (process %d)", (int)holder);
	return fault_set(f, FAULT_CONFLICT, 0,
		"another Sky Island%s runs with state_dir %s: wait until it has ended, stop it, or "
		"give another state_dir",
		who, n->state);
}

/* 0: taken; 1: try again; -1. */
static int lock_try(struct node *n, const char *path, bool patient, struct fault *f)
{
	struct stat st;
	defer_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "state_dir: open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return fault_set(f, FAULT_PLATFORM, errno, "lock %s", path);
		/* Children of one that was killed may hold it for some milliseconds more. */
		pid_t holder = lock_holder(fd);
		bool ending = holder > 0 && kill(holder, 0) < 0 && errno == ESRCH;
		return ending && patient ? 1 : lock_refuse(n, holder, f);
	}
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return 1; /* `destroy` has just removed it */
	char pid[16];
	int len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(
			fd, pid, (size_t)len, 0); /* for people; a full disk does not matter */
	n->lock = defer_take(&fd);
	return 0;
}

int node_lock(struct node *n, struct fault *f)
{
	defer_free char *path = node_path(n, "lock");
	for (unsigned tries = 0;; tries++) {
		int took = lock_try(n, path, tries < 300, f);
		if (took <= 0)
			return took;
		(void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
}

/* The configured user, else a uid beside the jails' that nobody has. In user mode the server stays
 * who we are. */
static int server_uid_find(struct node *n, struct fault *f)
{
	if (n->user_mode)
		return 0;
	n->server_uid = n->config.uid_base - 1;
	if (n->config.user == NULL)
		return 0;
	const struct passwd *pw = getpwnam(n->config.user);
	if (pw == NULL || pw->pw_uid == 0)
		return fault_set(f, FAULT_INPUT, 0, "user: there is no user \"%s\" other than root",
			n->config.user);
	n->server_uid = pw->pw_uid;
	return 0;
}

int node_open(struct node *n, const char *config_path, struct buf *faults, struct fault *f)
{
	if (node_load(n, config_path, true, faults, f) < 0 || node_claim_check(n, f) < 0 ||
		node_lock(n, f) < 0 || node_claim(n, f) < 0)
		return -1;
	n->plan.uid_base = n->user_mode ? 1000 : n->config.uid_base;
	n->plan.cache_uid = n->user_mode ? 999 : n->config.uid_base - 2;
	if (jail_backend->enter(&n->plan, f) < 0)
		return -1;
	return server_uid_find(n, f);
}

void node_close(struct node *n)
{
	journal_close(&n->journal);
	if (n->lock >= 0)
		(void)close(n->lock);
	free(n->state);
	free(n->instance);
	free(n->go_version);
	storage_finish(&n->storage);
	config_finish(&n->config);
}
