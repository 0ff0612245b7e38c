/* Jails as jail(2), and sys/kern/kern_jail.c where that says more, have them. */

#include "world.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HOST_CHILDREN = 999999 };

enum type { INT, TEXT, BOOL, ADDRESSES, MESSAGE };

static const struct known {
	const char *name;
	enum type type;
	size_t most;
	bool fixed; /* not to be changed by an update */
} known[] = {
	{"jid", INT, 0, false},
	{"lastjid", INT, 0, false},
	{"name", TEXT, 256, false},
	{"path", TEXT, 1024, true},
	{"host.hostname", TEXT, 256, false},
	{"osrelease", TEXT, 32, true},
	{"osreldate", INT, 0, true},
	{"securelevel", INT, 0, false},
	{"children.max", INT, 0, false},
	{"enforce_statfs", INT, 0, false},
	{"devfs_ruleset", INT, 0, false},
	{"ip4", INT, 0, true},
	{"ip6", INT, 0, true},
	{"vnet", INT, 0, true},
	{"ip4.addr", ADDRESSES, 255 * 4, true},
	{"persist", BOOL, 0, false},
	{"errmsg", MESSAGE, 0, false},
};

static const char *const allowed[] = {"set_hostname", "sysvipc", "raw_sockets", "chflags", "mount",
	"quotas", "socket_af", "mlock", "reserved_ports", "read_msgbuf", "unprivileged_proc_debug",
	"suser"};

/* "allow.nomount" is the parameter allow.mount. */
static bool allow_is_known(const char *name)
{
	if (strncmp(name, "allow.", 6) != 0)
		return false;
	if (world->old_kernel && strstr(name, "unprivileged_proc_debug") != NULL)
		return false;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (strcmp(name + 6, allowed[i]) == 0 ||
			(strncmp(name + 6, "no", 2) == 0 && strcmp(name + 8, allowed[i]) == 0))
			return true;
	}
	return false;
}

bool world_jail_param(const char *name)
{
	return strcmp(name, "ip6") == 0 ||
	       (strncmp(name, "allow.no", 8) != 0 && allow_is_known(name));
}

static const struct known *known_find(const char *name)
{
	static const struct known allow = {"allow", BOOL, 0, false};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	}
	return allow_is_known(name) ? &allow : NULL;
}

static bool type_fits(const struct known *k, const struct world_pair *pair)
{
	switch (k->type) {
	case INT:
		return pair->value != NULL && pair->len == sizeof(int);
	case TEXT:
		return world_is_text(pair, k->most);
	case BOOL:
		return pair->value == NULL && pair->len == 0;
	case ADDRESSES:
		return pair->value != NULL && pair->len % 4 == 0 && pair->len <= k->most;
	default:
		return pair->value != NULL && pair->len > 0;
	}
}

static const struct world_pair *pair_find(
	const struct world_pair *pairs, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(pairs[i].name, name) == 0)
			return &pairs[i];
	}
	return NULL;
}

/* `without`: where there is none. */
static int number_of(const struct world_pair *pairs, int count, const char *name, int without)
{
	const struct world_pair *pair = pair_find(pairs, count, name);
	int value = without;
	if (pair != NULL)
		memcpy(&value, pair->value, sizeof(value));
	return value;
}

struct world_jail *world_jail_find(int jid)
{
	for (int i = 0; i < WORLD_JAILS; i++) {
		if (jid > 0 && world->jail[i].jid == jid)
			return &world->jail[i];
	}
	return NULL;
}

static struct world_jail *live_by_name(const char *name)
{
	for (int i = 0; i < WORLD_JAILS; i++) {
		if (world->jail[i].jid != 0 && !world->jail[i].dying &&
			strcmp(world->jail[i].name, name) == 0)
			return &world->jail[i];
	}
	return NULL;
}

/* ---- jail_set ---- */

static bool addresses_fit(const struct world_pair *pair)
{
	uint32_t all[255];
	memcpy(all, pair->value, pair->len);
	for (size_t i = 0; i < pair->len / 4; i++) {
		if (all[i] == htonl(0) || all[i] == htonl(0xffffffff))
			return false;
		for (size_t k = 0; k < i; k++) {
			if (all[k] == all[i])
				return false;
		}
	}
	return pair->len >= 4;
}

static bool state_fits(int value, bool may_disable)
{
	return value == SYS_JAIL_NEW || value == SYS_JAIL_INHERIT ||
	       (may_disable && value == SYS_JAIL_DISABLE);
}

