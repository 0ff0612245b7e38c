// Package broken has a function without a body among good ones, and a constraint among types.
package broken

import "example.invalid/kinds"

// Limits is a constraint that does not look like one.
type Limits kinds.Number

// Missing has no body.
func Missing(n int) int

// Fine is fine.
func Fine(n int) int { return n + 1 }
