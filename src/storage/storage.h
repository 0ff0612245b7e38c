#pragma once

/*
 * storage: where the roots of jails live. A *base* is a tree that jails share the content of; each
 * slot gets a *clone* of it. Three kinds, filesystem.type:
 *
 *   zfs      bases are datasets, their good states snapshots, clones ZFS's own; slow (some tenths
 *            of a second), so helpers make them ahead of demand
 *   overlay  a base is a directory of the state, which all jails bind read-only; what a build
 *            writes over the shared build cache is an overlay's upper layer
 *   plain    the same without overlay: a build gets a copy of the cache
 *
 * A base is changed between `begin` and `mark`; until the mark stands its last good state is the
 * one before, and `undo`, or the next `begin` after a kill, goes back to it. A mark has a word that
 * says what state that is; `word` tells it.
 *
 * With zfs everything lies in one dataset, zfs_dataset/INSTANCE, which a property of it says is
 * this state directory's; nothing outside of it is ever changed or destroyed (dataset.h).
 * Faults: FAULT_INPUT (dataset missing or another's), FAULT_FULL, FAULT_BUSY, FAULT_NOT_FOUND (no
 * such snapshot), else FAULT_PLATFORM. Everything here may take seconds: for steps at start and
 * helpers.
 */

#include "base/buf.h"
#include "base/fault.h"
#include "storage/dataset.h"

#include <stdbool.h>
#include <stdint.h>

enum storage_type { STORAGE_PLAIN, STORAGE_OVERLAY, STORAGE_ZFS };
enum { STORAGE_BASES = 4, STORAGE_WORD = 64 };

struct storage {
	enum storage_type type;
	const char *state;      /* the state directory */
	const char *dataset;    /* zfs: filesystem.zfs_dataset */
	char root[DATASET_MAX]; /* zfs: all that is ours */
	char *mount;            /* zfs: where that is mounted */
	char *program;          /* zfs: the command's path */
	bool compression;
	bool clones_stay;          /* storage_unclone does nothing: there are none, or they may */
	bool left;                 /* some did */
	uint64_t quota;            /* bytes of all that is ours; 0: no limit */
	char system[STORAGE_WORD]; /* FreeBSD: the one base of its jails, a whole system */
	struct storage_base {
		char name[STORAGE_WORD], snapshot[DATASET_MAX];
	} bases[STORAGE_BASES]; /* zfs: what clones are made of, as last looked at */
};

/* Fills it; strings are borrowed, `jails` (NULL: state/jails) is where clones are mounted.
 * FAULT_INPUT: the names do not fit. */
int storage_init(struct storage *s, enum storage_type type, const char *state, const char *instance,
	const char *dataset, const char *jails, struct fault *f);
void storage_finish(struct storage *s);

/* What is ours is there, made where it is not, and no clone of an earlier run is. Idempotent. */
int storage_open(struct storage *s, struct fault *f);
/* Appends a line for `doctor`, "ok|warn|fail\tstorage\twhat\n"; changes nothing. Clones can be made
 * then. */
void storage_report(struct storage *s, struct buf *report);
/* Removes the clones of all slots at once; where it did it sets `clones_stay`, which who called
 * resets before one is to be removed again. */
void storage_sweep(struct storage *s);
/* Sets it too, for who has no time: clones stay until their slots' next ones take their places, or
 * all are swept. */
void storage_leave(struct storage *s);
/* Removes all that is ours, for `destroy`; what is not ours, or not there, is left. */
int storage_remove(struct storage *s, struct fault *f);

/* The word of a base's last good state: "" where it has none. */
int storage_base_word(
	struct storage *s, const char *base, char word[STORAGE_WORD], struct fault *f);
/* The base as in its last good state, or empty; *path (the caller frees) is where it may be
 * changed. */
int storage_base_begin(struct storage *s, const char *base, char **path, struct fault *f);
/* What is there now is its last good state. */
int storage_base_mark(struct storage *s, const char *base, const char *word, struct fault *f);
/* Back to the last good state; a base without one goes. */
void storage_base_undo(struct storage *s, const char *base);
/* Removes other bases whose names begin so. */
int storage_bases_drop(struct storage *s, const char *prefix, const char *but, struct fault *f);

/* Makes `base` the same as the tree `from`, which `digest` is of, for platforms that make their
 * roots by themselves; does nothing where they are used as they stand (not zfs), or where it is so
 * already. */
int storage_base_copy(
	struct storage *s, const char *base, const char *from, const char *digest, struct fault *f);

/* A clone for a slot; one that an earlier jail of the slot has left goes first. `writable`: bytes
 * that the jail may write to it; 0: none, it is read-only. Does nothing where bases are shared. */
int storage_clone(const struct storage *s, unsigned slot, const char *base, uint64_t writable,
	struct fault *f);
/* Removes it, trying for some seconds while it is busy. One that still is stays, which is logged; the
 * slot's next clone, or the next start, tries again. */
void storage_unclone(const struct storage *s, unsigned slot);
/* Where the root of a slot's jail is. */
void storage_path(const struct storage *s, unsigned slot, const char *base, char *out, size_t size);
