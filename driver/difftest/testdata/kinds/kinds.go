// Package kinds has a function for every kind of parameter and result.
package kinds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"unsafe"
)

const (
	Version = "1.2"
	Big     = 1 << 70
	Third   = 1.0 / 3
)

var (
	Counter = 41
	Double  = func(n int) int { return 2 * n }
	Nothing error
	ErrGone = errors.New("gone")
)

type (
	Celsius  float64
	Name     string
	Flags    uint8
	Truth    bool
	Ints     []int
	Triple   [3]int8
	Ages     map[string]int
	Bytes    []byte
	PointPtr *Point
	Alias    = Point
	Text     = string
	Handler  func(int) int
	Phase    complex64
	Letter   rune
)

type Point struct{ X, Y int }

func (p Point) String() string { return fmt.Sprintf("(%d|%d)", p.X, p.Y) }

func (p Point) Add(q Point) Point { return Point{p.X + q.X, p.Y + q.Y} }

type Weekday int

func (d Weekday) String() string { return [...]string{"Sun", "Mon", "Tue"}[(d%3+3)%3] }

type Hidden struct {
	Open   int
	closed string
}

type Secret struct{ a, b int }

type Inner struct{ A, B string }

type Outer struct {
	Inner Inner
	Ptr   *Inner
	List  []Inner
	Ptrs  []*Inner
	Table map[string]Inner
	Keys  map[Inner]int
	Any   any
	Err   error
	F     func()
	Grid  [2][2]float32
	C     Celsius
	Deep  [][]map[string][]int
}

type Mixed struct {
	Point
	*Inner
	Tag Name `json:"tag"`
	_   int
}

type Tree struct {
	Left, Right *Tree
	Value       int
}

type Pointed struct{ n int }

func (p *Pointed) String() string { return fmt.Sprint("pointed ", p != nil) }

type Shower interface{ String() string }

type Number interface{ ~int | ~float64 }

func show(x any) string { return fmt.Sprintf("%T %#v", x, x) }

func Bool(x bool) string             { return show(x) }
func Int(x int) string               { return show(x) }
func Int8(x int8) string             { return show(x) }
func Int16(x int16) string           { return show(x) }
func Int32(x int32) string           { return show(x) }
func Int64(x int64) string           { return show(x) }
func Uint(x uint) string             { return show(x) }
func Uint8(x uint8) string           { return show(x) }
func Uint16(x uint16) string         { return show(x) }
func Uint32(x uint32) string         { return show(x) }
func Uint64(x uint64) string         { return show(x) }
func Uintptr(x uintptr) string       { return show(x) }
func Float32(x float32) string       { return fmt.Sprintf("%08x %v", math.Float32bits(x), x) }
func Float64(x float64) string       { return fmt.Sprintf("%016x %v", math.Float64bits(x), x) }
func Complex64(x complex64) string   { return Float32(real(x)) + Float32(imag(x)) }
func Complex128(x complex128) string { return Float64(real(x)) + Float64(imag(x)) }
func String(x string) string         { return show(x) }
func Any(x any) string {
	switch x := x.(type) {
	case float64:
		return "float64 " + Float64(x)
	case float32:
		return "float32 " + Float32(x)
	case complex128:
		return "complex128 " + Complex128(x)
	case []int:
		return fmt.Sprint(show(x), x == nil, len(x), cap(x))
	}
	return show(x)
}
func NamedFloat(x Celsius) string { return fmt.Sprintf("%T ", x) + Float64(float64(x)) }
func NamedString(x Name) string   { return show(x) }
func NamedUint(x Flags) string    { return show(x) }
func NamedBool(x Truth) string    { return show(x) }
func NamedInt(x Weekday) string   { return show(x) + x.String() }
func NamedRune(x Letter) string   { return show(x) }
func NamedComplex(x Phase) string { return show(x) }
func Error(x error) string        { return show(x) }
func Stringer(x fmt.Stringer) string {
	if x == nil {
		return "no stringer"
	}
	return fmt.Sprintf("%T %v", x, x)
}
func Show(x Shower) string            { return fmt.Sprintf("%T %v", x, x) }
func Reader(x io.Reader) bool         { return x == nil }
func Func(x func()) bool              { return x == nil }
func Handle(x Handler) bool           { return x == nil }
func Chan(x chan int) bool            { return x == nil }
func Unsafe(x unsafe.Pointer) bool    { return x == nil }
func IntPtr(x *int) bool              { return x == nil }
func IntsPtr(x *[]int) string         { return show(*x) }
func PointArg(x Point) string         { return show(x) }
func PointPtrArg(x *Point) string     { return show(x) }
func NamedPtrArg(x PointPtr) string   { return show(*x) }
func HiddenArg(x Hidden) string       { return show(x) }
func HiddenPtr(x *Hidden) string      { return show(*x) }
func SecretArg(x Secret) string       { return show(x) }
func InnerArg(x Inner) string         { return show(x) }
func MixedArg(x Mixed) string         { return show(x.Point) + show(x.Tag) + fmt.Sprint(x.Inner != nil) }
func TreeArg(x *Tree) int             { return x.Sum() }
func PointedArg(x *Pointed) string    { return x.String() }
func Anonymous(x struct{ A int }) int { return x.A }

