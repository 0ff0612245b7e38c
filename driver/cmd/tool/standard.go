package main

import (
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func standardDirectory(name string) string {
	return filepath.Join(os.Getenv("GOROOT"), "src", filepath.FromSlash(name))
}

// importable says whether name is a standard package that any program can import.
func importable(name string) bool {
	if !fs.ValidPath(name) || name == "." || name == "builtin" {
		return false
	}
	for element := range strings.SplitSeq(name, "/") {
		if unimportable(element) {
			return false
		}
	}
	context := build.Default
	p, err := context.ImportDir(standardDirectory(name), 0)
	return err == nil && p.Name != "main"
}

func unimportable(element string) bool {
	switch element {
	case "internal", "vendor", "cmd", "testdata":
		return true
	}
	return strings.HasPrefix(element, ".") || strings.HasPrefix(element, "_")
}

// standardPackages lists directories under GOROOT/src that may be packages, by import path.
func standardPackages() []string {
	root := filepath.Join(os.Getenv("GOROOT"), "src")
	var names []string
	_ = filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || dir == root {
			return nil
		}
		if unimportable(entry.Name()) {
			return filepath.SkipDir
		}
		name, _ := filepath.Rel(root, dir)
		names = append(names, filepath.ToSlash(name))
		return nil
	})
	return names
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// packageName is the name that a standard package of this path declares.
func packageName(name string) string {
	if last := path.Base(name); !majorVersion.MatchString(last) {
		return last
	}
	return path.Base(path.Dir(name))
}

// standardNamed lists the standard packages that have this name.
func standardNamed(name string, packages []string) []string {
	var found []string
	for _, candidate := range packages {
		if packageName(candidate) == name && importable(candidate) {
			found = append(found, candidate)
		}
	}
	slices.Sort(found)
	return found
}
