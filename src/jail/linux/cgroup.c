#include "jail/linux/cgroup.h"

#include "base/clock.h"
#include "base/defer.h"
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char *const v1_trees[CGROUP_TREES] = {"memory", "pids", "cpu"};

/* The path of our own group in /proc/self/cgroup for a v1 controller, or v2's where controller is
 * "". */
static int own_path(const char *controller, char *path, size_t size)
{
	defer_free char *text = fs_read("/proc/self/cgroup", 65536, NULL, NULL);
	if (text == NULL)
		return -1;
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(line, ':');
		char *where = names != NULL ? strchr(names + 1, ':') : NULL;
		if (where == NULL)
			continue;
		*where++ = '\0';
		names++;
		bool hit = strcmp(names, controller) == 0;
		char *names_save = NULL;
		for (char *n = strtok_r(names, ",", &names_save); n != NULL && !hit;
			n = strtok_r(NULL, ",", &names_save))
			hit = strcmp(n, controller) == 0;
		if (!hit)
			continue;
		return snprintf(path, size, "%s", strcmp(where, "/") == 0 ? "" : where) < (int)size
			       ? 0
			       : -1;
	}
	return -1;
}

static bool v2_usable(void)
{
	defer_free char *have = fs_read("/sys/fs/cgroup/cgroup.controllers", 4096, NULL, NULL);
	return have != NULL && strstr(have, "memory") != NULL && strstr(have, "pids") != NULL;
}

/* Cuts "…/INSTANCE/self" and what is below an instance off, "/sky-" and eight digits: a unit of
 * systemd may be called sky-island.service. */
static void instance_cut(char *path)
{
	for (char *at = strstr(path, "/sky-"); at != NULL; at = strstr(at + 1, "/sky-")) {
		const size_t digits = strspn(at + 5, "0123456789abcdef");
		if (digits == 8 && (at[13] == '/' || at[13] == '\0')) {
			*at = '\0';
			return;
		}
	}
}

/* v2: ours lie below the group `above`, "" for the topmost. */
static void v2_place(struct cgroups *groups, const char *above, const char *instance)
{
	*groups = (struct cgroups){.version = 2, .trees = 1};
	(void)snprintf(groups->parent[0], sizeof(groups->parent[0]), "/sys/fs/cgroup%s/%s", above,
		instance);
	(void)snprintf(
		groups->home, sizeof(groups->home), "/sys/fs/cgroup%s/%s/self", above, instance);
}

void cgroup_find(struct cgroups *groups, const char *instance)
{
	char own[300];
	*groups = (struct cgroups){0};
	if (v2_usable()) {
		if (own_path("", own, sizeof(own)) < 0)
			return;
		/* The supervisor of a running instance sits in …/INSTANCE/self: its parent is ours.
		 */
		instance_cut(own);
		v2_place(groups, own, instance);
		return;
	}
	for (unsigned i = 0; i < CGROUP_TREES; i++) {
		if (own_path(v1_trees[i], own, sizeof(own)) < 0)
			return;
		(void)snprintf(groups->parent[i], sizeof(groups->parent[i]),
			"/sys/fs/cgroup/%s%s/%s", v1_trees[i], own, instance);
	}
	groups->version = 1;
	groups->trees = CGROUP_TREES;
}

/* Memory and pids are what we need; cpu is not given to everybody. */
static int v2_hand_down(const char *group)
{
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
	if (fs_poke(path, "+memory +pids") < 0)
		return -1;
	(void)fs_poke(path, "+cpu");
	return 0;
}

static void v2_take_back(const char *group)
{
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
	(void)fs_poke(path, "-cpu");
	(void)fs_poke(path, "-memory -pids");
}

static bool v2_hands_down(const char *group)
{
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
	defer_free char *have = fs_read(path, 4096, NULL, NULL);
	return have != NULL && strstr(have, "memory") != NULL && strstr(have, "pids") != NULL;
}

