package driver

import (
	"reflect"
	"strconv"
)

// Literals become values of exactly the types and contents that the compiler would give them, or the
// call is declined: then it is compiled, and what is wrong with it is said in the compiler's words.

// depthMax bounds how deep literals and types nest here.
const depthMax = 100

// oddity is why a call is declined. It is thrown, and caught in literalArguments.
type oddity string

func decline(why string) {
	panic(oddity(why))
}

// literalArguments builds the arguments of a call to a function of type f; why is empty on success.
func literalArguments(t *Table, f reflect.Type, rest []byte) (arguments []reflect.Value, why string) {
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case oddity:
			arguments, why = nil, string(thrown)
		default: // reflect will not have it; the compiler says what is wrong
			arguments, why = nil, "the driver cannot build the arguments"
		}
	}()
	b := builder{table: t, in: reader{rest: rest}}
	count := int(b.in.u16())
	fixed := f.NumIn()
	if f.IsVariadic() {
		fixed--
	}
	if count < fixed || count > fixed && !f.IsVariadic() {
		decline("not the number of arguments that the function takes")
	}
	arguments = make([]reflect.Value, f.NumIn())
	for i := range fixed {
		arguments[i] = b.argument(f.In(i))
	}
	if f.IsVariadic() {
		arguments[fixed] = b.spread(f.In(fixed), count-fixed)
	}
	if b.in.short || len(b.in.rest) > 0 {
		decline("the frame is malformed")
	}
	return arguments, ""
}

// builder reads nodes off a CALL frame.
type builder struct {
	table *Table
	in    reader
	depth int
}

func (b *builder) argument(t reflect.Type) reflect.Value {
	dst := reflect.New(t).Elem()
	assign(dst, b.node(nil))
	return dst
}

// spread builds a variadic parameter: nil where there is nothing to pass.
func (b *builder) spread(t reflect.Type, count int) reflect.Value {
	if count == 0 {
		return reflect.Zero(t)
	}
	b.bound(count)
	slice := reflect.MakeSlice(t, count, count)
	for i := range count {
		assign(slice.Index(i), b.node(nil))
	}
	return slice
}

// bound keeps a count that the frame cannot hold from sizing anything.
func (b *builder) bound(count int) {
	if count < 0 || count > len(b.in.rest) {
		decline("the frame is malformed")
	}
}

// node reads one node. hint is the type that a composite literal without one takes.
func (b *builder) node(hint reflect.Type) operand {
	if b.depth++; b.depth > depthMax {
		decline("nested too deeply for the driver")
	}
	defer func() { b.depth-- }()
	switch tag := b.in.u8(); tag {
	case 'i', 'f', 'm', 'r':
		if x, ok := number(tag, b.in.text(int(b.in.u32()))); ok {
			return x
		}
	case 's':
		return operand{kind: isString, text: b.in.text(int(b.in.u32()))}
	case 'b':
		return operand{kind: isBool, truth: b.in.u8() != 0}
	case 'n':
		return operand{kind: isNil}
	case 'v':
		return b.conversion()
	case 'c':
		return b.composite(hint)
	case '&':
		if b.in.u8() == 'c' {
			x := b.composite(nil)
			return operand{kind: isValue, value: x.value.Addr()}
		}
	}
	decline("a literal that the driver cannot read")
	return operand{}
}

// conversion reads T(literal).
func (b *builder) conversion() operand {
	name := b.in.text(int(b.in.u16()))
	t, open := b.table.typeOf(name)
	if t == nil || open || name[0] == '*' {
		decline("a conversion to a type that the driver does not know")
	}
	x := b.node(nil)
	if x.constant() && constantType(t) {
		converted, ok := convertConstant(x, t)
		if !ok {
			decline("a conversion that the compiler refuses")
		}
		return converted
	}
	dst := reflect.New(t).Elem()
	if x.kind == isString && t.Kind() == reflect.Slice && t.Elem() == reflect.TypeFor[byte]() {
		dst.SetBytes(exactly(x.text))
	} else {
		assign(dst, x)
	}
	return operand{kind: isValue, value: dst}
}

// exactly copies a string into bytes without spare capacity, as the compiler does with a constant.
func exactly(text string) []byte {
	bytes := make([]byte, len(text))
	copy(bytes, text)
	return bytes[:len(bytes):len(bytes)]
}

// assign stores x in dst as an assignment of the language would.
func assign(dst reflect.Value, x operand) {
	t := dst.Type()
	switch {
	case x.kind == isNil:
		switch t.Kind() {
		case reflect.Pointer, reflect.Func, reflect.Slice, reflect.Map, reflect.Chan, reflect.Interface,
			reflect.UnsafePointer:
			return // dst is nil: nothing is ever assigned twice
		}
		decline("nil where the type has none")
	case x.kind == isValue:
		if !x.value.Type().AssignableTo(t) {
			decline("a value of another type")
		}
		dst.Set(x.value)
	case x.typ == nil && constantType(t):
		rounded, ok := representable(x, t)
		if !ok {
			decline("a constant that the type cannot hold")
		}
		rounded.store(dst)
	default:
		assignTyped(dst, x)
	}
}

// assignTyped stores a constant that has a type, or takes its default type in an interface.
func assignTyped(dst reflect.Value, x operand) {
	if x.typ == nil && (dst.Kind() != reflect.Interface || dst.Type().NumMethod() > 0) {
		decline("a constant of another type")
	}
	x, ok := x.typed()
	if !ok || !x.typ.AssignableTo(dst.Type()) {
		decline("a constant of another type")
	}
	value := reflect.New(x.typ).Elem()
	x.store(value)
	dst.Set(value)
}

