#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct world *world;
struct world_self world_self;

static char hidden[PATH_MAX];
static ino_t descriptor; /* of the process we made by pdfork */

/* ---- what there is ---- */

void world_begin(void)
{
	if (world == NULL)
		world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED)
		abort();
	memset(world, 0, sizeof(*world));
	world->racct = world->vimage = world->pf_on = world->pf_anchor = true;
	world->fail_errno = EIO;
	world->alias[0] = (struct world_alias){"em0", 0x0a000001, 0xffffff00, 0};
	world_self = (struct world_self){0};
}

void world_hide(const char *path)
{
	(void)snprintf(hidden, sizeof(hidden), "%s", path);
}

const char *world_left(void)
{
	static char text[4096];
	size_t len = 0;
	text[0] = '\0';
	for (int i = 0; i < WORLD_JAILS; i++) {
		if (world->jail[i].jid != 0 && !world->jail[i].dying)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "jail %.40s\n",
				world->jail[i].name);
	}
	for (int i = 0; i < WORLD_MOUNTS; i++) {
		if (world->mount[i].there)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "mount %.60s\n",
				world->mount[i].at);
	}
	for (int i = 0; i < WORLD_RULES; i++) {
		if (world->rule[i][0] != '\0')
			len += (size_t)snprintf(
				text + len, sizeof(text) - len, "rule %.60s\n", world->rule[i]);
	}
	for (int i = 1; i < WORLD_ALIASES; i++) {
		if (world->alias[i].interface[0] != '\0' && world->alias[i].jid == 0)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "alias %08x\n",
				world->alias[i].address);
	}
	for (int i = 0; i < WORLD_CLONES; i++) {
		if (world->clone[i])
			len += (size_t)snprintf(text + len, sizeof(text) - len, "clone %d\n", i);
	}
	return text;
}

/* ---- calls ---- */

int world_refuse(int error)
{
	errno = error;
	return -1;
}

bool world_call(const char *name)
{
	const unsigned number = __atomic_add_fetch(&world->calls, 1, __ATOMIC_SEQ_CST);
	if (number != world->fail_at)
		return true;
	world->failed = true;
	(void)snprintf(world->failed_call, sizeof(world->failed_call), "%s", name);
	if (world->kills)
		(void)raise(SIGKILL);
	errno = world->fail_errno;
	return false;
}

/* Leaves the path out that differs from run to run. */
void world_log(const char *format, ...)
{
	char line[4096];
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	const size_t len = strlen(hidden);
	for (char *at = len > 0 ? strstr(line, hidden) : NULL; at != NULL; at = strstr(at, hidden))
		memmove(at, at + len, strlen(at + len) + 1);
	const int put = snprintf(
		world->log + world->log_len, sizeof(world->log) - world->log_len, "%s\n", line);
	world->log_len += (size_t)put;
	if (world->log_len >= sizeof(world->log))
		abort();
}

int world_pairs(const struct iovec *iov, unsigned count, struct world_pair pairs[64])
{
	if (count % 2 != 0 || count > 128 || count == 0)
		return world_refuse(EINVAL);
	for (unsigned i = 0; i < count / 2; i++) {
		const char *name = iov[2 * i].iov_base;
		if (iov[2 * i].iov_len < 2 ||
			memchr(name, '\0', iov[2 * i].iov_len) != name + iov[2 * i].iov_len - 1)
			return world_refuse(EINVAL);
		pairs[i] =
			(struct world_pair){name, iov[2 * i + 1].iov_base, iov[2 * i + 1].iov_len};
		for (unsigned k = 0; k < i; k++) {
			if (strcmp(pairs[k].name, name) == 0)
				return world_refuse(EINVAL);
		}
	}
	return (int)(count / 2);
}

void world_why(const struct world_pair *pairs, int count, const char *format, ...)
{
	va_list ap;
	for (int i = 0; i < count; i++) {
		char *room = pairs[i].value;
		if (strcmp(pairs[i].name, "errmsg") != 0)
			continue;
		if (room == NULL || pairs[i].len == 0 || room[0] != '\0')
			abort(); /* it must be there, and zeroed */
		va_start(ap, format);
		(void)vsnprintf(room, pairs[i].len, format, ap);
		va_end(ap);
	}
}

bool world_is_text(const struct world_pair *pair, size_t most)
{
	return pair->value != NULL && pair->len > 0 && pair->len <= most &&
	       memchr(pair->value, '\0', pair->len) == (char *)pair->value + pair->len - 1;
}

/* ---- processes ---- */

static pid_t world_fork(void)
{
	if (!world_call("fork"))
		return -1;
	const pid_t pid = fork();
	if (pid == 0)
		descriptor = 0;
	return pid;
}

