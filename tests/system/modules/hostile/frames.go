package hostile

import (
	"encoding/binary"
	"fmt"
	"strings"
	"syscall"
	"time"
)

func frame(kind byte, payload string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(1+len(payload)))
	return append(append(b, kind), payload...)
}

func send(b []byte) {
	for len(b) > 0 {
		n, err := syscall.Write(3, b)
		if err != nil {
			return
		}
		b = b[n:]
	}
}

// Forge writes a frame of that kind, then returns, or runs on for ever.
func Forge(kind, payload string, forever bool) string {
	fmt.Print("printed")
	send(frame(kind[0], payload))
	for forever {
	}
	return "honest"
}

// ForgeLate waits first, so that its jail can be looked at.
func ForgeLate(ms int, kind, payload string) string {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return Forge(kind, payload, true)
}

// Garbage writes bytes that are no frame.
func Garbage(text string, times int) string {
	send([]byte(strings.Repeat(text, times)))
	return "honest"
}

// HugeFrame says that a frame of that length comes.
func HugeFrame(length uint32, sent int) string {
	b := binary.LittleEndian.AppendUint32(nil, length)
	send(append(append(b, 'V'), strings.Repeat("x", sent)...))
	return "honest"
}

// ManyFrames writes that many of a kind.
func ManyFrames(kind string, count int) string {
	send([]byte(strings.Repeat(string(frame(kind[0], "")), count)))
	return "honest"
}

// Flood writes frames until it is ended.
func Flood() {
	many := []byte(strings.Repeat(string(frame('R', "")), 10000))
	for {
		send(many)
	}
}

// Mute stops the server's reading: it shuts the socket down and goes on.
func Mute(forever bool) string {
	_ = syscall.Shutdown(3, syscall.SHUT_RDWR)
	for forever {
	}
	return "honest"
}

// PassDescriptor sends the server descriptors.
func PassDescriptor() string {
	rights := syscall.UnixRights(0, 1, 2)
	err := syscall.Sendmsg(3, frame('R', ""), rights, nil, 0)
	return outcome(err)
}
