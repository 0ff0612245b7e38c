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
	socket := struct {
		descriptor      int32
		events, happens int16
	}{descriptor, 1, 0}
	now := syscall.Timespec{}
	n, _, _ := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&socket)), 1,
		uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return n == 1
}

// sampleFrame is the rest of a CALL frame with two literals.
var sampleFrame = []byte("\x02\x00f\x03\x00\x00\x001.5s\x01\x00\x00\x00a")

func sample(float64, string) (string, error) { return "", nil }

// warm makes calls of our own, whose results go nowhere, while the server's is on its way: what code
// and data the first call needs is then mapped already (measured: 6 page faults on the way of a call
// instead of 22). It may not fail, and leaves nothing behind.
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
