/*
 * From the top: what errors and answers hold; one exchange by libcurl; trying again; problems; then
 * the calls of the header. Each request has a connection of its own: libcurl would send what went
 * out on an old one a second time, where that turns out closed, and a call may have run by then.
 */

#include "sky_island.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { TIMEOUT_MS = 300000, RETRIES = 3, BACKOFF_MS = 200, BACKOFF_MAX_MS = 10000 };

struct sky_client {
	CURL *curl;
	char *base;   /* before all paths */
	char *socket; /* NULL: none */
	char *function_token, *admin_token, *admin_token_header;
	unsigned timeout_ms;
	int retries;
	uint32_t random;
};

/* ---- what errors and answers hold ---- */

enum { HELD = 6 };

struct held {
	json_t *members;
	char *texts[HELD];
	unsigned count;
};

static void held_free(void *memory)
{
	struct held *held = memory;
	if (held == NULL)
		return;
	json_decref(held->members);
	for (unsigned i = 0; i < held->count; i++)
		free(held->texts[i]);
	free(held);
}

/* The text, which is then held; "" where there is none. */
static const char *hold(struct held *held, char *text)
{
	if (text == NULL || held->count == HELD) {
		free(text);
		return "";
	}
	held->texts[held->count++] = text;
	return text;
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

static char *base64_decode(const char *text, size_t *len)
{
	unsigned char *out = malloc(strlen(text) / 4 * 3 + 4);
	uint32_t bits = 0;
	unsigned have = 0;
	*len = 0;
	for (; out != NULL && base64_digit(*text) >= 0; text++) {
		bits = bits << 6 | (uint32_t)base64_digit(*text);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[(*len)++] = (unsigned char)(bits >> have & 0xff);
	}
	if (out != NULL)
		out[*len] = '\0';
	return (char *)out;
}

/* What was written: the text, or where that is not UTF-8 the bytes that came beside it. */
static const char *written(struct held *held, const char *name, size_t *len)
{
	char other[32];
	const json_t *text = json_object_get(held->members, name);
	(void)snprintf(other, sizeof(other), "%s_base64", name);
	const char *encoded = json_string_value(json_object_get(held->members, other));
	*len = json_string_length(text);
	if (encoded != NULL)
		return hold(held, base64_decode(encoded, len));
	return json_is_string(text) ? json_string_value(text) : "";
}

static const char *member(const struct held *held, const char *name)
{
	const char *text = json_string_value(json_object_get(held->members, name));
	return text != NULL ? text : "";
}

void sky_error_finish(struct sky_error *error)
{
	if (error == NULL)
		return;
	held_free(error->memory);
	memset(error, 0, sizeof(*error));
}

void sky_answer_finish(struct sky_answer *answer)
{
	if (answer == NULL)
		return;
	held_free(answer->memory);
	memset(answer, 0, sizeof(*answer));
}

static void error_clear(struct sky_error *e, enum sky_error_kind kind)
{
	*e = (struct sky_error){.kind = kind,
		.code = "",
		.stage = "",
		.detail = "",
		.request_id = "",
		.out = "",
		.err = "",
		.retry_after = -1};
}

/* Always -1. */
__attribute__((format(printf, 3, 4))) static int fail(
	struct sky_error *e, enum sky_error_kind kind, const char *format, ...)
{
	char text[512];
	va_list ap;
	error_clear(e, kind);
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	struct held *held = calloc(1, sizeof(*held));
	e->memory = held;
	e->detail = held != NULL ? hold(held, strdup(text)) : "no memory";
	return -1;
}

/* ---- one exchange ---- */

struct response {
	char *body;
	size_t len;
	char *request_id, *module, *link; /* NULL: the answer has no such header */
	bool json, no_memory;
	int status;
	long retry_after;
};

static void response_finish(struct response *r)
{
	free(r->body);
	free(r->request_id);
	free(r->module);
	free(r->link);
	*r = (struct response){0};
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct response *r = ctx;
	(void)one;
	char *grown = realloc(r->body, r->len + len + 1);
	if (grown == NULL) {
		r->no_memory = true;
		return 0;
	}
	r->body = grown;
	memcpy(r->body + r->len, data, len);
	r->len += len;
	r->body[r->len] = '\0';
	return len;
}

static void header_take(const char *line, size_t len, const char *name, char **to)
{
	const size_t name_len = strlen(name);
	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
		return;
	size_t from = name_len + 1;
	while (from < len && (line[from] == ' ' || line[from] == '\t'))
		from++;
	while (len > from && strchr(" \t\r\n", line[len - 1]) != NULL)
		len--;
	free(*to);
	*to = strndup(line + from, len - from);
}

static size_t on_header(char *line, size_t one, size_t len, void *ctx)
{
	struct response *r = ctx;
	(void)one;
	header_take(line, len, "X-Request-Id", &r->request_id);
	header_take(line, len, "X-Sky-Island-Module", &r->module);
	header_take(line, len, "Link", &r->link);
	return len;
}

static void response_look(CURL *curl, struct response *r)
{
	long status = 0;
	curl_off_t after = 0;
	const char *type = NULL;
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after);
	(void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	r->status = (int)status;
	r->retry_after = after > 0 ? (long)after : -1;
	r->json = type != NULL && (strncasecmp(type, "application/json", 16) == 0 ||
					  strncasecmp(type, "application/problem+json", 24) == 0);
}

/* What is asked for: a token is that of an endpoint, NULL where it needs none. */
struct ask {
	const char *method, *path, *token_header, *token;
	const char *body; /* NULL: none */
};

static bool header_add(
	struct curl_slist **list, const char *name, const char *prefix, const char *value)
{
	const size_t size = strlen(name) + strlen(prefix) + strlen(value) + 3;
	char *line = malloc(size);
	if (line == NULL)
		return false;
	(void)snprintf(line, size, "%s: %s%s", name, prefix, value);
	struct curl_slist *grown = curl_slist_append(*list, line);
	free(line);
	if (grown != NULL)
		*list = grown;
	return grown != NULL;
}

static void curl_prepare(const struct sky_client *c, const struct ask *ask, const char *url,
	const struct curl_slist *headers, long timeout_ms, struct response *r)
{
	CURL *curl = c->curl;
	curl_easy_reset(curl);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method);
	if (ask->body != NULL) {
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask->body);
		(void)curl_easy_setopt(
			curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(ask->body));
	}
	if (c->socket != NULL) {
		(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
		(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	(void)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
}

static int exchange(struct sky_client *c, const struct ask *ask, long timeout_ms,
	struct response *r, struct sky_error *e)
{
	const bool bearer = ask->token_header == NULL;
	struct curl_slist *headers = NULL;
	const size_t size = strlen(c->base) + strlen(ask->path) + 1;
	char *url = malloc(size);
	*r = (struct response){0};
	bool ok = url != NULL && header_add(&headers, "Content-Type", "", "application/json");
	if (ask->token != NULL)
		ok = ok && header_add(&headers, bearer ? "Authorization" : ask->token_header,
				   bearer ? "Bearer " : "", ask->token);
	/* Without asking first whether a long body may come. */
	struct curl_slist *all = ok ? curl_slist_append(headers, "Expect:") : NULL;
	CURLcode came = CURLE_OUT_OF_MEMORY;
	if (all != NULL) {
		(void)snprintf(url, size, "%s%s", c->base, ask->path);
		curl_prepare(c, ask, url, all, timeout_ms, r);
		came = curl_easy_perform(c->curl);
		response_look(c->curl, r);
	}
	curl_slist_free_all(headers);
	free(url);
	if (came == CURLE_OK)
		return 0;
	const char *why = r->no_memory ? "no memory" : curl_easy_strerror(came);
	response_finish(r);
	if (came == CURLE_OPERATION_TIMEDOUT)
		return fail(e, SKY_TIMEOUT, "the server did not answer in time");
	return fail(e, SKY_TRANSPORT, "no answer came: %s", why);
}

/* ---- trying again ---- */

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 0 … below - 1; xorshift. */
static int64_t random_below(struct sky_client *c, int64_t below)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 17;
	c->random ^= c->random << 5;
	return (int64_t)(c->random % (uint32_t)below);
}

/* Milliseconds until the next try; -1: none would help. What is added at random keeps clients that
 * were refused together from coming back together. */
static int64_t wait_ms(struct sky_client *c, const struct sky_error *e, int tries)
{
	if (e->kind == SKY_FUNCTION ||
		(e->kind != SKY_PLATFORM && e->status != 429 && e->status != 503))
		return -1;
	int64_t backoff = BACKOFF_MS;
	for (int i = 0; i < tries && backoff < BACKOFF_MAX_MS; i++)
		backoff *= 2;
	if (backoff > BACKOFF_MAX_MS)
		backoff = BACKOFF_MAX_MS;
	return (e->retry_after >= 0 ? e->retry_after * 1000 : backoff / 2) +
	       random_below(c, backoff / 2);
}

static void problem_take(const struct response *r, struct sky_error *e)
{
	static const struct {
		const char *fault;
		enum sky_error_kind kind;
	} kinds[] = {
		{"request", SKY_REQUEST}, {"function", SKY_FUNCTION}, {"platform", SKY_PLATFORM}};
	struct held *held = calloc(1, sizeof(*held));
	error_clear(e, SKY_OTHER);
	e->status = r->status;
	e->retry_after = r->retry_after;
	e->memory = held;
	if (held == NULL)
		return;
	if (r->json && r->body != NULL)
		held->members =
			json_loadb(r->body, r->len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(member(held, "fault"), kinds[i].fault) == 0)
			e->kind = kinds[i].kind;
	}
	e->members = held->members;
	e->code = member(held, "code");
	e->stage = member(held, "stage");
	e->detail = member(held, "detail");
	e->out = written(held, "stdout", &e->out_len);
	e->err = written(held, "stderr", &e->err_len);
	if (r->request_id != NULL)
		e->request_id = hold(held, strdup(r->request_id));
	if (e->detail[0] == '\0') {
		char text[64];
		(void)snprintf(text, sizeof(text), "the server answered with status %d", r->status);
		e->detail = hold(held, strdup(text));
	}
}

