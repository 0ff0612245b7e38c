#include "pool/caller.h"

#include "base/buf.h"

#include <string.h>

struct caller *caller_named(struct caller **all, const char *name, unsigned calls_max)
{
	struct caller *caller = *all;
	while (caller != NULL && strcmp(caller->name, name) != 0)
		caller = caller->next;
	if (caller == NULL) {
		caller = mem_zero(1, sizeof(*caller));
		caller->name = mem_strdup(name);
		TAILQ_INIT(&caller->lanes);
		caller->next = *all;
		*all = caller;
	}
	caller->calls_max = calls_max;
	return caller;
}
