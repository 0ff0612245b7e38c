#include "jail/linux/refusal.h"

#include "base/defer.h"
#include "base/fs.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const refusal_spaces[REFUSAL_SPACES] = {
	"user", "mnt", "net", "pid", "ipc", "uts", "cgroup"};

/* ---- what is so here ---- */

static long long number_in(const char *path)
{
	long long value = -1;
	defer_free char *text = fs_read(path, 64, NULL, NULL);
	if (text == NULL || sscanf(text, "%lld", &value) != 1)
		return -1;
	return value;
}

static long long status_field(const char *status, const char *name, int base)
{
	const char *line = status != NULL ? strstr(status, name) : NULL;
	return line != NULL ? strtoll(line + strlen(name), NULL, base) : 0;
}

/* "docker-default (enforce)\n", "unconfined\n"; no file, or EINVAL, without AppArmor. */
static void profile_find(char *profile, size_t size)
{
	defer_free char *own = fs_read("/proc/self/attr/apparmor/current", 256, NULL, NULL);
	defer_free char *text =
		own != NULL ? NULL : fs_read("/proc/self/attr/current", 256, NULL, NULL);
	const char *label = own != NULL ? own : text != NULL ? text : "";
	const size_t len = strcspn(label, " \n");
	/* Another module than AppArmor has labels of its own: SELinux's have colons. */
	if (len == 0 || strncmp(label, "unconfined", len) == 0 || memchr(label, ':', len) != NULL)
		return;
	(void)snprintf(profile, size, "%.*s", (int)len, label);
}

static enum refusal_container container_find(void)
{
	if (getenv("KUBERNETES_SERVICE_HOST") != NULL)
		return CONTAINER_KUBERNETES;
	if (access("/run/.containerenv", F_OK) == 0)
		return CONTAINER_PODMAN;
	if (access("/.dockerenv", F_OK) == 0)
		return CONTAINER_DOCKER;
	/* Of init: set by LXC, nspawn and others; only its owner may read it. */
	defer_free char *environment = fs_read("/proc/1/environ", 1 << 20, NULL, NULL);
	if (getenv("container") != NULL ||
		(environment != NULL && strncmp(environment, "container=", 10) == 0))
		return CONTAINER_OTHER;
	return CONTAINER_NONE;
}

void refusal_look(struct refusal_facts *facts, bool user_mode)
{
	defer_free char *status = fs_read("/proc/self/status", 1 << 16, NULL, NULL);
	defer_free char *mounts = fs_read("/proc/self/mounts", 1 << 24, NULL, NULL);
	*facts = (struct refusal_facts){.user_mode = user_mode};
	facts->sys_admin = (status_field(status, "\nCapEff:", 16) >> CAP_SYS_ADMIN & 1) != 0;
	facts->net_admin = (status_field(status, "\nCapEff:", 16) >> CAP_NET_ADMIN & 1) != 0;
	facts->filtered = status_field(status, "\nSeccomp:", 10) == 2;
	facts->proc_masked = mounts != NULL && strstr(mounts, " /proc/") != NULL;
	facts->userns_clone = (int)number_in("/proc/sys/kernel/unprivileged_userns_clone");
	facts->apparmor_userns =
		(int)number_in("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	for (int i = 0; i < REFUSAL_SPACES; i++) {
		char path[64];
		(void)snprintf(
			path, sizeof(path), "/proc/sys/user/max_%s_namespaces", refusal_spaces[i]);
		facts->spaces[i] = number_in(path);
	}
	profile_find(facts->profile, sizeof(facts->profile));
	facts->container = container_find();
}

/* ---- what follows from it ---- */

static const char *next(const struct buf *why, const char *first, const char *later)
{
	return why->len == 0 ? first : later;
}

/* The kernel's word for a limit of namespaces is that there is no space. */
static void limits_say(const struct refusal_facts *facts, struct buf *why)
{
	for (int i = 0; i < REFUSAL_SPACES; i++) {
		if (facts->spaces[i] == 0)
			buf_printf(why,
				"%suser.max_%s_namespaces is 0: sysctl -w "
				"user.max_%s_namespaces=10000",
				next(why, "", "; "), refusal_spaces[i], refusal_spaces[i]);
	}
}

/* What a container is given less than a host has. */
enum { LESS_ADMIN, LESS_NET, LESS_CALLS, LESS_PROFILE, LESS_PROC, LESS_COUNT };

