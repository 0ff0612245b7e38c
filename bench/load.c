/*
 * load: an HTTP/1.1 client over connections that are kept.
 *
 *   load -a PORT -n CONNECTIONS (-t SECONDS [-r RATE] | -c COUNT | -s) [-w PAUSE_MS] REQUESTS
 *
 * REQUESTS is a file of lines "class TAB method TAB path TAB body TAB expected"; the connections
 * take them in turn, round and round, each sending its next one when the last is answered and
 * PAUSE_MS have passed. A duration ends with the last byte of the answer; answers that are not 200,
 * or whose body does not hold EXPECTED, are counted and not timed. Where the answer's Server-Timing
 * tells how long the call waited for a jail, the class is told apart further: "CLASS.waiting" where
 * a jail was waiting, "CLASS.fresh" where one was made on the spot. -r: so many requests a second
 * instead, whatever became of those before; one for which no connection is free is counted as
 * unsent. Every 200 connections come from an address of their own, since a server may count by
 * them. -s: one connection, each request waits for a line on stdin and is answered by a line on
 * stdout. One JSON object goes to stdout at the end.
 */

#include "sample.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 2048, PER_ADDRESS = 200, CLASSES_MAX = 16, STATUS_MAX = 600 };
#define TICKS UINT64_MAX
/* A waiting jail is handed out in microseconds; making one takes a thousand and more. */
static const double waiting_ms = 0.1;

struct class
{
	char name[32];
	struct sample all, waiting, fresh;
};

struct request {
	struct class *class;
	char *expected;
	struct buf bytes;
};

struct connection {
	int fd, timer;
	const struct request *request;
	uint64_t sent_ns;
	struct buf in;
};

struct answer {
	int status;
	size_t head, body; /* bytes */
	double jail_ms;    /* -1: not told */
};

struct load {
	unsigned port, connections, pause_ms;
	double seconds, rate;
	uint64_t count;
	bool stepwise;
	unsigned idle[CONNECTIONS_MAX]; /* with a rate: connections that are free */
	unsigned idle_count;
	uint64_t unsent;
	int ticks;
	struct request *requests;
	size_t requests_count, next;
	struct class classes[CLASSES_MAX];
	uint64_t statuses[STATUS_MAX];
	uint64_t unexpected, started, answered, begin_ns, end_ns;
	int epoll;
};

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- requests ---- */

static struct class *class_find(struct load *l, const char *name)
{
	for (size_t i = 0; i < CLASSES_MAX; i++) {
		struct class *c = &l->classes[i];
		if (c->name[0] == '\0')
			(void)snprintf(c->name, sizeof(c->name), "%s", name);
		if (strncmp(c->name, name, sizeof(c->name) - 1) == 0)
			return c;
	}
	errno = E2BIG;
	die("classes");
}

static void request_parse(struct load *l, struct request *r, char *line)
{
	char *field[5] = {NULL};
	for (size_t i = 0; i < 5; i++)
		field[i] = strsep(&line, "\t");
	if (field[4] == NULL || line != NULL) {
		errno = EINVAL;
		die("a line of REQUESTS");
	}
	r->class = class_find(l, field[0]);
	r->expected = field[4];
	buf_printf(
		&r->bytes, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", field[1], field[2], l->port);
	if (strcmp(field[1], "POST") == 0)
		buf_printf(&r->bytes, "Content-Length: %zu\r\n", strlen(field[3]));
	buf_printf(&r->bytes, "\r\n%s", field[3]);
}

static void requests_read(struct load *l, const char *path)
{
	struct fault f = {0};
	char *text = fs_read(path, 64 << 20, NULL, &f);
	if (text == NULL) {
		(void)fprintf(stderr, "load: %s\n", f.text);
		exit(1);
	}
	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		if (line[0] == '\0')
			continue;
		l->requests = realloc(l->requests, (l->requests_count + 1) * sizeof(*l->requests));
		if (l->requests == NULL)
			die(path);
		l->requests[l->requests_count] = (struct request){0};
		request_parse(l, &l->requests[l->requests_count++], line);
	}
	if (l->requests_count == 0) {
		errno = EINVAL;
		die(path);
	}
}

/* ---- connections ---- */

/* A server takes so many connections from one address only: from 127.0.0.1, 127.0.0.2 … */
static int connect_to(unsigned port, unsigned number)
{
	const struct sockaddr_in from = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number / PER_ADDRESS)};
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&from, sizeof(from)) < 0 ||
		connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void send_next(struct load *l, struct connection *c)
{
	c->request = &l->requests[l->next];
	l->next = l->next + 1 < l->requests_count ? l->next + 1 : 0;
	l->started++;
	buf_clear(&c->in);
	c->sent_ns = clock_mono_ns();
	const struct buf *b = &c->request->bytes;
	if (send(c->fd, b->data, b->len, MSG_NOSIGNAL) != (ssize_t)b->len)
		die("send");
}

