// Package noisy writes while it is initialised.
package noisy

import (
	"fmt"
	"os"
)

var table = make(map[int]string)

func init() {
	fmt.Println("initialising")
	fmt.Fprintln(os.Stderr, "to stderr")
	for i := range 10 {
		table[i] = fmt.Sprint("entry ", i)
	}
}

// Entry looks one up.
func Entry(i int) string { return table[i] }