static const struct {
	const char *begin, *between;
	const char *words[LESS_COUNT]; /* by which each is given back */
} containers[] = {
	[CONTAINER_OTHER] = {"this container needs", ", ",
		{"the capability CAP_SYS_ADMIN", "the capability CAP_NET_ADMIN",
			"no seccomp filter", "no AppArmor profile",
			"a /proc that is not masked and can be written"}},
	[CONTAINER_DOCKER] = {"this container needs docker run", " ",
		{"--cap-add SYS_ADMIN", "--cap-add NET_ADMIN", "--security-opt seccomp=unconfined",
			"--security-opt apparmor=unconfined",
			"--security-opt systempaths=unconfined"}},
	[CONTAINER_PODMAN] = {"this container needs podman run", " ",
		{"--cap-add SYS_ADMIN", "--cap-add NET_ADMIN", "--security-opt seccomp=unconfined",
			"--security-opt apparmor=unconfined", "--security-opt unmask=ALL"}},
	[CONTAINER_KUBERNETES] = {"this container's securityContext needs", ", ",
		{"capabilities: {add: [SYS_ADMIN]}", "capabilities: {add: [NET_ADMIN]}",
			"seccompProfile: {type: Unconfined}", "appArmorProfile: {type: Unconfined}",
			"procMount: Unmasked"}},
};

static void container_say(
	const struct refusal_facts *facts, const bool less[LESS_COUNT], struct buf *why)
{
	bool any = false;
	for (int i = 0; i < LESS_COUNT; i++) {
		if (!less[i])
			continue;
		if (!any)
			buf_printf(why, "%s%s ", next(why, "", "; "),
				containers[facts->container].begin);
		buf_printf(why, "%s%s", any ? containers[facts->container].between : "",
			containers[facts->container].words[i]);
		any = true;
	}
	if (any)
		buf_puts(why, " (docs/containers.md)");
}

/* Ordinary users are refused by the host's settings, in containers too; else, outside of them, it was who
 * started us. */
static void host_say(const struct refusal_facts *facts, struct buf *why)
{
	const bool transition = strcmp(facts->profile, "unprivileged_userns") == 0;
	if (facts->user_mode && facts->userns_clone == 0)
		buf_printf(why,
			"%skernel.unprivileged_userns_clone is 0: sysctl -w "
			"kernel.unprivileged_userns_clone=1",
			next(why, "", "; "));
	if (facts->user_mode && (facts->apparmor_userns == 1 || transition))
		buf_printf(why,
			"%skernel.apparmor_restrict_unprivileged_userns is 1: load "
			"contrib/apparmor/sky-island into AppArmor, or sysctl -w "
			"kernel.apparmor_restrict_unprivileged_userns=0",
			next(why, "", "; "));
	if (facts->container != CONTAINER_NONE)
		return;
	if (facts->profile[0] != '\0' && !transition)
		buf_printf(why, "%sAppArmor's profile %s confines us", next(why, "", "; "),
			facts->profile);
	if (!facts->user_mode && !facts->sys_admin)
		buf_printf(why, "%swe are root without CAP_SYS_ADMIN", next(why, "", "; "));
	if (facts->filtered)
		buf_printf(why,
			"%sa seccomp filter is on us: of systemd (SystemCallFilter=, "
			"RestrictNamespaces=) or a sandbox",
			next(why, "", "; "));
}

void refusal_why(const struct refusal_facts *facts, const char *what, int error, struct buf *why)
{
	if (error == ENOSPC || error == EUSERS)
		limits_say(facts, why);
	if (error != EPERM && error != EACCES && error != ENOSYS)
		return;
	if (facts->container != CONTAINER_NONE) {
		const bool less[LESS_COUNT] = {
			[LESS_ADMIN] = !facts->user_mode && !facts->sys_admin,
			[LESS_CALLS] = facts->filtered,
			[LESS_PROFILE] = facts->profile[0] != '\0',
			[LESS_PROC] = facts->proc_masked && strstr(what, "proc: ") != NULL};
		container_say(facts, less, why);
	}
	if (facts->container == CONTAINER_NONE || facts->user_mode)
		host_say(facts, why);
}

void refusal_net_why(const struct refusal_facts *facts, const char *what, struct buf *why)
{
	const bool less[LESS_COUNT] = {
		[LESS_NET] = !facts->net_admin, [LESS_PROC] = strstr(what, "/proc/") != NULL};
	if (facts->container != CONTAINER_NONE)
		container_say(facts, less, why);
}

int refusal_explain(bool user_mode, struct fault *f)
{
	struct refusal_facts facts;
	defer_buf struct buf why = {0};
	if (f == NULL)
		return -1;
	refusal_look(&facts, user_mode);
	refusal_why(&facts, f->text, f->error, &why);
	if (why.len > 0) {
		const size_t used = strlen(f->text);
		(void)snprintf(f->text + used, sizeof(f->text) - used, "; %s", why.data);
		f->kind = FAULT_PLATFORM; /* a limit of namespaces is no full disk */
	}
	return -1;
}
