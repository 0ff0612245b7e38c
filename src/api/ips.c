/* The addresses of network.ip4, for administrators: which jail has which, and what is kept back. */

#include "api/exchange.h"

#include "base/defer.h"
#include "base/log.h"
#include "net/lease.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000 }; /* addresses on a page, and by default */

static void fault_respond(struct http_exchange *x, const struct fault *f)
{
	const struct problem problem = problem_of(f, "request");
	problem_respond(x, &problem);
}

int ips_allowed(const struct api *api, const char *pool, struct fault *f)
{
	const struct config *c = api->setup.config;
	if (c->pools_count == 0)
		return fault_code(f, FAULT_FORBIDDEN, "no_network",
			"this server gives jails no addresses; add a pool to its configuration, "
			"such as "
			"\"network\": {\"ip4\": {\"start_addr\": \"10.77.0.2\", \"end_addr\": "
			"\"10.77.0.254\", \"mask\": \"255.255.255.0\", \"dns\": [\"9.9.9.9\"]}}");
	if (api->setup.leases == NULL)
		return fault_code(f, FAULT_FORBIDDEN, "no_network",
			"addresses need a server that was started as root; this one runs as an "
			"ordinary user");
	return lease_pool_check(api->setup.leases, pool, f);
}

/* ---- which ---- */

struct listing {
	char *pool; /* NULL: all */
	enum { STATE_ALL, STATE_AVAILABLE, STATE_UNAVAILABLE } state;
	uint32_t from;
	unsigned limit;
};

static void listing_finish(struct listing *l)
{
	free(l->pool);
}

static int pool_read(
	const struct api *api, const struct http_exchange *x, struct listing *l, struct fault *f)
{
	l->pool = query_value(x, "pool");
	if (l->pool == NULL || api->setup.leases == NULL)
		return 0;
	if (l->pool[0] == '\0')
		return fault_code(f, FAULT_INPUT, "no_such_pool", "pool must be a pool's name");
	return lease_pool_check(api->setup.leases, l->pool, f);
}

static int wanted_read(const struct http_exchange *x, struct listing *l, struct fault *f)
{
	defer_free char *state = query_value(x, "state");
	if (state == NULL)
		return 0;
	if (strcmp(state, "available") == 0)
		l->state = STATE_AVAILABLE;
	else if (strcmp(state, "unavailable") == 0)
		l->state = STATE_UNAVAILABLE;
	else
		return fault_code(f, FAULT_INPUT, "state_invalid",
			"state must be \"available\" or \"unavailable\"");
	return 0;
}

static int limit_read(const struct http_exchange *x, struct listing *l, struct fault *f)
{
	defer_free char *limit = query_value(x, "limit");
	l->limit = PAGE;
	if (limit == NULL)
		return 0;
	const size_t digits = strspn(limit, "0123456789");
	l->limit = digits < 5 ? (unsigned)atoi(limit) : 0;
	if (digits == 0 || limit[digits] != '\0' || l->limit < 1 || l->limit > PAGE)
		return fault_code(f, FAULT_INPUT, "limit_invalid",
			"limit must be a whole number from 1 to %d", PAGE);
	return 0;
}

static int after_read(const struct http_exchange *x, struct listing *l, struct fault *f)
{
	defer_free char *after = query_value(x, "after");
	if (after == NULL)
		return 0;
	if (!ip4_parse(after, &l->from))
		return fault_code(f, FAULT_INPUT, "after_invalid",
			"after must be an IPv4 address, the last one of the page before");
	l->from += l->from < UINT32_MAX;
	return 0;
}

static int listing_read(
	const struct api *api, const struct http_exchange *x, struct listing *l, struct fault *f)
{
	*l = (struct listing){0};
	return pool_read(api, x, l, f) < 0 || wanted_read(x, l, f) < 0 || limit_read(x, l, f) < 0 ||
			       after_read(x, l, f) < 0
		       ? -1
		       : 0;
}

static bool listed(const struct listing *l, const struct lease_view *view)
{
	const bool available = !view->held && !view->unavailable;
	return l->state == STATE_ALL || (l->state == STATE_AVAILABLE) == available;
}

