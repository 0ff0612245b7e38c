package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	commitC = "aaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestRefs(t *testing.T) {
	refs := parseRefs(commitA + "\tHEAD\n" + commitA + "\trefs/heads/main\n" + commitB + "\trefs/tags/v1\n" + commitC + "\trefs/tags/v1^{}\n" +
		"warning: words\n" + "short\trefs/heads/x\n" + strings.ToUpper(commitA) + "\trefs/heads/y\n" + commitB + "\trefs/tags/v2")
	if len(refs) != 5 {
		t.Fatalf("%d refs: %v", len(refs), refs)
	}
	for name, commit := range map[string]string{"HEAD": commitA, "refs/tags/v1": commitC, "refs/tags/v2": commitB, "refs/tags": "", "main": ""} {
		if got := find(refs, name); got != commit {
			t.Errorf("%s: %q", name, got)
		}
	}
	for digits, commit := range map[string]string{"aaaaaaab": commitC, "aaaaaaaa": commitA, "aaaaaaa": "", "bbbbbbb": commitB, "abc": "", "zzzzzzzz": "", "v1": ""} {
		if got := begins(refs, digits); got != commit {
			t.Errorf("%s: %q", digits, got)
		}
	}
	refs = append(refs, ref{"refs/tags/\x1b[31m", commitA}, ref{"refs/tags/" + strings.Repeat("n", tagMax+1), commitA}, ref{"refs/tags/-x", commitA})
	if got := tags(refs); len(got) != 2 || got[0] != "v1" {
		t.Errorf("tags: %v", got)
	}
}

