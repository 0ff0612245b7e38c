#pragma once

/* outbox: events on their way to the server, kept in order where its socket is full, so that the
 * jailer never waits for it. */

#include "jailer/loop.h"
#include "jailer/message.h"

#include <stdbool.h>
#include <stdint.h>

struct outgoing;

struct outbox {
	const struct loop *loop;
	int socket; /* is watched there for reading, and for writing while something waits */
	struct outgoing *first, **last;
};

/* The socket stays the caller's. */
void outbox_init(struct outbox *box, const struct loop *loop, int socket);
/* Sends now or later; fd (-1: none) is duplicated where it must wait. */
void outbox_send(struct outbox *box, const struct jailer_event *event, int fd);
/* The socket has room. */
void outbox_flush(struct outbox *box);

/* Why a request FAILED. */
struct outbox_failure {
	bool full; /* a disk is */
	enum jailer_taken taken;
	const char *why; /* cut where it is too long */
};

void outbox_failed(struct outbox *box, const struct jailer_request *request,
	const struct outbox_failure *failure);
/* It never came to a slot: its address is RELEASED too. */
void outbox_refused(struct outbox *box, const struct jailer_request *request,
	const struct outbox_failure *failure);
/* Says that an address is free; of none (0) nothing. */
void outbox_released(struct outbox *box, uint32_t address);
