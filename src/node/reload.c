/*
 * SIGHUP. The supervisor reads the configuration again, whole. Where it has faults they are logged,
 * all of them, and nothing changes. Else tokens, jails.reuse and address pools go to the server in one message,
 * and are kept here for a server that is started later; of what else changed only the names are
 * logged.
 */

#include "node/node.h"

#include "base/buf.h"
#include "base/defer.h"
#include "base/fdpass.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 1000 };

void node_log_lines(enum log_level level, const struct buf *lines)
{
	for (const char *line = lines->data; line != NULL && *line != '\0';) {
		const size_t len = strcspn(line, "\n");
		log_write(level, "configuration: %.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

/* A server that is stopped or very busy does not take us with it. */
static int text_send(int control, const char *text, size_t len, struct fault *f)
{
	struct pollfd room = {.fd = control, .events = POLLOUT};
	if (len >= NODE_CONTROL_MAX)
		return fault_set(f, FAULT_TOO_LARGE, 0,
			"tokens and pools have %zu bytes, more than the server takes", len);
	if (poll(&room, 1, PATIENCE_MS) != 1 || (room.revents & POLLOUT) == 0)
		return fault_set(f, FAULT_BUSY, 0,
			"the server does not listen at the moment; send SIGHUP again");
	if (fdpass_send(control, text, len, NULL, 0) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "tell the server");
	return 0;
}

static int fresh_send(int control, const struct config *fresh, struct fault *f)
{
	char *text = config_reload_text(fresh);
	if (text == NULL)
		return fault_set(
			f, FAULT_PLATFORM, 0, "tokens and pools cannot be written as JSON");
	const size_t len = strlen(text);
	const int sent = text_send(control, text, len, f);
	sodium_memzero(text, len);
	free(text);
	return sent;
}

static int fresh_load(
	const struct node *n, struct config *fresh, struct buf *faults, struct fault *f)
{
	if (config_load(fresh, n->config_path, faults, f) < 0 ||
		node_config_check(n, fresh, f) < 0 ||
		config_reload_check(&n->config, fresh, faults, f) < 0 ||
		node_pools_check(n, fresh, f) < 0)
		return -1;
	return node_admin_token(n, fresh, f);
}

void node_reload(struct node *n, int control)
{
	struct config fresh = {0};
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	defer_buf struct buf changed = {0};
	int taken = fresh_load(n, &fresh, &faults, &f);
	if (taken == 0) {
		node_log_lines(LOG_WARN, &fresh.warnings);
		config_differences(&n->config, &fresh, &changed);
		if (changed.len > 0)
			log_warn("SIGHUP: what changed here needs a restart: %s", changed.data);
		/* The server hands out what jailers know. */
		node_pools_publish(n, &fresh);
		taken = fresh_send(control, &fresh, &f);
		if (taken < 0)
			node_pools_publish(n, &n->config);
	}
	if (taken == 0) {
		config_reload_take(&n->config, &fresh);
	} else {
		node_log_lines(LOG_ERROR, &faults);
		log_error("SIGHUP: %s; nothing was changed", f.text);
	}
	config_finish(&fresh);
}

void node_reload_take(struct node *n, const char *text, size_t len)
{
	struct config fresh = {0};
	struct fault f = {0};
	defer_buf struct buf faults = {0};
	if (config_parse(&fresh, text, len, &faults, &f) < 0) {
		log_error("SIGHUP: the server cannot take what the supervisor read: %s", f.text);
		return;
	}
	/* From here on the next request is asked for the new tokens. */
	config_reload_take(&n->config, &fresh);
	node_pools_read(&n->config, n->pools);
	config_finish(&fresh);
	log_info("tokens, jails.reuse and address pools were read again");
}
