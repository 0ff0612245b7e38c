/* The door: what is given comes in order, out of the way of where it is placed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "jail/door.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { HIGH = 40 };

static struct jail_door door;

static int begin(void **unused)
{
	(void)unused;
	return door_make(&door);
}

static int end(void **unused)
{
	(void)unused;
	door_close(&door);
	return 0;
}

static void its_ends_lie_apart(void **unused)
{
	(void)unused;
	assert_true(door.outside >= JAIL_FDS_LOW);
	assert_true(door.inside < JAIL_FDS_LOW);
	assert_true((fcntl(door.outside, F_GETFD) & FD_CLOEXEC) != 0);
	assert_true((fcntl(door.inside, F_GETFD) & FD_CLOEXEC) != 0);
}

/* A process of which the low numbers are free, so that they are what comes: its exit status says
 * what is wrong. */
static int take_low(const ino_t want[3])
{
	int fds[JAIL_FDS];
	struct stat st;
	const int inside = fcntl(door.inside, F_DUPFD, HIGH);
	for (int fd = 0; fd < JAIL_FDS; fd++)
		(void)close(fd);
	if (door_take(inside, fds) != 3)
		return 1;
	for (int i = 0; i < 3; i++) {
		if (fcntl(i, F_GETFD) < 0)
			return 2; /* it did not come low */
		if (fds[i] < JAIL_FDS)
			return 3;
		if (fstat(fds[i], &st) < 0 || st.st_ino != want[i])
			return 4;
	}
	return 0;
}

static void low_descriptors_are_moved_out_of_the_way(void **unused)
{
	int fds[JAIL_FDS] = {-1, -1, -1, -1, -1, -1};
	static const int given[3] = {JAIL_STDOUT, JAIL_CONTROL, JAIL_PROGRAM};
	ino_t want[3];
	int status = -1;
	(void)unused;
	for (int i = 0; i < 3; i++) {
		struct stat st;
		fds[given[i]] = memfd_create("given", MFD_CLOEXEC);
		assert_int_equal(fstat(fds[given[i]], &st), 0);
		want[i] = st.st_ino;
	}
	assert_int_equal(door_give(&door, fds), 0);
	const pid_t pid = fork();
	if (pid == 0)
		_exit(take_low(want));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (int i = 0; i < 3; i++)
		(void)close(fds[given[i]]);
}

static void a_door_that_closes_gives_nothing(void **unused)
{
	int fds[JAIL_FDS];
	(void)unused;
	(void)close(door.outside);
	door.outside = -1;
	assert_int_equal(door_take(door.inside, fds), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void who_gives_learns_that_nobody_takes(void **unused)
{
	const int fds[JAIL_FDS] = {door.outside, -1, -1, -1, -1, -1};
	(void)unused;
	(void)close(door.inside);
	door.inside = -1;
	assert_int_equal(door_give(&door, fds), -1);
	assert_int_equal(errno, EPIPE);
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {T(its_ends_lie_apart),
		T(low_descriptors_are_moved_out_of_the_way), T(a_door_that_closes_gives_nothing),
		T(who_gives_learns_that_nobody_takes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
