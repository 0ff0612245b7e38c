package driver

import (
	"syscall"
	"unsafe"
)

// linger is told of in linger_linux.go; Go has no number for ppoll on every FreeBSD.
func linger() {
	ready := pollable{descriptor: descriptor, events: 1}
	_, _, _ = syscall.RawSyscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&ready)), 1, 1)
}

// started is of linger_linux.go; here nothing was changed.
func started() {}
