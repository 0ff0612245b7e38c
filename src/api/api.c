/*
 * The way of a request through the api: identify it, check where it comes from, find its route,
 * check its token, handle it.
 */

#include "api/exchange.h"

#include "api/observe.h"
#include "api/token.h"
#include "base/defer.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct route {
	const char *method;
	const char *path; /* may end in {id}, which stands for one element that is not empty */
	enum token token;
	void (*handle)(struct api *api, struct http_exchange *x);
};

/* A listener's own view of the api. */
struct door {
	struct api *api;
	bool trusted;
};

static void health_get(struct api *api, struct http_exchange *x)
{
	(void)api;
	json_respond(x, 200, json_pack("{s:s}", "status", "ok"));
}

void problem_simple(struct http_exchange *x, int status, const char *code, const char *fault,
	const char *detail)
{
	const struct problem p = {.status = status,
		.code = code,
		.fault = fault,
		.stage = "request",
		.detail = detail,
		.retry_after = status == 503 ? 1 : 0};
	problem_respond(x, &p);
}

static void ready_get(struct api *api, struct http_exchange *x)
{
	if (api->draining)
		problem_simple(x, 503, "draining", "platform",
			"the server is stopping and takes no new calls");
	else
		json_respond(x, 200, json_pack("{s:s}", "status", "ready"));
}

