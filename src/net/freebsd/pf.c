/* Rules of pf, written and read, and pfctl. Compiled, linked, model-tested; not yet run on
 * FreeBSD. */

#include "net/freebsd/pf.h"

#include "base/defer.h"
#include "base/freebsd/sys.h"

#include <stdio.h>
#include <string.h>

static const char pfctl[] = "/sbin/pfctl";

/* ---- rules ---- */

static void put_network(struct buf *out, const struct net_network *n)
{
	char text[IP4_TEXT];
	buf_printf(out, "%s/%u", ip4_text(n->address, text), ip4_prefix(n->mask));
}

/* What no jail reaches but what its pool opens: special-purpose networks and all pools' own. */
static void put_closed(struct buf *out, const struct net_pools *pools)
{
	buf_puts(out, "closed = \"{");
	for (size_t i = 0; i < net_closed_count; i++) {
		buf_putc(out, ' ');
		put_network(out, &net_closed[i]);
	}
	for (uint32_t i = 0; i < pools->count; i++) {
		const struct net_network own = {
			.address = pools->pool[i].first & pools->pool[i].mask,
			.mask = pools->pool[i].mask};
		buf_putc(out, ' ');
		put_network(out, &own);
	}
	buf_puts(out, " }\"\n");
}

static void put_range(struct buf *out, const struct net_pool *pool)
{
	char first[IP4_TEXT], last[IP4_TEXT];
	buf_printf(out, "%s - %s", ip4_text(pool->first, first), ip4_text(pool->last, last));
}

/* Between an action and what comes after the source. */
static void put_rule(
	struct buf *out, const char *before, const struct net_pool *pool, const char *after)
{
	buf_printf(out, "%s from ", before);
	put_range(out, pool);
	buf_printf(out, " %s\n", after);
}

static void put_opened(struct buf *out, const struct net_pool *pool)
{
	for (uint32_t i = 0; i < pool->dns_count && i < POOLS_DNS_MAX; i++) {
		char to[64], text[IP4_TEXT];
		(void)snprintf(to, sizeof(to), "to %s port 53", ip4_text(pool->dns[i], text));
		put_rule(out, "pass out quick inet proto { tcp udp }", pool, to);
	}
	for (uint32_t i = 0; i < pool->open_count; i++) {
		defer_buf struct buf to = {0};
		buf_puts(&to, "to ");
		put_network(&to, &pool->open[i]);
		put_rule(out, "pass out quick inet", pool, to.data);
	}
}

/* The host's own addresses, and other jails', are reached by loopback. */
static void put_pool(struct buf *out, const struct net_pool *pool)
{
	buf_printf(out, "# pool \"%s\"\n", pool->name);
	put_rule(out, "block return out quick on lo0 inet", pool, "to any");
	put_rule(out, "block drop in quick on lo0 inet", pool, "to any");
	put_opened(out, pool);
	put_rule(out, "block return out quick inet", pool, "to $closed");
	put_rule(out, "pass out quick inet proto { tcp udp }", pool, "to any");
	put_rule(out, "block return out quick inet", pool, "to any");
	buf_puts(out, "block drop in quick inet from any to ");
	put_range(out, pool);
	buf_putc(out, '\n');
}

void pf_put_rules(struct buf *out, const struct net_pools *pools)
{
	put_closed(out, pools);
	for (uint32_t i = 0; i < pools->count; i++)
		put_pool(out, &pools->pool[i]);
}

/* ---- what pfctl says ---- */

bool pf_is_on(const char *info)
{
	return strstr(info, "Status: Enabled") != NULL;
}

bool pf_has_anchor(const char *rules)
{
	for (const char *line = rules; line != NULL;
		line = strchr(line, '\n'), line = line != NULL ? line + 1 : NULL) {
		/* With " all" behind it, as pfctl prints it. */
		if (strncmp(line, PF_LINE, strlen(PF_LINE)) == 0)
			return true;
	}
	return false;
}

bool pf_skips(const char *interfaces, const char *name)
{
	char skipped[64];
	(void)snprintf(skipped, sizeof(skipped), "%s (skip)", name);
	return strstr(interfaces, skipped) != NULL;
}

static int pfctl_ask(char *const *words, struct buf *out, struct fault *f)
{
	char *argv[10] = {(char *)(uintptr_t)pfctl};
	for (unsigned i = 1; *words != NULL && i + 1 < sizeof(argv) / sizeof(argv[0]);)
		argv[i++] = *words++;
	return sys->run(argv, out, f) < 0 ? fault_wrap(f, "pfctl") : 0;
}

int pf_check(struct fault *f)
{
	defer_buf struct buf info = {0};
	defer_buf struct buf rules = {0};
	defer_buf struct buf loopback = {0};
	char *const ask_info[] = {(char *)"-s", (char *)"info", NULL};
	char *const ask_rules[] = {(char *)"-s", (char *)"rules", NULL};
	char *const ask_lo0[] = {(char *)"-v", (char *)"-s", (char *)"Interfaces", (char *)"-i",
		(char *)"lo0", NULL};
	buf_puts(&info, "");
	buf_puts(&rules, "");
	buf_puts(&loopback, "");
	if (pfctl_ask(ask_info, &info, NULL) < 0 || !pf_is_on(info.data))
		return fault_set(f, FAULT_PLATFORM, 0,
			"calls with ip4 need pf, which is off: sysrc pf_enable=YES, put %s into "
			"/etc/pf.conf, service pf start",
			PF_LINE);
	if (pfctl_ask(ask_rules, &rules, f) < 0)
		return -1;
	if (!pf_has_anchor(rules.data))
		return fault_set(f, FAULT_PLATFORM, 0,
			"calls with ip4 need the line %s in /etc/pf.conf, before all rules with "
			"`quick`; then: service pf reload",
			PF_LINE);
	if (pfctl_ask(ask_lo0, &loopback, f) < 0)
		return -1;
	if (pf_skips(loopback.data, "lo0"))
		return fault_set(f, FAULT_PLATFORM, 0,
			"calls with ip4 would reach what listens on this host: take `set skip on "
			"lo0` out of /etc/pf.conf; then: service pf reload");
	return 0;
}

static char *anchor_of(const char *instance)
{
	return mem_printf("sky-island/%s", instance);
}

int pf_load(const char *instance, const char *file, struct fault *f)
{
	defer_free char *anchor = anchor_of(instance);
	char *const words[] = {
		(char *)"-q", (char *)"-a", anchor, (char *)"-f", (char *)(uintptr_t)file, NULL};
	return pfctl_ask(words, NULL, f);
}

int pf_flush(const char *instance, struct fault *f)
{
	defer_free char *anchor = anchor_of(instance);
	char *const words[] = {
		(char *)"-q", (char *)"-a", anchor, (char *)"-F", (char *)"rules", NULL};
	return pfctl_ask(words, NULL, f);
}
