/* FreeBSD's slots on the model of its kernel (freebsd/world.h): what is asked of it word for word, a
 * failure at each call, a kill at each call. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "freebsd/state.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct state state;
static const struct jail_order orders[] = {{.kind = JAIL_EXEC}, {.kind = JAIL_BUILD, .source = 7},
	{.kind = JAIL_FETCH}, {.kind = JAIL_GIT}, {.kind = JAIL_SEED},
	{.kind = JAIL_EXEC_NET, .address = 0x0a000003, .probe = true}};
enum { ORDERS = sizeof(orders) / sizeof(orders[0]) };

static int begin(void **unused)
{
	(void)unused;
	state_make(&state);
	struct fault f = {0};
	assert_int_equal(jail_backend->prepare(&state.plan, &f), 0);
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	world->fail_at = 0;
	jail_backend->finish(&state.plan);
	assert_string_equal(world_left(), "");
	state_remove(&state);
	return 0;
}

static void parts_close(struct jail_parts *parts)
{
	for (int i = 0; i < JAIL_PARTS; i++) {
		if (parts->fd[i] >= 0)
			(void)close(parts->fd[i]);
		parts->fd[i] = -1;
	}
}

static void create(const struct jail_order *order, struct jail_parts *parts)
{
	struct fault f = {0};
	if (jail_backend->create(&state.plan, 3, order, parts, &f) < 0)
		fail_msg("%s", f.text);
}

static void destroy(void)
{
	struct fault f = {0};
	if (jail_backend->destroy(&state.plan, 3, &f) < 0)
		fail_msg("%s", f.text);
}

/* Only the jail for builds, of prepare, is left, and no directory. */
static void nothing_left(void)
{
	char path[600];
	struct stat st;
	assert_string_equal(world_left(), "jail sky-test-build\n");
	(void)snprintf(path, sizeof(path), "%s/run/jails/3", state.path);
	assert_int_equal(stat(path, &st), -1);
	(void)snprintf(path, sizeof(path), "%s/run/jails/3.resolv", state.path);
	assert_int_equal(stat(path, &st), -1);
}

static void made_as(const struct jail_order *order, const char *golden)
{
	struct jail_parts parts;
	const size_t mark = world->log_len;
	create(order, &parts);
	assert_string_equal(state_log_from(mark), golden);
	assert_int_equal(parts.mark, world->last_jid);
	assert_int_equal(jail_backend->count(&state.plan), 1);
	parts_close(&parts);
	destroy();
	nothing_left();
}

#define NOT_ALLOWED                                                                                \
	" allow.noset_hostname allow.nosysvipc allow.noraw_sockets allow.nochflags "               \
	"allow.nomount allow.noquotas allow.nosocket_af allow.nomlock allow.noreserved_ports "     \
	"allow.noread_msgbuf allow.nounprivileged_proc_debug"

static void an_execution_jail_has_no_network(void **unused)
{
	(void)unused;
	made_as(&orders[0],
		"nmount nullfs /base at /run/jails/3 flags 80000d\n"
		"nmount devfs at /run/jails/3/dev ruleset=3280 flags 80000c\n"
		"nmount tmpfs at /run/jails/3/tmp size=67108864 inodes=16448 uid=200003 "
		"gid=200003 mode=700 flags 1080000c\n"
		"jail_set name=sky-test-s3 path=/run/jails/3 host.hostname=jail persist ip4=0 "
		"ip6=0 children.max=16 enforce_statfs=2 devfs_ruleset=3280 "
		"securelevel=3" NOT_ALLOWED "\n"
		"rctl jail:sky-test-s3:memoryuse:sigkill=268435456/process\n"
		"rctl jail:sky-test-s3:swapuse:deny=335544320\n"
		"rctl jail:sky-test-s3:maxproc:deny=1\n"
		"rctl jail:sky-test-s3:nthr:deny=64\n"
		"rctl jail:sky-test-s3:pcpu:deny=100\n");
}