static int send_ask(
	struct sky_client *c, const struct ask *ask, struct response *r, struct sky_error *e)
{
	const int64_t end = now_ms() + c->timeout_ms;
	for (int tries = 0;; tries++) {
		const int64_t left = end - now_ms();
		if (exchange(c, ask, left > 1 ? (long)left : 1, r, e) < 0)
			return -1;
		if (r->status >= 200 && r->status < 300)
			return 0;
		problem_take(r, e);
		response_finish(r);
		const int64_t wait = wait_ms(c, e, tries);
		if (wait < 0 || tries >= c->retries || now_ms() + wait >= end)
			return -1;
		sky_error_finish(e);
		struct timespec pause = {
			.tv_sec = (time_t)(wait / 1000), .tv_nsec = (long)(wait % 1000) * 1000000};
		while (nanosleep(&pause, &pause) < 0)
			;
	}
}

/* An answer's JSON. A number too big for json_int_t makes all numbers of it real. */
static json_t *json_take(const struct response *r, struct sky_error *e)
{
	json_error_t error = {.line = -1};
	const char *text = r->body != NULL ? r->body : "";
	json_t *said = json_loadb(text, r->len, JSON_ALLOW_NUL, &error);
	if (said == NULL && json_error_code(&error) == json_error_numeric_overflow)
		said = json_loadb(text, r->len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	if (json_is_object(said))
		return said;
	(void)fail(e, SKY_TRANSPORT, "status %d, but not what a Sky Island answers: %s", r->status,
		said == NULL ? error.text : "no object");
	json_decref(said);
	return NULL;
}

/* The answer's object, and in *r its headers, to be finished; NULL: there is nothing to finish. */
static json_t *ask_json(
	struct sky_client *c, const struct ask *ask, struct response *r, struct sky_error *e)
{
	error_clear(e, SKY_OK);
	if (send_ask(c, ask, r, e) < 0)
		return NULL;
	json_t *said = json_take(r, e);
	if (said == NULL)
		response_finish(r);
	return said;
}

/* ---- the client ---- */

/* Headers end at a newline: none may come in by a token. */
static int token_copy(const char *from, char **to, struct sky_error *e)
{
	for (const char *at = from; at != NULL && *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return fail(e, SKY_ARGUMENT, "a token or header has a control character");
	}
	*to = from != NULL ? strdup(from) : NULL;
	return from != NULL && *to == NULL ? fail(e, SKY_ARGUMENT, "no memory") : 0;
}

static int address_take(struct sky_client *c, const char *address, struct sky_error *e)
{
	const bool unix_socket = strncmp(address, "unix:", 5) == 0;
	const char *host = strstr(address, "://");
	if (unix_socket && address[5] != '\0') {
		c->socket = strdup(address + 5);
		c->base = strdup("http://localhost");
	} else if (host != NULL && host[3] != '\0' && strpbrk(address, "?#@ ") == NULL &&
		   (strncmp(address, "http://", 7) == 0 || strncmp(address, "https://", 8) == 0)) {
		c->base = strdup(address);
		for (size_t len = c->base != NULL ? strlen(c->base) : 0;
			len > 0 && c->base[len - 1] == '/'; len--)
			c->base[len - 1] = '\0';
	} else {
		return fail(e, SKY_ARGUMENT,
			"\"%.100s\" is no address: it must be such as http://127.0.0.1:3280, "
			"https://sky.example.com or unix:/path",
			address);
	}
	if (c->base == NULL || (unix_socket && c->socket == NULL))
		return fail(e, SKY_ARGUMENT, "no memory");
	return 0;
}

struct sky_client *sky_open(
	const char *address, const struct sky_options *options, struct sky_error *e)
{
	const struct sky_options o = options != NULL ? *options : (struct sky_options){0};
	const char *header =
		o.admin_token_header != NULL ? o.admin_token_header : "X-Sky-Island-Token";
	struct sky_client *c = calloc(1, sizeof(*c));
	error_clear(e, SKY_OK);
	if (c != NULL)
		c->curl = curl_easy_init();
	if (c == NULL || c->curl == NULL) {
		(void)fail(e, SKY_ARGUMENT, "no memory");
	} else if (address_take(c, address, e) == 0 &&
		   token_copy(o.function_token, &c->function_token, e) == 0 &&
		   token_copy(o.admin_token, &c->admin_token, e) == 0 &&
		   token_copy(header, &c->admin_token_header, e) == 0) {
		c->timeout_ms = o.timeout_ms > 0 ? o.timeout_ms : TIMEOUT_MS;
		c->retries = o.retries == 0 ? RETRIES : o.retries;
		c->random = ((uint32_t)now_ms() ^ (uint32_t)(uintptr_t)c) | 1;
		return c;
	}
	sky_close(c);
	return NULL;
}

void sky_close(struct sky_client *client)
{
	if (client == NULL)
		return;
	if (client->curl != NULL)
		curl_easy_cleanup(client->curl);
	free(client->base);
	free(client->socket);
	free(client->function_token);
	free(client->admin_token);
	free(client->admin_token_header);
	free(client);
}

/* ---- calls ---- */

static json_t *imports_json(const char *const *imports)
{
	json_t *list = json_array();
	for (; *imports != NULL; imports++) {
		if (json_array_append_new(list, json_string(*imports)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* What is NULL is left out; what is no UTF-8 is a fault. */
static bool text_put(json_t *body, const char *name, const char *text)
{
	return text == NULL || json_object_set_new(body, name, json_string(text)) == 0;
}

static char *request_text(const struct sky_request *request, struct sky_error *e)
{
	json_t *body = json_object();
	bool ok = text_put(body, "url", request->url) && text_put(body, "call", request->call) &&
		  text_put(body, "function", request->function) &&
		  text_put(body, "version", request->version) &&
		  text_put(body, "output", request->json ? "json" : "text") &&
		  text_put(body, "ip4", request->ip4_pool);
	if (ok && request->args != NULL)
		ok = json_object_set(body, "args", (json_t *)(uintptr_t)request->args) == 0;
	if (ok && request->imports != NULL)
		ok = json_object_set_new(body, "imports", imports_json(request->imports)) == 0;
	if (ok && request->cache_bust)
		ok = json_object_set_new(body, "cache_bust", json_true()) == 0;
	if (ok && request->ip4 && request->ip4_pool == NULL)
		ok = json_object_set_new(body, "ip4", json_true()) == 0;
	if (ok && request->reuse != 0)
		ok = json_object_set_new(body, "reuse", json_boolean(request->reuse > 0)) == 0;
	char *text = ok ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	if (text == NULL)
		(void)fail(e, SKY_ARGUMENT, "the request cannot be JSON: its text must be UTF-8");
	return text;
}

static void answer_fill(struct sky_answer *a, struct held *held, const struct response *r)
{
	*a = (struct sky_answer){.memory = held, .members = held->members};
	a->timestamp = (int64_t)json_number_value(json_object_get(held->members, "timestamp"));
	a->data = written(held, "data", &a->data_len);
	a->err = written(held, "stderr", &a->err_len);
	a->results = json_object_get(held->members, "results");
	a->go_error = json_string_value(json_object_get(held->members, "error"));
	a->module = hold(held, r->module != NULL ? strdup(r->module) : NULL);
	a->request_id = hold(held, r->request_id != NULL ? strdup(r->request_id) : NULL);
}

int sky_call(struct sky_client *client, const struct sky_request *request,
	struct sky_answer *answer, struct sky_error *error)
{
	struct response r;
	*answer = (struct sky_answer){0};
	char *body = request_text(request, error);
	if (body == NULL)
		return -1;
	const struct ask ask = {.method = "POST",
		.path = "/api/v1/function",
		.token = client->function_token,
		.body = body};
	json_t *said = ask_json(client, &ask, &r, error);
	free(body);
	if (said == NULL)
		return -1;
	struct held *held = calloc(1, sizeof(*held));
	if (held != NULL) {
		held->members = said;
		answer_fill(answer, held, &r);
	}
	response_finish(&r);
	if (held != NULL)
		return 0;
	json_decref(said);
	return fail(error, SKY_TRANSPORT, "no memory");
}

/* ---- for administrators ---- */

#define JAILS "/api/v1/admin/jails"

/* link: where not NULL, gets the path of the next page, or NULL; the caller frees. */
static json_t *admin(struct sky_client *c, const char *method, const char *path, const char *body,
	char **link, struct sky_error *error)
{
	struct response r;
	const struct ask ask = {.method = method,
		.path = path,
		.token_header = c->admin_token_header,
		.token = c->admin_token,
		.body = body};
	json_t *said = ask_json(c, &ask, &r, error);
	if (link != NULL)
		*link = NULL;
	if (said == NULL)
		return NULL;
	const char *end = r.link != NULL ? strstr(r.link, ">; rel=\"next\"") : NULL;
	if (link != NULL && end != NULL && strncmp(r.link, "</", 2) == 0)
		*link = strndup(r.link + 1, (size_t)(end - r.link) - 1);
	response_finish(&r);
	return said;
}

/* A member of an answer, of a type, in its stead; with NULL the whole. */
static json_t *take_member(json_t *said, const char *name, json_type type, struct sky_error *e)
{
	json_t *value = name != NULL ? json_object_get(said, name) : said;
	if (said == NULL)
		return NULL;
	if (value != NULL && json_typeof(value) == type)
		json_incref(value);
	else
		value = NULL;
	json_decref(said);
	if (value == NULL)
		(void)fail(e, SKY_TRANSPORT, "not what a Sky Island answers: no %s", name);
	return value;
}

/* All pages from a path on, put together. */
static json_t *pages(struct sky_client *c, const char *path, const char *name, json_type type,
	struct sky_error *error)
{
	char *next = NULL;
	json_t *all = take_member(admin(c, "GET", path, NULL, &next, error), name, type, error);
	while (all != NULL && next != NULL) {
		char *at = next;
		json_t *page =
			take_member(admin(c, "GET", at, NULL, &next, error), name, type, error);
		const int put = page == NULL         ? -1
				: type == JSON_ARRAY ? json_array_extend(all, page)
						     : json_object_update(all, page);
		free(at);
		json_decref(page);
		if (put < 0) {
			json_decref(all);
			all = NULL;
		}
	}
	free(next);
	return all;
}

json_t *sky_jails(struct sky_client *client, struct sky_error *error)
{
	return pages(client, JAILS, "jails", JSON_ARRAY, error);
}

json_t *sky_jail(struct sky_client *client, int jid, struct sky_error *error)
{
	char path[64];
	(void)snprintf(path, sizeof(path), JAILS "/%d", jid);
	json_t *said = admin(client, "GET", path, NULL, NULL, error);
	return take_member(said, "details", JSON_OBJECT, error);
}

int sky_kill(struct sky_client *client, int jid, struct sky_error *error)
{
	char path[64];
	(void)snprintf(path, sizeof(path), JAILS "/%d", jid);
	json_t *said = admin(client, "DELETE", path, NULL, NULL, error);
	json_t *deleted = take_member(said, "deleted", JSON_INTEGER, error);
	json_decref(deleted);
	return deleted != NULL ? 0 : -1;
}

json_t *sky_kill_all(struct sky_client *client, struct sky_error *error)
{
	json_t *said = admin(client, "DELETE", JAILS, NULL, NULL, error);
	return take_member(said, "deleted", JSON_ARRAY, error);
}

json_t *sky_ips(
	struct sky_client *client, const char *state, const char *pool, struct sky_error *error)
{
	char path[512];
	char *state_text = curl_easy_escape(client->curl, state != NULL ? state : "", 0);
	char *pool_text = curl_easy_escape(client->curl, pool != NULL ? pool : "", 0);
	int len = -1;
	if (state_text != NULL && pool_text != NULL)
		len = snprintf(path, sizeof(path), "/api/v1/admin/ips%s%s%s%s",
			state != NULL ? "?state=" : "", state_text,
			pool == NULL    ? ""
			: state != NULL ? "&pool="
					: "?pool=",
			pool_text);
	curl_free(state_text);
	curl_free(pool_text);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		(void)fail(error, SKY_ARGUMENT, "the names of state and pool are too long");
		return NULL;
	}
	return pages(client, path, state, state != NULL ? JSON_ARRAY : JSON_OBJECT, error);
}

int sky_set_ip(
	struct sky_client *client, const char *ip, const char *state, struct sky_error *error)
{
	json_t *body = json_pack("{s:s, s:s}", "ip", ip, "state", state);
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	if (text == NULL)
		return fail(error, SKY_ARGUMENT, "the request cannot be JSON");
	json_t *said = admin(client, "PUT", "/api/v1/admin/ips", text, NULL, error);
	free(text);
	json_decref(said);
	return said != NULL ? 0 : -1;
}

json_t *sky_api_stats(struct sky_client *client, struct sky_error *error)
{
	return admin(client, "GET", "/api/v1/admin/api-stats", NULL, NULL, error);
}

int sky_health(struct sky_client *client, struct sky_error *error)
{
	struct response r;
	const struct ask ask = {.method = "GET", .path = "/healthcheck"};
	json_t *said = ask_json(client, &ask, &r, error);
	if (said == NULL)
		return -1;
	json_decref(said);
	response_finish(&r);
	return 0;
}
