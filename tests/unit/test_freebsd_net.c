/* FreeBSD's addresses on the model of its kernel: the rules for pf word for word, what is refused,
 * what is left. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/freebsd/arp.h"
#include "freebsd/state.h"
#include "net/freebsd/alias.h"
#include "net/freebsd/pf.h"

static struct state state;
static const uint32_t three = 0x0a000003;

static int begin(void **unused)
{
	(void)unused;
	state_make(&state);
	return 0;
}

static int end(void **unused)
{
	struct fault f = {0};
	(void)unused;
	world->fail_at = 0;
	assert_int_equal(net_host_clear(&state.net, &f), 0);
	assert_string_equal(world_left(), "");
	assert_int_equal(access(state.record, F_OK), -1);
	state_remove(&state);
	return 0;
}

static int make(uint32_t address, bool probe, struct fault *f)
{
	const struct net_link_want want = {.netns = -1, .address = address, .probe = probe};
	*f = (struct fault){0};
	return net_link_make(&state.net, &want, f);
}

static void refused(const char *words)
{
	struct fault f;
	state.pools.version += 2; /* nobody has looked since */
	assert_int_equal(make(three, false, &f), -1);
	if (strstr(f.text, words) == NULL)
		fail_msg("%s", f.text);
	assert_string_equal(world_left(), "");
}

/* ---- pf ---- */

static void rules_of_a_pool(void **unused)
{
	struct net_pools pools = state.pools;
	defer_buf struct buf text = {0};
	(void)unused;
	pools.pool[0].open[0] = (struct net_network){.address = 0xc0a80500, .mask = 0xffffff00};
	pools.pool[0].open_count = 1;
	pf_put_rules(&text, &pools);
	const char *rules = strchr(text.data, '\n');
	assert_int_equal(strncmp(text.data, "closed = \"{ 0.0.0.0/8 ", 22), 0);
	assert_non_null(strstr(text.data, " 127.0.0.0/8 "));
	assert_non_null(strstr(text.data, " 169.254.0.0/16 "));
	assert_non_null(strstr(text.data, " 10.0.0.0/24 }\"\n"));
	assert_string_equal(rules + 1,
		"# pool \"default\"\n"
		"block return out quick on lo0 inet from 10.0.0.2 - 10.0.0.9 to any\n"
		"block drop in quick on lo0 inet from 10.0.0.2 - 10.0.0.9 to any\n"
		"pass out quick inet proto { tcp udp } from 10.0.0.2 - 10.0.0.9 to 1.1.1.1 port "
		"53\n"
		"pass out quick inet from 10.0.0.2 - 10.0.0.9 to 192.168.5.0/24\n"
		"block return out quick inet from 10.0.0.2 - 10.0.0.9 to $closed\n"
		"pass out quick inet proto { tcp udp } from 10.0.0.2 - 10.0.0.9 to any\n"
		"block return out quick inet from 10.0.0.2 - 10.0.0.9 to any\n"
		"block drop in quick inet from any to 10.0.0.2 - 10.0.0.9\n");
}

static void pfctl_is_understood(void **unused)
{
	(void)unused;
	assert_true(pf_is_on("No ALTQ support in kernel\nStatus: Enabled for 1 days\n"));
	assert_false(pf_is_on("Status: Disabled\n"));
	assert_true(pf_has_anchor("anchor \"sky-island/*\" all\n"));
	assert_true(pf_has_anchor("scrub in all\nanchor \"sky-island/*\" all\n"));
	assert_false(pf_has_anchor("# anchor \"sky-island/*\"\nanchor \"ftp-proxy/*\" all\n"));
	assert_true(pf_skips("lo0 (skip)\n", "lo0"));
	assert_false(pf_skips("lo0\nem0 (skip)\n", "lo0"));
}

/* ---- making and removing ---- */

static void an_address_is_made_and_removed(void **unused)
{
	struct fault f;
	(void)unused;
	assert_int_equal(make(three, true, &f), 0);
	assert_string_equal(world_left(), "alias 0a000003\n");
	assert_string_not_equal(world->pf, "");
	defer_free char *record = fs_read(state.record, 4096, NULL, &f);
	assert_string_equal(record, "em0 10.0.0.3\n");
	assert_int_equal(net_alias_remove(&state.net, three, &f), 0);
	assert_int_equal(net_alias_remove(&state.net, three, &f), 0);
	assert_string_equal(world_left(), "");
}

