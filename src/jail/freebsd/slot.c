/*
 * Theory of operation. A slot is a jail without processes, made ahead of demand in a helper: a root
 * of its own (mounts.c), the jail itself by jail_set(2), its limits (limits.c); for a call with an
 * address the alias on its interface; for a fetch a listener in its network stack. It persists
 * until it is removed, so what a killed helper left is found by looking: the jail by its name, the
 * mounts by their place. The jail is made before its address is, and removed after it: it names the
 * address for as long as that may be there. A slot is used once; the next jail gets another.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "jail/freebsd/freebsd.h"

#include "base/defer.h"
#include "base/freebsd/sys.h"
#include "base/fs.h"
#include "jail/steps.h"
#include "net/freebsd/alias.h"
#include "storage/storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT_TRIES = 100, LIMIT_MS = 20 };

struct making {
	const struct jail_plan *plan;
	unsigned slot;
	const struct jail_order *order;
	struct jail_parts *parts;
	char name[PRISON_NAME], root[SLOT_PATH];
	int jid;
};

/* ---- names ---- */

bool slot_builds(enum jail_kind kind)
{
	return kind == JAIL_BUILD || kind == JAIL_SEED;
}

void build_name(const struct jail_plan *plan, char name[PRISON_NAME])
{
	(void)snprintf(name, PRISON_NAME, "%s-build", plan->instance);
}

/* A name of digits only would be taken for a jid. */
void slot_name(const struct jail_plan *plan, unsigned slot, bool builds, char name[PRISON_NAME])
{
	(void)snprintf(name, PRISON_NAME, "%s-%ss%u", plan->instance, builds ? "build." : "", slot);
}

int slot_of_name(const struct jail_plan *plan, const char *name)
{
	const size_t len = strlen(plan->instance);
	if (strncmp(name, plan->instance, len) != 0 || name[len] != '-')
		return -1;
	name += len + 1;
	if (strncmp(name, "build.", 6) == 0)
		name += 6;
	if (name[0] != 's' || name[1] < '0' || name[1] > '9')
		return -1;
	char *end;
	const unsigned long slot = strtoul(name + 1, &end, 10);
	return *end != '\0' || slot > 1000000 ? -1 : (int)slot;
}

void slot_path(const struct jail_plan *plan, unsigned slot, char path[SLOT_PATH])
{
	(void)snprintf(path, SLOT_PATH, "%s/run/jails/%u", plan->state, slot);
}

/* ---- the root ---- */

static char *resolvers_path(const char *root)
{
	return mem_printf("%s.resolv", root);
}

static int resolvers_write(const struct making *m, struct fault *f)
{
	struct net_pool pool = {0};
	defer_buf struct buf text = {0};
	defer_free char *path = resolvers_path(m->root);
	(void)pools_find(m->plan->net->pools, m->order->address, &pool);
	buf_puts(&text, "");
	for (uint32_t i = 0; i < pool.dns_count && i < POOLS_DNS_MAX; i++) {
		char ip4[IP4_TEXT];
		buf_printf(&text, "nameserver %s\n", ip4_text(pool.dns[i], ip4));
	}
	return fs_write(path, text.data, text.len, 0444, f);
}

static int place_up(void *thing, struct fault *f)
{
	struct making *m = thing;
	defer_free char *jails = mem_printf("%s/run/jails", m->plan->state);
	if (strlen(jails) + 32 > SLOT_PATH)
		return fault_set(f, FAULT_PLATFORM, ENAMETOOLONG, "%s", m->plan->state);
	if ((sys->mkdir(jails, 0755) < 0 && errno != EEXIST) ||
		(sys->mkdir(m->root, 0755) < 0 && errno != EEXIST))
		return fault_set(f, FAULT_PLATFORM, errno, "mkdir %s", m->root);
	return m->order->kind == JAIL_EXEC_NET ? resolvers_write(m, f) : 0;
}

/* One that is gone is fine. */
static int place_remove(const char *root, struct fault *f)
{
	defer_free char *resolvers = resolvers_path(root);
	if (unlink(resolvers) < 0 && errno != ENOENT)
		return fault_set(f, FAULT_PLATFORM, errno, "unlink %s", resolvers);
	if (sys->rmdir(root) < 0 && errno != ENOENT)
		return fault_set(f, FAULT_PLATFORM, errno, "rmdir %s", root);
	return 0;
}

static void place_down(void *thing)
{
	const struct making *m = thing;
	(void)place_remove(m->root, NULL);
}

static int root_up(void *thing, struct fault *f)
{
	const struct making *m = thing;
	struct mounts *mounts = mem_alloc(sizeof(*mounts));
	const int did =
		mounts_list(m->plan, m->slot, m->order, mounts, f) < 0 ? -1 : mounts_up(mounts, f);
	free(mounts);
	return did;
}

static void root_down(void *thing)
{
	const struct making *m = thing;
	(void)mounts_clear(m->root, NULL);
}

/* What it is mounted from. */
static int clone_up(void *thing, struct fault *f)
{
	const struct making *m = thing;
	return storage_clone(m->plan->storage, m->slot, mounts_base(m->plan, m->order->kind), 0, f);
}