func TestRefText(t *testing.T) {
	for _, good := range []string{"main", "v1.2.3", "feature/x", "refs/heads/main", "1.0~rc1"} {
		if !refText.MatchString(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "-x", "--upload-pack=x", ".x", "a b", "a:b", "a^", "a*", "a\n", "/a", "+a"} {
		if refText.MatchString(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestPseudoVersion(t *testing.T) {
	for module, version := range map[string]string{
		"example.com/a": "v0.0.0", "example.com/a/v2": "v2.0.0", "example.com/a/v13": "v13.0.0", "gopkg.in/a.v1": "v1.0.0", "gopkg.in/a.v0": "v0.0.0",
		"gopkg.in/a.v2-unstable": "v2.0.0", "example.com/a.v2": "v0.0.0", "mylib": "v0.0.0",
	} {
		if got := pseudoVersion(module, commitA); got != version+"-00010101000000-aaaaaaaaaaaa" {
			t.Errorf("%s: %s", module, got)
		}
	}
}

func TestModulePaths(t *testing.T) {
	for module, want := range map[string]string{
		"example.com/a": "", "mylib": "", "my.lib/x": "", "strings": "module_path_unusable", "net/x": "module_path_unusable", "C": "module_path_unusable",
		"sky-island.invalid/artifact": "module_path_unusable", "../x": "module_path_unusable", "a b": "module_path_unusable", "": "module_path_unusable",
		"example.com/internal/a": "module_path_unusable", "internal": "module_path_unusable", "/etc": "module_path_unusable",
	} {
		t.Setenv("GOROOT", goroot(t))
		err := checkModule(module)
		var p *problem
		if errors.As(err, &p) != (want != "") || (p != nil && p.Code != want) {
			t.Errorf("%q: %v", module, err)
		}
	}
	if err := checkElements("mylib/internal/x", "mylib"); code(err) != "package_internal/not_found" {
		t.Errorf("below internal: %v", err)
	}
}

// goroot is a directory with the standard packages that the test names.
func goroot(t *testing.T) string {
	root := t.TempDir()
	for _, name := range []string{"strings", "net", "internal"} {
		if err := os.MkdirAll(filepath.Join(root, "src", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestPlainTree(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{".git/config", ".hg/hgrc", "sub/.git", "sub/.svn/x", "sub/a.go", "_FOSSIL_", ".github/x"} {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("/etc/passwd", filepath.Join(root, "sub/link")), plainTree(root)); err != nil {
		t.Fatal(err)
	}
	for name, kept := range map[string]bool{".git": false, ".hg": false, "sub/.git": false, "sub/.svn": false, "sub/link": false, "_FOSSIL_": false, "sub/a.go": true, ".github/x": true} {
		if _, err := os.Lstat(filepath.Join(root, name)); (err == nil) != kept {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCount(t *testing.T) {
	g := &gitCommand{request: &gitRequest{BytesMax: 100}}
	line := func(size string) string { return "100644 blob " + commitA + " " + size + "\tname with\nanything\x00" }
	if err := g.count(strings.NewReader(line("60") + "160000 commit " + commitA + "       -\tsub\x00" + line("     40"))); err != nil {
		t.Error(err)
	}
	if err := g.count(strings.NewReader(line("60") + line("41"))); code(err) != "repository_too_large/function" {
		t.Error(err)
	}
	if err := g.count(strings.NewReader(strings.Repeat(line("0"), filesMax+1))); code(err) != "repository_too_large/function" {
		t.Error(err)
	}
	directory := "040000 tree " + commitA + "       -\td\x00"
	if err := g.count(strings.NewReader(strings.Repeat(directory, filesMax) + line("60"))); err != nil {
		t.Error(err)
	}
	if err := g.count(strings.NewReader(strings.Repeat(directory, filesMax+1))); code(err) != "repository_too_large/function" {
		t.Error(err)
	}
	if err := g.count(strings.NewReader(strings.Repeat("n", pathMax))); code(err) != "repository_refused/function" {
		t.Error(err)
	}
}

func TestWordsHideSecrets(t *testing.T) {
	request := &gitRequest{URL: "https://example.com/r.git", Scheme: "https", Host: "example.com", Port: 443, User: "u", Token: "tok"}
	g := &gitCommand{request: request, dir: "/tmp/x/repository", url: request.URL}
	g.authorize()
	for _, option := range g.options {
		if strings.Contains(option, "tok") {
			t.Errorf("on the command line: %s", option)
		}
	}
	words := g.clean("remote: you sent Basic dTp0b2s= and tok\r\n/tmp/x/repository/a: \x1b[31mred\x00\xff\n")
	if want := "remote: you sent Basic (secret) and (secret)\n\na:  [31mred \uFFFD"; words != want {
		t.Errorf("%q", words)
	}
}

// A host's words are not taken for those of this machine.
func TestWordsOfAHost(t *testing.T) {
	g := &gitCommand{request: &gitRequest{URL: "https://example.com/r.git", Host: "example.com"}, url: "https://example.com/r.git"}
	failed := exec.Command("/bin/sh", "-c", "exit 128").Run()
	for words, want := range map[string]string{
		"error: write: No space left on device\nfatal: index-pack failed\n":               "disk_full/full",
		"remote: No space left on device\nfatal: index-pack failed\n":                     "fetch_failed/upstream",
		"fatal: remote error: x\nNo space left on device\nHost key verification failed\n": "source_unreachable/upstream",
		"fatal: remote error: access denied or repository not exported: /r.git\n":         "repository_not_found/not_found",
		"remote: File too large\nfatal: unable to access\n":                               "source_unreachable/upstream",
		"fatal: cannot create directory at 'd/d': File name too long\n":                   "repository_refused/function",
	} {
		if got := code(g.explain("fetch", words, failed)); got != want {
			t.Errorf("%q: %s", words, got)
		}
	}
}

func TestDisplayed(t *testing.T) {
	for want, r := range map[string]gitRequest{
		"example.com/u/r.git":      {Scheme: "https", Host: "example.com", Port: 443, Path: "u/r"},
		"example.com:8443/u/r.git": {Scheme: "https", Host: "example.com", Port: 8443, Path: "u/r"},
		"example.com/r.git":        {Scheme: "ssh", Host: "example.com", Port: 22, Path: "r"},
	} {
		if got := displayed(&r); got != want {
			t.Errorf("%s: %s", want, got)
		}
	}
}

// A relay carries bytes to its own target by CONNECT, whatever a SOCKS client asks for.
func TestRelay(t *testing.T) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	go func() {
		for {
			conn, err := proxy.Accept()
			if err != nil {
				return
			}
			from := bufio.NewReader(conn)
			line, _ := from.ReadString('\n')
			for rest := line; rest != "\r\n" && err == nil; rest, err = from.ReadString('\n') {
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"+line)
			_, _ = io.Copy(conn, from)
			conn.Close()
		}
	}()
	for _, socks := range []bool{false, true} {
		r, err := newRelay(proxy.Addr().String(), "example.com:22", socks)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", r.address())
		if err != nil {
			t.Fatal(err)
		}
		want := "CONNECT example.com:22 HTTP/1.1\r\nhello"
		text := "hello"
		if socks {
			text = "\x05\x01\x00\x05\x01\x00\x03\x05other\x00\x50hello"
			want = "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00" + want
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).CloseWrite()
		if got, _ := io.ReadAll(conn); string(got) != want {
			t.Errorf("socks %v: %q", socks, got)
		}
		conn.Close()
		r.close()
	}
}
