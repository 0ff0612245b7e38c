/*
 * A jail's root is a base (storage/storage.h: a directory of the state, or its slot's clone of
 * one), bound read-only, with mounts on the empty places that node/base.c left there:
 *
 *   /dev/{null,zero,full,random,urandom}  the host's nodes, bound
 *   /tmp                                  a tmpfs of limited size, the jail's own
 *   /etc/resolv.conf                      of a jail with an address: its pool's resolvers
 *   /go /src /cache                       build: toolchain and source read-only; the shared build
 *                                         cache below an overlay whose upper layer is thrown away
 *                                         with the jail, or, without overlay, a copy of it
 *   /go /modules/N                        fetch: toolchain and module trees, read-only
 *   /usr/lib … /usr/bin/git               git: what the host's git needs, read-only (node/git.c)
 *
 * The process that mounts has all capabilities in its own user namespace and none outside: what it
 * inherited is locked, and the new root shows nothing of the host but the binds above. It looks up
 * what is bound while it still is the uid that owns the state directory, which may be closed to
 * others, and everything below the root relative to it; then it becomes the jail's uid, so that
 * what is made from there on belongs to the jail.
 *
 * The roots of execution slots without an address differ in their /tmp alone. All else of them is mounted
 * once for a helper (template.c), and a slot's mount namespace is a copy of that: a mount and a uid
 * are left to do, and there is no old root to leave, which with a thousand jails took longer than
 * all mounts (pivot_root looks at every thread there is). With a clone for each slot they differ in
 * more, and each is made whole: in the helper's namespace, which must be the host's then, so that what
 * zfs(8) mounts and unmounts is seen there.
 */

#include "jail/linux/linux.h"

#include "base/defer.h"
#include "base/tree.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Flags that the mount below `path` has: a remount in a lesser user namespace must keep them (they
 * are locked). */
static unsigned long locked_flags(const char *path)
{
	static const struct {
		unsigned long have, keep;
	} map[] = {{ST_RDONLY, MS_RDONLY}, {ST_NOSUID, MS_NOSUID}, {ST_NODEV, MS_NODEV},
		{ST_NOEXEC, MS_NOEXEC}, {ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME},
		{ST_RELATIME, MS_RELATIME}};
	struct statvfs st;
	unsigned long flags = 0;
	if (statvfs(path, &st) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		if ((st.f_flag & map[i].have) != 0)
			flags |= map[i].keep;
	}
	return flags;
}

static int bind_to(const char *from, const char *to, unsigned long extra)
{
	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		return -1;
	if (extra == 0)
		return 0;
	return mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | locked_flags(to) | extra, NULL);
}

static int devices_bind(void)
{
	static const char *const names[] = {"null", "zero", "full", "random", "urandom"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char from[64];
		(void)snprintf(from, sizeof(from), "/dev/%s", names[i]);
		if (bind_to(from, from + 1, MS_NOSUID | MS_NOEXEC) < 0)
			return -1;
	}
	return 0;
}

static int tree_bind(const char *from, const char *to)
{
	return bind_to(from, to, MS_RDONLY | MS_NOSUID | MS_NODEV);
}

/* The directory of source trees is the server's, which must not choose what is bound by a link in
 * it; what leads there is root's. (Not openat2: systemd's RestrictSUIDSGID refuses it.) */
static int source_bind(const struct jail_plan *plan, uint64_t source)
{
	char path[4200];
	(void)snprintf(
		path, sizeof(path), "%s/sources/%016llx", plan->state, (unsigned long long)source);
	int tree = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", tree);
	return tree_bind(path, "src");
}

