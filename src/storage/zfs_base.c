/* Storage on ZFS: bases, and the clones of slots (zfs.c has the layout). */

#include "storage/zfs.h"

#include "base/defer.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bases ---- */

static struct storage_base *base_of(struct storage *s, const char *name)
{
	for (size_t i = 0; i < STORAGE_BASES; i++) {
		if (s->bases[i].name[0] == '\0')
			(void)snprintf(s->bases[i].name, STORAGE_WORD, "%s", name);
		if (strcmp(s->bases[i].name, name) == 0)
			return &s->bases[i];
	}
	return NULL;
}

struct marks {
	char *text; /* the list, cut into lines */
	size_t len;
	unsigned number; /* of the last good state; 0: there is none */
	const char *last;
};

/* "root/base@12-word" is 12. */
static unsigned mark_number(const char *snapshot, const char **word)
{
	const char *at = strchr(snapshot, '@');
	char *end = NULL;
	const unsigned long number = at != NULL ? strtoul(at + 1, &end, 10) : 0;
	if (number == 0 || number > 1000000000 || end == NULL || *end != '-' || end[1] == '\0')
		return 0;
	*word = end + 1;
	return (unsigned)number;
}

/* 0 with m->number 0 where the base has none; FAULT_NOT_FOUND where there is no base. */
static int marks_read(
	const struct storage *s, const char *dataset, struct marks *m, struct fault *f)
{
	struct zfs_words w;
	struct buf text = {0};
	memset(m, 0, sizeof(*m));
	zfs_snapshots(s, &w, dataset);
	if (zfs_run(s, &w, &text, f) < 0) {
		buf_finish(&text);
		return -1;
	}
	m->text = text.data;
	m->len = text.len;
	char *at = m->text;
	for (char *line; (line = zfs_next_line(&at)) != NULL;) {
		const char *word;
		const unsigned number = mark_number(line, &word);
		if (number > m->number) {
			m->number = number;
			m->last = line;
		}
	}
	return 0;
}

/* Those before the last; clones may hang on them. */
static void marks_prune(const struct storage *s, const struct marks *m, const char *kept)
{
	for (const char *line = m->text; line != NULL && line < m->text + m->len;
		line += strlen(line) + 1) {
		const char *word;
		struct zfs_words w;
		struct fault f = {0};
		if (strcmp(line, kept) == 0 || mark_number(line, &word) == 0)
			continue;
		zfs_destroy(s, &w, line);
		if (zfs_run(s, &w, NULL, &f) < 0 && f.kind != FAULT_BUSY)
			log_warn("%s stays: %s", line, f.text);
	}
}

static int base_dataset(
	struct storage *s, const char *base, char name[DATASET_MAX], struct fault *f)
{
	if (base_of(s, base) == NULL)
		return fault_set(f, FAULT_PLATFORM, 0, "more than %d bases", STORAGE_BASES);
	return dataset_child(s->root, base, name, f);
}

int zfs_base_word(struct storage *s, const char *base, char word[STORAGE_WORD], struct fault *f)
{
	char name[DATASET_MAX];
	struct marks m;
	word[0] = '\0';
	if (base_dataset(s, base, name, f) < 0)
		return -1;
	struct storage_base *b = base_of(s, base);
	b->snapshot[0] = '\0';
	if (marks_read(s, name, &m, f) < 0) {
		if (!zfs_is_missing(f))
			return -1;
		*f = (struct fault){0};
		return 0;
	}
	const char *found = "";
	if (m.number > 0) {
		(void)mark_number(m.last, &found);
		(void)snprintf(b->snapshot, sizeof(b->snapshot), "%s", m.last);
	}
	(void)snprintf(word, STORAGE_WORD, "%s", found);
	free(m.text);
	return 0;
}

static int base_create(const struct storage *s, const char *name, struct fault *f)
{
	struct zfs_words w;
	zfs_create(s, &w, name);
	return zfs_run(s, &w, NULL, f);
}

static int base_restore(
	const struct storage *s, const char *name, const struct marks *m, struct fault *f)
{
	struct zfs_words w;
	if (m->number > 0) {
		zfs_rollback(s, &w, m->last);
		return zfs_patiently(s, &w, ZFS_TRIES_FEW, f);
	}
	zfs_destroy_all(s, &w, name, false);
	return zfs_patiently(s, &w, ZFS_TRIES_FEW, f) < 0 ? -1 : base_create(s, name, f);
}

int zfs_base_begin(struct storage *s, const char *base, char **path, struct fault *f)
{
	char name[DATASET_MAX];
	struct marks m;
	if (base_dataset(s, base, name, f) < 0)
		return -1;
	int is = marks_read(s, name, &m, f);
	if (is < 0 && !zfs_is_missing(f))
		return -1;
	if (is < 0)
		*f = (struct fault){0};
	is = is < 0 ? base_create(s, name, f) : base_restore(s, name, &m, f);
	free(m.text);
	if (is < 0 || zfs_keep_mounted(s, name, f) < 0)
		return fault_wrap(f, "%s", name);
	*path = mem_printf("%s/%s", s->mount, base);
	return 0;
}

