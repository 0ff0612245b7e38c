/*
 * Storage on ZFS. Below our root:
 *
 *   base…        a base, with one snapshot: its last good state, named N-WORD (others only from a
 *                mark that was killed; the highest N counts)
 *   slots        what goes at once: slots/slotN is the clone of slot N
 *
 * A base is changed in place and rolled back to its snapshot where that fails, or, at the next
 * begin, where it was killed. Snapshots that clones still hang on are left for the next mark.
 */

#include "storage/zfs.h"

#include "base/defer.h"
#include "base/log.h"
#include "base/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOTS "slots"

enum { TRIES_SLOT = 40, TRIES_SWEEP = 20, TRY_MS = 50 };

/* ---- running it ---- */

/* The line that says why: the first, those behind it are usage and advice. */
static char *first_line(const struct buf *text)
{
	const char *from = text->data != NULL ? text->data : "";
	return mem_strndup(from, strcspn(from, "\n"));
}

int zfs_run(const struct storage *s, const struct zfs_words *w, struct buf *out, struct fault *f)
{
	defer_buf struct buf own = {0};
	struct buf *text = out != NULL ? out : &own;
	if (w->refused || w->count < 3)
		return fault_set(f, FAULT_PLATFORM, 0,
			"zfs %s: refused, the name does not lie in %s",
			w->count > 1 ? w->argv[1] : "", s->root);
	if (s->program == NULL)
		return fault_set(f, FAULT_PLATFORM, 0,
			"no `zfs` on PATH: install your system's ZFS (Debian: zfsutils-linux), or "
			"leave filesystem.type out");
	const char *path = getenv("PATH");
	defer_free char *paths = mem_printf(
		"PATH=%s:/sbin:/usr/sbin:/bin:/usr/bin", path != NULL ? path : "/usr/local/sbin");
	char *const env[] = {paths, (char *)"LC_ALL=C", NULL};
	const struct proc_spec spec = {.argv = w->argv, .env = env, .dir = "/"};
	struct fault why = {0};
	if (proc_run(&spec, text, &why) == 0)
		return 0;
	defer_free char *said = first_line(text);
	return zfs_fault(s, w->argv[w->count - 1], said[0] != '\0' ? said : why.text, f);
}

/* Tries again while something has not let go of it yet. */
static int run_patiently(
	const struct storage *s, const struct zfs_words *w, unsigned tries, struct fault *f)
{
	for (unsigned tried = 1;; tried++) {
		*f = (struct fault){0};
		if (zfs_run(s, w, NULL, f) == 0)
			return 0;
		if (f->kind != FAULT_BUSY || tried >= tries)
			return -1;
		/* the first is nearly always enough of a wait */
		const long ms = tried == 1 ? 10 : TRY_MS;
		(void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
	}
}

static bool is_missing(const struct fault *f)
{
	return f->kind == FAULT_NOT_FOUND;
}

/* Each line of a list; the text is changed. */
static char *next_line(char **at)
{
	char *line = *at;
	if (line == NULL || *line == '\0')
		return NULL;
	char *end = strchr(line, '\n');
	*at = end != NULL ? end + 1 : line + strlen(line);
	if (end != NULL)
		*end = '\0';
	return line;
}

/* ---- the root ---- */

struct root_state {
	char owner[4096], mount[4096], compression[64], quota[32], mounted[8];
};

static void root_line(struct root_state *r, char *line)
{
	const struct {
		const char *name;
		char *to;
		size_t size;
	} all[] = {{"sky-island:state", r->owner, sizeof(r->owner)},
		{"mountpoint", r->mount, sizeof(r->mount)},
		{"compression", r->compression, sizeof(r->compression)},
		{"quota", r->quota, sizeof(r->quota)}, {"mounted", r->mounted, sizeof(r->mounted)}};
	char *tab = strchr(line, '\t');
	if (tab == NULL)
		return;
	*tab = '\0';
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(line, all[i].name) == 0)
			(void)snprintf(all[i].to, all[i].size, "%s", tab + 1);
	}
}

