package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/scanner"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Expressions are parsed and printed back from their syntax tree, so that no text of the caller's
// becomes source. The truth is `fmt.Print(pkg.EXPRESSION)`: the expression has to begin with a name of
// the package, which gets the package's name put before it.

// Limits on what is parsed: the parser, the printer and the compiler are recursive.
const (
	expressionMax = 1 << 20
	nestingMax    = 500
)

// expression is a main package that serves one expression.
type expression struct {
	path, name string
	text       string
	imports    map[string]string // name → path, of standard packages
	alias      string            // of the driver: a name that the expression does not have
	statement  bool              // it has no value
	failure    string            // whether its last result is an error, as far as is known
}

func (b *builder) expression() (generator, error) {
	positions := token.NewFileSet()
	tree, err := parseExpression(positions, b.request.Expression)
	if err != nil {
		return nil, err
	}
	if b.request.Expressions == "simple" && has[*ast.FuncLit](tree) {
		return nil, fail("function_literals_off", faultForbidden,
			"the expression has a function literal, and the configuration's `expressions` is \"simple\"")
	}
	first := leftmost(tree)
	if first == nil {
		return nil, notAnExpression("it has to begin with an exported name of package " + b.exports.name)
	}
	if err := b.checkName(first.Name); err != nil {
		return nil, err
	}
	e := &expression{path: b.request.Package, name: b.exports.name, failure: "ErrorGuess"}
	if e.text, err = printExpression(positions, tree); err != nil {
		return nil, err
	}
	if e.imports, err = b.importsOf(e.text); err != nil {
		return nil, err
	}
	e.alias = freeName(tree, e.name)
	if call, ok := tree.(*ast.CallExpr); ok && call.Fun == ast.Expr(first) {
		e.declared(b.exports.functions[first.Name])
	}
	return e, nil
}

// declared takes from a function's declaration what the expression's values do not tell.
func (e *expression) declared(f *ast.FuncType) {
	if f == nil {
		return
	}
	if f.Results == nil || len(f.Results.List) == 0 {
		e.statement = true
		return
	}
	e.failure = "ErrorNever"
	last := f.Results.List[len(f.Results.List)-1]
	if name, ok := last.Type.(*ast.Ident); ok && name.Name == "error" {
		e.failure = "ErrorLast"
	}
}

func notAnExpression(why string) error {
	return fail("not_an_expression", faultInput,
		"`call` has to be one Go expression such as Encode(100.1, 80.9): %s", why)
}

func parseExpression(positions *token.FileSet, text string) (ast.Expr, error) {
	if len(text) > expressionMax {
		return nil, notAnExpression(fmt.Sprintf("it is longer than %d bytes", expressionMax))
	}
	if nesting(text) > nestingMax {
		return nil, notAnExpression(fmt.Sprintf("its brackets nest deeper than %d", nestingMax))
	}
	tree, err := parser.ParseExprFrom(positions, "call", text, parser.SkipObjectResolution)
	if err != nil {
		var list scanner.ErrorList
		if errors.As(err, &list) && len(list) > 0 {
			return nil, notAnExpression(list[0].Error())
		}
		return nil, notAnExpression(err.Error())
	}
	if deep(tree) {
		return nil, notAnExpression(fmt.Sprintf("it nests deeper than %d", nestingMax))
	}
	return tree, nil
}

// nesting is how deep the text's brackets nest.
func nesting(text string) int {
	var s scanner.Scanner
	positions := token.NewFileSet()
	s.Init(positions.AddFile("call", -1, len(text)), []byte(text), func(token.Position, string) {}, 0)
	depth, deepest := 0, 0
	for {
		_, kind, _ := s.Scan()
		switch kind {
		case token.EOF:
			return deepest
		case token.LPAREN, token.LBRACK, token.LBRACE:
			depth++
			deepest = max(deepest, depth)
		case token.RPAREN, token.RBRACK, token.RBRACE:
			depth--
		}
	}
}

func deep(tree ast.Node) bool {
	depth, tooDeep := 0, false
	ast.Inspect(tree, func(node ast.Node) bool {
		if node == nil {
			depth--
			return true
		}
		if depth > 3*nestingMax {
			tooDeep = true
			return false
		}
		depth++
		return true
	})
	return tooDeep
}

func has[Node ast.Node](tree ast.Node) bool {
	found := false
	ast.Inspect(tree, func(node ast.Node) bool {
		if _, ok := node.(Node); ok {
			found = true
		}
		return !found
	})
	return found
}

// leftmost is the identifier that the expression's text begins with, nil if it begins with none.
func leftmost(tree ast.Expr) *ast.Ident {
	for {
		switch e := tree.(type) {
		case *ast.Ident:
			return e
		case *ast.BinaryExpr:
			tree = e.X
		case *ast.CallExpr:
			tree = e.Fun
		case *ast.CompositeLit:
			tree = e.Type
		case *ast.IndexExpr:
			tree = e.X
		case *ast.IndexListExpr:
			tree = e.X
		case *ast.SelectorExpr:
			tree = e.X
		case *ast.SliceExpr:
			tree = e.X
		case *ast.TypeAssertExpr:
			tree = e.X
		default:
			return nil
		}
	}
}

