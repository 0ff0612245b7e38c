// Package loops misbehaves before it is called.
package loops

import (
	"fmt"
	"os"
	"strings"
)

var _, _, _ = fmt.Print, os.Exit, strings.Repeat

func init() {
	for {
	}
}

// F would be the call.
func F() string { return "called" }
