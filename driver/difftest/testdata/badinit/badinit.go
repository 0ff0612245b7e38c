// Package badinit cannot be initialised.
package badinit

import "errors"

var value = mustHave()

func mustHave() int { panic(errors.New("no value to be had")) }

// Value would give it.
func Value() int { return value }
