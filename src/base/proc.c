#include "base/proc.h"

#include "base/defer.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 20 };

static _Noreturn void child_run(const struct proc_spec *spec, int out)
{
	int nothing = open("/dev/null", O_RDONLY);
	os_end_with_parent(SIGKILL);
	if (spec->apart)
		os_apart();
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(nothing, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	/* Sources are moved out of the targets' way first. */
	int high[8];
	for (unsigned i = 0; i < spec->fds_count && i < 8; i++)
		high[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, 20);
	for (unsigned i = 0; i < spec->fds_count && i < 8; i++) {
		if (dup2(high[i], 3 + (int)i) < 0)
			_exit(127);
	}
	if (spec->dir != NULL && chdir(spec->dir) < 0)
		_exit(127);
	(void)execve(spec->argv[0], spec->argv, spec->env);
	_exit(127);
}

static void output_read(int fd, struct buf *text)
{
	for (;;) {
		char chunk[8192];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		if (text->len < OUTPUT_MAX)
			buf_append(text, chunk, (size_t)n);
	}
}

/* The last line with something on it. */
static char *last_line(const struct buf *text)
{
	size_t end = text->len;
	while (end > 0 && strchr("\n\r\t ", text->data[end - 1]) != NULL)
		end--;
	size_t start = end;
	while (start > 0 && text->data[start - 1] != '\n')
		start--;
	return mem_strndup(end > 0 ? text->data + start : "", end - start);
}

int proc_run(const struct proc_spec *spec, struct buf *out, struct fault *f)
{
	defer_buf struct buf own = {0};
	struct buf *text = out != NULL ? out : &own;
	int pipes[2];
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "pipe");
	pid_t pid = fork();
	if (pid == 0)
		child_run(spec, pipes[1]);
	(void)close(pipes[1]);
	if (pid < 0) {
		(void)close(pipes[0]);
		return fault_set(f, FAULT_PLATFORM, errno, "fork");
	}
	output_read(pipes[0], text);
	(void)close(pipes[0]);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	defer_free char *line = last_line(text);
	if (WIFEXITED(status))
		return fault_set(f, FAULT_PLATFORM, 0, "%s ended with status %d: %s", spec->argv[0],
			WEXITSTATUS(status), line);
	return fault_set(f, FAULT_PLATFORM, 0, "%s was ended by signal %d: %s", spec->argv[0],
		WTERMSIG(status), line);
}

void proc_env_pass(char **env, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *value = getenv(names[i]);
		if (value != NULL)
			*env++ = mem_printf("%s=%s", names[i], value);
	}
}

void proc_env_free(char **env)
{
	for (char **at = env; *at != NULL; at++)
		free(*at);
	free(env);
}

char *proc_find(const char *name)
{
	const char *path = getenv("PATH");
	defer_free char *copy = mem_strdup(path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
	char *save = NULL;
	for (char *dir = strtok_r(copy, ":", &save); dir != NULL;
		dir = strtok_r(NULL, ":", &save)) {
		char *full = mem_printf("%s/%s", dir, name);
		if (access(full, X_OK) == 0)
			return full;
		free(full);
	}
	return NULL;
}