func (t *Tree) Sum() int {
	if t == nil {
		return 0
	}
	return t.Value + t.Left.Sum() + t.Right.Sum()
}

func OuterArg(x Outer) string {
	s := fmt.Sprintf("%#v %v %#v %d %#v %#v %#v %v %v %v", x.Inner, x.Ptr, x.List, len(x.Ptrs), x.Table,
		x.Keys, x.Any, x.Err, x.Grid, x.C)
	for _, p := range x.Ptrs {
		s += fmt.Sprint(" ", *p)
	}
	return s + fmt.Sprintf("%#v %t", x.Deep, x.F == nil)
}

func Slice(x []int) string {
	return fmt.Sprintf("%#v nil=%t len=%d cap=%d", x, x == nil, len(x), cap(x))
}
func NamedSlice(x Ints) string {
	return fmt.Sprintf("%#v nil=%t len=%d cap=%d", x, x == nil, len(x), cap(x))
}
func ByteSlice(x []byte) string {
	return fmt.Sprintf("%#v nil=%t len=%d cap=%d", x, x == nil, len(x), cap(x))
}
func NamedBytes(x Bytes) string {
	return fmt.Sprintf("%#v nil=%t len=%d cap=%d", x, x == nil, len(x), cap(x))
}
func Runes(x []rune) string     { return fmt.Sprintf("%#v nil=%t len=%d", x, x == nil, len(x)) }
func Strings(x []string) string { return fmt.Sprintf("%#v", x) }
func Anys(x []any) string       { return fmt.Sprintf("%#v", x) }
func Points(x []Point) string   { return fmt.Sprintf("%#v", x) }
func Matrix(x [][]float64) string {
	return fmt.Sprintf("%#v", x)
}
func PointPtrs(x []*Point) string {
	s := ""
	for _, p := range x {
		s += fmt.Sprint(p, ";")
	}
	return s
}
func NamedPtrs(x []PointPtr) string {
	s := ""
	for _, p := range x {
		s += fmt.Sprint(*p, ";")
	}
	return s
}
func Array(x [3]int) string                        { return show(x) }
func NamedArray(x Triple) string                   { return show(x) }
func ArrayPtr(x *[2]string) string                 { return show(*x) }
func PointArray(x [2]Point) string                 { return show(x) }
func Empty(x [0]int, y struct{}) string            { return show(x) + show(y) }
func Map(x map[string]int) string                  { return show(x) + fmt.Sprint(x == nil) }
func NamedMap(x Ages) string                       { return show(x) }
func IntMap(x map[int]string) string               { return show(x) }
func FloatMap(x map[float64]string) string         { return show(x) }
func BoolMap(x map[bool]string) string             { return show(x) }
func PointMap(x map[Point]string) string           { return show(x) }
func ArrayMap(x map[[2]int]string) string          { return show(x) }
func PointerMap(x map[string]*Point) string        { return fmt.Sprint(len(x), x["a"]) }
func SliceMap(x map[string][]int) string           { return show(x) }
func AnyMap(x map[any]string) string               { return fmt.Sprint(len(x), x) }
func NestedMap(x map[string]map[string]int) string { return show(x) }

func Sum(xs ...int) string {
	return fmt.Sprintf("%#v nil=%t len=%d cap=%d", xs, xs == nil, len(xs), cap(xs))
}
func Join(sep string, xs ...string) string { return strings.Join(xs, sep) }
func All(xs ...any) string {
	s := fmt.Sprintf("nil=%t len=%d cap=%d", xs == nil, len(xs), cap(xs))
	for _, x := range xs {
		s += " " + show(x)
	}
	return s
}
func Structs(xs ...Point) string { return fmt.Sprintf("%#v", xs) }
func Ptrs(xs ...*Point) int      { return len(xs) }
func Slices(xs ...[]int) string  { return fmt.Sprintf("%#v", xs) }
func Showers(xs ...Shower) string {
	return fmt.Sprint(len(xs))
}

