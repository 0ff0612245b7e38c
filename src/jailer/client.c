#include "jailer/client.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JAILERS_MAX = 64, HANDLES_MAX = 1 << 16 };

/* Addresses that jails were started with. */
struct started {
	uint32_t address;
	struct started *next;
};

struct connection {
	uv_poll_t poll;
	struct jailer_client *client;
	int socket; /* -1: this place is empty */
	unsigned starting;
	struct started *started; /* with addresses, not yet released */
};

/* A handle's place; its id is generation and place together, so that no id comes twice. */
struct place {
	struct jailer_handle *handle;
	uint32_t generation;
	uint16_t connection;
	uint16_t kind; /* enum jail_kind, as metrics know it */
	uint32_t next_free;
	uint64_t started_ns, killed_ns; /* 0: not told to end */
};

struct jailer_client {
	uv_loop_t *loop;
	struct connection *connections[JAILERS_MAX];
	unsigned attached, whole, turn; /* connections now, and when none is missing; whose turn */
	uint64_t last_number;
	bool numbered; /* by the kernel */
	struct place *places;
	uint32_t places_count, free_first, used;
	struct started *lost; /* by jailers that died, until their slots were cleared */
	void (*released)(void *ctx, uint32_t address);
	void *released_ctx;
};

static struct place *place_of(struct jailer_client *c, uint64_t id)
{
	uint32_t at = (uint32_t)id;
	if (id == 0 || at >= c->places_count)
		return NULL;
	struct place *p = &c->places[at];
	return p->handle != NULL && p->generation == (uint32_t)(id >> 32) ? p : NULL;
}

/* NULL: the handle's jail, or its jailer, is gone. */
static struct connection *connection_of(struct jailer_client *c, uint64_t id)
{
	const struct place *p = place_of(c, id);
	return p != NULL ? c->connections[p->connection] : NULL;
}

static uint64_t place_take(
	struct jailer_client *c, struct jailer_handle *h, unsigned connection, enum jail_kind kind)
{
	if (c->free_first == UINT32_MAX) {
		uint32_t count = c->places_count == 0 ? 64 : c->places_count * 2;
		if (count > HANDLES_MAX)
			return 0;
		struct place *more = realloc(c->places, count * sizeof(*more));
		if (more == NULL)
			abort();
		c->places = more;
		for (uint32_t i = c->places_count; i < count; i++)
			c->places[i] =
				(struct place){.next_free = i + 1 < count ? i + 1 : UINT32_MAX};
		c->free_first = c->places_count;
		c->places_count = count;
	}
	uint32_t at = c->free_first;
	struct place *p = &c->places[at];
	c->free_first = p->next_free;
	p->handle = h;
	p->connection = (uint16_t)connection;
	p->generation++;
	p->kind = jail_runs_call(kind) ? JAIL_EXEC : (uint16_t)kind;
	p->started_ns = clock_mono_ns();
	p->killed_ns = 0;
	c->used++;
	return (uint64_t)p->generation << 32 | at;
}

static void settle(struct jailer_client *c, struct jailer_handle *h)
{
	struct connection *k = connection_of(c, h->id);
	if (k != NULL && h->starting)
		k->starting--;
	h->starting = false;
}

static void place_give(struct jailer_client *c, struct place *p)
{
	if (p == NULL)
		return;
	settle(c, p->handle);
	p->handle->id = 0;
	p->handle = NULL;
	p->next_free = c->free_first;
	c->free_first = (uint32_t)(p - c->places);
	c->used--;
}

_Static_assert((int)JAIL_EXEC == 0 && (int)JAIL_FETCH == (int)METRIC_KIND_FETCH,
	"metrics' kinds are those of jails");

static void created_count(const struct place *p)
{
	metrics_count(METRIC_JAIL_CREATED, p->kind, 0);
	metrics_time_of(METRIC_JAIL_CREATED_TIME, p->kind, 0, clock_mono_ns() - p->started_ns);
}

