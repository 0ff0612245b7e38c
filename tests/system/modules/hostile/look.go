// Package hostile does what a jail must not allow, and returns what it could do.
package hostile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

var names = map[syscall.Errno]string{
	0: "ok", syscall.EPERM: "EPERM", syscall.ENOENT: "ENOENT", syscall.ESRCH: "ESRCH", syscall.EIO: "EIO", syscall.ENXIO: "ENXIO",
	syscall.E2BIG: "E2BIG", syscall.EBADF: "EBADF", syscall.ECHILD: "ECHILD", syscall.EAGAIN: "EAGAIN", syscall.ENOMEM: "ENOMEM",
	syscall.EACCES: "EACCES", syscall.EFAULT: "EFAULT", syscall.EBUSY: "EBUSY", syscall.EEXIST: "EEXIST", syscall.EXDEV: "EXDEV",
	syscall.ENODEV: "ENODEV", syscall.ENOTDIR: "ENOTDIR", syscall.EISDIR: "EISDIR", syscall.EINVAL: "EINVAL",
	syscall.ENOSPC: "ENOSPC", syscall.EROFS: "EROFS", syscall.ENOSYS: "ENOSYS", syscall.EAFNOSUPPORT: "EAFNOSUPPORT",
	syscall.ECONNREFUSED: "ECONNREFUSED", syscall.ELOOP: "ELOOP", syscall.EOPNOTSUPP: "EOPNOTSUPP", syscall.ENOEXEC: "ENOEXEC",
	syscall.ETXTBSY: "ETXTBSY", syscall.EPROTONOSUPPORT: "EPROTONOSUPPORT", syscall.ENETUNREACH: "ENETUNREACH",
}

func name(errno syscall.Errno) string {
	if text, ok := names[errno]; ok {
		return text
	}
	return "errno " + strconv.Itoa(int(errno))
}

func outcome(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return name(errno)
	}
	return err.Error()
}

// Tree lists all that is visible: "f /etc/passwd", "c /dev/null", "d /tmp".
func Tree() []string {
	var found []string
	_ = filepath.WalkDir("/", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			found = append(found, "? "+path+" "+outcome(err))
			return nil
		}
		info, err := entry.Info() // a directory knows only what lies below what is mounted over it
		if err != nil {
			found = append(found, "? "+path+" "+outcome(err))
			return nil
		}
		kind := "f"
		switch mode := info.Mode(); {
		case mode&fs.ModeCharDevice != 0:
			kind = "c"
		case mode&fs.ModeDevice != 0:
			kind = "b"
		case mode.IsDir():
			kind = "d"
		case mode&fs.ModeSymlink != 0:
			kind = "l"
		case !mode.IsRegular():
			kind = "o"
		}
		found = append(found, kind+" "+path)
		return nil
	})
	return found
}

// Read tries to read each path.
func Read(paths []string) map[string]string {
	found := map[string]string{}
	for _, path := range paths {
		_, err := os.ReadFile(path)
		found[path] = outcome(err)
	}
	return found
}

// Write tries to make, change and remove things at each path, which is of a directory.
func Write(paths []string) map[string]string {
	found := map[string]string{}
	for _, path := range paths {
		at := path + "/made"
		found["create "+path] = outcome(os.WriteFile(at, []byte("x"), 0o777))
		found["mkdir "+path] = outcome(os.Mkdir(at+"-dir", 0o777))
		found["symlink "+path] = outcome(os.Symlink("/etc/passwd", at+"-link"))
		found["mknod "+path] = outcome(syscall.Mknod(at+"-node", syscall.S_IFCHR|0o666, 1<<8|1))
		found["mkfifo "+path] = outcome(syscall.Mknod(at+"-fifo", syscall.S_IFIFO|0o666, 0))
		found["chmod "+path] = outcome(os.Chmod(path, 0o777))
		found["rename "+path] = outcome(os.Rename(path, path+"-renamed"))
	}
	return found
}

// Change tries to alter and remove files.
func Change(paths []string) map[string]string {
	found := map[string]string{}
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			f.Close()
		}
		found["open "+path] = outcome(err)
		found["truncate "+path] = outcome(os.Truncate(path, 0))
		found["unlink "+path] = outcome(os.Remove(path))
		found["chmod "+path] = outcome(os.Chmod(path, 0o666))
		found["utimes "+path] = outcome(os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)))
	}
	return found
}

// Descriptors are those open at the call.
func Descriptors() []int {
	var open []int
	for fd := range 1024 {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno == 0 {
			open = append(open, fd)
		}
	}
	return open
}

// Environment is what it says.
func Environment() []string { return os.Environ() }

// Directory is the working directory.
func Directory() string {
	dir, _ := os.Getwd()
	return dir
}

// Identity is who the program runs as, and what it may.
func Identity() map[string]any {
	var set [2]struct{ Effective, Permitted, Inheritable uint32 }
	header := struct {
		version uint32
		pid     int32
	}{0x20080522, 0}
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&set)), 0)
	groups, _ := os.Getgroups()
	host, _ := os.Hostname()
	return map[string]any{"uid": os.Getuid(), "euid": os.Geteuid(), "gid": os.Getgid(), "groups": len(groups), "pid": os.Getpid(),
		"ppid": os.Getppid(), "capget": name(errno), "caps": set, "hostname": host}
}

// Mark says in a file that it has begun, and waits.
func Mark(ms int) string {
	if err := os.WriteFile("/tmp/mark", nil, 0o600); err != nil {
		return err.Error()
	}
	return Sleep(ms)
}

// Sleep waits.
func Sleep(ms int) string {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return "slept"
}
