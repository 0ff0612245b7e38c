package driver

import (
	"reflect"
	"strconv"
	"strings"
)

// sizeMax bounds what a literal's type may occupy; more is left to the compiler.
const sizeMax = 1 << 20

// typeOf gives the type that the text names in a main package which imports the target by its own
// name: predeclared types and the target's, qualified. Nothing else resolves there. `open` says that
// the text was [...]T, whose type is that of the slice []T here: its length comes from the elements.
func (t *Table) typeOf(text string) (typ reflect.Type, open bool) {
	p := typeParser{table: t, rest: text}
	if element, ok := strings.CutPrefix(text, "[...]"); ok {
		p.rest = element
		open = true
	}
	typ = p.parse(0)
	if typ == nil || p.rest != "" {
		return nil, false
	}
	if open {
		typ = reflect.SliceOf(typ)
	}
	return typ, open
}

type typeParser struct {
	table *Table
	rest  string
}

func (p *typeParser) skip(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return ok
}

// parse takes one type off the front; nil where there is none.
func (p *typeParser) parse(depth int) reflect.Type {
	if depth > depthMax {
		return nil
	}
	switch {
	case p.skip("*"):
		if element := p.parse(depth + 1); element != nil {
			return reflect.PointerTo(element)
		}
	case p.skip("[]"):
		if element := p.parse(depth + 1); element != nil {
			return reflect.SliceOf(element)
		}
	case p.skip("["):
		return p.array(depth)
	case p.skip("map["):
		return p.mapping(depth)
	case p.skip("interface{}"):
		return reflect.TypeFor[any]()
	default:
		return p.name()
	}
	return nil
}

func (p *typeParser) array(depth int) reflect.Type {
	digits, rest, ok := strings.Cut(p.rest, "]")
	length, err := strconv.Atoi(digits)
	if !ok || err != nil || length < 0 || length > sizeMax || strconv.Itoa(length) != digits {
		return nil
	}
	p.rest = rest
	element := p.parse(depth + 1)
	if element == nil || (element.Size() > 0 && uintptr(length) > sizeMax/element.Size()) {
		return nil
	}
	return reflect.ArrayOf(length, element)
}

func (p *typeParser) mapping(depth int) reflect.Type {
	key := p.parse(depth + 1)
	if key == nil || !key.Comparable() || !p.skip("]") {
		return nil
	}
	if element := p.parse(depth + 1); element != nil {
		return reflect.MapOf(key, element)
	}
	return nil
}

func (p *typeParser) name() reflect.Type {
	name := p.identifier()
	if !p.skip(".") {
		if name == p.table.Package {
			return nil // the import hides the predeclared type
		}
		return predeclared(name)
	}
	if name != p.table.Package {
		return nil
	}
	typ, ok := p.table.named(p.identifier())
	if !ok {
		return nil
	}
	return typ
}

func (p *typeParser) identifier() string {
	end := strings.IndexAny(p.rest, ".[]*{}")
	if end < 0 {
		end = len(p.rest)
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}

func predeclared(name string) reflect.Type {
	switch name {
	case "any":
		return reflect.TypeFor[any]()
	case "bool":
		return reflect.TypeFor[bool]()
	case "byte", "uint8":
		return reflect.TypeFor[uint8]()
	case "complex64":
		return reflect.TypeFor[complex64]()
	case "complex128":
		return reflect.TypeFor[complex128]()
	case "error":
		return reflect.TypeFor[error]()
	case "float32":
		return reflect.TypeFor[float32]()
	case "float64":
		return reflect.TypeFor[float64]()
	case "int":
		return reflect.TypeFor[int]()
	case "int8":
		return reflect.TypeFor[int8]()
	case "int16":
		return reflect.TypeFor[int16]()
	case "rune", "int32":
		return reflect.TypeFor[int32]()
	case "int64":
		return reflect.TypeFor[int64]()
	case "string":
		return reflect.TypeFor[string]()
	case "uint":
		return reflect.TypeFor[uint]()
	case "uint16":
		return reflect.TypeFor[uint16]()
	case "uint32":
		return reflect.TypeFor[uint32]()
	case "uint64":
		return reflect.TypeFor[uint64]()
	case "uintptr":
		return reflect.TypeFor[uintptr]()
	}
	return nil
}
