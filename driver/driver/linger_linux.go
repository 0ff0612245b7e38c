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

// started gives back what is usual and would have made the start dearer (prctl(2)): this thread's timers are as precise
// as any, where the runtime's monitor would else have interrupted the start every 20 µs, and there may be huge pages,
// where one would have been filled with zeros for the little that is touched until now.
func started() {
	const setTimerSlack, setNoHugePages, usual = 29, 41, 0
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, usual, 0)
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, setNoHugePages, usual, 0, 0, 0, 0)
}
