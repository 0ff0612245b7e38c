/* The server's process: unprivileged, one loop; it puts the modules together and ends when it is
 * drained. */

#include "node/node.h"

#include "api/api.h"
#include "base/buf.h"
#include "base/defer.h"
#include "base/fdpass.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/os.h"
#include "metrics/metrics.h"
#include "net/egress.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct server {
	struct node *node;
	uv_loop_t loop;
	struct jailer_client *jailers;
	struct tools *tools;
	struct leases *leases; /* NULL: jails get no addresses */
	struct pool *pool;
	struct store *store;
	struct cache *cache;
	struct sources *sources;
	struct api *api;
	struct http_server *http, *local;
	uv_poll_t control;
	uv_signal_t terminate;
	uv_timer_t drained, alive;
	uv_prepare_t turn;
	int control_fd;
	bool draining;
	unsigned quiet; /* looks that found nothing to wait for */
	uint64_t started_ns;
};

enum { LOOK_MS = 20 };

static uint64_t ms_of(int64_t ns)
{
	return (uint64_t)ns / 1000000U;
}

static unsigned unanswered(const struct http_server *http)
{
	return http_server_open_exchanges(http) + http_server_unsent(http);
}

static void drained_check(uv_timer_t *timer)
{
	struct server *s = timer->data;
	if (unanswered(s->http) + unanswered(s->local) > 0) {
		s->quiet = 0;
	} else if (++s->quiet == 2) {
		uv_stop(&s->loop); /* twice none: what was taken apart meanwhile is answered */
	} else {
		http_server_drain(s->http);
		http_server_drain(s->local);
	}
}

/* First SIGTERM: those that run end, new calls are still heard, and told 503. The second comes as
 * SIGKILL from the supervisor.
 */
static void on_terminate(uv_signal_t *handle, int number)
{
	struct server *s = handle->data;
	(void)number;
	if (s->draining)
		return;
	s->draining = true;
	api_drain(s->api);
	pool_drain(s->pool);
	(void)uv_timer_start(&s->drained, drained_check, 0, LOOK_MS);
}

/* The supervisor hands over the socket of a new jailer, or what SIGHUP read again; end of file: the
 * supervisor is gone, and with it our reason to be. */
static void on_control(uv_poll_t *handle, int status, int events)
{
	struct server *s = handle->data;
	defer_free char *text = mem_alloc(NODE_CONTROL_MAX);
	int fd = -1;
	unsigned count = 1;
	struct fault f = {0};
	(void)status;
	(void)events;
	ssize_t n = fdpass_receive(s->control_fd, text, NODE_CONTROL_MAX, &fd, &count);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0 && errno == EMFILE) { /* it ends as its socket does, and comes again */
		log_error("a jailer's socket could not be taken: " JAILER_NO_FILES);
		return;
	}
	if (n > NODE_WORD && count == 0) {
		node_reload_take(s->node, text, (size_t)n);
		if (s->leases != NULL)
			lease_reload(s->leases, s->node->pools);
		api_reload(s->api);
		pool_reuse_end(s->pool);
		sodium_memzero(text, (size_t)n);
		return;
	}
	if (n != NODE_WORD || count != 1) {
		log_error("the supervisor is gone");
		_exit(1);
	}
	if (jailer_client_attach(s->jailers, fd, &f) < 0)
		log_error("%s", f.text);
}

static void tools_open(struct server *s)
{
	const struct node *n = s->node;
	const struct tool_limits limits = {
		.build_ms = ms_of(n->config.build_timeout),
		.fetch_ms = ms_of(n->config.fetch_timeout),
		.builds_max = n->config.builds_max,
		.fetches_max = 4,
		.egress =
			{
				.trusted_hosts = (const char *const *)n->modules.trusted,
				.upstream_proxy = n->modules.https_proxy,
				.no_proxy = n->modules.no_proxy,
				.plain_http = true,
				.bytes_max = (uint64_t)2 << 30,
				.connections_max = 64,
			},
	};
	s->tools = tools_create(&s->loop, s->jailers, &limits);
}

/* What the configuration says, or that part of what there is for us. */
static uint64_t memory_of(size_t configured, unsigned part)
{
	struct memory memory;
	memory_find(&memory, "/proc", "/sys/fs/cgroup");
	const uint64_t total = memory_total(&memory);
	return configured > 0 ? configured
			      : (total != UINT64_MAX ? total : uv_get_total_memory()) / part;
}

