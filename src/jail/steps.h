#pragma once

/*
 * steps: a thing made by a table of steps, each with its undo. When one fails, those before it are
 * undone in reverse order, and the fault names the step (after FreeBSD's jail(8), whose life cycle
 * is data).
 */

#include "base/fault.h"

#include <stddef.h>

struct step {
	const char *name;
	int (*up)(void *thing, struct fault *f);
	void (*down)(void *thing); /* NULL: nothing to undo */
};

int steps_up(const struct step *steps, size_t count, void *thing, struct fault *f);
void steps_down(const struct step *steps, size_t count, void *thing);
