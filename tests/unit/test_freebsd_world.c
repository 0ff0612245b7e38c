/* The model itself: that it refuses what FreeBSD's manual says is refused, so that what passes on it
 * means something; and the iovecs that we build, byte for byte. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/freebsd/params.h"
#include "base/freebsd/prison.h"
#include "freebsd/world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int begin(void **unused)
{
	(void)unused;
	world_begin();
	world_hide("");
	return 0;
}

static struct params jail(const char *name)
{
	struct params p = {0};
	params_text(&p, "name", name);
	params_text(&p, "path", "/tmp");
	return p;
}

static void set_refuses(struct params *p, int flags, int error)
{
	errno = 0;
	assert_int_equal(sys->jail_set(p->iov, p->count, flags), -1);
	assert_int_equal(errno, error);
}

static int set(struct params *p)
{
	const int jid = sys->jail_set(p->iov, p->count, SYS_JAIL_CREATE);
	assert_true(jid > 0);
	return jid;
}

/* ---- what we build ---- */

static void an_iovec_byte_for_byte(void **unused)
{
	static const uint32_t two[] = {0x0a000002, 0x0a000003};
	static const unsigned char packed[] = {10, 0, 0, 2, 10, 0, 0, 3};
	struct params p = {0};
	(void)unused;
	params_text(&p, "name", "j1");
	params_int(&p, "children.max", 7);
	params_bool(&p, "persist", true);
	params_bool(&p, "persist", false);
	params_bool(&p, "allow.mount.zfs", false);
	params_addresses(&p, "ip4.addr", two, 2);
	params_number(&p, "mode", "%llo", 0700);
	params_why(&p);
	const struct {
		const char *name;
		size_t name_len;
		const void *value;
		size_t len;
	} want[] = {{"name", 5, "j1", 3}, {"children.max", 13, &(int){7}, 4},
		{"persist", 8, NULL, 0}, {"nopersist", 10, NULL, 0},
		{"allow.mount.nozfs", 18, NULL, 0}, {"ip4.addr", 9, packed, 8},
		{"mode", 5, "700", 4}, {"errmsg", 7, (char[PARAMS_WHY]){0}, PARAMS_WHY}};
	assert_int_equal(p.count, 2 * sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(p.iov[2 * i].iov_len, want[i].name_len);
		assert_memory_equal(p.iov[2 * i].iov_base, want[i].name, want[i].name_len);
		assert_int_equal(p.iov[2 * i + 1].iov_len, want[i].len);
		if (want[i].value == NULL)
			assert_null(p.iov[2 * i + 1].iov_base);
		else
			assert_memory_equal(p.iov[2 * i + 1].iov_base, want[i].value, want[i].len);
	}
}

/* ---- jail_set ---- */

static void pairs_are_whole(void **unused)
{
	(void)unused;
	struct params p = jail("j1");
	params_bool(&p, "persist", true);
	p.count--;
	set_refuses(&p, SYS_JAIL_CREATE, EINVAL);
	p.count++;
	p.iov[0].iov_len--; /* without its NUL */
	set_refuses(&p, SYS_JAIL_CREATE, EINVAL);
	p.iov[0].iov_len++;
	p.iov[1].iov_len--;
	set_refuses(&p, SYS_JAIL_CREATE, EINVAL);
	p.iov[1].iov_len++;
	(void)set(&p);
}

static void numbers_have_the_size_of_an_int(void **unused)
{
	(void)unused;
	for (size_t size = 0; size < 9; size++) {
		struct params p = jail("j1");
		params_bool(&p, "persist", true);
		params_int(&p, "securelevel", 3);
		params_int(&p, "enforce_statfs", 2); /* room behind it */
		p.iov[7].iov_len = size;
		if (size != sizeof(int))
			set_refuses(&p, SYS_JAIL_CREATE, EINVAL);
	}
}

