#pragma once

/*
 * activation: a listening socket that systemd made before it started us (sd_listen_fds(3)), so that
 * connections wait while we start and start anew. Whoever configures strangers out by `listen` has
 * to be able to rely on it, so a socket that listens elsewhere is refused.
 */

#include "base/fault.h"
#include "config/config.h"

#include <stddef.h>

/* Takes the socket, moved out of the way, and what told of it out of the environment. *listener is
 * -1 where there is none. FAULT_INPUT: it is no listening stream socket, or not the only one. */
int activation_take(int *listener, struct fault *f);
/* Whether it listens where the configuration says, and where that is, for people. FAULT_INPUT: it
 * does not. */
int activation_check(
	int listener, const struct config *config, char *address, size_t size, struct fault *f);
