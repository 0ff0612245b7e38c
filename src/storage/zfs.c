/*
 * Storage on ZFS: the command, and our root. Below it (zfs_base.c):
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

enum { TRY_MS = 50 };

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

int zfs_patiently(
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

bool zfs_is_missing(const struct fault *f)
{
	return f->kind == FAULT_NOT_FOUND;
}

char *zfs_next_line(char **at)
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

static int look(const struct storage *s, const char *properties, const char *name,
	struct root_state *r, struct fault *f)
{
	struct zfs_words w;
	defer_buf struct buf text = {0};
	zfs_get(s, &w, properties, name);
	if (zfs_run(s, &w, &text, f) < 0)
		return -1;
	char *at = text.data;
	for (char *line; (line = zfs_next_line(&at)) != NULL;)
		root_line(r, line);
	return 0;
}

static int root_look(const struct storage *s, struct root_state *r, struct fault *f)
{
	if (!dataset_is_below(s->dataset, s->root))
		return fault_set(f, FAULT_INPUT, 0,
			"filesystem.zfs_dataset: %s is no name that "
			"anything can lie below",
			s->dataset);
	return look(s, "sky-island:state,mountpoint,compression,quota,mounted", s->root, r, f);
}

/* Properties are inherited: what lies in another's root says so. */
static int place_check(const struct storage *s, struct fault *f)
{
	struct root_state r = {0};
	if (look(s, "sky-island:state", s->dataset, &r, f) < 0)
		return -1;
	if (r.owner[0] == '\0' || strcmp(r.owner, "-") == 0)
		return 0;
	return fault_set(f, FAULT_INPUT, 0,
		"filesystem.zfs_dataset: %s lies in what was made for state_dir %.300s, and would "
		"be destroyed with it: name another",
		s->dataset, r.owner);
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

int zfs_keep_mounted(const struct storage *s, const char *name, struct fault *f)
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
	if (dataset_child(s->root, ZFS_SLOTS, name, f) < 0)
		return -1;
	zfs_destroy_all(s, &w, name, false);
	int did = zfs_patiently(s, &w, ZFS_TRIES, f);
	if (did < 0 && f->kind == FAULT_BUSY) {
		log_warn("%s is left for now: %s", name, f->text);
		*f = (struct fault){0};
		return zfs_keep_mounted(s, name, f);
	}
	if (did < 0 && !zfs_is_missing(f))
		return -1;
	*f = (struct fault){0};
	zfs_create(s, &w, name);
	return zfs_run(s, &w, NULL, f);
}

int zfs_open(struct storage *s, struct fault *f)
{
	struct root_state r = {0};
	if (place_check(s, f) < 0)
		return -1;
	if (root_look(s, &r, f) == 0)
		return root_keep(s, &r, f) < 0 ? -1 : zfs_sweep(s, f);
	if (!zfs_is_missing(f))
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
	for (char *line; (line = zfs_next_line(&at)) != NULL;) {
		char word[STORAGE_WORD];
		if (strlen(line) > skip && strcmp(line + skip, ZFS_SLOTS) != 0)
			(void)zfs_base_word(s, line + skip, word, &f);
	}
}

void zfs_report(struct storage *s, struct buf *report)
{
	struct root_state r = {0};
	struct fault f = {0};
	int did = place_check(s, &f);
	if (did == 0)
		did = root_look(s, &r, &f);
	if (did < 0 && zfs_is_missing(&f)) {
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
	struct root_state r = {0};
	struct zfs_words w;
	if (root_look(s, &r, f) < 0) {
		if (zfs_is_missing(f) || f->kind == FAULT_INPUT) {
			*f = (struct fault){0};
			return 0;
		}
		return -1;
	}
	if (root_is_ours(s, &r, f) < 0)
		return -1;
	zfs_destroy_all(s, &w, s->root, true);
	if (zfs_patiently(s, &w, ZFS_TRIES, f) < 0)
		return -1;
	(void)rmdir(s->mount);
	return 0;
}
