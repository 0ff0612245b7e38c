package difftest

import (
	"errors"
	"fmt"
	"go/parser"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// truths are the compiled mains of many calls in one program: the first argument chooses which. What
// the compiler refuses is found by its own words: a call stands on a line of its own.
type truths struct {
	program string
	calls   []string
	imports map[string]string
	batched bool
	results map[int]string // of calls made in one process
	wrong   map[int]string // what the compiler says about calls that it refuses
}

const firstCall = 4

func (p *pkg) truths(t *testing.T, calls []string, imports map[string]string, batched bool) *truths {
	t.Helper()
	truth := &truths{calls: calls, imports: imports, batched: batched, wrong: map[int]string{}}
	for i, call := range calls {
		if strings.Contains(call, "\n") {
			t.Fatalf("%q has more than one line", call)
		}
		if _, err := parser.ParseExpr(call); err != nil {
			truth.wrong[i] = err.Error()
		}
	}
	dir, err := os.MkdirTemp(scratch, "truth-")
	if err != nil {
		t.Fatal(err)
	}
	p.module(t, dir)
	truth.program = filepath.Join(dir, "program")
	statements := map[int]bool{}
	for attempt := 0; ; attempt++ {
		write(t, filepath.Join(dir, "main.go"), truth.source(p, statements))
		words, ok := p.compile(dir, truth.program)
		if ok && batched {
			truth.runAll(t)
		}
		if ok {
			return truth
		}
		if attempt == 6 || !truth.learn(words, statements) {
			t.Fatalf("the truth of %s does not build: %s", p.path, words)
		}
	}
}

func (p *pkg) module(t *testing.T, dir string) {
	t.Helper()
	if p.standard {
		write(t, filepath.Join(dir, "go.mod"), "module sky-island.invalid/artifact\n\ngo 1.26\n")
		return
	}
	text, err := os.ReadFile(filepath.Join(p.tree, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), string(text))
	if err := os.Symlink(filepath.Join(p.tree, "vendor"), filepath.Join(dir, "vendor")); err != nil {
		t.Fatal(err)
	}
}

func (p *pkg) compile(dir, program string) (words string, ok bool) {
	mode := "-mod=vendor"
	if p.standard {
		mode = "-mod=readonly"
	}
	c := exec.Command("go", "build", mode, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-gcflags=-e", "-o", program, ".")
	c.Dir = dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
	output, err := c.CombinedOutput()
	return string(output), err == nil
}

// source has a function a call, each on its own line.
func (truth *truths) source(p *pkg, statements map[int]bool) string {
	var out strings.Builder
	// The names are none that a package under test has: one is called fmt.
	imports := "std_fmt \"fmt\"; std_os \"os\""
	for name, path := range truth.imports {
		imports += fmt.Sprintf("; %s %q", name, path)
	}
	if len(truth.wrong) < len(truth.calls) {
		imports += fmt.Sprintf("; %s %q", p.name, p.path)
	}
	fmt.Fprintf(&out, "package main\nimport (%s)\n\n", imports)
	for i, call := range truth.calls {
		switch {
		case truth.wrong[i] != "":
			out.WriteString("\n")
		case statements[i]:
			fmt.Fprintf(&out, "func c%d() { %s.%s }\n", i, p.name, bare(call))
		default:
			fmt.Fprintf(&out, "func c%d() { std_fmt.Print(%s.%s) }\n", i, p.name, bare(call))
		}
	}
	out.WriteString("func main() {\n\tswitch std_os.Args[1] {\n")
	for i := range truth.calls {
		if truth.wrong[i] == "" {
			fmt.Fprintf(&out, "\tcase \"%d\":\n\t\tc%d()\n", i, i)
		}
	}
	out.WriteString("\t}\n}\n")
	truth.batchSource(&out)
	out.WriteString("var _ = std_fmt.Print\n")
	for name, used := range truth.imports {
		fmt.Fprintf(&out, "var _ = %s.%s\n", name, anyOf[used])
	}
	return out.String()
}

// bare cuts a comment off a call's end: here, what follows stands on the same line.
func bare(call string) string {
	before, _, _ := strings.Cut(call, " // ")
	return before
}

// batchSource adds a function that makes every call in one process, each behind a NUL and its number;
// only calls that neither print nor panic may be made so.
func (truth *truths) batchSource(out *strings.Builder) {
	if !truth.batched {
		return
	}
	out.WriteString("func init() {\n\tif std_os.Args[1] != \"all\" {\n\t\treturn\n\t}\n")
	for i := range truth.calls {
		if truth.wrong[i] == "" {
			fmt.Fprintf(out, "\tstd_fmt.Print(\"\\x00%d \")\n\tc%d()\n", i, i)
		}
	}
	out.WriteString("\tstd_os.Exit(0)\n}\n")
}

// runAll makes every call that compiles, in one process.
func (truth *truths) runAll(t *testing.T) {
	t.Helper()
	c, stdout, stderr := command(truth.program, "all")
	if err := c.Run(); err != nil {
		t.Fatalf("the truths: %v\n%s", err, stderr)
	}
	truth.results = map[int]string{}
	for _, entry := range strings.Split(stdout.String(), "\x00")[1:] {
		number, text, _ := strings.Cut(entry, " ")
		i, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		truth.results[i] = text
	}
}

// anyOf has a name of each standard package that calls here use.
var anyOf = map[string]string{"time": "Now", "strings": "ToUpper", "math/rand": "Int", "os": "Args", "math": "Pi", "errors": "New"}

var refusedLine = regexp.MustCompile(`(?m)^(?:\./)?main\.go:(\d+):(?:\d+:)? (.*)$`)

// learn takes from the compiler's words which calls it refuses, and which have no value.
func (truth *truths) learn(words string, statements map[int]bool) bool {
	learnt := false
	for _, match := range refusedLine.FindAllStringSubmatch(words, -1) {
		line, err := strconv.Atoi(match[1])
		i := line - firstCall
		if err != nil || i < 0 || i >= len(truth.calls) {
			continue
		}
		learnt = true
		if strings.Contains(match[2], "(no value) used as value") && !statements[i] {
			statements[i] = true
		} else {
			truth.wrong[i] = match[2]
		}
	}
	return learnt
}

// run gives the outcome of one call; ok is false where it does not compile.
func (truth *truths) run(i int) (o outcome, ok bool) {
	if truth.wrong[i] != "" {
		return outcome{}, false
	}
	if truth.batched {
		return outcome{stdout: truth.results[i], status: "exit 0"}, true
	}
	c, stdout, stderr := command(truth.program, strconv.Itoa(i))
	err := c.Start()
	if err == nil {
		timer := time.AfterFunc(runTimeout, func() { _ = c.Process.Kill() })
		err = c.Wait()
		timer.Stop()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return outcome{status: err.Error()}, true
	}
	return newOutcome(c, err, stdout.String(), stderr.String()), true
}
