/*
 * What a jail may use, by rctl(4). Memory in two ways, since neither is whole: its resident size is
 * looked at about once a second, and a process found above the limit is killed; what it may have
 * reserved is counted when it asks, and refused, which a Go program ends with in its own words.
 * Go reserves arenas of 64 MiB, so one is added for each process that may be there.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "jail/freebsd/freebsd.h"

#include "base/freebsd/sys.h"

#include <errno.h>
#include <string.h>

/* Beside the stub, which is in no jail. A program that is called starts no other: it is one process
 * of many threads. A build runs several compilers side by side. */
enum { CALL_PROCESSES = 1, TOOL_ARENAS = 16 };

static const uint64_t arena = UINT64_C(64) << 20;

static void rule_put(struct buf *out, const char *name, const char *resource, const char *action,
	uint64_t amount)
{
	buf_printf(out, "jail:%s:%s:%s=%llu", name, resource, action, (unsigned long long)amount);
	buf_putc(out, '\0');
}

/* Each with its NUL, for rctl_add_rule. */
static void rules_list(
	const char *name, enum jail_kind kind, const struct jail_limits *limits, struct buf *out)
{
	const bool call = jail_runs_call(kind);
	buf_printf(out, "jail:%s:memoryuse:sigkill=%llu/process", name,
		(unsigned long long)limits->memory);
	buf_putc(out, '\0');
	rule_put(out, name, "swapuse", "deny",
		limits->memory + arena * (call ? CALL_PROCESSES : TOOL_ARENAS));
	rule_put(out, name, "maxproc", "deny", call ? CALL_PROCESSES : limits->pids);
	rule_put(out, name, "nthr", "deny", limits->pids);
	if (limits->cpu_percent != 0)
		rule_put(out, name, "pcpu", "deny", limits->cpu_percent);
}

int limits_up(
	const char *name, enum jail_kind kind, const struct jail_limits *limits, struct fault *f)
{
	defer_buf struct buf rules = {0};
	if (!freebsd_facts.racct)
		return 0;
	rules_list(name, kind, limits, &rules);
	for (const char *rule = rules.data; rule < rules.data + rules.len;
		rule += strlen(rule) + 1) {
		if (sys->rctl_add_rule(rule, strlen(rule) + 1, NULL, 0) < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "rctl %s", rule);
	}
	return 0;
}

/* Rules outlive the jail they name. ESRCH: there are none; ENOSYS: there can be none. */
int limits_down(const char *name, struct fault *f)
{
	defer_buf struct buf filter = {0};
	buf_printf(&filter, "jail:%s:", name);
	if (sys->rctl_remove_rule(filter.data, filter.len + 1, NULL, 0) < 0 && errno != ESRCH &&
		errno != ENOSYS)
		return fault_set(f, FAULT_PLATFORM, errno, "rctl -r %s", filter.data);
	return 0;
}
