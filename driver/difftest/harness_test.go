package difftest

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// scratch is where everything that the tests make lies, toolPath the tool made from this tree.
var (
	scratch  string
	toolPath string
	goroot   string
	gocache  string
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "difftest-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		if err = prepare(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func prepare() error {
	output, err := exec.Command("go", "env", "GOROOT", "GOCACHE").Output()
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	goroot, gocache = lines[0], lines[1]
	toolPath = filepath.Join(scratch, "tool")
	build := exec.Command("go", "build", "-trimpath", "-o", toolPath, "./cmd/tool")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err = build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// report is what the tool answers; every field of every command.
type report struct {
	OK                            bool
	Code, Fault, Detail           string
	Module, Version, Sum, Name    string
	Functions, Generic, Others    []string
	Nearest, Candidates, Versions []string
}

// tool runs the tool as a jail would.
func tool(t *testing.T, command string, request map[string]any, source, bulk string, extra ...string) report {
	t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(bulk, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	c := exec.Command(toolPath, command)
	c.Stdin = bytes.NewReader(text)
	c.ExtraFiles = []*os.File{writer, out}
	c.Env = append([]string{"PATH=" + goroot + "/bin:/usr/bin:/bin", "HOME=" + scratch, "TMPDIR=" + scratch, "GOROOT=" + goroot,
		"GOCACHE=" + gocache, "SKY_SOURCE=" + source}, extra...)
	var words bytes.Buffer
	c.Stderr = &words
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	answer, _ := io.ReadAll(reader)
	if err := c.Wait(); err != nil {
		t.Fatalf("tool %s: %v\n%s", command, err, words.String())
	}
	var r report
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatalf("tool %s: its report %q: %v", command, answer, err)
	}
	return r
}

// pkg is a package under test: its tree as `tool fetch` would have left it.
type pkg struct {
	path, name string
	standard   bool
	tree       string // SKY_SOURCE
	artifact   string
	report     report
}

func (p *pkg) request() map[string]any {
	return map[string]any{"package": p.path, "name": p.name, "standard": p.standard, "expressions": "full"}
}

// local makes a tree out of packages in testdata; the first is the one under test.
func local(t *testing.T, names ...string) *pkg {
	t.Helper()
	sources := map[string]map[string]string{}
	for _, name := range names {
		files := map[string]string{}
		entries, err := os.ReadDir(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			text, err := os.ReadFile(filepath.Join("testdata", name, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files[entry.Name()] = string(text)
		}
		sources["example.invalid/"+name] = files
	}
	return made(t, "example.invalid/"+names[0], names[0], sources)
}

// made lays out a tree whose vendor directory has the given packages, each a module of its own.
func made(t *testing.T, path, name string, sources map[string]map[string]string) *pkg {
	t.Helper()
	tree, err := os.MkdirTemp(scratch, "tree-")
	if err != nil {
		t.Fatal(err)
	}
	module := "module sky-island.invalid/artifact\n\ngo 1.26\n"
	var list string
	for module_, files := range sources {
		module += "\nrequire " + module_ + " v1.0.0\n"
		list += "# " + module_ + " v1.0.0\n## explicit; go 1.26\n" + module_ + "\n"
		for file, text := range files {
			write(t, filepath.Join(tree, "vendor", module_, file), text)
		}
	}
	write(t, filepath.Join(tree, "go.mod"), module)
	write(t, filepath.Join(tree, "vendor/modules.txt"), list)
	return &pkg{path: path, name: name, tree: tree}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fetched brings a real module; the test is skipped where there is no source of it.
func fetched(t *testing.T, path, version string) *pkg {
	t.Helper()
	archive := filepath.Join(scratch, "fetched.tar")
	environment := os.Environ()
	output, err := exec.Command("go", "env", "GOPROXY", "GOSUMDB").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	r := tool(t, "fetch", map[string]any{"package": path, "version": version}, "", archive,
		append(environment, "GOPROXY="+lines[0], "GOSUMDB="+lines[1])...)
	if r.Fault == "upstream" {
		t.Skipf("no source of %s: %s", path, r.Detail)
	}
	if !r.OK {
		t.Fatalf("fetch %s@%s: %s: %s", path, version, r.Code, r.Detail)
	}
	tree, err := os.MkdirTemp(scratch, "tree-")
	if err != nil {
		t.Fatal(err)
	}
	unpack(t, archive, tree)
	return &pkg{path: path, name: r.Name, tree: tree}
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for in := tar.NewReader(file); ; {
		header, err := in.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, header.Name), string(text))
		}
	}
}

// build makes the package's artifact.
func (p *pkg) build(t *testing.T) {
	t.Helper()
	p.artifact = filepath.Join(scratch, "artifact-"+strings.ReplaceAll(p.path, "/", "-"))
	p.report = tool(t, "build", p.request(), p.tree, p.artifact)
	if !p.report.OK {
		t.Fatalf("build %s: %s: %s", p.path, p.report.Code, p.report.Detail)
	}
}

// outcome is what a run did. Failures that print a stack are compared by what stands before it.
type outcome struct {
	stdout, stderr string
	status         string
}

func (o outcome) String() string {
	return fmt.Sprintf("%s\n  stdout %q\n  stderr %q", o.status, o.stdout, o.stderr)
}

var (
	stackBegins = regexp.MustCompile(`(?s)\n\n?goroutine \d+.*`)
	faultAt     = regexp.MustCompile(`addr=\S+ pc=\S+\]`)
	runtimePC   = regexp.MustCompile(`\(0x[0-9a-f]+,0x[0-9a-f]+\)|0x[0-9a-f]{6,}`)
)

func newOutcome(c *exec.Cmd, err error, stdout, stderr string) outcome {
	o := outcome{stdout: stdout, stderr: stderr, status: "exit 0"}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		o.status = exit.String()
		o.stderr = faultAt.ReplaceAllString(o.stderr, "]")
		o.stderr = stackBegins.ReplaceAllString(o.stderr, "")
		o.stderr = runtimePC.ReplaceAllString(o.stderr, "0x?")
	} else if err != nil {
		o.status = err.Error()
	}
	return o
}