static void a_build_is_a_jail_in_the_jail_for_builds(void **unused)
{
	(void)unused;
	made_as(&orders[1],
		"nmount nullfs /base-tools at /run/jails/3 flags 800009\n"
		"nmount devfs at /run/jails/3/dev ruleset=3280 flags 80000c\n"
		"nmount nullfs /toolchain at /run/jails/3/go flags 800009\n"
		"nmount nullfs /private/gocache at /run/jails/3/cache flags 800009\n"
		"nmount nullfs /sources/0000000000000007 at /run/jails/3/src flags 800009\n"
		"nmount tmpfs at /run/jails/3/tmp size=67108864 inodes=16448 uid=200003 "
		"gid=200003 mode=700 flags 10800008\n"
		"jail_set name=sky-test-build.s3 path=/run/jails/3 host.hostname=jail persist "
		"ip4=0 ip6=0 children.max=0 enforce_statfs=2 devfs_ruleset=3280 "
		"securelevel=3" NOT_ALLOWED "\n"
		"rctl jail:sky-test-build.s3:memoryuse:sigkill=1073741824/process\n"
		"rctl jail:sky-test-build.s3:swapuse:deny=2147483648\n"
		"rctl jail:sky-test-build.s3:maxproc:deny=512\n"
		"rctl jail:sky-test-build.s3:nthr:deny=512\n");
}

static void a_fetch_has_a_stack_with_nothing_but_its_listener(void **unused)
{
	(void)unused;
	made_as(&orders[2],
		"nmount nullfs /base-tools at /run/jails/3 flags 800009\n"
		"nmount devfs at /run/jails/3/dev ruleset=3280 flags 80000c\n"
		"nmount nullfs /toolchain at /run/jails/3/go flags 800009\n"
		"nmount nullfs /tree at /run/jails/3/modules/0 flags 800009\n"
		"nmount tmpfs at /run/jails/3/tmp size=67108864 inodes=16448 uid=200003 "
		"gid=200003 mode=700 flags 10800008\n"
		"jail_set name=sky-test-s3 path=/run/jails/3 host.hostname=jail persist vnet=1 "
		"children.max=0 enforce_statfs=2 devfs_ruleset=3280 securelevel=3" NOT_ALLOWED "\n"
		"rctl jail:sky-test-s3:memoryuse:sigkill=1073741824/process\n"
		"rctl jail:sky-test-s3:swapuse:deny=2147483648\n"
		"rctl jail:sky-test-s3:maxproc:deny=512\n"
		"rctl jail:sky-test-s3:nthr:deny=512\n"
		"alias lo0 7f000001/ff000000 inside\n"
		"listen 7f000001:3128\n");
}

static void an_address_is_the_jails_before_it_is_the_interfaces(void **unused)
{
	(void)unused;
	made_as(&orders[5],
		"nmount nullfs /base-net at /run/jails/3 flags 80000d\n"
		"nmount devfs at /run/jails/3/dev ruleset=3280 flags 80000c\n"
		"nmount nullfs /run/jails/3.resolv at /run/jails/3/etc/resolv.conf flags 800009\n"
		"nmount tmpfs at /run/jails/3/tmp size=67108864 inodes=16448 uid=200003 "
		"gid=200003 mode=700 flags 1080000c\n"
		"jail_set name=sky-test-s3 path=/run/jails/3 host.hostname=jail persist ip4=1 "
		"ip4.addr=0a000003 ip6=0 children.max=16 enforce_statfs=2 devfs_ruleset=3280 "
		"securelevel=3" NOT_ALLOWED "\n"
		"rctl jail:sky-test-s3:memoryuse:sigkill=268435456/process\n"
		"rctl jail:sky-test-s3:swapuse:deny=335544320\n"
		"rctl jail:sky-test-s3:maxproc:deny=1\n"
		"rctl jail:sky-test-s3:nthr:deny=64\n"
		"rctl jail:sky-test-s3:pcpu:deny=100\n"
		"run /sbin/pfctl -s info\n"
		"run /sbin/pfctl -s rules\n"
		"run /sbin/pfctl -v -s Interfaces -i lo0\n"
		"run /sbin/pfctl -q -a sky-island/sky-test -f /run/network.pf\n"
		"alias em0 0a000003/ffffffff\n");
}

