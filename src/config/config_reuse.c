/* jails.reuse: for whose calls of what a jail may serve more than one, and for how long. */

#include "base/defer.h"
#include "config/config_field.h"

#include <stdlib.h>
#include <string.h>

/* So that all of them fit the message that SIGHUP sends (node.h). */
enum { RULES_MAX = 32, RULE_TOKENS_MAX = 16, URL_MAX = 200 };

static const char *const when_words[] = {"asked", "always", NULL};

static bool check_pattern(const char *text)
{
	const char *star = strchr(text, '*');
	return check_visible(text) && strlen(text) <= URL_MAX && (star == NULL || star[1] == '\0');
}

#define RULE_AT(member) FIELD_AT(struct config_reuse, member)
static const struct field rule_fields[] = {
	{"url", &field_string, RULE_AT(url), .valid = check_pattern,
		.allowed = "a package's path, or its beginning and \"*\", up to 200 characters"},
	{"tokens", &field_strings, RULE_AT(tokens), .min = 1, .max = RULE_TOKENS_MAX,
		.valid = check_name,
		.allowed = "a list of up to 16 names of function_tokens, or \"default\" for "
			   "function_token"},
	{"calls", &field_number, RULE_AT(calls), .fallback = "1000", .min = 2, .max = 1000000},
	{"age", &field_duration, RULE_AT(age), .fallback = "\"1m\"", .min = 1000000,
		.max = UINT64_C(86400000000000)},
	{"memory", &field_size, RULE_AT(memory), .fallback = "\"16MiB\"", .min = 1 << 20,
		.max = UINT64_C(1) << 40},
	{"when", &field_choice, RULE_AT(when), .fallback = "\"asked\"", .choices = when_words},
};
enum { RULE_FIELDS = sizeof(rule_fields) / sizeof(rule_fields[0]) };

static bool is_token(const struct config *c, const char *name)
{
	if (c->function_token != NULL && strcmp(name, "default") == 0)
		return true;
	for (size_t i = 0; i < c->function_tokens_count; i++)
		if (strcmp(c->function_tokens[i].name, name) == 0)
			return true;
	return false;
}

static void rule_check(struct reading *r, const char *path, void *entry)
{
	const struct config_reuse *rule = entry;
	defer_free char *tokens = mem_printf("%s.tokens", path);
	if (rule->url == NULL)
		field_complain_member(
			r, path, "url", NULL, "a package's path, or its beginning and \"*\"");
	for (char **name = rule->tokens; name != NULL && *name != NULL; name++)
		if (!is_token(r->config, *name) && !field_faulty(r, "function_tokens"))
			field_complain(r, tokens,
				"found \"%s\", allowed: names that function_tokens has, or "
				"\"default\" where there is function_token",
				*name);
}

static void rule_read(struct reading *r, const char *path, const json_t *value)
{
	static const struct field_entry kind = {.table = rule_fields,
		.rows = RULE_FIELDS,
		.allowed = "an object with url and perhaps tokens, calls, age, memory and when",
		.check = rule_check};
	struct config *c = r->config;
	struct config_reuse rule = {0};
	if (field_entry_read(r, &kind, path, value, &rule))
		c->reuse[c->reuse_count++] = rule;
}

static bool rules_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)field;
	(void)at;
	struct config *c = r->config;
	if (!json_is_array(value) || json_array_size(value) > RULES_MAX)
		return false;
	c->reuse = mem_zero(RULES_MAX, sizeof(*c->reuse));
	c->reuse_text = json_dumps(value, JSON_COMPACT);
	field_each(r, path, value, rule_read);
	return true;
}

void reuse_drop(struct config *c)
{
	for (size_t i = 0; i < c->reuse_count; i++)
		field_drop(rule_fields, RULE_FIELDS, &c->reuse[i]);
	free(c->reuse);
	free(c->reuse_text);
	c->reuse = NULL;
	c->reuse_text = NULL;
	c->reuse_count = 0;
}

const struct field_kind field_reuse = {.read = rules_read};

static bool url_matches(const char *pattern, const char *url)
{
	const size_t len = strlen(pattern);
	if (len > 0 && pattern[len - 1] == '*')
		return strncmp(pattern, url, len - 1) == 0;
	return strcmp(pattern, url) == 0;
}

static bool token_matches(char *const *names, const char *caller)
{
	if (names == NULL)
		return true;
	while (*names != NULL && (caller == NULL || strcmp(*names, caller) != 0))
		names++;
	return *names != NULL;
}

const struct config_reuse *config_reuse_find(
	const struct config *c, const char *url, const char *caller)
{
	for (size_t i = 0; i < c->reuse_count; i++) {
		const struct config_reuse *rule = &c->reuse[i];
		if (url_matches(rule->url, url) && token_matches(rule->tokens, caller))
			return rule;
	}
	return NULL;
}