// jailEnvironment is what a program in an execution jail sees.
var jailEnvironment = []string{"PATH=/bin:/usr/bin", "HOME=/tmp", "TZ=UTC", "LANG=C.UTF-8"}

const runTimeout = 10 * time.Second

func command(program string, arguments ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	c := exec.Command(program, arguments...)
	c.Dir = "/tmp"
	c.Env = jailEnvironment
	var stdout, stderr bytes.Buffer
	c.Stdout = &stdout
	c.Stderr = &stderr
	return c, &stdout, &stderr
}

// answer is how a driver answered one call.
type answer struct {
	frame   byte // 'V', 'D', 'E', or 0 where the program ended without
	payload string
	outcome
}

const (
	asJSON  = 1
	asTyped = 2
)

// drive starts an artifact and gives it one call.
func drive(t *testing.T, program string, flags byte, timeout time.Duration, name string, rest []byte) answer {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	c, stdout, stderr, err := start(program, theirs)
	theirs.Close()
	if err != nil {
		t.Error(err)
		return answer{}
	}
	timer := time.AfterFunc(runTimeout, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	var a answer
	if kind, _ := readFrame(ours); kind == 'R' {
		call := []byte{'C', flags}
		call = binary.LittleEndian.AppendUint64(call, uint64(timeout))
		call = binary.LittleEndian.AppendUint16(call, uint16(len(name)))
		call = append(append(call, name...), rest...)
		frame := binary.LittleEndian.AppendUint32(nil, uint32(len(call)))
		if _, err := ours.Write(append(frame, call...)); err != nil {
			t.Error(err)
		}
		a.frame, a.payload = readFrame(ours)
	}
	err = c.Wait()
	a.outcome = newOutcome(c, err, stdout.String(), stderr.String())
	return a
}

// start starts a program that may have been written just now. Another start's child can have the file
// open for writing for a moment, until its exec closes that; nothing tells when.
func start(program string, files ...*os.File) (c *exec.Cmd, stdout, stderr *bytes.Buffer, err error) {
	for range 1000 {
		c, stdout, stderr = command(program)
		c.ExtraFiles = files
		if err = c.Start(); !errors.Is(err, syscall.ETXTBSY) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return c, stdout, stderr, err
}

func readFrame(from io.Reader) (kind byte, payload string) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, ""
	}
	frame := make([]byte, binary.LittleEndian.Uint32(head[:]))
	if _, err := io.ReadFull(from, frame); err != nil || len(frame) == 0 {
		return 0, ""
	}
	return frame[0], string(frame[1:])
}

// expression builds an artifact for one expression.
func (p *pkg) expression(t *testing.T, text string, imports ...string) (r report, program string) {
	t.Helper()
	request := p.request()
	request["expression"] = text
	request["imports"] = imports
	program = filepath.Join(scratch, fmt.Sprintf("expression-%d", serial.Add(1)))
	return tool(t, "build", request, p.tree, program), program
}

// serial numbers files.
var serial atomic.Int64
