#pragma once

/*
 * The inside of egress. A connection (egress_conn.c) goes through the states below; what a
 * request's bytes mean is read by pure functions (egress_head.c), who may go where is decided by
 * others (egress_policy.c), and once both ends are connected two lanes carry bytes (egress_lane.c).
 */

#include "base/buf.h"
#include "net/egress.h"

#include <netinet/in.h>
#include <stddef.h>

enum {
	EGRESS_HEAD_MAX = 8192, /* bytes of a request's or an upstream proxy's head */
	EGRESS_FIELDS_MAX = 64,
	EGRESS_LANE_BYTES = 65536,
	EGRESS_ADDRESSES_MAX = 8, /* of a name; more are not tried */
};

/* ---- egress_head.c ---- */

/* Where somebody wants to go. */
struct egress_target {
	char host[256]; /* as written, lower case, without brackets; addresses as inet_ntop has them
			 */
	uint16_t port;  /* 0: none was written */
	bool literal;   /* host is an address, and `address` is it */
	struct sockaddr_storage address; /* its port is 0 */
};

struct egress_head {
	bool connect;                /* CONNECT; else GET or HEAD of an absolute http URI */
	struct egress_target target; /* port set */
	struct buf forward;          /* the request as it goes to the origin; empty for CONNECT */
};

/* Length of the head in data, its empty line included; 0: not whole yet. */
size_t egress_head_length(const char *data, size_t len);
/* Reads one whole head, strictly. NULL, or what is wrong with it (400). buf_finish(&head->forward)
 * in both cases. */
const char *egress_head_parse(struct egress_head *head, const char *data, size_t len);
/* "host", "host:port", "[v6]:port"; -1 where it is none of them. */
int egress_target_parse(struct egress_target *target, const char *text, size_t len);
/* host:port, with brackets where needed. */
void egress_target_print(const struct egress_target *target, struct buf *out);
/* The status of a whole response head; -1 where it is none. */
int egress_status_parse(const char *data, size_t len);

/* ---- egress_policy.c ---- */

/* A policy, copied and parsed. */
struct egress_rules {
	struct egress_target *trusted; /* port 0: any */
	size_t trusted_count;
	struct egress_target *reachable; /* each with its port */
	size_t reachable_count;
	bool upstream_set;
	struct egress_target upstream;
	char *upstream_authorization; /* a whole header line with CRLF, or NULL */
	char *no_proxy;               /* or NULL */
	bool plain_http;
	uint64_t bytes_max;
	unsigned connections_max;
};

int egress_rules_init(
	struct egress_rules *rules, const struct egress_policy *policy, struct fault *f);
void egress_rules_finish(struct egress_rules *rules);
bool egress_rules_trust(const struct egress_rules *rules, const struct egress_target *target);
/* NULL, or why the target must not be connected to, as far as can be told without resolving it. */
const char *egress_rules_refuse(const struct egress_rules *rules, const struct egress_head *head);
/* Whether the target is reached through the upstream proxy. */
bool egress_rules_upstream(const struct egress_rules *rules, const struct egress_target *target);

/* ---- egress_lane.c ---- */

struct egress_conn;

/* One direction: what is read from one end goes to the other; while that does not take it, nothing
 * is read. */
struct egress_lane {
	struct egress_conn *conn;
	uv_stream_t *from, *to;
	uv_write_t write;
	uv_shutdown_t shutdown;
	bool done;  /* `from` said its last byte, and `to` was told so */
	char *data; /* EGRESS_LANE_BYTES */
	size_t len; /* bytes in data that came before the lane was open */
};

/* Sends on what came early and starts reading. The connection may be closing afterwards. */
void egress_lane_open(struct egress_lane *lane);

/* ---- egress_conn.c ---- */

enum egress_state {
	EGRESS_HEAD, /* reading the client's request */
	EGRESS_RESOLVING,
	EGRESS_CONNECTING,
	EGRESS_HANDSHAKE, /* asking the upstream proxy */
	EGRESS_SPLICING,
	EGRESS_ANSWERING, /* a refusal is on its way; what else the client sends is thrown away */
};

struct egress_conn {
	struct egress *egress;
	struct egress_conn *prev, *next;
	enum egress_state state;
	unsigned
		holds; /* what libuv still has of us: handles not closed and a pending resolution */
	bool closing;
	bool upstream;    /* goes by the upstream proxy */
	bool server_open; /* server is initialised and not being closed */
	bool resolving;
	uv_tcp_t client, server;
	uv_timer_t timer;
	uv_getaddrinfo_t resolve;
	uv_connect_t connect;
	int connect_error; /* of the last attempt */
	struct egress_head head;
	char bytes[EGRESS_HEAD_MAX]; /* of a head being read: the client's, then the upstream
					proxy's */
	size_t bytes_len;
	struct sockaddr_storage addresses[EGRESS_ADDRESSES_MAX]; /* checked, with their port */
	size_t addresses_count, addresses_tried;
	uint64_t connect_end; /* loop time at which trying ends */
	struct egress_lane up, down;
};

/* Takes the connection that waits on the listener. */
void egress_conn_accept(struct egress *e);
/* Closes both ends; the memory goes with the last hold. */
void egress_conn_close(struct egress_conn *c);
/* Gives back a hold. */
void egress_conn_release(struct egress_conn *c);
/* Something moved: the idle timer starts anew. */
void egress_conn_touch(struct egress_conn *c);
/* Counts bytes that were carried; false where the cap is exceeded: then the connection is closing.
 */
bool egress_conn_count(struct egress_conn *c, size_t bytes);
/* Answers with a status and a reason, then closes. 403 and 502 say that the target is the cause. */
void egress_conn_refuse(struct egress_conn *c, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The server is connected: the handshake with an upstream proxy, or the lanes, are next. */
void egress_conn_connected(struct egress_conn *c);

/* ---- egress_dial.c ---- */

/* Finds addresses for the target, or the upstream proxy, and connects: egress_conn_connected or a
 * refusal follows. */
void egress_dial(struct egress_conn *c);
/* The time for resolving, or for an attempt, is over. */
void egress_dial_timeout(struct egress_conn *c);
/* Closes the server's end, where it is open; the next attempt follows where one is due. */
void egress_dial_drop(struct egress_conn *c);

/* ---- egress.c ---- */

struct egress {
	uv_loop_t *loop;
	uv_tcp_t listener;
	bool listener_closed;
	bool closing;
	bool waiting; /* the listener has a connection for which there was no room */
	struct egress_rules rules;
	struct egress_conn *conns;
	unsigned conns_count;
	uint64_t bytes;
	bool unreachable;
	char last_error[400];
	/* milliseconds: for a request's head; to resolve, to connect and to shake hands with a
	 * proxy; without a byte; to take a refusal's answer. Tests shorten them. */
	uint64_t head_ms, connect_ms, idle_ms, linger_ms;
};

/* A connection is gone: takes the next, or ends the egress with its last one. */
void egress_conn_gone(struct egress *e);
