/*
 * How a Go program's end is told apart. The runtime ends a program with status 2 after a panic or a
 * fatal error and says which on stderr (runtime/panic.go). The function can print the same and exit
 * with 2: then it has described itself, to its own caller only.
 */

#include "pool/run.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* Whether a line of the text begins so. */
static bool has_line(const char *text, const char *start)
{
	const size_t len = strlen(start);
	for (const char *at = text; at != NULL;
		at = strchr(at, '\n'), at = at != NULL ? at + 1 : NULL) {
		if (strncmp(at, start, len) == 0)
			return true;
	}
	return false;
}

enum pool_outcome run_last_words(const char *err)
{
	if (has_line(err, "fatal error: stack overflow") ||
		has_line(err, "runtime: goroutine stack exceeds"))
		return POOL_STACK_OVERFLOW;
	if (has_line(err, "fatal error: all goroutines are asleep - deadlock!") ||
		has_line(
			err, "fatal error: no goroutines (main called runtime.Goexit) - deadlock!"))
		return POOL_DEADLOCK;
	if (has_line(err, "fatal error: runtime: out of memory") ||
		has_line(err, "fatal error: runtime: cannot allocate memory") ||
		has_line(err, "runtime: out of memory") ||
		has_line(err, "fatal error: out of memory"))
		return POOL_OUT_OF_MEMORY;
	if (has_line(err, "panic: ") || has_line(err, "fatal error: "))
		return POOL_PANIC;
	return POOL_EXIT;
}

enum pool_outcome run_classify(int status, bool out_of_memory, const char *err)
{
	if (WIFSIGNALED(status)) {
		if (out_of_memory && WTERMSIG(status) == SIGKILL)
			return POOL_OUT_OF_MEMORY;
		return POOL_SIGNAL;
	}
	if (WEXITSTATUS(status) == 0)
		return POOL_VALUE;
	return WEXITSTATUS(status) == 2 ? run_last_words(err) : POOL_EXIT;
}