static void v2_above(const struct cgroups *groups, char above[512])
{
	(void)snprintf(above, 512, "%s", groups->parent[0]);
	char *slash = strrchr(above, '/');
	if (slash != NULL)
		*slash = '\0';
}

/* Controllers are handed down only by a group without processes, so ours has a leaf for the
 * supervisor; the group above has to be without any other. */
static int v2_make(struct cgroups *groups)
{
	char path[600];
	char above[512];
	v2_above(groups, above);
	groups->found = mkdir(groups->parent[0], 0755) < 0;
	if (groups->found && errno != EEXIST)
		return -1;
	if (mkdir(groups->home, 0755) < 0 && errno != EEXIST)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", groups->home);
	if (fs_poke(path, "0") < 0)
		return -1;
	groups->handed = !v2_hands_down(above);
	return v2_hand_down(above) < 0 && groups->handed ? -1 : v2_hand_down(groups->parent[0]);
}

/* Takes back what v2_make did, so that the caller is in the group above again. */
static void v2_unmake(struct cgroups *groups)
{
	char path[600];
	char above[512];
	v2_above(groups, above);
	v2_take_back(groups->parent[0]);
	/* Nobody else's: we were alone there. The topmost may hand down and have processes, and
	 * others rely on what it hands down. */
	if (groups->handed && strcmp(above, "/sys/fs/cgroup") != 0)
		v2_take_back(above);
	groups->handed = false;
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", above);
	(void)fs_poke(path, "0");
	(void)rmdir(groups->home);
	(void)rmdir(groups->parent[0]);
}

/* Where we were started beside others, as in a login's group, that group cannot hand anything
 * down: root has groups below the topmost then. */
static void v2_prepare(struct cgroups *groups, const char *instance, char *why, size_t why_size)
{
	if (v2_make(groups) == 0)
		return;
	const int error = errno;
	const struct cgroups first = *groups;
	v2_unmake(groups);
	v2_place(groups, "", instance);
	if (v2_make(groups) == 0) {
		(void)snprintf(why, why_size, "version 2, at the top: we share %.*s with others",
			(int)(strrchr(first.parent[0], '/') - first.parent[0]), first.parent[0]);
		return;
	}
	v2_unmake(groups);
	(void)snprintf(why, why_size,
		"%s is not delegated to us: %s; systemd-run --user --scope -p Delegate=yes, before "
		"the command, has it delegated",
		first.parent[0], strerror(error));
	groups->version = 0;
}

void cgroup_prepare(struct cgroups *groups, const char *instance, char *why, size_t why_size)
{
	cgroup_find(groups, instance);
	if (groups->version == 0) {
		(void)snprintf(why, why_size,
			"the host has neither cgroup v2 with memory and pids nor those of v1");
		return;
	}
	(void)snprintf(why, why_size, "version %d", groups->version);
	if (groups->version == 2) {
		v2_prepare(groups, instance, why, why_size);
		return;
	}
	for (unsigned i = 0; i < groups->trees; i++) {
		const bool there = mkdir(groups->parent[i], 0755) < 0;
		groups->found |= there && errno == EEXIST;
		if ((there && errno != EEXIST) || access(groups->parent[i], W_OK) < 0) {
			(void)snprintf(why, why_size, "%s cannot be made: %s", groups->parent[i],
				strerror(errno));
			groups->version = 0;
			return;
		}
	}
}

static void slot_path(const struct cgroups *groups, unsigned tree, unsigned slot, const char *file,
	char path[700])
{
	(void)snprintf(path, 700, "%s/slot%u%s%s", groups->parent[tree], slot,
		file[0] != '\0' ? "/" : "", file);
}

static int slot_poke(const struct cgroups *groups, unsigned tree, unsigned slot, const char *file,
	const char *text)
{
	char path[700];
	slot_path(groups, tree, slot, file, path);
	return fs_poke(path, text);
}

static int slot_open(
	const struct cgroups *groups, unsigned tree, unsigned slot, const char *file, int flags)
{
	char path[700];
	slot_path(groups, tree, slot, file, path);
	return open(path, flags | O_CLOEXEC);
}

