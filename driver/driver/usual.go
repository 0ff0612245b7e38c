package driver

// usual makes the call of f where that is of one of the types that most functions have; false: it is not.
// Arguments are taken from left to right. (The generated main could have cases for all types that functions of
// its package have; but the compiler took a millisecond for each at every build, and they save a call little.)
func (d *direct) usual(f any) bool {
	switch f := f.(type) {
	case func() string:
		if d.ready() {
			d.returned(f())
		}
	case func() int:
		if d.ready() {
			d.returned(f())
		}
	case func() bool:
		if d.ready() {
			d.returned(f())
		}
	case func() (string, error):
		if d.ready() {
			d.returned(f())
		}
	case func(string) string:
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) int:
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) bool:
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) float64:
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) []string:
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) error:
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) (string, error):
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) (int, error):
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) (bool, error):
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string) (float64, error):
		if a := d.string(); d.ready() {
			d.returned(f(a))
		}
	case func(string, string) string:
		if a, b := d.string(), d.string(); d.ready() {
			d.returned(f(a, b))
		}
	case func(string, string) int:
		if a, b := d.string(), d.string(); d.ready() {
			d.returned(f(a, b))
		}
	case func(string, string) bool:
		if a, b := d.string(), d.string(); d.ready() {
			d.returned(f(a, b))
		}
	case func(string, string) []string:
		if a, b := d.string(), d.string(); d.ready() {
			d.returned(f(a, b))
		}
	case func(string, string) (string, error):
		if a, b := d.string(), d.string(); d.ready() {
			d.returned(f(a, b))
		}
	case func(string, string, string) string:
		if a, b, c := d.string(), d.string(), d.string(); d.ready() {
			d.returned(f(a, b, c))
		}
	case func(string, int) string:
		if a, b := d.string(), d.int(); d.ready() {
			d.returned(f(a, b))
		}
	case func(int) string:
		if a := d.int(); d.ready() {
			d.returned(f(a))
		}
	case func(int) int:
		if a := d.int(); d.ready() {
			d.returned(f(a))
		}
	case func(int) bool:
		if a := d.int(); d.ready() {
			d.returned(f(a))
		}
	case func(int) (string, error):
		if a := d.int(); d.ready() {
			d.returned(f(a))
		}
	case func(int, int) int:
		if a, b := d.int(), d.int(); d.ready() {
			d.returned(f(a, b))
		}
	case func(int64) string:
		if a := d.int64(); d.ready() {
			d.returned(f(a))
		}
	case func(uint64) string:
		if a := d.uint64(); d.ready() {
			d.returned(f(a))
		}
	case func(float64) float64:
		if a := d.float64(); d.ready() {
			d.returned(f(a))
		}
	case func(float64) string:
		if a := d.float64(); d.ready() {
			d.returned(f(a))
		}
	case func(float64) bool:
		if a := d.float64(); d.ready() {
			d.returned(f(a))
		}
	case func(float64, float64) float64:
		if a, b := d.float64(), d.float64(); d.ready() {
			d.returned(f(a, b))
		}
	case func(float64, float64) string:
		if a, b := d.float64(), d.float64(); d.ready() {
			d.returned(f(a, b))
		}
	case func(float64, float64, float64, float64) float64:
		if a, b, c, e := d.float64(), d.float64(), d.float64(), d.float64(); d.ready() {
			d.returned(f(a, b, c, e))
		}
	case func(float64, int) float64:
		if a, b := d.float64(), d.int(); d.ready() {
			d.returned(f(a, b))
		}
	case func(float64, int) string:
		if a, b := d.float64(), d.int(); d.ready() {
			d.returned(f(a, b))
		}
	case func(any) string:
		if a := d.any(); d.ready() {
			d.returned(f(a))
		}
	case func(any) int:
		if a := d.any(); d.ready() {
			d.returned(f(a))
		}
	case func(any) bool:
		if a := d.any(); d.ready() {
			d.returned(f(a))
		}
	case func(any) float64:
		if a := d.any(); d.ready() {
			d.returned(f(a))
		}
	case func(any) (string, error):
		if a := d.any(); d.ready() {
			d.returned(f(a))
		}
	case func(any) (int, error):
		if a := d.any(); d.ready() {
			d.returned(f(a))
		}
	case func([]byte) string:
		if a := d.bytes(); d.ready() {
			d.returned(f(a))
		}
	case func([]byte) []byte:
		if a := d.bytes(); d.ready() {
			d.returned(f(a))
		}
	case func([]byte) (string, error):
		if a := d.bytes(); d.ready() {
			d.returned(f(a))
		}
	case func([]string) string:
		if a := d.strings(); d.ready() {
			d.returned(f(a))
		}
	case func([]string, string) string:
		if a, b := d.strings(), d.string(); d.ready() {
			d.returned(f(a, b))
		}
	case func(string, ...string) string:
		if a, b := d.string(), more(d, (*direct).string); d.ready() {
			d.returned(f(a, b...))
		}
	case func(...string) string:
		if a := more(d, (*direct).string); d.ready() {
			d.returned(f(a...))
		}
	case func(...int) int:
		if a := more(d, (*direct).int); d.ready() {
			d.returned(f(a...))
		}
	case func():
		if d.ready() {
			f()
		}
	default:
		return false
	}
	return true
}
