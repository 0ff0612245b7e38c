#pragma once

/*
 * zfs: the command, one argument list for each thing that is asked of it. The lists are made by
 * pure functions, which refuse names that do not lie where they must (dataset.h); zfs_run is the
 * only place that starts it.
 */

#include "storage/storage.h"

#define ZFS_SLOTS "slots" /* below our root, what all clones of slots lie in */
enum { ZFS_WORDS = 24, ZFS_TEXT = 2048 };

/* An argument list; its texts lie in it. */
struct zfs_words {
	char *argv[ZFS_WORDS + 1]; /* argv[0] is the command's path */
	unsigned count, used;
	char text[ZFS_TEXT];
	bool refused; /* a name did not lie where it must; zfs_run says so and runs nothing */
};

/* Looks only: any name. */
void zfs_children(const struct storage *s, struct zfs_words *w, const char *name);
void zfs_snapshots(const struct storage *s, struct zfs_words *w, const char *name);
void zfs_get(
	const struct storage *s, struct zfs_words *w, const char *properties, const char *name);
/* Our root: zfs_dataset/INSTANCE, and only that. */
void zfs_create_root(const struct storage *s, struct zfs_words *w);
void zfs_set_root(
	const struct storage *s, struct zfs_words *w, const char *property, const char *value);
/* Strictly below our root, or the root itself. */
void zfs_mount(const struct storage *s, struct zfs_words *w, const char *name);
/* Strictly below our root. */
void zfs_create(const struct storage *s, struct zfs_words *w, const char *name);
void zfs_snapshot(const struct storage *s, struct zfs_words *w, const char *snapshot);
void zfs_rollback(const struct storage *s, struct zfs_words *w, const char *snapshot);
void zfs_clone(const struct storage *s, struct zfs_words *w, const char *snapshot, const char *name,
	uint64_t writable);
/* One file system without anything in it, or one snapshot. */
void zfs_destroy(const struct storage *s, struct zfs_words *w, const char *name);
/* A file system with its snapshots and all that is in it; never a snapshot. The root itself only
 * with `root`. */
void zfs_destroy_all(const struct storage *s, struct zfs_words *w, const char *name, bool root);

/* Runs it; what it wrote goes to *out (may be NULL). */
int zfs_run(const struct storage *s, const struct zfs_words *w, struct buf *out, struct fault *f);
/* Tries again while something has not let go of it yet, for two seconds or one. */
enum { ZFS_TRIES = 40, ZFS_TRIES_FEW = 20 };
int zfs_patiently(
	const struct storage *s, const struct zfs_words *w, unsigned tries, struct fault *f);
/* Whether that is why it failed: it is not there. */
bool zfs_is_missing(const struct fault *f);
/* Each line of a list; the text is changed. */
char *zfs_next_line(char **at);
/* A file system below our root need not be mounted: pools are imported without, too. */
int zfs_keep_mounted(const struct storage *s, const char *name, struct fault *f);
/* What zfs(8) said as a fault with what to do about it. */
int zfs_fault(const struct storage *s, const char *name, const char *said, struct fault *f);

/* The operations of storage.h. */
int zfs_open(struct storage *s, struct fault *f);
void zfs_report(struct storage *s, struct buf *report);
int zfs_sweep(struct storage *s, struct fault *f);
int zfs_remove(struct storage *s, struct fault *f);
int zfs_base_word(struct storage *s, const char *base, char word[STORAGE_WORD], struct fault *f);
int zfs_base_begin(struct storage *s, const char *base, char **path, struct fault *f);
int zfs_base_mark(struct storage *s, const char *base, const char *word, struct fault *f);
void zfs_base_undo(struct storage *s, const char *base);
int zfs_bases_drop(struct storage *s, const char *prefix, const char *but, struct fault *f);
int zfs_slot_clone(const struct storage *s, unsigned slot, const char *base, uint64_t writable,
	struct fault *f);
int zfs_slot_unclone(const struct storage *s, unsigned slot, struct fault *f);
