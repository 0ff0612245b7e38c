package main

import (
	"bufio"
	"bytes"
	"encoding/json"
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
)

// fetchRepository makes the same tree of a plain git repository that fetchTree makes of a module: a module
// of ours that requires the repository's, replaced by the fetched directory, and all it needs vendored.
func fetchRepository(request fetchRequest, bulk io.Writer) (any, error) {
	work, err := os.MkdirTemp("", "fetch-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	commit, pinned, err := clone(request, work)
	if err != nil {
		return nil, err
	}
	f, err := newFetcher(request, work)
	if err != nil {
		return nil, err
	}
	f.replaced = filepath.Join(work, "repository")
	if err := f.adopt(commit); err != nil {
		return nil, err
	}
	report := &fetchReport{OK: true, Module: displayed(request.Git), Version: commit, Sum: "git:" + commit,
		Package: f.request.Package, Pinned: pinned}
	if err := f.describe(report); err != nil {
		return nil, err
	}
	return report, pack(bulk, f.tree, "go.mod", "go.sum", "vendor")
}

// clone brings the files of what the request names to work/repository. Nothing of git's is left then.
func clone(request fetchRequest, work string) (commit string, pinned bool, err error) {
	if !refText.MatchString(request.Version) || strings.Contains(request.Version, "..") {
		return "", false, fail("bad_version", faultInput, "%q is no git ref that is served: give a tag, branch or commit", request.Version)
	}
	g, err := newGit(request.Git, work)
	if err != nil {
		return "", false, err
	}
	defer g.close()
	if commit, pinned, err = g.resolve(request.Version); err != nil {
		return "", false, err
	}
	for _, step := range []func(string) error{g.fetch, g.measure, g.checkout} {
		if err := step(commit); err != nil {
			return "", false, err
		}
	}
	return commit, pinned, nil
}

var refText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+/~-]*$`)

// displayed is the repository as people read it: its url without a scheme.
func displayed(r *gitRequest) string {
	usual := map[string]int{"https": 443, "http": 80, "git": 9418, "ssh": 22}[r.Scheme]
	return hostPort(r.Host, r.Port, usual) + "/" + r.Path + ".git"
}

func newScanner(from io.Reader) *bufio.Scanner {
	scan := bufio.NewScanner(from)
	scan.Buffer(nil, pathMax)
	scan.Split(func(data []byte, end bool) (int, []byte, error) {
		if at := bytes.IndexByte(data, 0); at >= 0 {
			return at + 1, data[:at], nil
		}
		if end && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	return scan
}

// Directories and files by which programs take a tree for a working copy.
var controlled = map[string]bool{".git": true, ".hg": true, ".svn": true, ".bzr": true, ".fslckout": true, "_FOSSIL_": true, ".fos": true}

// plainTree removes what belongs to a version control system, and whatever is neither file nor directory.
func plainTree(root string) error {
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		if !controlled[entry.Name()] && (entry.IsDir() || entry.Type().IsRegular()) {
			return nil
		}
		if err := os.RemoveAll(file); err != nil || !entry.IsDir() {
			return err
		}
		return fs.SkipDir
	})
}

// adopt makes the module that requires the repository's. The module is the nearest directory at or above
// the one asked for that has a go.mod; where none has, the root, under the repository's own address.
func (f *fetcher) adopt(commit string) error {
	r := f.request.Git
	dir := path.Clean("/" + r.Directory)[1:]
	if !slices.ContainsFunc(globbed(filepath.Join(f.replaced, dir, "*.go")), isFile) {
		return f.noDirectory(dir)
	}
	root := dir
	for root != "" && !isFile(filepath.Join(f.replaced, root, "go.mod")) {
		root = strings.TrimPrefix(path.Dir("/"+root), "/")
	}
	f.replaced = filepath.Join(f.replaced, root)
	module, err := f.moduleOf(r)
	if err != nil {
		return err
	}
	f.request.Package = path.Join(module, strings.TrimPrefix(strings.TrimPrefix(dir, root), "/"))
	if err := checkElements(f.request.Package, module); err != nil {
		return err
	}
	return f.vendor(module, root, commit)
}

func isDirectory(file string) bool {
	info, err := os.Lstat(file)
	return err == nil && info.IsDir()
}

func isFile(file string) bool {
	info, err := os.Lstat(file)
	return err == nil && info.Mode().IsRegular()
}

// noDirectory names directories that have packages, as the url would.
func (f *fetcher) noDirectory(dir string) error {
	p := fail("package_not_found", faultNotFound, "the repository has no Go package in %q: name a directory that has one behind .git", "/"+dir)
	all := packagesIn(f.replaced, f.request.Git.URL)
	if p.Nearest = nearest(f.request.Package, all); len(p.Nearest) == 0 {
		p.Nearest = all[:min(nearestMax, len(all))]
	}
	return p
}

// moduleOf gives the module path that go.mod says, or writes a go.mod with the repository's address where
// there is none.
func (f *fetcher) moduleOf(r *gitRequest) (string, error) {
	file := filepath.Join(f.replaced, "go.mod")
	if isDirectory(file) {
		return "", fail("compile_error", faultFunction, "the repository's go.mod is a directory")
	}
	if !isFile(file) {
		module := r.Host + "/" + r.Path
		return module, os.WriteFile(file, []byte("module "+module+"\n"), 0o644)
	}
	if err := writeModule(f.tree); err != nil { // go wants a module to stand in
		return "", err
	}
	text, words, err := f.command.run("mod", "edit", "-json", file)
	if platform(err) {
		return "", err
	}
	var said struct{ Module struct{ Path string } }
	if err == nil {
		err = json.Unmarshal([]byte(text), &said)
	}
	if err != nil {
		return "", fail("compile_error", faultFunction, "the repository's go.mod cannot be read: %s", clean(words, path.Dir(f.tree)))
	}
	return said.Module.Path, checkModule(said.Module.Path)
}

// checkModule refuses module paths by which nothing, or something else, would be imported.
func checkModule(module string) error {
	first, _, _ := strings.Cut(module, "/")
	switch {
	case checkElements(module, module) != nil:
		return fail("module_path_unusable", faultFunction, "the repository's go.mod calls its module %q, which cannot be imported", module)
	case first == "sky-island.invalid":
		return fail("module_path_unusable", faultFunction, "the repository's go.mod calls its module %q, a name that is ours", module)
	case !strings.Contains(first, ".") && (isDirectory(filepath.Join(os.Getenv("GOROOT"), "src", first)) || first == "C"):
		return fail("module_path_unusable", faultFunction,
			"the repository's go.mod calls its module %q, by which Go's own library would be imported", module)
	}
	return nil
}

// checkElements is checkPackage for what need not begin with a host.
func checkElements(name, module string) error {
	first, rest, _ := strings.Cut(name, "/")
	if !strings.Contains(first, ".") {
		name = strings.TrimSuffix("host.invalid/"+first+"/"+rest, "/")
	}
	err := checkPackage(name)
	if p, ok := err.(*problem); ok && p.Code == "package_internal" && strings.Contains("/"+module+"/", "/internal/") {
		return fail("module_path_unusable", faultFunction, "the repository's module is called %q: Go lets nobody import what is below \"internal\"", module)
	}
	return err
}

// vendor requires the module, replaced by its directory, and vendors what the package needs. The commit
// makes the version, which nothing is looked up by.
func (f *fetcher) vendor(module, root, commit string) error {
	if err := writeModule(f.tree); err != nil {
		return err
	}
	file := filepath.Join(f.tree, "go.mod")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text = fmt.Appendf(text, "\nrequire %s %s\n\nreplace %s => ../%s\n", module, pseudoVersion(module, commit), module, path.Join("repository", root))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	if err := f.use(); err != nil {
		return err
	}
	// go get of a package of ours looks up no version: it brings what is missing, and its checksums.
	for _, arguments := range [][]string{{"get", "."}, {"mod", "vendor"}} {
		if _, words, err := f.command.run(arguments...); err != nil {
			return f.explain(words, err)
		}
	}
	return nil
}

var majorSuffix = regexp.MustCompile(`(?:/v|^gopkg\.in/.*\.v)([0-9]+)(?:-unstable)?$`)

// pseudoVersion is a version that a module of this path may have, its time left open.
func pseudoVersion(module, commit string) string {
	major := 0
	if match := majorSuffix.FindStringSubmatch(module); match != nil {
		major, _ = strconv.Atoi(match[1])
	}
	return fmt.Sprintf("v%d.0.0-00010101000000-%.12s", major, commit)
}
