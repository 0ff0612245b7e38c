/*
 * Theory of operation. A jail's program has a process beside it, the stub: a fork of the jailer that
 * stays outside the jail, where nothing inside can see, signal or trace it, under the slot's uid. It
 * makes the program by pdfork(2): whatever ends the stub closes its process descriptor, and the
 * kernel then kills the program. So the jailer ends a jail by killing the stub, and a jailer that
 * dies takes its stubs along (the parent's death signal). Being a reaper, the stub has whatever the
 * program leaves behind as its own, kills that when the program has ended, and reports in memory
 * shared with the jailer, which no program of the jail has: exec replaces its memory.
 *
 * The program's process enters the jail, which is the last thing that needs root, gives up what it
 * is, and waits at the door for its descriptors; all this may be done ahead of demand. What is left
 * of a start is to limit these by Capsicum and to become the program. Capability mode itself is not
 * for Go programs, which open files by name.
 *
 * Between fork and exec only async-signal-safe calls are made.
 * Compiled, linked, model-tested; not yet run on FreeBSD.
 */

#include "jail/freebsd/freebsd.h"

#include "base/freebsd/sys.h"
#include "jail/door.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DOOR = 0 }; /* where the door lies in stub and program */

struct starting {
	const struct jail_plan *plan;
	unsigned slot;
	enum jail_kind kind;
	int jid;
	int door;
	struct jail_end *end;
	pid_t jailer;
};

static _Noreturn void give_up(struct jail_end *end, const char *step)
{
	end->start_error = errno != 0 ? errno : EINVAL;
	for (size_t i = 0; i + 1 < sizeof(end->start_step) && step[i] != '\0'; i++)
		end->start_step[i] = step[i];
	__atomic_store_n(&end->reported, 1, __ATOMIC_RELEASE);
	sys->exit(1);
}

static void identity_drop(const struct starting *s)
{
	const uid_t uid = freebsd_facts.uid_base + s->slot;
	if (sys->setgroups_none() < 0 || sys->setresgid(uid, uid, uid) < 0 ||
		sys->setresuid(uid, uid, uid) < 0)
		give_up(s->end, "uid");
}

static void limit_set(const struct starting *s, int what, uint64_t value)
{
	if (sys->setrlimit(what, value) < 0)
		give_up(s->end, "limits");
}

/* The uid is the slot's alone: of a call there are the stub and the program, which then starts no
 * other. These hold without rctl too. */
static void limits_apply(const struct starting *s)
{
	const struct jail_limits *limits = &s->plan->limits[s->kind];
	const bool call = jail_runs_call(s->kind);
	limit_set(s, SYS_LIMIT_CORE, 0);
	limit_set(s, SYS_LIMIT_NOFILE, call ? 256 : 4096);
	limit_set(s, SYS_LIMIT_MEMLOCK, 65536);
	if (!call) /* what it hands out is a file on the host's disk */
		limit_set(s, SYS_LIMIT_FSIZE, limits->tmp);
	limit_set(s, SYS_LIMIT_NPROC, call ? 2 : limits->pids);
}

static void fd_place(const struct starting *s, int from, int to, unsigned rights)
{
	if (dup2(from, to) < 0)
		give_up(s->end, "descriptors");
	if (sys->cap_limit(to, rights) < 0)
		give_up(s->end, "capsicum");
}

/* Waits at the door. What comes is placed from 0 on, or from 1 where a call's own stdin comes
 * first, the program's own last; exec closes that. Returns it. */
static int program_take(const struct starting *s, int nothing)
{
	static const unsigned rights[] = {[JAIL_STDIN] = SYS_CAN_READ | SYS_CAN_SEEK,
		[JAIL_STDOUT] = SYS_CAN_WRITE,
		[JAIL_STDERR] = SYS_CAN_WRITE,
		[JAIL_CONTROL] = SYS_CAN_READ | SYS_CAN_WRITE,
		[JAIL_BULK] = SYS_CAN_READ | SYS_CAN_WRITE | SYS_CAN_SEEK | SYS_CAN_TRUNCATE};
	int fds[JAIL_FDS];
	int at = 0;
	__atomic_store_n(&s->end->parted, 1, __ATOMIC_RELEASE);
	const int count = door_take(DOOR, fds);
	if (count < 0)
		give_up(s->end, "door");
	__atomic_store_n(&s->end->begun, 1, __ATOMIC_RELEASE);
	if (nothing >= 0)
		fd_place(s, nothing, at++, rights[JAIL_STDIN]);
	for (int i = 0; i + 1 < count && at < JAIL_PROGRAM; i++, at++)
		fd_place(s, fds[i], at, rights[at]);
	fd_place(s, fds[count - 1], at, SYS_CAN_READ | SYS_CAN_EXEC);
	if (fcntl(at, F_SETFD, FD_CLOEXEC) < 0 || sys->close_range((unsigned)at + 1, ~0U) < 0)
		give_up(s->end, "descriptors");
	return at;
}

