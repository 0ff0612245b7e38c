package driver

import (
	"go/constant"
	"go/token"
	"math"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Constants follow the compiler's own rules by the compiler's own arithmetic: its type checker, too,
// keeps them in go/constant. (The rules: "Constants", "Representability", "Conversions" of the
// language's specification; cmd/compile/internal/types2 where that leaves choices.)

// kind is what an operand is; for a typed constant, what its literal was.
type kind byte

const (
	invalid kind = iota
	isNil
	isBool
	isInt
	isRune
	isFloat
	isImaginary
	isString
	isValue // not a constant
)

// operand is the value of a node. typ is nil for an untyped constant and for nil.
type operand struct {
	kind   kind
	typ    reflect.Type
	number constant.Value
	text   string
	truth  bool
	value  reflect.Value
}

func (x operand) constant() bool { return x.kind != isNil && x.kind != isValue }

func (x operand) numeric() bool { return x.kind >= isInt && x.kind <= isImaginary }

// literalMax bounds a number's text, and intBits an untyped integer as the compiler does.
const (
	literalMax = 1000
	intBits    = 512
)

// number reads a number or rune as written; its sign, where it has one, comes first.
func number(tag byte, text string) (operand, bool) {
	operator := token.ILLEGAL
	if strings.HasPrefix(text, "-") {
		operator = token.SUB
	} else if strings.HasPrefix(text, "+") {
		operator = token.ADD
	}
	if operator != token.ILLEGAL {
		text = text[1:]
	}
	if len(text) == 0 || len(text) > literalMax {
		return operand{}, false
	}
	x := operand{kind: isInt}
	switch tag {
	case 'i':
		x.number = unsigned(text, token.INT)
	case 'f':
		x.kind, x.number = isFloat, unsigned(text, token.FLOAT)
	case 'm':
		x.kind, x.number = isImaginary, unsigned(text, token.IMAG)
	case 'r':
		x.kind, x.number = isRune, runeLiteral(text)
	}
	if x.number == nil || x.number.Kind() == constant.Unknown {
		return operand{}, false
	}
	if operator != token.ILLEGAL {
		x.number = constant.UnaryOp(operator, x.number, 0)
	}
	if x.number.Kind() == constant.Int && constant.BitLen(x.number) > intBits {
		return operand{}, false
	}
	return x, true
}

// unsigned reads a number without a sign. go/constant takes some spellings that the language does not
// have; those are refused here.
func unsigned(text string, kind token.Token) constant.Value {
	if (text[0] < '0' || text[0] > '9') && text[0] != '.' {
		return nil
	}
	prefix := ""
	if len(text) > 1 && text[0] == '0' {
		prefix = strings.ToLower(text[1:2])
	}
	if kind == token.FLOAT || kind == token.IMAG {
		binary := strings.ContainsAny(text, "pP")
		integer := !strings.ContainsAny(text, ".eEpP")
		switch {
		case kind == token.FLOAT && integer && prefix != "x":
			return nil
		case prefix == "x":
			if !binary && (kind == token.FLOAT || strings.Contains(text, ".")) {
				return nil
			}
		case binary, prefix == "b" && !integer, prefix == "o" && !integer:
			return nil
		}
	}
	return constant.MakeFromLiteral(text, kind, 0)
}

func runeLiteral(text string) constant.Value {
	if len(text) < 3 || text[0] != '\'' || text[len(text)-1] != '\'' || !utf8.ValidString(text) {
		return nil
	}
	value, rest, ok := unquoteRune(text[1 : len(text)-1])
	if !ok || rest != "" {
		return nil
	}
	return constant.MakeInt64(int64(value))
}

// representable gives the constant as a value of type t, which must be one of the basic types, rounded
// as the compiler does; false where t cannot hold it.
func representable(x operand, t reflect.Type) (operand, bool) {
	switch k := t.Kind(); {
	case k == reflect.Bool:
		x.typ = t
		return x, x.kind == isBool
	case k == reflect.String:
		x.typ = t
		return x, x.kind == isString
	case !x.numeric():
		return x, false
	default:
		n, ok := round(x.number, k)
		x.typ, x.number = t, n
		return x, ok
	}
}

func round(n constant.Value, k reflect.Kind) (constant.Value, bool) {
	switch k {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n = constant.ToInt(n)
		i, exact := constant.Int64Val(intOrZero(n))
		bits := bitsOf(k)
		return n, n.Kind() == constant.Int && exact && i<<(64-bits)>>(64-bits) == i
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n = constant.ToInt(n)
		i, exact := constant.Uint64Val(intOrZero(n))
		bits := bitsOf(k)
		return n, n.Kind() == constant.Int && exact && i<<(64-bits)>>(64-bits) == i
	case reflect.Float32, reflect.Float64:
		return roundFloat(n, k == reflect.Float32)
	case reflect.Complex64, reflect.Complex128:
		n = constant.ToComplex(n)
		if n.Kind() != constant.Complex {
			return n, false
		}
		re, fits := roundFloat(constant.Real(n), k == reflect.Complex64)
		im, fitsToo := roundFloat(constant.Imag(n), k == reflect.Complex64)
		if !fits || !fitsToo {
			return n, false
		}
		return constant.BinaryOp(re, token.ADD, constant.MakeImag(im)), true
	}
	return n, false
}

// intOrZero keeps Int64Val from panicking on what is no integer.
func intOrZero(n constant.Value) constant.Value {
	if n.Kind() != constant.Int {
		return constant.MakeInt64(0)
	}
	return n
}

func bitsOf(k reflect.Kind) uint {
	switch k {
	case reflect.Int8, reflect.Uint8:
		return 8
	case reflect.Int16, reflect.Uint16:
		return 16
	case reflect.Int32, reflect.Uint32:
		return 32
	case reflect.Int, reflect.Uint, reflect.Uintptr:
		return uint(reflect.TypeFor[int]().Bits())
	}
	return 64
}

// roundFloat has no negative zero: a constant cannot be one.
func roundFloat(n constant.Value, single bool) (constant.Value, bool) {
	n = constant.ToFloat(n)
	if n.Kind() != constant.Float {
		return n, false
	}
	f, _ := constant.Float64Val(n)
	if single {
		f32, _ := constant.Float32Val(n)
		f = float64(f32)
	}
	if math.IsInf(f, 0) {
		return n, false
	}
	return constant.MakeFloat64(f), true
}

// defaultType is the type that an untyped constant takes where nothing else gives it one.
func (x operand) defaultType() reflect.Type {
	switch x.kind {
	case isBool:
		return reflect.TypeFor[bool]()
	case isInt:
		return reflect.TypeFor[int]()
	case isRune:
		return reflect.TypeFor[rune]()
	case isFloat:
		return reflect.TypeFor[float64]()
	case isImaginary:
		return reflect.TypeFor[complex128]()
	}
	return reflect.TypeFor[string]()
}

// typed gives an untyped constant its default type.
func (x operand) typed() (operand, bool) {
	if x.typ != nil {
		return x, true
	}
	return representable(x, x.defaultType())
}

// store puts a typed constant into dst, which has its type.
func (x operand) store(dst reflect.Value) {
	switch k := dst.Kind(); k {
	case reflect.Bool:
		dst.SetBool(x.truth)
	case reflect.String:
		dst.SetString(x.text)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, _ := constant.Int64Val(x.number)
		dst.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		i, _ := constant.Uint64Val(x.number)
		dst.SetUint(i)
	case reflect.Float32, reflect.Float64:
		f, _ := constant.Float64Val(x.number)
		dst.SetFloat(f)
	case reflect.Complex64, reflect.Complex128:
		re, _ := constant.Float64Val(constant.Real(x.number))
		im, _ := constant.Float64Val(constant.Imag(x.number))
		dst.SetComplex(complex(re, im))
	}
}

// convertConstant converts to a type that constants can have.
func convertConstant(x operand, t reflect.Type) (operand, bool) {
	if converted, ok := representable(x, t); ok {
		return converted, true
	}
	if t.Kind() != reflect.String || !x.integer() {
		return operand{}, false
	}
	point := unicode.ReplacementChar
	if i, exact := constant.Uint64Val(x.number); exact && i <= unicode.MaxRune {
		point = rune(i)
	}
	return operand{kind: isString, typ: t, text: string(point)}, true
}

// integer says whether the constant's type, not merely its value, is an integer one.
func (x operand) integer() bool {
	if x.typ == nil {
		return x.kind == isInt || x.kind == isRune
	}
	return x.typ.Kind() >= reflect.Int && x.typ.Kind() <= reflect.Uintptr
}

// constantType says whether constants can have the type.
func constantType(t reflect.Type) bool {
	return t.Kind() >= reflect.Bool && t.Kind() <= reflect.Complex128 || t.Kind() == reflect.String
}