static void pool_open(struct server *s)
{
	const struct config *c = &s->node->config;
	if (s->node->plan.net != NULL)
		s->leases = leases_create(s->node->pools);
	const struct pool_limits limits = {
		.exec_ms = ms_of(c->exec_timeout),
		.init_ms = ms_of(c->init_timeout),
		.output_max = c->output_max,
		.waiting_max = c->waiting_max,
		.waiting_bytes_max = memory_of(c->waiting_memory, 4),
		.reserve_bytes = memory_of(c->memory_reserve, 20),
		.running_max = c->children_max > 0 ? c->children_max : 256,
		.function_max = c->calls_per_function,
		.queue_max = c->queue_max,
		.queue_ms = ms_of(c->queue_timeout),
		.idle_ms = (uint64_t)(c->idle_timeout / 1000000),
		.leases = s->leases,
	};
	s->pool = pool_create(&s->loop, s->jailers, &limits);
}

static const char *expressions_name(const struct config *c)
{
	return c->expressions == CONFIG_EXPRESSIONS_OFF      ? "off"
	       : c->expressions == CONFIG_EXPRESSIONS_SIMPLE ? "simple"
							     : "full";
}

/* All that makes another program of the same source. */
static char *builder_name(const struct node *n)
{
	const char *tool = strrchr(n->plan.tool, '/') + 1; /* named by the digest of its source */
	return mem_printf(
		"%s %s cgo=%d driver=%s", n->go_version, node_architecture(), n->config.cgo, tool);
}

/* A proxy that has seen a query before may answer from memory; a tree of files does not. */
static bool is_proxied(const struct node *n)
{
	return strstr(n->modules.proxy, "http://") != NULL ||
	       strstr(n->modules.proxy, "https://") != NULL;
}

static void caches_open(struct server *s)
{
	const struct config *c = &s->node->config;
	s->store = store_open("store/cache.db");
	s->cache = cache_create(&s->loop, c->cache_max, ms_of(c->cache_purge_after));
}

static void caches_close(struct server *s)
{
	cache_save(s->cache);
	sources_save(s->sources);
	store_close(s->store);
}

static void api_open(struct server *s)
{
	const struct node *n = s->node;
	const struct sources_setup sources = {
		.loop = &s->loop,
		.tools = s->tools,
		.store = s->store,
		.cache = s->cache,
		.state = ".",
		.toolchain = n->plan.toolchain + strlen(n->state) + 1,
		.go_version = n->go_version,
		.tool = strrchr(n->plan.tool, '/') + 1,
		.expires_ms = ms_of(n->config.cache_default_expiration),
		.unused_ms = ms_of(n->config.cache_purge_after),
		.bytes_max = (uint64_t)1 << 30,
		.git = {.config = &n->config, .missing = n->git.missing},
	};
	const struct artifacts_setup artifacts = {
		.loop = &s->loop,
		.tools = s->tools,
		.pool = s->pool,
		.store = s->store,
		.cache = s->cache,
		.state = ".",
		.builder = builder_name(n), /* as long as the process */
		.cgo = n->config.cgo,
	};
	s->sources = sources_create(&sources);
	const struct api_setup setup = {
		.config = &n->config,
		.jailers = s->jailers,
		.plan = &n->plan,
		.leases = s->leases,
		.invoke =
			{
				.sources = s->sources,
				.artifacts = artifacts_create(&artifacts),
				.pool = s->pool,
				.expressions = expressions_name(&n->config),
				.proxied = is_proxied(n),
			},
	};
	s->api = api_create(&setup);
	store_start(s->store);
}

/* What is only looked at when it is told. */
static void gauges_set(void *ctx, bool exposed)
{
	const struct server *s = ctx;
	size_t resident = 0;
	metrics_set(METRIC_JAILS_WAITING, pool_waiting(s->pool));
	metrics_set(METRIC_JAILS_RUNNING, pool_running(s->pool));
	metrics_set(METRIC_QUEUE_LENGTH, pool_queued(s->pool));
	metrics_set(METRIC_BUILDS_RUNNING, tools_running(s->tools, JAIL_BUILD));
	metrics_set(METRIC_FETCHES_RUNNING,
		tools_running(s->tools, JAIL_FETCH) + tools_running(s->tools, JAIL_GIT));
	metrics_set(METRIC_TOOLS_WAITING, tools_waiting(s->tools));
	metrics_set(METRIC_CONNECTIONS,
		http_server_connections(s->http) + http_server_connections(s->local));
	metrics_set(METRIC_LOG_LOST, log_lost());
	if (!exposed)
		return;
	(void)uv_resident_set_memory(&resident);
	metrics_set(METRIC_RESIDENT, resident);
	metrics_set(METRIC_UPTIME, (clock_mono_ns() - s->started_ns) / 1000000000U);
}

static void metrics_open(struct server *s)
{
	const struct config *c = &s->node->config;
	s->started_ns = clock_mono_ns();
	log_never_wait();
	metrics_sampler(gauges_set, s);
	if (c->statsd_host != NULL)
		statsd_open(&s->loop, c->statsd_host, c->statsd_port);
}

