// Package exitinit ends the program before it begins.
package exitinit

import (
	"fmt"
	"os"
)

func init() {
	fmt.Println("good bye")
	os.Exit(3)
}

// Value is never reached.
func Value() int { return 1 }
