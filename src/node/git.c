/*
 * What of the host a git jail sees: git itself, its own programs and the libraries they load, and
 * ssh where a host of the configuration is reached by it. Directories of libraries are bound whole:
 * which of them a program loads is known only once it runs. No shell is among it, nor anything else
 * of /usr/bin, /etc or /usr/share.
 */

#include "node/node.h"

#include "base/defer.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATHS_MAX = 16 };

/* Those of a distribution, then those of what was compiled here. */
static const char *const libraries[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/libexec",
	"/usr/local/lib", "/usr/local/libexec"};
enum { LIBRARIES = sizeof(libraries) / sizeof(libraries[0]), DISTRIBUTIONS = 5 };

static bool below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

static void path_add(struct node_git *git, const char *path)
{
	size_t count = 0;
	while (git->paths[count] != NULL)
		count++;
	if (count < PATHS_MAX)
		git->paths[count] = mem_strdup(path);
}

/* Where git has the programs it runs; NULL where it does not say. The caller frees. */
static char *exec_path(const char *program)
{
	char *const argv[] = {(char *)(uintptr_t)program, (char *)"--exec-path", NULL};
	char *const env[] = {(char *)"HOME=/nonexistent", (char *)"GIT_CONFIG_NOSYSTEM=1", NULL};
	const struct proc_spec spec = {.argv = argv, .env = env, .dir = "/"};
	defer_buf struct buf out = {0};
	if (proc_run(&spec, &out, NULL) < 0 || out.len == 0)
		return NULL;
	return mem_strndup(out.data, strcspn(out.data, "\n"));
}

static bool ssh_wanted(const struct config *c)
{
	for (size_t i = 0; i < c->git_hosts_count; i++)
		if (config_git_serves(&c->git_hosts[i], "ssh"))
			return true;
	return false;
}

/* Why git cannot be used as it is here, NULL where it can. `programs`: where it has those it runs,
 * NULL where it does not say. */
static const char *missing(const char *program, const char *programs, bool ssh_lacks)
{
	bool seen = false;
	if (program == NULL)
		return "git is not installed here: install it (package git), then start again";
	for (size_t i = 0; programs != NULL && i < LIBRARIES; i++)
		seen |= below(programs, libraries[i]);
	if (!seen)
		return "git is not where a distribution has it (its programs are not below /usr): "
		       "install your distribution's, then start again";
	return ssh_lacks ? "ssh is not installed here, which git.hosts asks for: install it "
			   "(package openssh-client), then start again"
			 : NULL;
}

void node_git_find(struct node *n)
{
	struct node_git *git = &n->git;
	const bool shell = ssh_wanted(&n->config);
	defer_free char *program = proc_find("git");
	defer_free char *programs = program != NULL ? exec_path(program) : NULL;
	defer_free char *ssh = shell ? proc_find("ssh") : NULL;
	git->paths = mem_zero(PATHS_MAX + 1, sizeof(*git->paths));
	git->missing = missing(program, programs, shell && ssh == NULL);
	if (git->missing != NULL || program == NULL || programs == NULL)
		return;
	const size_t count = below(programs, "/usr/local") ? LIBRARIES : DISTRIBUTIONS;
	for (size_t i = 0; i < count; i++) {
		if (access(libraries[i], X_OK) == 0)
			path_add(git, libraries[i]);
	}
	path_add(git, program);
	if (ssh != NULL)
		path_add(git, ssh);
}

/* A place for a directory or a file to be bound on. */
static int place_make(const char *root, const char *path, struct fault *f)
{
	struct stat st;
	defer_free char *to = mem_printf("%s%s", root, path);
	if (stat(path, &st) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "stat %s", path);
	if (S_ISDIR(st.st_mode))
		return fs_mkdirs(to, 0755, f);
	char *slash = strrchr(to, '/');
	*slash = '\0';
	if (fs_mkdirs(to, 0755, f) < 0)
		return -1;
	*slash = '/';
	return access(to, F_OK) == 0 ? 0 : fs_write(to, "", 0, 0644, f);
}

int node_git_places(struct node *n, const char *root, struct fault *f)
{
	for (char **path = n->git.paths; *path != NULL; path++) {
		if (place_make(root, *path, f) < 0)
			return fault_wrap(f, "git");
	}
	n->plan.git_paths = (const char *const *)n->git.paths;
	return 0;
}
