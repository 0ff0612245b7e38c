package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	source "skyisland/driver"
)

type buildRequest struct {
	Package     string   `json:"package"`
	Name        string   `json:"name"` // as the server has it; the name that the files declare counts
	Standard    bool     `json:"standard"`
	Expression  string   `json:"expression"`
	Imports     []string `json:"imports"`
	Expressions string   `json:"expressions"`
	Cgo         bool     `json:"cgo"`
	Only        []string `json:"only"` // the table has these functions alone
}

type buildReport struct {
	OK        bool     `json:"ok"`
	Name      string   `json:"name"`
	Functions []string `json:"functions,omitempty"`
	Generic   []string `json:"generic,omitempty"`
	Others    []string `json:"others,omitempty"`
}

// builder is one build: the request, what the package exports, and a directory with a main module.
type builder struct {
	request buildRequest
	exports *exports
	work    string // holds the module and go's home
	module  string
	command *goCommand
}

// buildProgram makes a program out of a fetched tree: one that serves the package's functions, or one
// expression.
func buildProgram(request buildRequest, bulk io.Writer) (any, error) {
	work, err := os.MkdirTemp("", "build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	b := &builder{request: request, work: work, module: filepath.Join(work, "module")}
	if err := b.read(); err != nil {
		return nil, err
	}
	var main generator
	if request.Expression != "" {
		main, err = b.expression()
	} else {
		main, err = b.table()
	}
	if err != nil {
		return nil, err
	}
	if err := b.prepare(); err != nil {
		return nil, err
	}
	if err := b.compile(main); err != nil {
		return nil, err
	}
	report := &buildReport{OK: true, Name: b.exports.name}
	if table, ok := main.(*table); ok {
		report.Functions = table.functions
		report.Generic = b.exports.generic
		report.Others = b.exports.others
		report.bound()
	}
	program, err := os.ReadFile(b.program())
	if err != nil {
		return nil, err
	}
	_, err = bulk.Write(program) // in one: the kernel then keeps it in large pieces, which map faster
	return report, err
}

// bound keeps the report below its limit: the names of functions matter most.
func (r *buildReport) bound() {
	size := 0
	for _, list := range []*[]string{&r.Functions, &r.Generic, &r.Others} {
		for i, name := range *list {
			if size += len(name) + 8; size > reportMax*3/4 {
				*list = (*list)[:i]
				break
			}
		}
	}
}

// read finds the package's directory and what it exports.
func (b *builder) read() error {
	name := b.request.Package
	if !fs.ValidPath(name) || name == "." {
		return fail("bad_package", faultInput, "%q is not an import path", name)
	}
	dir := filepath.Join(tree(), "vendor", filepath.FromSlash(name))
	if b.request.Standard {
		if !importable(name) {
			p := fail("package_not_found", faultNotFound, "there is no standard package %s", name)
			p.Nearest = nearest(name, standardPackages())
			return p
		}
		dir = standardDirectory(name)
	}
	if _, err := os.Stat(dir); err != nil {
		return fail("package_not_found", faultNotFound, "%s is not in the fetched tree", name)
	}
	var err error
	b.exports, err = inspect(name, dir, b.request.Cgo)
	if err != nil {
		return err
	}
	if b.exports.name == "main" {
		return fail("package_main", faultNotFound, "%s is a program (package main), not a package with functions to call", name)
	}
	return nil
}

func tree() string {
	if dir := os.Getenv("SKY_SOURCE"); dir != "" {
		return dir
	}
	return defaultTree
}

// prepare lays out the main module: the fetched tree's requirements and vendor directory, and the
// driver as a package of it.
func (b *builder) prepare() error {
	if err := writeModule(b.module); err != nil {
		return err
	}
	if !b.request.Standard {
		if err := b.adopt(); err != nil {
			return err
		}
	}
	if err := writeDriver(b.module); err != nil {
		return err
	}
	freshenCache()
	var err error
	b.command, err = newGo(b.module, filepath.Join(b.work, "home"), b.request.Cgo)
	if err == nil {
		b.command.set("GOPROXY=off", "GOFLAGS=")
	}
	return err
}

// adopt takes the fetched tree over: go.mod is copied, since go looks for the module where that is, and
// vendor is linked, since it can be large.
func (b *builder) adopt() error {
	text, err := os.ReadFile(filepath.Join(tree(), "go.mod"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.module, "go.mod"), text, 0o644); err != nil {
		return err
	}
	return os.Symlink(filepath.Join(tree(), "vendor"), filepath.Join(b.module, "vendor"))
}

// writeDriver writes the text of package driver, which this program carries.
func writeDriver(module string) error {
	if err := os.MkdirAll(filepath.Join(module, "driver"), 0o755); err != nil {
		return err
	}
	files, err := source.Driver.ReadDir("driver")
	if err != nil {
		return err
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		text, err := source.Driver.ReadFile(path.Join("driver", file.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(module, "driver", file.Name()), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// freshenCache keeps go from trimming its cache: the walk costs time, and in a jail the cache is thrown
// away. Where it cannot be written go may trim, which harms nothing.
func freshenCache() {
	if cache := os.Getenv("GOCACHE"); cache != "" {
		now := strconv.FormatInt(time.Now().Unix(), 10)
		_ = os.WriteFile(filepath.Join(cache, "trim.txt"), []byte(now), 0o644)
	}
}

// generator writes the main package. Where the compiler refuses it, retry may change it once more.
type generator interface {
	generate() string
	retry(words string) bool
}

// attempts bounds how often a main package is changed and compiled again.
const attempts = 4

func (b *builder) compile(main generator) error {
	for attempt := 1; ; attempt++ {
		file := filepath.Join(b.module, "main.go")
		if err := os.WriteFile(file, []byte(main.generate()), 0o644); err != nil {
			return err
		}
		_, words, err := b.command.run(b.arguments()...)
		if err == nil {
			return nil
		}
		if platform(err) {
			return err
		}
		if attempt == attempts || !main.retry(words) {
			return b.refused(words)
		}
	}
}

func (b *builder) arguments() []string {
	arguments := slices.Concat([]string{"build"}, buildFlags, []string{mainFlags, "-ldflags=-s -w", "-o", b.program()})
	if b.request.Standard {
		return append(arguments, "-mod=readonly", ".")
	}
	return append(arguments, "-mod=vendor", ".")
}

func (b *builder) program() string { return filepath.Join(b.work, "program") }

// mainFlags are for the main package alone: what is for a debugger would not be linked.
const mainFlags = "-gcflags=-dwarf=false"

// buildFlags are those that decide what the cache holds.
var buildFlags = []string{"-trimpath", "-buildvcs=false"}

var (
	vendorPath  = regexp.MustCompile(`(?m)^(\.\./)*vendor/`)
	ourPosition = regexp.MustCompile(`(?m)^(\./)?main\.go:\d+:(\d+:)? `)
	callPath    = regexp.MustCompile(`(?m)^(\./)?call:`)
	printed     = regexp.MustCompile(`\bsky[0-9]*\.Values\b`)
)

// refused says what the compiler said, without what is ours in it.
func (b *builder) refused(words string) error {
	words = clean(words, b.module)
	words = vendorPath.ReplaceAllString(words, "")
	words = ourPosition.ReplaceAllString(words, "")
	words = callPath.ReplaceAllString(words, "call:")
	words = printed.ReplaceAllString(words, "fmt.Print")
	if words == "" {
		words = "the compiler does not say why"
	}
	if strings.Contains(words, "use of internal package") {
		return fail("package_internal", faultNotFound, "%s cannot be imported by others: %s", b.request.Package, words)
	}
	if b.exports.cgo {
		words += fmt.Sprintf("\n%s has files that need cgo, which is off here", b.request.Package)
	}
	return fail("compile_error", faultFunction, "%s", words)
}
