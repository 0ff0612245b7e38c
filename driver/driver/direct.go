package driver

import (
	"reflect"
	"strconv"
)

// The direct way. A program that just started pays for each page of code and data that it touches first, and
// go/constant, encoding/json and fmt are many. So the plainest arguments are read here, functions of the most
// usual types are called without reflect, and results of predeclared types are printed by show.go. What is out
// of the ordinary goes the general way, and so does all in which the two could differ: nothing was called by
// then.

// direct takes a call's arguments in their order, and its results.
type direct struct {
	in     reader
	left   int  // arguments that were not taken yet
	odd    bool // an argument is for the general way
	typed  bool // they were JSON
	made   bool
	values []any
}

// current is the call under way. (It is no variable of a function's: it would be on the heap.)
var current direct

// serveDirect makes the call of f if its arguments are plain; else nothing was called.
func serveDirect(f any, c *request) bool {
	rest := c.rest
	if c.typed() {
		var ok bool
		if rest, ok = literals(rest); !ok {
			return false
		}
	}
	current = direct{in: reader{rest: rest}, typed: c.typed()}
	current.left = int(current.in.u16())
	if !current.usual(f) {
		current.reflected(reflect.ValueOf(f))
	}
	made, values := current.made, current.values
	current = direct{}
	if !made {
		return false
	}
	place := ErrorNever
	if c.json() {
		place = hasError(reflect.TypeOf(f))
	}
	finish(c, values, place)
	return true
}

// reflected makes the call of a function of any type.
func (d *direct) reflected(f reflect.Value) {
	t := f.Type()
	arguments := make([]reflect.Value, t.NumIn())
	for i := range arguments {
		arguments[i] = reflect.New(t.In(i)).Elem()
		if !d.set(arguments[i], t.IsVariadic() && i == len(arguments)-1) {
			return
		}
	}
	if !d.ready() {
		return
	}
	results := call(f, arguments)
	d.values = make([]any, len(results))
	for i, result := range results {
		d.values[i] = result.Interface()
	}
}

// set takes an argument of the parameter's type. What JSON becomes a type with a name may decide itself.
func (d *direct) set(parameter reflect.Value, variadic bool) bool {
	t := parameter.Type()
	if d.typed && t.PkgPath() != "" {
		return false
	}
	switch k := t.Kind(); k {
	case reflect.Bool:
		parameter.SetBool(d.bool())
	case reflect.String:
		parameter.SetString(d.string())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		parameter.SetInt(d.signed(t.Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		parameter.SetUint(d.unsigned(t.Bits()))
	case reflect.Float32, reflect.Float64:
		parameter.SetFloat(d.float(t.Bits()))
	default:
		return d.setOther(parameter.Addr().Interface(), variadic)
	}
	return !d.odd
}

// setOther does so where the type is one of these and has no name.
func (d *direct) setOther(pointer any, variadic bool) bool {
	switch p := pointer.(type) {
	case *any:
		*p = d.any()
	case *[]byte:
		*p = d.bytes()
		return !d.odd && !variadic
	case *[]string:
		*p = listOrMore(d, variadic, (*direct).strings, (*direct).string)
	case *[]int:
		*p = listOrMore(d, variadic, (*direct).ints, (*direct).int)
	case *[]float64:
		*p = listOrMore(d, variadic, (*direct).floats, (*direct).float64)
	case *[]any:
		if !variadic {
			return false
		}
		*p = more(d, (*direct).any)
	default:
		return false
	}
	return !d.odd
}

// ready says whether the arguments that were taken are those that the call has, and all as they should be.
func (d *direct) ready() bool {
	d.made = !d.odd && d.left == 0 && !d.in.short && len(d.in.rest) == 0
	return d.made
}

// returned takes what the call returned.
func (d *direct) returned(values ...any) { d.values = values }

// next begins an argument and gives its tag.
func (d *direct) next() byte {
	if d.left--; d.left < 0 {
		d.odd = true
	}
	return d.in.u8()
}

func (d *direct) text() string { return d.in.text(int(d.in.u32())) }

func (d *direct) string() string { return d.stringOf(d.next()) }

func (d *direct) stringOf(tag byte) string {
	if tag != 's' {
		d.odd = true
		return ""
	}
	return d.text()
}

func (d *direct) bool() bool {
	if d.next() != 'b' {
		d.odd = true
		return false
	}
	return d.in.u8() != 0
}

func (d *direct) int() int { return int(d.signed(strconv.IntSize)) }

func (d *direct) int64() int64 { return d.signed(64) }

func (d *direct) uint64() uint64 { return d.unsigned(64) }

func (d *direct) float64() float64 { return d.float(64) }

// signed takes an integer of so many bits.
func (d *direct) signed(bits int) int64 { return d.signedOf(d.next(), bits) }

func (d *direct) signedOf(tag byte, bits int) int64 {
	text, ok := d.integer(tag)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, bits)
	d.odd = d.odd || err != nil
	return n
}

// unsigned takes an integer of so many bits.
func (d *direct) unsigned(bits int) uint64 {
	text, ok := d.integer(d.next())
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, bits)
	d.odd = d.odd || err != nil
	return n
}

