/* What SIGHUP reads again: tokens, jails.reuse and address pools, on their way from the supervisor, which can
 * read files and environment, to the server, which cannot. */

#include "config/config_field.h"

#include <string.h>

int config_reload_check(const struct config *running, const struct config *fresh,
	struct buf *faults, struct fault *f)
{
	struct config mixed = {.listen = running->listen,
		.open = running->open,
		.function_token = fresh->function_token,
		.function_tokens = fresh->function_tokens,
		.function_tokens_count = fresh->function_tokens_count,
		.admin_api_token = fresh->admin_api_token};
	struct reading r = {.config = &mixed, .faults = faults};
	rules_listening(&r);
	if (r.count == 0)
		return 0;
	return fault_set(f, FAULT_INPUT, 0, "%u fault%s where this server listens", r.count,
		r.count == 1 ? "" : "s");
}

static void text_add(json_t *to, const char *name, const char *value)
{
	if (value != NULL)
		(void)json_object_set_new(to, name, json_string(value));
}

static json_t *tokens_text(const struct config *c)
{
	json_t *tokens = json_array();
	for (size_t i = 0; i < c->function_tokens_count; i++) {
		const struct config_token *token = &c->function_tokens[i];
		(void)json_array_append_new(
			tokens, json_pack("{s:s, s:s, s:I}", "name", token->name, "token",
					token->token, "calls_max", (json_int_t)token->calls_max));
	}
	return tokens;
}

char *config_reload_text(const struct config *c)
{
	json_t *root = json_object();
	text_add(root, "function_token", c->function_token);
	if (c->function_tokens_count > 0)
		(void)json_object_set_new(root, "function_tokens", tokens_text(c));
	text_add(root, "admin_api_token", c->admin_api_token);
	text_add(root, "state_dir", c->state_dir); /* whose default needs an environment */
	if (c->pools_text != NULL)
		(void)json_object_set_new(root, "network",
			json_pack("{s:o}", "ip4", json_loads(c->pools_text, 0, NULL)));
	if (c->reuse_text != NULL)
		(void)json_object_set_new(root, "jails",
			json_pack("{s:o}", "reuse", json_loads(c->reuse_text, 0, NULL)));
	char *text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static void text_move(char **to, char **from)
{
	free(*to);
	*to = *from;
	*from = NULL;
}

void config_reload_take(struct config *to, struct config *from)
{
	text_move(&to->function_token, &from->function_token);
	text_move(&to->admin_api_token, &from->admin_api_token);
	field_tokens.drop(&to->function_tokens);
	to->function_tokens = from->function_tokens;
	to->function_tokens_count = from->function_tokens_count;
	from->function_tokens = NULL;
	from->function_tokens_count = 0;
	reuse_drop(to);
	to->reuse = from->reuse;
	to->reuse_count = from->reuse_count;
	to->reuse_text = from->reuse_text;
	from->reuse = NULL;
	from->reuse_count = 0;
	from->reuse_text = NULL;
	pools_drop(to);
	to->pools = from->pools;
	to->pools_count = from->pools_count;
	to->pools_text = from->pools_text;
	from->pools = NULL;
	from->pools_count = 0;
	from->pools_text = NULL;
}
