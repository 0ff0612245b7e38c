#pragma once

/* proc: running another program and waiting for it, for steps at start that may take their time. */

#include "base/buf.h"
#include "base/fault.h"

#include <stdbool.h>
#include <sys/types.h>

struct proc_spec {
	char *const *argv; /* argv[0] is a path */
	char *const *env;  /* whole environment */
	const char *dir;   /* working directory, or NULL */
	const int *fds;    /* descriptors to give it as 3, 4, …; or NULL */
	unsigned fds_count;
	bool apart; /* where the host lets us: whatever it starts ends with it, and it with us */
};

/* Runs it to its end with /dev/null as stdin; stdout and stderr together go to *out (may be NULL),
 * at most 1 MiB of it. Fault unless it exits with 0; the fault carries the last line it wrote.
 * SIGKILL reaches it when we die. */
int proc_run(const struct proc_spec *spec, struct buf *out, struct fault *f);

/* An environment is a NULL-terminated list of "NAME=value", each text allocated. Puts those of these
 * names that we have ourselves from *env on, where there must be room for all. */
void proc_env_pass(char **env, const char *const *names, size_t count);
void proc_env_free(char **env);

/* The path of a program on PATH, or NULL. The caller frees. */
char *proc_find(const char *name);
