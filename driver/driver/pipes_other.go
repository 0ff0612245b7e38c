//go:build !linux

package driver

// empty cannot be known here: every answer says that something may be in the pipes.
func empty(uintptr) bool { return false }
