/*
 * What a jail sees of /dev: a ruleset of devfs(8) of our own, which hides all and shows five. It is
 * the same for every state directory on a host, so it is made once and never emptied: a devfs under
 * an empty ruleset would show everything. Each one mounted is looked at before a jail gets it.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "jail/freebsd/freebsd.h"

#include "base/defer.h"
#include "base/freebsd/sys.h"

#include <stdio.h>
#include <string.h>

static const char *const shown[] = {"null", "zero", "full", "random", "urandom"};
enum { SHOWN = sizeof(shown) / sizeof(shown[0]), RULE_STEP = 100 };

/* As `devfs rule show` writes them. */
static void rules_put(struct buf *out)
{
	buf_printf(out, "%d hide\n", RULE_STEP);
	for (int i = 0; i < SHOWN; i++)
		buf_printf(out, "%d path %s unhide\n", (i + 2) * RULE_STEP, shown[i]);
}

static int devfs_run(char *const *words, struct buf *out, struct fault *f)
{
	char set[16];
	char *argv[12] = {(char *)"/sbin/devfs", (char *)"rule", (char *)"-s", set};
	unsigned count = 4;
	(void)snprintf(set, sizeof(set), "%d", FREEBSD_RULESET);
	while (*words != NULL && count + 1 < sizeof(argv) / sizeof(argv[0]))
		argv[count++] = *words++;
	return sys->run(argv, out, f);
}

static int rules_add(struct fault *f)
{
	char number[16];
	(void)snprintf(number, sizeof(number), "%d", RULE_STEP);
	char *hide[] = {(char *)"add", number, (char *)"hide", NULL};
	if (devfs_run(hide, NULL, f) < 0)
		return -1;
	for (int i = 0; i < SHOWN; i++) {
		char *show[] = {(char *)"add", number, (char *)"path", (char *)(uintptr_t)shown[i],
			(char *)"unhide", NULL};
		(void)snprintf(number, sizeof(number), "%d", (i + 2) * RULE_STEP);
		if (devfs_run(show, NULL, f) < 0)
			return -1;
	}
	return 0;
}

/* 1: as it should be; 0: empty; 2: the beginning of it, of one who was killed while making it. */
static int rules_look(struct buf *have, struct fault *f)
{
	defer_buf struct buf want = {0};
	char *show[] = {(char *)"show", NULL};
	have->len = 0;
	if (devfs_run(show, have, f) < 0)
		return -1;
	rules_put(&want);
	if (have->len == 0)
		return 0;
	if (have->len == want.len && memcmp(have->data, want.data, want.len) == 0)
		return 1;
	if (have->len < want.len && memcmp(have->data, want.data, have->len) == 0)
		return 2;
	return fault_set(f, FAULT_PLATFORM, 0,
		"devfs ruleset %d is somebody else's: give it another number in /etc/devfs.rules, "
		"or remove it (devfs rule -s %d delset)",
		FREEBSD_RULESET, FREEBSD_RULESET);
}

int devices_prepare(struct fault *f)
{
	defer_buf struct buf have = {0};
	char *empty[] = {(char *)"delset", NULL};
	int look = rules_look(&have, f);
	if (look == 2 && devfs_run(empty, NULL, f) == 0)
		look = 0;
	if (look == 0)
		look = rules_add(f) < 0 ? -1 : rules_look(&have, f);
	if (look == 1)
		return 0;
	return look < 0 ? -1
			: fault_set(f, FAULT_PLATFORM, 0,
				  "devfs ruleset %d does not keep its rules", FREEBSD_RULESET);
}

struct looking {
	bool there[SHOWN];
	char stranger[64];
};

static void name_look(void *ctx, const char *name)
{
	struct looking *looking = ctx;
	for (int i = 0; i < SHOWN; i++) {
		if (strcmp(name, shown[i]) == 0) {
			looking->there[i] = true;
			return;
		}
	}
	(void)snprintf(looking->stranger, sizeof(looking->stranger), "%.60s", name);
}

int devices_check(const char *dev, struct fault *f)
{
	struct looking looking = {0};
	if (sys->names(dev, name_look, &looking) < 0)
		return fault_set(f, FAULT_PLATFORM, 0, "devices: %s cannot be read", dev);
	if (looking.stranger[0] != '\0')
		return fault_set(f, FAULT_PLATFORM, 0,
			"devices: a jail would see /dev/%s: devfs ruleset %d is not as we made it",
			looking.stranger, FREEBSD_RULESET);
	if (!looking.there[0])
		return fault_set(f, FAULT_PLATFORM, 0, "devices: there is no /dev/null in %s", dev);
	return 0;
}
