package difftest

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a frame says besides a literal call: typed arguments, results as JSON, and what is no frame.

func TestTyped(t *testing.T) {
	p := kinds(t)
	for _, c := range []struct{ name, arguments, frame, text string }{
		{"Int", `[5]`, "V", `int 5`},
		{"Int", ` [ 5 ] `, "V", `int 5`},
		{"Int", `["5"]`, "E", "argument 1 of Int does not fit its type int: string is no int"},
		{"Int", `[5.5]`, "E", "argument 1 of Int does not fit its type int: number 5.5 is no int"},
		{"Int", `[null]`, "V", `int 0`},
		{"Int", `[]`, "E", "Int takes 1 argument, 0 given"},
		{"Int", `[1, 2]`, "E", "Int takes 1 argument, 2 given"},
		{"Int", `{"x": 1}`, "E", "the arguments are not a JSON array"},
		{"Int", `[5`, "E", "the arguments are not a JSON array"},
		{"Int", `[5] 6`, "E", "the arguments are not a JSON array"},
		{"Int8", `[300]`, "E", "argument 1 of Int8 does not fit its type int8"},
		{"Int64", `[9007199254740993]`, "V", `int64 9007199254740993`},
		{"Uint64", `[18446744073709551615]`, "V", `uint64 0xffffffffffffffff`},
		{"Float64", `[0.1]`, "V", `3fb999999999999a 0.1`},
		{"Float32", `[0.1]`, "V", `3dcccccd 0.1`},
		{"String", `["a\u0000é"]`, "V", `string "a\x00é"`},
		{"Bool", `[true]`, "V", `bool true`},
		{"ByteSlice", `["Ynl0ZXM="]`, "V", `[]byte{0x62, 0x79, 0x74, 0x65, 0x73} nil=false`},
		{"Slice", `[[1, 2]]`, "V", `[]int{1, 2} nil=false len=2`},
		{"Slice", `[null]`, "V", `[]int(nil) nil=true`},
		{"Map", `[{"a": 1}]`, "V", `map[string]int map[string]int{"a":1}false`},
		{"PointArg", `[{"X": 1, "Y": 2}]`, "V", `kinds.Point kinds.Point{X:1, Y:2}`},
		{"PointArg", `[{"X": "1"}]`, "E", "argument 1 of PointArg does not fit its type kinds.Point: string at X is no int"},
		{"PointPtrArg", `[{"X": 1}]`, "V", `*kinds.Point &kinds.Point{X:1, Y:0}`},
		{"NamedInt", `[2]`, "V", `kinds.Weekday 2Tue`},
		{"Any", `[{"a": [1, null]}]`, "V", `map[string]interface {} map[string]interface {}{"a":[]interface {}{1, interface {}(nil)}}`},
		{"Sum", `[]`, "V", `[]int(nil) nil=true len=0 cap=0`},
		{"Sum", `[1, 2]`, "V", `[]int{1, 2} nil=false len=2 cap=2`},
		{"Sum", `[1, "x"]`, "E", "argument 2 of Sum does not fit its type int"},
		{"Join", `["-", "a", "b"]`, "V", `a-b`},
		{"Join", `[]`, "E", "Join takes at least 1 argument, 0 given"},
		{"Func", `[null]`, "V", `true`},
		{"Func", `[1]`, "E", "argument 1 of Func is of type func(), which JSON can only give as null"},
		{"Reader", `["x"]`, "E", "argument 1 of Reader is of type io.Reader, which JSON can only give as null"},
		{"WithContext", `[7]`, "V", `7 true`},
		{"WithContext", `[]`, "E", "WithContext takes 1 argument, 0 given"},
		{"None", `[]`, "V", ``},
		{"Nosuch", `[]`, "E", `the package has no plain function "Nosuch"`},
		{"Apply", `[]`, "E", `the package has no plain function "Apply"`},
	} {
		got := drive(t, p.artifact, asTyped, time.Hour, c.name, []byte(c.arguments))
		text := got.stdout
		if got.frame == 'E' {
			text = got.payload
		}
		if string(got.frame) != c.frame || !strings.HasPrefix(text, c.text) || got.status != "exit 0" {
			t.Errorf("%s %s: %c %q, %v", c.name, c.arguments, got.frame, got.payload, got.outcome)
		}
	}
	if got := drive(t, p.artifact, asTyped, 0, "WithContext", []byte("[7]")); got.stdout != "7 false" {
		t.Errorf("without a deadline: %v", got)
	}
}