/* What a build reads; *cache is the shared build cache, opened for cache_overlay. */
static int build_binds(const struct jail_plan *plan, enum jail_kind kind, uint64_t source,
	int *cache, const char **step)
{
	char path[4200];
	*step = "toolchain";
	if (tree_bind(plan->toolchain, "go") < 0)
		return -1;
	*step = "build cache";
	(void)snprintf(path, sizeof(path), "%s/private/gocache%s", plan->state,
		kind == JAIL_SEED ? ".part" : "");
	*cache = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*cache < 0)
		return -1;
	*step = "source";
	return source == 0 ? 0 : source_bind(plan, source);
}

static int fetch_binds(const struct jail_plan *plan, const char **step)
{
	*step = "toolchain";
	if (tree_bind(plan->toolchain, "go") < 0)
		return -1;
	*step = "module file tree";
	for (unsigned i = 0; plan->file_trees != NULL && plan->file_trees[i] != NULL; i++) {
		char to[32];
		(void)snprintf(to, sizeof(to), "modules/%u", i);
		if (tree_bind(plan->file_trees[i], to) < 0)
			return -1;
	}
	return 0;
}

/* The places are there by the same names (node/git.c). */
static int git_binds(const struct jail_plan *plan, const char **step)
{
	*step = "git";
	for (unsigned i = 0; plan->git_paths != NULL && plan->git_paths[i] != NULL; i++) {
		if (tree_bind(plan->git_paths[i], plan->git_paths[i] + 1) < 0)
			return -1;
	}
	return 0;
}

static int tmp_mount(const struct jail_limits *limits, unsigned long flags)
{
	char options[128];
	(void)snprintf(options, sizeof(options), "size=%llu,nr_inodes=%llu,mode=0700,uid=%d,gid=%d",
		(unsigned long long)limits->tmp, (unsigned long long)(limits->tmp / 4096 + 64),
		JAIL_UID, JAIL_UID);
	/* No access times: reading /tmp must not be seen by whoever has the slot next (recycle.c).
	 */
	return mount("tmpfs", "tmp", "tmpfs", flags | MS_NOSUID | MS_NODEV | MS_NOATIME, options);
}

/* The pool's resolvers, in a file of a file system of its own that only this mount keeps alive:
 * read only, and nothing of it on the host. */
static int resolvers_bind(const struct jail_plan *plan, uint32_t address)
{
	static const struct jail_limits small = {.tmp = 65536};
	struct net_pool pool = {0};
	char text[128] = "";
	size_t len = 0;
	(void)pools_find(plan->net->pools, address, &pool);
	for (uint32_t i = 0; i < pool.dns_count && i < POOLS_DNS_MAX; i++) {
		char ip4[IP4_TEXT];
		len += (size_t)snprintf(text + len, sizeof(text) - len, "nameserver %s\n",
			ip4_text(pool.dns[i], ip4));
	}
	if (tmp_mount(&small, MS_NOEXEC) < 0)
		return -1;
	defer_close int fd = open("tmp/resolv.conf", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len ||
		bind_to("tmp/resolv.conf", "etc/resolv.conf",
			MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC) < 0)
		return -1;
	return umount2("tmp", MNT_DETACH);
}

/* The shared cache is never written: what a build adds goes to the jail's own tmpfs. The kernel
 * copies a directory up before a file is added to it, owner and all, so the cache's owner must be
 * mapped here (slot.c), and its directories are open to all; private/ keeps the host's users away
 * from it. */
static int cache_overlay(int cache)
{
	char options[256];
	if (mkdir("tmp/.cache", 0700) < 0 || mkdir("tmp/.cache/upper", 0700) < 0 ||
		mkdir("tmp/.cache/work", 0700) < 0)
		return -1;
	(void)snprintf(options, sizeof(options),
		"lowerdir=/proc/self/fd/%d,upperdir=tmp/.cache/upper,workdir=tmp/.cache/"
		"work,userxattr",
		cache);
	return mount("overlay", "cache", "overlay", MS_NOSUID | MS_NODEV, options);
}

