#include "base/memory.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Percent of the time. */
enum { PRESSED = 10 };

static char *text_of(const char *format, const char *top, const char *group, const char *name)
{
	defer_free char *path = mem_printf(format, top, group, name);
	return fs_read(path, 65536, NULL, NULL);
}

static char *group_text(const struct memory *m, const char *group, const char *name)
{
	return text_of("%s%s/%s", m->cgroups, group, name);
}

/* The number behind a word that begins a line. */
static uint64_t value_of(const char *text, const char *word)
{
	const size_t len = strlen(word);
	for (const char *at = text; at != NULL;
		at = strchr(at, '\n'), at = at != NULL ? at + 1 : NULL) {
		if (strncmp(at, word, len) == 0)
			return strtoull(at + len, NULL, 10);
	}
	return 0;
}

static uint64_t host_bytes(const struct memory *m, const char *word)
{
	defer_free char *text = text_of("%s%s/%s", m->proc, "", "meminfo");
	const uint64_t kib = text != NULL ? value_of(text, word) : 0;
	return kib > 0 ? kib * 1024 : UINT64_MAX;
}

/* memory.max or memory.high, whichever is less; UINT64_MAX where neither is set. */
static uint64_t limit_of(const struct memory *m, const char *group)
{
	static const char *const names[] = {"memory.max", "memory.high"};
	uint64_t least = UINT64_MAX;
	for (unsigned i = 0; i < 2; i++) {
		defer_free char *text = group_text(m, group, names[i]);
		if (text == NULL || strncmp(text, "max", 3) == 0)
			continue;
		const uint64_t limit = strtoull(text, NULL, 10);
		least = limit < least ? limit : least;
	}
	return least;
}

/* What the group may still take; files that were only read make way. */
static uint64_t left_of(const struct memory *m, const char *group, uint64_t limit)
{
	defer_free char *current = group_text(m, group, "memory.current");
	defer_free char *stat = group_text(m, group, "memory.stat");
	const uint64_t used = current != NULL ? strtoull(current, NULL, 10) : 0;
	const uint64_t files = stat != NULL ? value_of(stat, "inactive_file ") +
						      value_of(stat, "active_file ") +
						      value_of(stat, "slab_reclaimable ")
					    : 0;
	const uint64_t held = used > files ? used - files : 0;
	return limit > held ? limit - held : 0;
}

/* The least that the group and those above it say. */
static uint64_t groups_least(const struct memory *m, bool left)
{
	char group[sizeof(m->group)];
	uint64_t least = UINT64_MAX;
	(void)snprintf(group, sizeof(group), "%s", m->group);
	while (group[0] == '/') {
		const uint64_t limit = limit_of(m, group);
		if (limit != UINT64_MAX) {
			const uint64_t here = left ? left_of(m, group, limit) : limit;
			least = here < least ? here : least;
		}
		*strrchr(group, '/') = '\0';
	}
	return least;
}

void memory_find(struct memory *m, const char *proc, const char *cgroups)
{
	*m = (struct memory){0};
	(void)snprintf(m->proc, sizeof(m->proc), "%s", proc);
	(void)snprintf(m->cgroups, sizeof(m->cgroups), "%s", cgroups);
	defer_free char *text = text_of("%s%s/%s", proc, "", "self/cgroup");
	char *save = NULL;
	for (char *line = text != NULL ? strtok_r(text, "\n", &save) : NULL; line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "0::/", 4) == 0 && line[4] != '\0')
			(void)snprintf(m->group, sizeof(m->group), "%s", line + 3);
	}
}

uint64_t memory_total(const struct memory *m)
{
	const uint64_t host = host_bytes(m, "MemTotal:");
	const uint64_t groups = groups_least(m, false);
	return groups < host ? groups : host;
}

uint64_t memory_available(const struct memory *m)
{
	const uint64_t host = host_bytes(m, "MemAvailable:");
	const uint64_t groups = groups_least(m, true);
	return groups < host ? groups : host;
}

static bool is_pressed(const char *text)
{
	const char *at = text != NULL ? strstr(text, "some avg10=") : NULL;
	return at != NULL && strtoul(at + strlen("some avg10="), NULL, 10) >= PRESSED;
}

bool memory_is_pressed(const struct memory *m)
{
	defer_free char *host = text_of("%s%s/%s", m->proc, "/pressure", "memory");
	if (is_pressed(host))
		return true;
	/* The supervisor's and server's own, …/INSTANCE/self, says nothing of jails. */
	char group[sizeof(m->group)];
	(void)snprintf(group, sizeof(group), "%s", m->group);
	char *leaf = strrchr(group, '/');
	if (leaf == NULL || strcmp(leaf, "/self") != 0)
		return false;
	*leaf = '\0';
	defer_free char *text = group_text(m, group, "memory.pressure");
	return is_pressed(text);
}
