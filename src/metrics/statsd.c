/*
 * Facts to StatsD, in datagrams. Times are kept as they come and worded when they are sent; of
 * counters only what was added since is worded then. So nothing is written on a request's way.
 * Of more times than are kept each has the same chance to be (Vitter's algorithm R), and their
 * lines say how many they stand for.
 */

#include "metrics/internal.h"

#include "base/log.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOON_MS = 100, BEAT_MS = 10000, KEPT = 32, LINE = 128 };

/* Of one series, since they were sent last. */
struct times {
	unsigned seen;
	uint64_t ns[KEPT];
};

static struct {
	uv_loop_t *loop;
	char host[256], port[8];
	int fd; /* unconnected: a refusal would be told in place of sending the next one */
	struct sockaddr_storage to;
	socklen_t to_len;
	uv_getaddrinfo_t resolving;
	bool is_resolving, warned, armed, gauges_due;
	uv_timer_t soon, beat;
	struct times *times; /* by their series' place */
	uint64_t *sent;      /* what was told last: counters and gauges by their place */
	char datagram[STATSD_BYTES];
	size_t len;
} s = {.fd = -1};

bool statsd_on;

/* ---- wording ---- */

static void datagram_send(void)
{
	if (s.len > 0 && sendto(s.fd, s.datagram, s.len, MSG_DONTWAIT | MSG_NOSIGNAL,
				 (const struct sockaddr *)&s.to, s.to_len) < 0)
		metrics_count(METRIC_STATSD_LOST, 0, 0);
	s.len = 0;
}

static void line_add(const char *line, size_t len)
{
	if (s.len + (s.len > 0) + len > sizeof(s.datagram))
		datagram_send();
	if (s.len > 0)
		s.datagram[s.len++] = '\n';
	memcpy(s.datagram + s.len, line, len);
	s.len += len;
}

/* "jail.created", or "request.function.2xx". */
static int name_put(char line[LINE], const struct metric_fact *fact, unsigned series)
{
	const size_t len = strlen(fact->statsd);
	if (fact->statsd[len - 1] != '.')
		return snprintf(line, LINE, "%s", fact->statsd);
	const bool two = fact->b->count > 1;
	return snprintf(line, LINE, "%s%s%s%s", fact->statsd,
		fact->a->values[series / fact->b->count], two ? "." : "",
		two ? fact->b->values[series % fact->b->count] : "");
}

static void fact_add(
	const struct metric_fact *fact, unsigned series, uint64_t value, const char *type)
{
	char line[2 * LINE];
	int len = name_put(line, fact, series);
	len += snprintf(line + len, LINE, ":%llu|%s", (unsigned long long)value, type);
	line_add(line, (size_t)len);
}

/* `stands_for`: how many times there were for each that is told. */
static void time_put(char *line, size_t len, uint64_t ns, double stands_for)
{
	const unsigned long long us = ns / 1000;
	int more = snprintf(line + len, LINE, ":%llu.%03llu|ms", us / 1000, us % 1000);
	if (stands_for > 1)
		more += snprintf(line + len + more, LINE - (size_t)more, "|@%.6g", 1 / stands_for);
	line_add(line, len + (size_t)more);
}

static void times_add(const struct metric_fact *fact, unsigned series)
{
	struct times *times = &s.times[fact->first + series];
	const unsigned kept = times->seen < KEPT ? times->seen : KEPT;
	char line[2 * LINE];
	const int len = kept > 0 ? name_put(line, fact, series) : 0;
	for (unsigned i = 0; i < kept; i++)
		time_put(line, (size_t)len, times->ns[i], (double)times->seen / kept);
	times->seen = 0;
}

static void timers_add(void)
{
	for (unsigned m = 0; m < METRICS; m++) {
		const struct metric_fact *fact = &metric_facts[m];
		const unsigned count = fact->kind == METRIC_TIMER ? metric_series(fact) : 0;
		for (unsigned i = 0; i < count; i++)
			times_add(fact, i);
	}
}

static void values_add(void)
{
	uint64_t *sent = s.sent;
	for (unsigned m = 0; m < METRICS; m++) {
		const struct metric_fact *fact = &metric_facts[m];
		const unsigned count = fact->kind == METRIC_TIMER ? 0 : metric_series(fact);
		for (unsigned i = 0; i < count; i++, sent++) {
			const uint64_t value = metric_value(fact, i);
			const bool gauge = fact->kind == METRIC_GAUGE;
			if (fact->statsd[0] != '\0' && (value != *sent || (gauge && s.gauges_due)))
				fact_add(fact, i, gauge ? value : value - *sent, gauge ? "g" : "c");
			*sent = value;
		}
	}
	s.gauges_due = false;
}

void statsd_flush(void)
{
	if (!statsd_on)
		return;
	metrics_sample(false);
	timers_add();
	values_add();
	datagram_send();
}

