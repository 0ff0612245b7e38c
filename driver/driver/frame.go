package driver

import (
	"bytes"
	"encoding/binary"
	"syscall"
	"unsafe"
)

// The frames of src/pool/frame.h, on descriptor 3.
const (
	descriptor = 3
	frameMax   = 4 << 20

	frameReady    = 'R'
	frameCall     = 'C'
	frameResult   = 'V'
	frameQuiet    = 'Q'
	framePassed   = 'P'
	frameDeclined = 'D'
	frameRefused  = 'E'
	frameNotJSON  = 'J'

	flagJSON    = 1
	flagTyped   = 2
	flagStay    = 4
	flagFollows = 8

	slot = 512 // what a call's frame fills where others may lie behind it
)

// request is a CALL frame.
type request struct {
	flags   byte
	timeout int64 // nanoseconds
	name    string
	rest    []byte
	ends    *deadline // its context; nil: it has none
}

func (c request) json() bool  { return c.flags&flagJSON != 0 }
func (c request) typed() bool { return c.flags&flagTyped != 0 }

// stays says whether the program waits for another call behind this one.
func (c request) stays() bool { return c.flags&flagStay != 0 }

// follows says whether the call was sent before the answer to the one before was read.
func (c request) follows() bool { return c.flags&flagFollows != 0 }

// returned says how a call that returned is answered: quietly where another may follow, and it wrote nothing itself.
func (c request) returned() byte {
	if c.stays() && empty(1) && empty(2) {
		return frameQuiet
	}
	return frameResult
}

func ready() {
	answer(frameReady, "")
	started()
}

// loud says whether the last call may have left something in the pipes, which is to be read before another
// call is made: else nobody could tell whose it is.
var loud bool

// pass hands a call back that may not be made yet.
func (c request) pass() bool {
	if !loud || !c.follows() {
		return false
	}
	answer(framePassed, "")
	return true
}

// answer writes one frame. A server that is gone ends the program: there is no one to work for.
func answer(kind byte, payload string) {
	loud = kind != frameQuiet
	if len(payload) >= frameMax {
		payload = payload[:frameMax-1]
	}
	frame := make([]byte, 5, 5+len(payload))
	binary.LittleEndian.PutUint32(frame, uint32(1+len(payload)))
	frame[4] = kind
	frame = append(frame, payload...)
	for len(frame) > 0 {
		n, err := send(frame)
		if err == nil {
			frame = frame[n:]
		} else if !retry(err) {
			syscall.Exit(1)
		}
	}
}

// send writes as the runtime does not see it where there is room: its monitor would look at a system call every
// 20 µs (measured: a quarter of the cpu that short calls took).
func send(frame []byte) (int, error) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_SENDTO, descriptor, uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)),
		syscall.MSG_DONTWAIT, 0, 0)
	if err == 0 {
		return int(n), nil
	}
	return syscall.Write(descriptor, frame)
}

// retry says whether a system call is worth another try. A descriptor that does not block is made to:
// the program waits in the kernel, not in the runtime's poller.
func retry(err error) bool {
	if err == syscall.EAGAIN {
		return syscall.SetNonblock(descriptor, false) == nil
	}
	return err == syscall.EINTR
}

// pollable is poll's struct pollfd.
type pollable struct {
	descriptor      int32
	events, happens int16
}

// first is where the frame is read: one read takes nearly every call whole, and of none behind it.
var first [slot]byte

// begin reads the beginning of a frame. Behind another call it lingers before it waits.
func begin(again bool) (int, error) {
	if again {
		if n, ok := look(); ok {
			return n, nil
		}
		linger()
		if n, ok := look(); ok {
			return n, nil
		}
	}
	return syscall.Read(descriptor, first[:])
}

// look reads what is there; false: nothing yet.
func look() (int, bool) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, descriptor, uintptr(unsafe.Pointer(&first)), slot,
		syscall.MSG_DONTWAIT, 0, 0)
	return int(n), err == 0
}

// receive waits for the call, which is another one where `again` says so. What is no CALL frame ends the program,
// as does a server that is gone.
func receive(again bool) request {
	frame := first[:]
	have := 0
	for need := 4; have < need; {
		var n int
		var err error
		if have == 0 {
			n, err = begin(again)
		} else {
			n, err = syscall.Read(descriptor, frame[have:])
		}
		if err != nil {
			if retry(err) {
				continue
			}
			syscall.Exit(1)
		}
		if n == 0 {
			syscall.Exit(0)
		}
		have += n
		if need == 4 && have >= 4 {
			length := binary.LittleEndian.Uint32(frame)
			if length == 0 || length > frameMax {
				syscall.Exit(1)
			}
			need = 4 + int(length)
			if need > len(frame) {
				frame = append(make([]byte, 0, need), frame[:have]...)[:need]
			}
		}
	}
	length := binary.LittleEndian.Uint32(frame)
	frame = frame[4 : 4+length]
	if len(frame) > 1 && frame[1]&flagStay != 0 {
		frame = bytes.Clone(frame) // what it says may be kept, and the next comes to the same place
	}
	return decodeCall(frame)
}

func decodeCall(frame []byte) request {
	r := reader{rest: frame}
	if r.u8() != frameCall {
		syscall.Exit(1)
	}
	c := request{flags: r.u8(), timeout: int64(r.u64())}
	c.name = r.text(int(r.u16()))
	c.rest = r.rest
	if r.short {
		syscall.Exit(1)
	}
	return c
}

// reader takes integers and texts off the front of a buffer; short tells that there was less than
// asked for. Texts point into the buffer, which is never written again.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.short = true
		r.rest = nil
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) text(n int) string {
	b := r.take(n)
	return unsafe.String(unsafe.SliceData(b), len(b))
}
