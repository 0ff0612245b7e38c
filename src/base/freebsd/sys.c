/* The table of system calls as FreeBSD has them. Nothing is decided here: what can go wrong is told
 * by errno, and what it means is the callers' to say. FreeBSD's part is compiled, linked,
 * model-tested; not yet run on FreeBSD. This file itself is compiled and linked only: no model runs
 * it. */

#include "base/freebsd/sys.h"

#include "base/defer.h"
#include "base/freebsd/arp.h"
#include "base/proc.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/bpf.h>
#include <netinet/in.h>
#include <netinet/in_var.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capsicum.h>
#include <sys/cpuset.h>
#include <sys/ioctl.h>
#include <sys/jail.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/procctl.h>
#include <sys/procdesc.h>
#include <sys/rctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAME(ours, theirs) _Static_assert((long long)(ours) == (long long)(theirs), #theirs)
SAME(SYS_JAIL_CREATE, JAIL_CREATE);
SAME(SYS_JAIL_UPDATE, JAIL_UPDATE);
SAME(SYS_JAIL_ATTACH, JAIL_ATTACH);
SAME(SYS_JAIL_DYING, JAIL_DYING);
SAME(SYS_JAIL_DISABLE, JAIL_SYS_DISABLE);
SAME(SYS_JAIL_NEW, JAIL_SYS_NEW);
SAME(SYS_JAIL_INHERIT, JAIL_SYS_INHERIT);
SAME(SYS_MNT_RDONLY, MNT_RDONLY);
SAME(SYS_MNT_NOEXEC, MNT_NOEXEC);
SAME(SYS_MNT_NOSUID, MNT_NOSUID);
SAME(SYS_MNT_FORCE, MNT_FORCE);
SAME(SYS_MNT_IGNORE, MNT_IGNORE);
SAME(SYS_MNT_NOATIME, MNT_NOATIME);
SAME(SYS_PD_CLOEXEC, PD_CLOEXEC);
SAME(SYS_PROC_TRACE, PROC_TRACE_CTL);
SAME(SYS_PROC_DEATH_SIGNAL, PROC_PDEATHSIG_CTL);
SAME(SYS_PROC_NO_NEW_PRIVS, PROC_NO_NEW_PRIVS_CTL);
SAME(SYS_TRACE_DISABLE_EXEC, PROC_TRACE_CTL_DISABLE_EXEC);
SAME(SYS_NO_NEW_PRIVS_ENABLE, PROC_NO_NEW_PRIVS_ENABLE);
SAME(SYS_LIMIT_FSIZE, RLIMIT_FSIZE);
SAME(SYS_LIMIT_CORE, RLIMIT_CORE);
SAME(SYS_LIMIT_MEMLOCK, RLIMIT_MEMLOCK);
SAME(SYS_LIMIT_NPROC, RLIMIT_NPROC);
SAME(SYS_LIMIT_NOFILE, RLIMIT_NOFILE);

/* ---- jails, mounts, limits ---- */

static bool real_jail_param(const char *name)
{
	char node[128];
	int mib[CTL_MAXNAME];
	size_t len = CTL_MAXNAME;
	(void)snprintf(node, sizeof(node), "security.jail.param.%s", name);
	return sysctlnametomib(node, mib, &len) == 0;
}

static int real_mounts(void (*each)(void *ctx, const char *at), void *ctx)
{
	const int want = getfsstat(NULL, 0, MNT_NOWAIT);
	if (want < 0)
		return -1;
	const size_t room = (size_t)want + 64;
	defer_free struct statfs *all = mem_zero(room, sizeof(*all));
	const int got = getfsstat(all, (long)(room * sizeof(*all)), MNT_NOWAIT);
	for (int i = 0; i < got; i++)
		each(ctx, all[i].f_mntonname);
	return got < 0 ? -1 : 0;
}

static int real_names(const char *path, void (*each)(void *ctx, const char *name), void *ctx)
{
	defer_closedir DIR *dir = opendir(path);
	if (dir == NULL)
		return -1;
	for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			each(ctx, e->d_name);
	}
	return 0;
}

