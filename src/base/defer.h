#pragma once

/*
 * defer: cleanup attributes. A variable is initialised where it is declared; what survives the
 * scope is taken out (`*out = x; x = NULL`, or `x = -1`). gcc and clang: __attribute__((cleanup)).
 */

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static inline void defer_free_(void *p)
{
	free(*(void **)p);
}
static inline void defer_close_(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
static inline void defer_closedir_(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

#define defer_free     __attribute__((cleanup(defer_free_)))
#define defer_close    __attribute__((cleanup(defer_close_)))
#define defer_closedir __attribute__((cleanup(defer_closedir_)))

/* Takes a descriptor out of its variable: the cleanup then has nothing to close. */
static inline int defer_take(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}