// integer takes decimal digits. (A zero before others means octal.)
func (d *direct) integer(tag byte) (string, bool) {
	text := ""
	if tag == 'i' {
		text = d.text()
	}
	digits := text
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		digits = digits[1:]
	}
	if digits == "" || digits[0] == '0' && len(digits) > 1 {
		d.odd = true
	}
	return text, !d.odd
}

// float takes a number of so many bits. Decimal digits become the nearest number here as in the compiler;
// but a constant is never a negative zero, and what is too small is left to it.
func (d *direct) float(bits int) float64 { return d.floatOf(d.next(), bits) }

func (d *direct) floatOf(tag byte, bits int) float64 {
	text := ""
	if tag == 'f' {
		text = d.text()
	} else {
		text, _ = d.integer(tag)
	}
	zero, whole := true, true
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '1' && c <= '9', c == '-', c == '+':
			zero = false
		case c == 'e', c == 'E':
			zero, whole = false, false
		case c == '.':
			whole = false
		case c != '0':
			d.odd = true
		}
	}
	if d.odd || whole != (tag == 'i') || len(text) > 64 {
		d.odd = true
		return 0
	}
	f, err := strconv.ParseFloat(text, bits)
	if err != nil || f == 0 && !zero {
		d.odd = true
	}
	return f
}

// any takes what has a default type; JSON's numbers have another.
func (d *direct) any() any {
	tag := d.next()
	if d.typed {
		d.odd = true
		return nil
	}
	switch tag {
	case 's':
		return d.stringOf(tag)
	case 'i':
		return int(d.signedOf(tag, strconv.IntSize))
	case 'f':
		return d.floatOf(tag, 64)
	case 'b':
		return d.in.u8() != 0
	case 'n':
		return nil
	}
	d.odd = true
	return nil
}

// bytes takes []byte("…") or nil.
func (d *direct) bytes() []byte {
	switch d.next() {
	case 'n':
		return nil
	case 'v':
		if name := d.in.text(int(d.in.u16())); name == "[]byte" || name == "[]uint8" {
			return exactly(d.stringOf(d.in.u8()))
		}
	}
	d.odd = true
	return nil
}

func (d *direct) strings() []string { return list(d, "[]string", (*direct).stringOf) }

func (d *direct) ints() []int {
	return list(d, "[]int", func(d *direct, tag byte) int { return int(d.signedOf(tag, strconv.IntSize)) })
}

func (d *direct) floats() []float64 {
	return list(d, "[]float64", func(d *direct, tag byte) float64 { return d.floatOf(tag, 64) })
}

// list takes a composite literal of that type, whose elements are values and nothing else, or nil.
func list[T any](d *direct, name string, element func(*direct, byte) T) []T {
	tag := d.next()
	if tag == 'n' {
		return nil
	}
	if tag != 'c' || d.in.text(int(d.in.u16())) != name {
		d.odd = true
		return nil
	}
	count := int(d.in.u32())
	if count < 0 || count > len(d.in.rest) || count > sizeMax/16 {
		d.odd = true
		return nil
	}
	values := make([]T, count)
	for i := range values {
		if d.in.u8() != plain {
			d.odd = true
			return nil
		}
		values[i] = element(d, d.in.u8())
	}
	return values
}

func listOrMore[T any](d *direct, variadic bool, list func(*direct) []T, element func(*direct) T) []T {
	if variadic {
		return more(d, element)
	}
	return list(d)
}

// more takes what is left for a variadic parameter: nil where there is nothing.
func more[T any](d *direct, take func(*direct) T) []T {
	if d.odd || d.left <= 0 || d.left > len(d.in.rest) {
		return nil
	}
	values := make([]T, d.left)
	for i := range values {
		values[i] = take(d)
	}
	return values
}
