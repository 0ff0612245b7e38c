package driver

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// The direct way and the general one beside each other: where the first takes a call at all, both have to
// pass the same values and to print the same bytes.

type named string

func (named) String() string { return "by its method" }

type failing int

func (failing) Error() string { return "by its error" }

type formatted float64

func (formatted) Format(s fmt.State, _ rune) { fmt.Fprint(s, "by its formatter") }

// plainValues are all that is printed without fmt's help, at their edges.
func plainValues() []any {
	values := []any{nil, "", "text", "two words", "\xff\x00\n", "é\u2028<&>\"\\", strings.Repeat("x", 2000), true, false,
		0, -1, math.MaxInt, math.MinInt, int8(-128), int16(-32768), int32('x'), int64(math.MinInt64), uint(7), uint8(255),
		uint16(65535), uint32(math.MaxUint32), uint64(math.MaxUint64), uintptr(9), float32(0.1), float32(math.MaxFloat32),
		float32(math.SmallestNonzeroFloat32), float32(math.NaN()), float32(math.Inf(-1)), float32(16777216),
		[]byte(nil), []byte{}, []byte("a\xff"), []string(nil), []string{}, []string{""}, []string{"a b", "c"}, []int(nil), []int{},
		[]int{1, -2}, []float64(nil), []float64{}, []float64{1, math.NaN(), -0.5}}
	for _, f := range []float64{0, math.Copysign(0, -1), 0.1, 1, 100, 123456, 1e5, 1e6, 999999, 1234567, 12345678.5, 1e20, 1e21, 1e22,
		123456789012345680000, 1e-4, 1e-5, 0.00001234, 1e-6, 9.99e-7, 1e-7, math.Pi, math.MaxFloat64, math.SmallestNonzeroFloat64,
		math.NaN(), math.Inf(1), math.Inf(-1), math.MaxInt64, 1 << 53, 2.5e-320} {
		values = append(values, f, -f)
	}
	for range 2000 {
		values = append(values, math.Float64frombits(rand.Uint64()), math.Float32frombits(rand.Uint32()))
	}
	return values
}

func TestShownAsByFmt(t *testing.T) {
	values := plainValues()
	for i, value := range values {
		for _, list := range [][]any{{value}, {value, values[(i*7+3)%len(values)]}, {"a", value, 5, value}, {value, "a", nil, true}} {
			text, ok := appendValues(nil, list)
			if want := fmt.Sprint(list...); !ok || string(text) != want {
				t.Errorf("%#v: %q %t, not %q", list, text, ok, want)
			}
		}
	}
	for _, value := range []any{named("x"), failing(1), formatted(1), errors.New("x"), []named{"x"}, []any{1}, [2]int{}, map[string]int{}, 1i,
		struct{}{}, &struct{}{}, (*int)(nil), []bool{true}, [][]int{}, json.Number("1")} {
		if text, ok := appendValues(nil, []any{"a", value}); ok {
			t.Errorf("%T is shown as %q without fmt", value, text)
		}
	}
}

func TestResultsAsByJSON(t *testing.T) {
	taken := 0
	for _, value := range append(plainValues(), named("x"), failing(1), formatted(1), json.Number("1"), 1i, []any{1}) {
		text, ok := plainResults([]any{value, "z"})
		if !ok {
			continue
		}
		taken++
		var want bytes.Buffer
		if err := encode(&want, value); err != nil {
			t.Errorf("%#v has JSON (%s), but: %v", value, text, err)
		}
		if text != `{"results":[`+want.String()+`,"z"],"error":null}` {
			t.Errorf("%#v: %s, not %s", value, text, want.String())
		}
	}
	if taken < 100 {
		t.Errorf("only %d values", taken)
	}
}

// passed is what a function of one parameter is called with on the direct way.
func passed[T any](take func(*direct) T, frame []byte, typed bool) (value T, ok bool) {
	d := direct{in: reader{rest: frame[2:]}, left: int(binary.LittleEndian.Uint16(frame)), typed: typed}
	value = take(&d)
	return value, d.ready()
}

