/* Pools as numbers, and leases. */

#include "addresses.h"

#include "base/buf.h"
#include "net/lease.h"

#include <stdlib.h>
#include <string.h>

static struct leases *two_pools(struct net_pools *pools)
{
	*pools = (struct net_pools){0};
	pool_add(pools, "one", "10.0.0.2", "10.0.0.4");
	pool_add(pools, "two", "10.0.1.9", "10.0.1.9");
	return leases_create(pools);
}

static uint32_t take(struct leases *l, const char *pool)
{
	struct lease_grant grant;
	struct fault f = {0};
	assert_int_equal(lease_take(l, pool, &grant, &f), 0);
	return grant.address;
}

static void full(struct leases *l, const char *pool)
{
	struct lease_grant grant;
	struct fault f = {0};
	assert_int_equal(lease_take(l, pool, &grant, &f), -1);
	assert_int_equal(f.kind, FAULT_BUSY);
	assert_string_equal(f.code, "no_address");
}

/* ---- numbers ---- */

static void networks_are_read(void **state)
{
	(void)state;
	struct net_network n;
	assert_true(ip4_parse_network("10.1.0.0/16", &n));
	assert_int_equal(n.address, 0x0a010000);
	assert_int_equal(n.mask, 0xffff0000);
	assert_true(ip4_parse_network("0.0.0.0/0", &n));
	assert_int_equal(n.mask, 0);
	assert_true(ip4_parse_network("10.0.0.1/32", &n));
	const char *const bad[] = {"10.1.0.0", "10.1.0.0/", "10.1.0.0/33", "10.1.0.1/16",
		"10.1.0.0/-1", "10.1.0.0/1 ", "10.1.0/16", "/8", "10.1.0.0/016x", "::/0"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ip4_parse_network(bad[i], &n));
}

static void closed_networks_cover_what_they_name(void **state)
{
	(void)state;
	const char *const inner[] = {"10.255.0.0/16", "169.254.169.254/32", "172.31.0.0/16",
		"192.168.7.0/24", "100.127.0.0/16", "127.0.0.1/32", "239.1.1.1/32",
		"255.255.255.255/32", "0.1.0.0/16"};
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		struct net_network n;
		bool covered = false;
		assert_true(ip4_parse_network(inner[i], &n));
		for (size_t k = 0; k < net_closed_count; k++)
			covered |= ip4_covers(&net_closed[k], &n);
		assert_true(covered);
	}
	const char *const outer[] = {
		"8.8.8.8/32", "172.32.0.0/16", "100.128.0.0/16", "192.169.0.0/16", "223.0.0.0/8"};
	for (size_t i = 0; i < sizeof(outer) / sizeof(outer[0]); i++) {
		struct net_network n;
		assert_true(ip4_parse_network(outer[i], &n));
		for (size_t k = 0; k < net_closed_count; k++)
			assert_false(ip4_covers(&net_closed[k], &n));
	}
}

static void a_shared_table_is_found_in(void **state)
{
	(void)state;
	struct net_pools from;
	static struct net_pools shared;
	struct net_pool found;
	leases_destroy(two_pools(&from));
	pools_publish(&shared, &from);
	assert_int_equal(shared.version, 2);
	assert_true(pools_find(&shared, ip4("10.0.1.9"), &found));
	assert_string_equal(found.name, "two");
	assert_false(pools_find(&shared, ip4("10.0.0.5"), &found));
	assert_false(pools_find(&shared, 0, &found));
	from.count = 1;
	pools_publish(&shared, &from);
	assert_int_equal(shared.version, 4);
	assert_false(pools_find(&shared, ip4("10.0.1.9"), &found));
}

/* ---- leases ---- */

static void an_empty_pool_says_so(void **state)
{
	(void)state;
	struct net_pools pools;
	struct leases *l = two_pools(&pools);
	assert_int_equal(take(l, "two"), ip4("10.0.1.9"));
	full(l, "two");
	assert_int_equal(take(l, ""), ip4("10.0.0.2"));
	lease_give(l, ip4("10.0.1.9"));
	assert_int_equal(take(l, "two"), ip4("10.0.1.9"));
	assert_int_equal(lease_held(l), 2);
	leases_destroy(l);
}

