/* What the plan of jails has of the configuration: numbers, the kind of storage. */

#include "config_cases.h"

#include "node/node.h"

static void children(const char *text, unsigned children_max, unsigned builds_max)
{
	struct config c = good(text);
	struct jail_plan plan = {.children_max = 77, .builds_max = 77};
	node_plan_limits(&plan, &c);
	if (plan.children_max != children_max || plan.builds_max != builds_max)
		fail_msg("%s: %u children, %u builds", text, plan.children_max, plan.builds_max);
	config_finish(&c);
}

/* The kernel of FreeBSD is told the number that is configured: 256 is what none means for calls, and
 * for jails in a jail it means none. */
static void children_max_is_what_the_configuration_says(void **state)
{
	(void)state;
	children("{}", 0, 2);
	children("{\"jails\": {\"children_max\": 0}}", 0, 2);
	children("{\"jails\": {\"children_max\": 32, \"builds_max\": 5}}", 32, 5);
	children("{\"jails\": {\"children_max\": 100000}}", 100000, 2);
}

static void limits_are_those_of_their_kind(void **state)
{
	(void)state;
	struct config c = good("{\"jails\": {\"pids\": 20, \"tmp\": \"1MiB\", "
			       "\"build\": {\"pids\": 300}}}");
	struct jail_plan plan = {0};
	node_plan_limits(&plan, &c);
	for (int kind = 0; kind < JAIL_KINDS; kind++) {
		if (kind == JAIL_SEED)
			continue; /* has its own, at preparation */
		const bool call = jail_runs_call((enum jail_kind)kind);
		assert_int_equal(plan.limits[kind].pids, call ? 20 : 300);
		assert_int_equal(plan.limits[kind].together, !call);
		assert_int_equal(plan.limits[kind].memory, call ? c.exec.memory : c.build.memory);
	}
	config_finish(&c);
}

static void storage(const char *text, const char *system, enum storage_type wanted)
{
	struct config c = good(text);
	const enum storage_type type = node_storage_type(&c, system);
	if (type != wanted)
		fail_msg("%s on %s: %d", text, system, type);
	config_finish(&c);
}

#define FILES(members) "{\"filesystem\": {" members "}}"

/* zfs is what FreeBSD does where it has a dataset to work in; Linux has to be asked. */
static void storage_is_the_systems_own_where_none_is_named(void **state)
{
	(void)state;
	storage("{}", "freebsd", STORAGE_PLAIN);
	storage(FILES("\"zfs_dataset\": \"zroot/sky\""), "freebsd", STORAGE_ZFS);
	storage("{}", "linux", STORAGE_OVERLAY);
	storage(FILES("\"zfs_dataset\": \"zroot/sky\""), "linux", STORAGE_OVERLAY);
}

static void storage_that_is_named_is_that(void **state)
{
	static const char *const systems[] = {"freebsd", "linux"};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		storage(FILES("\"type\": \"zfs\", \"zfs_dataset\": \"zroot/sky\""), systems[i],
			STORAGE_ZFS);
		storage(FILES("\"type\": \"plain\", \"zfs_dataset\": \"zroot/sky\""), systems[i],
			STORAGE_PLAIN);
		storage(FILES("\"type\": \"overlay\""), systems[i], STORAGE_OVERLAY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_max_is_what_the_configuration_says),
		cmocka_unit_test(limits_are_those_of_their_kind),
		cmocka_unit_test(storage_is_the_systems_own_where_none_is_named),
		cmocka_unit_test(storage_that_is_named_is_that),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
