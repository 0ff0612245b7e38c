#include "jailer/helper.h"

#include "base/fdpass.h"
#include "base/os.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
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

_Noreturn void helper_run(const struct jail_plan *plan, int socket)
{
	os_end_with_parent(SIGKILL);
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