static int limit_set(const struct cgroups *groups, unsigned slot, const struct jail_limits *limits,
	struct fault *f)
{
	bool two = groups->version == 2;
	char text[64];
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)limits->memory);
	if (slot_poke(groups, 0, slot, two ? "memory.max" : "memory.limit_in_bytes", text) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "memory limit %s", text);
	/* No swap, where swapping exists at all. */
	if (two) {
		(void)slot_poke(groups, 0, slot, "memory.swap.max", "0");
		(void)slot_poke(groups, 0, slot, "memory.oom.group", limits->together ? "1" : "0");
	} else {
		(void)slot_poke(groups, 0, slot, "memory.memsw.limit_in_bytes", text);
		(void)slot_poke(groups, 0, slot, "memory.swappiness", "0");
	}
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)limits->pids);
	if (slot_poke(groups, two ? 0 : 1, slot, "pids.max", text) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "pids limit %s", text);
	/* A build or fetch gets half of what a call gets where both want the cpu. */
	if (limits->together)
		(void)slot_poke(groups, two ? 0 : 2, slot, two ? "cpu.weight" : "cpu.shares",
			two ? "50" : "512");
	if (limits->cpu_percent == 0)
		return 0;
	(void)snprintf(text, sizeof(text), two ? "%llu 100000" : "%llu",
		(unsigned long long)limits->cpu_percent * 1000);
	if (slot_poke(groups, two ? 0 : 2, slot, two ? "cpu.max" : "cpu.cfs_quota_us", text) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "cpu limit %s", text);
	return 0;
}

int cgroup_make(const struct cgroups *groups, unsigned slot, const struct jail_limits *limits,
	const struct cgroup_files *files, struct fault *f)
{
	const bool two = groups->version == 2;
	char path[700];
	for (unsigned i = 0; i < groups->trees; i++) {
		slot_path(groups, i, slot, "", path);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return fault_set(f, FAULT_PLATFORM, errno, "mkdir %s", path);
	}
	if (limit_set(groups, slot, limits, f) < 0)
		return -1;
	for (unsigned i = 0; i < groups->trees; i++) {
		/* v1: "tasks" moves one thread and is far cheaper than "cgroup.procs", which takes
		 * a global lock. */
		files->enter[i] = two ? slot_open(groups, i, slot, "", O_RDONLY | O_DIRECTORY)
				      : slot_open(groups, i, slot, "tasks", O_WRONLY);
		if (files->enter[i] < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "open group of slot %u", slot);
	}
	*files->oom =
		slot_open(groups, 0, slot, two ? "memory.events" : "memory.oom_control", O_RDONLY);
	*files->usage = slot_open(
		groups, 0, slot, two ? "memory.current" : "memory.usage_in_bytes", O_RDONLY);
	*files->idle = slot_open(groups, two ? 0 : 2, slot, "cpu.idle", O_WRONLY);
	if (*files->oom < 0 || *files->usage < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "open memory events of slot %u", slot);
	return 0;
}

int cgroup_enter(const struct cgroups *groups, const int fd[CGROUP_TREES])
{
	if (groups->version != 1)
		return 0;
	for (unsigned i = 0; i < groups->trees; i++) {
		if (write(fd[i], "0", 1) != 1)
			return -1;
	}
	return 0;
}

static void group_kill(const struct cgroups *groups, unsigned tree, unsigned slot)
{
	char path[700];
	if (groups->version == 2 && slot_poke(groups, tree, slot, "cgroup.kill", "1") == 0)
		return;
	slot_path(groups, tree, slot, "cgroup.procs", path);
	defer_free char *pids = fs_read(path, 1 << 20, NULL, NULL);
	char *save = NULL;
	for (char *pid = pids != NULL ? strtok_r(pids, "\n", &save) : NULL; pid != NULL;
		pid = strtok_r(NULL, "\n", &save)) {
		long n = strtol(pid, NULL, 10);
		if (n > 1)
			(void)kill((pid_t)n, SIGKILL);
	}
}

