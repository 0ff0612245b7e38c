/*
 * System calls a jail may make: a list of what Go programs need, everything else answers ENOSYS or
 * EPERM, so that Go's runtime and libraries fall back instead of dying. Compiled once, in the
 * supervisor, into BPF for each kind of jail (bpf.c); installing one is a single prctl (seccomp(2)).
 * Names become numbers, and this machine's table of them, by libseccomp.
 *
 * Execution jails besides: no new process (clone only with CLONE_THREAD; clone3, whose flags a
 * filter cannot read, answers ENOSYS), no exec but the stub's own by descriptor, no socket but
 * AF_UNIX. Those with an address have TCP and UDP over IPv4 too; no raw sockets, no IPv6, and no
 * netlink, by which Go only lists interfaces.
 */

#include "jail/linux/bpf.h"
#include "jail/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

/* Allowed in every jail. */
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

struct rules {
	struct bpf_rule list[BPF_RULES_MAX];
	size_t count;
	bool full;
};

/* Names that an architecture does not have are passed over. */
static void rule(struct rules *r, const char *name, uint32_t verdict, const struct bpf_test *test,
	size_t tests)
{
	const int nr = seccomp_syscall_resolve_name(name);
	r->full |= r->count == BPF_RULES_MAX;
	if (nr < 0 || r->full)
		return;
	struct bpf_rule *made = &r->list[r->count++];
	*made = (struct bpf_rule){.nr = nr, .verdict = verdict, .tests = (unsigned)tests};
	if (tests > 0)
		memcpy(made->test, test, tests * sizeof(*test));
}

static void allow(struct rules *r, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		rule(r, names[i], SECCOMP_RET_ALLOW, NULL, 0);
}

static void refuse(struct rules *r, const char *name, int error)
{
	rule(r, name, SECCOMP_RET_ERRNO | (uint32_t)error, NULL, 0);
}

/* Allowed where of these bits of an argument exactly those of `value` are set. */
static void allow_bits(
	struct rules *r, const char *name, unsigned argument, uint32_t mask, uint32_t value)
{
	rule(r, name, SECCOMP_RET_ALLOW, &(struct bpf_test){argument, mask, value}, 1);
}

static void allow_value(struct rules *r, const char *name, unsigned argument, int value)
{
	allow_bits(r, name, argument, UINT32_MAX, (uint32_t)value);
}

static void allow_values(
	struct rules *r, const char *name, unsigned argument, const int *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		allow_value(r, name, argument, values[i]);
}

/* Files that all jails see are shared inodes: what marks an inode (locks, leases, watches) would be
 * seen, or felt, in others. Records (F_SETLK) are locked against other processes alone, of which a
 * jail has none: every such lock is granted and none is made, since the kernel charges them to
 * nobody besides. The size of a pipe is charged to who made it: the server, for stdout. Unnamed
 * files would leave /tmp's inode numbers moved on without a trace in its times (recycle.c). */
static void shared_inode_rules(struct rules *r)
{
	static const int commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL,
		F_GETLK, 1032 /* F_GETPIPE_SZ */, 1033 /* F_ADD_SEALS */, 1034 /* F_GET_SEALS */};
	static const int granted[] = {F_SETLK, F_SETLKW};
	refuse(r, "flock", ENOLCK);
	refuse(r, "openat2", ENOSYS);
	allow_bits(r, "open", 1, O_TMPFILE & ~O_DIRECTORY, 0);
	allow_bits(r, "openat", 2, O_TMPFILE & ~O_DIRECTORY, 0);
	allow_values(r, "fcntl", 1, commands, sizeof(commands) / sizeof(commands[0]));
	for (size_t i = 0; i < sizeof(granted) / sizeof(granted[0]); i++)
		rule(r, "fcntl", SECCOMP_RET_ERRNO | 0,
			&(struct bpf_test){1, UINT32_MAX, (uint32_t)granted[i]}, 1);
}

/* Without control groups rlimits stand in, which count private memory only: then there is no other.
 */
static void memory_rules(struct rules *r, enum jail_kind kind)
{
	static const char *const all[] = {"mmap", "memfd_create"};
	/* A file in memory could be run (execveat must be allowed for the artifact itself); what
	 * lies in /tmp cannot. */
	if (!jail_runs_call(kind))
		allow(r, all, 2);
	else if (linux_cgroups.version != 0)
		allow(r, all, 1);
	else
		allow_bits(r, "mmap", 3, MAP_SHARED | MAP_GROWSDOWN, 0);
}

static void exec_rules(struct rules *r)
{
	/* prctl: names of threads and memory areas, precision of timers, huge pages, and reading
	 * back; nothing that changes privileges. */
	static const int prctls[] = {15 /* PR_SET_NAME */, 16 /* PR_GET_NAME */,
		29 /* PR_SET_TIMERSLACK */, 41 /* PR_SET_THP_DISABLE */,
		0x53564d41 /* PR_SET_VMA */, 3 /* PR_GET_DUMPABLE */};
	shared_inode_rules(r);
	allow_bits(r, "clone", 0, CLONE_THREAD, CLONE_THREAD);
	allow_value(r, "execveat", 4, AT_EMPTY_PATH);
	allow_value(r, "socket", 0, AF_UNIX);
	allow_values(r, "prctl", 0, prctls, sizeof(prctls) / sizeof(prctls[0]));
}

/* TCP and UDP; the type's upper bits are flags (socket(2)). */
static void ip4_rules(struct rules *r)
{
	static const unsigned sockets[][2] = {{SOCK_STREAM, 0}, {SOCK_STREAM, IPPROTO_TCP},
		{SOCK_DGRAM, 0}, {SOCK_DGRAM, IPPROTO_UDP}};
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		const struct bpf_test tests[] = {{0, UINT32_MAX, AF_INET}, {1, 0xf, sockets[i][0]},
			{2, UINT32_MAX, sockets[i][1]}};
		rule(r, "socket", SECCOMP_RET_ALLOW, tests, 3);
	}
}

/* Builds and fetches. A plain clone, as long as it makes no new namespaces. */
static void process_rules(struct rules *r)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	allow(r, processes, sizeof(processes) / sizeof(processes[0]));
	allow_values(r, "socket", 0, families, sizeof(families) / sizeof(families[0]));
	allow_bits(r, "clone", 0,
		CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
			CLONE_NEWUTS | CLONE_NEWCGROUP,
		0);
}

/* ioctl: sizes of what is readable, terminal questions; not TIOCSTI, not device controls. */
static void ioctl_rules(struct rules *r)
{
	static const int allowed[] = {FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ};
	allow_values(r, "ioctl", 1, allowed, sizeof(allowed) / sizeof(allowed[0]));
}

static int kind_prepare(enum jail_kind kind)
{
	struct rules r = {0};
	allow(&r, common, sizeof(common) / sizeof(common[0]));
	refuse(&r, "clone3", ENOSYS);
	ioctl_rules(&r);
	memory_rules(&r, kind);
	allow_value(&r, "socketpair", 0, AF_UNIX);
	if (jail_runs_call(kind))
		exec_rules(&r);
	else
		process_rules(&r);
	if (kind == JAIL_EXEC_NET)
		ip4_rules(&r);
	if (r.full)
		return -1;
	return bpf_compile(r.list, r.count, seccomp_arch_native(), SECCOMP_RET_ERRNO | EPERM,
		&linux_filters[kind]);
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
