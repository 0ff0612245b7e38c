/*
 * Whose a directory is. At every start things are removed from the state directory (tmp/, what a
 * kill left half made), and `destroy` removes all of it; so it must be ours. A file in it says
 * that, put there when it is first used, and only where nothing has a name that we would take.
 */

#include "node/node.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "sky-island-state"

static const char mark_text[] = "This directory is kept by Sky Island; `sky-island destroy` "
				"removes what is its own here.\n";

const char *const node_parts[] = {"admin-token", "admin-token.part", "artifacts", "base",
	"base.mark", "base.mark.part", "base.part", "base-net", "base-net.part", "base-tools",
	"base-tools.part", "jails", "packages", "private", "run", "sources", "store", "tmp", "tool",
	"toolchain", NULL};

static bool is_there(const struct node *n, const char *name)
{
	struct stat st;
	defer_free char *path = node_path(n, "%s", name);
	return lstat(path, &st) == 0;
}

bool node_is_ours(const struct node *n)
{
	/* Those without the mark are of a time before it. */
	return is_there(n, MARK) ||
	       (is_there(n, "toolchain") && is_there(n, "private") && is_there(n, "tool"));
}

/* Directories that others live in. */
static bool is_shared(const char *path)
{
	static const char *const shared[] = {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib",
		"/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv",
		"/sys", "/tmp", "/usr", "/usr/local", "/var", "/var/cache", "/var/lib", "/var/log",
		"/var/tmp"};
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		if (strcmp(path, shared[i]) == 0)
			return true;
	}
	const char *home = getenv("HOME");
	defer_free char *real = home != NULL ? realpath(home, NULL) : NULL;
	return real != NULL && strcmp(path, real) == 0;
}

/* What one user has prepared is closed to another, root included (jails have no rights over it):
 * said at once, not by each call. */
static int by_us(const struct node *n, struct fault *f)
{
	struct stat st;
	defer_free char *path = node_path(n, "private");
	if (lstat(path, &st) < 0 || st.st_uid == geteuid())
		return 0;
	return fault_set(f, FAULT_INPUT, 0,
		"state_dir %s was prepared by another user (uid %u): run as that one, or name "
		"another state_dir",
		n->state, (unsigned)st.st_uid);
}

/* Who can put things into it chooses what runs as us and, by notes that look like ours, what is
 * undone on the host: nobody else may, but root, who can anyway. */
static int only_ours(const struct node *n, struct fault *f)
{
	struct stat st;
	if (lstat(n->state, &st) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "state_dir %s", n->state);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return fault_set(f, FAULT_INPUT, 0,
			"state_dir %s belongs to another user (uid %u): run as that one, or name "
			"another state_dir",
			n->state, (unsigned)st.st_uid);
	if ((st.st_mode & S_IWOTH) != 0)
		return fault_set(f, FAULT_INPUT, 0,
			"everybody can write to state_dir %s: take that from them (chmod o-w), or "
			"name another state_dir",
			n->state);
	return 0;
}

int node_claim_check(const struct node *n, struct fault *f)
{
	if (is_shared(n->state))
		return fault_set(f, FAULT_INPUT, 0,
			"state_dir %s is a directory that others use: give Sky Island one of its "
			"own, such as %s%ssky-island",
			n->state, n->state, strcmp(n->state, "/") == 0 ? "" : "/");
	if (node_is_ours(n) && by_us(n, f) < 0)
		return -1;
	if (only_ours(n, f) < 0)
		return -1;
	if (node_is_ours(n))
		return 0;
	for (const char *const *part = node_parts; *part != NULL; part++) {
		if (is_there(n, *part))
			return fault_set(f, FAULT_INPUT, 0,
				"state_dir %s has a \"%s\" that is not Sky Island's: give it a "
				"directory of its own",
				n->state, *part);
	}
	return 0;
}

int node_claim(const struct node *n, struct fault *f)
{
	struct stat st;
	defer_free char *path = node_path(n, MARK);
	if (lstat(path, &st) == 0 && st.st_size > 0)
		return 0; /* an empty one is of a run that was killed here */
	defer_close int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "create %s", path);
	(void)!write(fd, mark_text, sizeof(mark_text) - 1); /* that it is there says enough */
	return 0;
}

void node_disclaim(const struct node *n)
{
	defer_free char *mark = node_path(n, MARK);
	defer_free char *lock = node_path(n, "lock");
	(void)unlink(mark);
	(void)unlink(lock);
}