static bool network_fits(const struct world_pair *pairs, int count)
{
	const struct world_pair *addresses = pair_find(pairs, count, "ip4.addr");
	const bool ip = pair_find(pairs, count, "ip4") != NULL ||
			pair_find(pairs, count, "ip6") != NULL || addresses != NULL;
	const int vnet = number_of(pairs, count, "vnet", SYS_JAIL_INHERIT);
	if (!state_fits(vnet, false) || (vnet == SYS_JAIL_NEW && ip) ||
		!state_fits(number_of(pairs, count, "ip4", SYS_JAIL_NEW), true) ||
		!state_fits(number_of(pairs, count, "ip6", SYS_JAIL_NEW), true))
		return false;
	return addresses == NULL ||
	       (addresses_fit(addresses) &&
		       number_of(pairs, count, "ip4", SYS_JAIL_NEW) == SYS_JAIL_NEW);
}

static bool all_digits(const char *name)
{
	const char *last = strrchr(name, '.');
	last = last != NULL ? last + 1 : name;
	return last[strspn(last, "0123456789")] == '\0';
}

static unsigned children_of(int jid)
{
	unsigned count = 0;
	for (int i = 0; i < WORLD_JAILS; i++)
		count += world->jail[i].jid != 0 && world->jail[i].parent == jid;
	return count;
}

/* 0, or an errno. */
static int parent_fits(const char *name, int children_max, int *parent)
{
	const char *dot = strrchr(name, '.');
	int most = HOST_CHILDREN;
	*parent = 0;
	if (dot != NULL) {
		char above[256];
		(void)snprintf(above, sizeof(above), "%.*s", (int)(dot - name), name);
		const struct world_jail *jail = live_by_name(above);
		if (jail == NULL)
			return ENOENT;
		*parent = jail->jid;
		most = jail->children_max;
	}
	if (children_of(*parent) >= (unsigned)most || children_max >= most)
		return EPERM;
	return live_by_name(name) != NULL ? EEXIST : 0;
}

static void allow_put(struct world_jail *jail, const struct world_pair *pairs, int count)
{
	for (int i = 0; i < count; i++) {
		if (strncmp(pairs[i].name, "allow.", 6) == 0)
			(void)snprintf(jail->allow + strlen(jail->allow),
				sizeof(jail->allow) - strlen(jail->allow), "%s ", pairs[i].name);
	}
}

static void text_put(
	char *to, size_t size, const struct world_pair *pairs, int count, const char *name)
{
	const struct world_pair *pair = pair_find(pairs, count, name);
	(void)snprintf(to, size, "%s", pair != NULL ? (const char *)pair->value : "");
}

static void jail_fill(struct world_jail *jail, const struct world_pair *pairs, int count)
{
	const struct world_pair *addresses = pair_find(pairs, count, "ip4.addr");
	text_put(jail->name, sizeof(jail->name), pairs, count, "name");
	text_put(jail->path, sizeof(jail->path), pairs, count, "path");
	text_put(jail->hostname, sizeof(jail->hostname), pairs, count, "host.hostname");
	jail->persist = pair_find(pairs, count, "persist") != NULL;
	jail->vnet = number_of(pairs, count, "vnet", 0) == SYS_JAIL_NEW;
	jail->ip4 = number_of(pairs, count, "ip4", SYS_JAIL_DISABLE);
	jail->children_max = number_of(pairs, count, "children.max", 0);
	jail->enforce_statfs = number_of(pairs, count, "enforce_statfs", 2);
	jail->devfs_ruleset = number_of(pairs, count, "devfs_ruleset", 0);
	jail->securelevel = number_of(pairs, count, "securelevel", -1);
	for (size_t i = 0; addresses != NULL && i < addresses->len / 4 && i < 8; i++) {
		uint32_t network;
		memcpy(&network, (char *)addresses->value + 4 * i, 4);
		jail->address[jail->addresses++] = ntohl(network);
	}
	allow_put(jail, pairs, count);
}

/* Pairs that fit what the kernel knows of them. */
static int pairs_read(
	const struct iovec *iov, unsigned count, bool sets, int flags, struct world_pair pairs[64])
{
	const int got = world_pairs(iov, count, pairs);
	for (int i = 0; i < got; i++) {
		const struct known *k = known_find(pairs[i].name);
		if (k == NULL) {
			world_why(pairs, got, "unknown parameter: %s", pairs[i].name);
			return world_refuse(EINVAL);
		}
		if (sets && (!type_fits(k, &pairs[i]) || strcmp(k->name, "lastjid") == 0))
			return world_refuse(EINVAL); /* without a word */
		if (sets && (flags & SYS_JAIL_UPDATE) != 0 && k->fixed)
			return world_refuse(EINVAL);
	}
	return got;
}

