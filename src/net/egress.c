/* The listener of an egress, and its end. egress_conn.c has what happens to a connection. */

#include "net/egress.h"

#include "net/egress_private.h"

#include <stdlib.h>
#include <unistd.h>

static void egress_end(struct egress *e)
{
	if (!e->listener_closed || e->conns != NULL)
		return;
	egress_rules_finish(&e->rules);
	free(e);
}

static void listener_closed(uv_handle_t *handle)
{
	struct egress *e = handle->data;
	e->listener_closed = true;
	egress_end(e);
}

/* Beyond connections_max a connection waits: libuv takes no other before this one is accepted. */
static void knocked(uv_stream_t *listener, int status)
{
	struct egress *e = listener->data;
	if (status < 0)
		return;
	if (e->conns_count >= e->rules.connections_max)
		e->waiting = true;
	else
		egress_conn_accept(e);
}

void egress_conn_gone(struct egress *e)
{
	if (e->closing) {
		egress_end(e);
	} else if (e->waiting) {
		e->waiting = false;
		egress_conn_accept(e);
	}
}

struct egress *egress_create(
	uv_loop_t *loop, int listen_fd, const struct egress_policy *policy, struct fault *f)
{
	struct egress *e = mem_zero(1, sizeof(*e));
	e->loop = loop;
	e->head_ms = 10000;
	e->connect_ms = 10000;
	e->idle_ms = 60000;
	e->linger_ms = 2000;
	if (egress_rules_init(&e->rules, policy, f) < 0) {
		(void)close(listen_fd);
		free(e);
		return NULL;
	}
	(void)uv_tcp_init(loop, &e->listener);
	e->listener.data = e;
	int status = uv_tcp_open(&e->listener, listen_fd);
	if (status < 0)
		(void)close(listen_fd);
	else
		status = uv_listen((uv_stream_t *)&e->listener, 128, knocked);
	if (status == 0)
		return e;
	(void)fault_set(f, FAULT_PLATFORM, -status, "egress: listen");
	egress_destroy(e);
	return NULL;
}

const char *egress_last_error(const struct egress *e)
{
	return e->last_error;
}

bool egress_unreachable(const struct egress *e)
{
	return e->unreachable;
}

uint64_t egress_bytes(const struct egress *e)
{
	return e->bytes;
}

void egress_destroy(struct egress *e)
{
	if (e == NULL)
		return;
	e->closing = true;
	for (struct egress_conn *c = e->conns; c != NULL; c = c->next)
		egress_conn_close(c);
	uv_close((uv_handle_t *)&e->listener, listener_closed);
}
