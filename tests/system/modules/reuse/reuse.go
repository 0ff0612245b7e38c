// Package reuse shows what stays of a call where its jail serves another one.
package reuse

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

var (
	count int
	held  [][]byte
	texts []string
)

// Count counts the calls of this process.
func Count() int { count++; return count }

// Keep keeps its argument and gives all that were kept.
func Keep(text string) []string { texts = append(texts, text); return texts }

// Hold touches and keeps so many MiB.
func Hold(mib int) int {
	block := make([]byte, mib<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	held = append(held, block)
	count++
	return count
}

// Leave writes a file, or reads what is there.
func Leave(text string) string {
	before, _ := os.ReadFile("/tmp/left")
	_ = os.WriteFile("/tmp/left", []byte(text), 0o600)
	return string(before)
}

// Print prints to both and counts.
func Print(text string) int {
	fmt.Print(text)
	fmt.Fprint(os.Stderr, text)
	count++
	return count
}

func Panic(text string) int  { panic(text) }
func Exit(status int) int    { os.Exit(status); return 0 }
func Lock() int              { var c chan int; return <-c }
func Write(bytes int) int    { n, _ := os.Stdout.Write(make([]byte, bytes)); return n }
func Sleep(ms int) int       { time.Sleep(time.Duration(ms) * time.Millisecond); count++; return count }
func Chan() any              { count++; return make(chan int) }
func Small(x int8) int8      { return x }
func Frame(text string) int  { n, _ := syscall.Write(3, []byte(text)); return n }
func Sum(a ...int) (sum int) { count++; return len(a) }

// Later does something when the call is over: it writes, or says what no one asked for, or panics, and then
// makes the file.
func Later(what, text string) int {
	go func() {
		time.Sleep(20 * time.Millisecond)
		switch what {
		case "write":
			fmt.Print(text)
			fmt.Fprint(os.Stderr, text)
		case "flood":
			for {
				fmt.Print(text)
			}
		case "frame":
			_, _ = syscall.Write(3, []byte(text))
		case "panic":
			panic(text)
		}
	}()
	count++
	return count
}

// Hasty answers its call, and the next as soon as something of that has come, which it reads only then.
func Hasty(text string) int {
	answer := []byte("\x01\x00\x00\x00Q")
	_, _ = syscall.Write(3, answer)
	_, _ = syscall.Select(4, &syscall.FdSet{Bits: [16]int64{1 << 3}}, nil, nil, nil)
	_, _ = syscall.Write(3, answer)
	time.Sleep(300 * time.Millisecond) // else it may be sent whole before the answer is seen
	for unread := make([]byte, 65536); ; {
		if n, err := syscall.Read(3, unread); n == 0 || err == syscall.EAGAIN {
			time.Sleep(time.Millisecond)
		}
	}
}

// Twice answers its call, and one that it has not read, and ends.
func Twice() int {
	_, _ = syscall.Write(3, []byte("\x01\x00\x00\x00Q\x01\x00\x00\x00Q"))
	os.Exit(0)
	return 0
}

// Left is the time until the context's deadline, in milliseconds.
func Left(ctx context.Context) int {
	end, _ := ctx.Deadline()
	count++
	return int(time.Until(end).Milliseconds())
}

var last context.Context

// Ended says whether the context of the call before has ended, and keeps this one's.
func Ended(ctx context.Context) bool {
	ended := last != nil && last.Err() != nil
	last = ctx
	return ended
}
