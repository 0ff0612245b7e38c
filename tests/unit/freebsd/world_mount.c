/* Mounts as nmount(2), nullfs(5), devfs(5) and tmpfs(5) have them. Directories are real, and what
 * would be seen through a mount is not. */

#include "world.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *text_of(const struct world_pair *pairs, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(pairs[i].name, name) == 0 && world_is_text(&pairs[i], PATH_MAX))
			return pairs[i].value;
	}
	return NULL;
}

static bool is_below(const char *path, const char *root)
{
	const size_t len = strlen(root);
	return strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static struct world_mount *newest_at(const char *path)
{
	struct world_mount *best = NULL;
	for (int i = 0; i < WORLD_MOUNTS; i++) {
		struct world_mount *m = &world->mount[i];
		if (m->there && strcmp(m->at, path) == 0 && (best == NULL || m->age > best->age))
			best = m;
	}
	return best;
}

static const struct world_mount *covering(const char *path)
{
	const struct world_mount *best = NULL;
	for (int i = 0; i < WORLD_MOUNTS; i++) {
		const struct world_mount *m = &world->mount[i];
		if (m->there && is_below(path, m->at) &&
			(best == NULL || strlen(m->at) > strlen(best->at)))
			best = m;
	}
	return best;
}

/* What is below a nullfs is looked up where that comes from. */
static bool is_there(const char *path, bool is_directory)
{
	char real[2 * PATH_MAX];
	struct stat st;
	const struct world_mount *m = covering(path);
	(void)snprintf(real, sizeof(real), "%s", path);
	if (m != NULL && strcmp(m->type, "nullfs") == 0)
		(void)snprintf(real, sizeof(real), "%s%s", m->from, path + strlen(m->at));
	return stat(real, &st) == 0 && (!is_directory || S_ISDIR(st.st_mode));
}

static bool all_of(const char *text, const char *set)
{
	return text[0] != '\0' && text[strspn(text, set)] == '\0';
}

static bool option_fits(const char *type, const struct world_pair *pair)
{
	static const char digits[] = "0123456789";
	const char *text = pair->value;
	if (strcmp(pair->name, "errmsg") == 0)
		return true;
	if (!world_is_text(pair, PATH_MAX))
		return false;
	if (strcmp(pair->name, "fstype") == 0 || strcmp(pair->name, "fspath") == 0)
		return true;
	if (strcmp(type, "nullfs") == 0)
		return strcmp(pair->name, "from") == 0;
	if (strcmp(type, "devfs") == 0)
		return strcmp(pair->name, "ruleset") == 0 && all_of(text, digits) &&
		       atoi(text) <= 65535;
	if (strcmp(pair->name, "mode") == 0)
		return all_of(text, "01234567");
	return (strcmp(pair->name, "size") == 0 || strcmp(pair->name, "inodes") == 0 ||
		       strcmp(pair->name, "uid") == 0 || strcmp(pair->name, "gid") == 0) &&
	       all_of(text, digits);
}

static bool options_fit(const struct world_pair *pairs, int count, const char *type)
{
	if (strcmp(type, "nullfs") != 0 && strcmp(type, "devfs") != 0 && strcmp(type, "tmpfs") != 0)
		return false;
	for (int i = 0; i < count; i++) {
		if (option_fits(type, &pairs[i]))
			continue;
		world_why(pairs, count, "mount option <%s> is unknown", pairs[i].name);
		return false;
	}
	return true;
}

static void options_put(struct world_mount *m, const struct world_pair *pairs, int count)
{
	for (int i = 0; i < count; i++) {
		const size_t len = strlen(m->options);
		if (strcmp(pairs[i].name, "fstype") != 0 && strcmp(pairs[i].name, "fspath") != 0 &&
			strcmp(pairs[i].name, "from") != 0 && strcmp(pairs[i].name, "errmsg") != 0)
			(void)snprintf(m->options + len, sizeof(m->options) - len, " %s=%s",
				pairs[i].name, (const char *)pairs[i].value);
	}
}

/* 0 or an errno. */
static int mount_find_from(struct world_mount *m, const char *from)
{
	char real[PATH_MAX];
	if (strcmp(m->type, "nullfs") != 0)
		return 0;
	if (from == NULL)
		return EINVAL;
	if (realpath(from, real) == NULL)
		return errno;
	(void)snprintf(m->from, sizeof(m->from), "%.1000s", real);
	return 0;
}

int world_nmount(struct iovec *iov, unsigned count, int flags)
{
	struct world_pair pairs[64];
	struct world_mount made = {.there = true, .flags = flags};
	const int allowed =
		SYS_MNT_RDONLY | SYS_MNT_NOEXEC | SYS_MNT_NOSUID | SYS_MNT_IGNORE | SYS_MNT_NOATIME;
	if (!world_call("nmount"))
		return -1;
	const int got = world_pairs(iov, count, pairs);
	if (got < 0)
		return -1;
	const char *type = text_of(pairs, got, "fstype");
	const char *at = text_of(pairs, got, "fspath");
	if (type == NULL || at == NULL || (flags & ~allowed) != 0 || !options_fit(pairs, got, type))
		return world_refuse(EINVAL);
	if (world_self.uid != 0)
		return world_refuse(EPERM);
	(void)snprintf(made.type, sizeof(made.type), "%s", type);
	(void)snprintf(made.at, sizeof(made.at), "%s", at);
	options_put(&made, pairs, got);
	const int error = mount_find_from(&made, text_of(pairs, got, "from"));
	if (error != 0 || !is_there(at, strcmp(type, "nullfs") != 0))
		return world_refuse(error != 0 ? error : ENOENT);
	world_log("nmount %s%s%s at %s%s flags %x", type, made.from[0] != '\0' ? " " : "",
		made.from, made.at, made.options, (unsigned)flags);
	for (int i = 0; i < WORLD_MOUNTS; i++) {
		if (world->mount[i].there)
			continue;
		made.age = ++world->age;
		world->mount[i] = made;
		return 0;
	}
	return world_refuse(ENOMEM);
}

/* A jail has its root for as long as there is anything of it. */
static bool is_used(const struct world_mount *m)
{
	for (int i = 0; i < WORLD_JAILS; i++) {
		if (world->jail[i].jid != 0 && strcmp(world->jail[i].path, m->at) == 0)
			return true;
	}
	return false;
}

static bool has_below(const struct world_mount *m)
{
	for (int i = 0; i < WORLD_MOUNTS; i++) {
		if (&world->mount[i] != m && world->mount[i].there &&
			is_below(world->mount[i].at, m->at))
			return true;
	}
	return false;
}

int world_unmount(const char *path, int flags)
{
	if (!world_call("unmount"))
		return -1;
	struct world_mount *m = newest_at(path);
	if ((flags & ~SYS_MNT_FORCE) != 0 || m == NULL)
		return world_refuse(EINVAL);
	if (has_below(m))
		return world_refuse(EBUSY); /* whatever the flags */
	if ((flags & SYS_MNT_FORCE) == 0 && is_used(m))
		return world_refuse(EBUSY);
	if ((flags & SYS_MNT_FORCE) == 0 && world->busy > 0) {
		world->busy--;
		return world_refuse(EBUSY);
	}
	*m = (struct world_mount){0};
	return 0;
}

int world_mounts(void (*each)(void *ctx, const char *at), void *ctx)
{
	unsigned after = 0;
	if (!world_call("getfsstat"))
		return -1;
	for (;;) {
		const struct world_mount *next = NULL;
		for (int i = 0; i < WORLD_MOUNTS; i++) {
			const struct world_mount *m = &world->mount[i];
			if (m->there && m->age > after && (next == NULL || m->age < next->age))
				next = m;
		}
		if (next == NULL)
			return 0;
		after = next->age;
		each(ctx, next->at);
	}
}

bool world_is_mounted(const char *end)
{
	for (int i = 0; i < WORLD_MOUNTS; i++) {
		const struct world_mount *m = &world->mount[i];
		const size_t len = strlen(m->at);
		if (m->there && len >= strlen(end) && strcmp(m->at + len - strlen(end), end) == 0)
			return true;
	}
	return false;
}

int world_mkdir(const char *path, mode_t mode)
{
	return world_call("mkdir") ? mkdir(path, mode) : -1;
}

int world_rmdir(const char *path)
{
	if (!world_call("rmdir"))
		return -1;
	return newest_at(path) != NULL ? world_refuse(EBUSY) : rmdir(path);
}

/* Under an empty ruleset all devices are seen. */
int world_names(const char *path, void (*each)(void *ctx, const char *name), void *ctx)
{
	static const char *const devices[] = {
		"null", "zero", "full", "random", "urandom", "mem", "kmem", "bpf", "ada0"};
	if (!world_call("readdir"))
		return -1;
	const struct world_mount *m = newest_at(path);
	if (m == NULL || strcmp(m->type, "devfs") != 0)
		return world_refuse(ENOENT);
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		char rule[64];
		(void)snprintf(rule, sizeof(rule), " path %s unhide\n", devices[i]);
		if (strstr(world->devfs, " hide\n") == NULL || strstr(world->devfs, rule) != NULL)
			each(ctx, devices[i]);
	}
	return 0;
}
