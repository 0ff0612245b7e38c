/* The jails, for administrators: who they are, and their end. */

#include "api/exchange.h"

#include "base/defer.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

enum { LIST_MOST = 1000 }; /* jails on a page, and by default */

static void fault_respond(struct http_exchange *x, const struct fault *f)
{
	const struct problem problem = problem_of(f, "request");
	problem_respond(x, &problem);
}

/* ---- numbers in path and query ---- */

static bool number_read(const char *text, uint64_t *number)
{
	const size_t len = strlen(text);
	if (len == 0 || strspn(text, "0123456789") != len)
		return false;
	errno = 0;
	*number = strtoull(text, NULL, 10);
	return true; /* what is too large has become the largest, and is nobody's */
}

/* A number of the query; untouched where it is not there. */
static int query_number(const struct http_exchange *x, const char *name, uint64_t least,
	uint64_t most, uint64_t *number, struct fault *f)
{
	defer_free char *text = query_value(x, name);
	if (text == NULL)
		return 0;
	if (!number_read(text, number) || *number < least || *number > most)
		return fault_code(f, FAULT_INPUT,
			strcmp(name, "limit") == 0 ? "limit_invalid" : "after_invalid",
			"%s must be a whole number from %llu to %llu", name,
			(unsigned long long)least, (unsigned long long)most);
	return 0;
}

/* ---- what is shown of a jail ---- */

/* RFC 3339, UTC. */
static void time_print(uint64_t ns, char text[40])
{
	const time_t seconds = (time_t)(ns / 1000000000U);
	struct tm tm;
	(void)gmtime_r(&seconds, &tm);
	const size_t len = strftime(text, 30, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + len, 40 - len, ".%03uZ", (unsigned)(ns / 1000000U % 1000U));
}

static void text_set(json_t *to, const char *name, const char *text)
{
	bool clean;
	size_t len = 0;
	defer_free char *valid = text != NULL ? text_clean(text, strlen(text), &len, &clean) : NULL;
	(void)json_object_set_new(to, name, valid != NULL ? json_stringn(valid, len) : json_null());
}

static void known_set(json_t *to, const char *name, const char *text)
{
	text_set(to, name, text[0] != '\0' ? text : NULL);
}

/* NULL: there is no such jail now. Of one that the kernel does not tell us about nothing is made
 * up. */
static json_t *jail_json(const struct api *api, const struct jailer_handle *h)
{
	struct jailer_view view = {0};
	struct jail_description is;
	struct utsname system;
	struct fault f = {0};
	char started[40];
	h->show(h, &view);
	const struct jail_asked asked = {.jid = h->jid, .kind = h->kind, .ip4 = view.ip4};
	const int found = jail_backend->describe(api->setup.plan, &asked, &is, &f);
	if (found == 0)
		return NULL;
	if (found < 0)
		log_warn("a jail cannot be described: %s", f.text);
	json_t *jail = json_object();
	(void)uname(&system);
	time_print(h->started_ns, started);
	text_set(jail, "host", system.nodename);
	known_set(jail, "ip4", is.ip4);
	text_set(jail, "ip6", NULL); /* jails have none */
	(void)json_object_set_new(jail, "jid", json_integer((json_int_t)is.jid));
	known_set(jail, "name", is.name);
	known_set(jail, "OSRelease", is.osrelease);
	known_set(jail, "path", is.path);
	known_set(jail, "hostname", is.hostname);
	text_set(jail, "state", view.state);
	text_set(jail, "module", view.module);
	text_set(jail, "started_at", started);
	return jail;
}

/* ---- all of them ---- */

static int by_jid(const void *a, const void *b)
{
	const uint64_t left = (*(struct jailer_handle *const *)a)->jid;
	const uint64_t right = (*(struct jailer_handle *const *)b)->jid;
	return left < right ? -1 : left > right;
}

