// Package calls has a function for each way of being called.
package calls

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Point is a struct.
type Point struct {
	X, Y int
	Name string `json:"name"`
}

// Celsius is a named number with a method.
type Celsius float64

func (c Celsius) String() string { return fmt.Sprintf("%.1f°C", float64(c)) }

// Weekday is a named integer.
type Weekday int

func Add(a, b int) int                     { return a + b }
func Half(x float64) float64               { return x / 2 }
func Join(sep string, parts ...string) int { return len(parts) + len(sep) }
func Sum(numbers ...int) (total int) {
	for _, n := range numbers {
		total += n
	}
	return
}
func IsNil(parts ...string) bool          { return parts == nil }
func Two() (int, string)                  { return 1, "two" }
func Three() (int, error, []int)          { return 1, nil, []int{2} }
func Fail() (int, error)                  { return 7, errors.New("it failed") }
func OnlyError() error                    { return errors.New("alone") }
func NoError() (string, error)            { return "fine", nil }
func None()                               {}
func Print(text string)                   { fmt.Print(text) }
func PrintAnd(text string) string         { fmt.Print(text); return "returned" }
func Both() string                        { fmt.Fprint(os.Stderr, "err"); fmt.Print("out"); return "!" }
func Move(p Point, by int) Point          { p.X += by; return p }
func MovePointer(p *Point, by int) *Point { p.X += by; return p }
func Count(m map[string]int) int          { return len(m) }
func Bytes(b []byte) string               { return string(b) }
func Any(v any) string                    { return fmt.Sprintf("%T %v", v, v) }
func Warm(c Celsius) Celsius              { return c + 1 }
func Day(d Weekday) int                   { return int(d) }
func Tiny(x int8) int8                    { return x }
func Apply(f func(int) int, x int) int    { return f(x) }
func At(t time.Time) string               { return t.UTC().Format(time.RFC3339) }
func For(d time.Duration) string          { return d.String() }
func ExitZero(text string)                { fmt.Print(text); os.Exit(0) }
func Raw() []byte                         { return []byte{0xff, 0xfe, 'a'} }
func RawText() string                     { return "a\xff\x00b" }
func Unencodable() any                    { return make(chan int) }
func Float() float64                      { return 0.1 }
func Large() uint64                       { return 1<<64 - 1 }
func Rune(r rune) string                  { return string(r) }
func Complex(c complex128) complex128     { return c * c }

func Same(x uint64) uint64 { return x }

// Number gives a number's text.
func Number(n json.Number) string { return n.String() }

// Digits is a whole number of so many.
func Digits(count int) json.Number { return json.Number(strings.Repeat("9", count)) }

// Nested is as many lists in each other.
func Nested(depth int) any {
	var v any = []any{}
	for range depth - 1 {
		v = []any{v}
	}
	return v
}

// Left is the time until the context's deadline, in milliseconds.
func Left(ctx context.Context) (int, bool) {
	end, ok := ctx.Deadline()
	return int(time.Until(end).Milliseconds()), ok
}

// Wait waits for the context's end.
func Wait(ctx context.Context) string {
	<-ctx.Done()
	return ctx.Err().Error()
}

// Counter has methods.
type Counter struct{ n int }

// New makes one.
func New(n int) *Counter { return &Counter{n} }

// Next counts.
func (c *Counter) Next() int { c.n++; return c.n }

// Version is a variable, Max a constant.
var Version = "v7"

// Max is one.
const Max = 10

func hidden() int { return 1 }

var _ = hidden