/* ---- when ---- */

static void on_soon(uv_timer_t *timer)
{
	(void)timer;
	s.armed = false;
	statsd_flush();
}

void statsd_touch(void)
{
	if (s.armed)
		return;
	s.armed = true;
	(void)uv_timer_start(&s.soon, on_soon, SOON_MS, 0);
}

void statsd_sample(unsigned place, uint64_t ns)
{
	struct times *times = &s.times[place];
	unsigned at = times->seen++;
	if (at >= KEPT)
		at = (unsigned)lrand48() % times->seen;
	if (at < KEPT)
		times->ns[at] = ns;
	statsd_touch();
}

/* ---- where to ---- */

static bool is_loopback(const struct sockaddr *to)
{
	if (to->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)to)->sin6_addr);
	return to->sa_family == AF_INET &&
	       ntohl(((const struct sockaddr_in *)to)->sin_addr.s_addr) >> IN_CLASSA_NSHIFT ==
		       IN_LOOPBACKNET;
}

/* The first datagram would bind a socket to a port of every address: anybody could send to it. */
static void loopback_only(int fd, const struct sockaddr *to, socklen_t len)
{
	struct sockaddr_storage own;
	memcpy(&own, to, len);
	if (to->sa_family == AF_INET6)
		((struct sockaddr_in6 *)&own)->sin6_port = 0;
	else
		((struct sockaddr_in *)&own)->sin_port = 0;
	(void)bind(fd, (const struct sockaddr *)&own, len); /* without it, it is as above */
}

static int address_take(const struct addrinfo *found)
{
	s.fd = socket(found->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s.fd >= 0 && is_loopback(found->ai_addr))
		loopback_only(s.fd, found->ai_addr, found->ai_addrlen);
	memcpy(&s.to, found->ai_addr, found->ai_addrlen);
	s.to_len = found->ai_addrlen;
	return s.fd;
}

static void address_found(const struct addrinfo *found)
{
	if (address_take(found) < 0)
		return;
	statsd_on = s.gauges_due = true;
	statsd_touch();
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
	(void)request;
	s.is_resolving = false;
	if (status == 0)
		address_found(found);
	else if (!s.warned)
		log_warn("StatsD: %s cannot be resolved (%s); facts are kept for /metrics only "
			 "until "
			 "it can",
			s.host, uv_strerror(status));
	s.warned = status != 0;
	uv_freeaddrinfo(found);
}

static void resolve(int flags)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = flags};
	if (!s.is_resolving)
		s.is_resolving = uv_getaddrinfo(s.loop, &s.resolving, on_resolved, s.host, s.port,
					 &hints) == 0;
}

static void on_beat(uv_timer_t *timer)
{
	(void)timer;
	s.gauges_due = true;
	if (statsd_on)
		statsd_touch();
	else
		resolve(0);
}

static void target_set(const char *host, unsigned port)
{
	(void)snprintf(s.host, sizeof(s.host), "%s", host);
	(void)snprintf(s.port, sizeof(s.port), "%u", port);
}

/* As long as the process. */
static void places_make(void)
{
	size_t values = 0, timers = 0;
	for (unsigned m = 0; m < METRICS; m++)
		*(metric_facts[m].kind == METRIC_TIMER ? &timers : &values) +=
			metric_series(&metric_facts[m]);
	s.sent = mem_zero(values, sizeof(*s.sent));
	s.times = mem_zero(timers, sizeof(*s.times));
}

void statsd_open(uv_loop_t *loop, const char *host, unsigned port)
{
	const struct addrinfo numeric = {
		.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	s.loop = loop;
	places_make();
	target_set(host, port);
	(void)uv_timer_init(loop, &s.soon);
	(void)uv_timer_init(loop, &s.beat);
	(void)uv_timer_start(&s.beat, on_beat, BEAT_MS, BEAT_MS);
	uv_unref((uv_handle_t *)&s.soon);
	uv_unref((uv_handle_t *)&s.beat);
	if (getaddrinfo(s.host, s.port, &numeric, &found) != 0) {
		resolve(0);
		return;
	}
	address_found(found);
	freeaddrinfo(found);
}

void statsd_send_steps(const char *host, unsigned port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	target_set(host, port);
	if (metric_steps_count == 0 || getaddrinfo(s.host, s.port, &hints, &found) != 0)
		return;
	if (address_take(found) >= 0) {
		for (unsigned i = 0; i < metric_steps_count; i++) {
			char line[2 * LINE];
			const int len = snprintf(
				line, LINE, "initialize_system.%.60s", metric_steps[i].name);
			time_put(line, (size_t)len, metric_steps[i].ns, 1);
		}
		datagram_send();
		(void)close(s.fd);
		s.fd = -1;
	}
	freeaddrinfo(found);
}
