package hostile

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

var (
	root   = cstring("/")
	tmp    = cstring("/tmp")
	tmpfs  = cstring("tmpfs")
	empty  = cstring("")
	secret [4096]byte
	scrap  [4096]byte
)

func cstring(text string) uintptr {
	b := append([]byte(text), 0)
	kept = append(kept, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

var kept [][]byte

func at(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

type attempt struct {
	name string
	args [7]uintptr
}

// Syscalls makes calls that a jail has no use for, each with arguments that would work were it allowed.
func Syscalls() map[string]string {
	const (
		cloneNewUser = 0x10000000
		cloneNewNs   = 0x20000
		cloneNewNet  = 0x40000000
		cloneNewPid  = 0x20000000
		cloneNewUts  = 0x04000000
		cloneNewIpc  = 0x08000000
		sigchld      = 17
	)
	host := cstring("intruder")
	iov := []uintptr{at(scrap[:]), 8}
	remote := []uintptr{at(secret[:]), 8}
	iovAt, remoteAt := uintptr(unsafe.Pointer(&iov[0])), uintptr(unsafe.Pointer(&remote[0]))
	perf := make([]byte, 120)
	perf[4] = 120
	ring := make([]byte, 120)
	bpf := make([]byte, 120)
	bpf[0], bpf[4], bpf[8], bpf[12] = 2, 4, 4, 1
	capset := []uint32{0x20080522, 0}
	capdata := []uint32{^uint32(0), ^uint32(0), 0, ^uint32(0), ^uint32(0), 0}
	mq := cstring("intruder")
	clone3 := make([]byte, 88)
	clone3[32] = sigchld
	mask := []uintptr{1}
	timeval := []uintptr{1, 0}
	self := uintptr(os.Getpid())
	rules := cstring("intruder-key")
	found := map[string]string{}
	for _, a := range []attempt{
		{"mount", [7]uintptr{165, tmpfs, tmp, tmpfs, 0, 0}},
		{"mount bind", [7]uintptr{165, root, tmp, 0, 4096, 0}},
		{"mount remount", [7]uintptr{165, 0, root, 0, 32 | 4096, 0}},
		{"umount2", [7]uintptr{166, tmp, 2}},
		{"pivot_root", [7]uintptr{155, tmp, tmp}},
		{"chroot", [7]uintptr{161, tmp}},
		{"fsopen", [7]uintptr{430, tmpfs, 0}},
		{"fsconfig", [7]uintptr{431, 0, 6, 0, 0, 0}},
		{"fsmount", [7]uintptr{432, 0, 0, 0}},
		{"open_tree", [7]uintptr{428, ^uintptr(99), root, 1}},
		{"move_mount", [7]uintptr{429, ^uintptr(99), root, ^uintptr(99), tmp, 0}},
		{"mount_setattr", [7]uintptr{442, ^uintptr(99), root, 0, at(scrap[:]), 32}},
		{"unshare user", [7]uintptr{272, cloneNewUser}},
		{"unshare mount", [7]uintptr{272, cloneNewNs}},
		{"unshare net", [7]uintptr{272, cloneNewNet}},
		{"setns", [7]uintptr{308, 3, 0}},
		{"clone user", [7]uintptr{56, cloneNewUser | sigchld}},
		{"clone pid", [7]uintptr{56, cloneNewPid | sigchld}},
		{"clone net", [7]uintptr{56, cloneNewNet | sigchld}},
		{"clone", [7]uintptr{56, sigchld}},
		{"clone parent", [7]uintptr{56, 0x8000 | sigchld}},
		{"clone3", [7]uintptr{435, at(clone3), 88}},
		{"fork", [7]uintptr{57}},
		{"vfork", [7]uintptr{58}},
		{"execve", [7]uintptr{59, cstring("/etc/passwd"), 0, 0}},
		{"execveat path", [7]uintptr{322, ^uintptr(99), cstring("/etc/passwd"), 0, 0, 0}},
		{"ptrace traceme", [7]uintptr{101, 0, 0, 0, 0}},
		{"ptrace attach", [7]uintptr{101, 16, 1, 0, 0}},
		{"ptrace seize", [7]uintptr{101, 0x4206, 1, 0, 0}},
		{"process_vm_readv", [7]uintptr{310, 1, iovAt, 1, remoteAt, 1, 0}},
		{"process_vm_writev", [7]uintptr{311, self, iovAt, 1, remoteAt, 1, 0}},
		{"process_madvise", [7]uintptr{440, 0, iovAt, 1, 20, 0}},
		{"kcmp", [7]uintptr{312, 1, self, 0, 0, 0}},
		{"pidfd_open", [7]uintptr{434, 1, 0}},
		{"pidfd_getfd", [7]uintptr{438, 0, 0, 0}},
		{"pidfd_send_signal", [7]uintptr{424, 0, 9, 0, 0}},
		{"bpf", [7]uintptr{321, 0, at(bpf), 72}},
		{"keyctl", [7]uintptr{250, 0, ^uintptr(0), 0}},
		{"add_key", [7]uintptr{248, cstring("user"), rules, rules, 4, ^uintptr(0)}},
		{"request_key", [7]uintptr{249, cstring("user"), rules, 0, 0}},
		{"perf_event_open", [7]uintptr{298, at(perf), 0, ^uintptr(0), ^uintptr(0), 0}},
		{"io_uring_setup", [7]uintptr{425, 1, at(ring)}},
		{"io_uring_enter", [7]uintptr{426, 0, 0, 0, 0, 0}},
		{"io_uring_register", [7]uintptr{427, 0, 0, 0, 0}},
		{"io_setup", [7]uintptr{206, 1, at(make([]byte, 8))}},
		{"userfaultfd", [7]uintptr{323, 1}},
		{"name_to_handle_at", [7]uintptr{303, ^uintptr(99), root, at(scrap[:]), at(scrap[64:]), 0}},
		{"open_by_handle_at", [7]uintptr{304, 3, at(scrap[:]), 0}},
		{"kexec_load", [7]uintptr{246, 0, 0, 0, 0}},
		{"kexec_file_load", [7]uintptr{320, 3, 3, 0, 0, 0}},
		{"init_module", [7]uintptr{175, at(scrap[:]), 16, empty}},
		{"finit_module", [7]uintptr{313, 3, empty, 0}},
		{"delete_module", [7]uintptr{176, tmpfs, 0}},
		{"personality", [7]uintptr{135, 0x0400000}},
		{"quotactl", [7]uintptr{179, 0x800001 << 8, root, 0, 0}},
		{"swapon", [7]uintptr{167, tmp, 0}},
		{"swapoff", [7]uintptr{168, tmp}},
		{"reboot", [7]uintptr{169, 0xfee1dead, 672274793, 0x89abcdef, 0}},
		{"settimeofday", [7]uintptr{164, uintptr(unsafe.Pointer(&timeval[0])), 0}},
		{"clock_settime", [7]uintptr{227, 0, uintptr(unsafe.Pointer(&timeval[0]))}},
		{"adjtimex", [7]uintptr{159, at(make([]byte, 256))}},
		{"clock_adjtime", [7]uintptr{305, 0, at(make([]byte, 256))}},
		{"acct", [7]uintptr{163, 0}},
		{"syslog", [7]uintptr{103, 3, at(scrap[:]), 100}},
		{"iopl", [7]uintptr{172, 3}},
		{"ioperm", [7]uintptr{173, 0x80, 1, 1}},
		{"modify_ldt", [7]uintptr{154, 0, at(scrap[:]), 16}},
		{"vhangup", [7]uintptr{153}},
		{"sethostname", [7]uintptr{170, host, 8}},
		{"setdomainname", [7]uintptr{171, host, 8}},
		{"setuid", [7]uintptr{105, 0}},
		{"setgid", [7]uintptr{106, 0}},
		{"setreuid", [7]uintptr{113, 0, 0}},
		{"setresuid", [7]uintptr{117, 0, 0, 0}},
		{"setresgid", [7]uintptr{119, 0, 0, 0}},
		{"setgroups", [7]uintptr{116, 0, 0}},
		{"setfsuid", [7]uintptr{122, 0}},
		{"capset", [7]uintptr{126, uintptr(unsafe.Pointer(&capset[0])), uintptr(unsafe.Pointer(&capdata[0]))}},
		{"prctl dumpable", [7]uintptr{157, 4, 1, 0, 0, 0}},
		{"prctl pdeathsig", [7]uintptr{157, 1, 0, 0, 0, 0}},
		{"prctl keepcaps", [7]uintptr{157, 8, 1, 0, 0, 0}},
		{"prctl subreaper", [7]uintptr{157, 36, 1, 0, 0, 0}},
		{"prctl ambient", [7]uintptr{157, 47, 2, 21, 0, 0}},
		{"prctl mm", [7]uintptr{157, 35, 13, 3, 0, 0}},
		{"prctl ptracer", [7]uintptr{157, 0x59616d61, ^uintptr(0), 0, 0, 0}},
		{"prctl seccomp", [7]uintptr{157, 22, 1, 0, 0, 0}},
		{"seccomp", [7]uintptr{317, 2, 0, at(scrap[:])}},
		{"chown", [7]uintptr{92, tmp, 0, 0}},
		{"lchown", [7]uintptr{94, tmp, 0, 0}},
		{"setrlimit", [7]uintptr{160, 7, at(scrap[:])}},
		{"setpriority", [7]uintptr{141, 0, 0, ^uintptr(9)}},
		{"sched_setscheduler", [7]uintptr{144, 0, 0, at(scrap[:])}},
		{"sched_setattr", [7]uintptr{314, 0, at(scrap[:]), 0}},
		{"ioprio_set", [7]uintptr{251, 1, 0, 0}},
		{"move_pages", [7]uintptr{279, 1, 0, 0, 0, 0, 0}},
		{"migrate_pages", [7]uintptr{256, 1, 0, 0, 0}},
		{"mbind", [7]uintptr{237, at(scrap[:]), 4096, 0, 0, 0, 0}},
		{"set_mempolicy", [7]uintptr{238, 0, 0, 0}},
		{"remap_file_pages", [7]uintptr{216, at(scrap[:]), 4096, 0, 0, 0}},
		{"lookup_dcookie", [7]uintptr{212, 1, at(scrap[:]), 64}},
		{"fanotify_init", [7]uintptr{300, 0, 0}},
		{"setsid", [7]uintptr{112}},
		{"setpgid", [7]uintptr{109, 0, 0}},
		{"shmget", [7]uintptr{29, 4711, 4096, 0o1666}},
		{"shmat", [7]uintptr{30, 0, 0, 0}},
		{"semget", [7]uintptr{64, 4711, 1, 0o1666}},
		{"msgget", [7]uintptr{68, 4711, 0o1666}},
		{"mq_open", [7]uintptr{240, mq, 0o102, 0o666, 0}},
		{"memfd_secret", [7]uintptr{447, 0}},
		{"landlock_restrict_self", [7]uintptr{446, 3, 0}},
		{"mknodat", [7]uintptr{259, ^uintptr(99), cstring("/tmp/node"), syscall.S_IFCHR | 0o666, 1<<8 | 1}},
		{"ioctl TIOCSTI", [7]uintptr{16, 0, 0x5412, at(scrap[:])}},
		{"ioctl TIOCLINUX", [7]uintptr{16, 0, 0x541c, at(scrap[:])}},
		{"uselib", [7]uintptr{134, tmp}},
		{"_sysctl", [7]uintptr{156, at(scrap[:])}},
		{"nfsservctl", [7]uintptr{180, 0, 0, 0}},
		{"cachestat", [7]uintptr{451, 3, at(scrap[:]), at(scrap[64:]), 0}},
		{"socket INET", [7]uintptr{41, 2, 1, 0}},
		{"socket INET udp", [7]uintptr{41, 2, 2, 0}},
		{"socket INET raw", [7]uintptr{41, 2, 3, 1}},
		{"socket INET6", [7]uintptr{41, 10, 1, 0}},
		{"socket NETLINK", [7]uintptr{41, 16, 3, 0}},
		{"socket PACKET", [7]uintptr{41, 17, 3, 0x300}},
		{"socket VSOCK", [7]uintptr{41, 40, 1, 0}},
		{"socket ALG", [7]uintptr{41, 38, 5, 0}},
		{"socket BLUETOOTH", [7]uintptr{41, 31, 3, 0}},
		{"socket CAN", [7]uintptr{41, 29, 3, 1}},
		{"socket TIPC", [7]uintptr{41, 30, 1, 0}},
		{"socket XDP", [7]uintptr{41, 44, 3, 0}},
		{"socketpair INET", [7]uintptr{53, 2, 1, 0, at(scrap[:])}},
	} {
		found[a.name] = try(a)
	}
	for i, flags := range []uintptr{cloneNewUser, cloneNewNs, cloneNewNet, cloneNewPid, cloneNewUts, cloneNewIpc} {
		found["clone thread with namespace "+strconv.Itoa(i)] = try(attempt{"", [7]uintptr{56, 0x10000 | 0x800 | 0x100 | flags}})
	}
	found["sched_setaffinity of pid 1"] = try(attempt{"", [7]uintptr{203, 1, 8, uintptr(unsafe.Pointer(&mask[0]))}})
	runtime.KeepAlive(kept)
	return found
}

// X32 makes a call of the x32 table.
func X32(number int) int {
	result, _, errno := syscall.RawSyscall(0x40000000|uintptr(number), 0, 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(result)
}

// try makes one call. Should it make a process, that one ends at once.
func try(a attempt) string {
	pid, _, errno := syscall.RawSyscall6(a.args[0], a.args[1], a.args[2], a.args[3], a.args[4], a.args[5], a.args[6])
	switch a.args[0] {
	case 56, 57, 58, 435:
		if errno == 0 && pid == 0 {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	return name(errno)
}

// Limits tries to raise its own.
func Limits() map[string]string {
	found := map[string]string{}
	for what, resource := range map[string]uintptr{"NOFILE": 7, "NPROC": 6, "CORE": 4, "MEMLOCK": 8, "AS": 9, "MSGQUEUE": 12, "RTPRIO": 14, "NICE": 13} {
		var old [2]uint64
		_, _, errno := syscall.RawSyscall6(302, 0, resource, 0, uintptr(unsafe.Pointer(&old)), 0, 0)
		if errno != 0 {
			found[what] = "get " + name(errno)
			continue
		}
		if old[1] == ^uint64(0) {
			found[what] = "unlimited"
			continue
		}
		more := [2]uint64{old[1] + 1, old[1] + 1}
		_, _, errno = syscall.RawSyscall6(302, 0, resource, uintptr(unsafe.Pointer(&more)), 0, 0, 0)
		found[what] = name(errno)
	}
	return found
}

// Kernel tells of the host's kernel what can be seen without /proc.
func Kernel() map[string]string {
	found := map[string]string{}
	for _, path := range []string{"/proc", "/sys", "/dev/shm", "/dev/pts", "/dev/mqueue", "/dev/mem", "/dev/kmsg", "/dev/tty", "/run", "/var", "/home",
		"/root", "/bin", "/sbin", "/lib", "/usr/bin", "/opt", "/boot"} {
		entries, err := os.ReadDir(path)
		found[path] = outcome(err)
		if err == nil {
			found[path] = strconv.Itoa(len(entries)) + " entries"
		}
	}
	return found
}