static void end_count(const struct place *p, const struct jailer_event *event)
{
	metrics_count(event->type == JAILER_EXITED ? METRIC_JAIL_REMOVED : METRIC_JAIL_FAILED,
		p->kind, 0);
	if (event->type == JAILER_EXITED)
		metrics_time_of(METRIC_JAIL_REMOVED_TIME, p->kind, 0, event->lived_ns);
	if (p->killed_ns == 0)
		return;
	metrics_count(METRIC_JAIL_KILLED, p->kind, 0);
	metrics_time_of(METRIC_JAIL_KILLED_TIME, p->kind, 0, clock_mono_ns() - p->killed_ns);
}

/* ---- addresses ---- */

static void started_add(struct started **list, uint32_t address)
{
	struct started *one = mem_alloc(sizeof(*one));
	*one = (struct started){.address = address, .next = *list};
	*list = one;
}

static bool started_drop(struct started **list, uint32_t address)
{
	while (*list != NULL && (*list)->address != address)
		list = &(*list)->next;
	struct started *one = *list;
	if (one == NULL)
		return false;
	*list = one->next;
	free(one);
	return true;
}

static void started_free(struct started *list)
{
	while (list != NULL) {
		struct started *next = list->next;
		free(list);
		list = next;
	}
}

static void address_released(struct jailer_client *c, uint32_t address)
{
	if (c->released != NULL)
		c->released(c->released_ctx, address);
}

/* The supervisor clears a dead jailer's slots before it sends the socket of another, which may come
 * before we see that the old one is gone: once none is missing, nothing is left of what they ran.
 */
static void lost_release(struct jailer_client *c)
{
	if (c->attached < c->whole)
		return;
	while (c->lost != NULL) {
		const uint32_t address = c->lost->address;
		(void)started_drop(&c->lost, address);
		address_released(c, address);
	}
}

void jailer_client_on_released(
	struct jailer_client *c, void (*released)(void *ctx, uint32_t address), void *ctx)
{
	c->released = released;
	c->released_ctx = ctx;
	c->whole = c->attached;
}

/* ---- events ---- */

static void event_deliver(struct jailer_client *c, const struct jailer_event *event, int fd)
{
	struct place *p = place_of(c, event->id);
	struct jailer_handle *h = p != NULL ? p->handle : NULL;
	if (h == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	if (event->type == JAILER_NUMBERED) {
		h->jid = event->jid;
		return;
	}
	if (event->type != JAILER_STARTED) {
		end_count(p, event);
		place_give(c, p);
	} else if (!jail_runs_call(h->kind)) {
		created_count(p);
	}
	h->event(h, event, fd);
}

static void connection_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* A jailer died: what it ran is gone. Its successor comes by jailer_client_attach. */
static void connection_lost(struct connection *lost)
{
	struct jailer_client *c = lost->client;
	for (unsigned i = 0; i < JAILERS_MAX; i++) {
		if (c->connections[i] != lost)
			continue;
		c->connections[i] = NULL;
		c->attached--;
		for (uint32_t at = 0; at < c->places_count; at++) {
			struct place *p = &c->places[at];
			if (p->handle == NULL || p->connection != i)
				continue;
			struct jailer_event event = {.type = JAILER_FAILED, .id = p->handle->id};
			(void)snprintf(event.text, sizeof(event.text),
				"the jailer ended while the jail ran; try again");
			event_deliver(c, &event, -1);
		}
	}
	struct started **end = &c->lost;
	while (*end != NULL)
		end = &(*end)->next;
	*end = lost->started;
	lost->started = NULL;
	(void)uv_poll_stop(&lost->poll);
	(void)close(lost->socket);
	lost->socket = -1;
	uv_close((uv_handle_t *)&lost->poll, connection_closed);
	lost_release(c);
}

static void connection_readable(uv_poll_t *poll, int status, int events)
{
	struct connection *k = poll->data;
	(void)status;
	(void)events;
	for (;;) {
		struct jailer_event event = {0};
		int fd = -1;
		unsigned count = 1;
		ssize_t n = fdpass_receive(k->socket, &event, sizeof(event), &fd, &count);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EMFILE) /* a fetch begins without its way out */
			n = (ssize_t)sizeof(event);
		if (n != (ssize_t)sizeof(event)) {
			log_error("a jailer is gone");
			connection_lost(k);
			return;
		}
		event.text[sizeof(event.text) - 1] = '\0';
		if (event.type == JAILER_RELEASED && started_drop(&k->started, event.address))
			address_released(k->client, event.address);
		else
			event_deliver(k->client, &event, fd);
		if (k->socket < 0)
			return;
	}
}