static int root_look(const struct storage *s, struct root_state *r, struct fault *f)
{
	struct zfs_words w;
	defer_buf struct buf text = {0};
	memset(r, 0, sizeof(*r));
	if (!dataset_is_below(s->dataset, s->root))
		return fault_set(f, FAULT_INPUT, 0,
			"filesystem.zfs_dataset: %s is no name that "
			"anything can lie below",
			s->dataset);
	zfs_get(s, &w, "sky-island:state,mountpoint,compression,quota,mounted", s->root);
	if (zfs_run(s, &w, &text, f) < 0)
		return -1;
	char *at = text.data;
	for (char *line; (line = next_line(&at)) != NULL;)
		root_line(r, line);
	return 0;
}

static int root_is_ours(const struct storage *s, const struct root_state *r, struct fault *f)
{
	if (strcmp(r->owner, s->state) == 0)
		return 0;
	return fault_set(f, FAULT_INPUT, 0,
		"%s is there already and was not made for state_dir %s (its property "
		"sky-island:state is \"%.300s\"): rename it, or name another "
		"filesystem.zfs_dataset",
		s->root, s->state, r->owner);
}

static int property_keep(const struct storage *s, const char *name, const char *is,
	const char *wanted, struct fault *f)
{
	struct zfs_words w;
	/* "on" and the algorithms are all compression */
	const bool same = strcmp(is, wanted) == 0 ||
			  (strcmp(name, "compression") == 0 && strcmp(wanted, "on") == 0 &&
				  strcmp(is, "off") != 0);
	if (same)
		return 0;
	zfs_set_root(s, &w, name, wanted);
	return zfs_run(s, &w, NULL, f);
}

/* Nothing of others may be hidden by our mount. */
static int mount_place_check(const struct storage *s, struct fault *f)
{
	if (access(s->mount, F_OK) < 0 || rmdir(s->mount) == 0)
		return 0;
	return fault_set(f, FAULT_INPUT, 0,
		"%s, where jails' roots are to be mounted, is not empty: empty it, or name another "
		"jails.base_jail_dir",
		s->mount);
}

static int root_keep(const struct storage *s, const struct root_state *r, struct fault *f)
{
	struct zfs_words w;
	char quota[32] = "0";
	char none[] = "0";
	const char *is = strcmp(r->quota, "none") == 0 || r->quota[0] == '\0' ? none : r->quota;
	(void)snprintf(quota, sizeof(quota), "%llu", (unsigned long long)s->quota);
	if (root_is_ours(s, r, f) < 0 ||
		(strcmp(r->mount, s->mount) != 0 && mount_place_check(s, f) < 0) ||
		property_keep(s, "mountpoint", r->mount, s->mount, f) < 0 ||
		property_keep(s, "compression", r->compression, s->compression ? "on" : "off", f) <
			0 ||
		(strcmp(is, quota) != 0 &&
			property_keep(s, "quota", is, s->quota > 0 ? quota : "none", f) < 0))
		return -1;
	if (strcmp(r->mounted, "yes") == 0)
		return 0;
	zfs_mount(s, &w, s->root);
	return zfs_run(s, &w, NULL, f);
}

static int root_make(const struct storage *s, struct fault *f)
{
	struct zfs_words w;
	zfs_create_root(s, &w);
	return mount_place_check(s, f) < 0 ? -1 : zfs_run(s, &w, NULL, f);
}

/* It need not be: pools are imported without mounting too. */
static int keep_mounted(const struct storage *s, const char *name, struct fault *f)
{
	struct zfs_words w;
	defer_buf struct buf text = {0};
	zfs_get(s, &w, "mounted", name);
	if (zfs_run(s, &w, &text, f) < 0)
		return -1;
	if (text.data != NULL && strstr(text.data, "\tyes") != NULL)
		return 0;
	zfs_mount(s, &w, name);
	return zfs_run(s, &w, NULL, f);
}

/* All clones at once. What is still in use stays: the slot's next clone, or the next start, tries
 * again. */
int zfs_sweep(struct storage *s, struct fault *f)
{
	char name[DATASET_MAX];
	struct zfs_words w;
	if (dataset_child(s->root, SLOTS, name, f) < 0)
		return -1;
	zfs_destroy_all(s, &w, name, false);
	int did = run_patiently(s, &w, TRIES_SLOT, f);
	if (did < 0 && f->kind == FAULT_BUSY) {
		log_warn("%s is left for now: %s", name, f->text);
		*f = (struct fault){0};
		return keep_mounted(s, name, f);
	}
	if (did < 0 && !is_missing(f))
		return -1;
	*f = (struct fault){0};
	zfs_create(s, &w, name);
	return zfs_run(s, &w, NULL, f);
}

