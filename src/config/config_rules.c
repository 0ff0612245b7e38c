/* The rules that more than one field takes part in. */

#include "base/defer.h"
#include "config/config_field.h"

#include <stdio.h>
#include <string.h>

static const char go_default[] = "1.26.8";
/* What the original's README and example publish: no secret. */
static const char token_published[] = "asdfasdfasdfasdf";
static const char published_words[] =
	"found the token of the published example, allowed beyond loopback: one of your own";

/* Toolchains that fetch and check themselves begin with 1.21; so do their three-part names. */
static void go_version_settle(struct reading *r)
{
	struct config *c = r->config;
	unsigned major = 0;
	unsigned minor = 0;
	int end = 0;
	if (c->go_version == NULL || sscanf(c->go_version, "%4u.%4u%n", &major, &minor, &end) != 2)
		return;
	char *settled = NULL;
	if (major < 1 || (major == 1 && minor < 21)) {
		field_warn(r, "go_version", "%s is older than 1.21; %s is used", c->go_version,
			go_default);
		settled = mem_strdup(go_default);
	} else if (c->go_version[end] == '\0') {
		settled = mem_printf("%s.0", c->go_version);
	}
	if (settled == NULL)
		return;
	free(c->go_version);
	c->go_version = settled;
}

static bool is_published(const char *token)
{
	return token != NULL && strcmp(token, token_published) == 0;
}

/* Who listens beyond loopback runs anybody's code unless calls need a token or the operator says
 * that he means it. */
void rules_listening(struct reading *r)
{
	const struct config *c = r->config;
	if (c->listen == NULL || config_is_loopback(c))
		return;
	/* Places without a token in them have complaints of their own. */
	if (!config_asks_token(c) && c->function_tokens == NULL && !c->open &&
		!field_faulty(r, "function_token") && !field_faulty(r, "open"))
		field_complain(r, "listen",
			"found %s, which is beyond loopback, allowed: with function_token, or with "
			"\"open\": true",
			c->listen);
	if (is_published(c->admin_api_token))
		field_complain(r, "admin_api_token", "%s", published_words);
	if (is_published(c->function_token))
		field_complain(r, "function_token", "%s", published_words);
	for (size_t i = 0; c->function_tokens != NULL && i < c->function_tokens_count; i++) {
		defer_free char *path = mem_printf("function_tokens[%zu].token", i);
		if (is_published(c->function_tokens[i].token))
			field_complain(r, path, "%s", published_words);
	}
}

static void filesystem_check(struct reading *r)
{
	const struct config *c = r->config;
	if (c->filesystem_type == CONFIG_FILESYSTEM_ZFS && c->zfs_dataset == NULL &&
		!field_faulty(r, "filesystem.zfs_dataset"))
		field_complain(r, "filesystem.type",
			"found \"zfs\", allowed: with filesystem.zfs_dataset");
}

void rules_apply(struct reading *r)
{
	go_version_settle(r);
	rules_listening(r);
	filesystem_check(r);
}
