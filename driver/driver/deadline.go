package driver

import (
	"context"
	"sync"
	"time"
)

// deadline is the context of a call. What it needs a timer for is made when it is first asked for: while a
// timer is left, even a stopped one, the runtime finds no deadlock, and most functions only look at the
// deadline or pass it on.
type deadline struct {
	at     time.Time
	once   sync.Once
	inner  context.Context
	cancel context.CancelFunc
}

// context is the one that ends at the call's deadline, or with the call where the program outlives it.
func (c *request) context() context.Context {
	if c.timeout == 0 {
		return context.Background()
	}
	d := &deadline{at: time.Now().Add(time.Duration(c.timeout))}
	c.ends = d
	return d
}

// end lets go of what the call had for itself alone.
func (c *request) end() {
	if c.ends == nil {
		return
	}
	c.ends.once.Do(func() { c.ends.inner, c.ends.cancel = context.WithCancel(context.Background()) })
	c.ends.cancel()
}

func (d *deadline) context() context.Context {
	d.once.Do(func() { d.inner, d.cancel = context.WithDeadline(context.Background(), d.at) })
	return d.inner
}

func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }
func (d *deadline) Done() <-chan struct{}       { return d.context().Done() }
func (d *deadline) Err() error                  { return d.context().Err() }
func (d *deadline) Value(key any) any           { return d.context().Value(key) }