static struct http_server *http_open(struct server *s, int listener, bool trusted, struct fault *f)
{
	struct http_callbacks callbacks = api_callbacks(s->api, trusted);
	struct http_server *http =
		http_server_create(&s->loop, &http_limits_default, &callbacks, f);
	if (http == NULL || (listener >= 0 && http_server_listen(http, listener, f) < 0))
		return NULL;
	return http;
}

static int signals_watch(struct server *s)
{
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)uv_signal_init(&s->loop, &s->terminate);
	(void)uv_timer_init(&s->loop, &s->drained);
	s->terminate.data = s->drained.data = s->control.data = s;
	(void)fcntl(s->control_fd, F_SETFL, O_NONBLOCK);
	(void)uv_poll_init(&s->loop, &s->control, s->control_fd);
	(void)uv_poll_start(&s->control, UV_READABLE, on_control);
	return uv_signal_start(&s->terminate, on_terminate, SIGTERM);
}

/* systemd's watchdog wants to hear of the loop, which is what could hang: not of the supervisor. */
static void on_alive(uv_timer_t *timer)
{
	const struct server *s = timer->data;
	notify_send(&s->node->notify, "WATCHDOG=1");
}

static void watchdog_start(struct server *s)
{
	const uint64_t every = s->node->notify.watchdog_ms / 2;
	(void)uv_timer_init(&s->loop, &s->alive);
	s->alive.data = s;
	if (every > 0)
		(void)uv_timer_start(&s->alive, on_alive, every, every);
}

/* All its paths are relative to the state directory, which may lie where only root may go. */
static int state_enter(const struct node *n, struct fault *f)
{
	return chdir(n->state) < 0 ? fault_set(f, FAULT_PLATFORM, errno, "enter %s", n->state) : 0;
}

/* Nothing of root's stays: the supervisor bound the listeners, the jailers do the rest. */
static int privileges_drop(const struct node *n, struct fault *f)
{
	struct rlimit files;
	os_end_with_parent(SIGKILL);
	if (n->server_uid != 0 &&
		(setgroups(0, NULL) < 0 ||
			setresgid(n->server_uid, n->server_uid, n->server_uid) < 0 ||
			setresuid(n->server_uid, n->server_uid, n->server_uid) < 0))
		return fault_set(
			f, FAULT_PLATFORM, errno, "become uid %u", (unsigned)n->server_uid);
	os_no_new_privileges();
	os_end_with_parent(SIGKILL); /* cleared by the change of uid */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return 0;
}

static void turn_ends(uv_prepare_t *turn)
{
	(void)turn;
	log_flush();
}

/* One write for the lines of a turn of the loop: they are out before it waits. */
static void log_by_turns(struct server *s)
{
	(void)uv_prepare_init(&s->loop, &s->turn);
	(void)uv_prepare_start(&s->turn, turn_ends);
	uv_unref((uv_handle_t *)&s->turn);
	log_gather();
}

static int server_open(struct server *s, const int *jailers, unsigned count, struct fault *f)
{
	if (state_enter(s->node, f) < 0 || privileges_drop(s->node, f) < 0)
		return -1;
	os_heap_shared();
	json_object_seed(0);
	if (uv_loop_init(&s->loop) < 0)
		return fault_set(f, FAULT_PLATFORM, 0, "no event loop");
	s->jailers = jailer_client_create(&s->loop, jail_runner->jid != NULL);
	for (unsigned i = 0; i < count; i++) {
		if (jailer_client_attach(s->jailers, jailers[i], f) < 0)
			return -1;
	}
	tools_open(s);
	pool_open(s);
	caches_open(s);
	api_open(s);
	s->http = http_open(s, s->node->listener, false, f);
	s->local = s->http != NULL ? http_open(s, s->node->local, true, f) : NULL;
	if (s->local == NULL)
		return -1;
	metrics_open(s);
	log_by_turns(s);
	watchdog_start(s);
	return signals_watch(s) == 0 ? 0 : fault_set(f, FAULT_PLATFORM, 0, "no signals");
}

int server_run(struct node *n, int control, const int *jailers, unsigned count)
{
	struct server s = {.node = n, .control_fd = control};
	struct fault f = {0};
	log_set_role("server");
	(void)signal(SIGHUP, SIG_IGN); /* the supervisor's; who sends it to all ends nobody */
	journal_close(&n->journal);    /* the jailers' and the supervisor's */
	node_pools_leave(n);
	if (server_open(&s, jailers, count, &f) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	caches_close(&s);
	statsd_flush();
	return 0;
}
