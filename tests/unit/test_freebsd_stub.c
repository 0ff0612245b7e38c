/* How FreeBSD prepares and starts a jail, on the model of its kernel: stub and program are real
 * processes here, what they ask of the kernel is the model's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "freebsd/state.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static struct state state;
static struct jail_parts parts;
static struct jail_end *end_of;
static int fds[JAIL_FDS];
static struct jail_door door;
static int reader; /* of the program's stdout */

static int begin(void **unused)
{
	struct fault f = {0};
	const struct jail_order order = {.kind = JAIL_EXEC};
	int ends[2];
	(void)unused;
	state_make(&state);
	assert_int_equal(jail_backend->prepare(&state.plan, &f), 0);
	assert_int_equal(jail_backend->create(&state.plan, 3, &order, &parts, &f), 0);
	end_of = mmap(
		NULL, sizeof(*end_of), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(end_of != MAP_FAILED);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	reader = ends[0];
	for (int i = 0; i < JAIL_FDS; i++)
		fds[i] = fcntl(ends[1], F_DUPFD_CLOEXEC, 20);
	(void)close(ends[1]);
	return 0;
}

static void fds_close(void)
{
	for (int i = 0; i < JAIL_FDS; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
		fds[i] = -1;
	}
}

static int end(void **unused)
{
	struct fault f = {0};
	(void)unused;
	world->fail_at = 0;
	fds_close();
	(void)close(reader);
	assert_int_equal(jail_backend->destroy(&state.plan, 3, &f), 0);
	jail_backend->finish(&state.plan);
	assert_string_equal(world_left(), "");
	assert_int_equal(munmap(end_of, sizeof(*end_of)), 0);
	state_remove(&state);
	return 0;
}

static pid_t prepare(enum jail_kind kind)
{
	struct fault f = {0};
	const pid_t pid = jail_runner->prepare(&state.plan, 3, kind, &parts, end_of, &door, &f);
	assert_true(pid > 0);
	return pid;
}

/* Whether what was given could be: else the jail has ended. */
static bool give(enum jail_kind kind)
{
	int given[JAIL_FDS];
	memcpy(given, fds, sizeof(given));
	if (jail_runs_call(kind))
		given[JAIL_STDIN] = given[JAIL_BULK] = -1;
	const int started = jail_runner->start(&door, given);
	(void)close(door.outside);
	return started == 0;
}

/* With the inner end goes what nobody took. */
static int wait_for(pid_t pid)
{
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(door.inside);
	return status;
}

static pid_t start(enum jail_kind kind)
{
	const pid_t pid = prepare(kind);
	assert_true(give(kind));
	return pid;
}

/* Whether all writers of the program's stdout are gone: nobody has kept a copy. */
static void is_at_end(void)
{
	char c;
	struct pollfd readable = {.fd = reader, .events = POLLIN};
	fds_close();
	assert_int_equal(poll(&readable, 1, 10000), 1);
	assert_int_equal(read(reader, &c, 1), 0);
}

static unsigned open_in(pid_t pid)
{
	char path[64];
	unsigned count = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	defer_closedir DIR *dir = opendir(path);
	assert_non_null(dir);
	for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
		count += e->d_name[0] != '.';
	return count;
}

static void moment(void)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Until the program runs and the stub has given up what it needs no more: all but the program, by
 * which it ends it. */
static void started_waits(pid_t pid)
{
	while (__atomic_load_n(&world->program.ran, __ATOMIC_ACQUIRE) == 0 || open_in(pid) != 1)
		moment();
}

static void a_call_has_given_up_all_that_it_was(void **unused)
{
	const struct world_program *p = &world->program;
	(void)unused;
	world->end_status = 3;
	assert_int_equal(wait_for(start(JAIL_EXEC)), 0);
	assert_true(WIFEXITED(end_of->status));
	assert_int_equal(WEXITSTATUS(end_of->status), 3);
	assert_int_equal(end_of->reported, 1);
	assert_int_equal(end_of->parted, 1);
	assert_int_equal(end_of->begun, 1);
	assert_int_equal(end_of->start_error, 0);
	assert_int_equal(end_of->cpu_us, 1234);
	assert_true(p->ran && p->groups_none && p->no_new_privs && p->no_trace);
	assert_false(p->cpus_open);
	assert_int_equal(p->jid, parts.mark);
	assert_int_equal(p->uid, 200003);
	assert_int_equal(p->gid, 200003);
	assert_string_equal(p->argv, "call");
	assert_string_equal(p->environment, "HOME=/tmp LANG=C.UTF-8");
	assert_string_equal(p->directory, "/tmp");
	assert_int_equal(p->limit[SYS_LIMIT_CORE], 0);
	assert_int_equal(p->limit[SYS_LIMIT_NPROC], 2);
	assert_int_equal(p->limit[SYS_LIMIT_NOFILE], 256);
	assert_int_equal(p->limit[SYS_LIMIT_MEMLOCK], 65536);
	assert_false(p->limited[SYS_LIMIT_FSIZE]);
	is_at_end();
}

/* Four descriptors, and what may be done with each; the program's own is closed by exec. */
static void a_calls_descriptors_are_bounded(void **unused)
{
	static const unsigned want[] = {SYS_CAN_READ | SYS_CAN_SEEK, SYS_CAN_WRITE, SYS_CAN_WRITE,
		SYS_CAN_READ | SYS_CAN_WRITE};
	(void)unused;
	(void)wait_for(start(JAIL_EXEC));
	for (int fd = 0; fd < WORLD_FDS; fd++) {
		assert_int_equal(world->program.open[fd], fd < 4);
		assert_int_equal(world->program.rights[fd], fd < 4 ? want[fd] : 0);
	}
}

/* Another file for each. All come in low, where others are placed. */
static void each_descriptor_comes_to_its_place(void **unused)
{
	struct stat st[JAIL_FDS];
	(void)unused;
	fds_close();
	for (int i = 0; i < JAIL_FDS; i++) {
		fds[i] = memfd_create("given", MFD_CLOEXEC);
		assert_int_equal(fstat(fds[i], &st[i]), 0);
	}
	(void)wait_for(start(JAIL_BUILD));
	for (int i = 0; i < JAIL_PROGRAM; i++)
		assert_int_equal(world->program.inode[i], st[i].st_ino);
	(void)wait_for(start(JAIL_EXEC));
	for (int i = JAIL_STDOUT; i <= JAIL_CONTROL; i++)
		assert_int_equal(world->program.inode[i], st[i].st_ino);
}

/* Made ahead of demand, with nothing of the jailer's open in it: not the outer end of its own door
 * either, or it would wait for ever. */
static void a_jail_whose_door_closes_ends(void **unused)
{
	(void)unused;
	const pid_t pid = prepare(JAIL_EXEC);
	while (__atomic_load_n(&end_of->parted, __ATOMIC_ACQUIRE) == 0 || open_in(pid) != 1)
		moment();
	(void)close(door.outside);
	(void)wait_for(pid);
	assert_int_equal(end_of->reported, 1);
	assert_int_equal(end_of->begun, 0);
	assert_string_equal(end_of->start_step, "door");
	assert_int_equal(end_of->start_error, ECONNRESET);
	assert_false(world->program.ran);
}

/* Whether or not it could still be given. */
static void what_an_ended_jail_is_given_is_nobodys(void **unused)
{
	(void)unused;
	const pid_t pid = prepare(JAIL_EXEC);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(WIFSIGNALED(wait_for(pid)));
	(void)give(JAIL_EXEC);
	is_at_end();
}

static void a_build_hands_out_by_a_fifth(void **unused)
{
	const struct world_program *p = &world->program;
	(void)unused;
	(void)wait_for(start(JAIL_BUILD));
	for (int fd = 0; fd < WORLD_FDS; fd++)
		assert_int_equal(p->open[fd], fd < 5);
	assert_int_equal(
		p->rights[4], SYS_CAN_READ | SYS_CAN_WRITE | SYS_CAN_SEEK | SYS_CAN_TRUNCATE);
	assert_string_equal(p->argv, "tool build");
	assert_true(p->cpus_open);
	assert_int_equal(p->limit[SYS_LIMIT_NPROC], 512);
	assert_int_equal(p->limit[SYS_LIMIT_NOFILE], 4096);
	assert_int_equal(p->limit[SYS_LIMIT_FSIZE], 64U << 20);
	assert_int_equal(end_of->status, 0);
	is_at_end();
}

static void each_kind_has_its_arguments(void **unused)
{
	static const struct {
		enum jail_kind kind;
		const char *argv;
	} all[] = {{JAIL_FETCH, "tool fetch"}, {JAIL_GIT, "tool fetch"}, {JAIL_SEED, "tool seed"},
		{JAIL_EXEC_NET, "call"}};
	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		(void)wait_for(start(all[i].kind));
		assert_string_equal(world->program.argv, all[i].argv);
	}
}

