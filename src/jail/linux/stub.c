/*
 * Theory of operation. A jail must cost next to nothing, and a call must not wait for it. So the
 * stub is a plain fork of the small jailer into new pid, uts and cgroup namespaces; it enters the
 * slot's other namespaces and control groups, gives up what it is, and makes the program's
 * process (pid 2), which shares its memory, takes on the filter, and waits at the door for its
 * descriptors. All this may be done ahead of demand: what is left of a start is one message, and
 * exec. Being pid 1 the stub is immune to signals from inside, reaps orphans, and its end takes
 * everything else with it. It reports what became of the program in memory shared with the jailer,
 * which no program of the jail has: exec replaces its memory.
 *
 * The jailer may hold ten thousand descriptors, and copying and closing them would cost more than
 * all else. So an execution jail's stub shares the jailer's table at first, reads what belongs to
 * its slot, then takes a table of its own with the inner end of its door alone, which lies below
 * all slots'. Once the program waits there it says so in `end`; until then the jailer leaves that
 * open.
 *
 * Between fork and exec only async-signal-safe calls are made.
 */

#include "jail/linux/linux.h"

#include "jail/door.h"
#include "jail/linux/newmount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <grp.h>
#include <unistd.h>

/* How late a timer of a program may be while it starts: the monitor of Go's runtime wakes every
 * 20 µs, and interrupts the start each time. */
enum { SLACK_NS = 500000 };

struct starting {
	const struct jail_plan *plan;
	enum jail_kind kind;
	const struct jail_parts *parts;
	struct jail_end *end;
	int door;
	int nothing; /* an execution jail's own stdin, else -1 */
	bool shares; /* the jailer's descriptors, still */
};

/* Of the program's process, until exec; the stub's memory is a copy of the jailer's. */
static char program_stack[32 << 10] __attribute__((aligned(16)));

static _Noreturn void give_up(struct jail_end *end, const char *step)
{
	end->start_error = errno != 0 ? errno : EINVAL;
	for (size_t i = 0; i + 1 < sizeof(end->start_step) && step[i] != '\0'; i++)
		end->start_step[i] = step[i];
	end->reported = 1;
	_exit(1);
}

/* A Go program uses the cpus it may run on: a call gets its jailer's, a build all there are. */
static void cpus_open(const struct starting *s)
{
	cpu_set_t all;
	if (jail_runs_call(s->kind))
		return;
	memset(&all, 0xff, sizeof(all));
	(void)sched_setaffinity(0, sizeof(all), &all);
}

/* /proc for the new pid namespace, its processes only and none of the kernel's own files, detached:
 * made where the host's whole /proc can be seen (or the kernel refuses) and while we have rights
 * over it; spaces_enter puts it into the slot. -1: not wanted. */
static int proc_make(const struct starting *s)
{
	if (!s->plan->proc || !jail_runs_call(s->kind))
		return -1;
	int context = fsopen("proc", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "subset", "pid", 0) < 0 ||
		fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		give_up(s->end, "proc");
	int proc = fsmount(
		context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (proc < 0)
		give_up(s->end, "proc");
	return proc;
}

/* Mount and net need rights over the namespaces' owner, which we have from outside; entering the
 * owner comes last. */
static void spaces_enter(const struct starting *s)
{
	static const struct {
		int part, type;
		const char *name;
	} order[] = {{PART_MOUNT, CLONE_NEWNS, "mount namespace"},
		{PART_NET, CLONE_NEWNET, "net namespace"},
		{PART_IPC, CLONE_NEWIPC, "ipc namespace"},
		{PART_USER, CLONE_NEWUSER, "user namespace"}};
	if (cgroup_enter(&linux_cgroups, &s->parts->fd[PART_ENTER]) < 0)
		give_up(s->end, "cgroup");
	static const char name[] = JAIL_HOSTNAME;
	if (sethostname(name, sizeof(name) - 1) <
		0) /* the uts namespace is the jailer's to name, so before the next steps */
		give_up(s->end, "hostname");
	cpus_open(s);
	int proc = proc_make(s);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (order[i].type == CLONE_NEWUSER && proc >= 0 &&
			move_mount(proc, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
			give_up(s->end, "proc");
		if (s->parts->fd[order[i].part] >= 0 &&
			setns(s->parts->fd[order[i].part], order[i].type) < 0)
			give_up(s->end, order[i].name);
	}
}

static void capabilities_drop(const struct starting *s)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	for (int cap = 0; cap <= 63; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break; /* EINVAL: past the last one */
	}
	if (prctl(PR_SET_SECUREBITS,
		    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
			    SECBIT_NO_SETUID_FIXUP_LOCKED,
		    0, 0, 0) < 0)
		give_up(s->end, "securebits");
	if (syscall(SYS_capset, &header, none) < 0)
		give_up(s->end, "capabilities");
}

/* Or less, where whoever started us has less: that cannot be raised any more. */
static void limit_set(const struct starting *s, unsigned what, uint64_t value)
{
	struct rlimit limit;
	if (getrlimit(what, &limit) < 0)
		give_up(s->end, "limits");
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(what, &limit) < 0)
		give_up(s->end, "limits");
}