static void the_one_free_for_longest_goes_first(void **state)
{
	(void)state;
	struct net_pools pools;
	struct leases *l = two_pools(&pools);
	assert_int_equal(take(l, "one"), ip4("10.0.0.2"));
	lease_give(l, ip4("10.0.0.2"));
	assert_int_equal(take(l, "one"), ip4("10.0.0.3"));
	assert_int_equal(take(l, "one"), ip4("10.0.0.4"));
	assert_int_equal(take(l, "one"), ip4("10.0.0.2"));
	full(l, "one");
	lease_give(l, ip4("10.0.0.4"));
	lease_give(l, ip4("10.0.0.2"));
	assert_int_equal(take(l, "one"), ip4("10.0.0.4"));
	leases_destroy(l);
}

static void giving_twice_gives_once(void **state)
{
	(void)state;
	struct net_pools pools;
	struct leases *l = two_pools(&pools);
	lease_give(l, ip4("10.0.1.9")); /* was not held */
	lease_give(l, ip4("10.9.9.9")); /* is in no pool */
	(void)take(l, "two");
	full(l, "two");
	lease_give(l, ip4("10.0.1.9"));
	lease_give(l, ip4("10.0.1.9"));
	(void)take(l, "two");
	full(l, "two");
	assert_int_equal(lease_held(l), 1);
	leases_destroy(l);
}

