// Package exits misbehaves before it is called.
package exits

import (
	"fmt"
	"os"
	"strings"
)

var _, _, _ = fmt.Print, os.Exit, strings.Repeat

func init() {
	os.Exit(3)
}

// F would be the call.
func F() string { return "called" }