/* The next address that the listing shows. */
static bool next(const struct api *api, struct listing *l, struct lease_view *view)
{
	while (api->setup.leases != NULL && lease_next(api->setup.leases, l->pool, l->from, view)) {
		l->from = view->address + 1;
		if (listed(l, view))
			return true;
	}
	return false;
}

static void link_add(struct http_exchange *x, const struct listing *l, uint32_t last)
{
	static const char *const states[] = {"", "&state=available", "&state=unavailable"};
	char text[IP4_TEXT];
	http_add_header(x, "Link", "<%s?limit=%u&after=%s%s%s%s>; rel=\"next\"", http_path(x),
		l->limit, ip4_text(last, text), states[l->state], l->pool != NULL ? "&pool=" : "",
		l->pool != NULL ? l->pool : "");
}

void ips_get(struct api *api, struct http_exchange *x)
{
	struct listing l;
	struct lease_view view;
	struct fault f = {0};
	if (listing_read(api, x, &l, &f) < 0) {
		listing_finish(&l);
		fault_respond(x, &f);
		return;
	}
	json_t *list = l.state == STATE_ALL ? json_object() : json_array();
	uint32_t last = 0;
	bool more = next(api, &l, &view);
	for (unsigned count = 0; more && count < l.limit; count++, more = next(api, &l, &view)) {
		char text[IP4_TEXT];
		(void)ip4_text(view.address, text);
		if (l.state != STATE_ALL)
			(void)json_array_append_new(list, json_string(text));
		else
			(void)json_object_set_new(list, text,
				view.holder != NULL ? json_string(view.holder) : json_null());
		last = view.address;
	}
	if (more)
		link_add(x, &l, last);
	if (l.state != STATE_ALL)
		list = json_pack(
			"{s:o}", l.state == STATE_AVAILABLE ? "available" : "unavailable", list);
	listing_finish(&l);
	json_respond(x, 200, list);
}

/* ---- setting ---- */

/* "available", "unavailable", or the original's 0 and 1. */
static int state_read(const json_t *state, bool *available, struct fault *f)
{
	const char *word = json_string_value(state);
	if ((word != NULL && strcmp(word, "available") == 0) ||
		(json_is_integer(state) && json_integer_value(state) == 0))
		*available = true;
	else if ((word != NULL && strcmp(word, "unavailable") == 0) ||
		 (json_is_integer(state) && json_integer_value(state) == 1))
		*available = false;
	else
		return fault_code(f, FAULT_INPUT, "state_invalid",
			"state must be \"available\" or \"unavailable\" (or 0 or 1)");
	return 0;
}

static int body_read(
	const struct http_exchange *x, uint32_t *address, bool *available, struct fault *f)
{
	size_t len;
	const char *text = http_body(x, &len);
	json_t *body = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *ip = json_string_value(json_object_get(body, "ip"));
	int read = -1;
	if (!json_is_object(body) || json_object_size(body) != 2 ||
		json_object_get(body, "state") == NULL)
		(void)fault_code(f, FAULT_INPUT, "body_invalid",
			"the body must be such as {\"ip\": \"10.0.0.2\", \"state\": "
			"\"unavailable\"}");
	else if (ip == NULL || !ip4_parse(ip, address))
		(void)fault_code(f, FAULT_INPUT, "ip_invalid",
			"ip must be a string, an IPv4 address of a pool");
	else
		read = state_read(json_object_get(body, "state"), available, f);
	json_decref(body);
	return read;
}

void ips_put(struct api *api, struct http_exchange *x)
{
	struct fault f = {0};
	uint32_t address = 0;
	bool available = false;
	char text[IP4_TEXT];
	if (body_read(x, &address, &available, &f) < 0 || ips_allowed(api, "", &f) < 0 ||
		lease_set(api->setup.leases, address, available, &f) < 0) {
		fault_respond(x, &f);
		return;
	}
	const char *state = available ? "available" : "unavailable";
	(void)ip4_text(address, text);
	log_info("an administrator made the address %s %s", text, state);
	json_respond(x, 200, json_pack("{s:s, s:s}", "ip", text, "state", state));
}
