package main

import (
	"fmt"
	"go/build"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

type fetchRequest struct {
	Package string `json:"package"`
	Version string `json:"version"`

	Git *gitRequest `json:"git,omitempty"` // a plain repository; the package is its url, the version a ref
}

type fetchReport struct {
	OK      bool   `json:"ok"`
	Module  string `json:"module"`
	Version string `json:"version"`
	Sum     string `json:"sum"`
	Package string `json:"package"`
	Name    string `json:"name"`
	Cgo     bool   `json:"cgo"`    // some of its files need cgo
	Pinned  bool   `json:"pinned"` // of git: the version asked for means the same for ever
}

// fetchTree makes a module of ours that requires the package, and vendors what it needs. `go get` finds the
// module, its version and what it depends on; checksums are verified as the environment says.
func fetchTree(request fetchRequest, bulk io.Writer) (any, error) {
	if request.Git != nil {
		return fetchRepository(request, bulk)
	}
	if err := checkPackage(request.Package); err != nil {
		return nil, err
	}
	if err := checkVersion(request.Version); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "fetch-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	f, err := newFetcher(request, work)
	if err != nil {
		return nil, err
	}
	if err := f.get(); err != nil {
		return nil, err
	}
	report, err := f.inspect()
	if err != nil {
		return nil, err
	}
	return report, pack(bulk, f.tree, "go.mod", "go.sum", "vendor")
}

func newFetcher(request fetchRequest, work string) (*fetcher, error) {
	f := &fetcher{request: request, tree: filepath.Join(work, "tree")}
	var err error
	if f.command, err = newGo(f.tree, work, false); err != nil {
		return nil, err
	}
	f.command.set("GOPROXY=" + proxies(os.Getenv("GOPROXY")))
	f.command.with("GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE",
		"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR")
	f.command.set("GOFLAGS=-mod=mod -modcacherw")
	return f, nil
}

// proxies leaves `direct` out of a list that has proxies: it would run git, which a fetch jail has not,
// and go's last word would be about that instead of the module.
func proxies(list string) string {
	if list == "" {
		return "direct"
	}
	var kept strings.Builder
	for rest := list; rest != ""; {
		end := strings.IndexAny(rest, ",|")
		if end < 0 {
			end = len(rest) - 1
		}
		if name := strings.Trim(rest[:end+1], " ,|"); name != "direct" {
			kept.WriteString(rest[:end+1])
		}
		rest = rest[end+1:]
	}
	if text := strings.TrimRight(kept.String(), ",|"); text != "" {
		return text
	}
	return list
}

type fetcher struct {
	request  fetchRequest
	tree     string
	replaced string // of git: the module's directory
	command  *goCommand
}

func (f *fetcher) get() error {
	if err := writeModule(f.tree); err != nil {
		return err
	}
	if err := f.use(); err != nil {
		return err
	}
	if _, words, err := f.command.run("get", "--", f.request.Package+"@"+f.request.Version); err != nil {
		return f.explain(words, err)
	}
	if _, words, err := f.command.run("mod", "vendor"); err != nil {
		return f.explain(words, err)
	}
	return nil
}

// use imports the package, so that go has a reason to bring it.
func (f *fetcher) use() error {
	use := fmt.Sprintf("package main\n\nimport _ %q\n\nfunc main() {}\n", f.request.Package)
	return os.WriteFile(filepath.Join(f.tree, "main.go"), []byte(use), 0o644)
}

// writeModule begins a module of ours. Its Go version is the toolchain's own, so that no dependency can
// ask for a change of it, which would compile the driver anew.
func writeModule(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text := "module " + modulePath + "\n\ngo " + strings.TrimPrefix(runtime.Version(), "go") + "\n"
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644)
}

// inspect tells what was fetched from what go left behind: no further run of go.
func (f *fetcher) inspect() (*fetchReport, error) {
	module, version, err := f.vendored()
	if err != nil {
		return nil, err
	}
	report := &fetchReport{OK: true, Module: module, Version: version, Package: f.request.Package}
	if report.Sum, err = f.sum(module, version); err != nil {
		return nil, err
	}
	return report, f.describe(report)
}

