#include "api/token.h"

#include "api/exchange.h"
#include "api/observe.h"
#include "base/defer.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DIGEST_BYTES = crypto_hash_sha256_BYTES };

struct key {
	unsigned char digest[DIGEST_BYTES];
	struct caller *caller;
};

struct tokens {
	struct key *keys;
	size_t count;
	struct caller *callers; /* all there ever were */
};

static void digest_of(const char *token, unsigned char digest[DIGEST_BYTES])
{
	(void)crypto_hash_sha256(digest, (const unsigned char *)token, strlen(token));
}

static void key_add(struct tokens *tokens, const char *name, const char *token, unsigned calls_max)
{
	struct key *key = &tokens->keys[tokens->count++];
	digest_of(token, key->digest);
	key->caller = caller_named(&tokens->callers, name, calls_max);
}

struct tokens *tokens_read(struct tokens *tokens, const struct config *c)
{
	if (tokens == NULL)
		tokens = mem_zero(1, sizeof(*tokens));
	free(tokens->keys);
	tokens->count = 0;
	tokens->keys = mem_zero(c->function_tokens_count + 1, sizeof(*tokens->keys));
	if (c->function_token != NULL)
		key_add(tokens, "default", c->function_token, 0);
	for (size_t i = 0; i < c->function_tokens_count; i++)
		key_add(tokens, c->function_tokens[i].name, c->function_tokens[i].token,
			c->function_tokens[i].calls_max);
	return tokens;
}

/* The caller whose token this is; NULL: it is nobody's. */
static struct caller *caller_of(const struct tokens *tokens, const char *given)
{
	unsigned char digest[DIGEST_BYTES];
	struct caller *caller = NULL;
	digest_of(given, digest);
	for (size_t i = 0; i < tokens->count; i++) {
		if (sodium_memcmp(digest, tokens->keys[i].digest, DIGEST_BYTES) == 0)
			caller = tokens->keys[i].caller;
	}
	return caller;
}

static bool function_check(const struct api *api, struct http_exchange *x)
{
	const char *given = http_header(x, "Authorization");
	struct note *note = note_of(x);
	if (given != NULL && strncasecmp(given, "Bearer ", 7) == 0)
		note->caller = caller_of(api->tokens, given + 7);
	if (note->caller != NULL)
		return true;
	http_add_header(x, "WWW-Authenticate", "Bearer");
	problem_simple(x, 401, "unauthorized", "request",
		"send the function token as \"Authorization: Bearer …\"");
	return false;
}

static bool admin_check(const struct api *api, struct http_exchange *x)
{
	const struct config *c = api->setup.config;
	const char *given = http_header(x, c->admin_token_header);
	unsigned char a[DIGEST_BYTES];
	unsigned char b[DIGEST_BYTES];
	if (given != NULL && c->admin_api_token != NULL) {
		digest_of(given, a);
		digest_of(c->admin_api_token, b);
		if (sodium_memcmp(a, b, DIGEST_BYTES) == 0)
			return true;
	}
	defer_free char *detail =
		mem_printf("the admin token is missing or wrong: send it as \"%s: …\"; where the "
			   "configuration has none, it is in admin-token in the state directory",
			c->admin_token_header);
	problem_simple(x, 403, "forbidden", "request", detail);
	return false;
}

bool token_check(const struct api *api, struct http_exchange *x, enum token token)
{
	if (token == TOKEN_FUNCTION && api->tokens->count > 0)
		return function_check(api, x);
	if (token == TOKEN_ADMIN || (token == TOKEN_BEYOND && !api->loopback))
		return admin_check(api, x);
	return true;
}
