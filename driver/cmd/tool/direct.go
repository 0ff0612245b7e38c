package main

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// Functions whose parameters are all of basic types are called by the generated main itself (driver's
// direct.go says why): one case for each type that functions have. A type is told by its text alone: where
// the package means something else by `string`, no function is of the case's type.

// directMax bounds the cases, which cost the build time; those that most functions have come first.
const directMax = 64

// takes says how a parameter's value is had.
var takes = map[string]string{
	"bool": "d.Bool()", "string": "d.String()",
	"int": "int(d.Signed(0))", "int8": "int8(d.Signed(8))", "int16": "int16(d.Signed(16))",
	"int32": "int32(d.Signed(32))", "int64": "d.Signed(64)",
	"uint": "uint(d.Unsigned(0))", "uint8": "uint8(d.Unsigned(8))", "uint16": "uint16(d.Unsigned(16))",
	"uint32": "uint32(d.Unsigned(32))", "uint64": "d.Unsigned(64)",
	"float32": "float32(d.Float(32))", "float64": "d.Float(64)", "any": "d.Any()",
	"[]uint8": "d.Bytes()", "[]string": "d.Strings()", "[]int": "d.Ints()", "[]float64": "d.Floats()",
	"...string": "d.MoreStrings()", "...int": "d.MoreInts()", "...float64": "d.MoreFloats()", "...any": "d.MoreAny()",
}

// returned are the other types of results that have a name everywhere.
var returned = []string{"complex64", "complex128", "error", "uintptr"}

// direct writes the function of the generated main that makes calls, or nothing where there is no case.
func direct(functions []*ast.FuncType) string {
	counts := map[string]int{}
	cases := map[string]string{}
	for _, f := range functions {
		if name, body, ok := directCase(f); ok {
			counts[name]++
			cases[name] = body
		}
	}
	if len(cases) == 0 {
		return ""
	}
	names := slices.Sorted(maps.Keys(cases))
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	var out strings.Builder
	out.WriteString("\nfunc direct(f any, d *driver.Direct) {\n\tswitch f := f.(type) {\n")
	for _, name := range names[:min(len(names), directMax)] {
		fmt.Fprintf(&out, "\tcase %s:\n%s", name, cases[name])
	}
	out.WriteString("\t}\n}\n")
	return out.String()
}

// directCase gives a function's type, written in one way only, and the call.
func directCase(f *ast.FuncType) (name, body string, ok bool) {
	parameters, known := texts(f.Params)
	results, knownToo := texts(f.Results)
	if !known || !knownToo {
		return "", "", false
	}
	var passed, taken []string
	for i, parameter := range parameters {
		how, ok := takes[parameter]
		if !ok {
			return "", "", false
		}
		variable := fmt.Sprintf("p%d", i)
		taken = append(taken, fmt.Sprintf("\t\t%s := %s\n", variable, how))
		if strings.HasPrefix(parameter, "...") {
			variable += "..."
		}
		passed = append(passed, variable)
	}
	for _, result := range results {
		if _, ok := takes[result]; !ok && !slices.Contains(returned, result) {
			return "", "", false
		}
	}
	call := "f(" + strings.Join(passed, ", ") + ")"
	if len(results) > 0 {
		call = "d.Results(" + call + ")"
	}
	body = strings.Join(taken, "") + "\t\tif d.Ready() {\n\t\t\t" + call + "\n\t\t}\n"
	return "func(" + strings.Join(parameters, ", ") + ") (" + strings.Join(results, ", ") + ")", body, true
}

// texts lists the types of a list of parameters or results, one for each.
func texts(list *ast.FieldList) (types []string, ok bool) {
	if list == nil {
		return nil, true
	}
	for _, field := range list.List {
		text := typeText(field.Type)
		if text == "" {
			return nil, false
		}
		for range max(1, len(field.Names)) {
			types = append(types, text)
		}
	}
	return types, true
}

// typeText is a type's one name; empty: it is none of those that matter here.
func typeText(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		switch t.Name {
		case "byte":
			return "uint8"
		case "rune":
			return "int32"
		}
		return t.Name
	case *ast.InterfaceType:
		if t.Methods == nil || len(t.Methods.List) == 0 {
			return "any"
		}
	case *ast.ArrayType:
		if element := typeText(t.Elt); t.Len == nil && element != "" {
			return "[]" + element
		}
	case *ast.Ellipsis:
		if element := typeText(t.Elt); element != "" {
			return "..." + element
		}
	case *ast.ParenExpr:
		return typeText(t.X)
	}
	return ""
}