/* ---- answers ---- */

/* The value of a field of the head, up to its line's end; NULL where there is none. */
static const char *field_find(const char *head, const char *name)
{
	size_t len = strlen(name);
	for (const char *at = strstr(head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
		at += 2;
		if (strncasecmp(at, name, len) == 0 && at[len] == ':')
			return at + len + 1;
	}
	return NULL;
}

static double jail_ms_of(const char *head)
{
	const char *timing = field_find(head, "Server-Timing");
	const char *jail = timing != NULL ? strstr(timing, "jail;dur=") : NULL;
	const char *end = timing != NULL ? strstr(timing, "\r\n") : NULL;
	return jail != NULL && jail < end ? strtod(jail + strlen("jail;dur="), NULL) : -1;
}

/* True: the whole answer is there. */
static bool answer_parse(struct buf *in, struct answer *a)
{
	char *end = strstr(in->data, "\r\n\r\n");
	if (end == NULL)
		return false;
	a->head = (size_t)(end - in->data) + 4;
	end[2] = '\0'; /* the head alone is searched */
	const char *length = field_find(in->data, "Content-Length");
	a->status = strncmp(in->data, "HTTP/1.1 ", 9) == 0 ? atoi(in->data + 9) : 0;
	a->jail_ms = jail_ms_of(in->data);
	a->body = length != NULL ? strtoul(length, NULL, 10) : 0;
	end[2] = '\r';
	if (length == NULL || a->status < 100 || a->status >= STATUS_MAX) {
		(void)fprintf(stderr, "load: not an answer we read: %.300s\n", in->data);
		exit(1);
	}
	return in->len >= a->head + a->body;
}

static void answer_count(struct load *l, const struct connection *c, const struct answer *a)
{
	uint64_t took = clock_mono_ns() - c->sent_ns;
	struct class *class = c->request->class;
	bool ok = strstr(c->in.data + a->head, c->request->expected) != NULL;
	l->statuses[a->status]++;
	l->unexpected += a->status == 200 && !ok;
	l->answered++;
	if (a->status != 200 || !ok)
		return;
	sample_add(&class->all, took);
	if (a->jail_ms >= 0)
		sample_add(a->jail_ms < waiting_ms ? &class->waiting : &class->fresh, took);
}

static bool is_over(const struct load *l)
{
	if (l->count > 0)
		return l->started >= l->count;
	return clock_mono_ns() >= l->end_ns;
}

static void pause_or_next(struct load *l, struct connection *c)
{
	const struct itimerspec pause = {.it_value.tv_nsec = (long)l->pause_ms * 1000000};
	if (is_over(l)) {
		(void)close(c->fd);
		c->fd = -1;
	} else if (l->pause_ms == 0) {
		send_next(l, c);
	} else if (timerfd_settime(c->timer, 0, &pause, NULL) < 0) {
		die("timerfd_settime");
	}
}

/* What is due by now, as far as there are connections for it. */
static void rate_send(struct load *l, struct connection *connections)
{
	uint64_t expired;
	const uint64_t now = clock_mono_ns();
	const double due = l->rate * (double)(now - l->begin_ns) / 1e9;
	if (read(l->ticks, &expired, sizeof(expired)) < 0 || is_over(l))
		return;
	while ((double)(l->started + l->unsent) < due && l->idle_count > 0)
		send_next(l, &connections[l->idle[--l->idle_count]]);
	if ((double)(l->started + l->unsent) < due)
		l->unsent = (uint64_t)due - l->started;
}

/* True: an answer came to its end. */
static bool answer_read(struct connection *c, struct answer *a)
{
	ssize_t n = recv(c->fd, buf_reserve(&c->in, 16384), 16384, 0);
	if (n <= 0) {
		(void)fprintf(stderr, "load: the server closed the connection\n");
		exit(1);
	}
	c->in.len += (size_t)n;
	c->in.data[c->in.len] = '\0';
	return answer_parse(&c->in, a);
}

/* ---- all at once ---- */

static void watch(const struct load *l, int fd, uint64_t tag)
{

	struct epoll_event want = {.events = EPOLLIN, .data.u64 = tag};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &want) < 0)
		die("epoll_ctl");
}

static void handle(struct load *l, struct connection *connections, uint64_t tag)
{
	struct connection *c = &connections[tag == TICKS ? 0 : tag / 2];
	struct answer a;
	uint64_t ticks;
	if (tag == TICKS) {
		rate_send(l, connections);
	} else if (tag % 2 == 1) {
		if (read(c->timer, &ticks, sizeof(ticks)) > 0)
			send_next(l, c);
	} else if (answer_read(c, &a)) {
		answer_count(l, c, &a);
		if (l->rate > 0)
			l->idle[l->idle_count++] = (unsigned)(tag / 2);
		else
			pause_or_next(l, c);
	}
}

