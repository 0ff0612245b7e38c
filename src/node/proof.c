/* Whether this host can make jails, tried by making some: who prepares is told so before a
 * download, and not by the first call's 503. */

#include "node/prepare.h"

#include "base/defer.h"

#include <unistd.h>

static int refuse(const char *kind, struct fault *f)
{
	const struct fault why = *f;
	return fault_set(f, why.kind, 0, "this host makes no %s: %s; `sky-island doctor` says more",
		kind, why.text);
}

static struct jail_limits limits_of(const struct config_limits *c)
{
	return (struct jail_limits){.memory = c->memory, .pids = c->pids, .tmp = c->tmp};
}

int proof_jail(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	struct jail_plan *plan = &p->node->plan;
	defer_buf struct buf report = {0};
	plan->limits[JAIL_EXEC] = limits_of(&p->node->config.exec);
	return jail_backend->probe(plan, &report, f) < 0 ? refuse("jails", f) : 0;
}

/* The slot behind those of the jailers is nobody's while we hold the lock. */
int proof_build(void *thing, struct fault *f)
{
	const struct preparing *p = thing;
	struct jail_plan *plan = &p->node->plan;
	struct jail_parts parts;
	const struct jail_order order = {.kind = JAIL_BUILD};
	plan->limits[JAIL_BUILD] = limits_of(&p->node->config.build);
	if (jail_backend->prepare(plan, f) < 0) {
		jail_backend->finish(plan);
		return refuse("build jails", f);
	}
	int made = jail_backend->create(plan, plan->slots, &order, &parts, f);
	for (int i = 0; made == 0 && i < JAIL_PARTS; i++) {
		if (parts.fd[i] >= 0)
			(void)close(parts.fd[i]);
	}
	int gone = jail_backend->destroy(plan, plan->slots, made < 0 ? NULL : f);
	jail_backend->finish(plan);
	return made < 0 || gone < 0 ? refuse("build jails", f) : 0;
}
