#include "function/tool.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/defer.h"
#include "base/fs.h"
#include "base/log.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { REPORT_MAX = 4 << 20, STDERR_MAX = 64 * 1024, QUEUE_MAX = 128 };
/* One that is out of time is killed again, as its jailer may not have heard it. */
enum { AGAIN_MS = 5000 };

struct tool {
	struct jailer_handle handle;
	struct tools *tools;
	struct tool *next; /* in the queue */
	enum jail_kind kind;
	uint64_t source;
	int request, bulk; /* request: a memfd; bulk: the caller's */
	int control, err;  /* our ends */
	uv_poll_t control_poll, err_poll;
	uv_timer_t timer;
	unsigned open_handles;
	bool started, ended, timed_out, cancelled, killed;
	bool counted; /* among those that run */
	bool *gone;   /* while tool_run still runs */
	uint64_t started_ns;
	char *target; /* where it may go besides; NULL: nowhere */
	bool target_private;
	struct egress *egress;
	struct buf report, err_text;
	char *module; /* for people; NULL: not named */
	tool_done *done;
	void *ctx;
};

struct tools {
	uv_loop_t *loop;
	struct jailer_client *jailers;
	struct tool_limits limits;
	struct tool *first, **last;
	unsigned running[JAIL_KINDS], queued;
};

static void queue_run(struct tools *tools);

/* ---- the end ---- */

static void tool_free_maybe(struct tool *t)
{
	if (!t->ended || t->open_handles > 0)
		return;
	buf_finish(&t->report);
	buf_finish(&t->err_text);
	free(t->module);
	free(t->target);
	free(t);
}

