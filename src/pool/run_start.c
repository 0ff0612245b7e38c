/* How a run begins: the ends of its descriptors, and the jailer's START. */

#include "pool/run.h"

#include "base/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct ends {
	int ours[3], theirs[3]; /* control, out, err */
};

static void ends_close(struct ends *ends)
{
	for (int i = 0; i < 3; i++) {
		if (ends->ours[i] >= 0)
			(void)close(ends->ours[i]);
		if (ends->theirs[i] >= 0)
			(void)close(ends->theirs[i]);
	}
}

static int ends_open(struct ends *ends, struct fault *f)
{
	int pair[2];
	*ends = (struct ends){{-1, -1, -1}, {-1, -1, -1}};
	for (int i = 0; i < 3; i++) {
		int made = i == 0 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
				  : pipe2(pair, O_CLOEXEC);
		if (made < 0) {
			int error = errno;
			ends_close(ends);
			if (error == EMFILE || error == ENFILE)
				return fault_code(f, FAULT_BUSY, "too_many_descriptors",
					"no descriptors are left; try again later");
			return fault_set(f, FAULT_PLATFORM, error, "pipes of a jail");
		}
		ends->ours[i] = pair[0];
		ends->theirs[i] = pair[1];
		(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	}
	resident_ask(ends->ours[0]); /* before the program can say anything */
	return 0;
}

static void run_show(const struct jailer_handle *handle, struct jailer_view *view)
{
	static const char *const states[] = {[RUN_STARTING] = "starting",
		[RUN_WAITING] = "waiting",
		[RUN_CALLED] = "running",
		[RUN_RESTED] = "running",
		[RUN_ENDING] = "ending"};
	const struct pool_run *run =
		(const struct pool_run *)((const char *)handle - offsetof(struct pool_run, handle));
	*view = (struct jailer_view){
		.state = states[run->forced != POOL_VALUE ? RUN_ENDING : run->state],
		.module = run->module,
		.ip4 = run->address != 0 ? run->ip4 : NULL};
}

static void run_kill_asked(struct jailer_handle *handle)
{
	pool_on_kill((struct pool_run *)((char *)handle - offsetof(struct pool_run, handle)));
}

static int jail_start(struct pool *pool, struct pool_run *run, const struct lease_grant *grant,
	const int fds[JAILER_START_FDS], struct fault *f)
{
	if (grant == NULL)
		return jailer_client_start(pool_jailers(pool), &run->handle, JAIL_EXEC, 0, fds, f);
	run->address = grant->address;
	(void)ip4_text(run->address, run->ip4);
	return jailer_client_start_net(
		pool_jailers(pool), &run->handle, grant->address, grant->probe, fds, f);
}

struct pool_run *run_start(struct pool *pool, struct pool_program *program,
	const struct lease_grant *grant, struct fault *f)
{
	struct ends ends;
	if (ends_open(&ends, f) < 0)
		return NULL;
	struct pool_run *run = mem_zero(1, sizeof(*run));
	run->handle.event = run_event;
	run->handle.show = run_show;
	run->handle.kill = run_kill_asked;
	const int fds[JAILER_START_FDS] = {
		ends.theirs[1], ends.theirs[2], ends.theirs[0], program->fd};
	if (jail_start(pool, run, grant, fds, f) < 0) {
		ends_close(&ends);
		free(run);
		return NULL;
	}
	run->peer = ends.theirs[0]; /* what the program has not read can be seen there */
	(void)close(ends.theirs[1]);
	(void)close(ends.theirs[2]);
	run->pool = pool;
	run->program = program;
	run->module = program->module != NULL ? mem_strdup(program->module) : NULL;
	run->control = ends.ours[0];
	run->out = ends.ours[1];
	run->err = ends.ours[2];
	run->reuse.memory = -1;
	TAILQ_INIT(&run->behind);
	run_listen(run);
	return run;
}