func TestJSON(t *testing.T) {
	p := kinds(t)
	for _, c := range []struct{ call, frame, text string }{
		{`Int(5)`, "V", `{"results":["int 5"],"error":null}`},
		{`None()`, "V", `{"results":[],"error":null}`},
		{`Two()`, "V", `{"results":[1,"two"],"error":null}`},
		{`Half(4)`, "V", `{"results":[2],"error":null}`},
		{`Half(5)`, "V", `{"results":[2],"error":"5 is odd"}`},
		{`Fails()`, "V", `{"results":[],"error":"gone"}`},
		{`Succeeds()`, "V", `{"results":[],"error":null}`},
		{`GivesErrors()`, "V", `{"results":[{}],"error":null}`},
		{`GivesPoint()`, "V", `{"results":[{"X":1,"Y":2}],"error":null}`},
		{`GivesNil()`, "V", `{"results":[null],"error":null}`},
		{`GivesAnyNil()`, "V", `{"results":[null],"error":null}`},
		{`GivesMap()`, "V", `{"results":[{"a":1,"b":2,"c":3}],"error":null}`},
		{`GivesBytes()`, "V", `{"results":["Ynl0ZXM="],"error":null}`},
		{`GivesHTML()`, "V", `{"results":["<a & b>\u2028"],"error":null}`},
		{`GivesNaN()`, "J", "result 1 is of type float64, which JSON cannot hold: unsupported value: NaN"},
		{`GivesComplex()`, "J", "result 1 is of type complex128, which JSON cannot hold: unsupported type: complex128"},
		{`GivesChan()`, "J", "result 1 is of type chan int, which JSON cannot hold: unsupported type: chan int"},
		{`PrintsAndGives()`, "V", `{"results":[7],"error":null}`},
		{`Slice([]int8{1})`, "D", ""},
	} {
		l := encodeOne(c.call)
		got := drive(t, p.artifact, asJSON, 0, l.name, l.nodes)
		if string(got.frame) != c.frame || !strings.HasPrefix(got.payload, c.text) || got.status != "exit 0" {
			t.Errorf("%s: %c %q, %v", c.call, got.frame, got.payload, got.outcome)
		}
		if got.stdout != "" && c.call != `PrintsAndGives()` {
			t.Errorf("%s printed %q", c.call, got.stdout)
		}
	}
	for call, want := range map[string]string{
		`Int(1 + 2)`:                             `{"results":["int 3"],"error":null}`,
		`Half(2 + 3)`:                            `{"results":[2],"error":"5 is odd"}`,
		`GivesAnyNil()`:                          `{"results":[null],"error":null}`,
		`Succeeds()`:                             `{"results":[],"error":null}`,
		`New("a").Reset()`:                       `{"results":[],"error":null}`,
		`Apply(func(n int) int { return n }, 1)`: `{"results":[1],"error":null}`,
	} {
		r, program := p.expression(t, call)
		if !r.OK {
			t.Fatalf("%s: %s", call, r.Detail)
		}
		if got := drive(t, program, asJSON, 0, "", nil); got.payload != want {
			t.Errorf("%s: %q", call, got.payload)
		}
	}
}

// A frame can be too large for the first read, nest too deep, or be cut short: the driver declines
// before it calls anything.
func TestOddFrames(t *testing.T) {
	p := kinds(t)
	long := strings.Repeat("x", 100_000)
	l := encodeOne(`String("` + long + `")`)
	if got := drive(t, p.artifact, 0, 0, l.name, l.nodes); got.stdout != `string "`+long+`"` {
		t.Errorf("a long string: %c %.100q", got.frame, got.stdout)
	}
	u16, u32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	text16 := func(s string) string { return string(u16(nil, uint16(len(s)))) + s }
	text32 := func(s string) string { return string(u32(nil, uint32(len(s)))) + s }
	deep := string(u16(nil, 1)) + strings.Repeat("v"+text16("int"), 100_000) + "n"
	for name, rest := range map[string]string{
		"nothing":       "",
		"no node":       "\x01\x00",
		"unknown tag":   "\x01\x00?",
		"cut short":     "\x01\x00i\x05\x00\x00\x0012",
		"too much":      "\x01\x00i\x01\x00\x00\x001tail",
		"two counted":   "\x02\x00i\x01\x00\x00\x001",
		"huge count":    "\x01\x00c" + text16("[]int") + "\xff\xff\xff\xff",
		"huge index":    "\x01\x00c" + text16("[]int") + "\x01\x00\x00\x00\x01i" + text32("1000000000000") + "b\x01",
		"huge array":    "\x01\x00c" + text16("[9999999999]int") + "\x00\x00\x00\x00",
		"deep":          deep,
		"deep type":     "\x01\x00c" + text16(strings.Repeat("[]", 10_000)+"int") + "\x00\x00\x00\x00",
		"no type":       "\x01\x00v" + text16("") + "n",
		"bad type":      "\x01\x00v" + text16("map[[]int]int") + "n",
		"bad number":    "\x01\x00i" + text32("0b12"),
		"Inf":           "\x01\x00f" + text32("Inf"),
		"long number":   "\x01\x00i" + text32(strings.Repeat("1", 5000)),
		"double sign":   "\x01\x00i" + text32("--1"),
		"rune of two":   "\x01\x00r" + text32("'ab'"),
		"address of 5":  "\x01\x00&i" + text32("5"),
		"decimal p":     "\x01\x00f" + text32("1p5"),
		"hex without p": "\x01\x00f" + text32("0x1.8"),
		"fraction":      "\x01\x00i" + text32("1/2"),
	} {
		for _, function := range []string{"Int", "Any", "Slice", "Float64"} {
			if got := drive(t, p.artifact, 0, 0, function, []byte(rest)); got.frame != 'D' || got.stdout != "" || got.status != "exit 0" {
				t.Errorf("%s of %s: %c %q %v", function, name, got.frame, got.payload, got.outcome)
			}
		}
	}
}

