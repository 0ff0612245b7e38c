package driver

import (
	"syscall"
	"unsafe"
)

// empty says whether nothing lies in the pipe of that descriptor: Linux counts for both of its ends.
func empty(descriptor uintptr) bool {
	var bytes int32
	_, _, err := syscall.RawSyscall(syscall.SYS_IOCTL, descriptor, syscall.TIOCINQ, uintptr(unsafe.Pointer(&bytes)))
	return err == 0 && bytes == 0
}
