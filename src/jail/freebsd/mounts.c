/*
 * A jail's root is a base (storage/storage.h: a directory, or its slot's clone of one), seen
 * read-only through nullfs at a place of the slot's own, with mounts on the empty places there:
 *
 *   /dev                a devfs under our ruleset
 *   /tmp                a tmpfs of limited size, the jail's own
 *   /etc/resolv.conf    of a jail with an address: its pool's resolvers (nullfs of one file)
 *   /go /src /cache     build: toolchain, source and the shared build cache, read-only; Go compiles
 *                       what is not in a cache that it cannot write, and keeps it nowhere
 *   /go /modules/N      fetch: toolchain and module trees, read-only
 *
 * All of it is nmount(2)'s, by a helper that is root; nothing is done by the jail.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "jail/freebsd/freebsd.h"

#include "base/defer.h"
#include "base/freebsd/params.h"
#include "base/freebsd/sys.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_TRIES = 50, BUSY_MS = 20 };

/* ---- the list ---- */

struct listing {
	struct mounts *out;
	const char *root;
	struct fault *fault;
	int failed;
};

/* The next one of the list, at a place below the root; NULL: there is no room. */
static struct mount *listed(struct listing *l, const char *what, const char *type, const char *at)
{
	if (l->failed != 0 || l->out->count == MOUNTS_MAX)
		return NULL;
	struct mount *m = &l->out->each[l->out->count++];
	*m = (struct mount){.what = what, .type = type, .flags = SYS_MNT_NOSUID | SYS_MNT_IGNORE};
	if (snprintf(m->at, sizeof(m->at), "%s%s", l->root, at) >= (int)sizeof(m->at))
		l->failed = fault_set(l->fault, FAULT_PLATFORM, ENAMETOOLONG, "%s", what);
	return m;
}

/* A directory or file of the host, read-only unless told. */
static struct mount *list_tree(
	struct listing *l, const char *what, const char *from, const char *at)
{
	struct mount *m = listed(l, what, "nullfs", at);
	if (m == NULL)
		return NULL;
	m->flags |= SYS_MNT_RDONLY;
	if (snprintf(m->from, sizeof(m->from), "%s", from) >= (int)sizeof(m->from))
		l->failed = fault_set(l->fault, FAULT_PLATFORM, ENAMETOOLONG, "%s", what);
	return m;
}

const char *mounts_base(const struct jail_plan *plan, enum jail_kind kind)
{
	if (plan->storage->system[0] != '\0')
		return plan->storage->system;
	return jail_base(kind);
}

static void list_base(
	struct listing *l, const struct jail_plan *plan, unsigned slot, enum jail_kind kind)
{
	char base[SLOT_PATH];
	storage_path(plan->storage, slot, mounts_base(plan, kind), base, sizeof(base));
	struct mount *m = list_tree(l, "base", base, "");
	/* The artifact is not in its jail's root. */
	if (m != NULL && jail_runs_call(kind))
		m->flags |= SYS_MNT_NOEXEC;
	m = listed(l, "devices", "devfs", "/dev");
	if (m != NULL)
		m->flags |= SYS_MNT_NOEXEC;
}

static void list_build(
	struct listing *l, const struct jail_plan *plan, enum jail_kind kind, uint64_t source)
{
	defer_free char *cache =
		mem_printf("%s/private/gocache%s", plan->state, kind == JAIL_SEED ? ".part" : "");
	struct mount *m = list_tree(l, "build cache", cache, "/cache");
	if (m != NULL && kind == JAIL_SEED)
		m->flags &= ~SYS_MNT_RDONLY;
	if (source == 0)
		return;
	defer_free char *tree =
		mem_printf("%s/sources/%016llx", plan->state, (unsigned long long)source);
	m = list_tree(l, "source", tree, "/src");
	if (m != NULL)
		m->strangers = true;
}

static void list_fetch(struct listing *l, const struct jail_plan *plan, enum jail_kind kind)
{
	for (unsigned i = 0; plan->file_trees != NULL && plan->file_trees[i] != NULL; i++) {
		defer_free char *at = mem_printf("/modules/%u", i);
		(void)list_tree(l, "module file tree", plan->file_trees[i], at);
	}
	for (unsigned i = 0;
		kind == JAIL_GIT && plan->git_paths != NULL && plan->git_paths[i] != NULL; i++)
		(void)list_tree(l, "git", plan->git_paths[i], plan->git_paths[i]);
}

static void list_tmp(
	struct listing *l, const struct jail_plan *plan, unsigned slot, enum jail_kind kind)
{
	struct mount *m = listed(l, "tmp", "tmpfs", "/tmp");
	if (m == NULL)
		return;
	m->flags |= SYS_MNT_NOATIME | (jail_runs_call(kind) ? SYS_MNT_NOEXEC : 0);
	m->size = plan->limits[kind].tmp;
	m->inodes = plan->limits[kind].tmp / 4096 + 64;
	m->uid = plan->uid_base + slot;
}

