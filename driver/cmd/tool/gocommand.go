package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goCommand runs go in a directory, with an environment made here and not inherited.
type goCommand struct {
	dir         string
	environment []string
}

// newGo prepares to run go in dir. home is a directory of ours; what go keeps beside its build cache
// goes there.
func newGo(dir, home string, cgo bool) (*goCommand, error) {
	if err := os.MkdirAll(filepath.Join(home, ".config/go/telemetry"), 0o755); err != nil {
		return nil, err
	}
	// GOTELEMETRY cannot be set from outside; its mode is a file.
	mode := filepath.Join(home, ".config/go/telemetry/mode")
	if err := os.WriteFile(mode, []byte("off 2000-01-01"), 0o644); err != nil {
		return nil, err
	}
	cache := os.Getenv("GOCACHE")
	if cache == "" {
		cache = filepath.Join(home, "cache")
	}
	enabled := "0"
	if cgo {
		enabled = "1"
	}
	g := &goCommand{dir: dir, environment: []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"TMPDIR=" + os.TempDir(),
		"GOROOT=" + os.Getenv("GOROOT"),
		"GOCACHE=" + cache,
		"GOPATH=" + filepath.Join(home, "go"),
		"CGO_ENABLED=" + enabled,
		"GOTOOLCHAIN=local", "GOENV=off", "GOWORK=off", "GOVCS=*:off", "GOTELEMETRY=off", "GOAUTH=off",
		"GO111MODULE=on", "LANG=C.UTF-8",
	}}
	return g, nil
}

// with adds variables that the tool was given, as they are.
func (g *goCommand) with(names ...string) {
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			g.environment = append(g.environment, name+"="+value)
		}
	}
}

func (g *goCommand) set(assignments ...string) {
	g.environment = append(g.environment, assignments...)
}

// run gives what go wrote. An error means that go said no; words are then what it said.
func (g *goCommand) run(arguments ...string) (output, words string, err error) {
	command := exec.Command(filepath.Join(os.Getenv("GOROOT"), "bin/go"), arguments...)
	command.Dir = g.dir
	command.Env = g.environment
	var out, bad bytes.Buffer
	command.Stdout = &out
	command.Stderr = &bad
	err = command.Run()
	words = bad.String()
	if err == nil {
		return out.String(), words, nil
	}
	fmt.Fprintf(os.Stderr, "tool: go %s: %v\n%s", strings.Join(arguments, " "), err, words)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return "", words, fail("tool_failed", faultPlatform, "the go command does not start: %v", err)
	}
	if strings.Contains(words, "no space left on device") || strings.Contains(words, "disk quota exceeded") {
		return "", words, fail("disk_full", faultFull, "no space left while go was at work")
	}
	if !exit.Exited() {
		return "", words, fail("go_killed", faultPlatform, "the go command was killed (%v)", exit)
	}
	return out.String(), words, err
}

// platform says whether an error of run is not go's verdict but ours to answer for.
func platform(err error) bool {
	var p *problem
	return errors.As(err, &p)
}
