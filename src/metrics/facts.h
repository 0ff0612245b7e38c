#pragma once

/*
 * facts: the one table of what is counted. A row has the fact's constant, its name in StatsD (one
 * that ends in a dot is followed by its labels' values; empty: not sent), its name in Prometheus,
 * its two label sets, and what it says. docs/metrics.md lists the same, which a test compares.
 */

/* Label sets: constant, label's name in Prometheus, values in the order of the callers' enums. */
#define METRIC_SETS(X)                                                                             \
	X(NONE, "", "")                                                                            \
	X(KIND, "kind", "exec", "build", "fetch", "git", "other")                                  \
	X(OUTCOME, "outcome", "value", "declined", "refused", "not_json", "panic", "exit",         \
		"signal", "out_of_memory", "stack_overflow", "deadlock", "timeout",                \
		"init_timeout", "output_limit", "jail_killed", "fault", "other")                   \
	X(POOL, "result", "hit", "starting", "miss", "reused")                                     \
	X(STAGE, "stage", "request", "resolve", "fetch", "build", "jail", "run")                   \
	X(CACHE, "cache", "artifact", "source")                                                    \
	X(LIMIT, "limit", "node", "function", "caller")                                            \
	X(RESULT, "result", "hit", "joined", "miss")                                               \
	X(ENDPOINT, "endpoint", "function", "health", "ready", "metrics", "api_stats", "jails",    \
		"jail", "ips", "admin", "other")                                                   \
	X(CLASS, "class", "1xx", "2xx", "3xx", "4xx", "5xx")                                       \
	X(STATUS, "status", "200", "202", "204", "400", "401", "403", "404", "405", "408", "409",  \
		"413", "417", "421", "422", "429", "431", "499", "500", "501", "502", "503",       \
		"505", "507", "other")

#define METRIC_COUNTERS(X)                                                                         \
	X(JAIL_CREATED, "jail.created", "sky_jails_created_total", KIND, NONE,                     \
		"Jails that came up: READY, or started where it builds or fetches.")               \
	X(JAIL_REMOVED, "jail.removed", "sky_jails_removed_total", KIND, NONE,                     \
		"Jails that are gone again.")                                                      \
	X(JAIL_KILLED, "jail.killed", "sky_jails_killed_total", KIND, NONE,                        \
		"Jails that were told to end before they ended by themselves.")                    \
	X(JAIL_FAILED, "jail.failed", "sky_jails_failed_total", KIND, NONE,                        \
		"Jails that could not be made.")                                                   \
	X(REPO_CLONE_FAILED, "repo.clone.failed", "sky_fetches_failed_total", NONE, NONE,          \
		"Fetches of a source that brought none.")                                          \
	X(BUILD_FAILED, "build.failed", "sky_builds_failed_total", NONE, NONE,                     \
		"Builds that left no program.")                                                    \
	X(EXEC_ENDED, "exec.", "sky_calls_total", OUTCOME, NONE,                                   \
		"Calls by how the function's program ended.")                                      \
	X(POOL_ASKED, "pool.", "sky_pool_requests_total", POOL, NONE,                              \
		"Jails asked of the pool: one waited, one was starting, one had to be made, "      \
		"or one that had served the caller served it again.")                              \
	X(REFUSED, "queue.refused.", "sky_calls_refused_total", LIMIT, NONE,                       \
		"Calls refused by 429, by the limit they were beyond.")                            \
	X(CACHE_ASKED, "cache.", "sky_cache_requests_total", CACHE, RESULT,                        \
		"Programs and sources asked for: there, joined one under way, or made.")           \
	X(REQUEST, "request.", "sky_requests_total", ENDPOINT, STATUS,                             \
		"Answers by endpoint and status; 499: the caller left first.")                     \
	X(STATSD_LOST, "statsd.lost", "sky_statsd_lost_total", NONE, NONE,                         \
		"Datagrams to StatsD that the kernel did not take.")                               \
	X(LOG_LOST, "log.lost", "sky_log_lines_lost_total", NONE, NONE,                            \
		"Lines of the log that nobody read in time.")