static void an_unknown_parameter_is_named(void **unused)
{
	(void)unused;
	struct params p = jail("j1");
	params_bool(&p, "persist", true);
	params_int(&p, "exec.start", 1);
	params_why(&p);
	set_refuses(&p, SYS_JAIL_CREATE, EINVAL);
	assert_string_equal(p.why, "unknown parameter: exec.start");
	struct params wrong = jail("j1");
	params_text(&wrong, "securelevel", "three");
	params_why(&wrong);
	set_refuses(&wrong, SYS_JAIL_CREATE, EINVAL);
	assert_string_equal(wrong.why, ""); /* nothing is said of sizes */
}

static void a_jail_persists_or_is_entered(void **unused)
{
	(void)unused;
	struct params p = jail("j1");
	set_refuses(&p, SYS_JAIL_CREATE, EINVAL);
	params_bool(&p, "persist", true);
	set_refuses(&p, 0, EINVAL);
	(void)set(&p);
	set_refuses(&p, SYS_JAIL_CREATE, EEXIST);
}

static void a_name_is_no_number(void **unused)
{
	(void)unused;
	static const char *const names[] = {"17", "0", "build.17"};
	for (size_t i = 0; i < 3; i++) {
		struct params p = jail(names[i]);
		params_bool(&p, "persist", true);
		set_refuses(&p, SYS_JAIL_CREATE, EINVAL);
	}
}

static void addresses(const uint32_t *all, size_t count, int ip4, int vnet)
{
	struct params p = jail("j1");
	params_bool(&p, "persist", true);
	if (count > 0)
		params_addresses(&p, "ip4.addr", all, count);
	if (ip4 >= 0)
		params_int(&p, "ip4", ip4);
	if (vnet >= 0)
		params_int(&p, "vnet", vnet);
	set_refuses(&p, SYS_JAIL_CREATE, EINVAL);
}

static void addresses_are_the_jails_own(void **unused)
{
	static const uint32_t same[] = {0x0a000002, 0x0a000002}, any[] = {0},
			      broadcast[] = {0xffffffff}, good[] = {0x0a000002};
	(void)unused;
	addresses(same, 2, -1, -1);
	addresses(any, 1, -1, -1);
	addresses(broadcast, 1, -1, -1);
	addresses(good, 1, SYS_JAIL_DISABLE, -1);
	addresses(good, 1, -1, SYS_JAIL_NEW);
	addresses(NULL, 0, SYS_JAIL_DISABLE, SYS_JAIL_NEW);
	addresses(NULL, 0, -1, SYS_JAIL_DISABLE);
	addresses(NULL, 0, 3, -1);
}

static void an_update_changes_no_place(void **unused)
{
	static const char *const fixed[] = {"ip4", "ip6", "vnet"};
	(void)unused;
	struct params made = jail("j1");
	params_bool(&made, "persist", true);
	const int jid = set(&made);
	for (size_t i = 0; i < 3; i++) {
		struct params p = {0};
		params_int(&p, "jid", jid);
		params_int(&p, fixed[i], SYS_JAIL_NEW);
		set_refuses(&p, SYS_JAIL_UPDATE, EINVAL);
	}
	struct params moved = {0};
	params_int(&moved, "jid", jid);
	params_text(&moved, "path", "/");
	set_refuses(&moved, SYS_JAIL_UPDATE, EINVAL);
	struct params good = {0};
	params_int(&good, "jid", jid);
	params_int(&good, "securelevel", 3);
	assert_int_equal(sys->jail_set(good.iov, good.count, SYS_JAIL_UPDATE), jid);
}

static void a_parent_says_how_many(void **unused)
{
	(void)unused;
	struct params none = jail("none");
	params_bool(&none, "persist", true);
	params_int(&none, "children.max", 0);
	(void)set(&none);
	struct params child = jail("none.child");
	params_bool(&child, "persist", true);
	set_refuses(&child, SYS_JAIL_CREATE, EPERM);
	struct params orphan = jail("nobody.child");
	params_bool(&orphan, "persist", true);
	set_refuses(&orphan, SYS_JAIL_CREATE, ENOENT);
}

/* ---- jail_get, jail_attach, jail_remove ---- */

