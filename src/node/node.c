#include "node/node.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 1280 };

char *node_path(const struct node *n, const char *format, ...)
{
	va_list ap;
	char *tail = NULL;
	va_start(ap, format);
	int len = vasprintf(&tail, format, ap);
	va_end(ap);
	if (len < 0)
		abort();
	char *path = mem_printf("%s/%s", n->state, tail);
	free(tail);
	return path;
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
	return node_config_check(n, &n->config, f);
}

int node_look(struct node *n, const char *config_path, struct buf *faults, struct fault *f)
{
	return node_load(n, config_path, false, faults, f);
}

/* What one user has prepared is closed to another, root included (jails have no rights over it):
 * said at once, not by each call. */
static int state_ours(const struct node *n, struct fault *f)
{
	struct stat st;
	defer_free char *path = node_path(n, "private");
	if (stat(path, &st) < 0 || st.st_uid == geteuid())
		return 0;
	return fault_set(f, FAULT_INPUT, 0,
		"state_dir %s was prepared by another user (uid %u): run as that one, or name "
		"another state_dir",
		n->state, (unsigned)st.st_uid);
}

static int lock_take(struct node *n, struct fault *f)
{
	defer_free char *path = node_path(n, "lock");
	defer_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "state_dir: open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return fault_set(f, errno == EWOULDBLOCK ? FAULT_CONFLICT : FAULT_PLATFORM,
			errno == EWOULDBLOCK ? 0 : errno,
			"another Sky Island runs with state_dir %s: stop it, or give another "
			"state_dir",
			n->state);
	n->lock = defer_take(&fd);
	return 0;
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
	if (node_load(n, config_path, true, faults, f) < 0 || state_ours(n, f) < 0 ||
		lock_take(n, f) < 0)
		return -1;
	if (jail_backend->enter(&n->plan, f) < 0)
		return -1;
	n->plan.uid_base = n->user_mode ? 1000 : n->config.uid_base;
	n->plan.cache_uid = n->user_mode ? 999 : n->config.uid_base - 2;
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
	config_finish(&n->config);
}
