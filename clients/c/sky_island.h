#pragma once

/*
 * A client of Sky Island, which turns any Go package into an API. Built on libcurl and jansson:
 *
 *   cc program.c $(pkg-config --cflags --libs sky-island)
 *
 * A client is used by one thread at a time; several clients by as many threads, once
 * curl_global_init() was called. Functions return 0 or a value, and -1 or NULL where they fail;
 * then *error says why. What an answer or an error holds is its own until its finish function,
 * which is fine with one that is zero. Nothing is to be finished in an error after a success.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sky_client;

struct sky_options {
	const char *function_token;     /* for calls, where the server asks for one */
	const char *admin_token;        /* for the admin API */
	const char *admin_token_header; /* NULL: X-Sky-Island-Token */
	unsigned timeout_ms; /* for one call in all, its retries included; 0: 5 minutes */
	int retries; /* how often a call is tried again at most; 0: 3 times; -1: never. It is where
			the fault is the platform's, or the status 429 or 503, after as long as
			Retry-After says; never where a function failed, nor where no answer came */
};

enum sky_error_kind {
	SKY_OK,
	SKY_ARGUMENT,  /* what was given here is wrong; nothing was sent */
	SKY_TRANSPORT, /* no answer that could be read: whether the call ran is not known */
	SKY_TIMEOUT,   /* the same, since timeout_ms passed */
	SKY_REQUEST,   /* the request's fault: it has to be changed. 429, too many calls, too */
	SKY_FUNCTION,  /* the function's fault: it panicked, does not compile, took too long… */
	SKY_PLATFORM,  /* the server's, or that of a source it needs */
	SKY_OTHER      /* an error status without a problem: a proxy in front, perhaps */
};

/* From SKY_REQUEST on these are of the answer, a problem of RFC 9457. Text is never NULL. */
struct sky_error {
	enum sky_error_kind kind;
	int status;       /* 0: there was no answer */
	const char *code; /* stable; "" where there is none */
	const char *stage;
	const char *detail;
	const char *request_id;
	const char *out, *err;   /* what the function had written to stdout and stderr: bytes … */
	size_t out_len, err_len; /* … and a NUL behind them */
	long retry_after;        /* seconds; -1: not said */
	json_t *members; /* all that was answered: nearest, exit_status, …; NULL: no problem */
	void *memory;
};

void sky_error_finish(struct sky_error *error);

/* address: http://host:port, https://host:port or unix:/path. options may be NULL, and is copied.
 */
struct sky_client *sky_open(
	const char *address, const struct sky_options *options, struct sky_error *error);
void sky_close(struct sky_client *client);

/* ---- calls ---- */

struct sky_request {
	const char *url;            /* "strings", "github.com/u/r" */
	const char *call;           /* Go text, `ToUpper("a")`; or … */
	const char *function;       /* … a function's name, with */
	const json_t *args;         /* its arguments, a JSON array; NULL: none */
	bool json;                  /* results as JSON; else they are printed into data */
	const char *version;        /* tag, branch, commit; NULL: the latest */
	const char *const *imports; /* NULL, or up to a NULL: which standard packages are meant */
	bool cache_bust;            /* ask the source again what the version is */
	bool ip4;                   /* an address for the call's jail … */
	const char *ip4_pool;       /* … or one of this pool */
	int reuse; /* > 0: a jail of earlier calls will do, < 0: it will not, 0: as configured there */
};

struct sky_answer {
	int64_t timestamp; /* seconds since 1970 */
	const char *data;  /* what the call printed: bytes, and a NUL behind them */
	size_t data_len;
	const char *err; /* what it wrote to stderr */
	size_t err_len;
	const json_t *results; /* with `json`: an array. Where one of its numbers is beyond
				  json_int_t, all are real */
	const char *go_error;  /* with `json`: a last result that is a Go error; NULL: nil */
	const char *module;    /* which version ran: path@version */
	const char *request_id;
	json_t *members; /* all that was answered */
	void *memory;
};

int sky_call(struct sky_client *client, const struct sky_request *request,
	struct sky_answer *answer, struct sky_error *error);
void sky_answer_finish(struct sky_answer *answer);

/* ---- for administrators: docs/api.md has what is in the JSON, which the caller decrefs ---- */

json_t *sky_jails(struct sky_client *client, struct sky_error *error); /* an array of objects */
json_t *sky_jail(struct sky_client *client, int jid, struct sky_error *error);
int sky_kill(struct sky_client *client, int jid, struct sky_error *error);
json_t *sky_kill_all(struct sky_client *client, struct sky_error *error); /* of jids */
/* state NULL: an object, address → the name of the jail that holds it, or null. "available",
 * "unavailable": an array of addresses. pool NULL: all pools. */
json_t *sky_ips(
	struct sky_client *client, const char *state, const char *pool, struct sky_error *error);
int sky_set_ip(
	struct sky_client *client, const char *ip, const char *state, struct sky_error *error);
json_t *sky_api_stats(struct sky_client *client, struct sky_error *error);
/* 0 where the server answers. */
int sky_health(struct sky_client *client, struct sky_error *error);

#ifdef __cplusplus
}
#endif
