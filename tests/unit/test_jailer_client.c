/* The server's side of the jailers: numbers of jails, who is listed, what killing one says. */

#include "base/fdpass.h"
#include "jailer/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned events;

static void on_event(struct jailer_handle *h, const struct jailer_event *event, int fd)
{
	assert_int_equal(h->id, 0); /* no longer there */
	assert_int_equal(event->type, JAILER_EXITED);
	assert_int_equal(fd, -1);
	events++;
}

struct world {
	uv_loop_t loop;
	struct jailer_client *client;
	int jailer; /* the jailer's end */
};

static void world_open_as(struct world *w, bool numbered)
{
	int pair[2];
	struct fault f = {0};
	assert_int_equal(uv_loop_init(&w->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	w->client = jailer_client_create(&w->loop, numbered);
	assert_int_equal(jailer_client_attach(w->client, pair[0], &f), 0);
	w->jailer = pair[1];
	events = 0;
}

static void world_open(struct world *w)
{
	world_open_as(w, false);
}

static void world_close(struct world *w)
{
	jailer_client_destroy(w->client);
	(void)uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	(void)close(w->jailer);
}

static void start(struct world *w, struct jailer_handle *h, enum jail_kind kind)
{
	const int fds[JAILER_START_FDS] = {0, 1, 2, 0};
	struct fault f = {0};
	h->event = on_event;
	assert_int_equal(jailer_client_start(w->client, h, kind, 0, fds, &f), 0);
}

static struct jailer_request received(struct world *w)
{
	struct jailer_request request;
	int fds[JAILER_START_FDS];
	unsigned count = JAILER_START_FDS;
	assert_int_equal(
		fdpass_receive(w->jailer, &request, sizeof(request), fds, &count), sizeof(request));
	while (count > 0)
		(void)close(fds[--count]);
	return request;
}

static void exit_send(struct world *w, uint64_t id)
{
	const struct jailer_event event = {.type = JAILER_EXITED, .id = id};
	const unsigned before = events;
	assert_int_equal(fdpass_send(w->jailer, &event, sizeof(event), NULL, 0), 0);
	while (events == before)
		(void)uv_run(&w->loop, UV_RUN_ONCE);
}

static void number_send(struct world *w, uint64_t id, uint64_t jid)
{
	const struct jailer_event event = {.type = JAILER_NUMBERED, .id = id, .jid = jid};
	assert_int_equal(fdpass_send(w->jailer, &event, sizeof(event), NULL, 0), 0);
	while (jailer_client_find(w->client, jid) == NULL)
		(void)uv_run(&w->loop, UV_RUN_ONCE);
}

static void jails_are_numbered_in_the_order_of_their_starts(void **state)
{
	(void)state;
	struct world w;
	struct jailer_handle h[3] = {0};
	char name[JAILER_NAME_MAX];
	world_open(&w);
	start(&w, &h[0], JAIL_EXEC);
	start(&w, &h[1], JAIL_BUILD);
	start(&w, &h[2], JAIL_FETCH);
	static const char *const names[] = {"exec-1", "build-2", "fetch-3"};
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(h[i].jid, i + 1);
		assert_ptr_equal(jailer_client_find(w.client, i + 1), &h[i]);
		jailer_handle_name(&h[i], name);
		assert_string_equal(name, names[i]);
	}
	assert_null(jailer_client_find(w.client, 0));
	assert_null(jailer_client_find(w.client, 4));
	world_close(&w);
}

static void one_that_ended_is_listed_no_more_and_its_number_is_not_used_again(void **state)
{
	(void)state;
	struct world w;
	struct jailer_handle h[3] = {0};
	struct jailer_handle *listed[4];
	world_open(&w);
	start(&w, &h[0], JAIL_EXEC);
	start(&w, &h[1], JAIL_EXEC);
	assert_int_equal(jailer_client_list(w.client, listed, 4), 2);
	assert_int_equal(jailer_client_list(w.client, listed, 1), 1);
	exit_send(&w, received(&w).id);
	assert_null(jailer_client_find(w.client, 1));
	assert_int_equal(jailer_client_list(w.client, listed, 4), 1);
	assert_ptr_equal(listed[0], &h[1]);
	start(&w, &h[2], JAIL_EXEC); /* in the place that became free */
	assert_int_equal(h[2].jid, 3);
	assert_int_equal(jailer_client_list(w.client, listed, 4), 2);
	assert_int_equal(jailer_client_count(w.client), 2);
	world_close(&w);
}

/* Where the kernel numbers jails theirs are its numbers, and none before that is known. */
static void the_kernels_number_is_its_number(void **state)
{
	(void)state;
	struct world w;
	struct jailer_handle h[2] = {0};
	char name[JAILER_NAME_MAX];
	world_open_as(&w, true);
	start(&w, &h[0], JAIL_EXEC);
	start(&w, &h[1], JAIL_EXEC);
	assert_int_equal(h[0].jid, 0);
	assert_null(jailer_client_find(w.client, 0));
	assert_null(jailer_client_find(w.client, 1));
	number_send(&w, received(&w).id, 40);
	number_send(&w, received(&w).id, 1);
	assert_ptr_equal(jailer_client_find(w.client, 40), &h[0]);
	assert_ptr_equal(jailer_client_find(w.client, 1), &h[1]);
	jailer_handle_name(&h[0], name);
	assert_string_equal(name, "exec-1");
	assert_int_equal(jailer_client_count(w.client), 2);
	assert_int_equal(events, 0); /* which is nobody else's business */
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jails_are_numbered_in_the_order_of_their_starts),
		cmocka_unit_test(one_that_ended_is_listed_no_more_and_its_number_is_not_used_again),
		cmocka_unit_test(the_kernels_number_is_its_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
