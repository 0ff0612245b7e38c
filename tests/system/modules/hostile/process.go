package hostile

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Signals sends signals to what it must not reach; signal 0 and 9.
func Signals() map[string]string {
	found := map[string]string{}
	found["kill 1"] = outcome(syscall.Kill(1, syscall.SIGKILL))
	found["term 1"] = outcome(syscall.Kill(1, syscall.SIGTERM))
	found["stop 1"] = outcome(syscall.Kill(1, syscall.SIGSTOP))
	found["kill -1"] = outcome(syscall.Kill(-1, syscall.SIGKILL))
	found["kill group of 1"] = outcome(syscall.Kill(-os.Getppid(), syscall.SIGKILL))
	others := 0
	for pid := 3; pid < 70000; pid++ {
		if pid != os.Getpid() && syscall.Kill(pid, 0) != syscall.ESRCH && !isThread(pid) {
			others++
		}
	}
	found["others"] = fmt.Sprint(others)
	_, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, 1, 1, 9)
	found["tgkill 1"] = name(errno)
	_, _, errno = syscall.RawSyscall(syscall.SYS_TKILL, 1, 9, 0)
	found["tkill 1"] = name(errno)
	return found
}

// isThread: kill(2) also takes the id of a thread of one's own.
func isThread(id int) bool {
	_, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(id), 0)
	return errno == 0
}

// KillSelf ends itself by a signal.
func KillSelf(number int) string {
	_ = syscall.Kill(os.Getpid(), syscall.Signal(number))
	time.Sleep(10 * time.Second)
	return "still here"
}

// Exit ends itself.
func Exit(code int, words string) {
	fmt.Print(words)
	os.Exit(code)
}

// Run runs programs in the ways there are.
func Run() map[string]string {
	found := map[string]string{}
	found["os/exec"] = outcome(exec.Command("/etc/passwd").Run())
	found["forkexec"] = func() string {
		_, err := syscall.ForkExec("/etc/passwd", nil, &syscall.ProcAttr{})
		return outcome(err)
	}()
	found["exec"] = outcome(syscall.Exec("/etc/passwd", []string{"x"}, nil))
	return found
}

// program is the smallest that says "owned" and exits with 42.
var program = []byte{
	0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0, 0x78, 0, 0x40, 0, 0, 0, 0, 0,
	64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0,
	1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0,
	0xb0, 0, 0, 0, 0, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
	0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0xbe, 0xa0, 0, 0x40, 0, 0xba, 5, 0, 0, 0, 0x0f, 0x05, // write(1, 0x4000a0, 5)
	0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05, // exit(42)
	0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 'o', 'w', 'n', 'e', 'd', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
}

// ExecMemfd runs a program of its own from memory.
func ExecMemfd() string {
	fd, _, errno := syscall.RawSyscall(319, cstring("x"), 0, 0)
	if errno != 0 {
		return "memfd_create " + name(errno)
	}
	if _, err := syscall.Write(int(fd), program); err != nil {
		return "write " + outcome(err)
	}
	argv := []uintptr{cstring("x"), 0}
	_, _, errno = syscall.RawSyscall6(322, fd, empty, uintptr(unsafe.Pointer(&argv[0])), 0, 0x1000, 0)
	return name(errno)
}

// ExecFile runs a program that it wrote.
func ExecFile() map[string]string {
	found := map[string]string{}
	path := "/tmp/program"
	if err := os.WriteFile(path, program, 0o755); err != nil {
		return map[string]string{"write": outcome(err)}
	}
	found["chmod"] = outcome(os.Chmod(path, 0o6755))
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return map[string]string{"open": outcome(err)}
	}
	_, _, errno := syscall.RawSyscall6(322, uintptr(fd), empty, 0, 0, 0x1000, 0)
	found["execveat"] = name(errno)
	found["execve"] = outcome(syscall.Exec(path, []string{"x"}, nil))
	_, err = syscall.Mmap(fd, 0, 4096, syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE)
	found["mmap"] = outcome(err)
	return found
}

// ExecSelf runs the artifact again, if it can be found.
func ExecSelf() string {
	for fd := range 16 {
		syscall.RawSyscall6(322, uintptr(fd), empty, 0, 0, 0x1000, 0)
	}
	return "not run"
}

// Threads starts goroutines that each hold a thread, until no more can be had.
func Threads(count int) string {
	for range count {
		go func() {
			runtime.LockOSThread()
			select {}
		}()
	}
	time.Sleep(time.Second)
	return "all started"
}

