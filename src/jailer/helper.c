#include "jailer/helper.h"

#include "base/fdpass.h"
#include "jailer/message.h"

#include <errno.h>
#include <stdio.h>

static void parts_unpack(struct jail_parts *parts, uint32_t mask, const int *fds, unsigned count)
{
	unsigned at = 0;
	for (unsigned i = 0; i < JAIL_PARTS; i++)
		parts->fd[i] = (mask & 1U << i) != 0 && at < count ? fds[at++] : -1;
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
	if (n < 0 && errno == EMFILE) {
		/* The slot is there, but not for us: it will be removed as one that failed. */
		done->failed = 1;
		done->parts = 0;
		(void)snprintf(done->text, sizeof(done->text), "%s", JAILER_NO_FILES);
	} else if (n != (ssize_t)sizeof(*done)) {
		return -1;
	}
	parts_unpack(parts, done->parts, fds, count);
	parts->mark = done->mark;
	h->busy = false;
	return 1;
}