// identical compares values that may be no number or a negative zero, and slices by their capacity too.
func identical(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	case float32:
		b, ok := b.(float32)
		return ok && math.Float32bits(a) == math.Float32bits(b)
	case []byte:
		b, ok := b.([]byte)
		return ok && reflect.DeepEqual(a, b) && cap(a) == cap(b)
	case []string:
		b, ok := b.([]string)
		return ok && reflect.DeepEqual(a, b) && cap(a) == cap(b)
	}
	return reflect.DeepEqual(a, b)
}

// ways tries one parameter's type, on the direct way with and without reflect and on the general one. A
// variadic function takes what the frame has left.
func ways[T any](take func(*direct) T, variadic bool) func(t *testing.T, frame []byte, text string) bool {
	function := reflect.FuncOf([]reflect.Type{reflect.TypeFor[T]()}, nil, variadic)
	return func(t *testing.T, frame []byte, text string) bool {
		t.Helper()
		typed := text != ""
		if typed {
			var ok bool
			if frame, ok = literals([]byte(text)); !ok {
				return false
			}
		}
		parameter := reflect.New(reflect.TypeFor[T]()).Elem()
		d := direct{in: reader{rest: frame[2:]}, left: int(binary.LittleEndian.Uint16(frame)), typed: typed}
		reflected := d.set(parameter, variadic) && d.ready()
		got := parameter.Interface()
		if take != nil {
			value, ok := passed(take, frame, typed)
			if ok != reflected || ok && !identical(any(value), got) {
				t.Errorf("%T of %q %s: %#v %t, by reflect %#v %t", got, frame, text, value, ok, got, reflected)
			}
		}
		if !reflected {
			return false
		}
		general, why := literalArguments(&Table{Package: "p"}, function, frame)
		if typed {
			general, why = typedArguments(&request{rest: []byte(text)}, function)
		}
		if why != "" {
			t.Errorf("%T of %q %s: the general way says %s", got, frame, text, why)
		} else if want := general[0].Interface(); !identical(got, want) {
			t.Errorf("%T of %q %s: %#v, not %#v", got, frame, text, got, want)
		}
		return true
	}
}

type numeric int8

func (n *numeric) UnmarshalJSON([]byte) error { *n = 1; return nil }

var everyType = []func(t *testing.T, frame []byte, text string) bool{
	ways((*direct).bool, false), ways((*direct).string, false), ways((*direct).any, false), ways((*direct).bytes, false),
	ways((*direct).strings, false), ways((*direct).ints, false), ways((*direct).floats, false), ways((*direct).int, false),
	ways((*direct).int64, false), ways((*direct).uint64, false), ways((*direct).float64, false),
	ways[int8](nil, false), ways[int16](nil, false), ways[int32](nil, false), ways[uint](nil, false), ways[uint8](nil, false),
	ways[uint16](nil, false), ways[uint32](nil, false), ways[uintptr](nil, false), ways[float32](nil, false), ways[complex128](nil, false),
	ways[named](nil, false), ways[failing](nil, false), ways[formatted](nil, false), ways[numeric](nil, false), ways[error](nil, false),
	ways[fmt.Stringer](nil, false), ways[[]named](nil, false), ways[[]float32](nil, false), ways[*int](nil, false), ways[[2]int](nil, false),
	ways[json.RawMessage](nil, false), ways[map[string]int](nil, false), ways[struct{}](nil, false),
	ways(func(d *direct) []string { return more(d, (*direct).string) }, true), ways(func(d *direct) []int { return more(d, (*direct).int) }, true),
	ways(func(d *direct) []float64 { return more(d, (*direct).float64) }, true), ways(func(d *direct) []any { return more(d, (*direct).any) }, true),
	ways[[]byte](nil, true), ways[[]error](nil, true), ways[[]named](nil, true),
}

