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

// warm makes calls of our own, whose results go nowhere, while the server's is on its way: what code
// and data the first call needs is then mapped already, on the direct way and on the general one. It may
// not fail, and leaves nothing behind.
func (t *Table) warm() {
	warmDirect()
	f := reflect.ValueOf(sample)
	arguments, why := literalArguments(t, f.Type(), sampleFrame)
	if why != "" {
		return
	}
	for _, result := range call(f, arguments) {
		fmt.Fprint(io.Discard, result.Interface())
	}
}
