/*
 * From a target to a connected socket. A name is resolved once; of its addresses only those that
 * may be connected to are kept, and they are tried in order within one deadline. The name is not
 * asked for again.
 */

#include "net/egress_private.h"

#include <netdb.h>
#include <string.h>

static const struct egress_target *dial_target(const struct egress_conn *c)
{
	return c->upstream ? &c->egress->rules.upstream : &c->head.target;
}

static void attempt(struct egress_conn *c);

static void server_closed(uv_handle_t *handle)
{
	struct egress_conn *c = handle->data;
	if (!c->closing && c->state == EGRESS_CONNECTING)
		attempt(c);
	egress_conn_release(c);
}

void egress_dial_drop(struct egress_conn *c)
{
	if (!c->server_open)
		return;
	c->server_open = false;
	uv_close((uv_handle_t *)&c->server, server_closed);
}

static void connected(uv_connect_t *request, int status)
{
	struct egress_conn *c = request->data;
	if (c->closing || status == UV_ECANCELED)
		return; /* the server's end is being closed */
	if (status == 0) {
		(void)uv_tcp_nodelay(&c->server, 1);
		egress_conn_connected(c);
		return;
	}
	c->connect_error = status;
	egress_dial_drop(c);
}

/* Tries the next address; each has its part of the time that is left. */
static void attempt(struct egress_conn *c)
{
	size_t left = c->addresses_count - c->addresses_tried;
	uint64_t now = uv_now(c->egress->loop);
	if (left == 0 || now >= c->connect_end) {
		const struct egress_target *target = dial_target(c);
		egress_conn_refuse(c, 502, "%s%s:%u cannot be reached: %s",
			c->upstream ? "the proxy " : "", target->host, target->port,
			uv_strerror(c->connect_error));
		return;
	}
	uint64_t ms = (c->connect_end - now) / left;
	uv_timer_set_repeat(&c->timer, ms < 1 ? 1 : ms);
	(void)uv_timer_again(&c->timer);
	(void)uv_tcp_init(c->egress->loop, &c->server);
	c->server_open = true;
	c->holds++;
	const struct sockaddr_storage *address = &c->addresses[c->addresses_tried++];
	int status = uv_tcp_connect(
		&c->connect, &c->server, (const struct sockaddr *)address, connected);
	if (status < 0) {
		c->connect_error = status;
		egress_dial_drop(c);
	}
}

static void attempts_begin(struct egress_conn *c)
{
	c->state = EGRESS_CONNECTING;
	c->connect_end = uv_now(c->egress->loop) + c->egress->connect_ms;
	attempt(c);
}

/* Keeps an address if it may be connected to. */
static void address_add(struct egress_conn *c, const struct sockaddr *address, bool any)
{
	if (c->addresses_count == EGRESS_ADDRESSES_MAX ||
		!(any || egress_address_is_public(address)))
		return;
	struct sockaddr_storage *kept = &c->addresses[c->addresses_count];
	uint16_t port = htons(dial_target(c)->port);
	if (address->sa_family == AF_INET) {
		memcpy(kept, address, sizeof(struct sockaddr_in));
		((struct sockaddr_in *)kept)->sin_port = port;
	} else if (address->sa_family == AF_INET6) {
		memcpy(kept, address, sizeof(struct sockaddr_in6));
		((struct sockaddr_in6 *)kept)->sin6_port = port;
	} else {
		return;
	}
	c->addresses_count++;
}

/* Whether the target's address may be any: the operator named it. */
static bool any_address(const struct egress_conn *c)
{
	return c->upstream || egress_rules_trust(&c->egress->rules, &c->head.target);
}

static void addresses_take(struct egress_conn *c, const struct addrinfo *list)
{
	char text[INET6_ADDRSTRLEN] = "none";
	bool any = any_address(c);
	for (const struct addrinfo *one = list; one != NULL; one = one->ai_next)
		address_add(c, one->ai_addr, any);
	if (c->addresses_count > 0) {
		attempts_begin(c);
		return;
	}
	if (list != NULL)
		(void)uv_ip_name(list->ai_addr, text, sizeof(text));
	egress_conn_refuse(
		c, 403, "%s is refused: its address %s is not public", c->head.target.host, text);
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct egress_conn *c = request->data;
	c->resolving = false;
	if (!c->closing && c->state == EGRESS_RESOLVING) {
		if (status < 0)
			egress_conn_refuse(c, 502, "%s does not resolve: %s", dial_target(c)->host,
				uv_strerror(status));
		else
			addresses_take(c, list);
	}
	uv_freeaddrinfo(list);
	egress_conn_release(c);
}

void egress_dial(struct egress_conn *c)
{
	const struct egress_target *target = dial_target(c);
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	if (target->literal) {
		address_add(c, (const struct sockaddr *)&target->address, any_address(c));
		attempts_begin(c);
		return;
	}
	c->state = EGRESS_RESOLVING;
	uv_timer_set_repeat(&c->timer, c->egress->connect_ms);
	(void)uv_timer_again(&c->timer);
	int status =
		uv_getaddrinfo(c->egress->loop, &c->resolve, resolved, target->host, NULL, &hints);
	if (status < 0) {
		egress_conn_refuse(
			c, 502, "%s does not resolve: %s", target->host, uv_strerror(status));
		return;
	}
	c->resolving = true;
	c->holds++;
}

void egress_dial_timeout(struct egress_conn *c)
{
	if (c->state == EGRESS_RESOLVING) {
		egress_conn_refuse(c, 502, "%s does not resolve in time", dial_target(c)->host);
		return;
	}
	c->connect_error = UV_ETIMEDOUT;
	egress_dial_drop(c);
}
