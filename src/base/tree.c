#include "base/tree.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEP_MAX = 64 };

typedef int entry_fn(
	void *ctx, const char *path, const char *name, const struct stat *st, struct fault *f);

static int not_dot(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

/* Every entry below `dir`, in the order of names, a directory before what is in it. `skip` is the
 * length of the root's own path. */
static int walk(
	const char *dir, size_t skip, unsigned deep, entry_fn *each, void *ctx, struct fault *f)
{
	struct dirent **names = NULL;
	int count = scandir(dir, &names, not_dot, alphasort);
	int did = 0;
	if (count < 0 || deep > DEEP_MAX)
		did = fault_set(f, FAULT_PLATFORM, count < 0 ? errno : ELOOP, "read %s", dir);
	for (int i = 0; i < count; i++) {
		struct stat st;
		defer_free char *path = mem_printf("%s/%s", dir, names[i]->d_name);
		if (did == 0 && lstat(path, &st) < 0)
			did = fault_set(f, FAULT_PLATFORM, errno, "stat %s", path);
		if (did == 0)
			did = each(ctx, path, path + skip, &st, f);
		if (did == 0 && S_ISDIR(st.st_mode))
			did = walk(path, skip, deep + 1, each, ctx, f);
		free(names[i]);
	}
	free(names);
	return did;
}

static int link_read(const char *path, char target[PATH_MAX], struct fault *f)
{
	ssize_t len = readlink(path, target, PATH_MAX - 1);
	if (len < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "read the link %s", path);
	target[len] = '\0';
	return 0;
}

static int entry_copy(
	void *ctx, const char *path, const char *name, const struct stat *st, struct fault *f)
{
	char target[PATH_MAX];
	defer_free char *to = mem_printf("%s%s", (const char *)ctx, name);
	if (S_ISREG(st->st_mode))
		return fs_copy(path, to, st->st_mode & 07777, f);
	if (S_ISDIR(st->st_mode))
		return mkdir(to, 0700) < 0 || chmod(to, st->st_mode & 07777) < 0
			       ? fault_set(f, FAULT_PLATFORM, errno, "mkdir %s", to)
			       : 0;
	if (!S_ISLNK(st->st_mode))
		return fault_set(f, FAULT_PLATFORM, 0, "%s is no file, directory or link", path);
	if (link_read(path, target, f) < 0)
		return -1;
	return symlink(target, to) < 0 ? fault_set(f, FAULT_PLATFORM, errno, "link %s", to) : 0;
}

int tree_copy(const char *from, const char *to, struct fault *f)
{
	return walk(from, strlen(from), 0, entry_copy, (void *)(uintptr_t)to, f);
}
