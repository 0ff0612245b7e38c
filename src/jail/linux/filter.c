/*
 * System calls a jail may make: a list of what Go programs need, everything else answers ENOSYS or
 * EPERM, so that Go's runtime and libraries fall back instead of dying. Compiled once, in the
 * supervisor, into BPF for each kind of jail; installing one is a single prctl (seccomp(2)).
 *
 * Execution jails besides: no new process (clone only with CLONE_THREAD; clone3, whose flags a
 * filter cannot read, answers ENOSYS), no exec but the stub's own by descriptor, no socket but
 * AF_UNIX. Those with an address have TCP and UDP over IPv4 too; no raw sockets, no IPv6, and no
 * netlink, by which Go only lists interfaces.
 */

#include "jail/linux/linux.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

/* Allowed in every jail. Names that an architecture does not have are passed over. */
static const char *const common[] = {
	/* memory */
	"munmap",
	"mprotect",
	"madvise",
	"mremap",
	"brk",
	"mincore",
	"mlock",
	"munlock",
	"msync",
	"membarrier",
	/* threads, signals, time */
	"futex",
	"set_robust_list",
	"get_robust_list",
	"rseq",
	"sched_yield",
	"sched_getaffinity",
	"arch_prctl",
	"set_tid_address",
	"gettid",
	"getpid",
	"getppid",
	"tgkill",
	"tkill",
	"kill",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigaltstack",
	"rt_sigtimedwait",
	"rt_sigpending",
	"rt_sigsuspend",
	"nanosleep",
	"clock_nanosleep",
	"clock_gettime",
	"clock_getres",
	"gettimeofday",
	"time",
	"times",
	"setitimer",
	"getitimer",
	"alarm",
	"pause",
	"timer_create",
	"timer_settime",
	"timer_gettime",
	"timer_delete",
	"restart_syscall",
	"exit",
	"exit_group",
	"getcpu",
	/* files */
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"preadv",
	"pwritev",
	"preadv2",
	"pwritev2",
	"creat",
	"close",
	"close_range",
	"lseek",
	"dup",
	"dup2",
	"dup3",
	"fsync",
	"fdatasync",
	"ftruncate",
	"truncate",
	"fallocate",
	"fadvise64",
	"sendfile",
	"copy_file_range",
	"splice",
	"tee",
	"stat",
	"fstat",
	"lstat",
	"newfstatat",
	"statx",
	"statfs",
	"fstatfs",
	"access",
	"faccessat",
	"faccessat2",
	"getdents",
	"getdents64",
	"mkdir",
	"mkdirat",
	"rmdir",
	"rename",
	"renameat",
	"renameat2",
	"link",
	"linkat",
	"unlink",
	"unlinkat",
	"symlink",
	"symlinkat",
	"readlink",
	"readlinkat",
	"chmod",
	"fchmod",
	"fchmodat",
	"utime",
	"utimes",
	"utimensat",
	"futimesat",
	"umask",
	"getcwd",
	"chdir",
	"fchdir",
	"pipe",
	"pipe2",
	/* waiting */
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"eventfd",
	"eventfd2",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_gettime",
	"signalfd",
	"signalfd4",
	/* who and what am I */
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getresuid",
	"getresgid",
	"getgroups",
	"getpgid",
	"getpgrp",
	"getsid",
	"uname",
	"sysinfo",
	"getrlimit",
	"prlimit64",
	"getrusage",
	"getrandom",
	"getpriority",
	"capget",
	/* sockets, once one is held */
	"bind",
	"connect",
	"listen",
	"accept",
	"accept4",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	"sendto",
	"recvfrom",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"recvmmsg",
	"shutdown",
};

/* Allowed where several processes work together: build and fetch. */
static const char *const processes[] = {
	"fork",
	"vfork",
	"execve",
	"execveat",
	"wait4",
	"waitid",
	"pidfd_open",
	"pidfd_send_signal",
	"setpgid",
	"setsid",
	"setrlimit",
	"open",
	"openat",
	"openat2",
	"fcntl",
	"flock",
	"sched_setaffinity",
	"fchown",
	"fchownat",
	"chown",
	"lchown",
	"prctl",
};

static int allow(scmp_filter_ctx filter, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		if (nr == __NR_SCMP_ERROR || nr < 0)
			continue;
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, nr, 0) < 0)
			return -1;
	}
	return 0;
}

static int allow_masked(
	scmp_filter_ctx filter, const char *name, unsigned argument, scmp_datum_t refused)
{
	int nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR || nr < 0)
		return 0;
	return seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, nr, 1, SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, refused, 0));
}

/* Files that all jails see are shared inodes: what marks an inode (locks, leases, watches) would be
 * seen, or felt, in others. Records (F_SETLK) are locked against other processes alone, of which a
 * jail has none: every such lock is granted and none is made, since the kernel charges them to
 * nobody besides. The size of a pipe is charged to who made it: the server, for stdout. Unnamed
 * files would leave /tmp's inode numbers moved on without a trace in its times (recycle.c). */