/* A copy of the jail's own, where there is no overlay: it takes as much of /tmp. */
static int cache_copy(int cache)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", cache);
	if (mkdir("tmp/.cache", 0700) < 0)
		return -1;
	struct fault f = {0};
	if (tree_copy(path, "tmp/.cache", &f) < 0) {
		errno = f.error != 0 ? f.error : EIO;
		return -1;
	}
	return mount("tmp/.cache", "cache", NULL, MS_BIND, NULL);
}

static int cache_bind(int cache)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", cache);
	return mount(path, "cache", NULL, MS_BIND, NULL);
}

static int cache_give(const struct jail_plan *plan, enum jail_kind kind, int cache)
{
	if (kind == JAIL_SEED)
		return cache_bind(cache);
	return plan->storage->type == STORAGE_PLAIN ? cache_copy(cache) : cache_overlay(cache);
}

static int pivot(void)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return -1;
	/* The old root now lies over the new one: take it off (pivot_root(2), "pivot_root(".",
	 * ".")"). */
	if (umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}

/* Capabilities stay: no uid 0 is mapped here that could be left (capabilities(7), "Effect of user
 * ID changes"). */
static int become_jail(void)
{
	return setresgid(JAIL_UID, JAIL_UID, JAIL_UID) < 0 ||
			       setresuid(JAIL_UID, JAIL_UID, JAIL_UID) < 0
		       ? -1
		       : 0;
}

bool root_is_copied(const struct jail_plan *plan, enum jail_kind kind)
{
	return kind == JAIL_EXEC && plan->storage->type != STORAGE_ZFS;
}

/* The root of a slot with the devices, as working directory. */
static int base_enter(
	const struct jail_plan *plan, unsigned slot, enum jail_kind kind, const char **step)
{
	char root[4100];
	storage_path(plan->storage, slot, jail_base(kind), root, sizeof(root));
	*step = "private mounts";
	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	*step = "base";
	if (mount(root, root, NULL, MS_BIND, NULL) < 0 || chdir(root) < 0)
		return -1;
	*step = "devices";
	return devices_bind();
}

static int base_close(const char **step)
{
	*step = "read-only base";
	if (mount(NULL, ".", NULL,
		    MS_REMOUNT | MS_BIND | locked_flags(".") | MS_RDONLY | MS_NOSUID | MS_NODEV,
		    NULL) < 0)
		return -1;
	*step = "pivot_root";
	return pivot();
}

int root_template(const struct jail_plan *plan, const char **step)
{
	/* which slot's does not matter: they share it */
	return base_enter(plan, 0, JAIL_EXEC, step) < 0 ? -1 : base_close(step);
}

int root_enter_copy(const struct jail_plan *plan, const char **step)
{
	*step = "uid";
	if (become_jail() < 0)
		return -1;
	*step = "tmp";
	return chdir("/") < 0 ? -1 : tmp_mount(&plan->limits[JAIL_EXEC], MS_NOEXEC);
}

int root_enter(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
	const char **step)
{
	const enum jail_kind kind = order->kind;
	int cache = -1;
	if (base_enter(plan, slot, kind, step) < 0)
		return -1;
	if ((kind == JAIL_BUILD || kind == JAIL_SEED) &&
		build_binds(plan, kind, order->source, &cache, step) < 0)
		return -1;
	if (jail_kind_fetches(kind) && fetch_binds(plan, step) < 0)
		return -1;
	if (kind == JAIL_GIT && git_binds(plan, step) < 0)
		return -1;
	*step = "uid";
	if (become_jail() < 0)
		return -1;
	*step = "resolv.conf";
	if (kind == JAIL_EXEC_NET && resolvers_bind(plan, order->address) < 0)
		return -1;
	*step = "tmp";
	if (tmp_mount(&plan->limits[kind], jail_runs_call(kind) ? MS_NOEXEC : 0) < 0)
		return -1;
	*step = "build cache";
	if (cache >= 0 && cache_give(plan, kind, cache) < 0)
		return -1;
	return base_close(step);
}
