// Package panics misbehaves before it is called.
package panics

import (
	"fmt"
	"os"
	"strings"
)

var _, _, _ = fmt.Print, os.Exit, strings.Repeat

func init() {
	panic("in init")
}

// F would be the call.
func F() string { return "called" }