static const struct route routes[] = {
	{"GET", "/healthcheck", TOKEN_NONE, health_get},
	{"GET", "/api/v1/healthcheck", TOKEN_NONE, health_get},
	{"GET", "/readyz", TOKEN_NONE, ready_get},
	{"POST", "/api/v1/function", TOKEN_FUNCTION, function_post},
	{"GET", "/api/v1/admin/jails", TOKEN_ADMIN, jails_get},
	{"DELETE", "/api/v1/admin/jails", TOKEN_ADMIN, jails_delete},
	{"GET", "/api/v1/admin/jails/{id}", TOKEN_ADMIN, jail_one_get},
	{"DELETE", "/api/v1/admin/jails/{id}", TOKEN_ADMIN, jail_one_delete},
	{"GET", "/api/v1/admin/jail/{id}", TOKEN_ADMIN, jail_one_get},
	{"DELETE", "/api/v1/admin/jail/{id}", TOKEN_ADMIN, jail_one_delete},
	{"GET", "/api/v1/admin/api-stats", TOKEN_ADMIN, stats_get},
	{"GET", "/metrics", TOKEN_BEYOND, metrics_get},
	{"GET", "/api/v1/admin/ips", TOKEN_ADMIN, ips_get},
	{"PUT", "/api/v1/admin/ips", TOKEN_ADMIN, ips_put},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

/* Sets X-Request-Id: the client's where it is 1 to 64 plain characters, else ours. */
static void exchange_identify(struct api *api, struct http_exchange *x)
{
	struct note *note = note_of(x);
	const char *given = http_header(x, "X-Request-Id");
	size_t len = given != NULL ? strlen(given) : 0;
	bool plain = len >= 1 && len <= 64;
	for (size_t i = 0; plain && i < len; i++)
		plain = isalnum((unsigned char)given[i]) || strchr("-_.:", given[i]) != NULL;
	if (plain)
		(void)snprintf(note->id, sizeof(note->id), "%s", given);
	else
		(void)snprintf(
			note->id, sizeof(note->id), "%s%08lx", api->id_prefix, ++api->requests);
	http_add_text(x, "X-Request-Id", note->id);
	observe_begin(x);
}

/* ---- where it comes from ---- */

/* The host of "host", "host:port", "[::1]:port". */
static void host_name(const char *host, char name[256])
{
	size_t len = host[0] == '[' ? strcspn(host + 1, "]") : strcspn(host, ":");
	(void)snprintf(
		name, 256, "%.*s", (int)(len > 255 ? 255 : len), host[0] == '[' ? host + 1 : host);
}

static bool name_is_ours(const struct api *api, const char *name)
{
	struct in6_addr six;
	struct in_addr four;
	if (strcasecmp(name, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, name, &four) == 1 && (ntohl(four.s_addr) >> 24) == 127)
		return true;
	if (inet_pton(AF_INET6, name, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six))
		return true;
	for (char **host = api->setup.config->hostnames; host != NULL && *host != NULL; host++) {
		if (strcasecmp(name, *host) == 0)
			return true;
	}
	return false;
}

/* Any web page can make a browser post here: what a browser says of where it comes from must be us.
 */
static bool origin_check(const struct api *api, struct http_exchange *x)
{
	const char *host = http_header(x, "Host");
	const char *origin = http_header(x, "Origin");
	const char *site = http_header(x, "Sec-Fetch-Site");
	char name[256] = "";
	if (host != NULL)
		host_name(host, name);
	if (api->loopback && !name_is_ours(api, name)) {
		problem_simple(x, 421, "misdirected", "request",
			"Host is not this server: use localhost, or add the name to hostnames in "
			"the configuration");
		return false;
	}
	bool foreign = site != NULL && strcasecmp(site, "cross-site") == 0;
	if (origin != NULL) {
		const char *at = strstr(origin, "://");
		foreign |= at == NULL || host == NULL || strcasecmp(at + 3, host) != 0;
	}
	if (foreign) {
		problem_simple(x, 403, "foreign_origin", "request",
			"a browser says that another web site asks, which is refused: call from a "
			"program");
		return false;
	}
	return true;
}

/* ---- routes ---- */

static bool route_matches(const struct route *route, const char *path)
{
	const size_t fixed = strcspn(route->path, "{");
	if (route->path[fixed] == '\0')
		return strcmp(route->path, path) == 0;
	return strncmp(route->path, path, fixed) == 0 && path[fixed] != '\0' &&
	       strchr(path + fixed, '/') == NULL;
}

const char *path_parameter(const struct http_exchange *x)
{
	return strrchr(http_path(x), '/') + 1;
}

static void allow_add(struct http_exchange *x, const char *path)
{
	struct buf methods = {0};
	for (size_t i = 0; i < ROUTES; i++) {
		if (!route_matches(&routes[i], path))
			continue;
		buf_printf(&methods, "%s%s", methods.len > 0 ? ", " : "", routes[i].method);
		if (strcmp(routes[i].method, "GET") == 0)
			buf_puts(&methods, ", HEAD");
	}
	buf_puts(&methods, ", OPTIONS");
	http_add_header(x, "Allow", "%s", methods.data);
	buf_finish(&methods);
}

static void route_miss(struct http_exchange *x, const char *path, bool path_known)
{
	if (!path_known) {
		problem_simple(x, 404, "no_such_route", "request",
			"there is nothing here; functions are called by POST /api/v1/function");
		return;
	}
	allow_add(x, path);
	if (strcmp(http_method(x), "OPTIONS") == 0)
		http_respond(x, 204, NULL, NULL, 0);
	else
		problem_simple(x, 405, "method_not_allowed", "request",
			"this path does not take that method, the header Allow says which it "
			"takes; "
			"functions are called by POST");
}

static void on_request(struct http_exchange *x, void *ctx)
{
	const struct door *door = ctx;
	struct api *api = door->api;
	const char *method = strcmp(http_method(x), "HEAD") == 0 ? "GET" : http_method(x);
	const char *path = http_path(x);
	const struct route *route = NULL;
	bool path_known = false;
	exchange_identify(api, x);
	if (api->draining)
		http_add_header(x, "Connection", "close");
	if (!door->trusted && !origin_check(api, x))
		return;
	for (size_t i = 0; i < ROUTES && route == NULL; i++) {
		if (!route_matches(&routes[i], path))
			continue;
		path_known = true;
		if (strcmp(routes[i].method, method) == 0)
			route = &routes[i];
	}
	if (route == NULL)
		route_miss(x, path, path_known);
	else if (door->trusted || token_check(api, x, route->token))
		route->handle(api, x);
}

static void on_gone(struct http_exchange *x, void *ctx)
{
	(void)ctx;
	observe_gone(x);
	if (http_data(x) != NULL)
		function_gone(x);
}

static void on_refuse(struct http_exchange *x, int status, const char *why, void *ctx)
{
	const struct door *door = ctx;
	exchange_identify(door->api, x);
	const char *code = status == 408   ? "request_timeout"
			   : status == 413 ? "too_large"
			   : status == 431 ? "headers_too_large"
			   : status == 503 ? "too_many_connections"
					   : "bad_http";
	problem_simple(x, status, code, status == 503 ? "platform" : "request", why);
}

struct http_callbacks api_callbacks(struct api *api, bool trusted)
{
	struct door *door =
		mem_zero(1, sizeof(*door)); /* lives as long as the process, as the listener does */
	door->api = api;
	door->trusted = trusted;
	return (struct http_callbacks){.request = on_request,
		.gone = on_gone,
		.refuse = on_refuse,
		.answered = observe_answered,
		.ctx = door};
}

struct api *api_create(const struct api_setup *setup)
{
	struct api *api = mem_zero(1, sizeof(*api));
	unsigned char random[4];
	api->setup = *setup;
	api->loopback = config_is_loopback(setup->config);
	api_reload(api);
	stats_start();
	randombytes_buf(random, sizeof(random));
	(void)sodium_bin2hex(api->id_prefix, sizeof(api->id_prefix), random, sizeof(random));
	return api;
}

void api_reload(struct api *api)
{
	api->tokens = tokens_read(api->tokens, api->setup.config);
}

void api_drain(struct api *api)
{
	api->draining = true;
}
