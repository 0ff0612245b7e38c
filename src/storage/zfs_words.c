/* The argument lists, and what zfs(8) says when it fails. Options that the ZFS of 2010 knew too. */

#include "storage/zfs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- lists ---- */

static void word(struct zfs_words *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void word(struct zfs_words *w, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	const size_t room = sizeof(w->text) - w->used;
	int len = vsnprintf(w->text + w->used, room, format, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= room || w->count >= ZFS_WORDS) {
		w->refused = true; /* no list of ours is so long */
		return;
	}
	w->argv[w->count++] = w->text + w->used;
	w->used += (unsigned)len + 1;
}

static void begin(const struct storage *s, struct zfs_words *w, const char *command)
{
	memset(w, 0, sizeof(*w));
	word(w, "%s", s->program != NULL ? s->program : "zfs");
	word(w, "%s", command);
}

/* Whether our root is what storage_init made of it: strictly below what the configuration names. */
static bool root_is_good(const struct storage *s)
{
	return s->dataset != NULL && dataset_is_below(s->dataset, s->root) &&
	       strchr(s->root, '@') == NULL;
}

enum where { ANYWHERE, ROOT, ROOT_OR_BELOW, BELOW };

static bool is_where(const struct storage *s, const char *name, enum where where)
{
	const bool root = root_is_good(s) && strcmp(name, s->root) == 0;
	const bool below = root_is_good(s) && dataset_is_below(s->root, name);
	return where == ANYWHERE        ? dataset_is_name(name)
	       : where == ROOT          ? root
	       : where == ROOT_OR_BELOW ? root || (below && strchr(name, '@') == NULL)
					: below;
}

/* The only way by which a name gets into a list. */
static void name_add(
	const struct storage *s, struct zfs_words *w, const char *name, enum where where)
{
	if (!is_where(s, name, where))
		w->refused = true;
	else
		word(w, "%s", name);
}

static void list(const struct storage *s, struct zfs_words *w, const char *type, const char *name)
{
	begin(s, w, "list");
	word(w, "-H");
	word(w, "-o");
	word(w, "name");
	word(w, "-t");
	word(w, "%s", type);
	word(w, "-r");
	word(w, "-d");
	word(w, "1");
	name_add(s, w, name, ANYWHERE);
}

void zfs_children(const struct storage *s, struct zfs_words *w, const char *name)
{
	list(s, w, "filesystem", name);
}

void zfs_snapshots(const struct storage *s, struct zfs_words *w, const char *name)
{
	list(s, w, "snapshot", name);
}

void zfs_get(const struct storage *s, struct zfs_words *w, const char *properties, const char *name)
{
	begin(s, w, "get");
	word(w, "-H");
	word(w, "-p");
	word(w, "-o");
	word(w, "property,value");
	word(w, "%s", properties);
	name_add(s, w, name, ANYWHERE);
}

void zfs_create_root(const struct storage *s, struct zfs_words *w)
{
	begin(s, w, "create");
	word(w, "-o");
	word(w, "sky-island:state=%s", s->state);
	word(w, "-o");
	word(w, "mountpoint=%s", s->mount);
	word(w, "-o");
	word(w, "atime=off");
	word(w, "-o");
	word(w, "setuid=off");
	word(w, "-o");
	word(w, "compression=%s", s->compression ? "on" : "off");
	if (s->quota > 0) {
		word(w, "-o");
		word(w, "quota=%" PRIu64, s->quota);
	}
	name_add(s, w, s->root, ROOT);
}

void zfs_set_root(
	const struct storage *s, struct zfs_words *w, const char *property, const char *value)
{
	begin(s, w, "set");
	word(w, "%s=%s", property, value);
	name_add(s, w, s->root, ROOT);
}

void zfs_mount(const struct storage *s, struct zfs_words *w, const char *name)
{
	begin(s, w, "mount");
	name_add(s, w, name, ROOT_OR_BELOW);
}

static void file_system_add(const struct storage *s, struct zfs_words *w, const char *name)
{
	name_add(s, w, name, BELOW);
	w->refused |= strchr(name, '@') != NULL;
}

static void snapshot_add(const struct storage *s, struct zfs_words *w, const char *name)
{
	name_add(s, w, name, BELOW);
	w->refused |= strchr(name, '@') == NULL;
}

void zfs_create(const struct storage *s, struct zfs_words *w, const char *name)
{
	begin(s, w, "create");
	file_system_add(s, w, name);
}

void zfs_snapshot(const struct storage *s, struct zfs_words *w, const char *snapshot)
{
	begin(s, w, "snapshot");
	snapshot_add(s, w, snapshot);
}

void zfs_rollback(const struct storage *s, struct zfs_words *w, const char *snapshot)
{
	begin(s, w, "rollback");
	snapshot_add(s, w, snapshot);
}

void zfs_clone(const struct storage *s, struct zfs_words *w, const char *snapshot, const char *name,
	uint64_t writable)
{
	begin(s, w, "clone");
	word(w, "-o");
	if (writable > 0)
		word(w, "quota=%" PRIu64, writable);
	else
		word(w, "readonly=on");
	snapshot_add(s, w, snapshot);
	file_system_add(s, w, name);
}

void zfs_destroy(const struct storage *s, struct zfs_words *w, const char *name)
{
	begin(s, w, "destroy");
	name_add(s, w, name, BELOW);
}

void zfs_destroy_all(const struct storage *s, struct zfs_words *w, const char *name, bool root)
{
	begin(s, w, "destroy");
	word(w, "-r");
	if (root)
		name_add(s, w, name, ROOT);
	else
		file_system_add(s, w, name);
}

/* ---- what it says ---- */

static const struct {
	const char *said; /* a part of it */
	enum fault_kind kind;
	const char *advice; /* after what zfs(8) said */
} sayings[] = {
	{"out of space", FAULT_FULL, "free some room in the pool, or raise filesystem.quota"},
	{"No space left", FAULT_FULL, "free some room in the pool, or raise filesystem.quota"},
	{"uota exceeded", FAULT_FULL, "raise filesystem.quota, or free some room in it"},
	{"less than current used", FAULT_INPUT,
		"filesystem.quota is less than is used already: raise it"},
	{"ead-only", FAULT_PLATFORM,
		"the pool is imported read-only, or the dataset is: export it and import it "
		"without readonly=on (zfs get readonly says which)"},
	{"is suspended", FAULT_PLATFORM, "the pool has lost a device: see zpool status"},
	{"busy", FAULT_BUSY,
		"something still uses it (fuser -m says who); it is tried again at the next start"},
	{"dependent clones", FAULT_BUSY, "clones of it are there still; the next start goes on"},
	{"ermission denied", FAULT_PLATFORM, "run as root, which filesystem.type \"zfs\" needs"},
	{"modules", FAULT_PLATFORM,
		"load ZFS into the kernel (modprobe zfs, or kldload zfs), or leave filesystem.type "
		"out"},
	{"failed to create mountpoint", FAULT_PLATFORM,
		"is there room in the pool and within filesystem.quota, and may it be written to?"},
	{"internal error", FAULT_PLATFORM, "see zpool status"},
};

int zfs_fault(const struct storage *s, const char *name, const char *said, struct fault *f)
{
	if (strstr(said, "no such pool") != NULL || strstr(said, "does not exist") != NULL) {
		if (strcmp(name, s->dataset) != 0)
			return fault_set(f, FAULT_NOT_FOUND, 0,
				"%.400s: it was there when all was prepared; end the server and "
				"run `sky-island -i`, which makes it anew",
				said);
		return fault_set(f, FAULT_INPUT, 0,
			"filesystem.zfs_dataset: %s is not there: make it (zfs create -p %s), "
			"import its pool, or name another",
			s->dataset, s->dataset);
	}
	for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++) {
		if (strstr(said, sayings[i].said) != NULL)
			return fault_set(
				f, sayings[i].kind, 0, "%.300s: %s", said, sayings[i].advice);
	}
	return fault_set(f, FAULT_PLATFORM, 0, "zfs on %s: %.400s", name, said);
}
