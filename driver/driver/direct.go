package driver

import (
	"reflect"
	"strconv"
)

// Direct calls: where a function's parameters are of basic types and its arguments the plainest literals,
// the generated main makes the call itself. A program that just started pays for each page of code and data
// that it touches first, and reflect, go/constant and fmt are many. What is out of the ordinary goes the
// general way, and so does everything where the two could differ: nothing was called by then.

// Direct hands a call's arguments to the generated main, in their order, and takes the results.
type Direct struct {
	in     reader
	left   int  // arguments that were not taken yet
	odd    bool // an argument is for the general way
	typed  bool // they were JSON
	made   bool
	values []any
}

// current is the call under way. (It is no variable of a function's: it would be on the heap.)
var current Direct

// direct makes the call of f if it can; else nothing was called.
func (t *Table) direct(f any, c *request) bool {
	if t.Direct == nil {
		return false
	}
	rest := c.rest
	if c.typed() {
		var ok bool
		if rest, ok = literals(rest); !ok {
			return false
		}
	}
	current = Direct{in: reader{rest: rest}, typed: c.typed()}
	current.left = int(current.in.u16())
	t.Direct(f, &current)
	made, values := current.made, current.values
	current = Direct{}
	switch {
	case !made:
	case c.json():
		finish(c, values, hasError(reflect.TypeOf(f)))
	default:
		finish(c, values, ErrorNever)
	}
	return made
}

// Ready says whether the arguments that were taken are those that the call has, and all as they should be.
func (d *Direct) Ready() bool {
	d.made = !d.odd && d.left == 0 && !d.in.short && len(d.in.rest) == 0
	return d.made
}

// Results takes what the call returned.
func (d *Direct) Results(values ...any) { d.values = values }

// next begins an argument and gives its tag.
func (d *Direct) next() byte {
	if d.left--; d.left < 0 {
		d.odd = true
	}
	return d.in.u8()
}

func (d *Direct) text() string { return d.in.text(int(d.in.u32())) }

// String takes a string.
func (d *Direct) String() string {
	return d.string(d.next())
}

func (d *Direct) string(tag byte) string {
	if tag != 's' {
		d.odd = true
		return ""
	}
	return d.text()
}

// Bool takes a boolean.
func (d *Direct) Bool() bool {
	if d.next() != 'b' {
		d.odd = true
		return false
	}
	return d.in.u8() != 0
}

// Signed takes an integer of so many bits; 0 are those of an int.
func (d *Direct) Signed(bits int) int64 {
	return d.signed(d.next(), bits)
}

func (d *Direct) signed(tag byte, bits int) int64 {
	text, ok := d.integer(tag)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, bits)
	d.odd = d.odd || err != nil
	return n
}

// Unsigned takes an integer of so many bits; 0 are those of a uint.
func (d *Direct) Unsigned(bits int) uint64 {
	text, ok := d.integer(d.next())
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, bits)
	d.odd = d.odd || err != nil
	return n
}

// integer takes decimal digits. (A zero before others means octal.)
func (d *Direct) integer(tag byte) (string, bool) {
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

// Float takes a number of so many bits. Decimal digits become the nearest number here as in the compiler;
// but a constant is never a negative zero, and what is too small is left to it.
func (d *Direct) Float(bits int) float64 {
	return d.float(d.next(), bits)
}

func (d *Direct) float(tag byte, bits int) float64 {
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

// Any takes what has a default type; JSON's numbers have another.
func (d *Direct) Any() any {
	tag := d.next()
	if d.typed {
		d.odd = true
		return nil
	}
	switch tag {
	case 's':
		return d.string(tag)
	case 'i':
		return int(d.signed(tag, 0))
	case 'f':
		return d.float(tag, 64)
	case 'b':
		return d.in.u8() != 0
	case 'n':
		return nil
	}
	d.odd = true
	return nil
}

// Bytes takes []byte("…") or nil.
func (d *Direct) Bytes() []byte {
	switch d.next() {
	case 'n':
		return nil
	case 'v':
		if name := d.in.text(int(d.in.u16())); name == "[]byte" || name == "[]uint8" {
			return exactly(d.string(d.in.u8()))
		}
	}
	d.odd = true
	return nil
}

// Strings takes []string{…} or nil.
func (d *Direct) Strings() []string { return list(d, "[]string", (*Direct).string) }

// Ints takes []int{…} or nil.
func (d *Direct) Ints() []int { return list(d, "[]int", (*Direct).int) }

// Floats takes []float64{…} or nil.
func (d *Direct) Floats() []float64 { return list(d, "[]float64", (*Direct).float64) }

func (d *Direct) int(tag byte) int { return int(d.signed(tag, 0)) }

func (d *Direct) float64(tag byte) float64 { return d.float(tag, 64) }

// list takes a composite literal of that type, whose elements are none but values, or nil.
func list[T any](d *Direct, name string, element func(*Direct, byte) T) []T {
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

// MoreStrings takes what is left for a variadic parameter: nil where there is nothing.
func (d *Direct) MoreStrings() []string { return more(d, (*Direct).String) }

// MoreInts does so with integers.
func (d *Direct) MoreInts() []int {
	return more(d, func(d *Direct) int { return int(d.Signed(0)) })
}

// MoreFloats does so with numbers.
func (d *Direct) MoreFloats() []float64 {
	return more(d, func(d *Direct) float64 { return d.Float(64) })
}

// MoreAny does so with values of any type.
func (d *Direct) MoreAny() []any { return more(d, (*Direct).Any) }

func more[T any](d *Direct, take func(*Direct) T) []T {
	if d.odd || d.left <= 0 || d.left > len(d.in.rest) {
		return nil
	}
	values := make([]T, d.left)
	for i := range values {
		values[i] = take(d)
	}
	return values
}

// warmDirect goes the way of a direct call that prints a number.
func warmDirect() {
	current = Direct{in: reader{rest: sampleFrame[2:]}, left: 2}
	number, text := current.Float(64), current.String()
	_, _ = appendValues(line[:0], []any{number, text, nil})
	current = Direct{}
}