/* jails.children_max as it is configured: by default no jail is in a jail. */
static void a_call_has_as_many_jails_as_are_configured(void **unused)
{
	static const unsigned numbers[] = {0, 1, 100000};
	(void)unused;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct jail_parts parts;
		state.plan.children_max = numbers[i];
		create(&orders[0], &parts);
		const struct world_jail *jail = world_jail_find((int)parts.mark);
		assert_non_null(jail);
		assert_int_equal(jail != NULL ? jail->children_max : -1, numbers[i]);
		destroy();
		nothing_left();
	}
}

/* In its own order: the cache that a seed fills can be written, and nothing else. */
static void only_a_seed_writes_the_cache(void **unused)
{
	struct jail_parts parts;
	(void)unused;
	create(&orders[4], &parts);
	assert_non_null(strstr(world->log,
		"nmount nullfs /private/gocache.part at /run/jails/3/cache flags 800008\n"));
	destroy();
}

static void a_listener_comes_out_of_its_jail(void **unused)
{
	struct jail_parts parts;
	(void)unused;
	create(&orders[2], &parts);
	const int fd = jail_runner->listener(&parts);
	int listens = 0;
	socklen_t size = sizeof(listens);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size), 0);
	assert_int_equal(listens, 1);
	parts_close(&parts);
	destroy();
}

/* ---- what administrators are shown ---- */

static int described(uint64_t jid, struct jail_description *is)
{
	struct fault f = {0};
	const struct jail_asked asked = {.jid = jid, .kind = JAIL_EXEC, .ip4 = "192.0.2.9"};
	const int found = jail_backend->describe(&state.plan, &asked, is, &f);
	assert_int_equal(found < 0, f.kind != FAULT_NONE);
	return found;
}

/* As jail_get(2) has it, asked by a process without rights. */
static void shown_as(const struct jail_order *order, const char *name, const char *ip4)
{
	struct jail_parts parts;
	struct jail_description is;
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/run/jails/3", state.path);
	create(order, &parts);
	const uint64_t jid = jail_runner->jid(&parts);
	world_self.uid = 1000;
	assert_int_equal(described(jid, &is), 1);
	world_self.uid = 0;
	assert_int_equal(is.jid, world->last_jid);
	assert_string_equal(is.name, name);
	assert_string_equal(is.path, path);
	assert_string_equal(is.hostname, "jail");
	assert_string_equal(is.ip4, ip4);
	assert_string_equal(is.osrelease, "14.0-RELEASE");
	parts_close(&parts);
	destroy();
	assert_int_equal(described(jid, &is), 0);
	nothing_left();
}

static void a_jail_is_shown_as_the_kernel_has_it(void **unused)
{
	(void)unused;
	shown_as(&orders[0], "sky-test-s3", "");
	shown_as(&orders[1], "sky-test-build.s3", "");
	shown_as(&orders[2], "sky-test-s3", "");
	shown_as(&orders[5], "sky-test-s3", "10.0.0.3");
}

/* Neither the next jail of its slot, nor one that is dying, nor another's, nor the jail for builds. */
static void what_is_not_that_jail_is_not_shown(void **unused)
{
	struct jail_parts parts;
	struct jail_description is;
	struct fault f = {0};
	(void)unused;
	create(&orders[0], &parts);
	const uint64_t first = jail_runner->jid(&parts);
	world->lingers = true;
	assert_int_equal(prison_remove((int)first, &f), 0);
	assert_true(world_jail_find((int)first)->dying);
	assert_int_equal(described(first, &is), 0);
	destroy();
	create(&orders[0], &parts);
	assert_int_equal(described(first, &is), 0);
	assert_int_equal(described(jail_runner->jid(&parts), &is), 1);
	assert_true(is.jid != first);
	world->lingers = false;
	const struct prison_spec theirs = {.name = "theirs", .path = "/tmp", .hostname = "theirs"};
	const int other = prison_make(&theirs, &f);
	assert_true(other > 0);
	assert_int_equal(described((uint64_t)other, &is), 0);
	assert_string_equal(is.name, "");
	assert_int_equal(prison_remove(other, &f), 0);
	struct prison builds;
	assert_int_equal(prison_find("sky-test-build", &builds, &f), 1);
	assert_int_equal(described((uint64_t)builds.jid, &is), 0);
	destroy();
	sys->pause_ms(1);
	nothing_left();
}

