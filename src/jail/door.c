#include "jail/door.h"

#include "base/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int door_make(struct jail_door *door)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	int high = fcntl(pair[0], F_DUPFD_CLOEXEC, JAIL_FDS_LOW);
	if (high >= 0)
		(void)close(pair[0]);
	*door = (struct jail_door){.outside = high >= 0 ? high : pair[0], .inside = pair[1]};
	return 0;
}

void door_close(const struct jail_door *door)
{
	(void)close(door->outside);
	(void)close(door->inside);
}

int door_give(const struct jail_door *door, const int fds[JAIL_FDS])
{
	int given[JAIL_FDS];
	unsigned count = 0;
	for (int i = 0; i < JAIL_FDS; i++) {
		if (fds[i] >= 0)
			given[count++] = fds[i];
	}
	return fdpass_send(door->outside, "", 1, given, count);
}

int door_take(int inside, int fds[JAIL_FDS])
{
	unsigned count = JAIL_FDS;
	char word;
	const ssize_t n = fdpass_receive(inside, &word, 1, fds, &count);
	if (n < 0)
		return -1;
	if (count == 0) {
		errno = ECONNRESET;
		return -1;
	}
	for (unsigned i = 0; i < count; i++) {
		if (fds[i] < JAIL_FDS)
			fds[i] = fcntl(fds[i], F_DUPFD, JAIL_FDS);
		if (fds[i] < 0)
			return -1;
	}
	return (int)count;
}

char *const *door_argv(enum jail_kind kind)
{
	static char *const exec_argv[] = {"call", NULL};
	static char *const build_argv[] = {"tool", "build", NULL};
	static char *const fetch_argv[] = {"tool", "fetch", NULL};
	static char *const seed_argv[] = {"tool", "seed", NULL};
	static char *const *const argv[JAIL_KINDS] = {[JAIL_EXEC] = exec_argv,
		[JAIL_BUILD] = build_argv,
		[JAIL_FETCH] = fetch_argv,
		[JAIL_GIT] = fetch_argv,
		[JAIL_SEED] = seed_argv,
		[JAIL_EXEC_NET] = exec_argv};
	return argv[kind];
}