/* A call's own /dev/null: flags set on a shared one would be the next call's too. */
static int nothing_open(const struct starting *s)
{
	const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nothing < 0)
		give_up(s->end, "stdin");
	return nothing;
}

/* With a directory open, jail_attach refuses: nothing is, but the door. */
static void jail_enter(const struct starting *s)
{
	if (!jail_runs_call(s->kind) && sys->cpus_open() < 0)
		give_up(s->end, "cpus");
	if (sys->jail_attach(s->jid) < 0)
		give_up(s->end, "jail_attach");
	if (sys->chdir("/tmp") < 0)
		give_up(s->end, "chdir");
}

static _Noreturn void program_exec(const struct starting *s)
{
	jail_enter(s);
	const int nothing = jail_runs_call(s->kind) ? nothing_open(s) : -1;
	identity_drop(s);
	if (sys->procctl_int(SYS_PROC_NO_NEW_PRIVS, SYS_NO_NEW_PRIVS_ENABLE) < 0)
		give_up(s->end, "no_new_privs");
	if (sys->procctl_int(SYS_PROC_TRACE, SYS_TRACE_DISABLE_EXEC) < 0)
		give_up(s->end, "trace");
	limits_apply(s);
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)sys->fexecve(
		program_take(s, nothing), door_argv(s->kind), s->plan->environment[s->kind]);
	give_up(s->end, "exec");
}

/* The program's process has the door alone: else its other end would not hear of its end. */
static void stub_part(const struct starting *s, int program)
{
	if (dup2(program, 0) < 0 || sys->close_range(1, ~0U) < 0)
		give_up(s->end, "descriptors");
	if (sys->cap_limit(0, SYS_CAN_WAIT) < 0)
		give_up(s->end, "capsicum");
	identity_drop(s);
}

/* Of the jailer's descriptors the door alone stays, at DOOR: among the rest are the outer ends of
 * doors, this one's too, which would never be seen to close. */
static void descriptors_part(const struct starting *s)
{
	if (dup2(s->door, DOOR) < 0 || sys->close_range(DOOR + 1, ~0U) < 0)
		give_up(s->end, "descriptors");
}

/* The limit is looked at about once a second and what is above it is killed (limits.c): no counter
 * tells, but the size that was reached. */
static bool was_starved(const struct starting *s, int status, const struct sys_usage *usage)
{
	return freebsd_facts.racct && status != 0 &&
	       usage->memory_peak >= s->plan->limits[s->kind].memory;
}

static _Noreturn void stub_wait(const struct starting *s, pid_t program)
{
	int status = 0;
	struct sys_usage usage = {0};
	while (sys->wait(program, &status, &usage) < 0) {
		if (errno != EINTR)
			give_up(s->end, "wait");
	}
	(void)sys->reap_kill(SIGKILL);
	s->end->status = status;
	s->end->cpu_us = usage.cpu_us;
	s->end->memory_peak = usage.memory_peak;
	s->end->starved = was_starved(s, status, &usage);
	__atomic_store_n(&s->end->reported, 1, __ATOMIC_RELEASE);
	sys->exit(0);
}

static _Noreturn void stub_run(const struct starting *s)
{
	int descriptor = -1;
	(void)signal(SIGPIPE, SIG_DFL);
	if (sys->procctl_int(SYS_PROC_DEATH_SIGNAL, SIGKILL) < 0)
		give_up(s->end, "parent death signal");
	if (getppid() != s->jailer) /* it died before that was set */
		sys->exit(1);
	if (sys->reap_acquire() < 0)
		give_up(s->end, "reaper");
	descriptors_part(s);
	const pid_t program = sys->pdfork(&descriptor, SYS_PD_CLOEXEC);
	if (program == 0)
		program_exec(s);
	if (program < 0)
		give_up(s->end, "pdfork");
	stub_part(s, descriptor);
	stub_wait(s, program);
}

pid_t stub_prepare(const struct jail_plan *plan, unsigned slot, enum jail_kind kind,
	const struct jail_parts *parts, struct jail_end *end, struct jail_door *door,
	struct fault *f)
{
	if (door_make(door) < 0)
		return fault_set(f, FAULT_PLATFORM, errno, "make the door of slot %u", slot);
	const struct starting s = {.plan = plan,
		.slot = slot,
		.kind = kind,
		.jid = (int)parts->mark,
		.door = door->inside,
		.end = end,
		.jailer = getpid()};
	*end = (struct jail_end){0};
	const pid_t pid = sys->fork();
	if (pid == 0)
		stub_run(&s);
	if (pid < 0) {
		(void)fault_set(f, FAULT_PLATFORM, errno, "fork a jail into slot %u", slot);
		door_close(door);
	}
	return pid;
}
