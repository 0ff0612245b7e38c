/*
 * Theory of operation. Nothing of the host's network is touched until a call asks for an address.
 * The helper that gives it one then loads the rules into pf's anchor where they are missing, and
 * notes in a file (the record) each alias before it makes it. net_host_clear reads the record and
 * undoes all of it. Aliases of ours have a mask of all ones, as aliases have that share another's
 * subnet; what the record names but has another mask is somebody else's meanwhile.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "net/freebsd/host.h"

#include "base/defer.h"
#include "base/fs.h"
#include "net/freebsd/alias.h"
#include "net/freebsd/pf.h"
#include "net/lock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_MAX = 1 << 20 };

/* ---- the record: lines of interface and address ---- */

static char *record_line(const struct sys_address *a)
{
	char text[IP4_TEXT];
	return mem_printf("%s %s\n", a->interface, ip4_text(a->address, text));
}

static char *record_read(const struct net_setup *net)
{
	char *text = net->record != NULL ? fs_read(net->record, RECORD_MAX, NULL, NULL) : NULL;
	return text != NULL ? text : mem_strdup("");
}

static bool has_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);
	while (at != NULL && at != text && at[-1] != '\n')
		at = strstr(at + 1, line);
	return at != NULL;
}

static bool record_has(const struct net_setup *net, const struct sys_address *address)
{
	defer_free char *text = record_read(net);
	defer_free char *line = record_line(address);
	return has_line(text, line);
}

int host_record_add(const struct net_setup *net, const struct sys_address *address, struct fault *f)
{
	if (net->record == NULL)
		return 0;
	defer_close int lock = net_lock(net);
	(void)lock; /* held until we return */
	defer_free char *text = record_read(net);
	defer_free char *line = record_line(address);
	if (has_line(text, line))
		return 0;
	defer_free char *all = mem_printf("%s%s", text, line);
	return fs_write(net->record, all, strlen(all), 0600, f);
}

/* ---- addresses ---- */

static void place_find(void *ctx, const struct sys_address *address)
{
	struct host_place *place = ctx;
	if (address->address != place->address || place->there)
		return;
	place->there = true;
	place->mask = address->mask;
	(void)snprintf(place->interface, sizeof(place->interface), "%.15s", address->interface);
}

int host_find(struct host_place *place, struct fault *f)
{
	place->there = false;
	return sys->addresses(place_find, place) < 0
		       ? fault_set(f, FAULT_PLATFORM, errno, "the host's addresses")
		       : 0;
}

/* EADDRNOTAVAIL: it went meanwhile; ENXIO: its interface did. */
int net_alias_remove(const struct net_setup *net, uint32_t address, struct fault *f)
{
	struct host_place place = {.address = address};
	if (host_find(&place, f) < 0)
		return -1;
	const struct sys_address alias = {
		.interface = place.interface, .address = address, .mask = place.mask};
	if (!place.there || place.mask != UINT32_MAX ||
		(net->record != NULL && !record_has(net, &alias)))
		return 0;
	if (sys->alias_remove(&alias) < 0 && errno != EADDRNOTAVAIL && errno != ENXIO) {
		char text[IP4_TEXT];
		return fault_set(f, FAULT_PLATFORM, errno, "remove %s from %s",
			ip4_text(address, text), place.interface);
	}
	return 0;
}

/* ---- rules ---- */

static int rules_load(const struct net_setup *net, const struct net_pools *pools, struct fault *f)
{
	defer_buf struct buf text = {0};
	defer_free char *path = mem_printf("%s.pf", net->record);
	pf_put_rules(&text, pools);
	if (pf_check(f) < 0 || fs_write(path, text.data, text.len, 0600, f) < 0)
		return -1;
	return pf_load(net->instance, path, f);
}

/* The record is there first: who clears then looks. */
static int record_begin(const struct net_setup *net, struct fault *f)
{
	return access(net->record, F_OK) == 0 ? 0 : fs_write(net->record, "", 0, 0600, f);
}

int host_ready(const struct net_setup *net, struct fault *f)
{
	static uint32_t made_version; /* a helper's own */
	struct net_pools pools;
	if (net->record == NULL)
		return fault_set(f, FAULT_PLATFORM, 0, "there is no record of the network");
	pools_copy(&pools, net->pools);
	if (made_version == pools.version && access(net->record, F_OK) == 0)
		return 0;
	defer_close int lock = net_lock(net);
	(void)lock; /* held until we return */
	if (record_begin(net, f) < 0 || rules_load(net, &pools, f) < 0)
		return -1;
	made_version = pools.version;
	return 0;
}

/* ---- taking it away ---- */

static int aliases_clear(const struct net_setup *net, struct fault *f)
{
	defer_free char *text = record_read(net);
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		const char *space = strchr(line, ' ');
		uint32_t address;
		if (space != NULL && ip4_parse(space + 1, &address) &&
			net_alias_remove(net, address, f) < 0)
			return -1;
	}
	return 0;
}

/* Where pf has nothing of ours, because it is off, there is nothing to flush. */
int net_host_clear(const struct net_setup *net, struct fault *f)
{
	if (net->record == NULL || access(net->record, F_OK) < 0)
		return 0;
	defer_free char *rules = mem_printf("%s.pf", net->record);
	if (aliases_clear(net, f) < 0)
		return -1;
	if (access(rules, F_OK) == 0 && pf_flush(net->instance, f) < 0)
		return -1;
	(void)unlink(rules);
	net_record_remove(net);
	return 0;
}
