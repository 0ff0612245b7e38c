/*
 * What jails need, made once, in steps. Each step looks whether it is done, makes its thing beside
 * the place where it belongs and renames it there: a kill at any point leaves nothing half done,
 * and nothing is downloaded twice. When a step fails, what it made is removed, and what other steps
 * made stays.
 *
 *   storage     the directories of the state
 *   base root   the roots that jails share: /etc, places for mounts, CA certificates
 *   jails       a jail is made and removed, before anything is downloaded for one
 *   toolchain   Go itself, as a module, checksum-verified by whatever `go` the host has
 *   tool        driver/cmd/tool, compiled
 *   cache       the standard library and the driver, compiled, for builds to start from
 *   build jail  one is made and removed
 */

#include "node/prepare.h"

#include "base/defer.h"
#include "base/fs.h"
#include "metrics/metrics.h"
#include "node/progress.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- storage ---- */

/* In a child that has become whom the directory belongs to, the server of now or before: what is in
 * it is theirs to name, and to swap for a link while root would look. */
static int empty_as_owner(const char *path, uid_t owner, struct fault *f)
{
	int status = -1;
	pid_t child = fork();
	if (child == 0) {
		if (owner != geteuid() &&
			(setgroups(0, NULL) < 0 || setresgid(owner, owner, owner) < 0 ||
				setresuid(owner, owner, owner) < 0))
			_exit(2);
		_exit(fs_empty(path, NULL) < 0 ? 1 : 0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : fault_set(f, FAULT_PLATFORM, 0, "%s could not be emptied", path);
}

/* A directory that the server writes to. What an earlier run left in it is kept where it is the
 * same user's: if not, nobody could use it, and root changes no owner of what lies in a stranger's
 * directory. Others on this host see nothing of it: root's group may look names up, since the
 * helpers that bind a source tree have no more rights than that. */
static int servers_directory(const struct node *n, const char *path, bool kept, struct fault *f)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "stat %s", path);
	const uid_t owner = n->server_uid != 0 ? n->server_uid : geteuid();
	if ((!kept || st.st_uid != owner) && empty_as_owner(path, st.st_uid, f) < 0)
		return -1;
	if (n->server_uid != 0 && chown(path, owner, 0) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "chown %s", path);
	return chmod(path, 0710) < 0 ? fault_set(f, FAULT_PLATFORM, errno, "chmod %s", path) : 0;
}

/* What runs of `go` that were killed have left. All their processes end with us, but not before us:
 * the last of them may have been writing still. */
static int leftovers_remove(const struct node *n, struct fault *f)
{
	defer_free char *tmp = node_path(n, "private/tmp");
	for (unsigned tries = 0; tries < 200; tries++) {
		if (fs_remove_all(tmp, f) == 0)
			return 0;
		(void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	return -1;
}

int prepare_directories(void *thing, struct fault *f)
{
	static const struct {
		const char *name;
		bool servers; /* the server writes there */
		bool kept;    /* what is in it is of use to the next run */
	} dirs[] = {{"run", false, true}, {"toolchain", false, true}, {"tool", false, true},
		{"private", false, true}, {"sources", true, true}, {"artifacts", true, true},
		{"store", true, true}, {"tmp", true, false}};
	const struct node *n = ((struct preparing *)thing)->node;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		defer_free char *path = node_path(n, "%s", dirs[i].name);
		if (fs_mkdirs(path, 0755, f) < 0)
			return -1;
		if (dirs[i].servers && servers_directory(n, path, dirs[i].kept, f) < 0)
			return -1;
		if (strcmp(dirs[i].name, "private") == 0 && chmod(path, 0700) < 0)
			return fault_set(f, FAULT_PLATFORM, errno, "chmod %s", path);
	}
	return leftovers_remove(n, f);
}

/* ---- the whole ---- */

static int step_do(const struct prepare_step *step, struct preparing *p, struct fault *f)
{
	struct progress progress;
	defer_free char *grows = step->grows != NULL ? node_path(p->node, "%s", step->grows) : NULL;
	progress_begin(&progress, step->name, grows, p->mode != NODE_QUIETLY);
	int did = step->up(p, f);
	const uint64_t took = progress_end(&progress, did < 0);
	if (did == 0) {
		metrics_step(step->fact, took);
		return 0;
	}
	if (step->undo != NULL)
		step->undo(p);
	return fault_wrap(f, "prepare %s", step->name);
}

int prepare_run(const struct prepare_step *steps, bool prove, struct preparing *p, struct fault *f)
{
	for (; steps->name != NULL; steps++) {
		if ((prove || !steps->proves) && step_do(steps, p, f) < 0)
			return -1;
	}
	return 0;
}

int node_prepare(struct node *n, enum node_mode mode, struct fault *f)
{
	struct preparing p = {.node = n, .mode = mode, .host = ""};
	driver_key(&p);
	p.goroot = node_path(n, "toolchain/%s", n->go_version);
	p.tool = node_path(n, "tool/%s", p.key);
	n->plan.toolchain = p.goroot; /* as long as the process */
	n->plan.tool = p.tool;
	int did = prepare_run(prepare_platform, mode == NODE_INIT || !driver_is_cached(&p), &p, f);
	if (n->config.statsd_host != NULL)
		statsd_send_steps(n->config.statsd_host, n->config.statsd_port);
	return did;
}
