package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain gives the tests what a jail gives the tool.
func TestMain(m *testing.M) {
	for _, name := range []string{"GOROOT", "GOCACHE"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Setenv(name, strings.TrimSpace(string(value)))
	}
	os.Setenv("GOSUMDB", "off")
	os.Exit(m.Run())
}

// proxy makes a GOPROXY=file:// tree. modules: "path@version" → files of the module.
func proxy(t *testing.T, modules map[string]map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, files := range modules {
		path, version, _ := strings.Cut(name, "@")
		dir := filepath.Join(root, escape(path), "@v")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		mod, ok := files["go.mod"]
		if !ok {
			mod = "module " + path + "\n"
		}
		var archive bytes.Buffer
		z := zip.NewWriter(&archive)
		for file, text := range files {
			w, err := z.Create(name + "/" + file)
			if err == nil {
				_, err = w.Write([]byte(text))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		put := func(file string, text []byte) {
			if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		put(version+".info", []byte(`{"Version":"`+version+`"}`))
		put(version+".mod", []byte(mod))
		put(version+".zip", archive.Bytes())
		list, _ := os.ReadFile(filepath.Join(dir, "list"))
		put("list", append(list, version+"\n"...))
	}
	t.Setenv("GOPROXY", "file://"+root+",direct")
	return root
}

var world = map[string]map[string]string{
	"example.com/plain@v1.0.0": {"go.mod": "module example.com/plain\n\ngo 1.20\n", "plain.go": "package plain\n\nfunc F() int { return 1 }\n",
		"sub/sub.go": "package other\n\nfunc G() {}\n", "cmd/run/main.go": "package main\n\nfunc main() {}\n",
		"onlytests/x_test.go": "package onlytests\n", "windows/w_windows.go": "package windows\n", "internal/i.go": "package internal\n"},
	"example.com/plain@v1.1.0":        {"go.mod": "module example.com/plain\n\ngo 1.20\n", "plain.go": "package plain\n\nfunc F() int { return 2 }\n"},
	"example.com/plain/v2@v2.3.4":     {"go.mod": "module example.com/plain/v2\n\ngo 1.20\n", "plain.go": "package plain\n\nfunc F() int { return 3 }\n"},
	"example.com/Upper@v0.1.0":        {"go.mod": "module example.com/Upper\n\ngo 1.20\n", "u.go": "package upper\n"},
	"example.com/old@v1.0.0":          {"old.go": "package old\n\nimport \"example.com/plain\"\n\nvar X = plain.F()\n"},
	"example.com/newer@v1.0.0":        {"go.mod": "module example.com/newer\n\ngo 1.99\n", "n.go": "package newer\n"},
	"example.com/cgo@v1.0.0":          {"go.mod": "module example.com/cgo\n\ngo 1.20\n", "c.go": "package cgo\n\nimport \"C\"\n\nfunc F() {}\n"},
	"example.com/halfcgo@v1.0.0":      {"go.mod": "module example.com/halfcgo\n\ngo 1.20\n", "c.go": "package half\n\nimport \"C\"\n\nfunc F() {}\n", "d.go": "package half\n\nfunc G() { F() }\n"},
	"example.com/needs@v1.0.0":        {"go.mod": "module example.com/needs\n\ngo 1.20\n\nrequire example.com/plain v1.1.0\n", "n.go": "package needs\n\nimport \"example.com/plain\"\n\nfunc N() int { return plain.F() }\n"},
	"example.com/missing@v1.0.0":      {"go.mod": "module example.com/missing\n\ngo 1.20\n\nrequire example.com/nowhere v1.0.0\n", "n.go": "package missing\n\nimport _ \"example.com/nowhere\"\n"},
	"example.com/doesnotbuild@v1.0.0": {"go.mod": "module example.com/doesnotbuild\n\ngo 1.20\n", "n.go": "package doesnotbuild\n\nfunc F() int { return \"text\" }\n\nfunc G() { nosuch() }\n"},
	"example.com/twonames@v1.0.0":     {"go.mod": "module example.com/twonames\n\ngo 1.20\n", "a.go": "package a\n", "b.go": "package b\n"},
	"example.com/syntax@v1.0.0":       {"go.mod": "module example.com/syntax\n\ngo 1.20\n", "a.go": "package syntax\n\nfunc F( {}\n"},
}

func code(err error) string {
	var p *problem
	if errors.As(err, &p) {
		return p.Code + "/" + p.Fault
	}
	return fmt.Sprint(err)
}

func TestFetch(t *testing.T) {
	proxy(t, world)
	for _, c := range []struct{ path, version, module, got, name string }{
		{"example.com/plain", "latest", "example.com/plain", "v1.1.0", "plain"},
		{"example.com/plain", "v1.0.0", "example.com/plain", "v1.0.0", "plain"},
		{"example.com/plain/sub", "v1.0.0", "example.com/plain", "v1.0.0", "other"},
		{"example.com/plain/v2", "latest", "example.com/plain/v2", "v2.3.4", "plain"},
		{"example.com/Upper", "latest", "example.com/Upper", "v0.1.0", "upper"},
		{"example.com/old", "latest", "example.com/old", "v1.0.0", "old"},
		{"example.com/needs", "latest", "example.com/needs", "v1.0.0", "needs"},
		{"example.com/cgo", "latest", "example.com/cgo", "v1.0.0", "cgo"},
	} {
		var bulk bytes.Buffer
		got, err := fetchTree(fetchRequest{Package: c.path, Version: c.version}, &bulk)
		if err != nil {
			t.Errorf("%s@%s: %v", c.path, c.version, err)
			continue
		}
		r := got.(*fetchReport)
		if r.Module != c.module || r.Version != c.got || r.Name != c.name || !strings.HasPrefix(r.Sum, "h1:") || r.Cgo != (c.name == "cgo") {
			t.Errorf("%s@%s: %+v", c.path, c.version, r)
		}
		if bulk.Len() == 0 {
			t.Errorf("%s: no tree", c.path)
		}
	}
}

func TestFetchRefuses(t *testing.T) {
	root := proxy(t, world)
	for _, c := range []struct{ path, version, code, words string }{
		{"example.com/nosuch", "latest", "module_not_found/not_found", "check its spelling"},
		{"example.com/nosuch", "v1.0.0", "module_not_found/not_found", ""},
		{"example.com/plain", "v9.9.9", "version_not_found/not_found", "no version v9.9.9"},
		{"example.com/plain/sub", "v9.9.9", "version_not_found/not_found", "example.com/plain has no version"},
		{"example.com/plain", "nobranch", "version_not_found/not_found", ""},
		{"example.com/plain/su", "v1.0.0", "package_not_found/not_found", "has no package"},
		{"example.com/plain/cmd/run", "v1.0.0", "package_main/not_found", "is a program"},
		{"example.com/plain/internal", "v1.0.0", "package_internal/not_found", ""},
		{"example.com/plain/onlytests", "v1.0.0", "package_empty/not_found", ""},
		{"example.com/plain/windows", "v1.0.0", "package_empty/not_found", ""},
		{"example.com/newer", "latest", "go_too_new/function", "needs Go 1.99"},
		{"example.com/missing", "latest", "module_not_found/not_found", "example.com/nowhere"},
		{"example.com/twonames", "latest", "compile_error/function", "a and b"},
		{"example.com/plain", "feature/x", "bad_version/input", ""},
		{"example.com/plain", "-x", "bad_version/input", ""},
		{"example.com/plain", "none", "bad_version/input", ""},
		{"example.com/plain", "", "bad_version/input", ""},
		{"example.com/plain", "v1.0.0 v2", "bad_version/input", ""},
		{"--modfile=/x", "latest", "bad_package/input", ""},
		{"-x.com/y", "latest", "bad_package/input", ""},
		{"example.com/../y", "latest", "bad_package/input", ""},
		{"example.com//y", "latest", "bad_package/input", ""},
		{"/etc/passwd", "latest", "bad_package/input", ""},
		{"./x", "latest", "bad_package/input", ""},
		{"example.com/a b", "latest", "bad_package/input", ""},
		{"example.com/a@v1", "latest", "bad_package/input", ""},
		{"strings", "latest", "bad_package/input", "names no host"},
		{"", "latest", "bad_package/input", ""},
		{"example.com/...", "latest", "bad_package/input", ""},
	} {
		var bulk bytes.Buffer
		_, err := fetchTree(fetchRequest{Package: c.path, Version: c.version}, &bulk)
		if code(err) != c.code || err == nil || !strings.Contains(err.Error(), c.words) || bulk.Len() != 0 {
			t.Errorf("%s@%s: %v", c.path, c.version, err)
		}
		if err != nil && strings.Contains(err.Error(), "/fetch-") {
			t.Errorf("%s@%s: a path of ours: %v", c.path, c.version, err)
		}
	}
	var p *problem
	_, err := fetchTree(fetchRequest{Package: "example.com/plain", Version: "v9.9.9"}, &bytes.Buffer{})
	if errors.As(err, &p); !slices.Equal(p.Versions, []string{"v1.1.0", "v1.0.0"}) {
		t.Errorf("versions: %v", p.Versions)
	}
	_, err = fetchTree(fetchRequest{Package: "example.com/plain/su", Version: "v1.0.0"}, &bytes.Buffer{})
	if errors.As(err, &p); len(p.Nearest) == 0 || p.Nearest[0] != "example.com/plain/sub" {
		t.Errorf("nearest: %v", p.Nearest)
	}
	t.Setenv("GOPROXY", "http://127.0.0.1:1")
	if _, err = fetchTree(fetchRequest{Package: "example.com/plain", Version: "latest"}, &bytes.Buffer{}); code(err) != "source_unreachable/upstream" {
		t.Errorf("no one listens: %v", err)
	}
	t.Setenv("GOPROXY", "file://"+root)
	t.Setenv("GOPRIVATE", "example.com")
	if _, err = fetchTree(fetchRequest{Package: "example.com/plain", Version: "latest"}, &bytes.Buffer{}); err == nil {
		t.Errorf("a private module came from a proxy")
	}
}

// What sources say that no test here can make them say.
func TestExplain(t *testing.T) {
	f := &fetcher{request: fetchRequest{Package: "example.com/x", Version: "latest"}, tree: "/srv/tree"}
	for words, want := range map[string]string{
		"verifying example.com/x@v1.0.0: checksum mismatch\n\tdownloaded: h1:a=\n\tgo.sum: h1:b=\n\nSECURITY ERROR":                                                  "checksum_mismatch/upstream",
		"go: example.com/x@latest: module example.com/x: reading https://p/x/@v/list: 404 Not Found\n\tserver response: not found: dial tcp: lookup x: no such host": "module_not_found/not_found",
		"go: example.com/x@latest: module example.com/x: reading https://p/x/@v/list: 410 Gone":                                                                      "module_not_found/not_found",
		"go: example.com/x@latest: module example.com/x: reading https://p/x/@v/list: 502 Bad Gateway":                                                               "source_unreachable/upstream",
		"go: example.com/x@latest: module example.com/x: Get \"https://p/\": dial tcp: lookup p: no such host":                                                       "source_unreachable/upstream",
		"go: example.com/x@latest: GOVCS disallows using git for private example.com/x; see 'go help vcs'":                                                           "source_needs_git/upstream",
		"go: example.com/x@v1 requires go >= 1.30 (running go 1.26.8; GOTOOLCHAIN=local)":                                                                            "go_too_new/function",
		"go: something that nobody has seen": "fetch_failed/upstream",
	} {
		if err := f.explain(words, errors.New("exit status 1")); code(err) != want {
			t.Errorf("%s: %v", words, err)
		}
	}
}

func TestProxies(t *testing.T) {
	for list, want := range map[string]string{"": "direct", "direct": "direct", "https://a,direct": "https://a", "https://a|direct": "https://a",
		"https://a,https://b|direct": "https://a,https://b", "direct,https://a": "https://a", "off": "off", "https://a|https://b": "https://a|https://b"} {
		if got := proxies(list); got != want {
			t.Errorf("%q: %q, not %q", list, got, want)
		}
	}
}

// unpacked fetches into a directory that builds find as /src.
func unpacked(t *testing.T, path string) {
	t.Helper()
	var bulk bytes.Buffer
	if _, err := fetchTree(fetchRequest{Package: path, Version: "latest"}, &bulk); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tar := exec.Command("tar", "x", "-C", dir)
	tar.Stdin = &bulk
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("SKY_SOURCE", dir)
}

func TestBuildRefuses(t *testing.T) {
	proxy(t, world)
	for _, c := range []struct{ path, expression, code, words string }{
		{"example.com/doesnotbuild", "", "compile_error/function", `example.com/doesnotbuild/n.go:3:23: cannot use "text"`},
		{"example.com/doesnotbuild", "F()", "compile_error/function", "undefined: nosuch"},
		{"example.com/syntax", "", "compile_error/function", "example.com/syntax/a.go:3"},
		{"example.com/cgo", "", "cgo_off/function", "needs cgo"},
		{"example.com/halfcgo", "", "compile_error/function", "has files that need cgo"},
		{"example.com/needs", "X()", "function_not_found/not_found", "no exported name X"},
		{"example.com/needs", "M()", "function_not_found/not_found", ""},
		{"example.com/needs", "N(1)", "compile_error/function", "call:1:3: too many arguments in call to needs.N"},
		{"example.com/needs", "N(" + strings.Repeat("(", 10_000) + "1" + strings.Repeat(")", 10_000) + ")", "not_an_expression/input", "nest deeper"},
		{"example.com/needs", "N(" + strings.Repeat("-", 10_000) + "1)", "not_an_expression/input", ""},
		{"example.com/needs", "N(1" + strings.Repeat("+1", 10_000) + ")", "not_an_expression/input", "deeper"},
		{"example.com/needs", "N(" + strings.Repeat("[]", 10_000) + "int{})", "not_an_expression/input", "deeper"},
		{"example.com/needs", strings.Repeat("[", 50_000), "not_an_expression/input", ""},
		{"example.com/needs", "N()\x00", "not_an_expression/input", ""},
		{"example.com/needs", "N()); panic(1", "not_an_expression/input", ""},
		{"example.com/needs", "N() }; func init() { panic(1)", "not_an_expression/input", ""},
	} {
		unpacked(t, c.path)
		var bulk bytes.Buffer
		_, err := buildProgram(buildRequest{Package: c.path, Expression: c.expression, Expressions: "full"}, &bulk)
		if code(err) != c.code || !strings.Contains(err.Error(), c.words) || bulk.Len() != 0 {
			t.Errorf("%s %.40s: %v", c.path, c.expression, err)
		}
	}
	for name, want := range map[string]string{"nosuch": "package_not_found/not_found", "internal/abi": "package_not_found/not_found", "cmd/go": "package_not_found/not_found",
		"../x": "bad_package/input", "/etc": "bad_package/input", "builtin": "package_not_found/not_found", "string": "package_not_found/not_found"} {
		_, err := buildProgram(buildRequest{Package: name, Standard: true}, &bytes.Buffer{})
		if code(err) != want {
			t.Errorf("standard %s: %v", name, err)
		}
	}
}

// No text of the caller's becomes source but what the syntax tree holds.
func TestExpressionText(t *testing.T) {
	proxy(t, world)
	unpacked(t, "example.com/needs")
	b := &builder{request: buildRequest{Package: "example.com/needs", Expression: "N( /* ) ; panic(1) */ ) // \n//line x:1\n//go:embed x"}}
	if err := b.read(); err != nil {
		t.Fatal(err)
	}
	main, err := b.expression()
	if err != nil {
		t.Fatal(err)
	}
	text := main.generate()
	if strings.Contains(text, "panic") || strings.Contains(text, "embed") || !strings.Contains(text, "needs./*line call:1:1*/N()") {
		t.Error(text)
	}
}

func TestImports(t *testing.T) {
	proxy(t, world)
	unpacked(t, "example.com/needs")
	for _, c := range []struct {
		expression string
		imports    []string
		code       string
		candidates string
	}{
		{"N(rand.Int())", nil, "ambiguous_import/input", "[crypto/rand math/rand math/rand/v2]"},
		{"N(template.X)", nil, "ambiguous_import/input", "[html/template text/template]"},
		{"N(rand.Int())", []string{"math/rand", "crypto/rand"}, "ambiguous_import/input", "[math/rand crypto/rand]"},
		{"N(rand.Int())", []string{"example.com/plain"}, "import_not_standard/input", "[]"},
		{"N(rand.Int())", []string{"math/rand"}, "compile_error/function", "[]"},
		{"N(func(rand struct{ X int }) int { return rand.X })", nil, "compile_error/function", "[]"},
		{"N()", []string{"unsafe", "math/rand/v2"}, "<nil>", "[]"},
		{"N()", []string{"../x"}, "import_not_standard/input", "[]"},
	} {
		_, err := buildProgram(buildRequest{Package: "example.com/needs", Expression: c.expression, Imports: c.imports, Expressions: "full"}, &bytes.Buffer{})
		p := &problem{}
		_ = errors.As(err, &p)
		if code(err) != c.code || fmt.Sprint(p.Candidates) != c.candidates {
			t.Errorf("%s %v: %v %v", c.expression, c.imports, err, p.Candidates)
		}
	}
	_, err := buildProgram(buildRequest{Package: "example.com/needs", Expression: "N(func() {})", Expressions: "simple"}, &bytes.Buffer{})
	if code(err) != "function_literals_off/forbidden" {
		t.Error(err)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"Encode", "Decode", "EncodeInt", "Validate", "X"}
	for name, want := range map[string]string{"encode": "Encode", "Encod": "Encode", "Deocde": "Decode", "Int": "EncodeInt", "Valid": "Validate"} {
		if got := nearest(name, names); len(got) == 0 || got[0] != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := nearest("Zzzzzzzzzz", names); len(got) != 0 {
		t.Errorf("nothing is like Zzzzzzzzzz: %v", got)
	}
}
