/*
 * sky-island destroy: removes all that preparing and serving made, and nothing else. The state
 * directory must be ours, and nobody may run with it. What is in the kernel goes first, then our
 * parts of the directory by their names, then, where nothing of others is in it, the directory.
 * Links are removed, not followed, and what is mounted there stays.
 */

#include "cli/cli.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/log.h"
#include "base/remove.h"
#include "node/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void kept_say(const char *path, const char *why)
{
	(void)printf("kept %s: %s\n", path, why);
}

/* ---- may we? ---- */

/* The directory that the configuration names, and not one that a link in its place leads to. */
static int is_itself(const struct node *n, struct fault *f)
{
	struct stat st;
	defer_free char *path = mem_strdup(n->config.state_dir);
	for (size_t len = strlen(path); len > 1 && path[len - 1] == '/';)
		path[--len] = '\0';
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return fault_set(f, FAULT_INPUT, 0,
			"state_dir %s is a symbolic link to %s: nothing was removed; give that as "
			"state_dir if it is meant",
			path, n->state);
	return 0;
}

static int is_to_be_removed(const struct node *n, struct fault *f)
{
	if (is_itself(n, f) < 0)
		return -1;
	if (node_claim_check(n, f) < 0)
		return fault_wrap(f, "nothing was removed");
	if (!node_is_ours(n))
		return fault_set(f, FAULT_INPUT, 0,
			"nothing was removed: state_dir %s was never used by Sky Island", n->state);
	return 0;
}

/* Whether an ordinary user, or root, has what it takes: the lock, and the rights over jails'
 * files. */
static int enter(struct node *n, struct fault *f)
{
	if (node_lock(n, f) < 0)
		return fault_wrap(f, "nothing was removed");
	return jail_backend->enter(&n->plan, f);
}

static bool answer_is_yes(void)
{
	char answer[16] = "";
	if (fgets(answer, sizeof(answer), stdin) == NULL)
		return false;
	answer[strcspn(answer, "\n")] = '\0';
	return strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0;
}

/* 0: go on; else the exit status. */
static int ask(const struct node *n, uint64_t bytes, bool yes)
{
	if (yes)
		return 0;
	if (!isatty(STDIN_FILENO)) {
		(void)fprintf(stderr,
			"sky-island: destroy asks before it removes %s, on a terminal; without one "
			"say --yes\n",
			n->state);
		return EXIT_USE;
	}
	(void)fprintf(stderr,
		"This removes %s, %llu MiB: sources, compiled programs, Go, the admin token.\n"
		"Remove it? [y/N] ",
		n->state, (unsigned long long)(bytes >> 20));
	if (answer_is_yes())
		return 0;
	(void)fprintf(stderr, "sky-island: nothing was removed\n");
	return 1;
}

/* ---- the kernel ---- */