#define METRIC_TIMERS(X)                                                                           \
	X(JAIL_CREATED_TIME, "jail.created.time", "sky_jail_created_seconds", KIND, NONE,          \
		"From asking for a jail until it was READY, or started.")                          \
	X(JAIL_REMOVED_TIME, "jail.removed.time", "sky_jail_lifetime_seconds", KIND, NONE,         \
		"How long jails lived.")                                                           \
	X(JAIL_KILLED_TIME, "jail.killed.time", "sky_jail_killed_seconds", KIND, NONE,             \
		"From telling a jail to end until it had.")                                        \
	X(JAIL_WAIT, "jail.wait", "sky_jail_wait_seconds", NONE, NONE,                             \
		"How long calls waited for their jail.")                                           \
	X(QUEUE_WAIT, "queue.wait", "sky_queue_wait_seconds", NONE, NONE,                          \
		"How long calls that had to wait for their turn did.")                             \
	X(REPO_CLONE, "repo.clone", "sky_fetch_seconds", NONE, NONE,                               \
		"Fetches of a source with all it needs.")                                          \
	X(BUILD, "build", "sky_build_seconds", NONE, NONE, "Builds of a program.")                 \
	X(EXEC, "exec", "sky_exec_seconds", NONE, NONE,                                            \
		"Calls, from the call to its result or the program's end.")                        \
	X(NETWORK_ALLOCATE, "network.allocate", "sky_network_allocate_seconds", NONE, NONE,        \
		"Leases of an address, from asking until the jail has it.")                        \
	X(STAGE, "stage.", "sky_stage_seconds", STAGE, NONE,                                       \
		"Stages of calls, of those that a call went through.")                             \
	X(REQUEST_TIME, "request.", "sky_request_seconds", ENDPOINT, CLASS,                        \
		"Requests, from their first byte to the answer.")

#define METRIC_GAUGES(X)                                                                           \
	X(JAILS_WAITING, "jails.waiting", "sky_jails_waiting", NONE, NONE,                         \
		"Jails in which a program waits for a call.")                                      \
	X(JAILS_RUNNING, "jails.running", "sky_jails_running", NONE, NONE, "Calls that run.")      \
	X(QUEUE_LENGTH, "queue.length", "sky_queue_length", NONE, NONE,                            \
		"Calls that wait for their turn.")                                                 \
	X(BUILDS_RUNNING, "builds.running", "sky_builds_running", NONE, NONE, "Builds that run.")  \
	X(FETCHES_RUNNING, "fetches.running", "sky_fetches_running", NONE, NONE,                   \
		"Fetches that run.")                                                               \
	X(TOOLS_WAITING, "tools.waiting", "sky_tools_waiting", NONE, NONE,                         \
		"Builds and fetches that wait for their turn.")                                    \
	X(CONNECTIONS, "connections", "sky_connections", NONE, NONE, "HTTP connections open.")     \
	X(RESIDENT, "", "sky_resident_memory_bytes", NONE, NONE,                                   \
		"Resident memory of the server's process.")                                        \
	X(UPTIME, "", "sky_uptime_seconds", NONE, NONE, "Since the server's start.")

enum metric {
#define METRIC_X(id, ...) METRIC_##id,
	METRIC_COUNTERS(METRIC_X) METRIC_TIMERS(METRIC_X) METRIC_GAUGES(METRIC_X)
#undef METRIC_X
		METRICS
};

/* The labels' values, where callers have no enum of their own for them. */
enum metric_pool { METRIC_POOL_HIT, METRIC_POOL_STARTING, METRIC_POOL_MISS, METRIC_POOL_REUSED };
enum metric_limit { METRIC_LIMIT_NODE, METRIC_LIMIT_FUNCTION, METRIC_LIMIT_CALLER };
enum metric_cache { METRIC_CACHE_ARTIFACT, METRIC_CACHE_SOURCE };
enum metric_result { METRIC_RESULT_HIT, METRIC_RESULT_JOINED, METRIC_RESULT_MISS };
enum metric_endpoint {
	METRIC_ENDPOINT_FUNCTION,
	METRIC_ENDPOINT_HEALTH,
	METRIC_ENDPOINT_READY,
	METRIC_ENDPOINT_METRICS,
	METRIC_ENDPOINT_API_STATS,
	METRIC_ENDPOINT_JAILS,
	METRIC_ENDPOINT_JAIL,
	METRIC_ENDPOINT_IPS,
	METRIC_ENDPOINT_ADMIN, /* any other of the admin API */
	METRIC_ENDPOINT_OTHER,
};
/* Kinds follow enum jail_kind, outcomes enum pool_outcome, stages enum invoke_stage: whoever counts
 * by those asserts these. */
enum { METRIC_KIND_FETCH = 2, METRIC_OUTCOME_FAULT = 14, METRIC_STAGE_RUN = 5 };