// Initialisation is part of a run: what it prints, and how it fails.
func TestInitialisation(t *testing.T) {
	noisy := trial{pkg: local(t, "noisy"), must: true, calls: []string{`Entry(3)`, `Entry(10)`}}
	noisy.verify(t)
	for name, want := range map[string]string{"badinit": "panic: no value to be had", "exitinit": ""} {
		p := local(t, name)
		p.build(t)
		truth := p.truths(t, []string{`Value()`}, nil, false)
		wanted, _ := truth.run(0)
		got := drive(t, p.artifact, 0, 0, "Value", nil)
		if got.frame != 0 || got.outcome != wanted || !strings.HasPrefix(got.stderr, want) {
			t.Errorf("%s: %c %v\nwant %v", name, got.frame, got.outcome, wanted)
		}
	}
}

// Names that the generated text could confuse.
func TestNames(t *testing.T) {
	tr := trial{pkg: local(t, "fmt"), must: true, calls: []string{`Sprint("x")`, `Take(fmt.Results{5})`, `Take(fmt.Results{N: 5})`, `Take(Results{5})`}}
	tr.verify(t)
	tr = trial{pkg: tr.pkg, sample: -1, refused: -1, imports: map[string]string{"strings": "strings"},
		calls: []string{`Results{5}.N`, `Upper(strings.ToUpper, " a ")`, `Sprint(fmt.Sprint("x"))`, `Sprintf("%d", 5)`, `Sprint(fmt.Sprintf("x"))`}}
	tr.verify(t)
}

// One bad function, or a type that only looks like one, does not keep the others from being served.
func TestBroken(t *testing.T) {
	p := local(t, "broken", "kinds")
	tr := trial{pkg: p, must: true, calls: []string{`Fine(1)`}}
	tr.verify(t)
	if fmt.Sprint(p.report.Functions) != "[Fine]" {
		t.Errorf("functions: %v", p.report.Functions)
	}
	if r, _ := p.expression(t, `Missing(1)`); r.OK || r.Code != "compile_error" {
		t.Errorf("%+v", r)
	}
}

// Endless recursion is Go's own clean error before the jail's memory ends.
func TestStackLimit(t *testing.T) {
	p := made(t, "example.invalid/deep", "deep", map[string]map[string]string{"example.invalid/deep": {
		"deep.go": "package deep\n\nfunc Down(n int) int { return Down(n+1) + 1 }\n"}})
	p.build(t)
	l := encodeOne(`Down(0)`)
	jailEnvironment = append(jailEnvironment, "GOMEMLIMIT=115343360")
	defer func() { jailEnvironment = jailEnvironment[:len(jailEnvironment)-1] }()
	got := drive(t, p.artifact, 0, 0, l.name, l.nodes)
	if got.status != "exit status 2" || !strings.Contains(got.stderr, "goroutine stack exceeds 57671680-byte limit") {
		t.Errorf("%.2000v", got)
	}
}

// A package with very many functions.
func TestManyFunctions(t *testing.T) {
	var text strings.Builder
	text.WriteString("package many\n\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "func F%d(x int) int { return x + %d }\n", i, i)
	}
	p := made(t, "example.invalid/many", "many", map[string]map[string]string{"example.invalid/many": {"many.go": text.String()}})
	tr := trial{pkg: p, must: true, calls: []string{`F0(1)`, `F4999(1)`, `F2500(2)`}}
	tr.verify(t)
	if len(p.report.Functions) != 5000 {
		t.Errorf("%d functions", len(p.report.Functions))
	}
	request := p.request()
	request["only"] = []string{"F7"}
	file := filepath.Join(scratch, "only")
	if r := tool(t, "build", request, p.tree, file); !r.OK || fmt.Sprint(r.Functions) != "[F7]" {
		t.Errorf("only F7: %+v", r)
	}
	small, _ := os.Stat(file)
	large, _ := os.Stat(p.artifact)
	if small.Size() >= large.Size() {
		t.Errorf("one function takes %d bytes, all %d", small.Size(), large.Size())
	}
}