// checkName refuses what the package does not export, and names what it does.
func (b *builder) checkName(name string) error {
	exported := b.exports.all()
	if ast.IsExported(name) && slices.Contains(exported, name) {
		return nil
	}
	why := fmt.Sprintf("package %s has no exported name %s", b.exports.name, name)
	switch {
	case name == b.exports.name:
		why += ": leave the package's name out"
	case b.exports.hidden[name]:
		why = fmt.Sprintf("%s is not exported by package %s: only names that begin with an upper-case letter are", name, b.exports.name)
	}
	p := fail("function_not_found", faultNotFound, "%s", why)
	p.Nearest = nearest(name, exported)
	return p
}

// printExpression writes the tree in the caller's own lines, so that the compiler's positions fit them.
func printExpression(positions *token.FileSet, tree ast.Expr) (string, error) {
	var out strings.Builder
	config := printer.Config{Mode: printer.TabIndent, Tabwidth: 8}
	if err := config.Fprint(&out, positions, tree); err != nil {
		return "", notAnExpression(err.Error())
	}
	return out.String(), nil
}

// importsOf finds the standard packages that the expression names: x in x.Name where the expression
// itself declares no x.
func (b *builder) importsOf(text string) (map[string]string, error) {
	given, err := b.givenImports()
	if err != nil {
		return nil, err
	}
	imports := map[string]string{}
	var packages []string
	for _, name := range unresolved(text) {
		if name == b.exports.name {
			continue
		}
		if path, ok := given[name]; ok {
			imports[name] = path
			continue
		}
		if packages == nil {
			packages = standardPackages()
		}
		switch found := standardNamed(name, packages); len(found) {
		case 0: // the compiler says that it is undefined
		case 1:
			imports[name] = found[0]
		default:
			p := fail("ambiguous_import", faultInput,
				"%s may be any of %s: name the one that is meant in `imports`", name, strings.Join(found, ", "))
			p.Candidates = found
			return nil, p
		}
	}
	return imports, nil
}

// givenImports are the request's, by name.
func (b *builder) givenImports() (map[string]string, error) {
	given := map[string]string{}
	for _, path := range b.request.Imports {
		if !importable(path) {
			p := fail("import_not_standard", faultInput, "%q is not a standard package that can be imported", path)
			p.Nearest = nearest(path, standardPackages())
			return nil, p
		}
		name := packageName(path)
		if other, ok := given[name]; ok && other != path {
			p := fail("ambiguous_import", faultInput, "`imports` has both %s and %s: leave one out", other, path)
			p.Candidates = []string{other, path}
			return nil, p
		}
		given[name] = path
	}
	return given, nil
}

// unresolved lists the names that are selected from and that the text does not declare.
func unresolved(text string) []string {
	file, _ := parser.ParseFile(token.NewFileSet(), "", "package p\n\nvar _ = p."+text, 0)
	if file == nil {
		return nil
	}
	undeclared := map[*ast.Ident]bool{}
	for _, name := range file.Unresolved {
		undeclared[name] = true
	}
	var names []string
	ast.Inspect(file, func(node ast.Node) bool {
		if s, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && undeclared[x] {
				names = append(names, x.Name)
			}
		}
		return true
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// freeName makes a name for the driver that stands nowhere in the expression.
func freeName(tree ast.Node, taken string) string {
	used := map[string]bool{taken: true}
	ast.Inspect(tree, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok {
			used[name.Name] = true
		}
		return true
	})
	for i := 0; ; i++ {
		if name := "sky" + strconv.Itoa(i); !used[name] {
			return name
		}
	}
}

// generate writes the main package. Positions count from the call's own first byte; what is not the
// call's is positioned in main.go, and that is dropped from the compiler's words.
func (e *expression) generate() string {
	var out strings.Builder
	fmt.Fprintf(&out, "package main\n\nimport (\n\t%s %q\n\t%s %q\n", e.alias, driverPath, e.name, e.path)
	for _, name := range slices.Sorted(maps.Keys(e.imports)) {
		fmt.Fprintf(&out, "\t%s %q\n", name, e.imports[name])
	}
	call := "/*line call:1:1*/" + e.name + "./*line call:1:1*/" + e.text
	fmt.Fprintf(&out, ")\n\nfunc main() {\n\t%s.MainExpression(func() (_ %s.Results) {\n", e.alias, e.alias)
	if e.statement {
		fmt.Fprintf(&out, "\t\t%s\n//line main.go:1\n\t\treturn\n", call)
	} else {
		fmt.Fprintf(&out, "\t\treturn %s.Values(%s)\n//line main.go:1\n", e.alias, call)
	}
	fmt.Fprintf(&out, "\t}, %s.%s)\n}\n", e.alias, e.failure)
	return out.String()
}

var noValue = regexp.MustCompile(`\(no value\) used as value`)

// retry writes a call without a value as a statement.
func (e *expression) retry(words string) bool {
	if e.statement || !noValue.MatchString(words) {
		return false
	}
	e.statement = true
	return true
}
