// Package prints misbehaves before it is called.
package prints

import (
	"fmt"
	"os"
	"strings"
)

var _, _, _ = fmt.Print, os.Exit, strings.Repeat

func init() {
	fmt.Print(strings.Repeat("i", 200000))
}

// F would be the call.
func F() string { return "called" }
