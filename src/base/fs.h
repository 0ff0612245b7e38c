#pragma once

/*
 * fs: files and directories, whole and by descriptor. Every descriptor is O_CLOEXEC. Paths are
 * borrowed. Errors: 0 or -1 (NULL) with the fault set to FAULT_PLATFORM (FAULT_FULL on a full disk)
 * and the path named.
 */

#include "base/fault.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Everything in fd, NUL-terminated, at most max bytes (else FAULT_TOO_LARGE). The caller frees.
 * *len (may be NULL) is the length without the NUL. */
char *fs_read_fd(int fd, size_t max, size_t *len, struct fault *f);
/* The same of a path; a missing file is FAULT_NOT_FOUND. */
char *fs_read(const char *path, size_t max, size_t *len, struct fault *f);
/* Writes all of it; retries after EINTR and short writes. */
int fs_write_fd(int fd, const void *data, size_t len, struct fault *f);
/* Writes path.part and renames it over: whole or not at all. One process at a time may write a path;
 * what one leaves that is killed there, the next takes away. */
int fs_write(const char *path, const void *data, size_t len, mode_t mode, struct fault *f);
/* fs_write where path does not hold just that already: what is so needs no room again. */
int fs_keep(const char *path, const void *data, size_t len, mode_t mode, struct fault *f);
/* mkdir -p. Existing directories are left as they are. */
int fs_mkdirs(const char *path, mode_t mode, struct fault *f);
/* rm -rf of one directory entry, never following links nor leaving the file system; a missing one
 * is fine. */
int fs_remove_all(const char *path, struct fault *f);
/* Removes all that is in a directory, and leaves it. */
int fs_empty(const char *path, struct fault *f);
/* Copies a file whole, where `to` is no such copy already. */
int fs_copy(const char *from, const char *to, mode_t mode, struct fault *f);
/* chown -R, links themselves included. */
int fs_chown_all(const char *path, uid_t uid, gid_t gid, struct fault *f);
/* Writes a short text to an existing file, as /proc and /sys want it: one write(2). -1 and errno,
 * no fault. */
int fs_poke(const char *path, const char *text);