static void other_jails_may_have_more_than_there_is_room_for(void **unused)
{
	static const uint32_t three[] = {0x0b000002, 0x0b000003, 0x0b000004};
	struct prison found;
	struct fault f = {0};
	(void)unused;
	struct params p = jail("theirs");
	params_bool(&p, "persist", true);
	params_addresses(&p, "ip4.addr", three, 3);
	(void)set(&p);
	struct params ours = jail("sky-s1");
	params_bool(&ours, "persist", true);
	params_addresses(&ours, "ip4.addr", three + 1, 1);
	const int jid = set(&ours);
	assert_int_equal(prison_next("sky-", 0, false, &found, &f), 1);
	assert_int_equal(found.jid, jid);
	assert_string_equal(found.name, "sky-s1");
	assert_string_equal(found.path, "/tmp");
	assert_string_equal(found.osrelease, "14.0-RELEASE");
	assert_int_equal(found.address[0], 0x0b000003);
	assert_int_equal(found.address[1], 0);
	assert_int_equal(prison_next("sky-", jid, false, &found, &f), 0);
	assert_int_equal(prison_find("sky-s2", &found, &f), 0);
	/* A room that is too small is refused, as the kernel does. */
	struct params small = {0};
	char name[] = "theirs"; /* answers are written over what was asked */
	uint32_t one;
	params_text(&small, "name", name);
	params_room(&small, "ip4.addr", &one, sizeof(one));
	assert_int_equal(sys->jail_get(small.iov, small.count, 0), -1);
	assert_int_equal(errno, EINVAL);
}

static void the_dying_are_seen_by_who_asks(void **unused)
{
	struct prison found;
	struct fault f = {0};
	(void)unused;
	struct params p = jail("sky-s1");
	params_bool(&p, "persist", true);
	const int jid = set(&p);
	world->lingers = true;
	assert_int_equal(prison_remove(jid, &f), 0);
	assert_int_equal(prison_remove(jid, &f), 0);
	assert_int_equal(prison_find("sky-s1", &found, &f), 0);
	assert_int_equal(prison_next("sky-", 0, false, &found, &f), 0);
	assert_int_equal(prison_next("sky-", 0, true, &found, &f), 1);
	(void)set(&p);
}

