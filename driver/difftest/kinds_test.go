package difftest

import (
	"strings"
	"testing"
)

// kinds is built once for all tests of it.
var kindsOnce *pkg

func kinds(t *testing.T) *pkg {
	t.Helper()
	if kindsOnce == nil {
		kindsOnce = local(t, "kinds")
		kindsOnce.build(t)
	}
	return kindsOnce
}

// Every spelling of a constant meets every type that a parameter can have.
func TestConstants(t *testing.T) {
	literals := strings.Fields(`0 -0 +0 1 -1 +1 7 42 127 128 -128 -129 255 256 32767 32768 -32768 65535 65536
		2147483647 2147483648 -2147483648 -2147483649 4294967295 4294967296 9223372036854775807 9223372036854775808
		-9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616
		340282366920938463463374607431768211456 00 017 -017 0o17 0O17 0x1f 0XFF 0x_1F 0b101 0B1 0b_1 1_000_000 0_7
		0x1_0000_0000 16777217 33554433 9007199254740993
		0.0 -0.0 +0.0 0e0 1.0 -1.0 1.5 2.5e0 1e3 1E3 1e+3 1e-3 .5 5. -.5 1_0.2_5 0.1 -0.1 0.3 16777217.0 16777216.5 1e10 1e19 1e20
		3.4028234663852886e38 3.4028235e38 3.4028235677973366e38 3.5e38 1e-45 1e-46 7.006492321624085e-46 7.1e-46
		1.7976931348623157e308 1.797693134862315807e308 1.7976931348623159e308 1.8e308 1e309 1e400 -1e400 1e5000 1e-400 -1e-400 1e-5000
		5e-324 4.9e-324 2.4e-324 2.5e-324 2.2250738585072011e-308 0x1p-2 0x1P3 0x.8p1 0x1.8p1 0X_1FFFP-16 0x1p-1074 0x1p-1075 0x1p64 0x1p63
		-0x1p63 09.5 099e1 0x1.fffffep127 0x1.ffffffp127 0x15e-2
		100000000000000000000000000000000000000000.0 0.1000000000000000055511151231257827021181583404541015625
		'a' '0' -'a' '\n' '\x41' '\101' '\'' '\\' '\u00e9' '\U0001F600' '世' '\xff' '\uFFFD' '"'
		1i 0i -0i 1.5i -1i 0x1p1i 0123i 0b11i 0o7i 0x10i 1e400i 1e3i .5i 'a'i
		"" "text" "\x00" "\u4e16" "\xff" "tab\t" true false nil
		int(1) int(1.0) int(1.5) int8(5) int8(127) int8(128) int8(-128) uint8(255) uint8(-1) byte('a') rune(97) uint(0) uintptr(1)
		int64(9223372036854775807) uint64(18446744073709551615) int(0.1) int('a') int(1i) int(0i)
		float32(0.1) float32(16777217) float32(1e39) float32(1e-50) float32(-0.0) float64(0.1) float64(1) float64('a') float64(1e400)
		float64(float32(0.1)) float32(float64(0.1)) int(float32(16777217)) int(float64(9007199254740993)) uint8(int(200)) int8(int(200))
		complex64(1) complex64(1.5i) complex128(0.1) complex128(1i) complex64(1e39)
		string(65) string('世') string(-1) string(1114112) string(55296) string("s") string(1.0) string(65.0) string(int8(65)) string(nil)
		bool(true) bool(1) any(5) any(nil) any(1.5) any("s") any('r') any(int8(5)) any(9223372036854775808) error(nil) interface{}(2)
		[]byte("bytes") []byte("") []byte(nil) []byte(string("x")) []rune("runes") []int(nil) []string("x") []byte(5)
		kinds.Celsius(36.6) kinds.Celsius("x") kinds.Name("named") kinds.Name(65) kinds.Flags(255) kinds.Flags(256) kinds.Truth(true)
		kinds.Weekday(2) kinds.Letter('x') kinds.Phase(1i) kinds.Text("alias") kinds.Bytes("named") kinds.Bytes(nil) kinds.Ints(nil)
		kinds.Name(string("x")) string(kinds.Name("x")) int(kinds.Weekday(1)) kinds.Nosuch(1) Celsius(1) other.Celsius(1)
		kinds.Celsius(float32(0.1)) kinds.Point(nil) kinds.Shower(nil) kinds.Handler(nil) nosuch(1) len("abc") int(len("abc"))`)
	functions := strings.Fields(`Bool Int Int8 Int32 Int64 Uint Uint8 Uint64 Uintptr Float32 Float64 Complex64 Complex128
		String Any NamedFloat NamedString NamedUint NamedInt NamedComplex Error Stringer ByteSlice`)
	var calls []string
	for _, function := range functions {
		for _, literal := range literals {
			calls = append(calls, function+"("+literal+")")
		}
	}
	tr := trial{pkg: kinds(t), pure: true, calls: calls, sample: 12, refused: 12}
	count := tr.verify(t)
	t.Logf("%d calls: %+v", len(calls), count)
	if count.literal < 1200 {
		t.Errorf("only %d calls were served as literals", count.literal)
	}
	if count.declined > 80 {
		t.Errorf("%d calls that compile were declined", count.declined)
	}
}