/* A kernel that does not answer: its number, and nothing made up. */
static void what_cannot_be_asked_is_not_made_up(void **unused)
{
	struct jail_parts parts;
	struct jail_description is;
	(void)unused;
	create(&orders[5], &parts);
	const uint64_t jid = jail_runner->jid(&parts);
	world->calls = 0;
	world->fail_at = 1;
	assert_int_equal(described(jid, &is), -1);
	world->fail_at = 0;
	assert_string_equal(world->failed_call, "jail_get");
	assert_int_equal(is.jid, jid);
	assert_string_equal(is.name, "");
	assert_string_equal(is.path, "");
	assert_string_equal(is.hostname, "");
	assert_string_equal(is.ip4, "");
	assert_string_equal(is.osrelease, "");
	destroy();
	nothing_left();
}

/* ---- what goes wrong ---- */

/* Each call fails once; whatever was made is undone, and the fault names the slot. */
static void a_failure_at_each_call_leaves_nothing(void **unused)
{
	unsigned failures = 0;
	(void)unused;
	for (int kind = 0; kind < ORDERS; kind++) {
		for (unsigned at = 1;; at++) {
			struct jail_parts parts;
			struct fault f = {0};
			world->calls = 0;
			world->failed = false;
			world->fail_at = at;
			const int made =
				jail_backend->create(&state.plan, 3, &orders[kind], &parts, &f);
			world->fail_at = 0;
			const bool failed = world->failed;
			if (made == 0) {
				parts_close(&parts);
				destroy();
				nothing_left();
				if (!failed)
					break;
				continue; /* it did without */
			}
			failures++;
			assert_true(failed);
			assert_true(f.kind != FAULT_NONE);
			assert_int_equal(strncmp(f.text, "jail slot 3: ", 13), 0);
			for (int i = 0; i < JAIL_PARTS; i++)
				assert_int_equal(parts.fd[i], -1);
			nothing_left();
		}
	}
	assert_true(failures > 60);
}

/* A helper that is killed at each call; what it left goes by destroy, twice over. */
static void a_kill_at_each_call_is_cleared(void **unused)
{
	unsigned kills = 0;
	(void)unused;
	for (int kind = 0; kind < ORDERS; kind++) {
		for (unsigned at = 1;; at++) {
			int status;
			world->calls = 0;
			world->failed = false;
			world->fail_at = at;
			world->kills = true;
			const pid_t helper = fork();
			if (helper == 0) {
				struct jail_parts parts;
				_exit(jail_backend->create(
					      &state.plan, 3, &orders[kind], &parts, NULL) < 0);
			}
			assert_int_equal(waitpid(helper, &status, 0), helper);
			const bool killed = world->failed;
			world->fail_at = 0;
			world->kills = false;
			destroy();
			destroy();
			nothing_left();
			if (!killed)
				break;
			kills++;
		}
	}
	assert_true(kills > 60);
}

/* The same of destroying. */
static void a_kill_while_destroying_is_cleared(void **unused)
{
	(void)unused;
	for (unsigned at = 1;; at++) {
		int status;
		struct jail_parts parts;
		create(&orders[5], &parts);
		world->calls = 0;
		world->failed = false;
		world->fail_at = at;
		world->kills = true;
		const pid_t helper = fork();
		if (helper == 0)
			_exit(jail_backend->destroy(&state.plan, 3, NULL) < 0);
		assert_int_equal(waitpid(helper, &status, 0), helper);
		world->fail_at = 0;
		world->kills = false;
		destroy();
		nothing_left();
		if (!world->failed)
			break;
	}
}

/* Who cannot remove a slot says so, and can the next time; but for its clone, which goes when the
 * slot is used again. */