// numbers are spellings, right and wrong.
func numbers() []string {
	texts := strings.Fields(`0 -0 +0 00 1 -1 +1 --1 +-1 017 08 0x1f 0b1 0o7 1_000 _1 1_ 127 128 -128 -129 255 256 65535 65536 2147483647 2147483648
		4294967296 9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615
		18446744073709551616 340282366920938463463374607431768211456 0.0 -0.0 +0.0 .5 5. -.5 . - + e 1e 1e5 1E5 1e+5 1e-5 1e400 -1e400
		1e-400 -1e-400 5e-324 2.4e-324 2.5e-324 1e38 3.5e38 1e-46 1e-45 16777217 16777217.0 16777216.5 0.1 100.1 80.9 1.5 09.5 017.5 1_0.5 0x1p4
		0x1.8p1 1p5 Inf NaN inf 1.7976931348623157e308 1.7976931348623159e308 0.1000000000000000055511151231257827021181583404541015625 1..5 1.2.3
		1e5.5 0.30000000000000004 2.2250738585072011e-308 9007199254740993.0 -1.0 1e0 0e0 0.00 000.5 0e5 1e05 12345678901234567890.5`)
	texts = append(texts, "", " 1", "1 ", strings.Repeat("1", 400), strings.Repeat("1", 60)+".5", "0."+strings.Repeat("0", 70)+"1")
	for range 300 {
		texts = append(texts, strconv.FormatFloat(math.Float64frombits(rand.Uint64()), "efg"[rand.IntN(3)], rand.IntN(25)-1, 64),
			strconv.FormatInt(int64(rand.Uint64()>>rand.IntN(64)), 10), strconv.FormatFloat(rand.NormFloat64(), 'f', rand.IntN(25)-1, 64))
	}
	return texts
}

func node(tag byte, text string) string { return string(appendText(nil, tag, []byte(text))) }

