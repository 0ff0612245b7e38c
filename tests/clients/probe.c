/* One operation of the C client, told as JSON; see probe.py. */

#include <sky_island.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *hex(const char *data, size_t len)
{
	char *text = malloc(2 * len + 1);
	if (text == NULL)
		abort();
	text[0] = '\0';
	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", (unsigned char)data[i]);
	json_t *value = json_string(text);
	free(text);
	return value;
}

static json_t *wrong(const struct sky_error *e)
{
	static const char *const kinds[] = {"ok", "argument", "transport", "timeout", "request",
		"function", "platform", "other"};
	if (e->status == 0)
		return json_pack("{s:s}", "kind", kinds[e->kind]);
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:o, s:o, s:s, s:i, s:O?}", "kind",
		kinds[e->kind], "status", e->status, "code", e->code, "stage", e->stage, "detail",
		e->detail, "stdout", hex(e->out, e->out_len), "stderr", hex(e->err, e->err_len),
		"request_id", e->request_id, "retry_after", (int)e->retry_after, "nearest",
		json_object_get(e->members, "nearest"));
}

static json_t *called(struct sky_client *c, struct sky_request *r, struct sky_error *e)
{
	struct sky_answer a;
	json_t *told = NULL;
	if (sky_call(c, r, &a, e) == 0)
		told = json_pack("{s:o, s:o, s:O?, s:s?, s:s, s:s, s:I}", "data",
			hex(a.data, a.data_len), "stderr", hex(a.err, a.err_len), "results",
			a.results, "error", a.go_error, "module", a.module, "request_id",
			a.request_id, "timestamp", (json_int_t)a.timestamp);
	sky_answer_finish(&a);
	return told;
}

static json_t *call(struct sky_client *c, char **given, struct sky_error *e)
{
	const char *imports[8] = {NULL};
	json_t *options = json_loads(given[2], 0, NULL);
	const json_t *list = json_object_get(options, "imports");
	for (size_t i = 0; i < json_array_size(list); i++)
		imports[i] = json_string_value(json_array_get(list, i));
	const json_t *reuse = json_object_get(options, "reuse");
	struct sky_request r = {.url = given[0],
		.call = given[1],
		.version = json_string_value(json_object_get(options, "version")),
		.imports = list != NULL ? imports : NULL,
		.cache_bust = json_is_true(json_object_get(options, "cache_bust")),
		.ip4 = json_is_true(json_object_get(options, "ip4")),
		.ip4_pool = json_string_value(json_object_get(options, "ip4")),
		.reuse = json_is_true(reuse)    ? 1
			 : json_is_false(reuse) ? -1
						: 0};
	json_t *told = called(c, &r, e);
	json_decref(options);
	return told;
}

static json_t *typed(struct sky_client *c, char **given, struct sky_error *e)
{
	json_t *args = json_loads(given[2], 0, NULL);
	struct sky_request r = {.url = given[0], .function = given[1], .args = args, .json = true};
	json_t *told = called(c, &r, e);
	json_decref(args);
	return told;
}

static json_t *run(struct sky_client *c, const char *operation, char **given, struct sky_error *e)
{
	if (strcmp(operation, "call") == 0)
		return call(c, given, e);
	if (strcmp(operation, "typed") == 0)
		return typed(c, given, e);
	if (strcmp(operation, "jails") == 0)
		return sky_jails(c, e);
	if (strcmp(operation, "jail") == 0)
		return sky_jail(c, (int)strtol(given[0], NULL, 10), e);
	if (strcmp(operation, "kill") == 0)
		return sky_kill(c, (int)strtol(given[0], NULL, 10), e) < 0
			       ? NULL
			       : json_integer(strtol(given[0], NULL, 10));
	if (strcmp(operation, "kill_all") == 0)
		return sky_kill_all(c, e);
	if (strcmp(operation, "ips") == 0)
		return sky_ips(c, NULL, given[0], e);
	if (strcmp(operation, "ips_in_state") == 0)
		return sky_ips(c, given[0], NULL, e);
	if (strcmp(operation, "set_ip") == 0)
		return sky_set_ip(c, given[0], given[1], e) < 0 ? NULL : json_null();
	if (strcmp(operation, "api_stats") == 0)
		return sky_api_stats(c, e);
	if (strcmp(operation, "health") == 0)
		return sky_health(c, e) < 0 ? NULL : json_null();
	abort();
}

static int setting(const char *name)
{
	const char *text = getenv(name);
	return text != NULL ? (int)strtol(text, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	struct sky_error e = {0};
	const int retries = setting("SKY_RETRIES");
	const struct sky_options options = {.function_token = getenv("SKY_FUNCTION_TOKEN"),
		.admin_token = getenv("SKY_ADMIN_TOKEN"),
		.timeout_ms = (unsigned)setting("SKY_TIMEOUT_MS"),
		.retries = retries == 0 ? -1 : retries};
	if (argc < 3)
		abort();
	struct sky_client *c = sky_open(argv[1], &options, &e);
	json_t *told = c != NULL ? run(c, argv[2], argv + 3, &e) : NULL;
	const int failed = told == NULL;
	if (failed)
		told = wrong(&e);
	char *text = json_dumps(told, JSON_ENCODE_ANY | JSON_COMPACT);
	(void)puts(text);
	free(text);
	json_decref(told);
	sky_error_finish(&e);
	sky_close(c);
	return failed;
}
