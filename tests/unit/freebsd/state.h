#pragma once

/* state: a state directory and a plan for the backend's tests on the model (world.h). */

#include "base/defer.h"
#include "base/fs.h"
#include "jail/freebsd/freebsd.h"
#include "storage/storage.h"
#include "world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct state {
	char path[256];
	char toolchain[300], tree[300], record[300];
	int directory; /* that somebody has open: with it jail_attach refuses */
	struct net_pools pools;
	struct net_setup net;
	struct storage storage;
	struct jail_plan plan;
	const char *trees[2];
};

static char *const state_environment[] = {(char *)"HOME=/tmp", (char *)"LANG=C.UTF-8", NULL};

static void state_directory(const struct state *s, const char *name)
{
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/%s", s->path, name);
	assert_int_equal(fs_mkdirs(path, 0755, NULL), 0);
}

static void state_pools(struct state *s)
{
	struct net_pool *pool = &s->pools.pool[0];
	s->pools = (struct net_pools){.version = 2, .count = 1};
	(void)snprintf(pool->name, sizeof(pool->name), "default");
	(void)snprintf(pool->interface, sizeof(pool->interface), "em0");
	pool->first = 0x0a000002;
	pool->last = 0x0a000009;
	pool->mask = 0xffffff00;
	pool->gateway = 0x0a000001;
	pool->dns[0] = 0x01010101;
	pool->dns_count = 1;
	(void)snprintf(s->record, sizeof(s->record), "%s/run/network", s->path);
	s->net =
		(struct net_setup){.instance = "sky-test", .record = s->record, .pools = &s->pools};
}

static void state_plan(struct state *s)
{
	s->plan = (struct jail_plan){.state = s->path,
		.toolchain = s->toolchain,
		.instance = "sky-test",
		.uids_apart = true,
		.uid_base = 200000,
		.slots = 8,
		.children_max = 16,
		.builds_max = 2,
		.file_trees = s->trees,
		.net = &s->net,
		.storage = &s->storage};
	s->storage.state = s->path;
	for (int kind = 0; kind < JAIL_KINDS; kind++) {
		const bool call = jail_runs_call((enum jail_kind)kind);
		s->plan.limits[kind] = (struct jail_limits){.memory = call ? 256U << 20 : 1U << 30,
			.pids = call ? 64 : 512,
			.tmp = 64U << 20,
			.cpu_percent = call ? 100 : 0};
		s->plan.environment[kind] = state_environment;
	}
}

static void state_make(struct state *s)
{
	static const char *const directories[] = {"base/dev", "base/tmp", "base-net/dev",
		"base-net/tmp", "base-net/etc", "base-tools/dev", "base-tools/tmp", "base-tools/go",
		"base-tools/src", "base-tools/cache", "base-tools/modules/0", "run", "toolchain",
		"private/gocache", "private/gocache.part", "sources/0000000000000007", "tree"};
	char resolv[600];
	*s = (struct state){.path = "/tmp/sky-freebsd-XXXXXX"};
	assert_non_null(mkdtemp(s->path));
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		state_directory(s, directories[i]);
	(void)snprintf(resolv, sizeof(resolv), "%s/base-net/etc/resolv.conf", s->path);
	assert_int_equal(fs_write(resolv, "", 0, 0644, NULL), 0);
	(void)snprintf(s->toolchain, sizeof(s->toolchain), "%s/toolchain", s->path);
	(void)snprintf(s->tree, sizeof(s->tree), "%s/tree", s->path);
	s->trees[0] = s->tree;
	state_pools(s);
	state_plan(s);
	const int low = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->directory = fcntl(low, F_DUPFD_CLOEXEC, 30);
	assert_true(s->directory >= 0);
	(void)close(low);
	world_begin();
	world_hide(s->path);
}

static void state_remove(const struct state *s)
{
	(void)close(s->directory);
	assert_int_equal(fs_remove_all(s->path, NULL), 0);
}

/* The start of what the log says since. */
static inline const char *state_log_from(size_t mark)
{
	return world->log + mark;
}