static void nobody_enters_with_a_directory(void **unused)
{
	(void)unused;
	struct params p = jail("j1");
	params_bool(&p, "persist", true);
	const int jid = set(&p);
	const int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(sys->jail_attach(jid), -1);
	assert_int_equal(errno, EPERM);
	(void)close(directory);
	assert_int_equal(sys->jail_attach(jid + 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sys->jail_attach(jid), 0);
}

/* ---- rctl ---- */

static void add_refuses(const char *rule, int error)
{
	assert_int_equal(sys->rctl_add_rule(rule, strlen(rule) + 1, NULL, 0), -1);
	assert_int_equal(errno, error);
}

static void rules_are_plain(void **unused)
{
	static const char good[] = "jail:j1:maxproc:deny=4";
	(void)unused;
	add_refuses("j:j1:maxproc:deny=4", EINVAL);
	add_refuses("jail:j1:memoryuse:deny=1g", EINVAL);
	add_refuses("user:root:maxproc:deny=4", EINVAL);
	add_refuses("jail:j1:maxprocs:deny=4", EINVAL);
	add_refuses("jail:j1:maxproc:forbid=4", EINVAL);
	add_refuses("jail:j1:maxproc:deny", EINVAL);
	add_refuses("jail:j1:maxproc:deny=4/jails", EINVAL);
	add_refuses("jail:j1:wallclock:deny=4", EOPNOTSUPP);
	assert_int_equal(sys->rctl_add_rule(good, sizeof(good) - 1, NULL, 0), -1);
	assert_int_equal(sys->rctl_add_rule(good, sizeof(good), NULL, 0), 0);
	assert_int_equal(sys->rctl_remove_rule("jail:j1:", 9, NULL, 0), 0);
	assert_int_equal(sys->rctl_remove_rule("jail:j1:", 9, NULL, 0), -1);
	assert_int_equal(errno, ESRCH);
	world->racct = false;
	add_refuses(good, ENOSYS);
}

/* ---- mounts ---- */

static int mounted(const char *type, const char *at, const char *name, const char *value)
{
	struct params p = {0};
	params_text(&p, "fstype", type);
	params_text(&p, "fspath", at);
	if (name != NULL)
		params_text(&p, name, value);
	params_why(&p);
	return sys->nmount(p.iov, p.count, SYS_MNT_RDONLY);
}

static void mounts_are_taken_off_in_order(void **unused)
{
	(void)unused;
	assert_int_equal(mounted("nullfs", "/tmp", NULL, NULL), -1);
	assert_int_equal(mounted("nullfs", "/tmp", "from", "/nowhere"), -1);
	assert_int_equal(mounted("tmpfs", "/tmp", "size", "4k"), -1);
	assert_int_equal(mounted("tmpfs", "/tmp", "mode", "0900"), -1);
	assert_int_equal(mounted("devfs", "/tmp", "ruleset", "65536"), -1);
	assert_int_equal(mounted("overlay", "/tmp", "from", "/"), -1);
	assert_int_equal(mounted("nullfs", "/tmp", "from", "/"), 0);
	assert_int_equal(mounted("tmpfs", "/tmp/etc", "size", "4096"), 0);
	assert_int_equal(sys->unmount("/tmp", SYS_MNT_FORCE), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(sys->unmount("/tmp/etc", 0), 0);
	struct params p = jail("j1");
	params_bool(&p, "persist", true);
	const int jid = set(&p);
	assert_int_equal(sys->unmount("/tmp", 0), -1); /* a jail's root */
	assert_int_equal(errno, EBUSY);
	assert_int_equal(sys->jail_remove(jid), 0);
	assert_int_equal(sys->unmount("/tmp", 0), 0);
	assert_int_equal(sys->unmount("/tmp", 0), -1);
	assert_int_equal(errno, EINVAL);
}

/* ---- processes ---- */

/* In a child, whose uid then is gone. */
static void rights_once_dropped_do_not_come_back(void **unused)
{
	int status;
	(void)unused;
	const pid_t child = fork();
	if (child == 0) {
		bool good = sys->setresuid(1000, 1000, 1000) == 0;
		good = good && sys->setresgid(1000, 1000, 1000) < 0 && errno == EPERM;
		good = good && sys->setgroups_none() < 0 && sys->jail_attach(1) < 0;
		good = good && sys->cap_limit(0, SYS_CAN_READ) == 0;
		good = good && sys->cap_limit(0, SYS_CAN_READ | SYS_CAN_WRITE) < 0;
		good = good && sys->setrlimit(SYS_LIMIT_NPROC, 4) == 0;
		good = good && sys->setrlimit(SYS_LIMIT_NPROC, 5) < 0;
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* pdfork(2): closing the descriptor kills. */
static void a_closed_descriptor_takes_its_process_along(void **unused)
{
	int fd = -1, status = 0;
	struct sys_usage usage;
	(void)unused;
	pid_t pid = sys->pdfork(&fd, SYS_PD_CLOEXEC);
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	assert_int_equal(sys->wait(-1, &status, &usage), -1);
	(void)close(fd);
	assert_int_equal(sys->wait(pid, &status, &usage), 0);
	assert_true(WIFSIGNALED(status));
	pid = sys->pdfork(&fd, SYS_PD_CLOEXEC);
	if (pid == 0)
		_exit(5);
	assert_int_equal(sys->wait(pid, &status, &usage), 0);
	assert_int_equal(WEXITSTATUS(status), 5);
	(void)close(fd);
}

#define T(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {T(an_iovec_byte_for_byte), T(pairs_are_whole),
		T(numbers_have_the_size_of_an_int), T(an_unknown_parameter_is_named),
		T(a_jail_persists_or_is_entered), T(a_name_is_no_number),
		T(addresses_are_the_jails_own), T(an_update_changes_no_place),
		T(a_parent_says_how_many), T(other_jails_may_have_more_than_there_is_room_for),
		T(the_dying_are_seen_by_who_asks), T(nobody_enters_with_a_directory),
		T(rules_are_plain), T(mounts_are_taken_off_in_order),
		T(rights_once_dropped_do_not_come_back),
		T(a_closed_descriptor_takes_its_process_along)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
