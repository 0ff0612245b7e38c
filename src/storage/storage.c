#include "storage/storage.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/tree.h"
#include "storage/zfs.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int storage_init(struct storage *s, enum storage_type type, const char *state, const char *instance,
	const char *dataset, const char *jails, struct fault *f)
{
	memset(s, 0, sizeof(*s));
	s->type = type;
	s->state = state;
	if (type != STORAGE_ZFS)
		return 0;
	s->dataset = dataset;
	s->program = proc_find("zfs");
	if (s->program == NULL && access("/sbin/zfs", X_OK) == 0)
		s->program = mem_strdup("/sbin/zfs"); /* not on everybody's PATH */
	s->mount = jails != NULL ? mem_printf("%s/%s", jails, instance)
				 : mem_printf("%s/jails", state);
	return dataset_child(dataset, instance, s->root, f);
}

void storage_finish(struct storage *s)
{
	free(s->program);
	free(s->mount);
	memset(s, 0, sizeof(*s));
}

int storage_open(struct storage *s, struct fault *f)
{
	return s->type == STORAGE_ZFS ? zfs_open(s, f) : 0;
}

void storage_report(struct storage *s, struct buf *report)
{
	if (s->type == STORAGE_ZFS)
		zfs_report(s, report);
	else
		buf_printf(report, "ok\tstorage\t%s: directories of the state\n",
			s->type == STORAGE_OVERLAY ? "overlay" : "plain");
}

void storage_sweep(struct storage *s)
{
	struct fault f = {0};
	s->clones_stay = s->type != STORAGE_ZFS || zfs_sweep(s, &f) == 0;
	s->left &= !s->clones_stay;
	if (!s->clones_stay)
		log_warn("clones are removed one by one: %s", f.text);
}

void storage_leave(struct storage *s)
{
	s->clones_stay = s->left = true;
}

int storage_remove(struct storage *s, struct fault *f)
{
	return s->type == STORAGE_ZFS ? zfs_remove(s, f) : 0;
}

/* ---- bases that are directories ---- */

/* A file beside the base holds its word; while the base is changed there is none, and who finds
 * none begins anew: there is nothing to go back to. */

static char *mark_path(const struct storage *s, const char *base)
{
	return mem_printf("%s/%s.mark", s->state, base);
}

static int plain_word(
	const struct storage *s, const char *base, char word[STORAGE_WORD], struct fault *f)
{
	defer_free char *path = mark_path(s, base);
	word[0] = '\0';
	if (access(path, F_OK) < 0)
		return 0;
	defer_free char *text = fs_read(path, STORAGE_WORD - 1, NULL, f);
	if (text == NULL)
		return -1;
	(void)snprintf(word, STORAGE_WORD, "%s", text);
	return 0;
}

static int plain_begin(const struct storage *s, const char *base, char **path, struct fault *f)
{
	defer_free char *mark = mark_path(s, base);
	char word[STORAGE_WORD];
	if (plain_word(s, base, word, f) < 0)
		return -1;
	defer_free char *tree = mem_printf("%s/%s", s->state, base);
	if (word[0] == '\0' && fs_remove_all(tree, f) < 0)
		return -1;
	if (fs_mkdirs(tree, 0755, f) < 0)
		return -1;
	(void)unlink(mark);
	*path = mem_strdup(tree);
	return 0;
}

static void plain_undo(const struct storage *s, const char *base)
{
	defer_free char *mark = mark_path(s, base);
	defer_free char *tree = mem_printf("%s/%s", s->state, base);
	if (access(mark, F_OK) < 0) /* else nothing was begun */
		(void)fs_remove_all(tree, NULL);
}

static int plain_drop(const struct storage *s, const char *prefix, const char *but, struct fault *f)
{
	defer_closedir DIR *dir = opendir(s->state);
	for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
			strncmp(e->d_name, but, strlen(but)) == 0)
			continue;
		defer_free char *path = mem_printf("%s/%s", s->state, e->d_name);
		if (fs_remove_all(path, f) < 0)
			return -1;
	}
	return 0;
}

/* ---- bases ---- */

int storage_base_word(struct storage *s, const char *base, char word[STORAGE_WORD], struct fault *f)
{
	return s->type == STORAGE_ZFS ? zfs_base_word(s, base, word, f)
				      : plain_word(s, base, word, f);
}

int storage_base_begin(struct storage *s, const char *base, char **path, struct fault *f)
{
	return s->type == STORAGE_ZFS ? zfs_base_begin(s, base, path, f)
				      : plain_begin(s, base, path, f);
}

int storage_base_mark(struct storage *s, const char *base, const char *word, struct fault *f)
{
	if (s->type == STORAGE_ZFS)
		return zfs_base_mark(s, base, word, f);
	defer_free char *path = mark_path(s, base);
	return fs_write(path, word, strlen(word), 0644, f);
}

void storage_base_undo(struct storage *s, const char *base)
{
	if (s->type == STORAGE_ZFS)
		zfs_base_undo(s, base);
	else
		plain_undo(s, base);
}

int storage_bases_drop(struct storage *s, const char *prefix, const char *but, struct fault *f)
{
	return s->type == STORAGE_ZFS ? zfs_bases_drop(s, prefix, but, f)
				      : plain_drop(s, prefix, but, f);
}

int storage_base_copy(
	struct storage *s, const char *base, const char *from, const char *digest, struct fault *f)
{
	char word[STORAGE_WORD];
	if (s->type != STORAGE_ZFS)
		return 0;
	if (zfs_base_word(s, base, word, f) < 0)
		return -1;
	if (strcmp(word, digest) == 0)
		return 0;
	defer_free char *path = NULL;
	if (zfs_base_begin(s, base, &path, f) < 0)
		return -1;
	if (fs_empty(path, f) == 0 && tree_copy(from, path, f) == 0 &&
		zfs_base_mark(s, base, digest, f) == 0)
		return 0;
	zfs_base_undo(s, base);
	return fault_wrap(f, "%s", path);
}

/* ---- slots ---- */

int storage_clone(const struct storage *s, unsigned slot, const char *base, uint64_t writable,
	struct fault *f)
{
	return s->type == STORAGE_ZFS ? zfs_slot_clone(s, slot, base, writable, f) : 0;
}

void storage_unclone(const struct storage *s, unsigned slot)
{
	struct fault f = {0};
	if (s->type == STORAGE_ZFS && !s->clones_stay && zfs_slot_unclone(s, slot, &f) < 0)
		log_warn("the clone of slot %u stays until the slot is used again: %s", slot,
			f.text);
}

void storage_path(const struct storage *s, unsigned slot, const char *base, char *out, size_t size)
{
	if (s->type == STORAGE_ZFS)
		(void)snprintf(out, size, "%s/slots/slot%u", s->mount, slot);
	else
		(void)snprintf(out, size, "%s/%s", s->state, base);
}
