/* The seccomp filters as they are compiled for this architecture, run over calls as the kernel would: another architecture
 * has other numbers, and lacks many of the older calls. */

#include "jail/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "bpf_machine.h"

#if defined(__x86_64__)
#define HERE      AUDIT_ARCH_X86_64
#define ELSEWHERE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define HERE      AUDIT_ARCH_AARCH64
#define ELSEWHERE AUDIT_ARCH_ARM
#else
#error "which AUDIT_ARCH is this?"
#endif

struct call {
	long nr;
	uint64_t args[6];
};

static uint32_t asked(enum jail_kind kind, uint32_t architecture, const struct call *call)
{
	struct seccomp_data data = {.nr = (int)call->nr, .arch = architecture};
	memcpy(data.args, call->args, sizeof(data.args));
	return bpf_run(&linux_filters[kind], &data);
}

#define ALLOWED(kind, ...)                                                                         \
	assert_int_equal(asked(kind, HERE, &(struct call){__VA_ARGS__}), SECCOMP_RET_ALLOW)
#define REFUSED(kind, error, ...)                                                                  \
	assert_int_equal(asked(kind, HERE, &(struct call){__VA_ARGS__}),                           \
		SECCOMP_RET_ERRNO | (uint32_t)(error))

static int compile(void **state)
{
	struct fault f = {0};
	(void)state;
	linux_cgroups.version = 1;
	/* An emulator has no seccomp(2) to ask what the kernel can; the filters are for one that can. */
	assert_int_equal(seccomp_api_set(3), 0);
	return filter_prepare(&f);
}

/* What Go's runtime and its os, net and time packages make here: no older call will do instead. */
static void what_go_programs_need(void **state)
{
	(void)state;
	static const long calls[] = {SYS_read, SYS_write, SYS_close, SYS_openat, SYS_newfstatat,
		SYS_getdents64, SYS_mkdirat, SYS_unlinkat, SYS_renameat, SYS_readlinkat, SYS_pipe2,
		SYS_dup3, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2,
		SYS_ppoll, SYS_pselect6, SYS_futex, SYS_mmap, SYS_munmap, SYS_madvise, SYS_mincore,
		SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_tgkill,
		SYS_gettid, SYS_getpid, SYS_nanosleep, SYS_clock_gettime, SYS_sched_yield,
		SYS_sched_getaffinity, SYS_getrandom, SYS_uname, SYS_prlimit64, SYS_exit_group};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		ALLOWED(JAIL_EXEC, calls[i], {0});
		ALLOWED(JAIL_EXEC_NET, calls[i], {0});
		ALLOWED(JAIL_BUILD, calls[i], {0});
	}
}

static void no_processes_in_execution_jails(void **state)
{
	(void)state;
	ALLOWED(JAIL_EXEC, SYS_clone, {CLONE_VM | CLONE_THREAD | CLONE_SIGHAND});
	REFUSED(JAIL_EXEC, EPERM, SYS_clone, {CLONE_VM | CLONE_VFORK});
	REFUSED(JAIL_EXEC, EPERM, SYS_execve, {0});
	REFUSED(JAIL_EXEC, EPERM, SYS_execveat, {3});
	ALLOWED(JAIL_EXEC, SYS_execveat, {3, 0, 0, 0, AT_EMPTY_PATH});
	ALLOWED(JAIL_BUILD, SYS_clone, {CLONE_VM | CLONE_VFORK});
	REFUSED(JAIL_BUILD, EPERM, SYS_clone, {CLONE_NEWUSER});
	for (int kind = 0; kind < JAIL_KINDS; kind++)
		REFUSED((enum jail_kind)kind, ENOSYS, SYS_clone3, {0});
}

static void no_sockets_but_those_given(void **state)
{
	(void)state;
	ALLOWED(JAIL_EXEC, SYS_socket, {AF_UNIX, SOCK_STREAM});
	REFUSED(JAIL_EXEC, EPERM, SYS_socket, {AF_INET, SOCK_STREAM});
	ALLOWED(JAIL_EXEC_NET, SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC});
	REFUSED(JAIL_EXEC_NET, EPERM, SYS_socket, {AF_INET, SOCK_RAW});
	REFUSED(JAIL_EXEC_NET, EPERM, SYS_socket, {AF_INET6, SOCK_STREAM});
	REFUSED(JAIL_FETCH, EPERM, SYS_socket, {AF_NETLINK, SOCK_RAW});
}

/* O_TMPFILE, O_DIRECTORY and MAP_GROWSDOWN are other bits on other architectures. */
static void shared_inodes(void **state)
{
	(void)state;
	ALLOWED(JAIL_EXEC, SYS_openat, {0, 0, O_RDWR | O_CREAT | O_CLOEXEC});
	ALLOWED(JAIL_EXEC, SYS_openat, {0, 0, O_RDONLY | O_DIRECTORY});
	REFUSED(JAIL_EXEC, EPERM, SYS_openat, {0, 0, O_RDWR | O_TMPFILE});
	REFUSED(JAIL_EXEC, ENOLCK, SYS_flock, {0});
	REFUSED(JAIL_EXEC, ENOSYS, SYS_openat2, {0});
	REFUSED(JAIL_EXEC, 0, SYS_fcntl, {3, F_SETLK});
	REFUSED(JAIL_EXEC, EPERM, SYS_fcntl, {3, F_SETLEASE});
	REFUSED(JAIL_EXEC, EPERM, SYS_memfd_create, {0});
}

static void what_changes_the_host_is_refused_everywhere(void **state)
{
	(void)state;
	static const long calls[] = {SYS_mount, SYS_umount2, SYS_unshare, SYS_setns, SYS_pivot_root,
		SYS_ptrace, SYS_bpf, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_perf_event_open,
		SYS_init_module, SYS_io_uring_setup, SYS_userfaultfd, SYS_process_vm_readv,
		SYS_open_by_handle_at, SYS_setuid};
	for (int kind = 0; kind < JAIL_KINDS; kind++) {
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
			REFUSED((enum jail_kind)kind, EPERM, calls[i], {0});
	}
}

static void calls_by_another_table_end_the_program(void **state)
{
	(void)state;
	const struct call call = {.nr = SYS_read};
	for (int kind = 0; kind < JAIL_KINDS; kind++)
		assert_int_equal(
			asked((enum jail_kind)kind, ELSEWHERE, &call), SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
	const struct call x32 = {.nr = 0x40000000 | SYS_read};
	assert_int_equal(asked(JAIL_EXEC, HERE, &x32), SECCOMP_RET_KILL_PROCESS);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_go_programs_need),
		cmocka_unit_test(no_processes_in_execution_jails),
		cmocka_unit_test(no_sockets_but_those_given),
		cmocka_unit_test(shared_inodes),
		cmocka_unit_test(what_changes_the_host_is_refused_everywhere),
		cmocka_unit_test(calls_by_another_table_end_the_program),
	};
	return cmocka_run_group_tests(tests, compile, NULL);
}