static bool is_there(const struct node *n, const char *name, mode_t type)
{
	struct stat st;
	defer_free char *path = node_path(n, "%s", name);
	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

/* Processes and control groups of a run that was killed, and what it changed on the host's network.
 * The notes of that must stay until it is undone. */
static int kernel_clear(struct node *n)
{
	struct fault f = {0};
	if (!is_there(n, "run", S_IFDIR))
		return 0;
	node_net_name(n);
	log_set_level(LOG_ERROR); /* what is of use only to who runs a server */
	/* It clears what is noted there before it makes what we do not need. */
	if (jail_backend->prepare(&n->plan, &f) < 0)
		(void)fprintf(stderr, "sky-island: %s\n", f.text);
	defer_free char *journal = node_path(n, "run/journal");
	if (is_there(n, "run/journal", S_IFREG) &&
		journal_open(&n->journal, journal, n->plan.slots, &f) == 0)
		supervisor_clean(n);
	jail_backend->finish(&n->plan);
	if (n->plan.net == NULL || !is_there(n, "run/network", S_IFREG))
		return 0;
	(void)fprintf(stderr,
		"sky-island: the host's network is not as it was, and %s/run/network says what was "
		"changed: nothing of the directory was removed; destroy again\n",
		n->state);
	return 1;
}

/* The dataset with all that jails were cloned from; what is not ours stays, and is named. */
static int storage_clear(struct node *n)
{
	struct fault f = {0};
	if (storage_remove(&n->storage, &f) == 0)
		return 0;
	(void)fprintf(stderr,
		"sky-island: %s: nothing of the directory was removed; destroy again\n", f.text);
	return 1;
}

/* ---- files ---- */

static struct remove_job job_of(const struct node *n, bool only_count)
{
	struct remove_job job = {.only_count = only_count, .tell = only_count ? NULL : kept_say};
	buf_puts(&job.path, n->state);
	return job;
}

static void parts_remove(struct remove_job *job, int dir)
{
	for (const char *const *part = node_parts; *part != NULL; part++)
		remove_entry(job, dir, *part);
}

static uint64_t parts_bytes(const struct node *n, int dir)
{
	struct remove_job job = job_of(n, true);
	parts_remove(&job, dir);
	buf_finish(&job.path);
	return job.bytes;
}

static unsigned others_say(const struct node *n)
{
	unsigned others = 0;
	defer_closedir DIR *entries = opendir(n->state);
	for (struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		defer_free char *path = node_path(n, "%s", e->d_name);
		kept_say(path, "not made by Sky Island");
		others++;
	}
	return others;
}

static int files_remove(const struct node *n, int dir)
{
	struct remove_job job = job_of(n, false);
	parts_remove(&job, dir);
	const uint64_t mib = job.bytes >> 20;
	buf_finish(&job.path);
	if (job.kept > 0) {
		(void)fprintf(stderr,
			"sky-island: %u entries of %s could not be removed; see to them, then "
			"destroy again\n",
			job.kept, n->state);
		return 1;
	}
	node_disclaim(n);
	if (others_say(n) > 0)
		(void)printf("removed what Sky Island had in %s, %llu MiB\n", n->state,
			(unsigned long long)mib);
	else if (rmdir(n->state) == 0)
		(void)printf("removed %s, %llu MiB\n", n->state, (unsigned long long)mib);
	else
		(void)printf("emptied %s, %llu MiB; the directory itself stays: %s\n", n->state,
			(unsigned long long)mib, strerror(errno));
	return 0;
}

/* ---- the whole ---- */

/* A descriptor for each level of what is removed. */
static void descriptors_raise(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int destroy(struct node *n, bool yes)
{
	struct fault f = {0};
	if (is_to_be_removed(n, &f) < 0 || enter(n, &f) < 0)
		return cli_fail(NULL, &f);
	defer_close int dir = open(n->state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) {
		(void)fault_set(&f, FAULT_PLATFORM, errno, "open %s", n->state);
		return cli_fail(NULL, &f);
	}
	descriptors_raise();
	int status = ask(n, yes ? 0 : parts_bytes(n, dir), yes);
	if (status != 0)
		return status;
	status = kernel_clear(n);
	if (status == 0)
		status = storage_clear(n);
	return status != 0 ? status : files_remove(n, dir);
}

int cli_destroy(const struct cli *cli)
{
	struct node n;
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	const bool yes = cli->argc == 2 && strcmp(cli->argv[1], "--yes") == 0;
	if (cli->argc != 1 && !yes) {
		(void)fprintf(stderr, "usage: sky-island [-c CONFIG] destroy [--yes]\n");
		return EXIT_USE;
	}
	if (node_look(&n, cli->config_path, &faults, &f) == 0)
		return destroy(&n, yes);
	if (!node_is_gone(&n, &f))
		return cli_fail(&faults, &f);
	(void)printf("%s is not there: nothing to remove\n", n.config.state_dir);
	return 0;
}