/* Once for each version of the pools. */
static void rules_are_loaded_when_pools_change(void **unused)
{
	struct fault f;
	(void)unused;
	assert_int_equal(make(three, false, &f), 0);
	world->pf[0] = '\0';
	assert_int_equal(make(three + 1, false, &f), 0);
	assert_string_equal(world->pf, "");
	state.pools.version += 2;
	assert_int_equal(make(three + 2, false, &f), 0);
	assert_string_not_equal(world->pf, "");
	assert_int_equal(net_host_clear(&state.net, &f), 0);
	assert_string_equal(world->pf, "");
}

static void a_leftover_of_ours_goes_first(void **unused)
{
	struct fault f;
	(void)unused;
	assert_int_equal(make(three, false, &f), 0);
	assert_int_equal(make(three, false, &f), 0);
	assert_string_equal(world_left(), "alias 0a000003\n");
}

/* Somebody gave the interface that address meanwhile: it is theirs, and stays. */
static void what_is_not_ours_stays(void **unused)
{
	struct fault f;
	(void)unused;
	world->alias[0].address = three;
	assert_int_equal(make(three, false, &f), -1);
	assert_string_equal(f.code, "address_taken");
	assert_int_equal(f.kind, FAULT_BUSY);
	assert_int_equal(net_alias_remove(&state.net, three, &f), 0);
	assert_int_equal(world->alias[0].address, three);
	/* An alias with our mask that the record does not name. */
	world->alias[0].mask = UINT32_MAX;
	assert_int_equal(net_alias_remove(&state.net, three, &f), 0);
	assert_int_equal(world->alias[0].address, three);
}

static void another_hosts_address_is_not_taken(void **unused)
{
	struct fault f;
	(void)unused;
	world->neighbour = three;
	assert_int_equal(make(three, true, &f), -1);
	assert_string_equal(f.code, "address_taken");
	assert_string_equal(world_left(), "");
	assert_int_equal(make(three, false, &f), 0); /* asked within the last minute */
}

static void what_is_missing_is_named(void **unused)
{
	struct net_pool *pool = &state.pools.pool[0];
	(void)unused;
	world->pf_on = false;
	refused("sysrc pf_enable=YES");
	world->pf_on = true;
	world->pf_anchor = false;
	refused("need the line anchor \"sky-island/*\" in /etc/pf.conf");
	world->pf_anchor = true;
	world->pf_skips = true;
	refused("take `set skip on lo0` out");
	world->pf_skips = false;
	(void)snprintf(pool->interface, sizeof(pool->interface), "igb7");
	refused("there is no interface igb7 here");
	pool->interface[0] = '\0';
	refused("network.ip4.interface (pool \"default\")");
	(void)snprintf(pool->interface, sizeof(pool->interface), "em0");
	pool->first = three + 1;
	refused("in no pool any more");
}

static void a_failure_at_each_call_leaves_no_alias(void **unused)
{
	unsigned failures = 0;
	(void)unused;
	for (unsigned at = 1;; at++) {
		struct fault f;
		world->calls = 0;
		world->failed = false;
		state.pools.version += 2; /* the rules too */
		world->fail_at = at;
		const int made = make(three, true, &f);
		world->fail_at = 0;
		if (made == 0)
			break;
		failures++;
		assert_true(f.kind != FAULT_NONE);
		assert_string_equal(world_left(), "");
	}
	assert_int_equal(failures, 8);
}

static void clearing_fails_and_is_tried_again(void **unused)
{
	(void)unused;
	for (unsigned at = 1;; at++) {
		struct fault f = {0};
		assert_int_equal(make(three, false, &f), 0);
		world->calls = 0;
		world->failed = false;
		world->fail_at = at;
		const int cleared = net_host_clear(&state.net, &f);
		world->fail_at = 0;
		assert_int_equal(cleared, world->failed ? -1 : 0);
		assert_int_equal(net_host_clear(&state.net, &f), 0);
		assert_string_equal(world_left(), "");
		assert_string_equal(world->pf, "");
		if (!world->failed)
			break;
	}
}

/* ---- whether pools fit ---- */

static void checked(const char *fault, const char *warning)
{
	struct fault f = {0};
	defer_buf struct buf warnings = {0};
	buf_puts(&warnings, "");
	const int fits = net_host_check(&state.pools, "sky-test", &warnings, &f);
	assert_int_equal(fits, fault != NULL ? -1 : 0);
	if (fault != NULL)
		assert_string_equal(f.text, fault);
	if (warning != NULL)
		assert_string_equal(warnings.data, warning);
}