static void pairs_log(const struct world_pair *pairs, int count)
{
	char line[3000] = "jail_set";
	for (int i = 0; i < count; i++) {
		const struct known *k = known_find(pairs[i].name);
		if (k == NULL)
			abort();
		char *at = line + strlen(line);
		const size_t room = sizeof(line) - strlen(line);
		uint32_t network = 0;
		if (k->type == INT)
			(void)snprintf(at, room, " %s=%d", pairs[i].name,
				number_of(pairs, count, pairs[i].name, 0));
		else if (k->type == TEXT)
			(void)snprintf(
				at, room, " %s=%s", pairs[i].name, (const char *)pairs[i].value);
		else if (k->type == BOOL)
			(void)snprintf(at, room, " %s", pairs[i].name);
		else if (k->type == ADDRESSES)
			(void)snprintf(at, room, " %s=%08x", pairs[i].name,
				ntohl(*(uint32_t *)memcpy(&network, pairs[i].value, 4)));
	}
	world_log("%s", line);
}

static bool path_fits(const char *path)
{
	struct stat st;
	return strcmp(path, "/var/empty") == 0 || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static int jail_create(const struct world_pair *pairs, int count, int flags)
{
	int parent;
	const struct world_pair *name = pair_find(pairs, count, "name");
	const struct world_pair *path = pair_find(pairs, count, "path");
	if (name == NULL || path == NULL || all_digits(name->value))
		return world_refuse(EINVAL);
	if (pair_find(pairs, count, "persist") == NULL && (flags & SYS_JAIL_ATTACH) == 0)
		return world_refuse(EINVAL);
	if (!network_fits(pairs, count) || number_of(pairs, count, "enforce_statfs", 2) > 2)
		return world_refuse(EINVAL);
	if (!path_fits(path->value))
		return world_refuse(ENOENT);
	const int error =
		parent_fits(name->value, number_of(pairs, count, "children.max", 0), &parent);
	if (error != 0)
		return world_refuse(error);
	for (int i = 0; i < WORLD_JAILS; i++) {
		struct world_jail *jail = &world->jail[i];
		if (jail->jid != 0)
			continue;
		*jail = (struct world_jail){.jid = ++world->last_jid, .parent = parent};
		jail_fill(jail, pairs, count);
		return jail->jid;
	}
	return world_refuse(EAGAIN);
}

int world_jail_set(struct iovec *iov, unsigned count, int flags)
{
	struct world_pair pairs[64];
	if (!world_call("jail_set"))
		return -1;
	const bool create = (flags & SYS_JAIL_CREATE) != 0;
	const bool update = (flags & SYS_JAIL_UPDATE) != 0;
	if (world_self.uid != 0)
		return world_refuse(EPERM);
	const int got = pairs_read(iov, count, true, flags, pairs);
	if (got < 0)
		return -1;
	if (!create && !update)
		return world_refuse(EINVAL);
	pairs_log(pairs, got);
	if (create)
		return jail_create(pairs, got, flags);
	const struct world_jail *jail = world_jail_find(number_of(pairs, got, "jid", 0));
	return jail != NULL ? jail->jid : world_refuse(ENOENT);
}

/* ---- jail_get ---- */

static const struct world_jail *jail_wanted(const struct world_pair *pairs, int count, bool dying)
{
	const int jid = number_of(pairs, count, "jid", 0);
	const struct world_jail *best = NULL;
	if (pair_find(pairs, count, "lastjid") != NULL) {
		const int after = number_of(pairs, count, "lastjid", 0);
		for (int i = 0; i < WORLD_JAILS; i++) {
			const struct world_jail *jail = &world->jail[i];
			if (jail->jid > after && (dying || !jail->dying) &&
				(best == NULL || jail->jid < best->jid))
				best = jail;
		}
		return best;
	}
	if (jid != 0) {
		best = world_jail_find(jid);
		return best != NULL && (dying || !best->dying) ? best : NULL;
	}
	const struct world_pair *name = pair_find(pairs, count, "name");
	return name != NULL && world_is_text(name, 256) ? live_by_name(name->value) : NULL;
}

static bool answer_put(const struct world_pair *pair, const void *value, size_t len)
{
	if (pair->len < len)
		return false;
	if (len > 0)
		memcpy(pair->value, value, len);
	return true;
}

static bool answer(const struct world_pair *pair, const struct world_jail *jail)
{
	uint32_t network[8];
	for (unsigned i = 0; i < jail->addresses; i++)
		network[i] = htonl(jail->address[i]);
	if (strcmp(pair->name, "name") == 0)
		return answer_put(pair, jail->name, strlen(jail->name) + 1);
	if (strcmp(pair->name, "path") == 0)
		return answer_put(pair, jail->path, strlen(jail->path) + 1);
	if (strcmp(pair->name, "host.hostname") == 0)
		return answer_put(pair, jail->hostname, strlen(jail->hostname) + 1);
	if (strcmp(pair->name, "osrelease") == 0)
		return answer_put(pair, "14.0-RELEASE", 13);
	if (strcmp(pair->name, "ip4") == 0)
		return pair->len == sizeof(jail->ip4) &&
		       answer_put(pair, &jail->ip4, sizeof(jail->ip4));
	if (strcmp(pair->name, "ip4.addr") == 0)
		return answer_put(pair, network, 4U * jail->addresses);
	return true;
}

/* It asks for no rights: who is outside of all jails sees all of them. */
int world_jail_get(struct iovec *iov, unsigned count, int flags)
{
	struct world_pair pairs[64];
	if (!world_call("jail_get"))
		return -1;
	const int got = pairs_read(iov, count, false, flags, pairs);
	if (got < 0)
		return -1;
	const struct world_jail *jail = jail_wanted(pairs, got, (flags & SYS_JAIL_DYING) != 0);
	if (jail == NULL)
		return world_refuse(ENOENT);
	for (int i = 0; i < got; i++) {
		if (!answer(&pairs[i], jail))
			return world_refuse(EINVAL);
	}
	return jail->jid;
}

/* ---- the rest ---- */

static bool has_directory_open(void)
{
	DIR *all = opendir("/proc/self/fd");
	bool found = false;
	if (all == NULL)
		abort();
	for (const struct dirent *e = readdir(all); e != NULL && !found; e = readdir(all)) {
		struct stat st;
		const int fd = atoi(e->d_name);
		if (isdigit((unsigned char)e->d_name[0]) && fd != dirfd(all))
			found = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	}
	(void)closedir(all);
	return found;
}

int world_jail_attach(int jid)
{
	if (!world_call("jail_attach"))
		return -1;
	struct world_jail *jail = world_jail_find(jid);
	if (world_self.uid != 0 || has_directory_open())
		return world_refuse(EPERM);
	if (jail == NULL || jail->dying)
		return world_refuse(EINVAL);
	world_self.jid = jid;
	for (int i = 0; i < 8; i++) {
		if (jail->inside[i] == 0) {
			jail->inside[i] = getpid();
			break;
		}
	}
	return 0;
}

/* Numbers are used again: only what has our own name is ended. */
static bool is_ours(pid_t pid)
{
	char path[64], own[32] = "", name[32] = "";
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	FILE *theirs = fopen(path, "re");
	FILE *ours = fopen("/proc/self/comm", "re");
	const bool same = theirs != NULL && ours != NULL &&
			  fgets(name, sizeof(name), theirs) != NULL &&
			  fgets(own, sizeof(own), ours) != NULL && strcmp(name, own) == 0;
	if (theirs != NULL)
		(void)fclose(theirs);
	if (ours != NULL)
		(void)fclose(ours);
	return same;
}

static void jail_end(struct world_jail *jail)
{
	for (int i = 0; i < WORLD_JAILS; i++) {
		if (world->jail[i].jid != 0 && world->jail[i].parent == jail->jid)
			jail_end(&world->jail[i]);
	}
	for (int i = 0; i < 8 && jail->inside[i] != 0; i++) {
		if (is_ours(jail->inside[i]))
			(void)kill(jail->inside[i], SIGKILL);
	}
	if (world->lingers)
		jail->dying = true;
	else
		*jail = (struct world_jail){0};
}

int world_jail_remove(int jid)
{
	if (!world_call("jail_remove"))
		return -1;
	struct world_jail *jail = world_jail_find(jid);
	if (world_self.uid != 0)
		return world_refuse(EPERM);
	if (jail == NULL || jail->dying)
		return world_refuse(EINVAL);
	world_log("jail_remove %s", jail->name);
	jail_end(jail);
	return 0;
}
