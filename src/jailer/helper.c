#include "jailer/helper.h"

#include "base/fdpass.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned parts_pack(const struct jail_parts *parts, uint32_t *mask, int fds[JAIL_PARTS])
{
	unsigned count = 0;
	*mask = 0;
	for (unsigned i = 0; i < JAIL_PARTS; i++) {
		if (parts->fd[i] < 0)
			continue;
		*mask |= 1U << i;
		fds[count++] = parts->fd[i];
	}
	return count;
}

static void parts_unpack(struct jail_parts *parts, uint32_t mask, const int *fds, unsigned count)
{
	unsigned at = 0;
	for (unsigned i = 0; i < JAIL_PARTS; i++)
		parts->fd[i] = (mask & 1U << i) != 0 && at < count ? fds[at++] : -1;
}

static void job_do(const struct jail_plan *plan, struct helper_done *done, struct jail_parts *parts)
{
	struct fault f = {0};
	const struct jail_order order = {.kind = (enum jail_kind)done->job.kind,
		.source = done->job.source,
		.address = done->job.address,
		.probe = done->job.probe != 0};
	int did = done->job.type == HELPER_CREATE
			  ? jail_backend->create(plan, done->job.slot, &order, parts, &f)
			  : jail_backend->destroy(plan, done->job.slot, &f);
	done->failed = did < 0;
	done->full = f.kind == FAULT_FULL;
	done->taken = strcmp(f.code, "address_taken") == 0;
	(void)snprintf(done->text, sizeof(done->text), "%.255s", f.text);
}

static _Noreturn void helper_run(const struct jail_plan *plan, int socket)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		struct helper_done done = {0};
		struct jail_parts parts;
		int fds[JAIL_PARTS];
		unsigned none = 0;
		memset(parts.fd, 0xff, sizeof(parts.fd));
		parts.mark = 0;
		if (fdpass_receive(socket, &done.job, sizeof(done.job), fds, &none) !=
			(ssize_t)sizeof(done.job))
			_exit(0);
		job_do(plan, &done, &parts);
		unsigned count = parts_pack(&parts, &done.parts, fds);
		done.mark = parts.mark;
		if (fdpass_send(socket, &done, sizeof(done), fds, count) < 0)
			_exit(1);
		while (count > 0)
			(void)close(fds[--count]);
	}
}

int helper_start(struct helper *h, const struct jail_plan *plan, struct fault *f)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "socketpair");
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		helper_run(plan, pair[1]);
	}
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		return fault_set(f, FAULT_PLATFORM, errno, "fork a helper");
	}
	*h = (struct helper){.pid = pid, .socket = pair[0]};
	return 0;
}

int helper_give(struct helper *h, const struct helper_job *job)
{
	if (fdpass_send(h->socket, job, sizeof(*job), NULL, 0) < 0)
		return -1;
	h->busy = true;
	return 0;
}

int helper_take(struct helper *h, struct helper_done *done, struct jail_parts *parts)
{
	int fds[JAIL_PARTS];
	unsigned count = JAIL_PARTS;
	ssize_t n = fdpass_receive(h->socket, done, sizeof(*done), fds, &count);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n != (ssize_t)sizeof(*done))
		return -1;
	parts_unpack(parts, done->parts, fds, count);
	parts->mark = done->mark;
	h->busy = false;
	return 1;
}
