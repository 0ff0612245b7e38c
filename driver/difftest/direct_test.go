package difftest

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// Calls that the generated main makes itself.

const direct = `package direct

import (
	"errors"
	"fmt"
	"math"
	"os"
)

type Celsius float64

func (c Celsius) String() string { return fmt.Sprintf("%g degrees", float64(c)) }

type Shown struct{}

func (Shown) Format(f fmt.State, verb rune) { fmt.Fprintf(f, "<%c>", verb) }
func (Shown) Error() string                 { return "not shown" }

type Panicking struct{}

func (Panicking) Error() string { panic("in Error") }

type Gone struct{ name string }

func (g *Gone) Error() string { return g.name }

var floats = []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1e20, 1e21, 1234567, 0.00001, 5e-324,
	math.MaxFloat64, 100000000, 0.1}

func Float(i int) float64                                { return floats[i] }
func Float32(i int) (float32, float64)                   { return float32(floats[i]), floats[i] }
func Exact(x float64) uint64                             { return math.Float64bits(x) }
func Exact32(x float32) uint32                           { return math.Float32bits(x) }
func None()                                              {}
func Nothing(s string)                                   {}
func Pair(a, b string) (string, string)                  { return b, a }
func Mixed(n int8, s string, b bool) (bool, int8, string, int, error) { return b, n, s, len(s), nil }
func Numbers(a uint8, b byte, c rune, d int32) (byte, uint8, int32, rune) { return a, b, c, d }
func Half(n int) (int, error) {
	if n%2 != 0 {
		return n / 2, fmt.Errorf("%d is odd", n)
	}
	return n / 2, nil
}
func Fails(s string) error             { return errors.New(s) }
func FailsAsNil(n int) error           { var g *Gone; return g }
func FailsPanicking(n int) (int, error) { return n, Panicking{} }
func FailsFormatted(n int) (int, error) { return n, Shown{} }
func Named(n int) Celsius              { return Celsius(n) }
type Degrees = Celsius
type Text = string

func Renamed(n int) Degrees            { return Degrees(n) }
func Texted(n int) Text                { return "t" }
func Texts(n int) string               { return "s" }
func Pointer(s string) *Gone           { return &Gone{s} }
func NoPointer(s string) (*Gone, error) { return nil, nil }
func Several(n int) ([]Celsius, []*int, [][]string) { return make([]Celsius, n), nil, [][]string{{"a"}} }
func OfAny(i int) any {
	return []any{nil, 1, "text", Celsius(3), Shown{}, (*Gone)(nil), []any{1, "a", nil}, []string{"a"}, 'x', uint8(7), 1i, []byte("b"),
		map[string]int{"a": 1}, [2]int{1, 2}, struct{ A int }{1}}[i]
}
func Echo(x any) string                { return fmt.Sprintf("%T %#v", x, x) }
func Echo2(x interface{}, y int) string { return fmt.Sprintf("%T %#v", x, y) }
func Bytes(b []byte) ([]byte, int, bool) { return b, cap(b), b == nil }
func Strings(s []string) ([]string, int, bool) { return s, cap(s), s == nil }
func Ints(n []int) []int               { return n }
func Floats(n []float64) []float64     { return n }
func All(xs ...any) string             { return fmt.Sprintf("%#v %t %d", xs, xs == nil, cap(xs)) }
func Words(n int, xs ...string) (int, []string, bool) { return n, xs, xs == nil }
func Sum(xs ...int) (n int)            { for _, x := range xs { n += x }; return }
func Mean(xs ...float64) (f float64)   { for _, x := range xs { f += x }; return f / float64(len(xs)) }
func Raw() string                      { return "\xff\x00\n" }
func Large(n int) string               { return string(make([]byte, n)) }
func Prints(n int) int                 { fmt.Print("before "); return n }
func Elsewhere(s string) string        { os.Stdout = os.Stderr; return s }
func Closed(s string) string           { os.Stdout.Close(); return s }
func Nowhere(n int) int                { os.Stdout = nil; return n }
func Panics(n int) int                 { panic(Celsius(n)) }
func Nested(x (int)) (((int)))         { return x }
func Complex(n int) complex128         { return complex(float64(n), -1) }
func Address(n uint64) uintptr         { return uintptr(n) }
`