struct jailer_client *jailer_client_create(uv_loop_t *loop, bool numbered)
{
	struct jailer_client *c = mem_zero(1, sizeof(*c));
	c->numbered = numbered;
	c->loop = loop;
	c->free_first = UINT32_MAX;
	return c;
}

int jailer_client_attach(struct jailer_client *c, int socket, struct fault *f)
{
	for (unsigned i = 0; i < JAILERS_MAX; i++) {
		if (c->connections[i] != NULL)
			continue;
		struct connection *k = mem_zero(1, sizeof(*k));
		k->client = c;
		k->socket = socket;
		k->poll.data = k;
		(void)fcntl(socket, F_SETFL, O_NONBLOCK);
		int error = uv_poll_init(c->loop, &k->poll, socket);
		if (error == 0)
			error = uv_poll_start(&k->poll, UV_READABLE, connection_readable);
		if (error != 0) {
			free(k);
			(void)close(socket);
			return fault_set(f, FAULT_PLATFORM, -error, "attach a jailer");
		}
		c->connections[i] = k;
		c->attached++;
		lost_release(c);
		return 0;
	}
	(void)close(socket);
	return fault_set(f, FAULT_PLATFORM, 0, "more than %d jailers", JAILERS_MAX);
}

unsigned jailer_client_jailers(const struct jailer_client *c)
{
	return c->attached;
}

/* The one with the fewest starts under way; of several, in turn. JAILERS_MAX: none. */
static unsigned connection_choose(struct jailer_client *c)
{
	unsigned best = JAILERS_MAX;
	for (unsigned tries = 0; tries < JAILERS_MAX; tries++) {
		const unsigned i = (c->turn + tries) % JAILERS_MAX;
		const struct connection *k = c->connections[i];
		if (k != NULL &&
			(best == JAILERS_MAX || k->starting < c->connections[best]->starting))
			best = i;
	}
	c->turn = best + 1;
	return best;
}

/* Fills in the id of the request. */
static int start_send(struct jailer_client *c, struct jailer_handle *h,
	struct jailer_request request, const int fds[JAILER_START_FDS], struct fault *f)
{
	const unsigned i = connection_choose(c);
	if (i == JAILERS_MAX)
		return fault_code(f, FAULT_BUSY, "no_jailer",
			"no jailer runs at the moment; try again in a second");
	struct connection *k = c->connections[i];
	const enum jail_kind kind = (enum jail_kind)request.kind;
	request.id = place_take(c, h, i, kind);
	if (request.id == 0)
		return fault_code(f, FAULT_BUSY, "too_many_jails",
			"%d jails are alive; try again later", HANDLES_MAX);
	h->id = request.id;
	/* Others may use every cpu, or wait for a link. */
	h->starting = kind == JAIL_EXEC;
	k->starting += h->starting;
	if (fdpass_send(k->socket, &request, sizeof(request), fds, JAILER_START_FDS) == 0) {
		h->number = ++c->last_number;
		h->jid = c->numbered ? 0 : h->number;
		h->started_ns = clock_unix_ns();
		h->kind = kind;
		if (request.address != 0)
			started_add(&k->started, request.address);
		return 0;
	}
	int error = errno;
	place_give(c, place_of(c, request.id));
	return fault_code(f, FAULT_BUSY, "jailer_busy",
		"the jailer takes no more requests now (%s); try again", strerror(error));
}

