#pragma once

/*
 * egress: the only way out of a fetch jail. A listening socket made inside the jail's empty network
 * namespace is handed to the server, which serves a forward proxy on it: CONNECT for https (RFC
 * 9110 9.3.6), absolute-form requests for plain http. A name is resolved once, every address it has
 * is checked, and the connection goes to one of those addresses: no rebinding, no private targets.
 * Hosts the operator configured as module sources (GOPROXY, GOSUMDB) may be private. Where the
 * operator's own proxy is configured, everything is passed to it by CONNECT and resolving is its
 * task. Bytes are counted and capped; all in one deadline.
 *
 * Hosts that are not trusted are reached at ports 443, 80, 8080 and 8443 only; an address written
 * out must be public there too. A refusal is 403, a target that does not answer 502, a request that
 * makes no sense 400.
 */

#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

struct egress_policy {
	/* NULL-terminated; "host" or "host:port": any address is allowed, and any port or that one
	 */
	const char *const *trusted_hosts;
	/* NULL-terminated, "host:port"; NULL: none. That port too, at public addresses */
	const char *const *reachable;
	/* "http://host:port" or NULL; Basic credentials in it are sent on */
	const char *upstream_proxy;
	/* who bypasses it, divided by commas: hosts with what is below them, .suffixes for only
	 * what is below, or "*"; NULL: nobody */
	const char *no_proxy;
	/* absolute-form http:// requests are served at all: GET and HEAD */
	bool plain_http;
	/* both directions together, for the whole egress; not 0. Once more was carried, which
	 * egress_bytes tells, connections end and others are answered 413 */
	uint64_t bytes_max;
	/* at once, others wait; not 0 */
	unsigned connections_max;
};

struct egress;

/* Starts serving on listen_fd (owned from here on). The policy is copied. NULL: f set. */
struct egress *egress_create(
	uv_loop_t *loop, int listen_fd, const struct egress_policy *policy, struct fault *f);
/* Why a target was refused or unreachable last, "" where none was: for the caller's error message.
 */
const char *egress_last_error(const struct egress *e);
/* True where a target was refused or did not answer: the fetch's failure is then the source's. */
bool egress_unreachable(const struct egress *e);
uint64_t egress_bytes(const struct egress *e);
/* Closes all; frees itself once the loop has run the close callbacks. NULL is fine. */
void egress_destroy(struct egress *e);

/* Whether a public function's source may be fetched from this address: false for loopback, private
 * (RFC 1918), link-local, CGNAT (RFC 6598), ULA, multicast, unspecified, benchmarking, broadcast,
 * and IPv4 mapped or translated (64:ff9b::/96, 2002::/16, ::/96) forms of those. */
bool egress_address_is_public(const struct sockaddr *address);
