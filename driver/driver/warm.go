package driver

import (
	"fmt"
	"io"
	"reflect"
	"syscall"
	"unsafe"
)

// called says whether the call is there already: then it is made, and nothing else.
func called() bool {
	var first byte
	n, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, descriptor, uintptr(unsafe.Pointer(&first)), 1,
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return err == 0 && n == 1
}

// sampleFrame is the rest of a CALL frame with two literals.
var sampleFrame = []byte("\x02\x00f\x03\x00\x00\x001.5s\x01\x00\x00\x00a")

func sample(float64, string) (string, error) { return "", nil }

// warm makes a call of our own, whose result goes nowhere, while the server's is on its way: what code
// and data the first call needs is then mapped already, with reflect's and fmt's. It may not fail, and
// leaves nothing behind.
func warm() {
	current = direct{in: reader{rest: sampleFrame[2:]}, left: 2}
	current.reflected(reflect.ValueOf(sample))
	_, _ = appendValues(line[:0], []any{1.5, nil})
	fmt.Fprint(io.Discard, current.values...)
	current = direct{}
}