static void unknown_pools_are_told_those_there_are(void **state)
{
	(void)state;
	struct net_pools pools;
	struct leases *l = two_pools(&pools);
	struct lease_grant grant;
	struct fault f = {0};
	assert_int_equal(lease_take(l, "three", &grant, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.code, "no_such_pool");
	assert_non_null(strstr(f.text, "\"one\", \"two\""));
	leases_destroy(l);
}

static void what_is_unavailable_is_not_handed_out(void **state)
{
	(void)state;
	struct net_pools pools;
	struct leases *l = two_pools(&pools);
	struct fault f = {0};
	assert_int_equal(lease_set(l, ip4("10.0.0.2"), false, &f), 0);
	assert_int_equal(take(l, "one"), ip4("10.0.0.3"));
	assert_int_equal(lease_set(l, ip4("10.0.0.3"), false, &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_int_equal(lease_set(l, ip4("10.5.0.3"), false, &f), -1);
	assert_int_equal(f.kind, FAULT_NOT_FOUND);
	lease_conflict(l, ip4("10.0.0.3"));
	lease_give(l, ip4("10.0.0.3"));
	assert_int_equal(take(l, "one"), ip4("10.0.0.4"));
	full(l, "one");
	assert_int_equal(lease_set(l, ip4("10.0.0.3"), true, &f), 0);
	assert_int_equal(lease_set(l, ip4("10.0.0.3"), true, &f), 0);
	assert_int_equal(take(l, "one"), ip4("10.0.0.3"));
	full(l, "one");
	leases_destroy(l);
}

/* An address that becomes unavailable and available again while it waits is in the queue once. */
static void back_and_forth_while_it_waits(void **state)
{
	(void)state;
	struct net_pools pools;
	struct leases *l = two_pools(&pools);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(lease_set(l, ip4("10.0.1.9"), false, NULL), 0);
		assert_int_equal(lease_set(l, ip4("10.0.1.9"), true, NULL), 0);
	}
	(void)take(l, "two");
	full(l, "two");
	leases_destroy(l);
}

static void views_are_in_order(void **state)
{
	(void)state;
	struct net_pools pools = {0};
	struct lease_view view;
	pool_add(&pools, "high", "10.0.9.2", "10.0.9.3");
	pool_add(&pools, "low", "10.0.1.2", "10.0.1.3");
	struct leases *l = leases_create(&pools);
	lease_hold(l, take(l, "low"), "exec-7");
	const char *const all[] = {"10.0.1.2", "10.0.1.3", "10.0.9.2", "10.0.9.3"};
	uint32_t from = 0;
	for (size_t i = 0; i < 4; i++) {
		assert_true(lease_next(l, NULL, from, &view));
		assert_int_equal(view.address, ip4(all[i]));
		assert_int_equal(view.held, i == 0);
		if (i == 0)
			assert_string_equal(view.holder, "exec-7");
		from = view.address + 1;
	}
	assert_false(lease_next(l, NULL, from, &view));
	assert_true(lease_next(l, "high", 0, &view));
	assert_int_equal(view.address, ip4("10.0.9.2"));
	assert_false(lease_next(l, "high", ip4("10.0.9.4"), &view));
	leases_destroy(l);
}

static void other_pools_keep_what_is_held(void **state)
{
	(void)state;
	struct net_pools pools;
	struct leases *l = two_pools(&pools);
	assert_int_equal(lease_set(l, ip4("10.0.0.4"), false, NULL), 0);
	lease_hold(l, take(l, "one"), "exec-1"); /* .2 */
	lease_hold(l, take(l, "two"), "exec-2");
	struct net_pools other = {0};
	struct lease_view view;
	pool_add(&other, "uno", "10.0.0.2", "10.0.0.6");
	lease_reload(l, &other);
	assert_int_equal(lease_held(l), 1);
	assert_true(lease_next(l, "uno", 0, &view));
	assert_true(view.held);
	assert_string_equal(view.holder, "exec-1");
	/* New ones first, then those that waited; not .4, which stays unavailable. */
	assert_int_equal(take(l, "uno"), ip4("10.0.0.5"));
	assert_int_equal(take(l, "uno"), ip4("10.0.0.6"));
	assert_int_equal(take(l, "uno"), ip4("10.0.0.3"));
	full(l, "uno");
	lease_give(l, ip4("10.0.1.9")); /* of the pool that is gone */
	lease_give(l, ip4("10.0.0.2"));
	assert_int_equal(take(l, "uno"), ip4("10.0.0.2"));
	lease_reload(l, &(struct net_pools){0});
	assert_int_equal(lease_held(l), 0);
	leases_destroy(l);
}

static void only_interfaces_are_asked(void **state)
{
	(void)state;
	struct net_pools pools;
	struct lease_grant grant;
	leases_destroy(two_pools(&pools));
	(void)snprintf(pools.pool[1].interface, sizeof(pools.pool[1].interface), "eth0");
	struct leases *l = leases_create(&pools);
	assert_int_equal(lease_take(l, "one", &grant, NULL), 0);
	assert_false(grant.probe);
	assert_int_equal(lease_take(l, "two", &grant, NULL), 0);
	assert_true(grant.probe);
	lease_confirm(l, grant.address);
	lease_give(l, grant.address);
	assert_int_equal(lease_take(l, "two", &grant, NULL), 0);
	assert_false(grant.probe);
	lease_conflict(l, grant.address);
	lease_give(l, grant.address);
	assert_int_equal(lease_set(l, grant.address, true, NULL), 0);
	assert_int_equal(lease_take(l, "two", &grant, NULL), 0);
	assert_true(grant.probe);
	leases_destroy(l);
}

/* Against a model: each address is held, unavailable or free, and none is ever lost or doubled. */
static void ten_thousand_at_random(void **state)
{
	(void)state;
	enum { COUNT = 97 };
	struct net_pools pools = {0};
	bool held[COUNT] = {false};
	bool kept[COUNT] = {false};
	pool_add(&pools, "p", "10.0.0.2", "10.0.0.98");
	struct leases *l = leases_create(&pools);
	const uint32_t first = ip4("10.0.0.2");
	srandom(1);
	for (int i = 0; i < 100000; i++) {
		const unsigned at = (unsigned)random() % COUNT;
		struct lease_grant grant;
		const long what = random() % 10;
		if (what < 5 && lease_take(l, "", &grant, NULL) == 0) {
			assert_false(held[grant.address - first]);
			assert_false(kept[grant.address - first]);
			held[grant.address - first] = true;
		} else if (what < 9) {
			lease_give(l, first + at);
			held[at] = false;
		} else if (lease_set(l, first + at, i % 3 != 0, NULL) == 0) {
			assert_false(held[at]);
			kept[at] = i % 3 == 0;
		} else {
			assert_true(held[at]);
		}
		if (i % 1000 == 0)
			lease_reload(l, &pools);
	}
	unsigned free_count = 0;
	for (unsigned i = 0; i < COUNT; i++)
		free_count += !held[i] && !kept[i];
	while (free_count-- > 0)
		(void)take(l, "");
	full(l, "");
	leases_destroy(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_read),
		cmocka_unit_test(closed_networks_cover_what_they_name),
		cmocka_unit_test(a_shared_table_is_found_in),
		cmocka_unit_test(an_empty_pool_says_so),
		cmocka_unit_test(the_one_free_for_longest_goes_first),
		cmocka_unit_test(giving_twice_gives_once),
		cmocka_unit_test(unknown_pools_are_told_those_there_are),
		cmocka_unit_test(what_is_unavailable_is_not_handed_out),
		cmocka_unit_test(back_and_forth_while_it_waits),
		cmocka_unit_test(views_are_in_order),
		cmocka_unit_test(other_pools_keep_what_is_held),
		cmocka_unit_test(only_interfaces_are_asked),
		cmocka_unit_test(ten_thousand_at_random),
	};
	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
