#include "base/remove.h"

#include "base/defer.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void keep(struct remove_job *job, int error)
{
	job->kept++;
	if (job->tell != NULL)
		job->tell(job->path.data, error == EXDEV || error == EBUSY
						  ? "something is mounted there"
						  : strerror(error));
}

/* All that is in it; -1 and errno where it cannot be looked into. */
static int directory_empty(struct remove_job *job, int dir, const char *name)
{
	int fd = os_directory_open(dir, name);
	struct stat st;
	if (fd >= 0 && !job->only_count && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)fchmod(fd, 0700); /* as Go leaves them in its module cache */
	defer_closedir DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
	if (entries == NULL) {
		int error = errno;
		if (fd >= 0)
			(void)close(fd);
		errno = error;
		return -1;
	}
	for (struct dirent *e; (e = readdir(entries)) != NULL;) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_entry(job, dirfd(entries), e->d_name);
	}
	return 0;
}

/* Whether it is gone, or is to stay; false and errno. */
static bool entry_remove(struct remove_job *job, int dir, const char *name, bool is_directory)
{
	const unsigned kept = job->kept;
	if (is_directory && directory_empty(job, dir, name) < 0)
		return false;
	return job->only_count || job->kept != kept ||
	       unlinkat(dir, name, is_directory ? AT_REMOVEDIR : 0) == 0;
}

void remove_entry(struct remove_job *job, int dir, const char *name)
{
	struct stat st;
	const size_t len = job->path.len;
	const unsigned kept = job->kept;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		st = (struct stat){0}; /* removing it says what is wrong */
	buf_printf(&job->path, "/%s", name);
	if (!entry_remove(job, dir, name, S_ISDIR(st.st_mode)) && errno != ENOENT)
		keep(job, errno);
	else if (job->kept == kept)
		job->bytes += (uint64_t)st.st_blocks * 512;
	job->path.len = len;
	job->path.data[len] = '\0';
}