static void a_failure_while_destroying_is_told(void **unused)
{
	(void)unused;
	for (unsigned at = 1;; at++) {
		struct jail_parts parts;
		struct fault f = {0};
		create(&orders[5], &parts);
		world->calls = 0;
		world->failed = false;
		world->fail_at = at;
		const int gone = jail_backend->destroy(&state.plan, 3, &f);
		world->fail_at = 0;
		const bool told = world->failed && strcmp(world->failed_call, "zfs destroy") != 0;
		assert_int_equal(gone, told ? -1 : 0);
		if (gone < 0)
			assert_int_equal(strncmp(f.text, "remove jail slot 3: ", 20), 0);
		destroy();
		nothing_left();
		if (!world->failed)
			break;
	}
}

static void what_is_busy_is_waited_for_and_then_forced(void **unused)
{
	struct jail_parts parts;
	(void)unused;
	create(&orders[0], &parts);
	world->busy = 3;
	destroy();
	nothing_left();
	create(&orders[0], &parts);
	world->busy = 1000;
	destroy();
	world->busy = 0;
	nothing_left();
}

/* Its name is free while the one before is still dying. */
static void a_dying_jail_is_in_nobodys_way(void **unused)
{
	struct jail_parts parts;
	(void)unused;
	world->lingers = true;
	create(&orders[0], &parts);
	destroy();
	create(&orders[0], &parts);
	assert_int_equal(jail_backend->count(&state.plan), 1);
	destroy();
	world->lingers = false;
	sys->pause_ms(1);
	nothing_left();
}

/* children.max of the jail for builds: two at a time, and one that is being removed is waited for. */
static void builds_are_limited_by_their_jail(void **unused)
{
	struct jail_parts parts[3];
	struct fault f = {0};
	(void)unused;
	assert_int_equal(jail_backend->create(&state.plan, 4, &orders[1], &parts[0], &f), 0);
	assert_int_equal(jail_backend->create(&state.plan, 5, &orders[1], &parts[1], &f), 0);
	assert_int_equal(jail_backend->create(&state.plan, 3, &orders[1], &parts[2], &f), -1);
	assert_int_equal(f.kind, FAULT_BUSY);
	world->lingers = true;
	assert_int_equal(jail_backend->destroy(&state.plan, 4, &f), 0);
	assert_int_equal(jail_backend->create(&state.plan, 3, &orders[1], &parts[2], &f), 0);
	world->lingers = false;
	destroy();
	assert_int_equal(jail_backend->destroy(&state.plan, 5, &f), 0);
	nothing_left();
}

static void without_racct_there_are_no_rules(void **unused)
{
	struct jail_parts parts;
	(void)unused;
	freebsd_facts.racct = world->racct = false;
	create(&orders[0], &parts);
	assert_null(strstr(world->log, "rctl jail:sky-test-s3"));
	destroy();
	nothing_left();
	freebsd_facts.racct = world->racct = true;
}

static void an_older_kernel_is_not_asked_for_what_it_lacks(void **unused)
{
	struct jail_parts parts;
	(void)unused;
	world->old_kernel = true;
	const size_t mark = world->log_len;
	create(&orders[0], &parts);
	assert_null(strstr(state_log_from(mark), "proc_debug"));
	assert_non_null(strstr(state_log_from(mark), "allow.noread_msgbuf\n"));
	destroy();
	world->old_kernel = false;
}

/* A devfs that shows more than it should is no jail's. */
static void an_emptied_ruleset_makes_no_jail(void **unused)
{
	struct jail_parts parts;
	struct fault f = {0};
	char rules[sizeof(world->devfs)];
	(void)unused;
	memcpy(rules, world->devfs, sizeof(rules));
	world->devfs[0] = '\0';
	assert_int_equal(jail_backend->create(&state.plan, 3, &orders[0], &parts, &f), -1);
	assert_non_null(strstr(f.text, "ruleset 3280 is not as we made it"));
	nothing_left();
	memcpy(world->devfs, rules, sizeof(rules));
}

