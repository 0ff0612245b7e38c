package driver

import (
	"syscall"
	"unsafe"
)

// linger waits a moment for the next call as the runtime does not see it: in a system call that it sees,
// its monitor takes the processor away and is woken for the next one, which is most of a short call's
// cost. (It is a moment only, since what is left running may need the processor.)
func linger() {
	ready := pollable{descriptor: descriptor, events: 1}
	moment := syscall.Timespec{Nsec: 1000000}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&ready)), 1,
		uintptr(unsafe.Pointer(&moment)), 0, 0, 0)
}

// precise gives this thread the usual precision of timers again. The program was started with less, for the runtime's
// monitor: every 20 µs it would else interrupt the start.
func precise() {
	const setTimerSlack, usual = 29, 0 // prctl(2)
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, usual, 0)
}