static void a_signal_is_told_as_one(void **unused)
{
	(void)unused;
	world->end = WORLD_IS_KILLED;
	world->end_status = SIGTERM;
	(void)wait_for(start(JAIL_EXEC));
	assert_true(WIFSIGNALED(end_of->status));
	assert_int_equal(WTERMSIG(end_of->status), SIGTERM);
	assert_int_equal(end_of->starved, 0);
}

static void who_was_killed_at_its_limit_was_out_of_memory(void **unused)
{
	(void)unused;
	world->end = WORLD_IS_KILLED;
	world->end_status = SIGKILL;
	world->memory_peak = (256U << 20) - 1;
	(void)wait_for(start(JAIL_EXEC));
	assert_int_equal(WTERMSIG(end_of->status), SIGKILL);
	assert_int_equal(end_of->starved, 0);
	world->memory_peak = 256U << 20;
	(void)wait_for(start(JAIL_EXEC));
	assert_int_equal(end_of->starved, 1);
	assert_int_equal(end_of->memory_peak, 256U << 20);
	freebsd_facts.racct = false; /* then nobody kills for it */
	(void)wait_for(start(JAIL_EXEC));
	assert_int_equal(end_of->starved, 0);
	freebsd_facts.racct = true;
	world->end = WORLD_EXITS; /* all went well before anybody looked */
	world->end_status = 0;
	(void)wait_for(start(JAIL_EXEC));
	assert_int_equal(end_of->starved, 0);
}