int zfs_open(struct storage *s, struct fault *f)
{
	struct zfs_words w;
	struct root_state r;
	zfs_list(s, &w, s->dataset);
	if (zfs_run(s, &w, NULL, f) < 0)
		return -1;
	if (root_look(s, &r, f) == 0)
		return root_keep(s, &r, f) < 0 ? -1 : zfs_sweep(s, f);
	if (!is_missing(f))
		return -1;
	*f = (struct fault){0};
	return root_make(s, f) < 0 ? -1 : zfs_sweep(s, f);
}

/* The bases there are, so that clones can be made of them. */
static void bases_look(struct storage *s)
{
	struct zfs_words w;
	struct fault f = {0};
	defer_buf struct buf text = {0};
	const size_t skip = strlen(s->root) + 1;
	zfs_children(s, &w, s->root);
	if (zfs_run(s, &w, &text, &f) < 0)
		return;
	char *at = text.data;
	for (char *line; (line = next_line(&at)) != NULL;) {
		char word[STORAGE_WORD];
		if (strlen(line) > skip && strcmp(line + skip, SLOTS) != 0)
			(void)zfs_base_word(s, line + skip, word, &f);
	}
}

void zfs_report(struct storage *s, struct buf *report)
{
	struct root_state r;
	struct fault f = {0};
	struct zfs_words w;
	zfs_list(s, &w, s->dataset);
	int did = zfs_run(s, &w, NULL, &f);
	if (did == 0)
		did = root_look(s, &r, &f);
	if (did < 0 && is_missing(&f)) {
		buf_printf(report, "warn\tstorage\tzfs: %s is not there yet\n", s->root);
	} else if (did < 0 || root_is_ours(s, &r, &f) < 0) {
		buf_printf(report, "fail\tstorage\t%s\n", f.text);
	} else {
		bases_look(s);
		buf_printf(report, "ok\tstorage\tzfs: %s at %s, compression %s\n", s->root, r.mount,
			r.compression);
	}
}

int zfs_remove(struct storage *s, struct fault *f)
{
	struct root_state r;
	struct zfs_words w;
	if (root_look(s, &r, f) < 0) {
		if (is_missing(f) || f->kind == FAULT_INPUT) {
			*f = (struct fault){0};
			return 0;
		}
		return -1;
	}
	if (root_is_ours(s, &r, f) < 0)
		return -1;
	zfs_destroy_all(s, &w, s->root, true);
	if (run_patiently(s, &w, TRIES_SLOT, f) < 0)
		return -1;
	(void)rmdir(s->mount);
	return 0;
}

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
	for (char *line; (line = next_line(&at)) != NULL;) {
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
		if (!is_missing(f))
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
		return run_patiently(s, &w, TRIES_SWEEP, f);
	}
	zfs_destroy_all(s, &w, name, false);
	return run_patiently(s, &w, TRIES_SWEEP, f) < 0 ? -1 : base_create(s, name, f);
}

int zfs_base_begin(struct storage *s, const char *base, char **path, struct fault *f)
{
	char name[DATASET_MAX];
	struct marks m;
	if (base_dataset(s, base, name, f) < 0)
		return -1;
	int is = marks_read(s, name, &m, f);
	if (is < 0 && !is_missing(f))
		return -1;
	if (is < 0)
		*f = (struct fault){0};
	is = is < 0 ? base_create(s, name, f) : base_restore(s, name, &m, f);
	free(m.text);
	if (is < 0 || keep_mounted(s, name, f) < 0)
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
	if (run_patiently(s, &w, TRIES_SWEEP, &f) < 0)
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
	for (char *line; (line = next_line(&at)) != NULL;) {
		struct fault why = {0};
		if (strncmp(line, begins, strlen(begins)) != 0 || strcmp(line, name) == 0)
			continue;
		zfs_destroy_all(s, &w, line, false);
		if (run_patiently(s, &w, TRIES_SWEEP, &why) < 0)
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
	return dataset_child(s->root, SLOTS, parent, f) < 0 ? -1
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
		if (tried > 0 || text.data == NULL || strstr(text.data, "already exists") == NULL)
			return -1;
		/* one that was busy when its jail had ended */
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
	if (run_patiently(s, &w, TRIES_SLOT, f) == 0)
		return 0;
	if (!is_missing(f))
		return -1;
	*f = (struct fault){0};
	return 0;
}
