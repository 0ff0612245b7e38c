package difftest

import (
	"math/rand/v2"
	"regexp"
	"runtime"
	"sync"
	"testing"
)

// trial is a set of calls of one package, and what may be expected of them.
type trial struct {
	pkg     *pkg
	calls   []string
	imports map[string]string
	pure    bool // no call prints, panics or exits
	must    bool // each has to be served as a literal, or not to compile
	sample  int  // of the calls that are declined and compile: so many are built as expressions; -1 all
	refused int  // of those that do not compile: so many are built; -1 all
}

// tally counts how calls were served.
type tally struct {
	literal, declined, expression, wrong int
	built, builtWrong                    int
}

// verify runs every call both ways.
func (tr *trial) verify(t *testing.T) tally {
	t.Helper()
	if tr.pkg.artifact == "" {
		tr.pkg.build(t)
	}
	truth := tr.pkg.truths(t, tr.calls, tr.imports, tr.pure)
	literals := encode(t, tr.calls)
	served := make([]bool, len(tr.calls))
	wants := make([]outcome, len(tr.calls))
	var count tally
	var lock sync.Mutex
	parallel(len(tr.calls), func(i int) {
		want, compiles := truth.run(i)
		wants[i] = want
		how := tr.literal(t, i, literals[i], want, compiles)
		lock.Lock()
		defer lock.Unlock()
		switch {
		case how == byLiteral:
			served[i] = true
			count.literal++
		case !compiles:
			count.wrong++
		case how == byDecline:
			count.declined++
		default:
			count.expression++
		}
	})
	tr.expressions(t, truth, served, wants, &count)
	return count
}

const (
	byLiteral = iota
	byDecline
	byExpression
)

// literal runs one call as the driver's table does.
func (tr *trial) literal(t *testing.T, i int, l literal, want outcome, compiles bool) int {
	call := tr.calls[i]
	if l.refused != "" {
		if compiles {
			t.Errorf("%s: refused by the parser (%s), but it compiles", call, l.refused)
		}
		return byExpression
	}
	if !l.ok {
		if tr.must && compiles {
			t.Errorf("%s: has to be a literal call", call)
		}
		return byExpression
	}
	got := drive(t, tr.pkg.artifact, 0, 0, l.name, l.nodes)
	switch {
	case got.frame == 'D':
		if tr.must && compiles {
			t.Errorf("%s: declined: %s", call, got.payload)
		}
		return byDecline
	case !compiles:
		t.Errorf("%s: does not compile, but the driver made it\ngot  %v", call, got)
	case got.outcome != want:
		t.Errorf("%s\ngot  %v\nwant %v", call, got.outcome, want)
	}
	return byLiteral
}

// expressions builds what was not served as a literal, as far as asked for: others each time.
func (tr *trial) expressions(t *testing.T, truth *truths, served []bool, wants []outcome, count *tally) {
	t.Helper()
	sample, refused := tr.sample, tr.refused
	var chosen []int
	for _, i := range rand.Perm(len(tr.calls)) {
		left := &sample
		if truth.wrong[i] != "" {
			left = &refused
		}
		if served[i] || *left == 0 {
			continue
		}
		*left--
		chosen = append(chosen, i)
		count.built++
		if truth.wrong[i] != "" {
			count.builtWrong++
		}
	}
	parallel(len(chosen), func(n int) {
		i := chosen[n]
		tr.expression(t, tr.calls[i], truth.wrong[i], wants[i])
	})
}

// address is a function's: no two programs have it in the same place.
var address = regexp.MustCompile(`0x[0-9a-f]{6,}`)

func (tr *trial) expression(t *testing.T, call, wrong string, want outcome) {
	r, program := tr.pkg.expression(t, call)
	switch {
	case wrong != "":
		if r.OK || r.Code != "compile_error" && r.Code != "not_an_expression" && r.Code != "function_not_found" {
			t.Errorf("%s: the tool says %t %s %s; the compiler: %s", call, r.OK, r.Code, r.Detail, wrong)
		}
	case !r.OK:
		t.Errorf("%s: the tool says %s: %s; but it compiles", call, r.Code, r.Detail)
	default:
		got := drive(t, program, 0, 0, "", nil).outcome
		got.stdout = address.ReplaceAllString(got.stdout, "0x?")
		want.stdout = address.ReplaceAllString(want.stdout, "0x?")
		if got != want {
			t.Errorf("%s, as an expression\ngot  %v\nwant %v", call, got, want)
		}
	}
}

// parallel runs work for each index, on a few goroutines more than there are processors: the programs
// mostly wait for each other.
func parallel(n int, work func(int)) {
	var group sync.WaitGroup
	next := make(chan int)
	for range 2 * runtime.NumCPU() {
		group.Go(func() {
			for i := range next {
				work(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
}
