package difftest

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Calls that say that others follow: one program serves them all, and ends with the one that does not.

const (
	stays   = 4
	follows = 8
	slot    = 512 // bytes of each frame, where another may lie behind it
)

// visit is a program that serves several calls.
type visit struct {
	t      *testing.T
	socket *os.File
	output *os.File // of stdout
	c      *exec.Cmd
}

func visitOf(t *testing.T, program string) *visit {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	v := &visit{t: t, socket: os.NewFile(uintptr(pair[0]), "ours"), output: reader}
	for range 1000 {
		v.c, _, _ = command(program)
		v.c.Stdout = writer
		v.c.ExtraFiles = []*os.File{theirs}
		if err = v.c.Start(); err == nil {
			break
		}
		time.Sleep(time.Millisecond) // as start does
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	writer.Close()
	timer := time.AfterFunc(runTimeout, func() { _ = v.c.Process.Kill() })
	t.Cleanup(func() {
		timer.Stop()
		v.socket.Close()
		_ = v.c.Wait()
		reader.Close()
	})
	if kind, _ := readFrame(v.socket); kind != 'R' {
		t.Fatal("it is not ready")
	}
	return v
}

// frameOf is a call's frame, as long as a slot at least.
func frameOf(flags byte, timeout time.Duration, name string, rest []byte) []byte {
	call := binary.LittleEndian.AppendUint64([]byte{'C', flags}, uint64(timeout))
	call = binary.LittleEndian.AppendUint16(call, uint16(len(name)))
	call = append(append(call, name...), rest...)
	frame := append(binary.LittleEndian.AppendUint32(nil, uint32(len(call))), call...)
	return append(frame, make([]byte, max(0, slot-len(frame)))...)
}

// call gives it a call; what it wrote before its answer is in the pipe by then.
func (v *visit) call(flags byte, timeout time.Duration, name string, rest []byte) (kind byte, payload, written string) {
	v.t.Helper()
	v.send(frameOf(flags, timeout, name, rest))
	kind, payload = readFrame(v.socket)
	return kind, payload, v.written()
}

func (v *visit) send(frames []byte) {
	v.t.Helper()
	if _, err := v.socket.Write(frames); err != nil {
		v.t.Error(err)
	}
}

func (v *visit) written() string {
	buffer := make([]byte, 65536)
	_ = v.output.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, _ := v.output.Read(buffer)
	return string(buffer[:n])
}

func (v *visit) says(call, want string) {
	v.t.Helper()
	l := encodeOne(call)
	if kind, payload, written := v.call(stays, 0, l.name, l.nodes); kind != 'Q' || payload != want || written != "" {
		v.t.Errorf("%s: %c %q %q, not %q", call, kind, payload, written, want)
	}
}

func (v *visit) typed(name, arguments, want string) {
	v.t.Helper()
	kind, payload, written := v.call(stays|asTyped, time.Hour, name, []byte(arguments))
	if kind != 'Q' || payload != want || written != "" {
		v.t.Errorf("%s %s: %c %q %q, not %q", name, arguments, kind, payload, written, want)
	}
}

const stayer = `package stayer

import (
	"context"
	"os"
	"strings"
)

var n int
var texts []string
var last context.Context

func Count() int                 { n++; return n }
func Keep(text string) []string  { texts = append(texts, text); return texts }
func Write(text string) int      { n++; os.Stdout.WriteString(text); return n }
func Much() string               { return strings.Repeat("x", 4<<20) }
func Small(x int8) int8          { return x }
func Chan() any                  { return make(chan int) }
func Wait() int                  { var c chan int; return <-c }
func Ended(ctx context.Context) bool {
	ended := last != nil && last.Err() != nil
	last = ctx
	return ended
}
`

func TestStay(t *testing.T) {
	p := made(t, "example.invalid/stayer", "stayer", map[string]map[string]string{"example.invalid/stayer": {"stayer.go": stayer}})
	p.build(t)
	v := visitOf(t, p.artifact)
	v.says(`Count()`, "1")
	v.says(`Count()`, "2")
	// Arguments may be kept: the next frame does not come to their place, however long it is.
	v.says(`Keep("first")`, "[first]")
	v.says(`Keep("2")`, "[first 2]")
	long := strings.Repeat("x", 10_000)
	v.says(`Keep("`+long+`")`, "[first 2 "+long+"]")
	v.typed("Keep", `["y"]`, "[first 2 "+long+" y]")
	// What is answered before or after a call ends nothing.
	small := encodeOne(`Small(300)`)
	if kind, _, _ := v.call(stays, 0, small.name, small.nodes); kind != 'D' {
		t.Errorf("Small(300): %c", kind)
	}
	if kind, _, _ := v.call(stays|asTyped, 0, "Small", []byte(`[300]`)); kind != 'E' {
		t.Errorf("Small [300]: %c", kind)
	}
	channel := encodeOne(`Chan()`)
	if kind, _, _ := v.call(stays|asJSON, 0, channel.name, channel.nodes); kind != 'J' {
		t.Errorf("Chan(): %c", kind)
	}
	// A context ends with its call.
	v.typed("Ended", `[]`, "false")
	v.typed("Ended", `[]`, "true")
	// The call that does not stay is the last.
	count := encodeOne(`Count()`)
	if kind, _, printed := v.call(0, 0, count.name, count.nodes); kind != 'V' || printed != "3" {
		t.Errorf("the last call: %c %q", kind, printed)
	}
	if kind, _ := readFrame(v.socket); kind != 0 {
		t.Errorf("a frame behind the last one: %c", kind)
	}
}

// A deadlock is found in a later call too, though an earlier one had a deadline; and a server that is gone
// ends a program that waits.
func TestStayEnds(t *testing.T) {
	p := made(t, "example.invalid/stayer", "stayer", map[string]map[string]string{"example.invalid/stayer": {"stayer.go": stayer}})
	p.build(t)
	v := visitOf(t, p.artifact)
	v.typed("Ended", `[]`, "false")
	wait := encodeOne(`Wait()`)
	if kind, _, _ := v.call(stays, 0, wait.name, wait.nodes); kind != 0 {
		t.Errorf("a deadlock: %c", kind)
	}
	if err := v.c.Wait(); err == nil || err.Error() != "exit status 2" {
		t.Errorf("a deadlock: %v", err)
	}
	v = visitOf(t, p.artifact)
	v.says(`Count()`, "1")
	v.socket.Close()
	if err := v.c.Wait(); err != nil {
		t.Errorf("its server is gone: %v", err)
	}
}

// An expression is evaluated anew for each call.
func TestStayExpression(t *testing.T) {
	p := made(t, "example.invalid/stayer", "stayer", map[string]map[string]string{"example.invalid/stayer": {"stayer.go": stayer}})
	r, program := p.expression(t, `Count() * 10`)
	if !r.OK {
		t.Fatal(r.Detail)
	}
	v := visitOf(t, program)
	for _, want := range []string{"10", "20", "30"} {
		if kind, printed, _ := v.call(stays, 0, "", []byte{0, 0}); kind != 'Q' || printed != want {
			t.Errorf("%c %q, not %q", kind, printed, want)
		}
	}
}

// Of calls that lie behind each other none is made behind one that wrote something, until what it wrote was read.
func TestStayFollows(t *testing.T) {
	p := made(t, "example.invalid/stayer", "stayer", map[string]map[string]string{"example.invalid/stayer": {"stayer.go": stayer}})
	p.build(t)
	v := visitOf(t, p.artifact)
	count, write := encodeOne(`Count()`), encodeOne(`Write("mine ")`)
	follow := frameOf(stays|follows, 0, count.name, count.nodes)
	frames := append(frameOf(stays, 0, count.name, count.nodes), follow...)
	frames = append(frames, frameOf(stays|follows, 0, write.name, write.nodes)...)
	frames = append(append(frames, follow...), frameOf(follows, 0, count.name, count.nodes)...)
	v.send(frames)
	for i, want := range []string{"Q1", "Q2", "V", "P", "P"} {
		if kind, payload := readFrame(v.socket); string(kind)+payload != want {
			t.Errorf("answer %d: %c %q, not %s", i, kind, payload, want)
		}
	}
	if written := v.written(); written != "mine 3" {
		t.Errorf("it wrote %q", written)
	}
	v.says(`Count()`, "4")
	v.send(follow)
	if kind, payload := readFrame(v.socket); kind != 'Q' || payload != "5" {
		t.Errorf("behind a quiet one: %c %q", kind, payload)
	}
}

// What no frame holds is in the pipe.
func TestStayMuch(t *testing.T) {
	p := made(t, "example.invalid/stayer", "stayer", map[string]map[string]string{"example.invalid/stayer": {"stayer.go": stayer}})
	p.build(t)
	v := visitOf(t, p.artifact)
	much := encodeOne(`Much()`)
	v.send(frameOf(stays, 0, much.name, much.nodes))
	n, err := io.CopyN(io.Discard, v.output, 4<<20)
	if kind, payload := readFrame(v.socket); kind != 'V' || payload != "" || n != 4<<20 {
		t.Errorf("%c %d bytes, %v", kind, n, err)
	}
}
