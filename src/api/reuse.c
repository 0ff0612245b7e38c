/* Whether a call may have a jail that served its caller before: the configuration says where, and
 * where it leaves that to callers, the request. */

#include "api/exchange.h"

#include "api/observe.h"

int reuse_settle(
	const struct api *api, struct http_exchange *x, struct invoke_request *r, struct fault *f)
{
	const struct caller *caller = note_of(x)->caller;
	const struct config_reuse *rule = config_reuse_find(
		api->setup.config, r->resolve.package, caller != NULL ? caller->name : NULL);
	const bool asked = r->reuse_wish == INVOKE_REUSE_ASKED;
	if (asked && r->ip4 != NULL)
		return fault_code(f, FAULT_INPUT, "reuse_with_ip4",
			"a call with ip4 always has a fresh jail: leave out reuse, or ip4");
	if (asked && rule == NULL)
		return fault_code(f, FAULT_FORBIDDEN, "reuse_not_allowed",
			"the configuration (jails.reuse) does not allow that a jail serves more "
			"than one of your calls of this package: leave out reuse");
	r->reuses = rule != NULL && r->ip4 == NULL && r->reuse_wish != INVOKE_REUSE_REFUSED &&
		    (asked || rule->when == CONFIG_REUSE_ALWAYS);
	if (r->reuses)
		r->reuse = (struct pool_reuse){.calls = rule->calls,
			.age_ms = (uint64_t)rule->age / 1000000U,
			.memory = rule->memory,
			.generation = pool_generation(api->setup.invoke.pool)};
	return 0;
}

void reuse_tell(struct http_exchange *x, const struct pool_result *result)
{
	if (result == NULL)
		return;
	if (result->calls_before > 0)
		http_add_header(x, "X-Sky-Island-Jail", "reused; calls=%u", result->calls_before);
	else
		http_add_text(x, "X-Sky-Island-Jail", "fresh");
}