int jailer_client_start(struct jailer_client *c, struct jailer_handle *h, enum jail_kind kind,
	uint64_t source, const int fds[JAILER_START_FDS], struct fault *f)
{
	const struct jailer_request request = {
		.type = JAILER_START, .kind = kind, .source = source};
	return start_send(c, h, request, fds, f);
}

int jailer_client_start_net(struct jailer_client *c, struct jailer_handle *h, uint32_t address,
	bool probe, const int fds[JAILER_START_FDS], struct fault *f)
{
	const struct jailer_request request = {
		.type = JAILER_START, .kind = JAIL_EXEC_NET, .address = address, .probe = probe};
	return start_send(c, h, request, fds, f);
}

/* Tells the jail's jailer, which must hear it. */
static void tell(
	struct jailer_client *c, const struct jailer_handle *h, enum jailer_request_type type)
{
	const struct connection *k = connection_of(c, h->id);
	struct jailer_request request = {.type = type, .id = h->id};
	if (k == NULL || fdpass_send(k->socket, &request, sizeof(request), NULL, 0) == 0)
		return;
	/* Full of starts: the jailer never blocks, so there will be room in no time. A jail must
	 * not live on for want of it. */
	struct pollfd room = {.fd = k->socket, .events = POLLOUT};
	if (errno != EAGAIN || poll(&room, 1, 1000) != 1 ||
		fdpass_send(k->socket, &request, sizeof(request), NULL, 0) < 0)
		log_warn("a jail's jailer could not be told: %s", strerror(errno));
}

void jailer_client_kill(struct jailer_client *c, const struct jailer_handle *h)
{
	struct place *p = place_of(c, h->id);
	if (p != NULL && p->killed_ns == 0)
		p->killed_ns = clock_mono_ns();
	tell(c, h, JAILER_KILL);
}

bool jailer_client_serves(struct jailer_client *c, const struct jailer_handle *h)
{
	return connection_of(c, h->id) != NULL;
}

void jailer_client_rest(struct jailer_client *c, const struct jailer_handle *h, bool rests)
{
	tell(c, h, rests ? JAILER_REST : JAILER_WAKE);
}

void jailer_client_ready(struct jailer_client *c, struct jailer_handle *h)
{
	const struct place *p = place_of(c, h->id);
	if (p == NULL)
		return;
	settle(c, h);
	created_count(p);
}

unsigned jailer_client_count(const struct jailer_client *c)
{
	return c->used;
}

size_t jailer_client_list(const struct jailer_client *c, struct jailer_handle **handles, size_t max)
{
	size_t count = 0;
	for (uint32_t i = 0; i < c->places_count && count < max; i++) {
		if (c->places[i].handle != NULL)
			handles[count++] = c->places[i].handle;
	}
	return count;
}

struct jailer_handle *jailer_client_find(const struct jailer_client *c, uint64_t jid)
{
	for (uint32_t i = 0; jid != 0 && i < c->places_count; i++) {
		if (c->places[i].handle != NULL && c->places[i].handle->jid == jid)
			return c->places[i].handle;
	}
	return NULL;
}

void jailer_handle_name(const struct jailer_handle *h, char name[JAILER_NAME_MAX])
{
	(void)snprintf(name, JAILER_NAME_MAX, "%s-%llu", jail_kind_word(h->kind),
		(unsigned long long)h->number);
}

void jailer_client_destroy(struct jailer_client *c)
{
	for (unsigned i = 0; i < JAILERS_MAX; i++) {
		struct connection *k = c->connections[i];
		if (k == NULL)
			continue;
		(void)uv_poll_stop(&k->poll);
		(void)close(k->socket);
		started_free(k->started);
		uv_close((uv_handle_t *)&k->poll, connection_closed);
	}
	started_free(c->lost);
	free(c->places);
	free(c);
}