int mounts_list(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
	struct mounts *out, struct fault *f)
{
	char root[SLOT_PATH];
	struct listing l = {.out = out, .root = root, .fault = f};
	const enum jail_kind kind = order->kind;
	out->count = 0;
	slot_path(plan, slot, root);
	list_base(&l, plan, slot, kind);
	if (!jail_runs_call(kind))
		(void)list_tree(&l, "toolchain", plan->toolchain, "/go");
	if (slot_builds(kind))
		list_build(&l, plan, kind, order->source);
	else if (jail_kind_fetches(kind))
		list_fetch(&l, plan, kind);
	if (kind == JAIL_EXEC_NET) {
		defer_free char *resolvers = mem_printf("%s.resolv", root);
		(void)list_tree(&l, "resolv.conf", resolvers, "/etc/resolv.conf");
	}
	list_tmp(&l, plan, slot, kind);
	if (l.failed == 0 && out->count == MOUNTS_MAX)
		return fault_set(f, FAULT_PLATFORM, E2BIG, "mounts of a jail");
	return l.failed;
}

/* ---- mounting ---- */

static int mount_call(const struct mount *m, const char *from, struct fault *f)
{
	struct params p = {0};
	params_text(&p, "fstype", m->type);
	params_text(&p, "fspath", m->at);
	if (strcmp(m->type, "nullfs") == 0) {
		params_text(&p, "from", from);
	} else if (strcmp(m->type, "devfs") == 0) {
		params_number(&p, "ruleset", "%llu", FREEBSD_RULESET);
	} else {
		params_number(&p, "size", "%llu", m->size);
		params_number(&p, "inodes", "%llu", m->inodes);
		params_number(&p, "uid", "%llu", m->uid);
		params_number(&p, "gid", "%llu", m->uid);
		params_number(&p, "mode", "%llo", 0700);
	}
	params_why(&p);
	if (sys->nmount(p.iov, p.count, m->flags) == 0)
		return 0;
	return fault_set(f, FAULT_PLATFORM, errno, "%s: mount %s at %s%s%.200s", m->what, m->type,
		m->at, p.why[0] != '\0' ? ": " : "", p.why);
}

/* The directory of source trees is the server's, which must not choose what is mounted by a link in
 * it: the tree is entered without following one, and mounted from there. */
static int mount_entered(const struct mount *m, struct fault *f)
{
	defer_close int tree = open(m->from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0 || fchdir(tree) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "%s: open %s", m->what, m->from);
	const int mounted = mount_call(m, ".", f);
	return chdir("/") < 0 ? fault_set(f, FAULT_PLATFORM, errno, "chdir /") : mounted;
}

static int mount_up(const struct mount *m, struct fault *f)
{
	if ((m->strangers ? mount_entered(m, f) : mount_call(m, m->from, f)) < 0)
		return -1;
	if (strcmp(m->type, "devfs") != 0 || devices_check(m->at, f) == 0)
		return 0;
	(void)sys->unmount(m->at, SYS_MNT_FORCE);
	return -1;
}

int mounts_up(const struct mounts *m, struct fault *f)
{
	for (unsigned i = 0; i < m->count; i++) {
		if (mount_up(&m->each[i], f) == 0)
			continue;
		while (i-- > 0)
			(void)sys->unmount(m->each[i].at, SYS_MNT_FORCE);
		return -1;
	}
	return 0;
}

/* ---- taking them away ---- */

struct finding {
	const char *root;
	char last[PRISON_PATH];
	unsigned found;
};

static void mount_find(void *ctx, const char *at)
{
	struct finding *finding = ctx;
	const size_t len = strlen(finding->root);
	if (strncmp(at, finding->root, len) != 0 || (at[len] != '\0' && at[len] != '/'))
		return;
	(void)snprintf(finding->last, sizeof(finding->last), "%s", at);
	finding->found++;
}

/* EINVAL, ENOENT: nothing is mounted there any more. */
static int mount_down(const char *at, struct fault *f)
{
	int did = -1;
	for (unsigned tries = 0; tries < BUSY_TRIES; tries++) {
		did = sys->unmount(at, 0);
		if (did == 0 || errno != EBUSY)
			break;
		sys->pause_ms(BUSY_MS);
	}
	if (did < 0 && errno == EBUSY)
		did = sys->unmount(at, SYS_MNT_FORCE);
	if (did < 0 && errno != EINVAL && errno != ENOENT)
		return fault_set(f, FAULT_PLATFORM, errno, "unmount %s", at);
	return 0;
}

int mounts_clear(const char *root, struct fault *f)
{
	for (unsigned rounds = 0; rounds < 2 * MOUNTS_MAX; rounds++) {
		struct finding finding = {.root = root};
		if (sys->mounts(mount_find, &finding) < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "the list of mounts");
		if (finding.found == 0)
			return 0;
		if (mount_down(finding.last, f) < 0)
			return -1;
	}
	return fault_set(f, FAULT_PLATFORM, EBUSY, "mounts at %s stay", root);
}