func TestDirect(t *testing.T) {
	p := made(t, "example.invalid/direct", "direct", map[string]map[string]string{"example.invalid/direct": {"direct.go": direct}})
	tr := trial{pkg: p, must: true, calls: []string{
		`Exact(0)`, `Exact(-0)`, `Exact(0.0)`, `Exact(-0.0)`, `Exact(100.1)`, `Exact(-80.9)`, `Exact(1e22)`, `Exact(1e-400)`, `Exact(-1e-400)`, `Exact(9007199254740993)`,
		`Exact(017)`, `Exact(017.5)`, `Exact(08)`, `Exact(0x1p4)`, `Exact(1_000.5)`, `Exact('a')`, `Exact(1e400)`, `Exact(5e-324)`, `Exact32(16777217)`, `Exact32(0.1)`,
		`Exact32(3.5e38)`, `Exact32(1e-46)`, `Exact32(-0.0)`, `Exact("x")`, `Exact(nil)`, `Exact()`, `Exact(1, 2)`, `None()`, `None(1)`, `Nothing("")`,
		`Pair("a", "b")`, `Pair("", "")`, "Pair(`raw`, \"\\xff\")", `Mixed(-128, "é", true)`, `Mixed(128, "", true)`, `Mixed(1.0, "", false)`, `Numbers(1, 255, -3, 4)`, `Numbers(256, 0, 0, 0)`,
		`Numbers('a', 'b', 'c', 'd')`, `Half(4)`, `Half(5)`, `Half(4.0)`, `Fails("gone")`, `Fails("")`, `FailsAsNil(1)`, `FailsPanicking(1)`, `FailsFormatted(1)`, `Named(5)`, `Renamed(6)`, `Texted(1)`, `Texts(1)`, `Pointer("x")`, `NoPointer("x")`, `Several(2)`,
		`Echo(1)`, `Echo(1.5)`, `Echo("a")`, `Echo('a')`, `Echo(true)`, `Echo(nil)`, `Echo(99999999999999999999)`, `Echo(int8(1))`, `Echo(1i)`, `Echo([]int{1})`, `Echo2(-0.0, -0)`,
		`Bytes(nil)`, `Bytes([]byte("abc"))`, `Bytes([]byte(""))`, `Bytes([]byte{1})`, `Bytes("abc")`, `Bytes([]uint8("x"))`, `Strings(nil)`, `Strings([]string{})`, `Strings([]string{"a", "b c"})`,
		`Strings([]string{1: "b"})`, `Strings([]string{"a", 1})`, `Ints([]int{})`, `Ints([]int{1, -2})`, `Ints([]int{'a', 2.0})`, `Ints(nil)`, `Floats([]float64{1, 2.5, -0.0})`, `Floats([]int{1})`,
		`All()`, `All(nil)`, `All(1, "a", 2.5, nil, true)`, `All([]int{1})`, `Words(1)`, `Words(1, "a", "b c")`, `Words()`, `Words(1, 2)`, `Sum()`, `Sum(1, 2, 3)`, `Sum(1, 2.0)`, `Mean(1, 2.5)`,
		`Raw()`, `Large(0)`, `Large(511)`, `Large(70000)`, `Prints(5)`, `Elsewhere("x")`, `Closed("x")`, `Nowhere(1)`, `Panics(5)`, `Nested(3)`, `Complex(2)`, `Address(18446744073709551615)`,
	}}
	for i := range 13 {
		tr.calls = append(tr.calls, fmt.Sprintf("Float(%d)", i), fmt.Sprintf("Float32(%d)", i))
	}
	for i := range 16 { // the last is out of range
		tr.calls = append(tr.calls, fmt.Sprintf("OfAny(%d)", i))
	}
	tr.verify(t)
	for _, c := range []struct {
		name, arguments, want string
	}{
		{"Pair", `["a", "b"]`, `{"results":["b","a"],"error":null}`},
		{"Pair", `["\u0061", "é"]`, `{"results":["é","a"],"error":null}`},
		{"Exact", `[-0.0]`, `{"results":[9223372036854775808],"error":null}`},
		{"Exact", `[-0]`, `{"results":[9223372036854775808],"error":null}`},
		{"Exact", `[1e2]`, `{"results":[4636737291354636288],"error":null}`},
		{"Exact", `[100]`, `{"results":[4636737291354636288],"error":null}`},
		{"Half", `[4]`, `{"results":[2],"error":null}`},
		{"Half", `[5]`, `{"results":[2],"error":"5 is odd"}`},
		{"Echo", `[1]`, `{"results":["float64 1"],"error":null}`},
		{"All", `[1, "a", null]`, `{"results":["[]interface {}{1, \"a\", interface {}(nil)} false 3"],"error":null}`},
		{"Words", `[1, "a"]`, `{"results":[1,["a"],false],"error":null}`},
		{"Words", `[1]`, `{"results":[1,null,true],"error":null}`},
		{"Strings", `[["a"]]`, `{"results":[["a"],1,false],"error":null}`},
		{"Bytes", `[null]`, `{"results":[null,0,true],"error":null}`},
		{"Float", `[5]`, `{"results":[100000000000000000000],"error":null}`},
		{"Float", `[6]`, `{"results":[1e+21],"error":null}`},
		{"Float", `[1]`, `{"results":[-0],"error":null}`},
		{"Float", `[2]`, `result 1 is of type float64, which JSON cannot hold: unsupported value: NaN`},
		{"Half", `[4.5]`, `argument 1 of Half does not fit its type int: number 4.5 is no int`},
		{"Half", `[4,]`, `the arguments are not a JSON array: invalid character ']' looking for beginning of value`},
		{"Half", `[]`, `Half takes 1 argument, 0 given`},
		{"Half", `[null]`, `{"results":[0],"error":null}`},
	} {
		if got := drive(t, p.artifact, asTyped|asJSON, 0, c.name, []byte(c.arguments)); got.payload != c.want || got.status != "exit 0" {
			t.Errorf("%s %s: %q, not %q", c.name, c.arguments, got.payload, c.want)
		}
	}
}

