#include "base/freebsd/prison.h"

#include "base/freebsd/params.h"
#include "base/freebsd/sys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* What is never allowed in a jail of ours. Those that a kernel does not know it cannot allow. Root
 * keeps its rights inside (allow.suser): who enters must still be able to become another. */
static const char *const refused[] = {"allow.set_hostname", "allow.sysvipc", "allow.raw_sockets",
	"allow.chflags", "allow.mount", "allow.quotas", "allow.socket_af", "allow.mlock",
	"allow.reserved_ports", "allow.read_msgbuf", "allow.unprivileged_proc_debug",
	"allow.extattr", "allow.adjtime", "allow.settime", "allow.routing", "allow.setaudit"};

static void network_put(struct params *p, const struct prison_spec *spec)
{
	if (spec->vnet) {
		params_int(p, "vnet", SYS_JAIL_NEW); /* ip4 and ip6 beside it are refused */
		return;
	}
	params_int(p, "ip4", spec->address != 0 ? SYS_JAIL_NEW : SYS_JAIL_DISABLE);
	if (spec->address != 0)
		params_addresses(p, "ip4.addr", &spec->address, 1);
	if (sys->jail_param("ip6"))
		params_int(p, "ip6", SYS_JAIL_DISABLE);
}

static void spec_put(struct params *p, const struct prison_spec *spec)
{
	params_text(p, "name", spec->name);
	params_text(p, "path", spec->path);
	params_text(p, "host.hostname", spec->hostname);
	params_bool(p, "persist", true);
	network_put(p, spec);
	params_int(p, "children.max", spec->children_max);
	params_int(p, "enforce_statfs", 2);
	params_int(p, "devfs_ruleset", spec->devfs_ruleset);
	params_int(p, "securelevel", 3);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (sys->jail_param(refused[i]))
			params_bool(p, refused[i], false);
	}
	params_why(p);
}

int prison_make(const struct prison_spec *spec, struct fault *f)
{
	struct params p = {0};
	spec_put(&p, spec);
	const int jid = sys->jail_set(p.iov, p.count, SYS_JAIL_CREATE);
	if (jid >= 0)
		return jid;
	if (errno == EPERM)
		return fault_set(f, FAULT_BUSY, EPERM,
			"jail_set %s: its parent may have no more jails (children.max), or "
			"we are not root",
			spec->name);
	return fault_set(f, FAULT_PLATFORM, errno, "jail_set %s%s%.200s", spec->name,
		p.why[0] != '\0' ? ": " : "", p.why);
}

/* What there is to know of one, of which the caller has put the name or the jid. Of jails that are
 * not ours nothing is asked but the name: they may have more than there is room for. */
static int prison_get(struct params *p, int flags, struct prison *out, struct fault *f)
{
	uint32_t addresses[PRISON_ADDRESSES];
	params_room(p, "path", out->path, sizeof(out->path));
	params_room(p, "host.hostname", out->hostname, sizeof(out->hostname));
	params_room(p, "osrelease", out->osrelease, sizeof(out->osrelease));
	params_room(p, "ip4", &out->ip4, sizeof(out->ip4));
	params_room(p, "ip4.addr", addresses, sizeof(addresses));
	params_why(p);
	out->jid = sys->jail_get(p->iov, p->count, flags);
	if (out->jid < 0 && errno == ENOENT)
		return 0;
	if (out->jid < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "jail_get %s%s%.200s", out->name,
			p->why[0] != '\0' ? ": " : "", p->why);
	for (size_t i = 0; i < PRISON_ADDRESSES; i++)
		out->address[i] = ntohl(addresses[i]);
	return 1;
}

int prison_find(const char *name, struct prison *out, struct fault *f)
{
	struct params p = {0};
	*out = (struct prison){0};
	if (strlen(name) >= sizeof(out->name))
		return fault_set(f, FAULT_PLATFORM, ENAMETOOLONG, "jail %.40s", name);
	memcpy(out->name, name, strlen(name) + 1);
	params_text(&p, "name", out->name);
	return prison_get(&p, 0, out, f);
}

int prison_find_jid(int jid, struct prison *out, struct fault *f)
{
	struct params p = {0};
	*out = (struct prison){0};
	params_int(&p, "jid", jid);
	params_room(&p, "name", out->name, sizeof(out->name));
	return prison_get(&p, 0, out, f);
}

/* The jid of the next one and its name; 0: none. */
static int name_next(int after, int flags, struct prison *out, struct fault *f)
{
	struct params p = {0};
	params_int(&p, "lastjid", after);
	params_room(&p, "name", out->name, sizeof(out->name));
	const int jid = sys->jail_get(p.iov, p.count, flags);
	if (jid < 0 && errno != ENOENT)
		return fault_set(f, FAULT_PLATFORM, errno, "jail_get");
	return jid < 0 ? 0 : jid;
}

int prison_next(const char *prefix, int after, bool dying, struct prison *out, struct fault *f)
{
	const int flags = dying ? SYS_JAIL_DYING : 0;
	*out = (struct prison){0};
	int jid = after;
	while ((jid = name_next(jid, flags, out, f)) > 0) {
		struct params p = {0};
		params_int(&p, "jid", jid);
		if (strncmp(out->name, prefix, strlen(prefix)) != 0)
			continue;
		const int got = prison_get(&p, flags, out, f);
		if (got != 0)
			return got; /* 0: it went meanwhile */
	}
	return jid;
}

int prison_remove(int jid, struct fault *f)
{
	/* EINVAL: no such jail, or it is dying already. */
	if (sys->jail_remove(jid) < 0 && errno != EINVAL)
		return fault_set(f, FAULT_PLATFORM, errno, "jail_remove %d", jid);
	return 0;
}
