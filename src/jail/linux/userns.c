/*
 * How an ordinary user becomes root of a user namespace, in which jails are then made just as real
 * root makes them. The user's own uid becomes 0 there; with a range in /etc/subuid and newuidmap(1)
 * jails get uids of their own, without it they all run as the user (still in namespaces apart from
 * each other). user_namespaces(7), subuid(5).
 */

#include "jail/linux/linux.h"
#include "jail/linux/refusal.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct range {
	unsigned first, count;
};

/* The user's range in /etc/subuid or /etc/subgid; count 0: none. */
static struct range range_find(const char *file, const char *name, uid_t uid)
{
	struct range r = {0};
	char number[16];
	(void)snprintf(number, sizeof(number), "%u", (unsigned)uid);
	defer_free char *text = fs_read(file, 1 << 20, NULL, NULL);
	char *save = NULL;
	for (char *line = text != NULL ? strtok_r(text, "\n", &save) : NULL; line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		char *first = strchr(line, ':');
		if (first == NULL)
			continue;
		*first++ = '\0';
		if (strcmp(line, name) != 0 && strcmp(line, number) != 0)
			continue;
		if (sscanf(first, "%u:%u", &r.first, &r.count) == 2 && r.count > 0)
			return r;
	}
	return (struct range){0};
}

/* Maps 0 to the user and 1… to the range, by the set-uid helper, for the process pid. */
static int helper_map(const char *helper, pid_t pid, unsigned id, const struct range *r)
{
	char who[16], own[16], first[16], count[16];
	(void)snprintf(who, sizeof(who), "%d", (int)pid);
	(void)snprintf(own, sizeof(own), "%u", id);
	(void)snprintf(first, sizeof(first), "%u", r->first);
	(void)snprintf(count, sizeof(count), "%u", r->count);
	defer_free char *path = proc_find(helper);
	char *const argv[] = {
		path, who, (char *)"0", own, (char *)"1", (char *)"1", first, count, NULL};
	const struct proc_spec spec = {.argv = argv, .env = environ};
	return path != NULL ? proc_run(&spec, NULL, NULL) : -1;
}

/* The helper must run outside of the new namespace: a child forked before does it. */
static int range_map(const struct range *uids, const struct range *gids, struct fault *f)
{
	int go[2];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t us = getpid();
	if (pipe(go) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "pipe");
	pid_t child = fork();
	if (child == 0) {
		char c;
		(void)close(go[1]);
		_exit(read(go[0], &c, 1) != 1 || helper_map("newuidmap", us, uid, uids) < 0 ||
			helper_map("newgidmap", us, gid, gids) < 0);
	}
	(void)close(go[0]);
	int status = -1;
	int unshared = unshare(CLONE_NEWUSER);
	int error = errno;
	(void)!write(go[1], "g", unshared == 0 ? 1 : 0);
	(void)close(go[1]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (unshared < 0)
		return fault_set(f, FAULT_PLATFORM, error,
			"user namespaces are not to be had for an ordinary user here");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? 0
		       : fault_set(f, FAULT_PLATFORM, 0, "newuidmap or newgidmap failed");
}

static int own_map(struct fault *f)
{
	char uids[64], gids[64];
	(void)snprintf(uids, sizeof(uids), "0 %u 1", (unsigned)geteuid());
	(void)snprintf(gids, sizeof(gids), "0 %u 1", (unsigned)getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return fault_set(f, FAULT_PLATFORM, errno,
			"user namespaces are not to be had for an ordinary user here");
	if (fs_poke("/proc/self/uid_map", uids) < 0 ||
		fs_poke("/proc/self/setgroups", "deny") < 0 ||
		fs_poke("/proc/self/gid_map", gids) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "map our own uid");
	return 0;
}

bool userns_maps(const char *map, unsigned long long first, unsigned long long last)
{
	unsigned long long inside, outside, count;
	for (const char *line = map; line != NULL && *line != '\0';) {
		if (sscanf(line, "%llu %llu %llu", &inside, &outside, &count) == 3 &&
			inside <= first && last - inside < count)
			return true;
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return false;
}

/* Root of a container that has fewer uids than a host would give away uids that are nobody there. */
static int uids_check(const struct jail_plan *plan, struct fault *f)
{
	const unsigned first = plan->uid_base - 2, last = plan->uid_base + plan->slots;
	defer_free char *map = fs_read("/proc/self/uid_map", 1 << 16, NULL, NULL);
	if (plan->uid_base == 0 || map == NULL || userns_maps(map, first, last))
		return 0;
	return fault_set(f, FAULT_INPUT, 0,
		"jails.uid_base: the uids %u to %u are not there in this user namespace "
		"(/proc/self/uid_map); choose one such as 10002, so that it, the 2 before and the "
		"%u "
		"behind are",
		first, last, plan->slots);
}

int userns_enter(struct jail_plan *plan, struct fault *f)
{
	plan->uids_apart = true;
	if (!plan->user_mode)
		return uids_check(plan, f);
	const struct passwd *pw = getpwuid(geteuid());
	const char *name = pw != NULL ? pw->pw_name : "";
	struct range uids = range_find("/etc/subuid", name, geteuid());
	struct range gids = range_find("/etc/subgid", name, geteuid());
	defer_free char *helper = proc_find("newuidmap");
	/* Slots have the uids 1000 and up of the range. */
	plan->uids_apart = helper != NULL && uids.count >= plan->slots + 1001 &&
			   gids.count >= plan->slots + 1001;
	if ((plan->uids_apart ? range_map(&uids, &gids, f) : own_map(f)) < 0)
		return refusal_explain(true, f);
	return 0;
}