// What looks like a predeclared type is the package's own.
func TestDirectShadowed(t *testing.T) {
	p := made(t, "example.invalid/shadow", "shadow", map[string]map[string]string{"example.invalid/shadow": {"shadow.go": `package shadow

type string []int
type float64 int
type error = int
type any interface{ Missing() }

func (f float64) Error() int { return 1 }

func Len(s string) int        { return len(s) }
func Float(x float64) float64 { return x }
func Fail(n error) error      { return n }
func Any(x any) bool          { return x == nil }
func More(xs ...string) int   { return len(xs) }
`}})
	tr := trial{pkg: p, must: true, refused: 1, calls: []string{`Len(nil)`, `Len("abc")`, `Float(5)`, `Float(5.5)`, `Fail(5)`, `Fail(nil)`, `Any(nil)`, `Any(5)`, `More()`, `More(nil, nil)`, `More("a")`}}
	tr.verify(t)
}

// More types of functions than the generated main has cases for.
func TestDirectMany(t *testing.T) {
	var text strings.Builder
	text.WriteString("package cases\n\n")
	var calls []string
	for i := range 150 {
		var parameters []string
		for bit := range 8 {
			parameters = append(parameters, []string{"int", "string"}[i>>bit&1])
		}
		fmt.Fprintf(&text, "func F%d(%s) int { return %d }\n", i, strings.Join(parameters, ", "), i)
		arguments := strings.NewReplacer("int", "1", "string", `"a"`).Replace(strings.Join(parameters, ", "))
		calls = append(calls, fmt.Sprintf("F%d(%s)", i, arguments))
	}
	p := made(t, "example.invalid/cases", "cases", map[string]map[string]string{"example.invalid/cases": {"cases.go": text.String()}})
	tr := trial{pkg: p, must: true, pure: true, calls: calls}
	if count := tr.verify(t); count.literal != len(calls) {
		t.Errorf("%+v", count)
	}
}

// Frames that do not hold what they say they hold.
func TestDirectFrames(t *testing.T) {
	p := kinds(t)
	u16, u32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	node := func(tag byte, text string) string { return string(u32([]byte{tag}, uint32(len(text)))) + text }
	one := string(u16(nil, 1))
	for name, rest := range map[string]string{
		"no argument where the frame has one": "\x00\x00" + node('i', "5"),
		"more than are counted":               one + node('i', "5") + node('i', "6"),
		"a count too high":                    "\xff\xff" + node('i', "5"),
		"cut in a length":                     one + "i\x05\x00",
		"an endless text":                     one + "i\xff\xff\xff\xff5",
	} {
		for _, function := range []string{"Int", "Sum", "String", "Strings", "All"} {
			if got := drive(t, p.artifact, 0, 0, function, []byte(rest)); got.frame != 'D' || got.stdout != "" || got.status != "exit 0" {
				t.Errorf("%s, %s: %c %q %v", function, name, got.frame, got.payload, got.outcome)
			}
		}
	}
}
