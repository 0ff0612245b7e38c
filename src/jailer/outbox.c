#include "jailer/outbox.h"

#include "base/buf.h"
#include "base/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct outgoing {
	struct jailer_event event;
	int fd;
	struct outgoing *next;
};

static int push(const struct outbox *box, const struct jailer_event *event, int fd)
{
	return fdpass_send(box->socket, event, sizeof(*event), &fd, fd >= 0 ? 1 : 0);
}

void outbox_init(struct outbox *box, const struct loop *loop, int socket)
{
	*box = (struct outbox){.loop = loop, .socket = socket};
	box->last = &box->first;
}

void outbox_send(struct outbox *box, const struct jailer_event *event, int fd)
{
	if (box->first == NULL && push(box, event, fd) == 0)
		return;
	struct outgoing *late = mem_zero(1, sizeof(*late));
	late->event = *event;
	late->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1;
	if (box->first == NULL)
		loop_watch_room(box->loop, box->socket, true);
	*box->last = late;
	box->last = &late->next;
}

void outbox_flush(struct outbox *box)
{
	while (box->first != NULL) {
		struct outgoing *o = box->first;
		if (push(box, &o->event, o->fd) < 0 && errno == EAGAIN)
			return;
		box->first = o->next;
		if (o->fd >= 0)
			(void)close(o->fd);
		free(o);
	}
	box->last = &box->first;
	loop_watch_room(box->loop, box->socket, false);
}

void outbox_failed(struct outbox *box, const struct jailer_request *request,
	const struct outbox_failure *failure)
{
	struct jailer_event event = {.type = JAILER_FAILED,
		.kind = request->kind,
		.id = request->id,
		.full = failure->full,
		.taken = failure->taken};
	(void)snprintf(event.text, sizeof(event.text), "%.255s", failure->why);
	outbox_send(box, &event, -1);
}

void outbox_released(struct outbox *box, uint32_t address)
{
	struct jailer_event event = {.type = JAILER_RELEASED, .address = address};
	if (address != 0)
		outbox_send(box, &event, -1);
}

void outbox_refused(struct outbox *box, const struct jailer_request *request,
	const struct outbox_failure *failure)
{
	outbox_failed(box, request, failure);
	outbox_released(box, request->address);
}
