// Package floods misbehaves before it is called.
package floods

import (
	"fmt"
	"os"
	"strings"
)

var _, _, _ = fmt.Print, os.Exit, strings.Repeat

func init() {
	for {
		fmt.Print(strings.Repeat("i", 65536))
	}
}

// F would be the call.
func F() string { return "called" }
