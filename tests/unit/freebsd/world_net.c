/* Addresses as netintro(4) has them, what pfctl(8) and devfs(8) do, rctl(4), sysctl(3). */

#include "world.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- addresses ---- */

int world_interface_index(const char *name)
{
	return strcmp(name, "lo0") == 0 ? 1 : strcmp(name, "em0") == 0 ? 2 : 0;
}

/* The network stack that the caller is in; -1: it may not change it. */
static int stack_of_caller(void)
{
	const struct world_jail *jail = world_jail_find(world_self.jid);
	if (world_self.uid != 0 || (jail != NULL && !jail->vnet))
		return -1;
	if (jail != NULL && strstr(jail->allow, "allow.nosuser") != NULL)
		return -1; /* root has no rights in it */
	return jail != NULL ? jail->jid : 0;
}

static struct world_alias *alias_find(const char *interface, uint32_t address, int jid)
{
	for (int i = 0; i < WORLD_ALIASES; i++) {
		struct world_alias *a = &world->alias[i];
		if (a->interface[0] != '\0' && a->address == address && a->jid == jid &&
			strcmp(a->interface, interface) == 0)
			return a;
	}
	return NULL;
}

int world_interface_up(const char *name)
{
	if (!world_call("SIOCSIFFLAGS"))
		return -1;
	struct world_jail *jail = world_jail_find(world_self.jid);
	if (stack_of_caller() < 0)
		return world_refuse(EPERM);
	if (world_interface_index(name) == 0)
		return world_refuse(ENXIO);
	if (jail != NULL && strcmp(name, "lo0") == 0)
		jail->loopback_up = true;
	return 0;
}

int world_alias_add(const struct sys_address *address)
{
	if (!world_call("SIOCAIFADDR"))
		return -1;
	const int stack = stack_of_caller();
	if (stack < 0)
		return world_refuse(EPERM);
	if (world_interface_index(address->interface) == 0)
		return world_refuse(ENXIO);
	if (address->address == 0 || address->mask == 0)
		return world_refuse(EINVAL);
	world_log("alias %s %08x/%08x%s", address->interface, address->address, address->mask,
		stack != 0 ? " inside" : "");
	struct world_alias *a = alias_find(address->interface, address->address, stack);
	for (int i = 0; i < WORLD_ALIASES && a == NULL; i++) {
		if (world->alias[i].interface[0] == '\0')
			a = &world->alias[i];
	}
	if (a == NULL)
		return world_refuse(ENOBUFS);
	*a = (struct world_alias){.address = address->address, .mask = address->mask, .jid = stack};
	(void)snprintf(a->interface, sizeof(a->interface), "%s", address->interface);
	return 0;
}

int world_alias_remove(const struct sys_address *address)
{
	if (!world_call("SIOCDIFADDR"))
		return -1;
	struct world_alias *a = alias_find(address->interface, address->address, stack_of_caller());
	if (a == NULL)
		return world_refuse(EADDRNOTAVAIL);
	world_log("-alias %s %08x", address->interface, address->address);
	*a = (struct world_alias){0};
	return 0;
}

int world_addresses(void (*each)(void *ctx, const struct sys_address *address), void *ctx)
{
	if (!world_call("getifaddrs"))
		return -1;
	for (int i = 0; i < WORLD_ALIASES; i++) {
		const struct world_alias *a = &world->alias[i];
		const struct sys_address address = {
			.interface = a->interface, .address = a->address, .mask = a->mask};
		if (a->interface[0] != '\0' && a->jid == 0)
			each(ctx, &address);
	}
	return 0;
}

int world_arp_ask(const char *interface, uint32_t address)
{
	if (!world_call("bpf"))
		return -1;
	if (world_interface_index(interface) == 0)
		return world_refuse(ENXIO);
	return address == world->neighbour;
}

/* A real one, on the loopback there is here; whether it could be is the model's to say. */
int world_listen_at(uint32_t address, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (!world_call("listen"))
		return -1;
	const struct world_jail *jail = world_jail_find(world_self.jid);
	if (jail == NULL || !jail->loopback_up ||
		alias_find("lo0", address, world_self.jid) == NULL)
		return world_refuse(EADDRNOTAVAIL);
	world_log("listen %08x:%u", address, port);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4) < 0)
		abort();
	return fd;
}

/* ---- rctl ---- */