static void rate_start(struct load *l)
{
	const struct itimerspec every = {{.tv_nsec = 1000000}, {.tv_nsec = 1000000}};
	l->ticks = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timerfd_settime(l->ticks, 0, &every, NULL) < 0)
		die("timerfd_settime");
	watch(l, l->ticks, TICKS);
	while (l->idle_count < l->connections) {
		l->idle[l->idle_count] = l->idle_count;
		l->idle_count++;
	}
}

static void run(struct load *l, struct connection *connections)
{
	struct epoll_event events[64];
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < l->connections; i++) {
		struct connection *c = &connections[i];
		c->fd = connect_to(l->port, i);
		c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		watch(l, c->fd, (uint64_t)2 * i);
		watch(l, c->timer, (uint64_t)2 * i + 1);
	}
	l->begin_ns = clock_mono_ns();
	l->end_ns = l->begin_ns + (uint64_t)(l->seconds * 1e9);
	if (l->rate > 0)
		rate_start(l);
	for (unsigned i = 0; l->rate == 0 && i < l->connections && !(l->count > 0 && is_over(l));
		i++)
		send_next(l, &connections[i]);
	while (l->answered < l->started || !is_over(l)) {
		int n = epoll_wait(l->epoll, events, 64, -1);
		for (int i = 0; i < n; i++)
			handle(l, connections, events[i].data.u64);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
	}
	l->end_ns = clock_mono_ns();
}

/* ---- step by step ---- */

static void step(struct load *l, struct connection *c)
{
	struct answer a;
	char line[64];
	c->fd = connect_to(l->port, 0);
	l->begin_ns = clock_mono_ns();
	while (fgets(line, sizeof(line), stdin) != NULL) {
		send_next(l, c);
		while (!answer_read(c, &a))
			;
		answer_count(l, c, &a);
		(void)printf("%d %.3f\n", a.status, a.jail_ms);
		(void)fflush(stdout);
	}
	l->end_ns = clock_mono_ns();
}

/* ---- what came of it ---- */

static void class_put(struct class *c, struct buf *out)
{
	struct {
		const char *suffix;
		struct sample *sample;
	} kinds[] = {{"", &c->all}, {".waiting", &c->waiting}, {".fresh", &c->fresh}};
	for (size_t i = 0; i < 3; i++) {
		buf_printf(out, "%s\"%s%s\":", out->data[out->len - 1] == '{' ? "" : ",", c->name,
			kinds[i].suffix);
		sample_put(kinds[i].sample, out);
	}
}

static int print(struct load *l)
{
	struct buf out = {0};
	double seconds = (double)(l->end_ns - l->begin_ns) / 1e9;
	struct rusage use;
	(void)getrusage(RUSAGE_SELF, &use);
	double cpu_s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
	buf_printf(&out, "{\"seconds\":%.4f,\"answered\":%llu,\"rate\":%.2f,\"own_cpu_s\":%.4f,",
		seconds, (unsigned long long)l->answered, (double)l->statuses[200] / seconds,
		cpu_s);
	buf_printf(&out, "\"unsent\":%llu,\"unexpected\":%llu,\"statuses\":{",
		(unsigned long long)l->unsent, (unsigned long long)l->unexpected);
	for (unsigned i = 0; i < STATUS_MAX; i++) {
		if (l->statuses[i] > 0)
			buf_printf(&out, "%s\"%u\":%llu", out.data[out.len - 1] == '{' ? "" : ",",
				i, (unsigned long long)l->statuses[i]);
	}
	buf_puts(&out, "},\"ms\":{");
	for (size_t i = 0; i < CLASSES_MAX && l->classes[i].name[0] != '\0'; i++)
		class_put(&l->classes[i], &out);
	(void)printf("%s}}\n", out.data);
	buf_finish(&out);
	return l->unexpected > 0 ? 1 : 0;
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: load -a PORT -n CONNECTIONS (-t SECONDS [-r RATE] | -c COUNT "
			      "| -s) [-w PAUSE_MS] REQUESTS\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct connection connections[CONNECTIONS_MAX];
	static struct load l = {.connections = 1};
	for (int c; (c = getopt(argc, argv, "a:n:t:r:c:sw:")) != -1;) {
		if (c == 'a')
			l.port = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'n')
			l.connections = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 't')
			l.seconds = strtod(optarg, NULL);
		else if (c == 'r')
			l.rate = strtod(optarg, NULL);
		else if (c == 'c')
			l.count = strtoull(optarg, NULL, 10);
		else if (c == 's')
			l.stepwise = true;
		else if (c == 'w')
			l.pause_ms = (unsigned)strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	if (optind + 1 != argc || l.connections == 0 || l.connections > CONNECTIONS_MAX ||
		l.pause_ms > 900 || !(l.stepwise || l.count > 0 || l.seconds > 0))
		return usage();
	requests_read(&l, argv[optind]);
	if (l.stepwise)
		step(&l, connections);
	else
		run(&l, connections);
	return print(&l);
}