int cgroup_unmake(const struct cgroups *groups, unsigned slot, struct fault *f)
{
	const uint64_t until = clock_mono_ns() + 5000000000U;
	for (unsigned i = 0; i < groups->trees; i++) {
		char path[700];
		slot_path(groups, i, slot, "", path);
		while (rmdir(path) < 0 && errno != ENOENT) {
			/* EBUSY: a process is still ending. There is no event to wait for in v1. */
			if (errno != EBUSY || clock_mono_ns() > until)
				return fault_set(f, FAULT_PLATFORM, errno, "rmdir %s", path);
			group_kill(groups, i, slot);
			(void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
		}
	}
	return 0;
}

unsigned long cgroup_oom_kills(int oom)
{
	char text[1024];
	ssize_t n = pread(oom, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	const char *at = strstr(text, "oom_kill ");
	return at != NULL ? strtoul(at + strlen("oom_kill "), NULL, 10) : 0;
}

void cgroup_idle(int idle, bool on)
{
	if (idle >= 0)
		(void)!write(idle, on ? "1" : "0", 1);
}

uint64_t cgroup_usage(int usage)
{
	char text[32];
	ssize_t n = pread(usage, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return UINT64_MAX;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

int cgroup_save(const struct cgroups *groups, const char *path, struct fault *f)
{
	defer_buf struct buf text = {0};
	buf_printf(&text, "%d\n", groups->version);
	for (unsigned i = 0; i < groups->trees; i++)
		buf_printf(&text, "%s\n", groups->parent[i]);
	buf_printf(&text, "%s\n", groups->home);
	return fs_write(path, text.data, text.len, 0600, f);
}

int cgroup_load(struct cgroups *groups, const char *path)
{
	*groups = (struct cgroups){0};
	defer_free char *text = fs_read(path, 8192, NULL, NULL);
	char *save = NULL;
	char *line = text != NULL ? strtok_r(text, "\n", &save) : NULL;
	if (line == NULL)
		return -1;
	groups->version = line[0] - '0';
	groups->trees = groups->version == 2 ? 1 : groups->version == 1 ? CGROUP_TREES : 0;
	for (unsigned i = 0; i < groups->trees; i++) {
		line = strtok_r(NULL, "\n", &save);
		if (line == NULL || line[0] != '/') {
			groups->version = 0;
			return -1;
		}
		(void)snprintf(groups->parent[i], sizeof(groups->parent[i]), "%s", line);
	}
	line = strtok_r(NULL, "\n", &save);
	(void)snprintf(groups->home, sizeof(groups->home), "%s", line != NULL ? line : "");
	return 0;
}

void cgroup_clear(const struct cgroups *groups)
{
	for (unsigned i = 0; i < groups->trees; i++) {
		defer_closedir DIR *dir = opendir(groups->parent[i]);
		for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL;
			e = readdir(dir)) {
			if (strncmp(e->d_name, "slot", 4) == 0)
				(void)cgroup_unmake(
					groups, (unsigned)strtoul(e->d_name + 4, NULL, 10), NULL);
		}
		if (groups->home[0] != '\0')
			(void)rmdir(groups->home);
		(void)rmdir(groups->parent[i]);
	}
}

unsigned cgroup_count(const struct cgroups *groups)
{
	unsigned count = 0;
	for (unsigned i = 0; i < groups->trees; i++) {
		defer_closedir DIR *dir = opendir(groups->parent[i]);
		for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL;
			e = readdir(dir))
			count += strncmp(e->d_name, "slot", 4) == 0;
	}
	return count;
}

void cgroup_finish(struct cgroups *groups)
{
	for (unsigned i = 0; i < groups->trees; i++) {
		if (groups->version == 2)
			v2_unmake(groups);
		else
			(void)rmdir(groups->parent[i]);
	}
}