func TestLiteralsBothWays(t *testing.T) {
	name := func(tag byte, text string) string {
		return string(binary.LittleEndian.AppendUint16([]byte{tag}, uint16(len(text)))) + text
	}
	count := func(n int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
	nodes := []string{"", "n", "b\x00", "b\x01", "b", "?", node('s', ""), node('s', "text"), node('s', "\xff\x00"), "s\xff\xff\xff\xff", node('r', "'x'"), node('m', "1i"),
		name('v', "[]byte") + node('s', "abc"), name('v', "[]uint8") + node('s', ""), name('v', "[]byte") + "n", name('v', "[]byte") + node('i', "5"),
		name('v', "[]rune") + node('s', "abc"), name('v', "string") + node('i', "65"), name('v', "p.T") + node('s', "a"), name('v', "int") + node('i', "5"),
		name('c', "[]string") + count(0), name('c', "[]string") + count(2) + "\x00" + node('s', "a") + "\x00" + node('s', "b"),
		name('c', "[]string") + count(1) + "\x01" + node('i', "1") + node('s', "a"), name('c', "[]string") + count(2) + "\x00" + node('s', "a"),
		name('c', "[]string") + count(-1), name('c', "[]string") + count(1) + "\x00" + node('i', "1"), name('c', "[]int") + count(0),
		name('c', "[]int") + count(3) + "\x00" + node('i', "1") + "\x00" + node('i', "-2") + "\x00" + node('i', "3"),
		name('c', "[]float64") + count(2) + "\x00" + node('i', "1") + "\x00" + node('f', "2.5"), name('c', "[]float32") + count(1) + "\x00" + node('f', "2.5"),
		name('c', "[]any") + count(1) + "\x00" + node('i', "1"), name('c', "[]byte") + count(1) + "\x00" + node('i', "1"), name('c', "") + count(0)}
	for _, text := range numbers() {
		nodes = append(nodes, node('i', text), node('f', text))
	}
	taken := 0
	for _, n := range nodes {
		for _, both := range everyType {
			for _, frame := range []string{"\x01\x00" + n, "\x01\x00" + n + "n", "\x02\x00" + n, "\x00\x00" + n} {
				if both(t, []byte(frame), "") {
					taken++
				}
			}
		}
	}
	t.Logf("%d of %d", taken, len(nodes)*len(everyType))
	if taken < len(nodes) {
		t.Errorf("only %d were taken", taken)
	}
}

func TestTypedBothWays(t *testing.T) {
	values := strings.Split(`null,true,false,"","text","a b","é世","\u00e9","a\"b",[],["a"],[1],{},{"a":1},nil,tru,'a',"open,1 2,"a" "b"`, ",")
	values = append(values, numbers()...)
	values = append(values, "\"\xff\"", "\"\x01\"", "\"\u2028\"", "\"a,b]\"", "\"tab\there\"")
	taken := 0
	for _, value := range values {
		for _, both := range everyType {
			for _, text := range []string{"[" + value + "]", " [ " + value + "\n] ", "[" + value, "[" + value + "]]", "[" + value + ",]", "[," + value + "]", value} {
				if text != "" && both(t, nil, text) {
					taken++
				}
			}
		}
	}
	t.Logf("%d of %d", taken, len(values)*len(everyType))
	if taken < len(values) {
		t.Errorf("only %d were taken", taken)
	}
}

// Each type of function that is called without reflect gets its arguments in their order and gives its results.
func TestUsual(t *testing.T) {
	nodes := map[reflect.Type]string{
		reflect.TypeFor[string](): node('s', "text"), reflect.TypeFor[int](): node('i', "-3"), reflect.TypeFor[int64](): node('i', "4"),
		reflect.TypeFor[uint64](): node('i', "5"), reflect.TypeFor[float64](): node('f', "0.5"), reflect.TypeFor[bool](): "b\x01",
		reflect.TypeFor[any](): node('s', "any"), reflect.TypeFor[[]byte](): "n", reflect.TypeFor[[]string](): "n",
		reflect.TypeFor[[]int](): "n", reflect.TypeFor[[]float64](): "n",
	}
	lists := [][]reflect.Type{{}}
	for a := range nodes {
		lists = append(lists, []reflect.Type{a}, []reflect.Type{a, a, a}, []reflect.Type{a, a, a, a})
		for b := range nodes {
			lists = append(lists, []reflect.Type{a, b})
		}
	}
	failure := reflect.TypeFor[error]()
	results := [][]reflect.Type{{}, {failure}, {reflect.TypeFor[float64](), reflect.TypeFor[float64]()}}
	for r := range nodes {
		results = append(results, []reflect.Type{r}, []reflect.Type{r, failure})
	}
	usual := 0
	for _, list := range lists {
		for _, given := range results {
			if usualOf(t, reflect.FuncOf(list, given, false), nodes) {
				usual++
			}
			if len(list) > 0 && list[len(list)-1].Kind() == reflect.Slice && usualOf(t, reflect.FuncOf(list, given, true), nodes) {
				usual++
			}
		}
	}
	if usual < 40 {
		t.Errorf("only %d types of functions", usual)
	}
}

func usualOf(t *testing.T, function reflect.Type, nodes map[reflect.Type]string) bool {
	rest := string(binary.LittleEndian.AppendUint16(nil, uint16(function.NumIn())))
	for i := range function.NumIn() {
		if in := function.In(i); function.IsVariadic() && i == function.NumIn()-1 {
			rest += nodes[in.Elem()]
		} else {
			rest += nodes[in]
		}
	}
	want, why := literalArguments(&Table{Package: "p"}, function, []byte(rest))
	if why != "" {
		return false
	}
	var got []reflect.Value
	f := reflect.MakeFunc(function, func(arguments []reflect.Value) (results []reflect.Value) {
		got = arguments
		for i := range function.NumOut() {
			result := reflect.New(function.Out(i)).Elem()
			if result.Kind() == reflect.String {
				result.SetString("result")
			}
			results = append(results, result)
		}
		return results
	})
	d := direct{in: reader{rest: []byte(rest[2:])}, left: function.NumIn()}
	if !d.usual(f.Interface()) {
		return false
	}
	if !d.made || len(d.values) != function.NumOut() || len(got) != len(want) {
		t.Errorf("%v: %t %v %v", function, d.made, d.values, got)
		return true
	}
	for i := range want {
		if !identical(got[i].Interface(), want[i].Interface()) {
			t.Errorf("%v: argument %d is %#v, not %#v", function, i, got[i], want[i])
		}
	}
	for i, value := range d.values {
		if reflect.TypeOf(value) != nil && reflect.TypeOf(value) != function.Out(i) {
			t.Errorf("%v: result %d is %#v", function, i, value)
		}
	}
	return true
}
