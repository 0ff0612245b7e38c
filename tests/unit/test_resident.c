/* How much memory the other end of a socket holds, as the kernel says it. */

#include "base/fdpass.h"
#include "base/resident.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { GROWS = 32 << 20 };

/* Speaks, grows when it is told to, speaks again, and ends when it is told to. */
static void child_run(int socket)
{
	char word;
	char *more = mmap(NULL, GROWS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (more == MAP_FAILED || write(socket, "a", 1) != 1 || read(socket, &word, 1) != 1)
		_exit(1);
	memset(more, 1, GROWS);
	if (write(socket, more, 1) != 1 || read(socket, &word, 1) != 1)
		_exit(1);
	_exit(0);
}

static void who_speaks_is_known_and_measured(void **state)
{
	(void)state;
	int pair[2];
	char word;
	pid_t pid = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	resident_ask(pair[0]);
	const pid_t child = fork();
	if (child == 0) {
		(void)close(pair[0]); /* so that it ends with us */
		child_run(pair[1]);
	}
	assert_int_equal(resident_read(pair[0], &word, 1, &pid), 1);
	assert_int_equal(pid, child);
	const int memory = resident_open(pid);
	assert_true(memory >= 0);
	const uint64_t before = resident_bytes(memory);
	assert_true(before > 0);
	assert_int_equal(write(pair[0], "g", 1), 1);
	assert_int_equal(read(pair[0], &word, 1), 1);
	assert_true(resident_bytes(memory) > before + GROWS / 8 * 7);
	assert_int_equal(write(pair[0], "e", 1), 1);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(resident_bytes(memory), 0);
	(void)close(memory);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* A program in a jail may send what it has; nothing of it stays with us. */
static void descriptors_are_not_taken(void **state)
{
	(void)state;
	int pair[2];
	int given[2];
	char word;
	pid_t pid = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pipe2(given, O_NONBLOCK | O_CLOEXEC), 0);
	resident_ask(pair[0]);
	const int many[] = {given[1], given[1], given[1], given[1]};
	assert_int_equal(fdpass_send(pair[1], "a", 1, many, 4), 0);
	(void)close(given[1]);
	assert_int_equal(resident_read(pair[0], &word, 1, &pid), 1);
	assert_int_equal(pid, getpid());
	assert_int_equal(read(given[0], &word, 1), 0); /* nobody holds its other end */
	(void)close(given[0]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void nobody_has_no_memory(void **state)
{
	(void)state;
	assert_int_equal(resident_open(0), -1);
	assert_int_equal(resident_bytes(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_speaks_is_known_and_measured),
		cmocka_unit_test(descriptors_are_not_taken),
		cmocka_unit_test(nobody_has_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
