#pragma once

/*
 * What the files of http share. Theory of operation:
 *
 * A connection has one input buffer that never moves, at most one exchange, and a state:
 *
 *     IDLE → HEAD → BODY → HANDLED → ANSWERING → IDLE …       in the end: LINGER → CLOSED
 *
 * connection.c moves bytes between the socket and the buffer, request.c turns them into exchanges,
 * exchange.c words the answers, server.c owns listeners, caps and the one timer. The head of the
 * current request lies at the front of the buffer until its answer is out (accessors point into
 * it); what follows it is the body, decoded elsewhere, and then whatever was read ahead.
 *
 * While an exchange is HANDLED reading goes on, so that a peer that leaves is noticed, until the
 * buffer is full; one that has sent that much ahead is looked at again when its turn comes. A peer
 * that ends its side of the connection (FIN) before its answer counts as gone: it cannot be told
 * from one that closed, and work for nobody is dear here. Clients in use do not half-close.
 *
 * Deadlines are fields, absolute in the loop's milliseconds. One timer for all is armed for the
 * earliest; moving a deadline away costs nothing, the timer finds out when it fires.
 */

#include "base/buf.h"
#include "http/body.h"
#include "http/head.h"
#include "http/http.h"
#include "http/peers.h"

#include <netinet/in.h>
#include <sys/queue.h>

enum connection_state {
	CONNECTION_IDLE,      /* no byte of the next request is there */
	CONNECTION_HEAD,      /* some are */
	CONNECTION_BODY,      /* the head is whole, its body is not */
	CONNECTION_HANDLED,   /* an answer is due */
	CONNECTION_ANSWERING, /* given, but not yet all taken by the kernel */
	CONNECTION_LINGER, /* our side is shut; what comes is dropped for a while (RFC 9112, 9.6) */
	CONNECTION_CLOSED, /* waiting for libuv to let go */
};

struct http_exchange {
	struct http_connection *connection;
	void *data;
	_Alignas(max_align_t) unsigned char note[HTTP_NOTE_BYTES];
	uint64_t started_ns;
	struct buf added; /* fields by http_add_header */
	bool due;
	bool refused;
};

struct http_connection {
	struct http_server *server;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	enum connection_state state;
	uint64_t deadline; /* 0: none */
	bool stepping;     /* request.c is at work further up the stack */
	bool reading;
	bool keep;   /* the current request allows another one */
	bool left;   /* the peer sends no more */
	bool queued; /* in the server's ready queue */
	bool extra;  /* over a cap: only there to be refused */

	char *in;
	size_t in_cap;
	size_t in_len;
	size_t at; /* up to here the buffer is taken apart */

	struct http_head head;
	struct http_body body;
	struct http_exchange exchange;

	struct buf out; /* an answer's head; then what the kernel did not take at once */
	uv_write_t write;
	uv_shutdown_t shutdown;

	struct http_peer *peer;
	char address[INET6_ADDRSTRLEN];
	LIST_ENTRY(http_connection) all;
	TAILQ_ENTRY(http_connection) ready;
};

struct http_listener {
	struct http_server *server;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	bool tcp;
	LIST_ENTRY(http_listener) all;
};

struct http_server {
	uv_loop_t *loop;
	struct http_limits limits;
	struct http_callbacks callbacks;
	bool draining;
	bool destroyed;

	LIST_HEAD(, http_listener) listeners;
	LIST_HEAD(, http_connection) connections;
	TAILQ_HEAD(, http_connection) ready; /* with bytes read ahead, their turn has come */
	unsigned ready_count;
	unsigned open;      /* connections within the caps */
	unsigned extra;     /* beyond them, being refused */
	unsigned exchanges; /* due */
	unsigned handles;   /* libuv's, that must close before the server is freed */
	struct http_peers peers;

	uv_timer_t timer;
	uint64_t timer_due;
	uv_idle_t turn; /* runs while someone is ready */

	char date[32];
	uint64_t date_s;
};

/* connection.c */

/* Accepts one from the listener and starts reading, or refuses it over a cap. */
void http_connection_accept(struct http_listener *listener);
/* Closes now; `gone` is called where an answer is due. */
void http_connection_close(struct http_connection *c);
/* Sends out, then body (borrowed); http_request_answered follows, now or later. */
void http_connection_send(struct http_connection *c, const void *body, size_t len);
/* Best effort: a short text, whole or not at all. */
void http_connection_tell(struct http_connection *c, const char *text);
/* Its deadline has passed. */
void http_connection_expire(struct http_connection *c);
/* Stops or resumes reading, as state and buffer want it. */
void http_connection_adjust(struct http_connection *c);
/* No further request: closes, slowly where the answer might get lost otherwise. */
void http_connection_end(struct http_connection *c);

/* request.c */

/* Takes the buffer apart as far as state and bytes allow. */
void http_request_step(struct http_connection *c);
/* Has the user word a refusal; the connection ends with it. */
void http_request_refuse(struct http_connection *c, int status, const char *why);
/* The answer is out: on to the next request, or to the end. */
void http_request_answered(struct http_connection *c);

/* server.c */

void http_server_set_deadline(struct http_connection *c, uint64_t ms);
/* Calls http_request_step on it from the loop, not from within the handler that just answered. */
void http_server_queue(struct http_connection *c);
void http_server_unqueue(struct http_connection *c);
/* "Sun, 06 Nov 1994 08:49:37 GMT", made once a second. */
const char *http_server_date(struct http_server *server);
/* A handle's close callback came. */
void http_server_release(struct http_server *server);
