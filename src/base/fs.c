#include "base/fs.h"

#include "base/buf.h"
#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

char *fs_read_fd(int fd, size_t max, size_t *len, struct fault *f)
{
	struct buf text = {0};
	for (;;) {
		char *to = buf_reserve(&text, 16384);
		ssize_t n = read(fd, to, 16384);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			(void)fault_set(f, FAULT_PLATFORM, errno, "read");
			buf_finish(&text);
			return NULL;
		}
		if (n == 0)
			break;
		text.len += (size_t)n;
		text.data[text.len] = '\0';
		if (text.len > max) {
			(void)fault_set(f, FAULT_TOO_LARGE, 0, "more than %zu bytes", max);
			buf_finish(&text);
			return NULL;
		}
	}
	if (len != NULL)
		*len = text.len;
	return text.data;
}

char *fs_read(const char *path, size_t max, size_t *len, struct fault *f)
{
	defer_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		(void)fault_set(f, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_PLATFORM, errno,
			"open %s", path);
		return NULL;
	}
	char *text = fs_read_fd(fd, max, len, f);
	if (text == NULL)
		(void)fault_wrap(f, "%s", path);
	return text;
}

int fs_write_fd(int fd, const void *data, size_t len, struct fault *f)
{
	const char *from = data;
	while (len > 0) {
		ssize_t n = write(fd, from, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "write");
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int fs_write(const char *path, const void *data, size_t len, mode_t mode, struct fault *f)
{
	defer_free char *part = mem_printf("%s.part", path);
	(void)unlink(part);
	defer_close int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "create %s", part);
	if (fs_write_fd(fd, data, len, f) < 0 || fchmod(fd, mode) < 0 || rename(part, path) < 0) {
		if (f != NULL && f->kind == FAULT_NONE)
			(void)fault_set(f, FAULT_PLATFORM, errno, "rename");
		(void)unlink(part);
		return fault_wrap(f, "%s", path);
	}
	return 0;
}

int fs_keep(const char *path, const void *data, size_t len, mode_t mode, struct fault *f)
{
	struct stat st;
	size_t there_len = 0;
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == mode &&
		(size_t)st.st_size == len) {
		defer_free char *there = fs_read(path, len, &there_len, NULL);
		if (there != NULL && there_len == len && memcmp(there, data, len) == 0)
			return 0;
	}
	return fs_write(path, data, len, mode, f);
}

int fs_mkdirs(const char *path, mode_t mode, struct fault *f)
{
	defer_free char *copy = mem_strdup(path);
	for (char *p = copy + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char kept = *p;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return fault_set(f, FAULT_PLATFORM, errno, "mkdir %s", copy);
		*p = kept;
		if (kept == '\0')
			return 0;
	}
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_DP || type == FTW_DNR)
		return rmdir(path);
	return unlink(path);
}

/* A directory without its owner's write bit (as Go leaves in its module cache) cannot be emptied.
 */
static int open_up(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if ((type == FTW_D || type == FTW_DNR) && (st->st_mode & 0700) != 0700)
		(void)chmod(path, st->st_mode | 0700);
	return 0;
}

int fs_remove_all(const char *path, struct fault *f)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fault_set(f, FAULT_PLATFORM, errno, "stat %s", path);
	(void)nftw(path, open_up, 32, FTW_PHYS | FTW_MOUNT);
	if (nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
		return fault_set(f, FAULT_PLATFORM, errno, "remove %s", path);
	return 0;
}

int fs_empty(const char *path, struct fault *f)
{
	defer_closedir DIR *dir = opendir(path);
	if (dir == NULL)
		return fault_set(f, FAULT_PLATFORM, errno, "open %s", path);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		defer_free char *entry = mem_printf("%s/%s", path, e->d_name);
		if (fs_remove_all(entry, f) < 0)
			return -1;
	}
	return 0;
}

int fs_copy(const char *from, const char *to, mode_t mode, struct fault *f)
{
	size_t len = 0;
	defer_free char *data = fs_read(from, (size_t)1 << 30, &len, f);
	if (data == NULL)
		return -1;
	return fs_keep(to, data, len, mode, f);
}

static uid_t chown_uid;
static gid_t chown_gid;

static int chown_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return lchown(path, chown_uid, chown_gid);
}

int fs_chown_all(const char *path, uid_t uid, gid_t gid, struct fault *f)
{
	chown_uid = uid;
	chown_gid = gid;
	if (nftw(path, chown_entry, 32, FTW_PHYS | FTW_MOUNT) != 0)
		return fault_set(f, FAULT_PLATFORM, errno, "chown %s", path);
	return 0;
}

int fs_poke(const char *path, const char *text)
{
	defer_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t len = strlen(text);
	return write(fd, text, len) == (ssize_t)len ? 0 : -1;
}