static int real_sysctl_int(const char *name, int *value)
{
	/* Some that were an int are a byte since. */
	unsigned char room[sizeof(int)] = {0};
	size_t size = sizeof(room);
	if (sysctlbyname(name, room, &size, NULL, 0) < 0)
		return -1;
	if (size == sizeof(*value))
		memcpy(value, room, sizeof(*value));
	else
		*value = room[0];
	return 0;
}

/* ---- processes ---- */

static uint64_t microseconds(const struct rusage *use)
{
	return (uint64_t)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1000000U +
	       (uint64_t)(use->ru_utime.tv_usec + use->ru_stime.tv_usec);
}

static int real_wait(pid_t pid, int *status, struct sys_usage *usage)
{
	struct __wrusage use;
	memset(&use, 0, sizeof(use));
	if (wait6(P_PID, pid, status, WEXITED, &use, NULL) < 0)
		return -1;
	const long own = use.wru_self.ru_maxrss;
	const long children = use.wru_children.ru_maxrss;
	usage->cpu_us = microseconds(&use.wru_self) + microseconds(&use.wru_children);
	usage->memory_peak = (uint64_t)(own > children ? own : children) * 1024;
	return 0;
}

static int real_procctl_int(int command, int value)
{
	return procctl(P_PID, 0, command, &value);
}

static int real_reap_acquire(void)
{
	return procctl(P_PID, 0, PROC_REAP_ACQUIRE, NULL);
}

static int real_reap_kill(int signal)
{
	struct procctl_reaper_kill all;
	memset(&all, 0, sizeof(all));
	all.rk_sig = signal;
	return procctl(P_PID, 0, PROC_REAP_KILL, &all);
}

static int real_setgroups_none(void)
{
	return setgroups(0, NULL);
}

static int real_setrlimit(int what, uint64_t value)
{
	const struct rlimit limit = {.rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value};
	return setrlimit(what, &limit);
}

static int real_cap_limit(int fd, unsigned rights)
{
	cap_rights_t set;
	cap_rights_init(&set, CAP_EVENT);
	if ((rights & SYS_CAN_WAIT) != 0)
		cap_rights_set(&set, CAP_PDWAIT, CAP_PDGETPID);
	else
		cap_rights_set(&set, CAP_FSTAT, CAP_FCNTL);
	if ((rights & SYS_CAN_READ) != 0)
		cap_rights_set(&set, CAP_READ);
	if ((rights & SYS_CAN_WRITE) != 0)
		cap_rights_set(&set, CAP_WRITE);
	if ((rights & SYS_CAN_SEEK) != 0)
		cap_rights_set(&set, CAP_SEEK);
	if ((rights & SYS_CAN_TRUNCATE) != 0)
		cap_rights_set(&set, CAP_FTRUNCATE);
	if ((rights & SYS_CAN_EXEC) != 0)
		cap_rights_set(&set, CAP_FEXECVE);
	/* A kernel without Capsicum says ENOSYS: nothing depends on it alone. */
	return cap_rights_limit(fd, &set) < 0 && errno != ENOSYS ? -1 : 0;
}

static int real_cpus_open(void)
{
	cpuset_t all;
	if (cpuset_getaffinity(CPU_LEVEL_ROOT, CPU_WHICH_PID, -1, sizeof(all), &all) < 0)
		return -1;
	return cpuset_setaffinity(CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, sizeof(all), &all);
}

static int real_close_range(unsigned low, unsigned high)
{
	return close_range(low, high, 0);
}

static __attribute__((noreturn)) void real_exit(int status)
{
	_exit(status);
}

static void real_pause_ms(unsigned ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	(void)nanosleep(&pause, NULL);
}

/* ---- network ---- */

static int real_interface_index(const char *name)
{
	return (int)if_nametoindex(name);
}

