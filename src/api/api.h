#pragma once

/*
 * api: what the HTTP server answers. A table of routes, each with its method and handler; who may
 * ask (Host, Origin, tokens); faults become problem details (RFC 9457) in one table.
 */

#include "config/config.h"
#include "function/invoke.h"
#include "http/http.h"

struct api_setup {
	const struct config *config; /* its tokens may be replaced while it runs (SIGHUP) */
	struct jailer_client *jailers;
	const struct jail_plan *plan; /* what jails are described by, for people */
	struct invoke_setup invoke;
	struct leases *leases; /* of network.ip4; NULL: jails get no addresses */
};

struct api;

struct api *api_create(const struct api_setup *setup);
/* For http_server_create. `trusted`: a unix socket only our own user can reach: no token, no Host
 * rule. */
struct http_callbacks api_callbacks(struct api *api, bool trusted);
/* The configuration has other tokens. */
void api_reload(struct api *api);
/* From now on new calls are answered 503 and /readyz too. */
void api_drain(struct api *api);
