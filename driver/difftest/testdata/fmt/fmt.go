// Package fmt has the name of a standard package, and a name that the tool writes too.
package fmt

import "strings"

// Results has the driver's name for something else.
type Results struct{ N int }

// Sprint is no standard one.
func Sprint(x string) string { return "our " + x }

// Take takes one of our types.
func Take(r Results) int { return r.N }

// Upper is here for function values of other packages.
func Upper(f func(string) string, s string) string { return strings.TrimSpace(f(s)) }
