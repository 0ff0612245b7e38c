/* sky-island doctor: what the host offers, tried by doing; what is missing; and whether anything
 * was left behind. */

#include "cli/cli.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/proc.h"
#include "node/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

struct tally {
	unsigned failed, warned;
};

static void say(struct tally *t, const char *grade, const char *name, const char *what)
{
	t->failed += strcmp(grade, "fail") == 0;
	t->warned += strcmp(grade, "warn") == 0;
	(void)printf("%-5s %-12s %s\n", grade, name, what);
}

static void report_say(struct tally *t, char *report)
{
	char *save = NULL;
	for (char *line = strtok_r(report, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		char *name = strchr(line, '\t');
		char *what = name != NULL ? strchr(name + 1, '\t') : NULL;
		if (what == NULL)
			continue;
		*name++ = '\0';
		*what++ = '\0';
		say(t, line, name, what);
	}
}

static unsigned entries(const struct node *n, const char *dir)
{
	unsigned count = 0;
	defer_free char *path = node_path(n, "%s", dir);
	defer_closedir DIR *d = opendir(path);
	for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d))
		count += e->d_name[0] != '.';
	return count;
}

static void left_say(struct tally *t, struct node *n, bool running)
{
	char text[160];
	defer_free char *path = node_path(n, "run/journal");
	struct fault f = {0};
	if (access(path, F_OK) < 0 || journal_open(&n->journal, path, n->plan.slots, &f) < 0) {
		say(t, "ok", "left behind", "nothing: no jail was ever made here");
		return;
	}
	unsigned slots = journal_used(&n->journal);
	unsigned groups = jail_backend->count(&n->plan);
	if (running) {
		(void)snprintf(
			text, sizeof(text), "%u jail slots in use by the running server", slots);
		say(t, "ok", "jails", text);
	} else if (slots + groups + entries(n, "tmp") > 0) {
		(void)snprintf(text, sizeof(text),
			"%u jail slots, %u control groups, %u files of a run that was killed; the "
			"next start clears them",
			slots, groups, entries(n, "tmp"));
		say(t, "warn", "left behind", text);
	} else {
		say(t, "ok", "left behind", "nothing");
	}
}

/* Whether an ordinary user's jails are apart from each other by uid too; known once we are root of
 * a user namespace. */
static void uids_say(const struct jail_plan *plan, struct buf *report)
{
	defer_free char *newuidmap = proc_find("newuidmap");
	if (!plan->user_mode)
		return;
	if (plan->uids_apart)
		buf_printf(report, "ok\tuids\teach jail has one of your subordinate uids\n");
	else if (newuidmap == NULL)
		buf_printf(report, "warn\tuids\tall jails share your own uid: newuidmap is missing "
				   "(package uidmap)\n");
	else
		buf_printf(report,
			"warn\tuids\tall jails share your own uid: fewer than %u for you in "
			"/etc/subuid or /etc/subgid (usermod --add-subuids, --add-subgids)\n",
			plan->slots + 1001);
}

static void probe(struct node *n, struct buf *report)
{
	struct fault f = {0};
	if (jail_backend->enter(&n->plan, &f) < 0) {
		buf_printf(report, "fail\tuser namespace\t%s\n", f.text);
		return;
	}
	uids_say(&n->plan, report);
	(void)jail_backend->probe(&n->plan, report, &f);
}

/* An ordinary user becomes another one for it, and so is not ourselves. */
static void probe_apart(struct node *n, struct buf *report)
{
	int out[2];
	if (pipe(out) < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		probe(n, report);
		(void)!write(out[1], report->data, report->len);
		_exit(0);
	}
	(void)close(out[1]);
	char text[8192];
	for (ssize_t got; (got = read(out[0], text, sizeof(text))) > 0;)
		buf_append(report, text, (size_t)got);
	(void)close(out[0]);
	(void)waitpid(pid, NULL, 0);
}

/* Root's is made in this process: one that waits beside would keep our control group from handing
 * anything down on version 2. */
static void probe_say(struct tally *t, struct node *n)
{
	defer_buf struct buf report = {0};
	if (n->user_mode)
		probe_apart(n, &report);
	else
		probe(n, &report);
	(void)buf_reserve(&report, 1);
	report_say(t, report.data);
}

/* Pools that do not fit the host would be refused at the start. */
static void pools_say(struct tally *t, struct node *n)
{
	struct buf warnings = {0};
	struct fault f = {0};
	char *save = NULL;
	if (node_pools(n, &warnings, &f) < 0)
		say(t, "fail", "network", f.text);
	for (char *line = warnings.len > 0 ? strtok_r(warnings.data, "\n", &save) : NULL;
		line != NULL; line = strtok_r(NULL, "\n", &save))
		say(t, "warn", "network", line);
	buf_finish(&warnings);
}

static void storage_say(struct tally *t, struct node *n)
{
	defer_buf struct buf report = {0};
	storage_report(&n->storage, &report);
	report_say(t, report.data);
}

/* Whoever runs holds the lock. */
static bool is_running(const struct node *n)
{
	defer_free char *path = node_path(n, "lock");
	defer_close int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static void git_say(struct tally *t, struct node *n)
{
	node_git_find(n);
	say(t, n->git.missing == NULL ? "ok" : "warn", "git",
		n->git.missing == NULL ? "plain git repositories can be called" : n->git.missing);
}

static const char unprepared[] = "not yet: run sky-island -i, or start the server";

/* A jail needs a root, so without one nothing about jails was tried. */
static int verdict_say(const struct tally *t, bool tried)
{
	(void)printf("%s: %u failed, %u warning%s\n",
		t->failed > 0 ? "calls cannot run here"
		: tried       ? "calls can run here"
			      : "whether calls can run here is tried once it is prepared",
		t->failed, t->warned, t->warned == 1 ? "" : "s");
	return t->failed > 0 ? 1 : 0;
}

/* Nothing was ever prepared. */
static int gone_say(struct node *n)
{
	struct tally t = {0};
	defer_free char *state = mem_printf("%s is not there yet", n->config.state_dir);
	say(&t, "warn", "state", state);
	say(&t, "warn", "prepared", unprepared);
	git_say(&t, n);
	return verdict_say(&t, false);
}

static int host_say(struct node *n)
{
	struct tally t = {0};
	defer_free char *toolchain = node_path(n, "toolchain/%s", n->go_version);
	const bool rooted = node_is_rooted(n);
	const bool prepared = rooted && access(toolchain, F_OK) == 0;
	say(&t, "ok", "state", n->state);
	say(&t, prepared ? "ok" : "warn", "prepared", prepared ? n->go_version : unprepared);
	n->plan.limits[JAIL_EXEC] = n->plan.limits[JAIL_EXEC_NET] =
		(struct jail_limits){.memory = n->config.exec.memory,
			.pids = n->config.exec.pids,
			.tmp = n->config.exec.tmp};
	n->plan.uid_base = n->user_mode ? 1000 : n->config.uid_base;
	storage_say(&t, n);
	pools_say(&t, n);
	const bool running = is_running(n);
	git_say(&t, n);
	if (rooted)
		probe_say(&t, n);
	left_say(&t, n, running);
	return verdict_say(&t, rooted);
}

int cli_doctor(const struct cli *cli)
{
	struct node n;
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	if (cli->argc != 1) {
		(void)fprintf(stderr, "usage: sky-island [-c CONFIG] doctor\n");
		return EXIT_USE;
	}
	if (node_look(&n, cli->config_path, &faults, &f) == 0)
		return host_say(&n);
	return node_is_gone(&n, &f) ? gone_say(&n) : cli_fail(&faults, &f);
}
