package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// seed compiles the standard library and the driver into GOCACHE, as later builds will want them, and
// then makes that cache fit to be the lower layer of others.
func seed() error {
	cache := os.Getenv("GOCACHE")
	if cache == "" || os.Getenv("GOROOT") == "" {
		return fmt.Errorf("GOCACHE and GOROOT have to be set")
	}
	if err := seedStandard(); err != nil {
		return err
	}
	samples := []buildRequest{
		{Package: "strings", Standard: true},
		{Package: "strings", Standard: true, Expression: `Map(func(r rune) rune { return r + 1 }, "seed")`},
		{Package: "net/url", Standard: true},
	}
	for _, sample := range samples {
		if _, err := buildProgram(sample, io.Discard); err != nil {
			return err
		}
	}
	return settle(cache)
}

func seedStandard() error {
	work, err := os.MkdirTemp("", "seed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	module := filepath.Join(work, "module")
	if err := writeModule(module); err != nil {
		return err
	}
	command, err := newGo(module, filepath.Join(work, "home"), false)
	if err != nil {
		return err
	}
	command.set("GOPROXY=off", "GOFLAGS=")
	_, words, err := command.run(slices.Concat([]string{"build"}, buildFlags, []string{"-mod=readonly", "std"})...)
	if err != nil {
		return fmt.Errorf("the standard library does not build: %w\n%s", err, words)
	}
	return nil
}

// settled is when every entry was last used, for go: in the future, so that it sets no times anew,
// which would copy each entry it reads into an upper layer. (Before 2038: some file systems end there.)
var settled = time.Date(2037, 12, 31, 0, 0, 0, 0, time.UTC)

func settle(cache string) error {
	freshenCache()
	return filepath.WalkDir(cache, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return nil
		}
		return os.Chtimes(path, settled, settled)
	})
}
