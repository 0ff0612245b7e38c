#pragma once

/*
 * http: an HTTP/1.1 server on libuv and llhttp. It knows connections, limits and the order of
 * answers; nothing of functions. Strict where RFC 9112 leaves room for smuggling: version 1.0
 * or 1.1 only; exactly one Host on 1.1; no bare LF, no folded lines; no Content-Length beside
 * Transfer-Encoding, no two Content-Length; no Transfer-Encoding but chunked. Caps on header count,
 * header bytes (the URL is among them) and body; absolute deadlines for headers, body and writes;
 * caps on connections in total and for each peer address. Keep-alive, pipelining (answers in
 * order), Expect: 100-continue, chunked bodies (trailers are dropped).
 *
 * What http refuses by itself (400, 408, 413, 417, 431, 501, 503, 505) it hands to `refuse` to
 * word. A connection over a cap is accepted and refused by 503; beyond 64 such at a time they are
 * closed unheard.
 *
 * While an exchange is open the connection is read on (at least 64 KiB), so that a peer that leaves
 * is noticed. A peer that ends its sending side before its answer has left.
 *
 * One thread: everything is called on the loop's thread. SIGPIPE is ignored from http_server_create
 * on, unless the process handles it. Follows RFC 9110, RFC 9112.
 */

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_server;
struct http_exchange;

struct http_limits {
	unsigned connections;          /* open at once */
	unsigned connections_per_peer; /* of one IPv4 address or IPv6 /64 (not unix); 0: no cap */
	unsigned headers;              /* fields in one request */
	size_t header_bytes;           /* request line and fields together */
	size_t body_bytes;             /* decoded body */
	uint64_t header_ms;            /* from accept or its first byte to its fields' end */
	uint64_t body_ms;              /* from the end of the fields to the end of the body */
	uint64_t write_ms;             /* from an answer's start until the kernel took all of it */
	uint64_t idle_ms;              /* between requests of a kept connection */
};
/* 1024, 256, 64, 16 KiB, 1 MiB, 10 s, 30 s, 30 s, 60 s */
extern const struct http_limits http_limits_default;

struct http_callbacks {
	/* A whole request. The handler answers now or later by http_respond, exactly once, unless
	 * `gone` came. */
	void (*request)(struct http_exchange *x, void *ctx);
	/* The peer left, or the server is closing, before an answer; the exchange is dead when this
	 * returns. */
	void (*gone)(struct http_exchange *x, void *ctx);
	/* http itself refuses a request with this status; http_respond is due before this returns
	 * (else `why` is sent as plain text). What was not understood of the request reads as "" or
	 * NULL. The connection is closed afterwards. */
	void (*refuse)(struct http_exchange *x, int status, const char *why, void *ctx);
	/* An answer is given, by whom ever; the exchange is still whole. NULL: nobody looks. */
	void (*answered)(struct http_exchange *x, int status, void *ctx);
	void *ctx;
};

/* limits and callbacks are copied. NULL: f set. */
struct http_server *http_server_create(uv_loop_t *loop, const struct http_limits *limits,
	const struct http_callbacks *callbacks, struct fault *f);
/* Serves on a listening socket (TCP or unix, already bound and listening; owned from here on, also
 * when this fails). May be called for several. */
int http_server_listen(struct http_server *server, int listen_fd, struct fault *f);
/* Stops accepting; idle connections are closed; answers in progress still go out, with Connection:
 * close. */
void http_server_drain(struct http_server *server);
/* Exchanges not yet answered. */
unsigned http_server_open_exchanges(const struct http_server *server);
/* Answers given, but not yet taken whole by the kernel, or by a peer that sent too much; http_limits
 * bounds both. */
unsigned http_server_unsent(const struct http_server *server);
unsigned http_server_connections(const struct http_server *server);
/* Closes everything (`gone` for each open exchange); the memory goes once the loop has run the
 * close callbacks. NULL is fine. */
void http_server_destroy(struct http_server *server);

/* The request; strings live as long as the exchange and are NUL-terminated. */
const char *http_method(const struct http_exchange *x); /* "GET" */
/* Without query, as sent (not percent-decoded); of an absolute target only its path. */
const char *http_path(const struct http_exchange *x);
const char *http_query(const struct http_exchange *x); /* without '?', "" where there is none */
/* First field of that name, case-insensitive; NULL where there is none. */
const char *http_header(const struct http_exchange *x, const char *name);
/* How many fields of that name there are. */
unsigned http_header_count(const struct http_exchange *x, const char *name);
const char *http_body(const struct http_exchange *x, size_t *len);
const char *http_peer(const struct http_exchange *x); /* numeric address, or "unix" */
uint64_t http_started_ns(
	const struct http_exchange *x); /* clock_mono_ns at the request's first byte */

/* The handler's own pointer. */
void http_set_data(struct http_exchange *x, void *data);
void *http_data(const struct http_exchange *x);
/* HTTP_NOTE_BYTES for what else the handler keeps of a request: zero when it begins, aligned for
 * anything. */
enum { HTTP_NOTE_BYTES = 256 };
void *http_note(struct http_exchange *x);

/* Adds a field to the answer; name and value are copied. A value with control characters is a bug:
 * aborts. */
void http_add_header(struct http_exchange *x, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with a value that is text already. */
void http_add_text(struct http_exchange *x, const char *name, const char *value);
/* Answers: status line, Date, Content-Length, Content-Type (unless type is NULL), the added fields,
 * body (copied; not sent to HEAD or with 204/304). The exchange is dead when this returns. */
void http_respond(
	struct http_exchange *x, int status, const char *type, const void *body, size_t len);