static bool in_list(const char *word, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

/* 0 or an errno. Whole words, numbers without units, a jail by its name. */
static int rule_fits(const char *rule)
{
	static const char *const subjects[] = {"process", "user", "loginclass", "jail", NULL};
	static const char *const deniable[] = {"memoryuse", "datasize", "vmemoryuse", "maxproc",
		"openfiles", "nthr", "swapuse", "pcpu", NULL};
	static const char *const counted[] = {"cputime", "wallclock", NULL};
	char subject[32], id[256], resource[32], action[32], amount[32], per[32] = "";
	int used = 0;
	const int got = sscanf(rule, "%31[^:]:%255[^:]:%31[^:]:%31[^=]=%31[^/]%n/%31s", subject, id,
		resource, action, amount, &used, per);
	if (got < 5 || (got == 5 && rule[used] != '\0') || !in_list(subject, subjects))
		return EINVAL;
	if (amount[strspn(amount, "0123456789")] != '\0')
		return EINVAL; /* no units */
	if (strcmp(subject, "jail") != 0 && id[strspn(id, "0123456789")] != '\0')
		return EINVAL; /* only jails have names */
	if (per[0] != '\0' && !in_list(per, subjects))
		return EINVAL;
	if (!in_list(resource, deniable) && !in_list(resource, counted))
		return EINVAL;
	if (strcmp(action, "deny") == 0)
		return in_list(resource, deniable) ? 0 : EOPNOTSUPP;
	return strcmp(action, "sigkill") == 0 || strcmp(action, "log") == 0 ? 0 : EINVAL;
}

static bool is_text(const char *in, size_t in_len)
{
	return in != NULL && in_len > 1 && memchr(in, '\0', in_len) == in + in_len - 1;
}

int world_rctl_add(const char *in, size_t in_len, char *out, size_t out_len)
{
	if (!world_call("rctl_add_rule"))
		return -1;
	if (!world->racct)
		return world_refuse(ENOSYS);
	const int error =
		!is_text(in, in_len) || out != NULL || out_len != 0 ? EINVAL : rule_fits(in);
	if (error != 0 || world_self.uid != 0)
		return world_refuse(error != 0 ? error : EPERM);
	for (int i = 0; i < WORLD_RULES; i++) {
		if (strcmp(world->rule[i], in) == 0)
			return world_refuse(EEXIST);
	}
	world_log("rctl %s", in);
	for (int i = 0; i < WORLD_RULES; i++) {
		if (world->rule[i][0] != '\0')
			continue;
		(void)snprintf(world->rule[i], sizeof(world->rule[i]), "%s", in);
		return 0;
	}
	return world_refuse(ENOMEM);
}

int world_rctl_remove(const char *in, size_t in_len, char *out, size_t out_len)
{
	bool found = false;
	if (!world_call("rctl_remove_rule"))
		return -1;
	if (!world->racct)
		return world_refuse(ENOSYS);
	if (!is_text(in, in_len) || out != NULL || out_len != 0 || in[in_len - 2] != ':')
		return world_refuse(EINVAL);
	for (int i = 0; i < WORLD_RULES; i++) {
		if (strncmp(world->rule[i], in, in_len - 1) != 0)
			continue;
		world->rule[i][0] = '\0';
		found = true;
	}
	return found ? 0 : world_refuse(ESRCH);
}

int world_sysctl_int(const char *name, int *value)
{
	if (strcmp(name, "kern.racct.enable") == 0)
		*value = world->racct;
	else if (strcmp(name, "kern.features.vimage") == 0 && world->vimage)
		*value = 1;
	else
		return world_refuse(ENOENT);
	return 0;
}

/* ---- programs ---- */

static void words_join(char *out, size_t size, char *const *words)
{
	size_t len = 0;
	for (out[0] = '\0'; *words != NULL && len < size; words++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? " " : "", *words);
}

static int devfs_run(const char *line, struct buf *out, struct fault *f)
{
	const char *rest = line + strlen("/sbin/devfs rule -s 3280 ");
	const size_t len = strlen(world->devfs);
	if (strncmp(line, "/sbin/devfs rule -s 3280 ", strlen("/sbin/devfs rule -s 3280 ")) != 0)
		return fault_set(f, FAULT_PLATFORM, 0, "devfs: %s", line);
	if (strcmp(rest, "show") == 0)
		buf_puts(out, world->devfs);
	else if (strcmp(rest, "delset") == 0)
		world->devfs[0] = '\0';
	else if (strncmp(rest, "add ", 4) == 0)
		(void)snprintf(world->devfs + len, sizeof(world->devfs) - len, "%s\n", rest + 4);
	else
		return fault_set(f, FAULT_PLATFORM, 0, "devfs: %s", line);
	return 0;
}

static int pf_file(const char *path, struct fault *f)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return fault_set(f, FAULT_PLATFORM, errno, "pfctl: %s", path);
	const size_t got = fread(world->pf, 1, sizeof(world->pf) - 1, file);
	world->pf[got] = '\0';
	(void)fclose(file);
	return 0;
}

static int pfctl_run(const char *line, struct buf *out, struct fault *f)
{
	static const char load[] = "/sbin/pfctl -q -a sky-island/sky-test -f ";
	if (!world->pf_on && strstr(line, "-s info") == NULL)
		return fault_set(f, FAULT_PLATFORM, 0, "pfctl: pf is not there");
	if (strcmp(line, "/sbin/pfctl -s info") == 0)
		buf_puts(out, world->pf_on ? "Status: Enabled for 0 days 00:10:01\n"
					   : "Status: Disabled\n");
	else if (strcmp(line, "/sbin/pfctl -s rules") == 0)
		buf_puts(out, world->pf_anchor
				      ? "scrub in all\nanchor \"sky-island/*\" all\npass all\n"
				      : "pass all\n");
	else if (strcmp(line, "/sbin/pfctl -v -s Interfaces -i lo0") == 0)
		buf_puts(out, world->pf_skips ? "lo0 (skip)\n\tCleared: now\n" : "lo0\n");
	else if (strcmp(line, "/sbin/pfctl -q -a sky-island/sky-test -F rules") == 0)
		world->pf[0] = '\0';
	else if (strncmp(line, load, strlen(load)) == 0)
		return pf_file(line + strlen(load), f);
	else
		return fault_set(f, FAULT_PLATFORM, 0, "pfctl: %s", line);
	return 0;
}

int world_run(char *const argv[], struct buf *out, struct fault *f)
{
	char line[4096];
	struct buf none = {0};
	words_join(line, sizeof(line), argv);
	if (!world_call(argv[0]))
		return fault_set(f, FAULT_PLATFORM, 0, "%s ended with status 1", argv[0]);
	world_log("run %s", line);
	struct buf *put = out != NULL ? out : &none;
	const int ran = strcmp(argv[0], "/sbin/devfs") == 0 ? devfs_run(line, put, f)
							    : pfctl_run(line, put, f);
	buf_finish(&none);
	return ran;
}