// What has to be served without compiling anything, or not to compile.
func TestLiterals(t *testing.T) {
	tr := trial{pkg: kinds(t), must: true, refused: 30, calls: []string{
		`String("")`, "String(`raw\\n`)", `String("\a\b\f\n\r\t\v\\\"")`, `String("\377\xff\u00ff\U000000ff")`, `String("日本")`,
		"Join(`a`, `b`, \"c\")", `Join(",")`, `Join(",", "a")`, `Join()`, `Join(1)`,
		`Sum()`, `Sum(1)`, `Sum(1, 2, 3)`, `Sum(1.0, 'a', 0x10)`, `Sum(nil)`, `Sum("x")`, `Sum(1, 2.5)`,
		`All()`, `All(nil)`, `All(nil, nil)`, `All(1, "a", 'r', 2.5, 1i, true, nil)`, `All([]int{1}, kinds.Point{1, 2}, &kinds.Point{})`,
		`All(int8(1), kinds.Name("n"), any(3), error(nil))`, `All(map[string]int{"a": 1}, [2]bool{true})`,
		`Structs()`, `Structs(kinds.Point{}, kinds.Point{1, 2})`, `Ptrs(nil, &kinds.Point{})`, `Slices(nil, []int{}, []int{1})`,
		`Showers(kinds.Point{}, kinds.Weekday(1), nil, &kinds.Point{})`, `Showers(1)`, `Showers("x")`,
		`Slice(nil)`, `Slice([]int{})`, `Slice([]int{1, 2, 3})`, `Slice([]int{2: 5})`, `Slice([]int{2: 5, 6, 0: 1})`, `Slice([]int{1, 0: 2})`,
		`Slice([]int{'a': 1})`, `Slice([]int{1.0: 1})`, `Slice([]int{-1: 1})`, `Slice([]int{"a": 1})`, `Slice([]int{uint8(2): 1})`,
		`Slice([]int{0x3: 1, 2})`, `Slice([]int{float64(1): 1})`, `Slice([]int{1.5: 1})`, `Slice([]int{5: 1, 2: 2, 3, 9: 4})`,
		`Slice([]int{1, 2, "x"})`, `Slice([]int8{1})`, `Slice([]int{nil})`, `Slice(kinds.Ints{1})`, `Slice(kinds.Ints(nil))`, `Slice(5)`, `Slice([2]int{})`,
		`Slice([]int([]int{1}))`, `Slice([]int(kinds.Ints{1}))`, `Slice({1})`,
		`NamedSlice([]int{1})`, `NamedSlice(kinds.Ints{1})`, `NamedSlice(nil)`, `NamedSlice(kinds.Ints([]int{1}))`,
		`ByteSlice([]byte("abc"))`, `ByteSlice([]byte(""))`, "ByteSlice([]byte(`raw`))", `ByteSlice([]byte{1, 'a', 0xff})`, `ByteSlice([]uint8("x"))`,
		`ByteSlice([]byte{256})`, `ByteSlice("abc")`, `ByteSlice(kinds.Bytes("x"))`, `NamedBytes([]byte("x"))`, `NamedBytes(kinds.Bytes("x"))`,
		`Runes([]rune{'a', 98})`, `Runes([]int32{1})`, `Runes(nil)`,
		`Strings([]string{"a", "b"})`, `Strings([]string{1: "b"})`, `Strings([]string{})`, `Anys([]any{1, "a", nil, 2.5, []int{1}})`, `Anys([]interface{}{'x'})`,
		`Anys([]any{99999999999999999999})`, `Any([]any{[]any{}, map[string]any{"a": nil}})`,
		`Points([]kinds.Point{{1, 2}, {X: 3}, {}, kinds.Point{4, 5}})`, `Points([]kinds.Point{{1}})`, `Points([]kinds.Point{1})`, `Points([]Point{{1, 2}})`,
		`Points([]kinds.Point{&kinds.Point{}})`, `Points([]kinds.Point{nil})`,
		`PointPtrs([]*kinds.Point{{1, 2}, nil, &kinds.Point{3, 4}, {Y: 1}})`, `PointPtrs([]*kinds.Point{kinds.Point{}})`, `PointPtrs([]*kinds.Point{&{1, 2}})`,
		`NamedPtrs([]kinds.PointPtr{{1, 2}, &kinds.Point{3, 4}})`, `NamedPtrArg(&kinds.Point{1, 2})`, `NamedPtrArg(kinds.PointPtr{1, 2})`,
		`Matrix([][]float64{{1, 2}, {}, nil, {2: 1}})`, `Matrix([][]float64{[]float64{1}})`, `Matrix([][]float64{{{1}}})`,
		`Array([3]int{1, 2, 3})`, `Array([3]int{})`, `Array([...]int{1, 2, 3})`, `Array([...]int{2: 1})`, `Array([...]int{1})`, `Array([3]int{1, 2, 3, 4})`,
		`Array([3]int{3: 1})`, `Array([3]int{1: 5})`, `Array([2]int{})`, `Array([...]int{1, 2, 3, 4})`, `Array(kinds.Triple{})`, `Array([]int{1, 2, 3})`,
		`NamedArray([3]int8{1})`, `NamedArray(kinds.Triple{1, 2, -128})`, `NamedArray(kinds.Triple{128})`, `NamedArray([...]int8{1, 2, 3})`,
		`ArrayPtr(&[2]string{"a"})`, `ArrayPtr(&[...]string{"a", "b"})`, `ArrayPtr(&[]string{"a"})`, `IntsPtr(&[]int{1, 2})`, `IntsPtr(&kinds.Ints{})`,
		`PointArray([2]kinds.Point{{1, 2}, 1: {3, 4}})`, `PointArray([2]kinds.Point{1: {3, 4}})`, `PointArray([...]kinds.Point{{}, {}})`,
		`Empty([0]int{}, kinds.Point{})`, `Empty([...]int{}, nil)`,
		`Map(nil)`, `Map(map[string]int{})`, `Map(map[string]int{"a": 1, "b": 2})`, `Map(map[string]int{"a": 1, "a": 2})`, `Map(map[string]int{1: 1})`,
		`Map(map[string]int{"a"})`, `Map(map[string]int{a: 1})`, `Map(map[string]int64{})`, `Map(kinds.Ages{"x": 1})`, `NamedMap(map[string]int{"x": 1})`,
		`NamedMap(kinds.Ages{"x": 1})`, `IntMap(map[int]string{1: "a", -1: "b", 'x': "c"})`, `IntMap(map[int]string{1: "a", 1.0: "b"})`,
		`FloatMap(map[float64]string{0.1: "a", 1e300: "b"})`, `FloatMap(map[float64]string{0.0: "a", -0.0: "b"})`, `BoolMap(map[bool]string{true: "t", false: "f"})`,
		`BoolMap(map[bool]string{true: "t", true: "f"})`, `PointMap(map[kinds.Point]string{{1, 2}: "a", {}: "b"})`, `PointMap(map[kinds.Point]string{kinds.Point{1, 2}: "a"})`,
		`ArrayMap(map[[2]int]string{{1, 2}: "a"})`, `PointerMap(map[string]*kinds.Point{"a": {1, 2}, "b": nil})`, `SliceMap(map[string][]int{"a": {1, 2}, "b": nil, "c": {}})`,
		`AnyMap(map[any]string{1: "a", "1": "b", 1.5: "c", nil: "d", true: "e"})`, `AnyMap(map[any]string{1: "a", 1: "b"})`, `AnyMap(map[any]string{1: "a", 1.0: "b", '1': "c"})`,
		`AnyMap(map[any]string{int8(1): "a", int16(1): "b"})`, `NestedMap(map[string]map[string]int{"a": {"b": 1}, "c": nil})`,
		`PointArg(kinds.Point{1, 2})`, `PointArg(kinds.Point{X: 1, Y: 2})`, `PointArg(kinds.Point{Y: 2})`, `PointArg(kinds.Point{})`, `PointArg(Point{})`, `PointArg({1, 2})`,
		`PointArg(kinds.Point{1})`, `PointArg(kinds.Point{1, 2, 3})`, `PointArg(kinds.Point{X: 1, 2})`, `PointArg(kinds.Point{1, Y: 2})`, `PointArg(kinds.Point{X: 1, X: 2})`,
		`PointArg(kinds.Point{Z: 1})`, `PointArg(kinds.Point{1.5, 2})`, `PointArg(kinds.Point{1.0, 'a'})`, `PointArg(&kinds.Point{1, 2})`, `PointArg(kinds.Alias{1, 2})`,
		`PointArg(kinds.Point{"X": 1})`, `PointArg(other.Point{1, 2})`, `PointArg(nil)`, `PointArg(kinds.Inner{})`, `PointArg(kinds.Point(kinds.Point{1, 2}))`,
		`PointPtrArg(&kinds.Point{1, 2})`, `PointPtrArg(&kinds.Alias{X: 1})`, `PointPtrArg(kinds.Point{})`, `PointPtrArg(&Point{})`, `PointPtrArg(&5)`, `PointPtrArg(&nil)`,
		`HiddenArg(kinds.Hidden{})`, `HiddenArg(kinds.Hidden{Open: 1})`, `HiddenArg(kinds.Hidden{closed: "x"})`, `HiddenArg(kinds.Hidden{1, "x"})`, `HiddenPtr(&kinds.Hidden{Open: 2})`,
		`SecretArg(kinds.Secret{})`, `SecretArg(kinds.Secret{1, 2})`,
		`MixedArg(kinds.Mixed{Point: kinds.Point{1, 2}, Tag: "t"})`, `MixedArg(kinds.Mixed{Inner: &kinds.Inner{A: "a"}})`, `MixedArg(kinds.Mixed{X: 1})`, `MixedArg(kinds.Mixed{_: 1})`,
		`MixedArg(kinds.Mixed{Point: {1, 2}})`,
		`OuterArg(kinds.Outer{})`, `OuterArg(kinds.Outer{Inner: kinds.Inner{"a", "b"}, Ptr: &kinds.Inner{B: "x"}, List: []kinds.Inner{{"1", "2"}, {}}, Ptrs: []*kinds.Inner{{"p", "q"}}})`,
		`OuterArg(kinds.Outer{Table: map[string]kinds.Inner{"k": {A: "v"}}, Keys: map[kinds.Inner]int{{"a", "b"}: 1}, Any: 5, Err: nil, F: nil, C: -1})`,
		`OuterArg(kinds.Outer{Grid: [2][2]float32{{0.1, 2}, {3}}, Any: []kinds.Point{{1, 2}}, Deep: [][]map[string][]int{{{"a": {1, 2: 3}}, nil}, nil, {}}})`,
		`OuterArg(kinds.Outer{Inner: {"a", "b"}})`, `OuterArg(kinds.Outer{Err: "x"})`, `OuterArg(kinds.Outer{Any: kinds.Weekday(2)})`,
		`TreeArg(nil)`, `TreeArg(&kinds.Tree{Value: 1, Left: &kinds.Tree{Value: 2}, Right: &kinds.Tree{nil, nil, 3}})`,
		`PointedArg(&kinds.Pointed{})`, `PointedArg(nil)`, `Stringer(kinds.Weekday(1))`, `Stringer(kinds.Point{1, 2})`, `Stringer(&kinds.Point{1, 2})`, `Stringer(&kinds.Pointed{})`,
		`Stringer(kinds.Pointed{})`, `Stringer(nil)`, `Stringer(1)`, `Show(kinds.Weekday(1))`, `Show(&kinds.Pointed{})`, `Show(any(kinds.Weekday(1)))`,
		`Any(kinds.Point{1, 2})`, `Any(&kinds.Point{1, 2})`, `Any([]kinds.Point{})`, `Any(map[kinds.Name]kinds.Celsius{"a": 1})`, `Any([2]kinds.Weekday{1, 2})`, `Any([]*int{nil})`,
		`Any([]int{1, 2})`, `Any([]int(nil))`, `Any(map[string][]map[int]bool{"a": {{1: true}}})`, `Any(map[string]**int{})`, `Any([1][1][1]int8{{{5}}})`, `Any(&[]kinds.Name{"x"})`,
		`Func(nil)`, `Handle(nil)`, `Chan(nil)`, `Unsafe(nil)`, `IntPtr(nil)`, `Reader(nil)`, `Error(nil)`,
		`None()`, `None(1)`, `Two()`, `Strings2()`, `Numbers3()`, `Mix()`, `Fails()`, `Succeeds()`, `Half(4)`, `Half(5)`, `Half()`, `Half(1, 2)`, `Half("x")`,
		`GivesPoint()`, `GivesPointer()`, `GivesInner()`, `GivesNil()`, `GivesNilInner()`, `GivesAnyNil()`, `GivesTypedNil()`, `GivesMap()`, `GivesNilMap()`, `GivesSlice()`, `GivesBytes()`,
		`GivesWeekday()`, `GivesWeekdays()`, `GivesHidden()`, `GivesFloats()`, `GivesNaN()`, `GivesComplex()`, `GivesFunc()`, `GivesChan()`, `GivesStruct()`, `GivesErrors()`, `GivesHTML()`,
		`GivesRaw()`, `GivesFormatter()`, `GivesPanicking()`, `Pair()`,
		`Prints("x")`, `Prints("no newline")`, `PrintsAndGives()`, `PrintsBoth()`, `Environment()`, `Directory()`, `Goroutines()`,
		`PanicString("boom")`, `PanicString("two\nlines")`, `PanicError()`, `PanicPoint()`, `PanicInner()`, `PanicNil()`, `PanicTwice()`, `PanicAgain()`, `PanicAfterOutput()`,
		`NilMap()`, `NilPointer()`, `Index(1)`, `Index(3)`, `Index(-1)`, `Divide(1, 0)`, `Divide(7, 2)`, `Assert("x")`, `Assert(1)`, `Assert(nil)`, `Recovers()`,
		`Exit(0)`, `Exit(1)`, `Exit(7)`, `Exit(255)`, `Exit(256)`,
		`DeadChan()`, `DeadSelect()`, `DeadMutex()`, `DeadGroup()`, `GoroutinePanics()`, `Goexit()`, `LeavesMain()`,
	}}
	count := tr.verify(t)
	t.Logf("%d calls: %+v", len(tr.calls), count)
}