// describe says what package it is, from its vendored files.
func (f *fetcher) describe(report *fetchReport) error {
	context := build.Default
	context.CgoEnabled = true
	p, err := context.ImportDir(filepath.Join(f.tree, "vendor", filepath.FromSlash(f.request.Package)), 0)
	if err := unreadable(f.request.Package, p, err); err != nil {
		return err
	}
	if p.Name == "main" {
		return fail("package_main", faultNotFound,
			"%s is a program (package main): only packages that others can import have functions to call",
			f.request.Package)
	}
	report.Name = p.Name
	report.Cgo = len(p.CgoFiles) > 0
	return nil
}

// vendored finds the package in vendor/modules.txt: lines "# module version", then its packages.
func (f *fetcher) vendored() (module, version string, err error) {
	text, err := os.ReadFile(filepath.Join(f.tree, "vendor/modules.txt"))
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if fields := strings.Fields(line); strings.HasPrefix(line, "# ") && len(fields) == 3 {
			module, version = fields[1], fields[2]
		}
		if line == f.request.Package {
			return module, version, nil
		}
	}
	return "", "", fail("package_not_found", faultNotFound, "%s was not among what go fetched", f.request.Package)
}

func (f *fetcher) sum(module, version string) (string, error) {
	text, err := os.ReadFile(filepath.Join(f.tree, "go.sum"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if sum, ok := strings.CutPrefix(strings.TrimSpace(line), module+" "+version+" "); ok {
			return sum, nil
		}
	}
	return "", fmt.Errorf("no checksum of %s@%s in go.sum", module, version)
}

var pathElement = regexp.MustCompile(`^[A-Za-z0-9_~+][A-Za-z0-9._~+-]*$`)

// checkPackage refuses what no import path of a module is, before go sees it.
func checkPackage(name string) error {
	bad := func(why string) error {
		return fail("bad_package", faultInput, "%q is not an import path: %s", name, why)
	}
	if name == "" || len(name) > 512 {
		return bad("it is empty or too long")
	}
	elements := strings.Split(name, "/")
	for _, element := range elements {
		if !pathElement.MatchString(element) || strings.Contains(element, "..") || strings.HasSuffix(element, ".") {
			return bad(fmt.Sprintf("%q is not an element of one", element))
		}
	}
	if !strings.Contains(elements[0], ".") {
		return bad("its first element has no dot, so that it names no host")
	}
	if slices.Contains(elements, "internal") {
		return fail("package_internal", faultNotFound,
			"%s is internal to its module: Go lets no other module import it; call a package that is not below \"internal\"", name)
	}
	return nil
}

var versionText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+/~-]*$`)

func checkVersion(version string) error {
	switch {
	case len(version) > 256 || !versionText.MatchString(version) || strings.Contains(version, ".."):
		return fail("bad_version", faultInput, "%q is not a version: give a tag, branch, commit or latest", version)
	case version == "none" || version == "upgrade" || version == "patch":
		return fail("bad_version", faultInput, "the go command gives %q a meaning of its own: give a tag, commit or latest", version)
	}
	return nil
}

// nearestFetched names packages of the module of the package's own path, whatever its version.
func (f *fetcher) nearestFetched() []string {
	above := filepath.Join(filepath.Dir(f.tree), "go/pkg/mod", filepath.FromSlash(escape(f.request.Package)))
	for _, dir := range globbed(above + "@*") {
		return f.nearestPackages(f.request.Package, strings.TrimPrefix(dir, above+"@"))
	}
	return nil
}

func globbed(pattern string) []string {
	found, _ := filepath.Glob(pattern)
	return found
}

// nearestPackages names packages of a module that go has just downloaded.
func (f *fetcher) nearestPackages(module, version string) []string {
	found := packagesIn(filepath.Join(filepath.Dir(f.tree), "go/pkg/mod", filepath.FromSlash(escape(module)+"@"+escape(version))), module)
	if near := nearest(f.request.Package, found); len(near) > 0 {
		return near
	}
	return found[:min(nearestMax, len(found))]
}

// packagesIn names the packages below a directory that is called module.
func packagesIn(root, module string) []string {
	var found []string
	_ = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != root && (name == "internal" || name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_') {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			below, _ := filepath.Rel(root, filepath.Dir(file))
			found = append(found, strings.TrimSuffix(module+"/"+filepath.ToSlash(below), "/."))
		}
		return nil
	})
	return slices.Compact(found)
}

// escape writes upper case as the module cache does.
func escape(text string) string {
	var out strings.Builder
	for _, r := range text {
		if 'A' <= r && r <= 'Z' {
			out.WriteByte('!')
			r += 'a' - 'A'
		}
		out.WriteRune(r)
	}
	return out.String()
}