static struct sockaddr_in internet(uint32_t address, uint16_t port)
{
	struct sockaddr_in in;
	memset(&in, 0, sizeof(in));
	in.sin_len = sizeof(in);
	in.sin_family = AF_INET;
	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(address);
	return in;
}

static int real_interface_up(const char *name)
{
	struct ifreq request;
	memset(&request, 0, sizeof(request));
	defer_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)strlcpy(request.ifr_name, name, sizeof(request.ifr_name));
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return -1;
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &request);
}

static int real_alias_add(const struct sys_address *address)
{
	struct in_aliasreq request;
	memset(&request, 0, sizeof(request));
	defer_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)strlcpy(request.ifra_name, address->interface, sizeof(request.ifra_name));
	request.ifra_addr = internet(address->address, 0);
	request.ifra_mask = internet(address->mask, 0);
	return fd < 0 ? -1 : ioctl(fd, SIOCAIFADDR, &request);
}

static int real_alias_remove(const struct sys_address *address)
{
	struct ifreq request;
	memset(&request, 0, sizeof(request));
	defer_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in in = internet(address->address, 0);
	(void)strlcpy(request.ifr_name, address->interface, sizeof(request.ifr_name));
	memcpy(&request.ifr_addr, &in, sizeof(in));
	return fd < 0 ? -1 : ioctl(fd, SIOCDIFADDR, &request);
}

static uint32_t host_order(const struct sockaddr *address)
{
	struct sockaddr_in in;
	memcpy(&in, address, sizeof(in));
	return ntohl(in.sin_addr.s_addr);
}

static int real_addresses(void (*each)(void *ctx, const struct sys_address *address), void *ctx)
{
	struct ifaddrs *all;
	if (getifaddrs(&all) < 0)
		return -1;
	for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
		if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_INET ||
			at->ifa_netmask == NULL)
			continue;
		const struct sys_address address = {.interface = at->ifa_name,
			.address = host_order(at->ifa_addr),
			.mask = host_order(at->ifa_netmask)};
		each(ctx, &address);
	}
	freeifaddrs(all);
	return 0;
}

static int real_listen_at(uint32_t address, uint16_t port)
{
	const struct sockaddr_in at = internet(address, port);
	defer_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 64) < 0)
		return -1;
	return defer_take(&fd);
}

/* ---- ARP, by bpf(4) ---- */

static int hardware_address(const char *interface, uint8_t mac[ARP_MAC])
{
	struct ifaddrs *all;
	int found = -1;
	if (getifaddrs(&all) < 0)
		return -1;
	for (const struct ifaddrs *at = all; at != NULL && found < 0; at = at->ifa_next) {
		struct sockaddr_dl link;
		if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_LINK ||
			strcmp(at->ifa_name, interface) != 0)
			continue;
		memcpy(&link, at->ifa_addr, sizeof(link));
		const size_t from = (size_t)link.sdl_nlen;
		if (link.sdl_alen != ARP_MAC || from + ARP_MAC > sizeof(link.sdl_data))
			continue;
		memcpy(mac, link.sdl_data + from, ARP_MAC);
		found = 0;
	}
	freeifaddrs(all);
	errno = found < 0 ? EADDRNOTAVAIL : 0;
	return found;
}

/* Frames of ARP only: `ether proto 0x0806`. *size is what one read may bring. */
static int bpf_open(const char *interface, unsigned *size)
{
	struct bpf_insn only[] = {BPF_STMT(BPF_LD + BPF_H + BPF_ABS, 12),
		BPF_JUMP(BPF_JMP + BPF_JEQ + BPF_K, ARP_ETHERTYPE, 0, 1),
		BPF_STMT(BPF_RET + BPF_K, ARP_FRAME), BPF_STMT(BPF_RET + BPF_K, 0)};
	struct bpf_program program = {.bf_len = 4, .bf_insns = only};
	struct ifreq request;
	unsigned on = 1;
	struct timeval wait = {.tv_usec = ARP_WAIT_MS * 1000};
	memset(&request, 0, sizeof(request));
	(void)strlcpy(request.ifr_name, interface, sizeof(request.ifr_name));
	defer_close int fd = open("/dev/bpf", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BIOCSETIF, &request) < 0 || ioctl(fd, BIOCIMMEDIATE, &on) < 0 ||
		ioctl(fd, BIOCSHDRCMPLT, &on) < 0 || ioctl(fd, BIOCSETF, &program) < 0 ||
		ioctl(fd, BIOCSRTIMEOUT, &wait) < 0 || ioctl(fd, BIOCGBLEN, size) < 0)
		return -1;
	return defer_take(&fd);
}