// Everything that is left to the compiler.
func TestExpressions(t *testing.T) {
	tr := trial{pkg: kinds(t), sample: -1, refused: 40,
		imports: map[string]string{"time": "time", "strings": "strings", "rand": "math/rand", "math": "math", "errors": "errors"},
		calls: []string{
			`Version`, `Big`, `Third`, `Counter`, `Nothing`, `ErrGone`, `Double(21)`, `Double`, `Celsius(36.6)`, `Name("x")`, `Weekday(1)`, `Weekday(1).String()`, `Point`, `Point{1, 2}`, `Point{1, 2}.Add(kinds.Point{3, 4})`,
			`Point{1, 2}.Add(Point{3, 4})`, `New("a").Add("b").String()`, `New("a")`, `New("a").Reset()`, `New("a").Missing()`, `New("a").parts`, `Apply(func(n int) int { return n * 2 }, 21)`, `Apply[float64](func(f float64) float64 { return f / 2 }, 5)`,
			`Apply(strings.ToUpper, "shout")`, `First(1, 2, 3)`, `First[any](1, "a")`, `First()`, `First[string]()`, `Box[int]{7}`, `Box[int]{7}.Get()`, `Box[string]{Value: "v"}.Value`, `Int(1 + 2)`, `Int(1 << 3)`, `Anys([]any{1 << 3})`, `Show(kinds.Shower(kinds.Weekday(1)))`, `Int(len("abc"))`,
			`Int(kinds.Counter)`, `Int(Counter)`, `Int(int(time.Second))`, `Any(time.Duration(1500))`, `Any(time.Unix(0, 0).UTC())`, `All(func() (int, string) { return 1, "a" }())`, `Sum([]int{1, 2}...)`, `Join(",", strings.Split("a-b", "-")...)`,
			`Run(func() int { time := 5; return time })`, `Run(func() int { x := func(math int) int { return math }; return x(3) })`, `Run(func() int { for i := range 3 { if i == 2 { return i } }; return 0 })`,
			`Run(func() int { type T struct{ n int }; return T{4}.n })`, `Error(errors.New("mine"))`, `Float64(math.Pi)`, `Float64(math.MaxFloat64 * 2)`, `Float64(0.1 + 0.2)`, `Float32(1.0 / 3)`, `Int(7 / 2)`, `Int(7 / 2.0)`, `Float64(-0.0)`,
			`Any(rune(0x1F600))`, `Any([]rune("runes"))`, `Runes([]rune("ab"))`, `String("a" + "b")`, `String(kinds.Version)`, `Bool(1 < 2)`, `Bool(!true)`, `Any(complex(1, 2))`, `Any(real(1 + 2i))`, `Any(min(3, 1.5))`,
			`None()`, `(None)()`, `None`, `GivesSlice()[1]`, `GivesSlice()[5]`, `GivesSlice()[:1]`, `GivesMap()["a"]`, `GivesPoint().X + 1`, `GivesAnyNil() == nil`, `GivesTypedNil().(*kinds.Inner)`, `GivesTypedNil().(int)`,
			`GivesPointer().Y`, `GivesNil().X`, `Two`, `Two() + 1`, `Half(Two())`, `Half(kinds.Half(4))`, `Numbers3`, `unexported()`, `Encode(1)`, `kinds.Int(1)`, `nosuch.Int(1)`, `Int(nosuch.X)`, `Int(os.X)`, `Int(undefined)`, `Int(results)`,
			`Int(sky0)`, `Int(driver.X)`, `Int(sky0.Values())`, `Any(main)`, `WithContext(nil, 1)`, `Anonymous(struct{ A int }{5})`, `Int(func() int { panic("in literal") }())`, `Run(nil)`, `Run(func() int { select {} })`,
			`Run(func() int { return 1 }) // a comment`, `Int( /* inside */ 5)`, `Int(5);`, `Int(5) Int(6)`, `Int(5), Int(6)`, `Int(5`, `Int 5)`, `Int(5))`, `x := 5`, `return`, `go None()`, `if true {}`, `   `, `"text"`, `5`, `func() int { return 1 }()`,
			`*GivesPointer()`, `&Point{1, 2}`, `-Counter`, `Counter++`, `Counter = 5`, `[]int{1}`, `Counter, Version`, `_`, `nil`, `true`, `Number`, `Number(1)`, `Shower(nil)`, `Handler(nil)`, `Chan(make(chan int))`, `Unsafe(nil)`,
			`Int(~1)`, `Int('ab')`, `Int(0x)`, `Int(08)`, `String("unterminated)`, `Int(1_)`, `Int(0b2)`, `Float64(1p5)`, `Float64(0x1.8)`, `Float64(1e)`, `String("\q")`, `Int('')`, `Int(''')`,
			`Matrix([][]float64{{1}, {2}}[1:])`, `Slice(append([]int{1}, 2))`, `Slice(make([]int, 2, 5))`, `IntPtr(new(int))`, `Stringer(kinds.New("x"))`, `Any(kinds.New)`, `Map(map[string]int{kinds.Version: 1})`, `IntMap(map[int]string{1 + 1: "two"})`,
			`Any(struct{}{})`, `Any(struct{ A, B int }{1, 2})`, `Any([]struct{ A int }{{1}, {2}})`, `Any((*int)(nil))`, `Any(*new(int))`, `Any([3]int{}[1])`, `Any([2 + 1]int{})`, `Any([0x2]int{})`, `Any([2]int{5: 1})`, `Any(func(int) {} == nil)`,
			`Any("text"[1])`, `Any("text"[1:3])`, `Any(5 % 3)`, `Any(1.5 % 1)`, `Any(1 == 1.0)`, `Any([...]string{"a", "b"}[1])`, `Any(any(5).(int))`, `Any(any(5).(string))`,
		}}
	count := tr.verify(t)
	t.Logf("%d calls: %+v", len(tr.calls), count)
}