/* Where there are no control groups, rlimits stand in: RLIMIT_DATA counts what Go maps in arenas of
 * 64 MiB, so one arena is added to the limit; never RLIMIT_AS, under which Go does not start. */
static void limits_apply(const struct starting *s)
{
	const struct jail_limits *limits = &s->plan->limits[s->kind];
	limit_set(s, RLIMIT_CORE, 0);
	limit_set(s, RLIMIT_NOFILE, jail_runs_call(s->kind) ? 256 : 4096);
	limit_set(s, RLIMIT_MSGQUEUE, 0);
	limit_set(s, RLIMIT_MEMLOCK, 65536);
	/* What a build or fetch hands out is a file on the host's disk; a call has only its tmpfs,
	 * whose size ends it in Go's usual words. */
	if (!jail_runs_call(s->kind))
		limit_set(s, RLIMIT_FSIZE, limits->tmp);
	if (linux_cgroups.version != 0)
		return;
	limit_set(s, RLIMIT_DATA, limits->memory + (64U << 20));
	limit_set(s, RLIMIT_NPROC, limits->pids);
}

static void identity_drop(const struct starting *s)
{
	(void)setgroups(0, NULL); /* refused where the user namespace forbids it; the groups then
				     mean nothing inside */
	if (setresgid(JAIL_UID, JAIL_UID, JAIL_UID) < 0 ||
		setresuid(JAIL_UID, JAIL_UID, JAIL_UID) < 0)
		give_up(s->end, "uid");
	capabilities_drop(s);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		give_up(s->end, "no_new_privs");
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* Set after the credentials changed, which clears it (prctl(2)). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		give_up(s->end, "parent death signal");
}

static void fd_place(const struct starting *s, int from, int to)
{
	if (dup2(from, to) < 0)
		give_up(s->end, "descriptors");
}

/* Waits at the door; the descriptors are placed from 0 on, the program's own last. Returns that. */
static int program_take(const struct starting *s)
{
	int fds[JAIL_FDS];
	int at = 0;
	__atomic_store_n(&s->end->parted, 1, __ATOMIC_RELEASE);
	const int count = door_take(s->door, fds);
	if (count < 0)
		give_up(s->end, "door");
	__atomic_store_n(&s->end->begun, 1, __ATOMIC_RELEASE);
	if (s->nothing >= 0)
		fd_place(s, s->nothing, at++);
	for (int i = 0; i + 1 < count; i++)
		fd_place(s, fds[i], at++);
	if (dup3(fds[count - 1], at, O_CLOEXEC) < 0 ||
		syscall(SYS_close_range, (unsigned)at + 1, ~0U, 0) < 0)
		give_up(s->end, "descriptors");
	return at;
}

/* As suits a start (prctl(2)): timers less precise, and no huge pages, of which the little that a
 * program touches until it waits would take a whole one. The driver has the usual again when it is
 * READY. What the kernel does not know is only slower, or larger. */