int zfs_base_mark(struct storage *s, const char *base, const char *word, struct fault *f)
{
	char name[DATASET_MAX];
	char snapshot[DATASET_MAX];
	char mark[STORAGE_WORD + 16];
	struct marks m;
	struct zfs_words w;
	if (base_dataset(s, base, name, f) < 0 || marks_read(s, name, &m, f) < 0)
		return -1;
	(void)snprintf(mark, sizeof(mark), "%u-%s", m.number + 1, word);
	int did = dataset_snapshot(name, mark, snapshot, f);
	if (did == 0) {
		zfs_snapshot(s, &w, snapshot);
		did = zfs_run(s, &w, NULL, f);
	}
	if (did == 0) {
		(void)snprintf(base_of(s, base)->snapshot, DATASET_MAX, "%s", snapshot);
		marks_prune(s, &m, snapshot);
	}
	free(m.text);
	return did;
}

void zfs_base_undo(struct storage *s, const char *base)
{
	char name[DATASET_MAX];
	struct marks m;
	struct zfs_words w;
	struct fault f = {0};
	if (base_dataset(s, base, name, &f) < 0 || marks_read(s, name, &m, &f) < 0)
		return; /* it was not made, or it is the next begin's to see to */
	if (m.number > 0)
		zfs_rollback(s, &w, m.last);
	else
		zfs_destroy_all(s, &w, name, false);
	free(m.text);
	if (zfs_patiently(s, &w, ZFS_TRIES_FEW, &f) < 0)
		log_warn("%s is not undone: %s", name, f.text);
}

int zfs_bases_drop(struct storage *s, const char *prefix, const char *but, struct fault *f)
{
	struct zfs_words w;
	defer_buf struct buf text = {0};
	char name[DATASET_MAX];
	char begins[DATASET_MAX + STORAGE_WORD];
	if (dataset_child(s->root, but, name, f) < 0)
		return -1;
	(void)snprintf(begins, sizeof(begins), "%s/%s", s->root, prefix);
	zfs_children(s, &w, s->root);
	if (zfs_run(s, &w, &text, f) < 0)
		return -1;
	char *at = text.data;
	for (char *line; (line = zfs_next_line(&at)) != NULL;) {
		struct fault why = {0};
		if (strncmp(line, begins, strlen(begins)) != 0 || strcmp(line, name) == 0)
			continue;
		zfs_destroy_all(s, &w, line, false);
		if (zfs_patiently(s, &w, ZFS_TRIES_FEW, &why) < 0)
			log_warn("%s is left for now: %s", line, why.text);
	}
	return 0;
}

/* ---- slots ---- */

static int slot_name(
	const struct storage *s, unsigned slot, char name[DATASET_MAX], struct fault *f)
{
	char leaf[24];
	char parent[DATASET_MAX];
	(void)snprintf(leaf, sizeof(leaf), "slot%u", slot);
	return dataset_child(s->root, ZFS_SLOTS, parent, f) < 0
		       ? -1
		       : dataset_child(parent, leaf, name, f);
}

int zfs_slot_clone(const struct storage *s, unsigned slot, const char *base, uint64_t writable,
	struct fault *f)
{
	char name[DATASET_MAX];
	const char *snapshot = NULL;
	struct zfs_words w;
	for (size_t i = 0; i < STORAGE_BASES; i++) {
		if (strcmp(s->bases[i].name, base) == 0 && s->bases[i].snapshot[0] != '\0')
			snapshot = s->bases[i].snapshot;
	}
	if (snapshot == NULL)
		return fault_set(f, FAULT_NOT_FOUND, 0,
			"%s has no %s yet: run `sky-island -i`, or start the server", s->root,
			base);
	if (slot_name(s, slot, name, f) < 0)
		return -1;
	zfs_clone(s, &w, snapshot, name, writable);
	for (unsigned tried = 0;; tried++) {
		defer_buf struct buf text = {0};
		if (zfs_run(s, &w, &text, f) == 0)
			return 0;
		if (tried > 0 || text.data == NULL || strstr(text.data, "already exists") == NULL) {
			struct fault undo = {0};
			/* made, but its place or its mount was not, as with the quota used up */
			if (text.data != NULL && strstr(text.data, "cannot mount") != NULL)
				(void)zfs_slot_unclone(s, slot, &undo);
			return -1;
		}
		/* one that was busy when its jail had ended, or that was left */
		*f = (struct fault){0};
		if (zfs_slot_unclone(s, slot, f) < 0)
			return -1;
	}
}

int zfs_slot_unclone(const struct storage *s, unsigned slot, struct fault *f)
{
	char name[DATASET_MAX];
	struct zfs_words w;
	if (slot_name(s, slot, name, f) < 0)
		return -1;
	zfs_destroy_all(s, &w, name, false);
	if (zfs_patiently(s, &w, ZFS_TRIES, f) == 0)
		return 0;
	if (!zfs_is_missing(f))
		return -1;
	*f = (struct fault){0};
	return 0;
}