// composite reads the rest of a composite literal. Its value is addressable, unless an elided type
// made it a pointer.
func (b *builder) composite(hint reflect.Type) operand {
	t, open := hint, false
	if name := b.in.text(int(b.in.u16())); name != "" {
		t, open = b.table.typeOf(name)
		hint = nil
		if name[0] == '*' {
			t = nil
		}
	}
	if t == nil {
		decline("a composite literal of a type that the driver does not know")
	}
	pointer := hint != nil && t.Kind() == reflect.Pointer
	if pointer {
		t = t.Elem()
	}
	if t.Size() > sizeMax {
		decline("too large for the driver")
	}
	count := int(b.in.u32())
	b.bound(count)
	value := b.elements(t, count, open)
	if pointer {
		value = value.Addr()
	}
	return operand{kind: isValue, value: value}
}

func (b *builder) elements(t reflect.Type, count int, open bool) reflect.Value {
	value := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Struct:
		b.fields(value, count)
	case reflect.Array:
		b.indexed(value.Slice(0, t.Len()), count, false)
	case reflect.Slice:
		value.Set(b.indexed(reflect.MakeSlice(t, count, count), count, true))
		if open {
			array := reflect.New(reflect.ArrayOf(value.Len(), t.Elem())).Elem()
			reflect.Copy(array, value)
			return array
		}
	case reflect.Map:
		value.Set(reflect.MakeMapWithSize(t, count))
		b.entries(value, count)
	default:
		decline("a composite literal of a type that has none")
	}
	return value
}

// The kinds of element.
const (
	plain = 0
	keyed = 1
	field = 2
)

// fields fills a struct, by position or by name, never both.
func (b *builder) fields(value reflect.Value, count int) {
	t := value.Type()
	byName := false
	seen := make([]bool, t.NumField())
	for i := range count {
		at := i
		switch element := b.in.u8(); {
		case element == field && (i == 0 || byName):
			byName = true
			at = fieldIndex(t, b.in.text(int(b.in.u16())))
		case element == plain && !byName && count == t.NumField():
		default:
			decline("not the fields that the struct has")
		}
		if at < 0 || at >= len(seen) || seen[at] || !t.Field(at).IsExported() {
			decline("not the fields that the struct has")
		}
		seen[at] = true
		assign(value.Field(at), b.node(nil))
	}
}

// fieldIndex looks at the struct's own fields only: a literal cannot name promoted ones.
func fieldIndex(t reflect.Type, name string) int {
	for i := range t.NumField() {
		if t.Field(i).Name == name {
			return i
		}
	}
	return -1
}

// indexed fills a slice's elements and gives what it filled: a slice literal (`growing`), which has room
// for `count` elements, becomes as long as its largest index asks for; an array's length stands.
func (b *builder) indexed(slice reflect.Value, count int, growing bool) reflect.Value {
	element := slice.Type().Elem()
	seen := map[int]bool(nil)
	next := 0
	for i := range count {
		switch b.in.u8() {
		case plain:
		case keyed:
			if seen == nil {
				seen = firstIndexes(i)
			}
			next = b.index()
		default:
			decline("an index that is no literal")
		}
		if seen != nil {
			if seen[next] {
				decline("an index twice")
			}
			seen[next] = true
		}
		if next >= slice.Len() {
			slice = grow(slice, next, growing)
		}
		assign(slice.Index(next), b.node(element))
		next++
	}
	return slice
}

// firstIndexes are those that the elements before the first keyed one have.
func firstIndexes(n int) map[int]bool {
	seen := make(map[int]bool, n)
	for i := range n {
		seen[i] = true
	}
	return seen
}

// grow copies a slice into one that ends with index `last`.
func grow(slice reflect.Value, last int, growing bool) reflect.Value {
	if !growing {
		decline("an index beyond the array")
	}
	size := slice.Type().Elem().Size()
	if last > sizeMax || size > 0 && uintptr(last) > sizeMax/size {
		decline("too large for the driver")
	}
	grown := reflect.MakeSlice(slice.Type(), last+1, last+1)
	reflect.Copy(grown, slice)
	return grown
}

// index reads the key of an array's or slice's element.
func (b *builder) index() int {
	x := b.node(nil)
	if !x.numeric() || x.typ != nil && !x.integer() {
		decline("an index that is no integer")
	}
	x, ok := representable(x, reflect.TypeFor[int]())
	at := reflect.New(reflect.TypeFor[int]()).Elem()
	if ok {
		x.store(at)
	}
	if !ok || at.Int() < 0 || at.Int() > sizeMax {
		decline("an index out of range")
	}
	return int(at.Int())
}

// entries fills a map. The compiler refuses a constant key that comes twice.
func (b *builder) entries(value reflect.Value, count int) {
	t := value.Type()
	for range count {
		if b.in.u8() != keyed {
			decline("a map's entry without a literal key")
		}
		key := reflect.New(t.Key()).Elem()
		assign(key, b.node(t.Key()))
		if !key.Comparable() || value.MapIndex(key).IsValid() {
			decline("a key that comes twice or is not hashable")
		}
		element := reflect.New(t.Elem()).Elem()
		assign(element, b.node(t.Elem()))
		value.SetMapIndex(key, element)
	}
}

// unquoteRune reads one rune or escape off the front.
func unquoteRune(text string) (rune, string, bool) {
	value, _, rest, err := strconv.UnquoteChar(text, '\'')
	if err != nil || text[0] == '\n' || text[0] == '\r' || value == 0xFEFF && text[0] != '\\' {
		return 0, "", false
	}
	return value, rest, true
}