/* The server owns the directory of sources: a link in it leads nowhere. */
static void a_source_that_is_a_link_is_not_mounted(void **unused)
{
	char link_path[600];
	struct jail_parts parts;
	struct fault f = {0};
	const struct jail_order order = {.kind = JAIL_BUILD, .source = 8};
	(void)unused;
	(void)snprintf(link_path, sizeof(link_path), "%s/sources/0000000000000008", state.path);
	assert_int_equal(symlink("/etc", link_path), 0);
	assert_int_equal(jail_backend->create(&state.plan, 3, &order, &parts, &f), -1);
	assert_non_null(strstr(f.text, "source"));
	nothing_left();
}

/* ---- prepare, doctor ---- */

/* What a run that was killed left is found by its name, whatever it is. */
static void the_next_start_clears_what_was_left(void **unused)
{
	struct jail_parts parts;
	struct fault f = {0};
	(void)unused;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(jail_backend->create(&state.plan, i, &orders[i], &parts, &f), 0);
	assert_int_equal(jail_backend->create(&state.plan, 2, &orders[5], &parts, &f), 0);
	assert_int_equal(jail_backend->prepare(&state.plan, &f), 0);
	nothing_left();
	assert_int_equal(jail_backend->count(&state.plan), 0);
}

static void leave_some(void)
{
	static const unsigned slots[] = {1, 2};
	struct jail_parts parts;
	struct fault f = {0};
	for (unsigned i = 0; i < 2; i++) {
		const struct jail_order *order = i == 0 ? &orders[1] : &orders[5];
		assert_int_equal(jail_backend->create(&state.plan, slots[i], order, &parts, &f), 0);
		parts_close(&parts);
	}
}

/* What it does without: limits by the kernel, of which it warns, and what it only tidies up. */
static bool may_fail(const char *call)
{
	static const char *const calls[] = {"sysctl", "zfs destroy"};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(call, calls[i]) == 0)
			return true;
	}
	return false;
}

/* Each call of preparing fails once, where a killed run has left jails of both kinds; the next
 * start prepares all the same. */
static void a_failure_at_each_call_of_preparing_is_told(void **unused)
{
	unsigned told = 0;
	(void)unused;
	for (unsigned at = 1;; at++) {
		struct fault f = {0};
		world->log_len = 0;
		leave_some();
		world->calls = 0;
		world->failed = false;
		world->fail_at = at;
		const int prepared = jail_backend->prepare(&state.plan, &f);
		world->fail_at = 0;
		const bool failed = world->failed;
		if (failed && (prepared == 0) != may_fail(world->failed_call))
			fail_msg("%u, %s: %d %s", at, world->failed_call, prepared, f.text);
		assert_int_equal(prepared < 0, f.kind != FAULT_NONE && f.text[0] != '\0');
		told += prepared < 0;
		f = (struct fault){0};
		if (jail_backend->prepare(&state.plan, &f) < 0)
			fail_msg("again after %u, %s: %s", at, world->failed_call, f.text);
		assert_true(freebsd_facts.racct);
		assert_int_equal(jail_backend->count(&state.plan), 0);
		memset(world->clone, 0, sizeof(world->clone)); /* storage_open's to clear */
		nothing_left();
		if (!failed)
			break;
	}
	assert_true(told > 20);
}

/* One base for all, where -i made a system. */
static void the_system_is_every_jails_base(void **unused)
{
	struct jail_parts parts;
	(void)unused;
	(void)snprintf(state.storage.system, sizeof(state.storage.system), "base-tools");
	const size_t mark = world->log_len;
	create(&orders[0], &parts);
	assert_non_null(strstr(state_log_from(mark), "nmount nullfs /base-tools at"));
	assert_true(world->clone[3]);
	destroy();
	nothing_left();
}

