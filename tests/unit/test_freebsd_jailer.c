/* FreeBSD's jailer as it is, on the models of its kernel (freebsd/world.h, freebsd/kqueue): a call
 * from its start to its end, and what the server is told of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "freebsd/state.h"

#include "base/fdpass.h"
#include "jailer/helper.h"
#include "jailer/message.h"
#include "jailer/server.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { ID = 77, WAIT_MS = 30000 };

static struct state state;
static struct journal journal;
static int server; /* our end of the jailer's socket */
static pid_t jailer;

/* The helpers end with the jailer, which alone has the other ends of their sockets. */
static void jailer_begin(void)
{
	struct jailer_setup setup = {.plan = &state.plan,
		.journal = &journal,
		.slots = 1,
		.stock = 1,
		.cpu = -1,
		.tool = -1};
	int pair[2];
	for (int i = 0; i < JAILER_HELPERS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		if (fork() == 0) {
			(void)close(pair[0]);
			helper_run(&state.plan, pair[1]);
		}
		(void)close(pair[1]);
		setup.helpers[i] = pair[0];
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	setup.socket = pair[1];
	jailer = fork();
	if (jailer == 0) {
		(void)close(pair[0]);
		_exit(jailer_run(&setup));
	}
	server = pair[0];
	(void)close(pair[1]);
	for (int i = 0; i < JAILER_HELPERS; i++)
		(void)close(setup.helpers[i]);
}

static int begin(void **unused)
{
	char path[600];
	struct fault f = {0};
	(void)unused;
	state_make(&state);
	(void)snprintf(path, sizeof(path), "%s/run/journal", state.path);
	assert_int_equal(journal_open(&journal, path, state.plan.slots, &f), 0);
	assert_int_equal(jail_backend->prepare(&state.plan, &f), 0);
	jailer_begin();
	return 0;
}

static int end(void **unused)
{
	int status;
	struct fault f = {0};
	(void)unused;
	(void)close(server);
	assert_int_equal(waitpid(jailer, &status, 0), jailer);
	assert_int_equal(status, 0);
	for (int i = 0; i < JAILER_HELPERS; i++)
		assert_true(waitpid(-1, &status, 0) > 0);
	assert_int_equal(jail_backend->prepare(&state.plan, &f), 0); /* takes the stock */
	jail_backend->finish(&state.plan);
	memset(world->clone, 0, sizeof(world->clone));
	assert_string_equal(world_left(), "");
	journal_close(&journal);
	state_remove(&state);
	return 0;
}

static void ask(enum jailer_request_type type)
{
	const struct jailer_request request = {.type = type, .kind = JAIL_EXEC, .id = ID};
	int fds[JAILER_START_FDS] = {-1, -1, -1, -1};
	const unsigned count = type == JAILER_START ? JAILER_START_FDS : 0;
	for (unsigned i = 0; i < count; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(fdpass_send(server, &request, sizeof(request), fds, count), 0);
	for (unsigned i = 0; i < count; i++)
		(void)close(fds[i]);
}

static struct jailer_event told(void)
{
	struct jailer_event event = {0};
	struct pollfd readable = {.fd = server, .events = POLLIN};
	int fd;
	unsigned count = 1;
	assert_int_equal(poll(&readable, 1, WAIT_MS), 1);
	assert_int_equal(fdpass_receive(server, &event, sizeof(event), &fd, &count), sizeof(event));
	assert_int_equal(count, 0);
	if (event.type == JAILER_FAILED)
		fail_msg("%s", event.text);
	return event;
}

/* What it shows to administrators it is told first: which of the kernel's jails it is. */
static void a_call_is_told_by_its_jid_and_its_end(void **unused)
{
	struct jail_description is;
	struct fault f = {0};
	(void)unused;
	world->end = WORLD_STAYS;
	ask(JAILER_START);
	struct jailer_event event = told();
	assert_int_equal(event.type, JAILER_NUMBERED);
	assert_int_equal(event.id, ID);
	const struct jail_asked asked = {.jid = event.jid, .kind = JAIL_EXEC};
	assert_int_equal(jail_backend->describe(&state.plan, &asked, &is, &f), 1);
	assert_string_equal(is.name, "sky-test-s0");
	while (__atomic_load_n(&world->program.ran, __ATOMIC_ACQUIRE) == 0)
		(void)usleep(1000);
	assert_int_equal(world->program.jid, event.jid);
	ask(JAILER_KILL);
	event = told();
	assert_int_equal(event.type, JAILER_EXITED);
	assert_int_equal(event.id, ID);
	assert_true(WIFSIGNALED(event.status));
}

/* A jail serves one call: the next has another number. */
static void the_next_call_has_another(void **unused)
{
	uint64_t last = 0;
	(void)unused;
	world->end = WORLD_EXITS;
	world->end_status = 5;
	for (int i = 0; i < 3; i++) {
		ask(JAILER_START);
		struct jailer_event event = told();
		assert_int_equal(event.type, JAILER_NUMBERED);
		assert_true(event.jid > last);
		last = event.jid;
		event = told();
		assert_int_equal(event.type, JAILER_EXITED);
		assert_int_equal(WEXITSTATUS(event.status), 5);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_call_is_told_by_its_jid_and_its_end), T(the_next_call_has_another)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
