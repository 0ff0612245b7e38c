/* A fetch jail has a network stack of its own with nothing in it but loopback, as on Linux. A child
 * of the helper enters the jail, which cannot be left again, sets loopback up and opens the listener
 * there; a socket stays in the stack it was opened in, wherever its holder is. Compiled, linked,
 * model-tested; not yet run on FreeBSD. */

#include "jail/freebsd/freebsd.h"

#include "base/defer.h"
#include "base/fdpass.h"
#include "base/freebsd/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOPBACK = 0x7f000001, LOOPBACK_MASK = (int)0xff000000, PORT = 3128, TALK = 3 };

struct word {
	int error; /* errno; 0: the listener comes with it */
	char step[28];
};

/* -1 and errno. */
static int inside_open(int jid, const char **step)
{
	const struct sys_address own = {
		.interface = "lo0", .address = LOOPBACK, .mask = (uint32_t)LOOPBACK_MASK};
	*step = "descriptors"; /* jail_attach refuses whoever has a directory open */
	if (sys->close_range(TALK + 1, ~0U) < 0)
		return -1;
	*step = "jail_attach";
	if (sys->jail_attach(jid) < 0)
		return -1;
	*step = "loopback";
	if (sys->alias_add(&own) < 0 || sys->interface_up("lo0") < 0)
		return -1;
	*step = "listen";
	return sys->listen_at(LOOPBACK, PORT);
}

static _Noreturn void inside_run(int jid, int talk)
{
	struct word word = {0};
	const char *step = "descriptors";
	int listener = dup2(talk, TALK) < 0 ? -1 : inside_open(jid, &step);
	if (listener < 0)
		word.error = errno != 0 ? errno : EINVAL;
	(void)snprintf(word.step, sizeof(word.step), "%s", step);
	(void)fdpass_send(TALK, &word, sizeof(word), &listener, listener >= 0);
	sys->exit(0);
}

int listener_open(int jid, struct fault *f)
{
	int pair[2];
	int listener = -1;
	unsigned count = 1;
	struct word word = {0};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "socketpair");
	defer_close int own = pair[0];
	const pid_t child = sys->fork();
	if (child == 0)
		inside_run(jid, pair[1]);
	const int error = errno;
	(void)close(pair[1]);
	if (child < 0)
		return fault_set(f, FAULT_PLATFORM, error, "fork");
	const ssize_t got = fdpass_receive(own, &word, sizeof(word), &listener, &count);
	int status;
	struct sys_usage usage;
	(void)sys->wait(child, &status, &usage);
	word.step[sizeof(word.step) - 1] = '\0';
	if (got == (ssize_t)sizeof(word) && word.error == 0 && count == 1)
		return listener;
	if (count == 1 && got > 0)
		(void)close(listener);
	return fault_set(f, FAULT_PLATFORM, word.error, "%s",
		word.step[0] != '\0' ? word.step : "it ended early");
}