static void the_ruleset_is_made_once_and_never_emptied(void **unused)
{
	struct fault f = {0};
	(void)unused;
	assert_string_equal(world->devfs,
		"100 hide\n200 path null unhide\n300 path zero unhide\n400 path full unhide\n"
		"500 path random unhide\n600 path urandom unhide\n");
	const size_t mark = world->log_len;
	assert_int_equal(devices_prepare(&f), 0);
	assert_string_equal(state_log_from(mark), "run /sbin/devfs rule -s 3280 show\n");
	(void)snprintf(world->devfs, sizeof(world->devfs), "100 include 1\n");
	assert_int_equal(devices_prepare(&f), -1);
	assert_non_null(strstr(f.text, "somebody else's"));
	(void)snprintf(world->devfs, sizeof(world->devfs), "100 hide\n200 path null unhide\n");
	assert_int_equal(devices_prepare(&f), 0);
}

static void doctor_says_what_is_off(void **unused)
{
	struct fault f = {0};
	defer_buf struct buf report = {0};
	(void)unused;
	world->racct = world->vimage = false;
	world->pf_skips = true;
	assert_int_equal(jail_backend->probe(&state.plan, &report, &f), 0);
	assert_non_null(strstr(report.data, "warn\tracct\t"));
	assert_non_null(strstr(report.data, "kern.racct.enable=1 into /boot/loader.conf"));
	assert_non_null(strstr(report.data, "fail\tvimage\t"));
	assert_non_null(strstr(report.data, "warn\tpf\t"));
	assert_non_null(strstr(report.data, "ok\tjail\t"));
	world->racct = world->vimage = true;
	world->pf_skips = false;
	freebsd_facts.racct = true;
}

static void an_ordinary_user_is_told_that_root_is_needed(void **unused)
{
	struct fault f = {0};
	(void)unused;
	struct jail_plan plan = state.plan;
	plan.user_mode = true;
	assert_int_equal(jail_backend->enter(&plan, &f), -1);
	assert_non_null(strstr(f.text, "only root"));
}

static void names_belong_to_slots_of_this_instance(void **unused)
{
	(void)unused;
	assert_int_equal(slot_of_name(&state.plan, "sky-test-s17"), 17);
	assert_int_equal(slot_of_name(&state.plan, "sky-test-build.s4"), 4);
	assert_int_equal(slot_of_name(&state.plan, "sky-test-build"), -1);
	assert_int_equal(slot_of_name(&state.plan, "sky-test-s"), -1);
	assert_int_equal(slot_of_name(&state.plan, "sky-test-s-1"), -1);
	assert_int_equal(slot_of_name(&state.plan, "sky-test-s1x"), -1);
	assert_int_equal(slot_of_name(&state.plan, "sky-test2-s1"), -1);
	assert_int_equal(slot_of_name(&state.plan, "www"), -1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {T(an_execution_jail_has_no_network),
		T(a_build_is_a_jail_in_the_jail_for_builds),
		T(a_fetch_has_a_stack_with_nothing_but_its_listener),
		T(an_address_is_the_jails_before_it_is_the_interfaces),
		T(a_call_has_as_many_jails_as_are_configured), T(only_a_seed_writes_the_cache),
		T(a_listener_comes_out_of_its_jail), T(a_failure_at_each_call_leaves_nothing),
		T(a_kill_at_each_call_is_cleared), T(a_kill_while_destroying_is_cleared),
		T(a_failure_while_destroying_is_told),
		T(what_is_busy_is_waited_for_and_then_forced), T(a_dying_jail_is_in_nobodys_way),
		T(builds_are_limited_by_their_jail), T(without_racct_there_are_no_rules),
		T(an_older_kernel_is_not_asked_for_what_it_lacks),
		T(an_emptied_ruleset_makes_no_jail), T(a_source_that_is_a_link_is_not_mounted),
		T(a_jail_is_shown_as_the_kernel_has_it), T(what_is_not_that_jail_is_not_shown),
		T(what_cannot_be_asked_is_not_made_up),
		T(a_failure_at_each_call_of_preparing_is_told),
		T(the_next_start_clears_what_was_left), T(the_system_is_every_jails_base),
		T(the_ruleset_is_made_once_and_never_emptied), T(doctor_says_what_is_off),
		T(an_ordinary_user_is_told_that_root_is_needed),
		T(names_belong_to_slots_of_this_instance)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