static void start_cheaply(void)
{
	(void)prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

/* The program's process: shares memory with the stub until exec. */
static int program_run(void *starting)
{
	const struct starting *s = starting;
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (jail_runs_call(s->kind))
		start_cheaply();
	if (prctl(PR_SET_SECCOMP, 2 /* SECCOMP_MODE_FILTER */, &linux_filters[s->kind], 0, 0) < 0)
		give_up(s->end, "seccomp");
	(void)syscall(SYS_execveat, program_take(s), "", door_argv(s->kind),
		s->plan->environment[s->kind], AT_EMPTY_PATH);
	give_up(s->end, "exec");
}

static void signals_reset(void)
{
	/* SIGPIPE may be ignored and SIGCHLD blocked in the jailer: the program must not inherit
	 * either. */
	(void)signal(SIGPIPE, SIG_DFL);
}

/* What the slot's descriptors were for is done. The door alone stays: what is held here while the
 * jail waits would be kept from closing, and a program that was just built from running. */
static void descriptors_part(struct starting *s)
{
	const unsigned door = (unsigned)s->door;
	if (s->parts->fd[PART_RULES] >= 0 && landlock_enter(s->parts->fd[PART_RULES]) < 0)
		give_up(s->end, "landlock");
	if (syscall(SYS_close_range, door + 1, ~0U, s->shares ? CLOSE_RANGE_UNSHARE : 0) < 0 ||
		(door > 0 && syscall(SYS_close_range, 0U, door - 1, 0) < 0))
		give_up(s->end, "descriptors");
	/* Its own /dev/null: flags and owners set on a shared one would be the next call's too. */
	s->nothing = jail_runs_call(s->kind) ? open("/dev/null", O_RDONLY) : -1;
	if (jail_runs_call(s->kind) && s->nothing < 0)
		give_up(s->end, "stdin");
}

static _Noreturn void stub_run(struct starting *s)
{
	signals_reset();
	spaces_enter(s);
	if (chdir("/tmp") < 0)
		give_up(s->end, "chdir");
	identity_drop(s);
	descriptors_part(s);
	limits_apply(s);
	/* With CLONE_VM it does not depend on our size. */
	pid_t program =
		clone(program_run, program_stack + sizeof(program_stack), CLONE_VM | SIGCHLD, s);
	if (program < 0)
		give_up(s->end, "clone");
	/* Nothing may stay open here: the door's other end would not hear of the program's. */
	(void)syscall(SYS_close_range, 0U, ~0U, 0);
	for (;;) {
		int status = 0;
		struct rusage use;
		pid_t pid = wait4(-1, &status, 0, &use);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid != program && pid >= 0)
			continue; /* an orphan */
		s->end->status = status;
		s->end->cpu_us = (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000U +
				 (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
		s->end->memory_peak = (uint64_t)use.ru_maxrss * 1024;
		__atomic_store_n(&s->end->reported, 1, __ATOMIC_RELEASE);
		_exit(0);
	}
}

pid_t stub_prepare(const struct jail_plan *plan, unsigned slot, enum jail_kind kind,
	const struct jail_parts *parts, struct jail_end *end, struct jail_door *door,
	struct fault *f)
{
	if (door_make(door) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "make the door of slot %u", slot);
	struct starting s = {.plan = plan,
		.kind = kind,
		.parts = parts,
		.end = end,
		.door = door->inside,
		.shares = jail_runs_call(kind) && !plan->proc && door->inside < JAIL_FDS_LOW};
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	if (s.shares)
		args.flags |= CLONE_FILES;
	if (parts->fd[PART_IPC] < 0)
		args.flags |= CLONE_NEWIPC;
	if (linux_cgroups.version == 2) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)parts->fd[PART_ENTER];
	}
	*end = (struct jail_end){0};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		stub_run(&s);
	if (pid < 0) {
		(void)fault_set(f, FAULT_PLATFORM, errno, "clone a jail into slot %u", slot);
		door_close(door);
	}
	return pid;
}