static int shared_inode_rules(scmp_filter_ctx filter)
{
	static const int commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL,
		F_GETLK, 1032 /* F_GETPIPE_SZ */, 1033 /* F_ADD_SEALS */, 1034 /* F_GET_SEALS */};
	static const int granted[] = {F_SETLK, F_SETLKW};
	int failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOLCK), SCMP_SYS(flock), 0);
	failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
	failed |= allow_masked(filter, "open", 1, O_TMPFILE & ~O_DIRECTORY) |
		  allow_masked(filter, "openat", 2, O_TMPFILE & ~O_DIRECTORY);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
	for (size_t i = 0; i < sizeof(granted) / sizeof(granted[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)granted[i]));
	return failed;
}

/* Without control groups rlimits stand in, which count private memory only: then there is no other.
 */
static int memory_rules(scmp_filter_ctx filter, enum jail_kind kind)
{
	static const char *const all[] = {"mmap", "memfd_create"};
	/* A file in memory could be run (execveat must be allowed for the artifact itself); what
	 * lies in /tmp cannot. */
	if (!jail_runs_call(kind))
		return allow(filter, all, 2);
	if (linux_cgroups.version != 0)
		return allow(filter, all, 1);
	return allow_masked(filter, "mmap", 3, MAP_SHARED | MAP_GROWSDOWN);
}

static int exec_rules(scmp_filter_ctx filter)
{
	/* prctl: names of threads and memory areas, and reading back; nothing that changes
	 * privileges. */
	static const int prctls[] = {15 /* PR_SET_NAME */, 16 /* PR_GET_NAME */,
		0x53564d41 /* PR_SET_VMA */, 3 /* PR_GET_DUMPABLE */};
	int failed = shared_inode_rules(filter);
	failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	failed |= seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(execveat), 1, SCMP_A4(SCMP_CMP_EQ, AT_EMPTY_PATH));
	failed |= seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	for (size_t i = 0; i < sizeof(prctls) / sizeof(prctls[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)prctls[i]));
	return failed;
}

/* TCP and UDP; the type's upper bits are flags (socket(2)). */
static int ip4_rules(scmp_filter_ctx filter)
{
	static const int sockets[][2] = {{SOCK_STREAM, 0}, {SOCK_STREAM, IPPROTO_TCP},
		{SOCK_DGRAM, 0}, {SOCK_DGRAM, IPPROTO_UDP}};
	int failed = 0;
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
			SCMP_A0(SCMP_CMP_EQ, AF_INET),
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (scmp_datum_t)sockets[i][0]),
			SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)sockets[i][1]));
	return failed;
}

static int process_rules(scmp_filter_ctx filter)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	int failed = allow(filter, processes, sizeof(processes) / sizeof(processes[0]));
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return failed;
}

/* A plain clone, as long as it makes no new namespaces. */
static int clone_rule(scmp_filter_ctx filter)
{
	const scmp_datum_t spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
				    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	return seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));
}

/* ioctl: sizes of what is readable, terminal questions; not TIOCSTI, not device controls. */
static int ioctl_rules(scmp_filter_ctx filter)
{
	static const unsigned long allowed[] = {
		FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ};
	int failed = 0;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_EQ, allowed[i]));
	return failed;
}

static int program_export(scmp_filter_ctx filter, struct sock_fprog *program)
{
	defer_close int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;
	if (fd < 0 || seccomp_export_bpf(filter, fd) < 0 || fstat(fd, &st) < 0)
		return -1;
	defer_free void *code = malloc((size_t)st.st_size);
	if (code == NULL || pread(fd, code, (size_t)st.st_size, 0) != st.st_size)
		return -1;
	program->len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	program->filter = code;
	code = NULL;
	return 0;
}

static int kind_prepare(enum jail_kind kind)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return -1;
	int failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* System calls by another table, 32 bits or x32: the whole program ends, not the thread
	 * alone. */
	failed |= seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	failed |= allow(filter, common, sizeof(common) / sizeof(common[0]));
	failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	failed |= ioctl_rules(filter);
	failed |= memory_rules(filter, kind);
	failed |= seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	failed |= jail_runs_call(kind) ? exec_rules(filter)
				       : (clone_rule(filter) | process_rules(filter));
	failed |= kind == JAIL_EXEC_NET ? ip4_rules(filter) : 0;
	if (failed == 0)
		failed = program_export(filter, &linux_filters[kind]);
	seccomp_release(filter);
	return failed != 0 ? -1 : 0;
}

int filter_prepare(struct fault *f)
{
	for (int kind = 0; kind < JAIL_KINDS; kind++) {
		if (linux_filters[kind].len == 0 && kind_prepare((enum jail_kind)kind) < 0)
			return fault_set(
				f, FAULT_PLATFORM, 0, "the seccomp filter could not be compiled");
	}
	return 0;
}