// Goroutines leaves many behind, which run on.
func Goroutines(count int) string {
	for range count {
		go func() {
			for {
				runtime.Gosched()
			}
		}()
	}
	return "left running"
}

// Loop never ends.
func Loop() {
	for {
	}
}

// Deaf takes no notice of signals and never ends.
func Deaf() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	fmt.Print("deaf")
	for {
	}
}

// Deadlock waits for nobody.
func Deadlock() { <-make(chan int) }

// Recurse outgrows its stack.
func Recurse(n int) int { return Recurse(n+1) + 1 }

// Panic does.
func Panic(words string) { panic(words) }

// PanicInGoroutine does it elsewhere.
func PanicInGoroutine() string {
	go func() { panic("elsewhere") }()
	time.Sleep(5 * time.Second)
	return "unhurt"
}

// Nil reads what is not there.
func Nil() int { var p *int; return *p }

// Memory takes megabytes and keeps them.
func Memory(megabytes int) string {
	var kept [][]byte
	for range megabytes {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	return fmt.Sprint(len(kept), " MiB")
}

// Mapped takes megabytes past Go's back.
func Mapped(megabytes int) string {
	debug.SetMemoryLimit(1 << 40)
	b, err := syscall.Mmap(-1, 0, megabytes<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return outcome(err)
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	return "mapped"
}

// MemoryFile takes megabytes in a file without a name.
func MemoryFile(megabytes int) string {
	fd, _, errno := syscall.RawSyscall(319, cstring("x"), 0, 0)
	if errno != 0 {
		return "memfd_create " + name(errno)
	}
	chunk := make([]byte, 1<<20)
	for i := range megabytes {
		if _, err := syscall.Write(int(fd), chunk); err != nil {
			return fmt.Sprint(i, " MiB ", outcome(err))
		}
	}
	return fmt.Sprint(megabytes, " MiB")
}

// Pipes fills what the kernel holds for others: buffers of pipes and sockets.
func Pipes() string {
	count := 0
	chunk := make([]byte, 1<<16)
	for {
		var p [2]int
		if err := syscall.Pipe2(p[:], syscall.O_NONBLOCK); err != nil {
			return fmt.Sprint(count, " ", outcome(err))
		}
		_, _ = syscall.Write(p[1], chunk)
		count++
	}
}

// FillTmp writes until no more can be written: bytes, and how it ended.
func FillTmp() (int, string) {
	f, err := os.Create("/tmp/bomb")
	if err != nil {
		return 0, outcome(err)
	}
	total := 0
	chunk := make([]byte, 1<<16)
	for {
		n, err := f.Write(chunk)
		total += n
		if err != nil {
			return total, outcome(err)
		}
		if total > 1<<30 {
			return total, "no end"
		}
	}
}

// FillNames makes files until no more can be made.
func FillNames() (int, string) {
	for i := 0; ; i++ {
		fd, err := syscall.Open(fmt.Sprintf("/tmp/%d", i), syscall.O_CREAT|syscall.O_WRONLY, 0o600)
		if err != nil {
			return i, outcome(err)
		}
		syscall.Close(fd)
		if i > 1<<20 {
			return i, "no end"
		}
	}
}

// Output writes that many bytes to a descriptor, in lines or in one.
func Output(fd, bytes int, lines bool) string {
	chunk := []byte(strings.Repeat("x", 65536))
	if lines {
		for i := 79; i < len(chunk); i += 80 {
			chunk[i] = '\n'
		}
	}
	for bytes > 0 {
		n := min(bytes, len(chunk))
		if _, err := syscall.Write(fd, chunk[:n]); err != nil {
			return outcome(err)
		}
		bytes -= n
	}
	return "written"
}

// Big returns a string of that length.
func Big(bytes int) string { return strings.Repeat("b", bytes) }

// Len returns the length of its argument.
func Len(text string) int { return len(text) }

// Leave leaves files, a socket's name, shared memory and a host name behind, stays for a while, and tells what of it worked.
func Leave(ms int) map[string]string {
	_ = os.WriteFile("/tmp/left", []byte("secret"), 0o666)
	_ = os.Mkdir("/tmp/.hidden", 0o777)
	_, err := net.Listen("unix", "@left")
	_, _, errno := syscall.RawSyscall(syscall.SYS_SHMGET, leftKey, 4096, 0o1666)
	worked := map[string]string{"socket": outcome(err), "shm": name(errno), "host name": outcome(syscall.Sethostname([]byte("left")))}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return worked
}

const leftKey = 4711

// Found tells what others left.
func Found() []string {
	found := []string{}
	entries, _ := os.ReadDir("/tmp")
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if _, err := net.Dial("unix", "@left"); err == nil {
		found = append(found, "a socket")
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SHMGET, leftKey, 0, 0); errno == 0 {
		found = append(found, "shared memory")
	}
	if host, _ := os.Hostname(); host != "jail" {
		found = append(found, "the host name "+host)
	}
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 {
			found = append(found, "the interface "+i.Name)
		}
	}
	return found
}

// Litter leaves all kinds of things in /tmp, and /tmp itself changed.
func Litter(deep int) string {
	_ = os.WriteFile("/tmp/a\nb", []byte("x"), 0)
	_ = os.WriteFile("/tmp/...", []byte("x"), 0)
	_ = os.Symlink("/etc", "/tmp/link")
	_ = os.Symlink("/tmp", "/tmp/loop")
	_ = syscall.Mkfifo("/tmp/fifo", 0o600)
	_, _ = net.Listen("unix", "/tmp/socket")
	_ = os.MkdirAll("/tmp/closed/inside", 0o700)
	_ = os.Chmod("/tmp/closed", 0)
	_ = os.Mkdir("/tmp/deep", 0o700)
	if os.Chdir("/tmp/deep") == nil {
		for range deep {
			if os.Mkdir("directory-with-a-long-name-directory-with-a-long-name", 0o700) != nil ||
				os.Chdir("directory-with-a-long-name-directory-with-a-long-name") != nil {
				break
			}
		}
	}
	f, _ := os.Create("/tmp/removed")
	_ = os.Remove("/tmp/removed")
	_, _ = f.Write(make([]byte, 1<<20))
	_ = os.Chtimes("/tmp", time.Unix(4711, 0), time.Unix(4711, 0))
	_ = os.Chmod("/tmp", 0o1)
	return "left"
}

// Room is what /tmp is like.
func Room() map[string]any {
	var s syscall.Stat_t
	var fs syscall.Statfs_t
	_ = syscall.Stat("/tmp", &s)
	_ = syscall.Statfs("/tmp", &fs)
	return map[string]any{"mode": s.Mode, "uid": s.Uid, "gid": s.Gid, "links": s.Nlink, "size": s.Size, "free": fs.Bfree, "names": fs.Ffree,
		"marked": s.Mtim.Sec == 4711 || s.Atim.Sec == 4711, "entries": len(Found()), "usable": outcome(os.WriteFile("/tmp/x", nil, 0o600))}
}

// CloseAll closes its descriptors, then returns.
func CloseAll(to int) string {
	for fd := range to {
		_ = syscall.Close(fd)
	}
	return "closed"
}

// Connect tries sockets of the host: an abstract one, and loopback's.
func Connect(abstract string, port int) map[string]string {
	found := map[string]string{}
	_, err := net.Dial("unix", "@"+abstract)
	found["abstract"] = outcome(err)
	_, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	found["tcp"] = outcome(err)
	_, err = net.Dial("udp", "127.0.0.1:53")
	found["udp"] = outcome(err)
	_, err = net.Listen("tcp", "127.0.0.1:0")
	found["listen"] = outcome(err)
	_, err = net.LookupHost("example.com")
	found["resolved"] = fmt.Sprint(err == nil)
	_, err = net.Listen("unix", "/tmp/own")
	found["own unix"] = outcome(err)
	interfaces, err := net.Interfaces()
	found["interfaces"] = fmt.Sprint(len(interfaces), " ", err != nil)
	return found
}

// Pin binds itself to one cpu and works on for a while.
func Pin(ms int) string {
	mask := []uint64{1}
	_, _, errno := syscall.RawSyscall(203, 0, 8, uintptr(unsafe.Pointer(&mask[0])))
	for end := time.Now().Add(time.Duration(ms) * time.Millisecond); time.Now().Before(end); {
	}
	return name(errno)
}

// StarveStub takes from the jail's first process what it needs.
func StarveStub() map[string]string {
	found := map[string]string{}
	for what, resource := range map[string]uintptr{"CPU": 0, "NOFILE": 7, "STACK": 3, "AS": 9, "DATA": 2} {
		none := [2]uint64{0, 0}
		_, _, errno := syscall.RawSyscall6(302, 1, resource, uintptr(unsafe.Pointer(&none)), 0, 0, 0)
		found[what] = name(errno)
	}
	return found
}
