#include "jail/linux/linux.h"

#include "base/defer.h"
#include "base/log.h"
#include "jail/linux/refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
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

static void network_probe(const struct jail_plan *plan, struct buf *report)
{
	struct refusal_facts facts;
	defer_buf struct buf why = {0};
	const size_t before = report->len;
	net_host_probe(plan->net, report);
	if (report->len == before || strncmp(report->data + before, "fail\t", 5) != 0)
		return;
	refusal_look(&facts, plan->user_mode);
	refusal_net_why(&facts, report->data + before, &why);
	if (why.len > 0) {
		report->len--; /* its line goes on */
		buf_printf(report, "; %s\n", why.data);
	}
}

/* A jail is begun in the slot, up to where its program is missing; it is given none, which is the end
 * of it. */
static int begin_probe(const struct jail_plan *plan, unsigned slot, const struct jail_parts *parts,
	struct fault *f)
{
	struct jail_door door;
	struct jail_end *end =
		mmap(NULL, sizeof(*end), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (end == MAP_FAILED)
		return fault_set(f, FAULT_PLATFORM, errno, "map shared memory");
	pid_t pid = jail_runner->prepare(plan, slot, JAIL_EXEC, parts, end, &door, f);
	if (pid > 0) {
		(void)close(door.outside);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		(void)close(door.inside);
		if (strcmp(end->start_step, "door") != 0)
			pid = fault_set(f, FAULT_PLATFORM, end->start_error, "begin a jail: %s",
				end->start_step[0] != '\0' ? end->start_step : "it ended early");
	}
	(void)munmap(end, sizeof(*end));
	return pid < 0 ? -1 : 0;
}

/* What a jail needs is tried, not looked up: a slot, and a jail in it, are made and removed. */
static int jail_probe(const struct jail_plan *plan, bool *walled, struct fault *f)
{
	struct jail_parts parts;
	const unsigned slot = plan->slots; /* one past the last: nobody else's */
	const struct jail_order order = {.kind = JAIL_EXEC};
	if (slot_create(plan, slot, &order, &parts, f) < 0)
		return refusal_explain(plan->user_mode, f);
	*walled = parts.fd[PART_RULES] >= 0;
	int begun = begin_probe(plan, slot, &parts, f);
	if (begun < 0)
		(void)refusal_explain(plan->user_mode, f);
	for (int i = 0; i < JAIL_PARTS; i++) {
		if (parts.fd[i] >= 0)
			(void)close(parts.fd[i]);
	}
	int gone = slot_destroy(plan, slot, begun < 0 ? NULL : f);
	return begun < 0 || gone < 0 ? -1 : 0;
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
		t->failed = jail_probe(plan, &t->landlock, &t->fault);
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

static int linux_probe(const struct jail_plan *plan, struct buf *report, struct fault *f)
{
	char why[600];
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
	/* A server that runs has its jails in them, and their limits; on version 2 not where we
	 * looked first. */
	if (!linux_cgroups.found && linux_cgroups.version != 0)
		cgroup_finish(&linux_cgroups);
	if (plan->net != NULL && plan->net->pools->count > 0) {
		net_host_report(plan->net, report);
		network_probe(plan, report);
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

/* Of what is the jail's, its kernel has no record: it is what we made it of. */
static int linux_describe(const struct jail_plan *plan, const struct jail_asked *asked,
	struct jail_description *out, struct fault *f)
{
	struct utsname system;
	*out = (struct jail_description){.jid = asked->jid, .hostname = JAIL_HOSTNAME};
	if (uname(&system) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "uname");
	(void)snprintf(out->name, sizeof(out->name), "%s-%llu", jail_kind_word(asked->kind),
		(unsigned long long)asked->jid);
	(void)snprintf(
		out->path, sizeof(out->path), "%.1000s/%s", plan->state, jail_base(asked->kind));
	(void)snprintf(out->osrelease, sizeof(out->osrelease), "%s", system.release);
	(void)snprintf(out->ip4, sizeof(out->ip4), "%s", asked->ip4 != NULL ? asked->ip4 : "");
	return 1;
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
	.describe = linux_describe,
};

const struct jail_backend *const jail_backend = &backend;