/* As the jailer ends a jail: the stub's end closes the program's descriptor. */
static void ending_the_stub_ends_the_program(void **unused)
{
	(void)unused;
	world->end = WORLD_STAYS;
	const pid_t pid = start(JAIL_EXEC);
	started_waits(pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	const int status = wait_for(pid);
	assert_true(WIFSIGNALED(status));
	is_at_end();
	assert_int_equal(end_of->reported, 0);
}

static void what_a_program_leaves_ends_with_it(void **unused)
{
	(void)unused;
	world->end = WORLD_LEAVES;
	assert_int_equal(wait_for(start(JAIL_BUILD)), 0);
	assert_int_equal(end_of->status, 0);
	is_at_end();
}

/* As an administrator's jail_remove, or our own. */
static void removing_the_jail_ends_the_program(void **unused)
{
	(void)unused;
	world->end = WORLD_STAYS;
	const pid_t pid = start(JAIL_EXEC);
	started_waits(pid);
	assert_int_equal(jail_backend->destroy(&state.plan, 3, NULL), 0);
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(WTERMSIG(end_of->status), SIGKILL);
	is_at_end();
}

/* Whichever call fails, the jailer learns the step and its errno, no program runs, and nobody keeps
 * a descriptor. */
static void a_failure_at_each_call_is_told(void **unused)
{
	unsigned failures = 0;
	(void)unused;
	for (unsigned at = 2;; at++) { /* 1 is the jailer's own fork */
		world->calls = 0;
		world->failed = false;
		world->program.ran = false;
		world->fail_at = at;
		const pid_t pid = prepare(JAIL_BUILD);
		(void)give(JAIL_BUILD);
		(void)wait_for(pid);
		world->fail_at = 0;
		if (!world->failed)
			break;
		assert_int_equal(end_of->reported, 1);
		if (strcmp(world->failed_call, "reap_kill") == 0)
			continue; /* nobody was left */
		failures++;
		assert_int_equal(end_of->start_error, EIO);
		assert_string_not_equal(end_of->start_step, "");
	}
	is_at_end();
	assert_true(failures > 15);
}

static void a_jailer_that_cannot_fork_says_so(void **unused)
{
	struct fault f = {0};
	const unsigned open_before = open_in(getpid());
	(void)unused;
	world->calls = 0;
	world->fail_at = 1;
	world->fail_errno = EAGAIN;
	assert_int_equal(
		jail_runner->prepare(&state.plan, 3, JAIL_EXEC, &parts, end_of, &door, &f), -1);
	assert_non_null(strstr(f.text, "slot 3"));
	assert_int_equal(open_in(getpid()), open_before);
}

static void what_prepare_found_reaches_the_jailer(void **unused)
{
	defer_buf struct buf given = {0};
	const struct freebsd_facts found = freebsd_facts;
	(void)unused;
	jail_runner->give(&given);
	freebsd_facts = (struct freebsd_facts){0};
	assert_int_equal(jail_runner->take(given.data, given.len - 1), -1);
	assert_int_equal(jail_runner->take(given.data, given.len), 0);
	assert_int_equal(freebsd_facts.uid_base, 200000);
	assert_true(freebsd_facts.racct);
	given.data[4] = 2;
	assert_int_equal(jail_runner->take(given.data, given.len), -1);
	freebsd_facts = found;
}

static void no_slot_is_used_twice(void **unused)
{
	(void)unused;
	assert_false(jail_runner->recycle(&state.plan, &parts));
	assert_false(jail_runner->out_of_memory(&parts));
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {T(a_call_has_given_up_all_that_it_was),
		T(a_calls_descriptors_are_bounded), T(each_descriptor_comes_to_its_place),
		T(a_jail_whose_door_closes_ends), T(what_an_ended_jail_is_given_is_nobodys),
		T(a_build_hands_out_by_a_fifth), T(each_kind_has_its_arguments),
		T(a_signal_is_told_as_one), T(who_was_killed_at_its_limit_was_out_of_memory),
		T(ending_the_stub_ends_the_program), T(what_a_program_leaves_ends_with_it),
		T(removing_the_jail_ends_the_program), T(a_failure_at_each_call_is_told),
		T(a_jailer_that_cannot_fork_says_so), T(what_prepare_found_reaches_the_jailer),
		T(no_slot_is_used_twice)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
