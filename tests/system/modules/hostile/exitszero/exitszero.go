// Package exitszero misbehaves before it is called.
package exitszero

import (
	"fmt"
	"os"
	"strings"
)

var _, _, _ = fmt.Print, os.Exit, strings.Repeat

func init() {
	fmt.Print("bye")
	os.Exit(0)
}

// F would be the call.
func F() string { return "called" }