static void handle_closed(uv_handle_t *handle)
{
	struct tool *t = handle->data;
	t->open_handles--;
	tool_free_maybe(t);
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void poll_close(int *fd, uv_poll_t *poll)
{
	if (*fd < 0)
		return;
	(void)uv_poll_stop(poll);
	fd_close(fd);
	uv_close((uv_handle_t *)poll, handle_closed);
}

static void end_count(const struct tool *t, const json_t *report)
{
	const bool build = t->kind == JAIL_BUILD;
	if (!t->started)
		return;
	metrics_time(build ? METRIC_BUILD : METRIC_REPO_CLONE, clock_mono_ns() - t->started_ns);
	if (!json_is_true(json_object_get(report, "ok")))
		metrics_count(build ? METRIC_BUILD_FAILED : METRIC_REPO_CLONE_FAILED, 0, 0);
}

static void tool_finish(struct tool *t, const json_t *report, const struct fault *f)
{
	struct tools *tools = t->tools;
	end_count(t, report);
	fd_close(&t->request);
	poll_close(&t->control, &t->control_poll);
	poll_close(&t->err, &t->err_poll);
	if (t->started)
		uv_close((uv_handle_t *)&t->timer, handle_closed);
	egress_destroy(t->egress);
	t->egress = NULL;
	if (t->counted)
		tools->running[t->kind]--;
	if (t->gone != NULL)
		*t->gone = true;
	t->done(t->ctx, report, f);
	t->ended = true;
	tool_free_maybe(t);
	queue_run(tools);
}

static void fd_drain(int fd, struct buf *text, size_t max)
{
	for (;;) {
		char chunk[16384];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			return;
		size_t room = text->len < max ? max - text->len : 0;
		buf_append(text, chunk, (size_t)n < room ? (size_t)n : room);
	}
}

static const char *last_refusal(const struct tool *t)
{
	return t->egress != NULL ? egress_last_error(t->egress) : "";
}

static const char *kind_name(const struct tool *t)
{
	return t->kind == JAIL_BUILD ? "build" : "fetch";
}

/* Why there is no report, from how the jail ended. */
static int end_fault(const struct tool *t, const struct jailer_event *event, struct fault *f)
{
	const char *kind = kind_name(t);
	const uint64_t ms =
		t->kind == JAIL_BUILD ? t->tools->limits.build_ms : t->tools->limits.fetch_ms;
	if (t->cancelled)
		return fault_code(f, FAULT_BUSY, "cancelled", "the %s was given up", kind);
	if (t->killed)
		return fault_code(f, FAULT_FUNCTION, "jail_killed",
			"an administrator ended the jail of the %s", kind);
	if (event->type == JAILER_FAILED)
		return fault_code(f, event->full ? FAULT_FULL : FAULT_BUSY,
			event->full ? "disk_full" : "jail_failed", "%s", event->text);
	if (t->timed_out && t->kind == JAIL_BUILD)
		return fault_code(f, FAULT_FUNCTION, "build_timeout",
			"the build took longer than %.1f s (jails.build_timeout)",
			(double)ms / 1000);
	if (t->timed_out)
		return fault_code(f, FAULT_UPSTREAM, "fetch_timeout",
			"the source took longer than %.1f s (jails.fetch_timeout)%s%s",
			(double)ms / 1000, last_refusal(t)[0] != '\0' ? "; last: " : "",
			last_refusal(t));
	if (event->out_of_memory != 0)
		return fault_code(f, FAULT_FUNCTION,
			t->kind == JAIL_BUILD ? "build_out_of_memory" : "fetch_out_of_memory",
			"the %s needed more memory than its jail has (jails.build.memory)", kind);
	log_error("the %s tool ended with status %#x: %.1500s", kind, (unsigned)event->status,
		t->err_text.data != NULL ? t->err_text.data : "");
	return fault_set(f, FAULT_PLATFORM, 0,
		"the %s tool ended unexpectedly; the log has its words", kind);
}

static void tool_ended(struct tool *t, const struct jailer_event *event)
{
	struct fault f = {0};
	fd_drain(t->control, &t->report, REPORT_MAX);
	fd_drain(t->err, &t->err_text, STDERR_MAX);
	json_t *report = t->report.len > 0 && !t->timed_out && !t->cancelled && !t->killed
				 ? json_loadb(t->report.data, t->report.len, 0, NULL)
				 : NULL;
	const bool ok = json_is_true(json_object_get(report, "ok"));
	if (!json_is_object(report) || (event->out_of_memory != 0 && !ok)) {
		json_decref(report);
		report = NULL;
		(void)end_fault(t, event, &f);
	} else if (jail_kind_fetches(t->kind) && !ok && t->egress != NULL &&
		   egress_unreachable(t->egress)) {
		/* The tool sees only that a proxy said no; we know what was behind it. */
		json_t *detail = json_sprintf("%s (%s)",
			json_string_value(json_object_get(report, "detail")), last_refusal(t));
		(void)json_object_set_new(report, "detail", detail);
		(void)json_object_set_new(report, "code", json_string("source_unreachable"));
		(void)json_object_set_new(report, "fault", json_string("upstream"));
	}
	tool_finish(t, report, &f);
	json_decref(report);
}

static struct tool *tool_of(struct jailer_handle *handle)
{
	return (struct tool *)((char *)handle - offsetof(struct tool, handle));
}

static void tool_show(const struct jailer_handle *handle, struct jailer_view *view)
{
	const struct tool *t =
		(const struct tool *)((const char *)handle - offsetof(struct tool, handle));
	const bool ending = t->timed_out || t->cancelled || t->killed;
	*view = (struct jailer_view){.state = ending                  ? "ending"
					      : t->kind == JAIL_BUILD ? "building"
								      : "fetching",
		.module = t->module};
}

static void tool_kill(struct jailer_handle *handle)
{
	struct tool *t = tool_of(handle);
	t->killed = true;
	jailer_client_kill(t->tools->jailers, handle);
}

/* The target of this run beside those of all. */
static struct egress *egress_open(const struct tool *t, int fd, struct fault *f)
{
	struct egress_policy policy = t->tools->limits.egress;
	const char *const reachable[] = {t->target, NULL};
	size_t count = 0;
	while (policy.trusted_hosts != NULL && policy.trusted_hosts[count] != NULL)
		count++;
	defer_free const char **trusted = mem_zero(count + 2, sizeof(*trusted));
	for (size_t i = 0; i < count; i++)
		trusted[i] = policy.trusted_hosts[i];
	if (t->target_private)
		trusted[count] = t->target;
	policy.trusted_hosts = trusted;
	policy.reachable = reachable;
	return egress_create(t->tools->loop, fd, &policy, f);
}

static void tool_event(struct jailer_handle *handle, const struct jailer_event *event, int fd)
{
	struct tool *t = tool_of(handle);
	if (event->type != JAILER_STARTED) {
		tool_ended(t, event);
		return;
	}
	if (fd < 0)
		return;
	struct fault f = {0};
	t->egress = egress_open(t, fd, &f);
	if (t->egress == NULL)
		log_error("no way out for a fetch: %s", f.text);
}

/* ---- the start ---- */

static void tool_readable(uv_poll_t *poll, int status, int events)
{
	struct tool *t = poll->data;
	(void)status;
	(void)events;
	bool control = poll == &t->control_poll;
	char chunk[16384];
	ssize_t n = read(control ? t->control : t->err, chunk, sizeof(chunk));
	if (n < 0)
		return;
	if (n == 0) {
		(void)uv_poll_stop(poll);
		return;
	}
	struct buf *text = control ? &t->report : &t->err_text;
	size_t max = control ? (size_t)REPORT_MAX : STDERR_MAX;
	buf_append(text, chunk, text->len + (size_t)n <= max ? (size_t)n : max - text->len);
}

static void tool_timeout(uv_timer_t *timer)
{
	struct tool *t = timer->data;
	t->timed_out = true;
	jailer_client_kill(t->tools->jailers, &t->handle);
}

static int tool_start(struct tool *t, struct fault *f)
{
	struct tools *tools = t->tools;
	int control[2] = {-1, -1};
	int err[2] = {-1, -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0 ||
		pipe2(err, O_CLOEXEC) < 0) {
		int error = errno;
		fd_close(&control[0]);
		fd_close(&control[1]);
		return fault_set(f, FAULT_BUSY, error, "pipes of a %s", kind_name(t));
	}
	const int fds[JAILER_START_FDS] = {t->request, err[1], control[1], t->bulk};
	int started = jailer_client_start(tools->jailers, &t->handle, t->kind, t->source, fds, f);
	fd_close(&control[1]);
	fd_close(&err[1]);
	if (started < 0) {
		fd_close(&control[0]);
		fd_close(&err[0]);
		return -1;
	}
	t->control = control[0];
	t->err = err[0];
	(void)fcntl(t->control, F_SETFL, O_NONBLOCK);
	(void)fcntl(t->err, F_SETFL, O_NONBLOCK);
	(void)uv_poll_init(tools->loop, &t->control_poll, t->control);
	(void)uv_poll_init(tools->loop, &t->err_poll, t->err);
	(void)uv_timer_init(tools->loop, &t->timer);
	t->control_poll.data = t->err_poll.data = t->timer.data = t;
	t->open_handles = 3;
	t->started = true;
	t->started_ns = clock_mono_ns();
	(void)uv_poll_start(&t->control_poll, UV_READABLE, tool_readable);
	(void)uv_poll_start(&t->err_poll, UV_READABLE, tool_readable);
	(void)uv_timer_start(&t->timer, tool_timeout,
		t->kind == JAIL_BUILD ? tools->limits.build_ms : tools->limits.fetch_ms, AGAIN_MS);
	return 0;
}

static void queue_run(struct tools *tools)
{
	for (struct tool **at = &tools->first; *at != NULL;) {
		struct tool *t = *at;
		if (tools->running[t->kind] >= (t->kind == JAIL_BUILD
							       ? tools->limits.builds_max
							       : tools->limits.fetches_max)) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		if (t->next == NULL)
			tools->last = at;
		tools->running[t->kind]++;
		tools->queued--;
		t->counted = true;
		struct fault f = {0};
		if (tool_start(t, &f) < 0) {
			tool_finish(t, NULL, &f); /* runs the queue itself */
			return;
		}
	}
}

static int request_write(const json_t *request)
{
	defer_free char *text = json_dumps(request, JSON_COMPACT);
	defer_close int fd = memfd_create("request", MFD_CLOEXEC);
	if (text == NULL || fd < 0 || fs_write_fd(fd, text, strlen(text), NULL) < 0 ||
		lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return defer_take(&fd);
}

/* Queues one of the kind, source, bulk and done of `like`. */
static struct tool *tool_queue(struct tools *tools, const struct tool *like,
	const struct tool_target *target, const json_t *request)
{
	struct fault f = {0};
	bool gone = false;
	if (tools->queued >= QUEUE_MAX) {
		(void)fault_code(&f, FAULT_LIMITED, "too_many_builds",
			"%u builds and fetches wait already; try again later", tools->queued);
		like->done(like->ctx, NULL, &f);
		return NULL;
	}
	struct tool *t = mem_zero(1, sizeof(*t));
	*t = *like;
	t->handle.event = tool_event;
	t->handle.show = tool_show;
	t->handle.kill = tool_kill;
	t->tools = tools;
	t->request = request_write(request);
	t->control = t->err = -1;
	if (target != NULL) {
		t->target = mem_strdup(target->target);
		t->target_private = target->private;
	}
	t->gone = &gone;
	*tools->last = t;
	tools->last = &t->next;
	tools->queued++;
	queue_run(tools);
	if (gone)
		return NULL;
	t->gone = NULL;
	return t;
}

struct tool *tool_run(struct tools *tools, enum jail_kind kind, uint64_t source,
	const json_t *request, int bulk, tool_done *done, void *ctx)
{
	const struct tool like = {
		.kind = kind, .source = source, .bulk = bulk, .done = done, .ctx = ctx};
	return tool_queue(tools, &like, NULL, request);
}

struct tool *tool_run_git(struct tools *tools, const struct tool_target *target,
	const json_t *request, int bulk, tool_done *done, void *ctx)
{
	const struct tool like = {.kind = JAIL_GIT, .bulk = bulk, .done = done, .ctx = ctx};
	return tool_queue(tools, &like, target, request);
}

void tool_cancel(struct tool *t)
{
	struct tools *tools = t->tools;
	t->cancelled = true;
	if (t->counted) {
		jailer_client_kill(tools->jailers, &t->handle);
		return;
	}
	struct tool **at = &tools->first;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (t->next == NULL)
		tools->last = at;
	tools->queued--;
	struct fault f = {0};
	(void)fault_code(&f, FAULT_BUSY, "cancelled", "the %s was given up", kind_name(t));
	tool_finish(t, NULL, &f);
}

void tool_label(struct tool *tool, const char *module)
{
	free(tool->module);
	tool->module = mem_strdup(module);
}

int tool_fault(const json_t *report, struct fault *f)
{
	static const struct {
		const char *name;
		enum fault_kind kind;
	} kinds[] = {{"input", FAULT_INPUT}, {"forbidden", FAULT_FORBIDDEN},
		{"not_found", FAULT_NOT_FOUND}, {"function", FAULT_FUNCTION},
		{"upstream", FAULT_UPSTREAM}, {"full", FAULT_FULL}};
	const char *fault = json_string_value(json_object_get(report, "fault"));
	const char *code = json_string_value(json_object_get(report, "code"));
	const char *detail = json_string_value(json_object_get(report, "detail"));
	enum fault_kind kind = FAULT_PLATFORM;
	for (size_t i = 0; fault != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, fault) == 0)
			kind = kinds[i].kind;
	}
	return fault_code(f, kind, code != NULL ? code : "tool_failed", "%s",
		detail != NULL ? detail : "the tool gave no reason");
}

struct tools *tools_create(
	uv_loop_t *loop, struct jailer_client *jailers, const struct tool_limits *limits)
{
	struct tools *tools = mem_zero(1, sizeof(*tools));
	tools->loop = loop;
	tools->jailers = jailers;
	tools->limits = *limits;
	tools->last = &tools->first;
	return tools;
}

unsigned tools_running(const struct tools *tools, enum jail_kind kind)
{
	return tools->running[kind];
}

unsigned tools_waiting(const struct tools *tools)
{
	return tools->queued;
}
