/*
 * A small server on src/http for test_http.py and for measuring. Prints its port, or "unix", once
 * it listens; ends on SIGTERM, leaving nothing allocated (the sanitizers look).
 *
 *     echo_server [LIMIT=N…] [unix=PATH]        LIMIT: a field of struct http_limits
 *
 *     /echo       the body comes back; X-Method, X-Path, X-Query and X-Peer say what was understood
 *     /slow?N     answers after N ms
 *     /never      never answers
 *     /begun?N    answers once N requests for /never and /slow have come
 *     /gone?N     answers once N of those have been abandoned
 *     /big?N      N bytes
 *     /empty      204
 *     /drain      drains the server, then answers
 */

#include "base/buf.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct app {
	struct http_server *server;
	uv_signal_t term;
	unsigned long begun;
	unsigned long gone;
	struct http_exchange *waiter; /* of /begun or /gone; one at a time */
	const unsigned long *counter;
	unsigned long waits_for;
};

struct delay {
	uv_timer_t timer;
	struct http_exchange *x;
};

static void answer_text(struct http_exchange *x, int status, const char *text)
{
	http_respond(x, status, "text/plain", text, strlen(text));
}

static void free_delay(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_delay(uv_timer_t *timer)
{
	struct delay *delay = timer->data;
	uv_close((uv_handle_t *)timer, free_delay);
	answer_text(delay->x, 200, "slow");
}

static void answer_later(struct http_exchange *x, uint64_t ms)
{
	struct delay *delay = mem_zero(1, sizeof(*delay));
	delay->x = x;
	(void)uv_timer_init(uv_default_loop(), &delay->timer);
	delay->timer.data = delay;
	http_set_data(x, delay);
	(void)uv_timer_start(&delay->timer, on_delay, ms, 0);
}

static void echo(struct http_exchange *x)
{
	size_t len = 0;
	const char *body = http_body(x, &len);
	http_add_header(x, "X-Method", "%s", http_method(x));
	http_add_header(x, "X-Path", "%s", http_path(x));
	http_add_header(x, "X-Query", "%s", http_query(x));
	http_add_header(x, "X-Peer", "%s", http_peer(x));
	http_respond(x, 200, http_header(x, "Content-Type"), body, len);
}

static void big(struct http_exchange *x, size_t bytes)
{
	char *body = mem_alloc(bytes);
	for (size_t i = 0; i < bytes; i++)
		body[i] = (char)('a' + i % 26);
	http_respond(x, 200, "text/plain", body, bytes);
	free(body);
}

static void wake(struct app *app)
{
	struct http_exchange *x = app->waiter;
	if (x == NULL || *app->counter < app->waits_for)
		return;
	app->waiter = NULL;
	answer_text(x, 200, "so it is");
}

static void wait_for(
	struct app *app, struct http_exchange *x, const unsigned long *counter, unsigned long n)
{
	app->waiter = x;
	app->counter = counter;
	app->waits_for = n;
	wake(app);
}

static void on_request(struct http_exchange *x, void *ctx)
{
	struct app *app = ctx;
	const char *path = http_path(x);
	unsigned long n = strtoul(http_query(x), NULL, 10);
	if (strcmp(path, "/slow") == 0) {
		app->begun++;
		answer_later(x, n);
		wake(app);
	} else if (strcmp(path, "/never") == 0) {
		app->begun++;
		wake(app);
	} else if (strcmp(path, "/begun") == 0) {
		wait_for(app, x, &app->begun, n);
	} else if (strcmp(path, "/gone") == 0) {
		wait_for(app, x, &app->gone, n);
	} else if (strcmp(path, "/big") == 0) {
		big(x, n);
	} else if (strcmp(path, "/empty") == 0) {
		http_respond(x, 204, NULL, NULL, 0);
	} else if (strcmp(path, "/drain") == 0) {
		http_server_drain(app->server);
		answer_text(x, 200, "draining");
	} else {
		echo(x);
	}
}

static void on_gone(struct http_exchange *x, void *ctx)
{
	struct app *app = ctx;
	struct delay *delay = http_data(x);
	if (x == app->waiter) {
		app->waiter = NULL;
		return;
	}
	if (delay != NULL)
		uv_close((uv_handle_t *)&delay->timer, free_delay);
	app->gone++;
	wake(app);
}

static void on_refuse(struct http_exchange *x, int status, const char *why, void *ctx)
{
	(void)ctx;
	http_add_header(x, "X-Refused", "%s", http_method(x));
	answer_text(x, status, why);
}

static void on_term(uv_signal_t *term, int signum)
{
	struct app *app = term->data;
	(void)signum;
	http_server_destroy(app->server);
	uv_close((uv_handle_t *)term, NULL);
}

static int listen_tcp(int *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 128) < 0 ||
		getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
		perror("listen");
		exit(1);
	}
	*port = ntohs(addr.sin_port);
	return fd;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 128) < 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static void set_limit(struct http_limits *l, const char *name, unsigned long n)
{
	const struct {
		const char *name;
		unsigned *small;
		size_t *size;
		uint64_t *ms;
	} table[] = {
		{"connections", &l->connections, NULL, NULL},
		{"connections_per_peer", &l->connections_per_peer, NULL, NULL},
		{"headers", &l->headers, NULL, NULL},
		{"header_bytes", NULL, &l->header_bytes, NULL},
		{"body_bytes", NULL, &l->body_bytes, NULL},
		{"header_ms", NULL, NULL, &l->header_ms},
		{"body_ms", NULL, NULL, &l->body_ms},
		{"write_ms", NULL, NULL, &l->write_ms},
		{"idle_ms", NULL, NULL, &l->idle_ms},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, name) != 0)
			continue;
		if (table[i].small != NULL)
			*table[i].small = (unsigned)n;
		else if (table[i].size != NULL)
			*table[i].size = n;
		else
			*table[i].ms = n;
		return;
	}
	(void)fprintf(stderr, "no limit is called %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	struct http_limits limits = http_limits_default;
	const char *path = NULL;
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		if (value == NULL)
			return 2;
		*value++ = '\0';
		if (strcmp(argv[i], "unix") == 0)
			path = value;
		else
			set_limit(&limits, argv[i], strtoul(value, NULL, 10));
	}
	uv_loop_t *loop = uv_default_loop();
	struct app app = {0};
	struct http_callbacks callbacks = {on_request, on_gone, on_refuse, NULL, &app};
	struct fault f = {0};
	int port = 0;
	int fd = path != NULL ? listen_unix(path) : listen_tcp(&port);
	app.server = http_server_create(loop, &limits, &callbacks, &f);
	if (app.server == NULL || http_server_listen(app.server, fd, &f) < 0) {
		(void)fprintf(stderr, "%s\n", f.text);
		return 1;
	}
	(void)uv_signal_init(loop, &app.term);
	app.term.data = &app;
	(void)uv_signal_start(&app.term, on_term, SIGTERM);
	if (path != NULL)
		(void)puts("unix");
	else
		(void)printf("%d\n", port);
	(void)fflush(stdout);
	(void)uv_run(loop, UV_RUN_DEFAULT);
	return uv_loop_close(loop) == 0 ? 0 : 1;
}
