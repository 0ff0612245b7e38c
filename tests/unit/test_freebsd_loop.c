/* The jailer's loop on FreeBSD, on a model of kqueue(2) (freebsd/kqueue): children that have ended,
 * or cannot be watched; reading, and room to write. */

#include "jailer/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS = 8 };

static struct loop loop;
static struct loop_event came[EVENTS];
static int ends[2];

static int begin(void **unused)
{
	(void)unused;
	kqueue_fail(0, 0);
	assert_int_equal(loop_open(&loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	return 0;
}

static int end(void **unused)
{
	int status;
	(void)unused;
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_int_equal(loop_reap(&status), 0);
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* nobody is left */
	return 0;
}

/* Ends at once with that status, or stays. */
static pid_t child(int status)
{
	const pid_t pid = fork();
	while (pid == 0) {
		if (status >= 0)
			_exit(status);
		(void)pause();
	}
	return pid;
}

static void wait_ended(pid_t pid)
{
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void told_of_children(void)
{
	assert_int_equal(loop_wait(&loop, came, EVENTS), 1);
	assert_int_equal(came[0].what, LOOP_CHILDREN);
	assert_int_equal(came[0].fd, -1);
}

static void reaped(pid_t pid, int wanted)
{
	int status = -1;
	assert_int_equal(loop_reap(&status), pid);
	assert_int_equal(status, wanted);
}

/* ---- children ---- */

static void a_child_that_ends_is_told(void **unused)
{
	(void)unused;
	const pid_t pid = child(-1);
	loop_child(&loop, pid);
	assert_int_equal(kqueue_filters(), 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	told_of_children();
	reaped(pid, SIGTERM);
	assert_int_equal(kqueue_filters(), 0);
}

static void a_child_that_had_ended_is_told(void **unused)
{
	(void)unused;
	const pid_t pid = child(7);
	wait_ended(pid);
	loop_child(&loop, pid);
	told_of_children();
	reaped(pid, 7 << 8);
}

/* Whose end nobody would hear of must not live on, and is told of. */
static void a_child_that_cannot_be_watched_is_killed_and_told(void **unused)
{
	(void)unused;
	const pid_t pid = child(-1);
	kqueue_fail(1, ENOMEM);
	loop_child(&loop, pid);
	assert_int_equal(kqueue_filters(), 0);
	told_of_children();
	reaped(pid, SIGKILL);
	assert_int_equal(loop_watch(&loop, ends[0]), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(loop_wait(&loop, came, EVENTS), 1); /* which is told once */
	assert_int_equal(came[0].what, LOOP_READ);
}

static void one_that_is_gone_keeps_nobody_waiting(void **unused)
{
	int status;
	(void)unused;
	const pid_t gone = child(0);
	assert_int_equal(waitpid(gone, &status, 0), gone);
	const pid_t other = child(3);
	loop_child(&loop, other);
	wait_ended(other);
	loop_child(&loop, gone); /* ESRCH */
	told_of_children();
	reaped(other, 3 << 8);
}

/* One word for all of them, behind what descriptors have. */
static void many_at_once_are_one_event(void **unused)
{
	pid_t pids[3];
	int status;
	unsigned found = 0;
	(void)unused;
	assert_int_equal(loop_watch(&loop, ends[0]), 0);
	for (int i = 0; i < 3; i++) {
		pids[i] = child(i);
		loop_child(&loop, pids[i]);
		wait_ended(pids[i]);
	}
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(loop_wait(&loop, came, EVENTS), 2);
	assert_int_equal(came[0].fd, ends[0]);
	assert_int_equal(came[0].what, LOOP_READ);
	assert_int_equal(came[1].what, LOOP_CHILDREN);
	for (pid_t pid; (pid = loop_reap(&status)) > 0; found++) {
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 3);
		assert_int_equal(pid, pids[WEXITSTATUS(status)]);
	}
	assert_int_equal(found, 3);
}

/* What there is no room for comes the next time. */
static void no_more_than_there_is_room_for(void **unused)
{
	pid_t pids[2];
	(void)unused;
	for (int i = 0; i < 2; i++) {
		pids[i] = child(0);
		wait_ended(pids[i]);
		loop_child(&loop, pids[i]);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_wait(&loop, came, 1), 1);
		assert_int_equal(came[0].what, LOOP_CHILDREN);
		reaped(pids[i], 0);
	}
}

/* ---- descriptors ---- */

static void reading_is_told_until_it_was_read(void **unused)
{
	char byte;
	(void)unused;
	assert_int_equal(loop_watch(&loop, ends[0]), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_wait(&loop, came, EVENTS), 1);
		assert_int_equal(came[0].fd, ends[0]);
		assert_int_equal(came[0].what, LOOP_READ);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(shutdown(ends[1], SHUT_WR), 0); /* the other side's end */
	assert_int_equal(loop_wait(&loop, came, EVENTS), 1);
	assert_int_equal(came[0].what, LOOP_READ);
	assert_int_equal(loop_watch(&loop, 999), -1);
	assert_int_equal(errno, EBADF);
}

static void room_is_told_while_it_is_asked_for(void **unused)
{
	(void)unused;
	assert_int_equal(loop_watch(&loop, ends[0]), 0);
	loop_watch_room(&loop, ends[0], true);
	loop_watch_room(&loop, ends[0], true);
	assert_int_equal(kqueue_filters(), 2);
	assert_int_equal(loop_wait(&loop, came, EVENTS), 1);
	assert_int_equal(came[0].fd, ends[0]);
	assert_int_equal(came[0].what, LOOP_WRITE);
	loop_watch_room(&loop, ends[0], false);
	loop_watch_room(&loop, ends[0], false);
	assert_int_equal(kqueue_filters(), 1); /* reading goes on */
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(loop_wait(&loop, came, EVENTS), 1);
	assert_int_equal(came[0].what, LOOP_READ);
}

/* ---- failures ---- */

static void what_fails_is_told(void **unused)
{
	(void)unused;
	kqueue_fail(1, EINTR);
	assert_int_equal(loop_wait(&loop, came, EVENTS), -1);
	assert_int_equal(errno, EINTR);
	for (unsigned at = 1; at <= 2; at++) {
		struct loop other;
		kqueue_fail(at, EMFILE);
		assert_int_equal(loop_open(&other), -1);
		assert_int_equal(errno, EMFILE);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {T(a_child_that_ends_is_told),
		T(a_child_that_had_ended_is_told),
		T(a_child_that_cannot_be_watched_is_killed_and_told),
		T(one_that_is_gone_keeps_nobody_waiting), T(many_at_once_are_one_event),
		T(no_more_than_there_is_room_for), T(reading_is_told_until_it_was_read),
		T(room_is_told_while_it_is_asked_for), T(what_fails_is_told)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
