#include "jail/linux/linux.h"

#include "base/defer.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int linux_prepare(struct jail_plan *plan, struct fault *f)
{
	char why[600];
	struct cgroups before;
	defer_free char *noted = mem_printf("%s/run/cgroups", plan->state);
	if (cgroup_load(&before, noted) == 0)
		cgroup_clear(&before); /* a run that was killed, perhaps started in another group
					  than we are */
	cgroup_prepare(&linux_cgroups, plan->instance, why, sizeof(why));
	if (cgroup_save(&linux_cgroups, noted, f) < 0)
		return -1;
	if (linux_cgroups.version == 0) /* nothing new to an ordinary user, who seldom has any */
		log_write(plan->user_mode ? LOG_INFO : LOG_WARN,
			"no control groups (%s): rlimits stand in for memory and pids", why);
	if (plan->net != NULL && net_host_clear(plan->net, f) < 0)
		return -1;
	return filter_prepare(f);
}

static void linux_finish(const struct jail_plan *plan)
{
	struct fault f = {0};
	if (plan->net != NULL && net_host_clear(plan->net, &f) < 0)
		log_error("the host's network is not as it was; the next start tries again: %s",
			f.text);
	defer_free char *noted = mem_printf("%s/run/cgroups", plan->state);
	if (linux_cgroups.version != 0)
		cgroup_finish(&linux_cgroups);
	(void)unlink(noted);
}

static void say(struct buf *report, const char *grade, const char *name, const char *what)
{
	buf_printf(report, "%s\t%s\t%s\n", grade, name, what);
}

/* What trying came to, told by the child that tried. */
struct tried {
	int failed;
	bool landlock;
	struct fault fault;
};

static void slot_try(const struct jail_plan *plan, struct tried *t)
{
	struct jail_parts parts;
	unsigned slot = plan->slots; /* one past the last: nobody else's */
	const struct jail_order order = {.kind = JAIL_EXEC};
	t->failed = slot_create(plan, slot, &order, &parts, &t->fault);
	if (t->failed < 0)
		return;
	t->landlock = parts.fd[PART_RULES] >= 0;
	for (int i = 0; i < JAIL_PARTS; i++) {
		if (parts.fd[i] >= 0)
			(void)close(parts.fd[i]);
	}
	t->failed = slot_destroy(plan, slot, &t->fault);
}

/* In a child: who makes an execution slot has a template of roots from then on, which is a helper's
 * alone (template.c), and we may be about to start helpers. */
static int slot_tried(const struct jail_plan *plan, struct tried *t, struct fault *f)
{
	int told[2];
	if (pipe2(told, O_CLOEXEC) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		slot_try(plan, t);
		_exit(write(told[1], t, sizeof(*t)) != (ssize_t)sizeof(*t));
	}
	(void)close(told[1]);
	const ssize_t got = pid > 0 ? read(told[0], t, sizeof(*t)) : -1;
	(void)close(told[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (got != (ssize_t)sizeof(*t))
		return fault_set(f, FAULT_PLATFORM, pid < 0 ? errno : 0,
			"the process that tries jails %s",
			pid < 0 ? "could not be forked" : "was ended");
	if (t->failed < 0 && f != NULL)
		*f = t->fault;
	return t->failed;
}

/* A slot of each kind that needs no source tree is made and removed: what a jail needs is tried,
 * not looked up. */
static int linux_probe(const struct jail_plan *plan, struct buf *report, struct fault *f)
{
	char why[600];
	cgroup_find(&linux_cgroups, plan->instance);
	const bool others =
		linux_cgroups.version != 0 && access(linux_cgroups.parent[0], F_OK) == 0;
	cgroup_prepare(&linux_cgroups, plan->instance, why, sizeof(why));
	if (linux_cgroups.version != 0)
		say(report, "ok", "cgroups", why);
	else
		buf_printf(
			report, "warn\tcgroups\trlimits stand in for memory and pids: %s\n", why);
	if (filter_prepare(f) < 0) {
		say(report, "fail", "seccomp", f->text);
		return -1;
	}
	say(report, "ok", "seccomp", "filters compiled");
	struct tried tried = {0};
	if (slot_tried(plan, &tried, f) < 0) {
		say(report, "fail", "namespaces", f->text);
		return -1;
	}
	say(report, tried.landlock ? "ok" : "warn", "landlock",
		tried.landlock ? "a second wall behind the mounts"
			       : "not in this kernel: jails do without");
	say(report, "ok", "namespaces", "user, mount, net, pid, ipc, uts, cgroup");
	if (!others && linux_cgroups.version != 0)
		cgroup_finish(&linux_cgroups);
	if (plan->net != NULL && plan->net->pools->count > 0) {
		net_host_report(plan->net, report);
		net_host_probe(plan->net, report);
	}
	return 0;
}

static unsigned linux_count(const struct jail_plan *plan)
{
	struct cgroups groups;
	defer_free char *noted = mem_printf("%s/run/cgroups", plan->state);
	if (cgroup_load(&groups, noted) < 0)
		cgroup_find(&groups, plan->instance);
	return cgroup_count(&groups);
}

static const struct jail_backend backend = {
	.name = "linux",
	.enter = userns_enter,
	.probe = linux_probe,
	.prepare = linux_prepare,
	.finish = linux_finish,
	.create = slot_create,
	.destroy = slot_destroy,
	.count = linux_count,
};

const struct jail_backend *const jail_backend = &backend;
