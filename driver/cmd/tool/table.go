package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// table is a main package that serves the package's functions.
type table struct {
	path, name       string
	functions, types []string
}

func (b *builder) table() (generator, error) {
	t := &table{path: b.request.Package, name: b.exports.name}
	t.functions = b.exports.functionNames()
	t.types = b.exports.types
	if b.request.Only != nil {
		t.functions = slices.DeleteFunc(t.functions, func(name string) bool {
			return !slices.Contains(b.request.Only, name)
		})
	}
	return t, nil
}

// The text: an entry a line from firstEntry on, so that what the compiler says about a line is said
// about an entry. The table is constant, so that it costs a program's start nothing.
const tableHead = `package main

import (
	driver %q
	%s %q
)

var table = driver.Table{Package: %q, Functions: []driver.Function{
`

const firstEntry = 9

func (t *table) generate() string {
	target := "target"
	if len(t.functions)+len(t.types) == 0 {
		target = "_"
	}
	var out strings.Builder
	fmt.Fprintf(&out, tableHead, driverPath, target, t.path, t.name)
	for _, name := range t.functions {
		fmt.Fprintf(&out, "\t{Name: %q, Value: target.%s},\n", name, name)
	}
	out.WriteString("}, Types: []driver.Type{\n")
	for _, name := range t.types {
		fmt.Fprintf(&out, "\t{Name: %q, Pointer: (*target.%s)(nil)},\n", name, name)
	}
	out.WriteString("}}\n\nfunc main() { driver.Main(&table) }\n")
	return out.String()
}

var (
	entryLine = regexp.MustCompile(`(?m)^(?:\./)?main\.go:(\d+):`)
	noBody    = regexp.MustCompile(`relocation target \S+\.(\w+) not defined`)
)

// retry drops the entries that the compiler or the linker has something against: types that are
// constraints, functions that only the compiler knows or that have no body.
func (t *table) retry(words string) bool {
	bad := map[string]bool{}
	names := slices.Concat(t.functions, []string{""}, t.types)
	for _, match := range entryLine.FindAllStringSubmatch(words, -1) {
		if line, err := strconv.Atoi(match[1]); err == nil && line >= firstEntry && line-firstEntry < len(names) {
			bad[names[line-firstEntry]] = true
		}
	}
	for _, match := range noBody.FindAllStringSubmatch(words, -1) {
		bad[match[1]] = true
	}
	before := len(t.functions) + len(t.types)
	drop := func(name string) bool { return bad[name] }
	t.functions = slices.DeleteFunc(slices.Clone(t.functions), drop)
	t.types = slices.DeleteFunc(slices.Clone(t.types), drop)
	return len(t.functions)+len(t.types) < before
}