static void pools_are_compared_with_the_host(void **unused)
{
	struct net_pool *pool = &state.pools.pool[0];
	(void)unused;
	checked(NULL, "");
	pool->first = 0x0a000001;
	checked("network.ip4.start_addr (pool \"default\"): found 10.0.0.1, an address of this "
		"host's em0, allowed: a pool that does not hold it",
		NULL);
	pool->first = 0x0a000002;
	pool->mask = 0xffff0000;
	checked("network.ip4.mask (pool \"default\"): found 255.255.0.0, allowed: 255.255.255.0, "
		"which em0 has",
		NULL);
	pool->mask = 0xffffff00;
	pool->first = pool->last = 0x0b000002;
	checked(NULL, "network.ip4.start_addr: em0 has no network that holds 11.0.0.2 of the pool "
		      "\"default\": answers come only if it is routed to this host\n");
	(void)snprintf(pool->interface, sizeof(pool->interface), "igb7");
	checked(NULL, "network.ip4.interface: found igb7, which is not on this host: calls with "
		      "ip4 from the pool \"default\" are refused\n");
	pool->interface[0] = '\0';
	checked(NULL, "network.ip4.interface: the pool \"default\" names none, which it must on "
		      "FreeBSD: calls with ip4 are refused\n");
}

/* Of a run that was killed: the next step clears it. */
static void a_jail_of_ours_may_have_its_address(void **unused)
{
	struct fault f = {0};
	struct jail_parts parts;
	const struct jail_order order = {.kind = JAIL_EXEC_NET, .address = three};
	(void)unused;
	assert_int_equal(jail_backend->prepare(&state.plan, &f), 0);
	assert_int_equal(jail_backend->create(&state.plan, 1, &order, &parts, &f), 0);
	checked(NULL, "");
	assert_int_equal(jail_backend->prepare(&state.plan, &f), 0);
	assert_string_equal(world_left(), "jail sky-test-build\n");
	jail_backend->finish(&state.plan);
}

static void doctor_shows_what_is_changed(void **unused)
{
	struct fault f;
	defer_buf struct buf report = {0};
	(void)unused;
	net_host_report(&state.net, &report);
	assert_string_equal(report.data, "ok\tnetwork\tnothing is changed on the host\n");
	assert_int_equal(make(three, false, &f), 0);
	report.len = 0;
	net_host_report(&state.net, &report);
	net_host_probe(&state.net, &report);
	assert_string_equal(report.data,
		"ok\tnetwork\tchanged on the host until stop: aliases of jails with addresses, pf "
		"anchor sky-island/sky-test\n"
		"ok\tpf\tit is on and has the anchor sky-island/*\n"
		"ok\tpool\tdefault: on em0\n");
}

/* ---- ARP ---- */

static void questions_and_answers(void **unused)
{
	static const uint8_t own[ARP_MAC] = {2, 0, 0, 0, 0, 1}, other[ARP_MAC] = {2, 0, 0, 0, 0, 2};
	static const uint8_t golden[ARP_FRAME] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,
		1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10,
		0, 0, 3};
	uint8_t frame[ARP_FRAME];
	(void)unused;
	arp_put_question(frame, own, three);
	assert_memory_equal(frame, golden, sizeof(golden));
	assert_false(arp_says_taken(frame, sizeof(frame), own, three));  /* our own */
	assert_true(arp_says_taken(frame, sizeof(frame), other, three)); /* another asks too */
	assert_false(arp_says_taken(frame, sizeof(frame), other, three + 1));
	memcpy(frame + 22, other, ARP_MAC);
	memcpy(frame + 28, frame + 38, 4); /* it has the address */
	frame[21] = 2;
	assert_true(arp_says_taken(frame, sizeof(frame), own, three));
	assert_false(arp_says_taken(frame, sizeof(frame) - 1, own, three));
	frame[13] = 0;
	assert_false(arp_says_taken(frame, sizeof(frame), own, three));
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {T(rules_of_a_pool), T(pfctl_is_understood),
		T(an_address_is_made_and_removed), T(rules_are_loaded_when_pools_change),
		T(a_leftover_of_ours_goes_first), T(what_is_not_ours_stays),
		T(another_hosts_address_is_not_taken), T(what_is_missing_is_named),
		T(a_failure_at_each_call_leaves_no_alias), T(clearing_fails_and_is_tried_again),
		T(pools_are_compared_with_the_host), T(a_jail_of_ours_may_have_its_address),
		T(doctor_shows_what_is_changed), T(questions_and_answers)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
