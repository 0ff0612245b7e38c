package driver

// Results are an expression's values. (It has a name because a package called `any` hides that one in
// the generated text.)
type Results = []any

// MainExpression serves an artifact that was made for one expression: the call only says when, and how
// the results are wanted. Nothing is evaluated before it comes.
func MainExpression(evaluate func() Results, errors ErrorPlace) {
	limitStack()
	ready()
	c := receive()
	if c.typed() {
		answer(frameRefused, "this program was built for one expression, which takes no arguments")
		return
	}
	finish(c, evaluate(), errors)
}

// Values collects what fmt.Print would be given, several results of one call included.
func Values(values ...any) Results {
	return values
}
