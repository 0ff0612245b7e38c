/* function_tokens: tokens of callers that are told apart, each with a name and perhaps a limit. */

#include "base/defer.h"
#include "config/config_field.h"

#include <stdlib.h>
#include <string.h>

enum {
	TOKENS_MAX = 64,
	TOKEN_MAX = 512, /* so that all of them fit the message that SIGHUP sends (node.h) */
};

static bool check_token(const char *text)
{
	return check_visible(text) && strlen(text) <= TOKEN_MAX;
}

static bool check_caller(const char *text)
{
	const size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
	return text[len] == '\0' && len <= 32;
}

#define TOKEN_AT(member) FIELD_AT(struct config_token, member)
static const struct field token_fields[] = {
	{"name", &field_string, TOKEN_AT(name), .valid = check_caller,
		.allowed = "up to 32 of a to z, 0 to 9 and dashes"},
	{"token", &field_secret, TOKEN_AT(token), .valid = check_token,
		.allowed = "up to 512 visible ASCII characters without spaces, or {\"file\": path} "
			   "or {\"env\": name} that hold them"},
	{"calls_max", &field_number, TOKEN_AT(calls_max), .fallback = "0", .max = 100000},
};
enum { TOKEN_FIELDS = sizeof(token_fields) / sizeof(token_fields[0]) };

/* Against those before it, and function_token, whose caller is "default". */
static void token_check(struct reading *r, const char *path, void *entry)
{
	const struct config *c = r->config;
	const struct config_token *token = entry;
	if (token->name == NULL)
		field_complain_member(r, path, "name", NULL, "a name for its caller");
	if (token->token == NULL)
		field_complain_member(r, path, "token", NULL, "a token");
	if (token->name == NULL || token->token == NULL)
		return;
	bool name_taken = c->function_token != NULL && strcmp(token->name, "default") == 0;
	bool token_taken =
		c->function_token != NULL && strcmp(token->token, c->function_token) == 0;
	for (size_t i = 0; i < c->function_tokens_count; i++) {
		name_taken |= strcmp(token->name, c->function_tokens[i].name) == 0;
		token_taken |= strcmp(token->token, c->function_tokens[i].token) == 0;
	}
	if (name_taken)
		field_complain_member(r, path, "name", "a name that another token has",
			"each once (function_token's is \"default\")");
	if (token_taken)
		field_complain_member(
			r, path, "token", "a token that is there already", "each once");
}

static void token_read(struct reading *r, const char *path, const json_t *value)
{
	static const struct field_entry kind = {.table = token_fields,
		.rows = TOKEN_FIELDS,
		.allowed = "an object with name, token and perhaps calls_max",
		.check = token_check};
	struct config *c = r->config;
	struct config_token token = {0};
	if (field_entry_read(r, &kind, path, value, &token))
		c->function_tokens[c->function_tokens_count++] = token;
}

static bool tokens_read(struct reading *r, const struct field *field, const char *path,
	const json_t *value, void *at)
{
	(void)field;
	(void)at;
	if (!json_is_array(value) || json_array_size(value) > TOKENS_MAX)
		return false;
	if (json_array_size(value) == 0)
		return true;
	r->config->function_tokens = mem_zero(TOKENS_MAX, sizeof(struct config_token));
	field_each(r, path, value, token_read);
	return true;
}

static void tokens_drop(void *at)
{
	/* All places: what is unused is empty. */
	struct config_token **tokens = at;
	for (size_t i = 0; *tokens != NULL && i < TOKENS_MAX; i++)
		field_drop(token_fields, TOKEN_FIELDS, &(*tokens)[i]);
	free(*tokens);
	*tokens = NULL;
}

const struct field_kind field_tokens = {.read = tokens_read, .drop = tokens_drop, .secret = true};