static void clone_down(void *thing)
{
	const struct making *m = thing;
	storage_unclone(m->plan->storage, m->slot);
}

/* ---- the jail ---- */

/* The limit on builds counts those that are still being removed: one of them is about to go. */
static int prison_up(void *thing, struct fault *f)
{
	struct making *m = thing;
	const enum jail_kind kind = m->order->kind;
	const struct prison_spec spec = {.name = m->name,
		.path = m->root,
		.hostname = JAIL_HOSTNAME,
		.address = kind == JAIL_EXEC_NET ? m->order->address : 0,
		.vnet = jail_kind_fetches(kind),
		.children_max = jail_runs_call(kind) ? (int)m->plan->children_max : 0,
		.devfs_ruleset = FREEBSD_RULESET};
	for (unsigned tries = 0; tries < LIMIT_TRIES; tries++) {
		m->jid = prison_make(&spec, f);
		if (m->jid >= 0 || !slot_builds(kind) || f == NULL || f->kind != FAULT_BUSY)
			break;
		sys->pause_ms(LIMIT_MS);
	}
	if (m->jid < 0)
		return -1;
	m->parts->mark = (uint64_t)m->jid;
	return 0;
}

static void prison_down(void *thing)
{
	const struct making *m = thing;
	(void)prison_remove(m->jid, NULL);
}

static int rules_up(void *thing, struct fault *f)
{
	const struct making *m = thing;
	if (limits_up(m->name, m->order->kind, &m->plan->limits[m->order->kind], f) == 0)
		return 0;
	(void)limits_down(m->name, NULL); /* those that came before */
	return -1;
}

static void rules_down(void *thing)
{
	const struct making *m = thing;
	(void)limits_down(m->name, NULL);
}

static int address_up(void *thing, struct fault *f)
{
	const struct making *m = thing;
	const struct net_link_want want = {
		.netns = -1, .address = m->order->address, .probe = m->order->probe};
	return m->order->kind != JAIL_EXEC_NET ? 0 : net_link_make(m->plan->net, &want, f);
}

static int way_out_up(void *thing, struct fault *f)
{
	struct making *m = thing;
	if (!jail_kind_fetches(m->order->kind))
		return 0;
	m->parts->fd[PART_LISTENER] = listener_open(m->jid, f);
	return m->parts->fd[PART_LISTENER] < 0 ? -1 : 0;
}

/* A jail has one of the last two at most, so that nothing comes after them that could fail. */
static const struct step slot_steps[] = {
	{"place", place_up, place_down},
	{"clone", clone_up, clone_down},
	{"root", root_up, root_down},
	{"jail", prison_up, prison_down},
	{"limits", rules_up, rules_down},
	{"address", address_up, NULL},
	{"listener", way_out_up, NULL},
};

int slot_create(const struct jail_plan *plan, unsigned slot, const struct jail_order *order,
	struct jail_parts *parts, struct fault *f)
{
	struct fault own = {0}; /* a step asks what kind it was */
	struct making m = {.plan = plan, .slot = slot, .order = order, .parts = parts, .jid = -1};
	memset(parts->fd, 0xff, sizeof(parts->fd));
	parts->mark = 0;
	slot_name(plan, slot, slot_builds(order->kind), m.name);
	slot_path(plan, slot, m.root);
	f = f != NULL ? f : &own;
	if (steps_up(slot_steps, sizeof(slot_steps) / sizeof(slot_steps[0]), &m, f) == 0)
		return 0;
	parts->mark = 0;
	return fault_wrap(f, "jail slot %u", slot);
}

/* ---- taking it away ---- */

static int addresses_remove(
	const struct jail_plan *plan, const struct prison *prison, struct fault *f)
{
	for (unsigned i = 0; i < PRISON_ADDRESSES && plan->net != NULL; i++) {
		if (prison->address[i] != 0 &&
			net_alias_remove(plan->net, prison->address[i], f) < 0)
			return -1;
	}
	return 0;
}

/* The jail last: by it address and limits are found again where one of these calls fails, or we are
 * killed. What a program sends meanwhile has no way out, and its own limits (setrlimit) hold. */
static int named_remove(const struct jail_plan *plan, const char *name, struct fault *f)
{
	struct prison prison;
	const int found = prison_find(name, &prison, f);
	if (found < 0)
		return -1;
	if (found > 0 && addresses_remove(plan, &prison, f) < 0)
		return -1;
	if (limits_down(name, f) < 0)
		return -1;
	return found > 0 ? prison_remove(prison.jid, f) : 0;
}

int slot_destroy(const struct jail_plan *plan, unsigned slot, struct fault *f)
{
	char name[PRISON_NAME], root[SLOT_PATH];
	slot_path(plan, slot, root);
	for (int builds = 0; builds < 2; builds++) {
		slot_name(plan, slot, builds != 0, name);
		if (named_remove(plan, name, f) < 0)
			return fault_wrap(f, "remove jail slot %u", slot);
	}
	if (mounts_clear(root, f) < 0)
		return fault_wrap(f, "remove jail slot %u", slot);
	storage_unclone(plan->storage, slot);
	return place_remove(root, f) < 0 ? fault_wrap(f, "remove jail slot %u", slot) : 0;
}
