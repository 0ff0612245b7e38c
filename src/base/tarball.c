#include "base/tarball.h"

#include "base/buf.h"
#include "base/defer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, ENTRIES_MAX = 1000000 };

int tarball_sha256(int fd, char digest[TARBALL_SHA256], struct fault *f)
{
	crypto_hash_sha256_state state;
	unsigned char hash[crypto_hash_sha256_BYTES];
	defer_free unsigned char *chunk = mem_alloc(CHUNK);
	off_t at = 0;
	(void)crypto_hash_sha256_init(&state);
	for (ssize_t n; (n = pread(fd, chunk, CHUNK, at)) != 0; at += n) {
		if (n < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "read");
		(void)crypto_hash_sha256_update(&state, chunk, (unsigned long long)n);
	}
	(void)crypto_hash_sha256_final(&state, hash);
	(void)sodium_bin2hex(digest, TARBALL_SHA256, hash, sizeof(hash));
	return 0;
}

static bool is_inside(const char *name)
{
	if (name == NULL || name[0] == '\0' || name[0] == '/')
		return false;
	for (const char *at = name; at != NULL; at = strchr(at, '/')) {
		at += at[0] == '/';
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
			return false;
	}
	return true;
}

static bool is_allowed(struct archive_entry *entry)
{
	const char *link = archive_entry_hardlink(entry);
	const unsigned type = (unsigned)archive_entry_filetype(entry);
	if (!is_inside(archive_entry_pathname(entry)))
		return false;
	return link != NULL ? is_inside(link)
			    : type == AE_IFREG || type == AE_IFDIR || type == AE_IFLNK;
}

static int damaged(const char *name, struct archive *in, struct fault *f)
{
	return fault_set(f, FAULT_PLATFORM, 0, "%s is cut short or damaged: %s", name,
		archive_error_string(in) != NULL ? archive_error_string(in) : "no archive");
}

static int unwritten(const char *name, struct archive *out, struct fault *f)
{
	return fault_set(f, FAULT_PLATFORM, archive_errno(out) == ENOSPC ? ENOSPC : 0,
		"unpack %s: %s", name,
		archive_error_string(out) != NULL ? archive_error_string(out) : "");
}

static int content_copy(
	struct archive *in, struct archive *out, const char *name, uint64_t *left, struct fault *f)
{
	const void *block;
	size_t size;
	la_int64_t at;
	for (;;) {
		int got = archive_read_data_block(in, &block, &size, &at);
		if (got == ARCHIVE_EOF)
			return 0;
		if (got < ARCHIVE_WARN)
			return damaged(name, in, f);
		if (size > *left)
			return fault_set(
				f, FAULT_PLATFORM, 0, "%s unpacks to more than is allowed", name);
		*left -= size;
		if (archive_write_data_block(out, block, size, at) < ARCHIVE_OK)
			return unwritten(name, out, f);
	}
}

static int entries_copy(
	struct archive *in, struct archive *out, const char *name, uint64_t left, struct fault *f)
{
	struct archive_entry *entry;
	int got;
	unsigned entries = 0;
	while ((got = archive_read_next_header(in, &entry)) >= ARCHIVE_WARN) {
		if (got == ARCHIVE_EOF)
			break;
		if (!is_allowed(entry) || ++entries > ENTRIES_MAX)
			return fault_set(f, FAULT_PLATFORM, 0,
				"%s has an entry that leads outside, is a device, or is one too "
				"many: %.200s",
				name, archive_entry_pathname(entry));
		if (archive_write_header(out, entry) < ARCHIVE_OK)
			return unwritten(name, out, f);
		if (archive_entry_size(entry) > 0 && content_copy(in, out, name, &left, f) < 0)
			return -1;
		if (archive_write_finish_entry(out) < ARCHIVE_WARN)
			return unwritten(name, out, f);
	}
	if (got != ARCHIVE_EOF || entries == 0)
		return damaged(name, in, f);
	return archive_write_close(out) < ARCHIVE_WARN ? unwritten(name, out, f) : 0;
}

/* libarchive writes below the working directory, by relative names only. */
static int unpack_here(int fd, const char *name, uint64_t bytes_max, struct fault *f)
{
	const int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
			  ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
			  ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS |
			  (geteuid() == 0 ? ARCHIVE_EXTRACT_OWNER : 0);
	struct archive *in = archive_read_new();
	struct archive *out = archive_write_disk_new();
	int did = -1;
	if (in == NULL || out == NULL) {
		(void)fault_set(f, FAULT_PLATFORM, ENOMEM, "libarchive");
	} else {
		(void)archive_read_support_format_tar(in);
		(void)archive_read_support_filter_all(in);
		(void)archive_write_disk_set_options(out, flags);
		did = lseek(fd, 0, SEEK_SET) < 0 ||
				      archive_read_open_fd(in, fd, CHUNK) != ARCHIVE_OK
			      ? damaged(name, in, f)
			      : entries_copy(in, out, name, bytes_max, f);
	}
	(void)archive_write_free(out);
	(void)archive_read_free(in);
	return did;
}

int tarball_unpack(int fd, const char *name, const char *to, uint64_t bytes_max, struct fault *f)
{
	defer_close int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (chdir(to) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "enter %s", to);
	int did = unpack_here(fd, name, bytes_max, f);
	if (here < 0 || fchdir(here) < 0)
		(void)!chdir("/");
	return did;
}