/* Whoever ends, or has closed the descriptor, takes the process along. */
static pid_t world_pdfork(int *fd, int flags)
{
	int ends[2];
	struct stat st;
	const pid_t parent = getpid();
	if (!world_call("pdfork"))
		return -1;
	if ((flags & ~SYS_PD_CLOEXEC) != 0)
		return world_refuse(EINVAL);
	if (pipe2(ends, O_CLOEXEC) < 0 || fstat(ends[0], &st) < 0)
		abort();
	(void)close(ends[1]);
	const pid_t pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		return 0;
	}
	descriptor = st.st_ino;
	*fd = ends[0];
	return pid;
}

static bool descriptor_is_open(void)
{
	for (int fd = 0; fd < 64; fd++) {
		struct stat st;
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_ino == descriptor)
			return true;
	}
	return false;
}

static int world_wait(pid_t pid, int *status, struct sys_usage *usage)
{
	if (pid <= 0)
		return world_refuse(ECHILD); /* pdfork's children are not any child */
	if (!world_call("wait"))
		return -1;
	if (descriptor != 0 && !descriptor_is_open())
		(void)kill(pid, SIGKILL);
	if (waitpid(pid, status, 0) < 0)
		return -1;
	*usage = (struct sys_usage){.cpu_us = 1234, .memory_peak = world->memory_peak};
	return 0;
}

static int world_procctl_int(int command, int value)
{
	if (!world_call("procctl"))
		return -1;
	switch (command) {
	case SYS_PROC_DEATH_SIGNAL:
		return prctl(PR_SET_PDEATHSIG, value);
	case SYS_PROC_NO_NEW_PRIVS:
		world_self.no_new_privs = value == SYS_NO_NEW_PRIVS_ENABLE;
		return 0;
	case SYS_PROC_TRACE:
		world_self.no_trace = value == SYS_TRACE_DISABLE_EXEC;
		return 0;
	default:
		return world_refuse(EINVAL);
	}
}

static int world_reap_acquire(void)
{
	return world_call("reap_acquire") ? prctl(PR_SET_CHILD_SUBREAPER, 1) : -1;
}

static int world_reap_kill(int signal)
{
	char path[64], text[512] = "";
	if (!world_call("reap_kill"))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (got <= 0)
		return world_refuse(ESRCH);
	for (char *at = text; *at != '\0' && *at != '\n';) {
		char *end;
		const long pid = strtol(at, &end, 10);
		if (pid <= 0)
			break;
		(void)kill((pid_t)pid, signal);
		at = end + strspn(end, " ");
	}
	return 0;
}

/* Root has no rights in a jail that refuses it them. */
static bool is_root(void)
{
	const struct world_jail *jail = world_jail_find(world_self.jid);
	return world_self.uid == 0 && (jail == NULL || strstr(jail->allow, "nosuser") == NULL);
}

static int world_setgroups_none(void)
{
	if (!world_call("setgroups"))
		return -1;
	if (!is_root())
		return world_refuse(EPERM);
	world_self.groups_none = true;
	return 0;
}

static int world_setresgid(gid_t real, gid_t effective, gid_t saved)
{
	if (!world_call("setresgid"))
		return -1;
	if (!is_root())
		return world_refuse(EPERM);
	if (real != effective || effective != saved)
		abort();
	world_self.gid = real;
	return 0;
}

static int world_setresuid(uid_t real, uid_t effective, uid_t saved)
{
	if (!world_call("setresuid"))
		return -1;
	if (!is_root())
		return world_refuse(EPERM);
	if (real != effective || effective != saved)
		abort();
	world_self.uid = real;
	return 0;
}

static int world_setrlimit(int what, uint64_t value)
{
	if (!world_call("setrlimit"))
		return -1;
	if (what < 0 || what >= 15)
		return world_refuse(EINVAL);
	if (world_self.limited[what] && value > world_self.limit[what] && world_self.uid != 0)
		return world_refuse(EPERM);
	world_self.limited[what] = true;
	world_self.limit[what] = value;
	return 0;
}

/* Rights are only ever taken away. */
static int world_cap_limit(int fd, unsigned rights)
{
	if (!world_call("cap_rights_limit"))
		return -1;
	if (fd < 0 || fd >= WORLD_FDS || fcntl(fd, F_GETFD) < 0)
		return world_refuse(EBADF);
	if (world_self.bounded[fd] && (rights & ~world_self.rights[fd]) != 0)
		return world_refuse(EPERM); /* ENOTCAPABLE */
	world_self.bounded[fd] = true;
	world_self.rights[fd] = rights;
	return 0;
}

