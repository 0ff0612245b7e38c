package driver

// Results are an expression's values. (It has a name because a package called `any` hides that one in
// the generated text.)
type Results = []any

// MainExpression serves an artifact that was made for one expression: a call only says when, and how
// the results are wanted. Nothing is evaluated before it comes, and all of it for each.
func MainExpression(evaluate func() Results, errors ErrorPlace) {
	limitStack()
	ready()
	for again := false; ; again = true {
		c := receive(again)
		if c.pass() {
			continue
		}
		if c.typed() {
			answer(frameRefused, "this program was built for one expression, which takes no arguments")
		} else {
			finish(&c, evaluate(), errors)
		}
		if !c.stays() {
			return
		}
	}
}

// Values collects what fmt.Print would be given, several results of one call included.
func Values(values ...any) Results {
	return values
}
