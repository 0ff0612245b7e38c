package difftest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// literal is a call as frame.h has it; ok says that its text was a literal call.
type literal struct {
	ok      bool
	refused string // by call_parse, with its code
	name    string
	nodes   []byte
}

// encode parses calls: by the program in SKY_CALLDUMP, else by an encoder of ours.
func encode(t *testing.T, calls []string) []literal {
	t.Helper()
	if program := os.Getenv("SKY_CALLDUMP"); program != "" {
		return dumped(t, program, calls)
	}
	literals := make([]literal, len(calls))
	for i, call := range calls {
		literals[i] = encodeOne(call)
	}
	return literals
}

func dumped(t *testing.T, program string, calls []string) []literal {
	t.Helper()
	var in bytes.Buffer
	for _, call := range calls {
		in.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(call))))
		in.WriteString(call)
	}
	c := exec.Command(program)
	c.Stdin = &in
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	r := bytes.NewReader(out)
	literals := make([]literal, len(calls))
	for i := range calls {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			t.Fatalf("%s: call %d: %v", program, i, err)
		}
		payload := make([]byte, binary.LittleEndian.Uint32(head[1:]))
		if _, err := io.ReadFull(r, payload); err != nil {
			t.Fatalf("%s: call %d: %v", program, i, err)
		}
		switch head[0] {
		case 0:
			n := int(binary.LittleEndian.Uint16(payload))
			literals[i] = literal{ok: true, name: string(payload[2 : 2+n]), nodes: payload[2+n:]}
		case 2:
			code, _, _ := strings.Cut(string(payload), "\x00")
			literals[i] = literal{refused: code}
		}
	}
	return literals
}

// encodeOne is the encoder of ours: what is not plainly a literal call makes it give up.
func encodeOne(call string) (l literal) {
	defer func() {
		if thrown := recover(); thrown != nil {
			if _, ours := thrown.(notLiteral); !ours {
				panic(thrown)
			}
			l = literal{}
		}
	}()
	tree, err := parser.ParseExpr(call)
	if err != nil {
		return literal{}
	}
	e := &encoder{}
	c, ok := tree.(*ast.CallExpr)
	e.need(ok && c.Ellipsis == token.NoPos)
	name, ok := c.Fun.(*ast.Ident)
	e.need(ok)
	e.u16(len(c.Args))
	for _, argument := range c.Args {
		e.node(argument)
	}
	return literal{ok: true, name: name.Name, nodes: e.out}
}

type notLiteral struct{}

type encoder struct{ out []byte }

func (e *encoder) need(ok bool) {
	if !ok {
		panic(notLiteral{})
	}
}

func (e *encoder) u16(n int) {
	e.need(n <= 0xFFFF)
	e.out = binary.LittleEndian.AppendUint16(e.out, uint16(n))
}

func (e *encoder) text16(s string) {
	e.u16(len(s))
	e.out = append(e.out, s...)
}

func (e *encoder) text32(tag byte, s string) {
	e.out = append(e.out, tag)
	e.out = binary.LittleEndian.AppendUint32(e.out, uint32(len(s)))
	e.out = append(e.out, s...)
}

var tags = map[token.Token]byte{token.INT: 'i', token.FLOAT: 'f', token.IMAG: 'm', token.CHAR: 'r'}

func (e *encoder) node(x ast.Expr) {
	switch x := x.(type) {
	case *ast.BasicLit:
		if x.Kind == token.STRING {
			s, err := strconv.Unquote(x.Value)
			e.need(err == nil)
			e.text32('s', s)
			return
		}
		e.text32(tags[x.Kind], x.Value)
	case *ast.UnaryExpr:
		e.unary(x)
	case *ast.Ident:
		e.identifier(x.Name)
	case *ast.CallExpr:
		e.need(len(x.Args) == 1 && x.Ellipsis == token.NoPos)
		if name, ok := x.Fun.(*ast.Ident); ok {
			e.need(!slices.Contains(builtins, name.Name))
		}
		e.out = append(e.out, 'v')
		e.text16(e.typ(x.Fun, false))
		e.node(x.Args[0])
	case *ast.CompositeLit:
		e.composite(x)
	default:
		e.need(false)
	}
}

var builtins = []string{"append", "cap", "clear", "close", "complex", "copy", "delete", "imag", "len", "make", "max", "min",
	"new", "panic", "print", "println", "real", "recover"}

func (e *encoder) identifier(name string) {
	switch name {
	case "nil":
		e.out = append(e.out, 'n')
	case "true":
		e.out = append(e.out, 'b', 1)
	case "false":
		e.out = append(e.out, 'b', 0)
	default:
		e.need(false)
	}
}

func (e *encoder) unary(x *ast.UnaryExpr) {
	switch x.Op {
	case token.AND:
		c, ok := x.X.(*ast.CompositeLit)
		e.need(ok && c.Type != nil)
		e.out = append(e.out, '&')
		e.composite(c)
	case token.ADD, token.SUB:
		number, ok := x.X.(*ast.BasicLit)
		e.need(ok && number.Kind != token.STRING)
		e.text32(tags[number.Kind], x.Op.String()+number.Value)
	default:
		e.need(false)
	}
}

func (e *encoder) composite(x *ast.CompositeLit) {
	e.out = append(e.out, 'c')
	if x.Type == nil {
		e.u16(0)
	} else {
		e.text16(e.typ(x.Type, true))
	}
	e.out = binary.LittleEndian.AppendUint32(e.out, uint32(len(x.Elts)))
	for _, element := range x.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			e.out = append(e.out, 0)
			e.node(element)
			continue
		}
		name, ok := pair.Key.(*ast.Ident)
		if ok && name.Name != "nil" && name.Name != "true" && name.Name != "false" {
			e.out = append(e.out, 2)
			e.text16(name.Name)
		} else {
			e.out = append(e.out, 1)
			e.node(pair.Key)
		}
		e.node(pair.Value)
	}
}

// typ writes a type without spaces.
func (e *encoder) typ(x ast.Expr, open bool) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		name, ok := x.X.(*ast.Ident)
		e.need(ok)
		return name.Name + "." + x.Sel.Name
	case *ast.StarExpr:
		return "*" + e.typ(x.X, false)
	case *ast.ArrayType:
		switch length := x.Len.(type) {
		case nil:
			return "[]" + e.typ(x.Elt, false)
		case *ast.Ellipsis:
			e.need(open)
			return "[...]" + e.typ(x.Elt, false)
		case *ast.BasicLit:
			e.need(length.Kind == token.INT)
			return fmt.Sprintf("[%s]%s", length.Value, e.typ(x.Elt, false))
		}
	case *ast.MapType:
		return "map[" + e.typ(x.Key, false) + "]" + e.typ(x.Value, false)
	case *ast.InterfaceType:
		e.need(len(x.Methods.List) == 0)
		return "interface{}"
	}
	e.need(false)
	return ""
}
