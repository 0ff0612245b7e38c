// Tool is the Go side of Sky Island: it fetches modules, builds artifacts and seeds the build cache.
// It is the only program in a fetch or build jail, and calls nothing but the go command, and git for
// plain repositories.
//
//	tool fetch   request on stdin, report on descriptor 3, a tar of the module tree on descriptor 4
//	tool build   request on stdin, report on descriptor 3, the program on descriptor 4
//	tool seed    fills GOCACHE at init, outside jails
//
// The map of the program, in call order:
//
//	main.go        requests and reports
//	gocommand.go   the go command, hardened
//	fetch.go       a module tree by the module protocol; archive.go packs it
//	words.go       go's own words, cleaned and told apart
//	repository.go  the same tree out of a plain git repository
//	git.go         the git command, hardened; gitref.go what a ref is, gitwords.go its words
//	relay.go       the way out for what speaks no CONNECT
//	build.go       a work directory, a main package in it, a program out of it
//	inspect.go     what a package exports
//	table.go       the main package that serves a package's functions
//	expression.go  the main package that serves one expression
//	standard.go    the standard packages by name
//	nearest.go     names like a given one
//	seed.go        the build cache's first filling
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

const (
	reportFile  = 3
	bulkFile    = 4
	requestMax  = 4 << 20
	reportMax   = 4 << 20
	modulePath  = "sky-island.invalid/artifact"
	driverPath  = modulePath + "/driver"
	defaultTree = "/src"
)

// problem is why something could not be done: code is stable, fault says whose it was, the detail is
// for people and says what to do.
type problem struct {
	Code       string   `json:"code"`
	Fault      string   `json:"fault"`
	Detail     string   `json:"detail"`
	Nearest    []string `json:"nearest,omitempty"`
	Candidates []string `json:"candidates,omitempty"`
	Versions   []string `json:"versions,omitempty"`
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// The faults: whose it was.
const (
	faultNotFound  = "not_found"
	faultFunction  = "function"
	faultUpstream  = "upstream"
	faultInput     = "input"
	faultForbidden = "forbidden"
	faultPlatform  = "platform"
	faultFull      = "full"
)

func fail(code, fault, format string, arguments ...any) *problem {
	return &problem{Code: code, Fault: fault, Detail: fmt.Sprintf(format, arguments...)}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: tool fetch|build|seed")
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "fetch":
		err = serve(fetchTree)
	case "build":
		err = serve(buildProgram)
	case "seed":
		err = seed()
	default:
		err = errors.New("no such command: " + os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tool:", err)
		os.Exit(1)
	}
}

// serve reads the request, does the work and writes the report. An error is one of writing it.
func serve[Request any](work func(Request, io.Writer) (any, error)) error {
	syscall.CloseOnExec(reportFile)
	syscall.CloseOnExec(bulkFile)
	var request Request
	var report any
	err := decodeRequest(os.Stdin, &request)
	if err == nil {
		report, err = work(request, os.NewFile(bulkFile, "bulk"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tool:", err)
		report = failure(err)
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	_, err = os.NewFile(reportFile, "report").Write(text)
	return err
}

func decodeRequest(from io.Reader, request any) error {
	decoder := json.NewDecoder(io.LimitReader(from, requestMax))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(request); err != nil {
		return fail("bad_request", faultPlatform, "the tool's request: %v", err)
	}
	return nil
}

// failure is the report for an error: one that is no problem yet is the platform's.
func failure(err error) any {
	type report struct {
		OK bool `json:"ok"`
		*problem
	}
	var p *problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		p = fail("disk_full", faultFull, "no space left: %v", err)
	default:
		p = fail("tool_failed", faultPlatform, "%v", err)
	}
	return report{false, p}
}