static int world_cpus_open(void)
{
	if (!world_call("cpuset_setaffinity"))
		return -1;
	world_self.cpus_open = true;
	return 0;
}

static int world_chdir(const char *path)
{
	return world_call("chdir") ? chdir(path) : -1;
}

static int world_close_range(unsigned low, unsigned high)
{
	if (!world_call("close_range"))
		return -1;
	return (int)syscall(SYS_close_range, low, high, 0);
}

static void words_put(char *out, size_t size, char *const *words)
{
	size_t len = 0;
	for (out[0] = '\0'; words != NULL && *words != NULL && len < size; words++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? " " : "", *words);
}

static void program_note(char *const argv[], char *const env[])
{
	struct world_program *p = &world->program;
	*p = (struct world_program){.ran = true,
		.jid = world_self.jid,
		.uid = world_self.uid,
		.gid = world_self.gid,
		.groups_none = world_self.groups_none,
		.no_new_privs = world_self.no_new_privs,
		.no_trace = world_self.no_trace,
		.cpus_open = world_self.cpus_open};
	memcpy(p->limit, world_self.limit, sizeof(p->limit));
	memcpy(p->limited, world_self.limited, sizeof(p->limited));
	for (int fd = 0; fd < WORLD_FDS; fd++) {
		const int flags = fcntl(fd, F_GETFD);
		struct stat st;
		p->open[fd] = flags >= 0 && (flags & FD_CLOEXEC) == 0;
		p->inode[fd] = p->open[fd] && fstat(fd, &st) == 0 ? st.st_ino : 0;
		p->rights[fd] = p->open[fd] && world_self.bounded[fd] ? world_self.rights[fd] : 0;
	}
	words_put(p->argv, sizeof(p->argv), argv);
	words_put(p->environment, sizeof(p->environment), env);
	if (getcwd(p->directory, sizeof(p->directory)) == NULL)
		p->directory[0] = '\0';
}

/* The program itself: it does what the test says. */
static int world_fexecve(int fd, char *const argv[], char *const env[])
{
	if (!world_call("fexecve"))
		return -1;
	if (fcntl(fd, F_GETFD) < 0)
		return world_refuse(EBADF);
	if (fd < WORLD_FDS && world_self.bounded[fd] && (world_self.rights[fd] & SYS_CAN_EXEC) == 0)
		return world_refuse(EPERM);
	program_note(argv, env);
	if (world->end == WORLD_EXITS || (world->end == WORLD_LEAVES && fork() != 0))
		_exit(world->end_status);
	if (world->end == WORLD_IS_KILLED)
		(void)raise(world->end_status);
	for (;;)
		(void)pause();
}

static __attribute__((noreturn)) void world_exit(int status)
{
	_exit(status);
}

/* While somebody waits, what is going goes. */
static void world_pause_ms(unsigned ms)
{
	(void)ms;
	for (int i = 0; i < WORLD_JAILS; i++) {
		if (world->jail[i].dying)
			world->jail[i] = (struct world_jail){0};
	}
}

static const struct sys_calls calls = {
	.jail_set = world_jail_set,
	.jail_get = world_jail_get,
	.jail_attach = world_jail_attach,
	.jail_remove = world_jail_remove,
	.jail_param = world_jail_param,
	.nmount = world_nmount,
	.unmount = world_unmount,
	.mounts = world_mounts,
	.mkdir = world_mkdir,
	.rmdir = world_rmdir,
	.names = world_names,
	.rctl_add_rule = world_rctl_add,
	.rctl_remove_rule = world_rctl_remove,
	.sysctl_int = world_sysctl_int,
	.fork = world_fork,
	.pdfork = world_pdfork,
	.wait = world_wait,
	.procctl_int = world_procctl_int,
	.reap_acquire = world_reap_acquire,
	.reap_kill = world_reap_kill,
	.setgroups_none = world_setgroups_none,
	.setresgid = world_setresgid,
	.setresuid = world_setresuid,
	.setrlimit = world_setrlimit,
	.cap_limit = world_cap_limit,
	.cpus_open = world_cpus_open,
	.chdir = world_chdir,
	.close_range = world_close_range,
	.fexecve = world_fexecve,
	.exit = world_exit,
	.pause_ms = world_pause_ms,
	.interface_index = world_interface_index,
	.interface_up = world_interface_up,
	.alias_add = world_alias_add,
	.alias_remove = world_alias_remove,
	.addresses = world_addresses,
	.arp_ask = world_arp_ask,
	.listen_at = world_listen_at,
	.run = world_run,
};

const struct sys_calls *const sys = &calls;
