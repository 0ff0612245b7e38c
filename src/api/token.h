#pragma once

/*
 * token: who may ask. Tokens are compared by their digests, in constant time, and a given function
 * token with all there are, so that how long it takes tells nothing of any. Private to api.
 */

#include "http/http.h"

#include <stdbool.h>

struct api;
struct config;

/* TOKEN_BEYOND: the admin token, but none on loopback. */
enum token { TOKEN_NONE, TOKEN_FUNCTION, TOKEN_ADMIN, TOKEN_BEYOND };

struct tokens;

/* Reads the configuration's function tokens anew; `tokens` is what this gave before, or NULL. */
struct tokens *tokens_read(struct tokens *tokens, const struct config *c);
/* Whether the request has the token it needs, and in its note who calls, where a token told that.
 * If not, it is answered. */
bool token_check(const struct api *api, struct http_exchange *x, enum token token);
