/* The table of operations; what is looked at before there are jails. Compiled, linked,
 * model-tested; not yet run on FreeBSD. */

#include "jail/freebsd/freebsd.h"

#include "base/defer.h"
#include "base/freebsd/sys.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char no_racct[] =
	"memory, processes and cpu time of jails are not limited by the kernel: put "
	"kern.racct.enable=1 into /boot/loader.conf and reboot";

static const char only_root[] =
	"on FreeBSD only root can make jails: start sky-island as root (its server runs as an "
	"unprivileged user)";

static int freebsd_enter(struct jail_plan *plan, struct fault *f)
{
	plan->uids_apart = true;
	if (plan->user_mode)
		return fault_set(f, FAULT_PLATFORM, 0, "%s", only_root);
	return 0;
}

static bool racct_is_on(void)
{
	int on = 0;
	return sys->sysctl_int("kern.racct.enable", &on) == 0 && on != 0;
}

static void facts_find(const struct jail_plan *plan)
{
	freebsd_facts = (struct freebsd_facts){.uid_base = plan->uid_base, .racct = racct_is_on()};
}

/* The jail that is called `build`: nobody runs in it, and its children.max is the limit on builds,
 * each of which is a jail in it. */
static int build_make(const struct jail_plan *plan, struct fault *f)
{
	char name[PRISON_NAME];
	build_name(plan, name);
	const struct prison_spec spec = {.name = name,
		.path = "/var/empty",
		.hostname = JAIL_HOSTNAME,
		.children_max = plan->builds_max > 0 ? (int)plan->builds_max : 1,
		.devfs_ruleset = FREEBSD_RULESET};
	return prison_make(&spec, f) < 0 ? -1 : 0;
}

/* With it the jails in it. */
static int build_remove(const struct jail_plan *plan, struct fault *f)
{
	char name[PRISON_NAME];
	struct prison prison;
	build_name(plan, name);
	const int found = prison_find(name, &prison, f);
	return found <= 0 ? found : prison_remove(prison.jid, f);
}

/* What jails of a run that was killed have left. */
static int slots_clear(const struct jail_plan *plan, struct fault *f)
{
	struct prison prison;
	defer_free char *prefix = mem_printf("%s-", plan->instance);
	defer_free char *jails = mem_printf("%s/run/jails", plan->state);
	int after = 0;
	for (int found; (found = prison_next(prefix, after, false, &prison, f)) != 0;
		after = prison.jid) {
		const int slot = found > 0 ? slot_of_name(plan, prison.name) : -1;
		if (found < 0 || (slot >= 0 && slot_destroy(plan, (unsigned)slot, f) < 0))
			return -1;
	}
	return mounts_clear(jails, f);
}

static int freebsd_prepare(struct jail_plan *plan, struct fault *f)
{
	facts_find(plan);
	if (!freebsd_facts.racct)
		log_warn("%s", no_racct);
	if (plan->proc)
		log_warn("jails.proc: jails have no /proc on FreeBSD");
	if (slots_clear(plan, f) < 0 || build_remove(plan, f) < 0 || devices_prepare(f) < 0)
		return -1;
	if (plan->net != NULL && net_host_clear(plan->net, f) < 0)
		return -1;
	return build_make(plan, f);
}

static void freebsd_finish(const struct jail_plan *plan)
{
	struct fault f = {0};
	defer_free char *jails = mem_printf("%s/run/jails", plan->state);
	if (build_remove(plan, &f) < 0)
		log_error("the jail for builds stays; the next start tries again: %s", f.text);
	if (plan->net != NULL && net_host_clear(plan->net, &f) < 0)
		log_error("the host's network is not as it was; the next start tries again: %s",
			f.text);
	(void)sys->rmdir(jails);
}

/* ---- doctor ---- */

static void say(struct buf *report, const char *grade, const char *name, const char *what)
{
	buf_printf(report, "%s\t%s\t%s\n", grade, name, what);
}

static int say_failed(struct buf *report, const char *name, const struct fault *f)
{
	say(report, "fail", name, f->text);
	return -1;
}

/* Fetch jails have a network stack of their own, which the kernel may be built without. */
static void vimage_say(struct buf *report)
{
	int there = 0;
	const bool ok = sys->sysctl_int("kern.features.vimage", &there) == 0 && there != 0;
	say(report, ok ? "ok" : "fail", "vimage",
		ok ? "network stacks for jails that fetch"
		   : "this kernel has no VIMAGE: modules cannot be fetched (GENERIC has it)");
}

/* A slot is made and removed: what a jail needs is tried, not looked up. */
static int freebsd_probe(const struct jail_plan *plan, struct buf *report, struct fault *f)
{
	struct jail_parts parts;
	const unsigned slot = plan->slots; /* one past the last: nobody else's */
	const struct jail_order order = {.kind = JAIL_EXEC};
	if (geteuid() != 0) {
		(void)fault_set(f, FAULT_PLATFORM, 0, "%s", only_root);
		return say_failed(report, "root", f);
	}
	facts_find(plan);
	say(report, freebsd_facts.racct ? "ok" : "warn", "racct",
		freebsd_facts.racct ? "limits by rctl" : no_racct);
	vimage_say(report);
	if (devices_prepare(f) < 0)
		return say_failed(report, "devfs", f);
	say(report, "ok", "devfs", "a ruleset of our own");
	if (slot_create(plan, slot, &order, &parts, f) < 0)
		return say_failed(report, "jail", f);
	if (slot_destroy(plan, slot, f) < 0)
		return say_failed(report, "jail", f);
	say(report, "ok", "jail", "one was made and removed: jail_set, nullfs, devfs, tmpfs");
	if (plan->net != NULL && plan->net->pools->count > 0) {
		net_host_report(plan->net, report);
		net_host_probe(plan->net, report);
	}
	return 0;
}

static unsigned freebsd_count(const struct jail_plan *plan)
{
	struct prison prison;
	unsigned count = 0;
	defer_free char *prefix = mem_printf("%s-", plan->instance);
	for (int after = 0; prison_next(prefix, after, false, &prison, NULL) > 0;
		after = prison.jid)
		count += slot_of_name(plan, prison.name) >= 0;
	return count;
}

/* By its jid, which no other jail gets while we may still ask for it: a slot's name is the next
 * jail's too. */
static int freebsd_describe(const struct jail_plan *plan, const struct jail_asked *asked,
	struct jail_description *out, struct fault *f)
{
	struct prison prison;
	*out = (struct jail_description){.jid = asked->jid};
	const int found = prison_find_jid((int)asked->jid, &prison, f);
	if (found <= 0)
		return found;
	if (slot_of_name(plan, prison.name) < 0)
		return 0;
	out->jid = (uint64_t)prison.jid;
	memcpy(out->name, prison.name, sizeof(out->name));
	memcpy(out->path, prison.path, sizeof(out->path));
	memcpy(out->hostname, prison.hostname, sizeof(out->hostname));
	memcpy(out->osrelease, prison.osrelease, sizeof(prison.osrelease));
	if (prison.ip4 == SYS_JAIL_NEW && prison.address[0] != 0)
		(void)ip4_text(prison.address[0], out->ip4);
	return 1;
}

static const struct jail_backend backend = {
	.name = "freebsd",
	.enter = freebsd_enter,
	.probe = freebsd_probe,
	.prepare = freebsd_prepare,
	.finish = freebsd_finish,
	.create = slot_create,
	.destroy = slot_destroy,
	.count = freebsd_count,
	.describe = freebsd_describe,
};

const struct jail_backend *const jail_backend = &backend;
