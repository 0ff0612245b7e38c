package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
)

// exports is what a package offers, read from its text alone.
type exports struct {
	name      string
	functions map[string]*ast.FuncType // plain functions
	types     []string                 // non-generic types that a literal could name
	generic   []string                 // generic functions and types
	others    []string                 // types, constants, variables
	hidden    map[string]bool          // unexported names
	cgo       bool                     // it has files that need cgo, which is off
}

// inspect reads the package in dir as the compiler would see it here.
func inspect(name, dir string, cgo bool) (*exports, error) {
	context := build.Default
	context.CgoEnabled = cgo
	p, err := context.ImportDir(dir, 0)
	needs := !cgo && needsCgo(dir)
	if err != nil && needs {
		return nil, fail("cgo_off", faultFunction,
			"%s needs cgo, which is off here: its C code would have to be compiled, which the configuration does not allow", name)
	}
	if err := unreadable(name, p, err); err != nil {
		return nil, err
	}
	e := &exports{name: p.Name, functions: map[string]*ast.FuncType{}, hidden: map[string]bool{}, cgo: needs}
	positions := token.NewFileSet()
	for _, file := range slices.Concat(p.GoFiles, p.CgoFiles) {
		// What does not parse is left to the compiler's words; what does is listed.
		tree, _ := parser.ParseFile(positions, filepath.Join(dir, file), nil, parser.SkipObjectResolution)
		if tree == nil {
			continue
		}
		for _, declaration := range tree.Decls {
			e.declaration(declaration)
		}
	}
	slices.Sort(e.types)
	slices.Sort(e.generic)
	slices.Sort(e.others)
	return e, nil
}

func needsCgo(dir string) bool {
	context := build.Default
	context.CgoEnabled = true
	p, _ := context.ImportDir(dir, 0)
	return p != nil && len(p.CgoFiles) > 0
}

func (e *exports) declaration(declaration ast.Decl) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		switch {
		case d.Recv != nil:
		case !d.Name.IsExported():
			e.hidden[d.Name.Name] = true
		case d.Type.TypeParams != nil:
			e.generic = append(e.generic, d.Name.Name)
		default:
			e.functions[d.Name.Name] = d.Type
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				e.typeName(s)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					e.other(name)
				}
			}
		}
	}
}

func (e *exports) typeName(s *ast.TypeSpec) {
	if s.Name.IsExported() && s.TypeParams != nil {
		e.generic = append(e.generic, s.Name.Name)
		return
	}
	e.other(s.Name)
	// No literal is of an interface type; and some interfaces are constraints, which no variable has.
	if _, ok := s.Type.(*ast.InterfaceType); !ok && s.Name.IsExported() {
		e.types = append(e.types, s.Name.Name)
	}
}

func (e *exports) other(name *ast.Ident) {
	if name.IsExported() {
		e.others = append(e.others, name.Name)
	} else {
		e.hidden[name.Name] = true
	}
}

func (e *exports) functionNames() []string {
	names := make([]string, 0, len(e.functions))
	for name := range e.functions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (e *exports) all() []string {
	return slices.Concat(e.functionNames(), e.generic, e.others)
}