/* Whether any frame of what one read brought answers. */
static bool frames_answer(
	const unsigned char *at, size_t len, const uint8_t mac[ARP_MAC], uint32_t address)
{
	while (len >= sizeof(struct bpf_hdr)) {
		struct bpf_hdr head;
		memcpy(&head, at, sizeof(head));
		const size_t whole = BPF_WORDALIGN(head.bh_hdrlen + (size_t)head.bh_caplen);
		if (head.bh_hdrlen + (size_t)head.bh_caplen > len)
			return false;
		if (arp_says_taken(at + head.bh_hdrlen, head.bh_caplen, mac, address))
			return true;
		if (whole >= len)
			return false;
		at += whole;
		len -= whole;
	}
	return false;
}

static uint64_t now_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

static int real_arp_ask(const char *interface, uint32_t address)
{
	uint8_t mac[ARP_MAC], frame[ARP_FRAME];
	unsigned size = 0;
	if (hardware_address(interface, mac) < 0)
		return -1;
	defer_close int fd = bpf_open(interface, &size);
	if (fd < 0)
		return -1;
	defer_free unsigned char *room = mem_alloc(size);
	arp_put_question(frame, mac, address);
	for (int i = 0; i < ARP_QUESTIONS; i++) {
		const uint64_t end = now_ms() + ARP_WAIT_MS;
		if (write(fd, frame, sizeof(frame)) != (ssize_t)sizeof(frame))
			return -1;
		while (now_ms() < end) {
			const ssize_t got = read(fd, room, size);
			if (got > 0 && frames_answer(room, (size_t)got, mac, address))
				return 1;
		}
	}
	return 0;
}

static int real_run(char *const argv[], struct buf *out, struct fault *f)
{
	static char *const environment[] = {(char *)"PATH=/sbin:/bin:/usr/sbin:/usr/bin", NULL};
	const struct proc_spec spec = {.argv = argv, .env = environment, .dir = "/"};
	return proc_run(&spec, out, f);
}

static const struct sys_calls calls = {
	.jail_set = jail_set,
	.jail_get = jail_get,
	.jail_attach = jail_attach,
	.jail_remove = jail_remove,
	.jail_param = real_jail_param,
	.nmount = nmount,
	.unmount = unmount,
	.mounts = real_mounts,
	.mkdir = mkdir,
	.rmdir = rmdir,
	.names = real_names,
	.rctl_add_rule = rctl_add_rule,
	.rctl_remove_rule = rctl_remove_rule,
	.sysctl_int = real_sysctl_int,
	.fork = fork,
	.pdfork = pdfork,
	.wait = real_wait,
	.procctl_int = real_procctl_int,
	.reap_acquire = real_reap_acquire,
	.reap_kill = real_reap_kill,
	.setgroups_none = real_setgroups_none,
	.setresgid = setresgid,
	.setresuid = setresuid,
	.setrlimit = real_setrlimit,
	.cap_limit = real_cap_limit,
	.cpus_open = real_cpus_open,
	.chdir = chdir,
	.close_range = real_close_range,
	.fexecve = fexecve,
	.exit = real_exit,
	.pause_ms = real_pause_ms,
	.interface_index = real_interface_index,
	.interface_up = real_interface_up,
	.alias_add = real_alias_add,
	.alias_remove = real_alias_remove,
	.addresses = real_addresses,
	.arp_ask = real_arp_ask,
	.listen_at = real_listen_at,
	.run = real_run,
};

const struct sys_calls *const sys = &calls;
