// Package driver is linked into every artifact. It takes a call from the server, makes it and hands
// the result back; then the program ends, and the jail with it, unless the call said that others follow.
//
// Theory of operation. The generated main has a table of the package's functions and types and gives
// it to Main. Nothing happens before READY that a call does not need: start to READY is what a cold
// call waits for. Main then waits in read(2) for a CALL frame, which may be there already, builds the arguments, calls on the main
// goroutine and prints the results as fmt.Print does. It starts no goroutine and touches neither the
// poller nor signals, so that the runtime still finds deadlocks; it looks up no method by name, so that
// the linker can still drop what no one uses. When Main returns, main returns, and the program ends
// exactly as one without a driver would.
package driver

import (
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// Table is what an artifact offers: sorted by name, so that it can be laid out at compile time and
// searched without building an index.
type Table struct {
	Package   string
	Functions []Function
	Types     []Type
}

// Function is an exported, non-generic function of the package.
type Function struct {
	Name  string
	Value any
}

// Type is an exported, non-generic type of the package; Pointer is a nil pointer to it.
type Type struct {
	Name    string
	Pointer any
}

// Main serves calls out of the table: one, or as many as say that another follows.
func Main(table *Table) {
	limitStack()
	ready()
	if !called() {
		warm()
	}
	for again := false; ; again = true {
		c := receive(again)
		if c.pass() {
			continue
		}
		table.serve(&c)
		if !c.stays() {
			return
		}
		c.end()
	}
}

func (t *Table) serve(c *request) {
	value, ok := t.function(c.name)
	if !ok {
		if c.typed() {
			answer(frameRefused, "the package has no plain function "+strconv.Quote(c.name))
			return
		}
		answer(frameDeclined, "no plain function has this name")
		return
	}
	if serveDirect(value, c) {
		return
	}
	f := reflect.ValueOf(value)
	arguments, ok := t.arguments(f, c)
	if !ok {
		return
	}
	results := call(f, arguments)
	values := make([]any, len(results))
	for i, result := range results {
		values[i] = result.Interface()
	}
	finish(c, values, hasError(f.Type()))
}

// arguments builds what the call passes; it has answered already where that cannot be done.
func (t *Table) arguments(f reflect.Value, c *request) ([]reflect.Value, bool) {
	if c.typed() {
		arguments, why := typedArguments(c, f.Type())
		if why != "" {
			answer(frameRefused, why)
		}
		return arguments, why == ""
	}
	arguments, why := literalArguments(t, f.Type(), c.rest)
	if why != "" {
		answer(frameDeclined, why)
	}
	return arguments, why == ""
}

// call makes the call. Variadic arguments arrive as one slice: reflect would make an empty one where
// the compiler passes nil.
func call(f reflect.Value, arguments []reflect.Value) []reflect.Value {
	if f.Type().IsVariadic() {
		return f.CallSlice(arguments)
	}
	return f.Call(arguments)
}

func (t *Table) function(name string) (any, bool) {
	i, ok := slices.BinarySearchFunc(t.Functions, name, func(e Function, name string) int {
		return strings.Compare(e.Name, name)
	})
	if !ok {
		return nil, false
	}
	return t.Functions[i].Value, true
}

// named gives the package's exported type of that name.
func (t *Table) named(name string) (reflect.Type, bool) {
	i, ok := slices.BinarySearchFunc(t.Types, name, func(e Type, name string) int {
		return strings.Compare(e.Name, name)
	})
	if !ok {
		return nil, false
	}
	return reflect.TypeOf(t.Types[i].Pointer).Elem(), true
}

// finish prints the results, or gives them as JSON, and reports that the call returned.
func finish(c *request, values []any, errors ErrorPlace) {
	kind := c.returned()
	if !c.json() {
		printed(kind, values)
		return
	}
	text, why := encodeResults(values, errors)
	if why != "" {
		answer(frameNotJSON, why)
		return
	}
	answer(kind, text)
}

// printed hands out what the call printed: with the answer, or in the pipe where there is something already.
func printed(kind byte, values []any) {
	text := ""
	if len(values) > 0 && kind == frameQuiet {
		text = shown(values)
	} else if len(values) > 0 {
		show(values)
	}
	if len(text) >= frameMax {
		kind = frameResult
		_, _ = os.Stdout.WriteString(text)
		text = ""
	}
	answer(kind, text)
}

// limitStack makes endless recursion Go's own clean fatal error: the default limit, 1 GB, is more than
// a jail has. Growing needs the old and the new stack at once. (The runtime has read GOMEMLIMIT already.)
func limitStack() {
	if limit := debug.SetMemoryLimit(-1); limit > 0 && limit/2 < 1<<30 {
		debug.SetMaxStack(int(limit / 2))
	}
}