/* All jails in the order of their jids, those first that have none yet. The caller frees. */
static struct jailer_handle **jails_sorted(const struct api *api, size_t *count)
{
	const size_t max = jailer_client_count(api->setup.jailers);
	struct jailer_handle **handles = mem_zero(max + 1, sizeof(struct jailer_handle *));
	*count = jailer_client_list(api->setup.jailers, handles, max);
	qsort(handles, *count, sizeof(struct jailer_handle *), by_jid);
	return handles;
}

void jails_get(struct api *api, struct http_exchange *x)
{
	uint64_t limit = LIST_MOST;
	uint64_t after = 0;
	size_t count;
	struct fault f = {0};
	if (query_number(x, "limit", 1, LIST_MOST, &limit, &f) < 0 ||
		query_number(x, "after", 0, INT64_MAX, &after, &f) < 0) {
		fault_respond(x, &f);
		return;
	}
	struct jailer_handle **handles = jails_sorted(api, &count);
	json_t *list = json_array();
	size_t i = 0;
	while (i < count && handles[i]->jid <= after)
		i++;
	for (; i < count && json_array_size(list) < limit; i++) {
		json_t *jail = jail_json(api, handles[i]);
		if (jail != NULL)
			(void)json_array_append_new(list, jail);
	}
	if (i < count) /* RFC 8288 */
		http_add_header(x, "Link", "<%s?limit=%llu&after=%llu>; rel=\"next\"", http_path(x),
			(unsigned long long)limit, (unsigned long long)handles[i - 1]->jid);
	free((void *)handles);
	json_respond(x, 200, json_pack("{s:o}", "jails", list));
}

void jails_delete(struct api *api, struct http_exchange *x)
{
	size_t count;
	struct jailer_handle **handles = jails_sorted(api, &count);
	json_t *deleted = json_array();
	for (size_t i = 0; i < count; i++) {
		if (handles[i]->jid != 0)
			(void)json_array_append_new(
				deleted, json_integer((json_int_t)handles[i]->jid));
		handles[i]->kill(handles[i]);
	}
	free((void *)handles);
	log_info("an administrator ended all jails, %zu", count);
	json_respond(x, 200, json_pack("{s:o}", "deleted", deleted));
}

/* ---- one of them ---- */

static void gone_respond(struct http_exchange *x, uint64_t jid)
{
	struct fault f = {0};
	(void)fault_code(&f, FAULT_NOT_FOUND, "jail_not_found",
		"there is no jail with the id %llu, or no longer; GET /api/v1/admin/jails shows "
		"those that are there",
		(unsigned long long)jid);
	fault_respond(x, &f);
}

/* The jail that the path names; NULL: answered. */
static struct jailer_handle *jail_find(const struct api *api, struct http_exchange *x)
{
	struct fault f = {0};
	uint64_t jid = 0;
	if (!number_read(path_parameter(x), &jid)) {
		(void)fault_code(&f, FAULT_INPUT, "jail_id_invalid",
			"a jail's id is a whole number, the jid that GET /api/v1/admin/jails "
			"shows");
		fault_respond(x, &f);
		return NULL;
	}
	struct jailer_handle *h = jailer_client_find(api->setup.jailers, jid);
	if (h == NULL)
		gone_respond(x, jid);
	return h;
}

void jail_one_get(struct api *api, struct http_exchange *x)
{
	const struct jailer_handle *h = jail_find(api, x);
	json_t *jail = h != NULL ? jail_json(api, h) : NULL;
	if (jail != NULL)
		json_respond(x, 200, json_pack("{s:o}", "details", jail));
	else if (h != NULL)
		gone_respond(x, h->jid);
}

void jail_one_delete(struct api *api, struct http_exchange *x)
{
	struct jailer_handle *h = jail_find(api, x);
	char name[JAILER_NAME_MAX];
	if (h == NULL)
		return;
	const json_int_t jid = (json_int_t)h->jid;
	jailer_handle_name(h, name);
	h->kill(h);
	log_info("an administrator ended the jail %s", name);
	json_respond(x, 200, json_pack("{s:I}", "deleted", jid));
}