func None()                          {}
func Two() (int, string)             { return 1, "two" }
func Strings2() (string, string)     { return "a", "b" }
func Numbers3() (int, float64, bool) { return 1, 2.5, true }
func Mix() (int, string, int, error) { return 1, "x", 2, nil }
func Fails() error                   { return ErrGone }
func Succeeds() error                { return nil }
func Half(n int) (int, error) {
	if n%2 != 0 {
		return n / 2, fmt.Errorf("%d is odd", n)
	}
	return n / 2, nil
}
func GivesPoint() Point               { return Point{1, 2} }
func GivesPointer() *Point            { return &Point{3, 4} }
func GivesInner() *Inner              { return &Inner{"a", "b"} }
func GivesNil() *Point                { return nil }
func GivesNilInner() *Inner           { return nil }
func GivesAnyNil() any                { return nil }
func GivesTypedNil() any              { return (*Inner)(nil) }
func GivesMap() map[string]int        { return map[string]int{"b": 2, "a": 1, "c": 3} }
func GivesNilMap() map[string]int     { return nil }
func GivesSlice() []string            { return []string{"a", "b"} }
func GivesBytes() []byte              { return []byte("bytes") }
func GivesWeekday() Weekday           { return 2 }
func GivesWeekdays() []Weekday        { return []Weekday{0, 1} }
func GivesHidden() Hidden             { return Hidden{1, "closed"} }
func GivesFloats() (float32, float64) { return 0.1, 0.1 }
func GivesNaN() float64               { return math.NaN() }
func GivesComplex() complex128        { return 1 - 2i }
func GivesFunc() func()               { return nil }
func GivesChan() chan int             { return nil }
func GivesStruct() Outer              { return Outer{Any: 1, C: 2} }
func GivesErrors() (error, error)     { return ErrGone, nil }
func GivesHTML() string               { return "<a & b>\u2028" }
func GivesRaw() string                { return "\xff\x00\n" }
func GivesFormatter() Formatted       { return Formatted{} }
func GivesPanicking() Panicking       { return Panicking{} }

type Formatted struct{}

func (Formatted) Format(f fmt.State, verb rune) { fmt.Fprintf(f, "<%c>", verb) }

type Panicking struct{}

func (Panicking) String() string { panic("in String") }

func Prints(s string)            { fmt.Print(s) }
func PrintsAndGives() int        { fmt.Println("printing"); os.Stdout.WriteString("more"); return 7 }
func PrintsBoth()                { fmt.Println("out"); fmt.Fprintln(os.Stderr, "err"); println("runtime") }
func Environment() []string      { e := os.Environ(); sort.Strings(e); return e }
func Directory() (string, error) { return os.Getwd() }
func PanicString(s string)       { panic(s) }
func PanicError()                { panic(ErrGone) }
func PanicPoint()                { panic(Point{1, 2}) }
func PanicInner() int            { panic(Inner{"a", "b"}) }
func PanicNil()                  { panic(nil) }
func PanicTwice()                { defer func() { panic("second") }(); panic("first") }
func PanicAgain()                { defer func() { r := recover(); panic(fmt.Sprint("again ", r)) }(); panic("first") }
func PanicAfterOutput() int      { fmt.Print("before"); panic("after") }
func NilMap()                    { var m map[string]int; m["a"] = 1 }
func NilPointer() int            { var p *Point; return p.X }
func Index(i int) int            { return []int{1, 2, 3}[i] }
func Divide(a, b int) int        { return a / b }
func Assert(x any) string        { return x.(string) }
func Recovers() (s string)       { defer func() { s = fmt.Sprint("recovered ", recover()) }(); panic("x") }
func Exit(code int)              { fmt.Print("leaving"); os.Exit(code) }
func DeadChan()                  { <-make(chan int) }
func DeadSelect() int            { select {} }
func DeadMutex()                 { var m sync.Mutex; m.Lock(); m.Lock() }
func DeadGroup()                 { var g sync.WaitGroup; g.Add(1); g.Wait() }
func GoroutinePanics()           { go panic("elsewhere"); select {} }
func Goroutines() int            { c := make(chan int); go func() { c <- 5 }(); return <-c }
func Goexit()                    { c := make(chan int); go func() { <-c }(); func() { <-c }() }
func LeavesMain()                { runtime.Goexit() }
func WithContext(ctx context.Context, n int) string {
	_, ok := ctx.Deadline()
	return fmt.Sprint(n, ok)
}
func Apply[T any](f func(T) T, x T) T { return f(x) }
func First[T any](xs ...T) T          { return xs[0] }
func Run(f func() int) int            { return f() }

type Box[T any] struct{ Value T }

func (b Box[T]) Get() T { return b.Value }

type Builder struct{ parts []string }

func New(s string) *Builder              { return &Builder{[]string{s}} }
func (b *Builder) Add(s string) *Builder { b.parts = append(b.parts, s); return b }
func (b *Builder) String() string        { return strings.Join(b.parts, "+") }
func (b *Builder) Reset()                { b.parts = nil }
func unexported() int                    { return 1 }
func Pair() (Point, error)               { return Point{1, 2}, nil }
