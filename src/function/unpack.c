#include "function/unpack.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRIES_MAX = 100000 };

static bool name_is_safe(const char *name)
{
	if (name == NULL || name[0] == '\0' || name[0] == '/')
		return false;
	for (const char *at = name; at != NULL;
		at = strchr(at, '/'), at = at != NULL ? at + 1 : NULL) {
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
			return false;
	}
	return true;
}

static int file_write(struct archive *in, const char *path, uint64_t *left, struct fault *f)
{
	defer_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "create %s", path);
	for (;;) {
		char chunk[65536];
		la_ssize_t n = archive_read_data(in, chunk, sizeof(chunk));
		if (n == 0)
			return 0;
		if (n < 0)
			return fault_set(f, FAULT_PLATFORM, 0, "read the source's archive: %s",
				archive_error_string(in));
		if ((uint64_t)n > *left)
			return fault_code(f, FAULT_FUNCTION, "source_too_large",
				"the source and what it needs are larger than allowed");
		*left -= (uint64_t)n;
		if (fs_write_fd(fd, chunk, (size_t)n, f) < 0)
			return -1;
	}
}

static int entry_write(struct archive *in, struct archive_entry *entry, const char *to,
	uint64_t *left, struct fault *f)
{
	const char *name = archive_entry_pathname(entry);
	const unsigned type = (unsigned)archive_entry_filetype(entry);
	if (!name_is_safe(name) || archive_entry_hardlink(entry) != NULL ||
		(type != AE_IFREG && type != AE_IFDIR))
		return fault_set(f, FAULT_PLATFORM, 0,
			"the source's archive has an entry that is no plain file: %.200s", name);
	defer_free char *path = mem_printf("%s/%s", to, name);
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	if (type == AE_IFDIR)
		return fs_mkdirs(path, 0755, f);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	if (fs_mkdirs(path, 0755, f) < 0)
		return -1;
	*slash = '/';
	return file_write(in, path, left, f);
}

static int entries_write(struct archive *in, const char *to, uint64_t bytes_max, struct fault *f)
{
	struct archive_entry *entry;
	int status;
	unsigned entries = 0;
	while ((status = archive_read_next_header(in, &entry)) == ARCHIVE_OK) {
		if (++entries > ENTRIES_MAX)
			return fault_code(f, FAULT_FUNCTION, "source_too_large",
				"the source has more than %d files", ENTRIES_MAX);
		if (entry_write(in, entry, to, &bytes_max, f) < 0)
			return -1;
	}
	if (status != ARCHIVE_EOF)
		return fault_set(f, FAULT_PLATFORM, 0, "read the source's archive: %s",
			archive_error_string(in));
	return 0;
}

int unpack_tar(int fd, const char *to, uint64_t bytes_max, struct fault *f)
{
	struct archive *in = archive_read_new();
	if (in == NULL)
		return fault_set(f, FAULT_PLATFORM, ENOMEM, "libarchive");
	(void)archive_read_support_format_tar(in);
	int done = -1;
	if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_open_fd(in, fd, 65536) != ARCHIVE_OK)
		(void)fault_set(f, FAULT_PLATFORM, 0, "read the source's archive: %s",
			archive_error_string(in));
	else if (mkdir(to, 0755) < 0)
		(void)fault_set(f, FAULT_PLATFORM, errno, "mkdir %s", to);
	else
		done = entries_write(in, to, bytes_max, f);
	(void)archive_read_free(in);
	if (done < 0)
		(void)fs_remove_all(to, NULL);
	return done;
}
