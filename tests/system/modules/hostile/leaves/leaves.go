// Package leaves goes on working while it waits for its call.
package leaves

func init() {
	go func() {
		for {
		}
	}()
}

// F is the call.
func F() string { return "called" }
