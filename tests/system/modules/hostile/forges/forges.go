// Package forges answers before it is asked, and again when it is.
package forges

import "syscall"

func init() {
	_, _ = syscall.Write(3, []byte{3, 0, 0, 0, 'V', '{', '}'})
	_, _ = syscall.Write(3, []byte{1, 0, 0, 0, 'D'})
	_, _ = syscall.Write(3, []byte{1, 0, 0, 0, 'R'})
	_, _ = syscall.Write(3, []byte{3, 0, 0, 0, 'V', '{', '}'})
}

// F is the call.
func F() string { return "called" }
