package difftest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A random package: types of every kind, functions that tell everything about their arguments; and
// random calls of them, of which some are wrong on purpose.
func TestRandom(t *testing.T) {
	calls, seed := 2000, uint64(time.Now().UnixNano())
	if text := os.Getenv("SKY_RANDOM"); text != "" {
		calls, _ = strconv.Atoi(text)
	}
	if text := os.Getenv("SKY_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("SKY_SEED=%d SKY_RANDOM=%d", seed, calls)
	const round = 2000
	var count tally
	for done := 0; done < calls; done += round {
		g := &generator{r: rand.New(rand.NewPCG(seed, uint64(done)))}
		tr := trial{pkg: g.makePackage(t), pure: true, calls: g.makeCalls(min(round, calls-done)), sample: 8, refused: 8}
		c := tr.verify(t)
		count.literal += c.literal
		count.declined += c.declined
		count.expression += c.expression
		count.wrong += c.wrong
		count.built += c.built
		count.builtWrong += c.builtWrong
	}
	t.Logf("%+v", count)
	if count.literal < calls/3 {
		t.Errorf("only %d of %d calls were served as literals", count.literal, calls)
	}
	if count.declined > count.literal/10 {
		t.Errorf("%d calls that compile were declined", count.declined)
	}
}

type sort int

const (
	basic sort = iota
	slice
	array
	mapping
	structure
	pointer
	anything
)

// shape is a type: how the package writes it, and how a caller does.
type shape struct {
	sort      sort
	inside    string // in the package
	outside   string // in a call
	basic     string
	elem, key *shape
	length    int
	fields    []shapeField
}

type shapeField struct {
	name string
	of   *shape
}

type signature struct {
	name     string
	params   []*shape
	variadic bool
}

type generator struct {
	r         *rand.Rand
	text      strings.Builder
	named     []*shape
	functions []signature
}

var basics = []string{"bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "uintptr",
	"float32", "float64", "complex64", "complex128", "string"}

// dump tells everything about a value that a program can see.
const dump = `package random

import (
	"fmt"
	"math"
	"reflect"
	"sort"
	"strings"
)

func dump[T any](x T) string { return look(reflect.ValueOf(&x).Elem()) + "\n" }

func look(v reflect.Value) string {
	name := v.Type().String() + ":"
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		return fmt.Sprintf("%s%x", name, math.Float64bits(v.Float()))
	case reflect.Complex64, reflect.Complex128:
		c := v.Complex()
		return fmt.Sprintf("%s%x,%x", name, math.Float64bits(real(c)), math.Float64bits(imag(c)))
	case reflect.String:
		return fmt.Sprintf("%s%q", name, v.String())
	case reflect.Slice:
		return fmt.Sprintf("%snil=%t cap=%d%s", name, v.IsNil(), v.Cap(), all(v))
	case reflect.Array:
		return name + all(v)
	case reflect.Map:
		var entries []string
		for _, key := range v.MapKeys() {
			entries = append(entries, look(key)+"="+look(v.MapIndex(key)))
		}
		sort.Strings(entries)
		return fmt.Sprintf("%snil=%t{%s}", name, v.IsNil(), strings.Join(entries, ","))
	case reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			parts = append(parts, look(v.Field(i)))
		}
		return name + "{" + strings.Join(parts, ",") + "}"
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return name + "nil"
		}
		return name + "->" + look(v.Elem())
	}
	return fmt.Sprint(name, v)
}

func all(v reflect.Value) string {
	var parts []string
	for i := range v.Len() {
		parts = append(parts, look(v.Index(i)))
	}
	return "[" + strings.Join(parts, ",") + "]"
}
`

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func one[T any](g *generator, list []T) T { return list[g.r.IntN(len(list))] }

func (g *generator) makePackage(t *testing.T) *pkg {
	t.Helper()
	g.text.WriteString(dump)
	for i := range 40 {
		g.declare(fmt.Sprintf("T%d", i))
	}
	for i := range 80 {
		f := signature{name: fmt.Sprintf("F%d", i), variadic: g.chance(25)}
		var params, dumps []string
		for j := range 1 + g.r.IntN(3) {
			s := g.shape(3, false)
			f.params = append(f.params, s)
			params = append(params, fmt.Sprintf("a%d %s", j, s.inside))
			dumps = append(dumps, fmt.Sprintf("dump(a%d)", j))
		}
		if f.variadic {
			last := len(params) - 1
			params[last] = fmt.Sprintf("a%d ...%s", last, f.params[last].inside)
		}
		g.functions = append(g.functions, f)
		fmt.Fprintf(&g.text, "func %s(%s) string { return %s }\n", f.name, strings.Join(params, ", "), strings.Join(dumps, " + "))
	}
	p := made(t, "example.invalid/random", "random", map[string]map[string]string{
		"example.invalid/random": {"random.go": g.text.String()}})
	p.build(t)
	return p
}

// declare makes a named type out of those before it.
func (g *generator) declare(name string) {
	s := g.shape(2, false)
	if g.chance(45) {
		s = g.structure()
	}
	named := *s
	fmt.Fprintf(&g.text, "type %s %s\n", name, s.inside)
	named.inside, named.outside = name, "random."+name
	if s.sort != anything { // a named interface is no literal's type
		g.named = append(g.named, &named)
	}
}

func (g *generator) structure() *shape {
	s := &shape{sort: structure}
	var fields []string
	for i := range g.r.IntN(5) {
		name := fmt.Sprintf("A%d", i)
		if g.chance(5) {
			name = fmt.Sprintf("a%d", i)
		}
		of := g.shape(2, false)
		s.fields = append(s.fields, shapeField{name, of})
		fields = append(fields, name+" "+of.inside)
	}
	s.inside = "struct { " + strings.Join(fields, "; ") + " }"
	s.outside = s.inside // never a literal's type, as call_read has it: only used named
	return s
}

// shape makes a type; comparable ones where it is to be a map's key.
func (g *generator) shape(depth int, comparable bool) *shape {
	if len(g.named) > 0 && g.chance(35) {
		s := one(g, g.named)
		if !comparable || s.comparable() {
			return s
		}
	}
	choice := g.r.IntN(10)
	if depth == 0 {
		choice = 0
	}
	switch {
	case choice < 4 || comparable && choice != 6:
		name := one(g, basics)
		return &shape{sort: basic, inside: name, outside: name, basic: name}
	case choice < 6:
		elem := g.shape(depth-1, false)
		return &shape{sort: slice, inside: "[]" + elem.inside, outside: "[]" + elem.outside, elem: elem}
	case choice == 6:
		elem := g.shape(depth-1, comparable)
		length := g.r.IntN(4)
		head := fmt.Sprintf("[%d]", length)
		return &shape{sort: array, inside: head + elem.inside, outside: head + elem.outside, elem: elem, length: length}
	case choice == 7:
		key, elem := g.shape(1, true), g.shape(depth-1, false)
		return &shape{sort: mapping, inside: "map[" + key.inside + "]" + elem.inside,
			outside: "map[" + key.outside + "]" + elem.outside, key: key, elem: elem}
	case choice == 8:
		elem := g.shape(depth-1, false)
		return &shape{sort: pointer, inside: "*" + elem.inside, outside: "*" + elem.outside, elem: elem}
	}
	return &shape{sort: anything, inside: "any", outside: one(g, []string{"any", "interface{}"})}
}

func (s *shape) comparable() bool {
	switch s.sort {
	case basic, pointer:
		return true
	case array:
		return s.elem.comparable()
	case structure:
		return !slices.ContainsFunc(s.fields, func(f shapeField) bool { return !f.of.comparable() })
	}
	return false
}

func (g *generator) makeCalls(n int) []string {
	calls := make([]string, n)
	for i := range calls {
		f := one(g, g.functions)
		count := len(f.params)
		if f.variadic {
			count += g.r.IntN(4) - 1
		}
		if g.chance(1) {
			count = max(0, count+g.r.IntN(3)-1)
		}
		var arguments []string
		for j := range count {
			arguments = append(arguments, g.literal(f.params[min(j, len(f.params)-1)], 3, false))
		}
		calls[i] = f.name + "(" + strings.Join(arguments, ", ") + ")"
	}
	return calls
}

// literal writes one for a value of the type; elide says that its type may be left out.
func (g *generator) literal(s *shape, depth int, elide bool) string {
	if g.chance(1) {
		return g.mistake()
	}
	switch s.sort {
	case basic:
		return g.basic(s)
	case anything:
		return g.anything(depth)
	case pointer:
		return g.pointer(s, depth, elide)
	case slice, mapping:
		if g.chance(8) {
			return "nil"
		}
	}
	return g.composite(s, depth, elide)
}

func (g *generator) mistake() string {
	return one(g, []string{"nil", `"text"`, "1.5", "-1", "300", "true", "'x'", "2i", "1e100", "{}", "int8(200)", "undefined", "random.T0{}", "random.Nosuch{}",
		"[]int{1}", "any(nil)", "T0{}", "uint8(5)", "float32(1)", "1 + 1"})
}

func (g *generator) pointer(s *shape, depth int, elide bool) string {
	switch s.elem.sort {
	case slice, array, mapping, structure:
		if g.chance(15) {
			return "nil"
		}
		if s.elem.sort == structure && s.elem.outside == s.elem.inside {
			return "nil"
		}
		if elide && g.chance(50) {
			return g.composite(s.elem, depth, true)
		}
		return "&" + g.composite(s.elem, depth, false)
	}
	return "nil"
}

func (g *generator) anything(depth int) string {
	if len(g.named) > 0 && depth > 0 && g.chance(40) {
		s := one(g, g.named)
		if s.sort == basic {
			return s.outside + "(" + g.basicText(s.basic) + ")"
		}
		return g.literal(s, depth-1, false)
	}
	switch g.r.IntN(8) {
	case 0:
		return "nil"
	case 1:
		name := one(g, basics)
		return name + "(" + g.basicText(name) + ")"
	case 2:
		return "[]any{" + g.basicText(one(g, basics)) + ", nil}"
	case 3:
		return "any(" + g.basicText(one(g, basics)) + ")"
	}
	return g.basicText(one(g, basics))
}

// composite writes the literal of a slice, array, map or struct.
func (g *generator) composite(s *shape, depth int, elide bool) string {
	head := s.outside
	if elide && g.chance(60) {
		head = ""
	} else if s.sort == array && strings.HasPrefix(head, "[") && g.chance(20) {
		head = "[...]" + s.elem.outside
	}
	count := g.r.IntN(4)
	if depth <= 0 {
		count = 0
	}
	switch s.sort {
	case array:
		count = min(count, s.length)
		if strings.HasPrefix(head, "[...]") {
			count = s.length
		}
		return head + "{" + g.elements(s, count, depth) + "}"
	case slice:
		return head + "{" + g.elements(s, count, depth) + "}"
	case mapping:
		if s.key.sort != basic && g.chance(80) { // of few values: the same key again compiles, and is declined
			count = min(count, 1)
		}
		var entries []string
		for range count {
			entries = append(entries, g.literal(s.key, 1, true)+": "+g.literal(s.elem, depth-1, true))
		}
		return head + "{" + strings.Join(entries, ", ") + "}"
	}
	return head + "{" + g.fields(s, depth) + "}"
}

func (g *generator) elements(s *shape, count, depth int) string {
	var elements []string
	for i := range count {
		key := ""
		if g.chance(8) {
			key = fmt.Sprint(i+g.r.IntN(3)-g.r.IntN(2), ": ")
		}
		elements = append(elements, key+g.literal(s.elem, depth-1, true))
	}
	return strings.Join(elements, ", ")
}

func (g *generator) fields(s *shape, depth int) string {
	byName := g.chance(60)
	if depth <= 0 {
		return ""
	}
	var fields []string
	for _, f := range s.fields {
		value := g.literal(f.of, depth-1, false)
		if f.of.sort == structure && f.of.outside == f.of.inside {
			value = "nil"
		}
		if !byName {
			fields = append(fields, value)
		} else if g.chance(70) {
			fields = append(fields, f.name+": "+value)
		}
	}
	if byName {
		g.r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	}
	return strings.Join(fields, ", ")
}
