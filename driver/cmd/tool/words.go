package main

import (
	"errors"
	"go/build"
	"os"
	"path"
	"regexp"
	"strings"
)

// wordsMax bounds what is passed on of go's words.
const wordsMax = 8 << 10

var noise = regexp.MustCompile(`^(go: (downloading|added|upgraded|downgraded|removed|finding|extracting|found|warning|creating|to add|trying) |#|\s*$)`)

// clean drops what go says about its work, and paths of ours.
func clean(words, work string) string {
	var kept []string
	for line := range strings.Lines(words) {
		line = strings.TrimRight(line, "\r\n")
		if noise.MatchString(line) {
			continue
		}
		line = strings.TrimPrefix(line, "go: ")
		for _, ours := range []string{work, os.Getenv("GOROOT")} {
			if ours != "" {
				line = strings.ReplaceAll(line, ours+"/", "")
			}
		}
		kept = append(kept, line)
	}
	text := strings.ToValidUTF8(strings.Join(kept, "\n"), "\uFFFD")
	if len(text) > wordsMax {
		text = strings.ToValidUTF8(text[:wordsMax], "") + "\n…"
	}
	return text
}

// A saying is a pattern in go's words and what it means.
type saying struct {
	pattern *regexp.Regexp
	explain func(f *fetcher, match []string, words string) *problem
}

// The order matters: what is said about one thing often quotes another.
var sayings = []saying{
	{regexp.MustCompile(`checksum mismatch|SECURITY ERROR|invalid signature`), (*fetcher).checksumMismatch},
	{regexp.MustCompile(`requires go >= (\S+) \(running`), (*fetcher).goTooNew},
	{regexp.MustCompile(`GOVCS disallows|unknown VCS|no secure protocol`), (*fetcher).needsGit},
	{regexp.MustCompile(`module (\S+)@(\S+) found(?: \(([^)\s,]+)[^)]*\))?, but does not contain package`), (*fetcher).packageNotFound},
	{regexp.MustCompile(`use of internal package`), (*fetcher).packageInternal},
	{regexp.MustCompile(`import "\S+" is a program`), (*fetcher).packageMain},
	{regexp.MustCompile(`disallowed version string`), (*fetcher).badVersion},
	{regexp.MustCompile(`malformed (module|import) path`), (*fetcher).badPackage},
	{regexp.MustCompile(`no required module provides package`), (*fetcher).noPackageThere},
	{regexp.MustCompile(`(?m)pattern .*: (invalid pattern syntax|no matching files found|cannot embed .*)$`), (*fetcher).badEmbed},
	{regexp.MustCompile(`failed to find embedded files|\.go:\d+:\d+: expected 'package'`), (*fetcher).noGoFile},
	{regexp.MustCompile(`cannot find module providing package`), (*fetcher).needsModule},
	{regexp.MustCompile(`: (404|410) `), (*fetcher).notFound},
	{regexp.MustCompile(`(?i)module lookup disabled|dial tcp|connection refused|connection reset|no such host|i/o timeout|TLS handshake|x509|proxyconnect|unexpected EOF|network is unreachable|Client\.Timeout|: (401|407|408|429|5\d\d) |: EOF`), (*fetcher).unreachable},
	{regexp.MustCompile(`: (400|403) |not found|no such file or directory|unknown revision|no matching versions|unrecognized import path|invalid version`), (*fetcher).notFound},
}

// explain says in a problem why go said no.
func (f *fetcher) explain(words string, err error) error {
	if platform(err) {
		return err
	}
	words = clean(words, path.Dir(f.tree))
	for _, s := range sayings {
		if match := s.pattern.FindStringSubmatch(words); match != nil {
			return s.explain(f, match, words)
		}
	}
	return fail("fetch_failed", faultUpstream, "%s could not be fetched: %s", f.request.Package, words)
}

func (f *fetcher) checksumMismatch(_ []string, words string) *problem {
	return fail("checksum_mismatch", faultUpstream,
		"what the source sent is not what the checksum database knows: it was changed after it was published. Nothing was used. %s", words)
}

func (f *fetcher) noPackageThere(_ []string, _ string) *problem {
	p := fail("package_not_found", faultNotFound, "the module is there, but it has no package %s: name one of its packages", f.request.Package)
	p.Nearest = f.nearestFetched()
	return p
}

func (f *fetcher) badEmbed(_ []string, words string) *problem {
	return fail("compile_error", faultFunction, "a //go:embed of the package names what it may not: %s", words)
}

func (f *fetcher) noGoFile(_ []string, words string) *problem {
	return fail("compile_error", faultFunction, "a file of the package, or of what it needs, is no Go: %s", words)
}

func (f *fetcher) needsModule(_ []string, words string) *problem {
	return fail("module_not_found", faultNotFound, "%s imports what no module provides: %s", f.request.Package, words)
}

func (f *fetcher) goTooNew(match []string, words string) *problem {
	return fail("go_too_new", faultFunction,
		"%s@%s needs Go %s, newer than the toolchain here: ask for an older version, or raise go_version in the configuration. %s",
		f.request.Package, f.request.Version, match[1], words)
}

func (f *fetcher) needsGit(_ []string, words string) *problem {
	return fail("source_needs_git", faultUpstream,
		"no module proxy that is configured has %s, and the fetch jail speaks only the module protocol: add a GOPROXY that has it, or give the repository's https://….git address. %s",
		f.request.Package, words)
}

func (f *fetcher) packageNotFound(match []string, _ string) *problem {
	module, version := match[1], match[2]
	if match[3] != "" {
		version = match[3] // what latest, or a branch, is
	}
	p := fail("package_not_found", faultNotFound, "module %s (%s) has no package %s", module, version, f.request.Package)
	p.Nearest = f.nearestPackages(module, version)
	return p
}

func (f *fetcher) packageInternal(_ []string, words string) *problem {
	return fail("package_internal", faultNotFound, "%s cannot be imported by others: %s", f.request.Package, words)
}

func (f *fetcher) packageMain(_ []string, _ string) *problem {
	return fail("package_main", faultNotFound, "%s is a program (package main), not a package with functions to call", f.request.Package)
}

func (f *fetcher) badVersion(_ []string, words string) *problem {
	return fail("bad_version", faultInput,
		"%q is no version that the module protocol can carry (a branch with a slash, say): give a tag or a commit. %s", f.request.Version, words)
}

func (f *fetcher) badPackage(_ []string, words string) *problem {
	return fail("bad_package", faultInput, "%s", words)
}

func (f *fetcher) unreachable(_ []string, words string) *problem {
	return fail("source_unreachable", faultUpstream, "the source of %s could not be reached: %s", f.request.Package, words)
}

// notFound tells a missing version from a missing module by asking for the versions there are.
func (f *fetcher) notFound(_ []string, words string) *problem {
	if f.request.Git != nil {
		return fail("module_not_found", faultNotFound, "the repository needs a module that is not to be had: %s", words)
	}
	module := f.request.Package
	for range 3 {
		if f.request.Version == "latest" || strings.Count(module, "/") < 1 {
			break
		}
		output, _, err := f.command.run("list", "-m", "-versions", "--", module)
		if fields := strings.Fields(output); err == nil && len(fields) > 0 {
			p := fail("version_not_found", faultNotFound, "module %s has no version %s. %s", module, f.request.Version, words)
			p.Versions = lastVersions(fields[1:])
			return p
		}
		module = path.Dir(module)
	}
	return fail("module_not_found", faultNotFound,
		"no module provides %s: check its spelling, upper and lower case, and that it is public. %s", f.request.Package, words)
}

// lastVersions keeps the newest, newest first.
func lastVersions(versions []string) []string {
	var last []string
	for i := len(versions) - 1; i >= 0 && len(last) < 10; i-- {
		last = append(last, versions[i])
	}
	return last
}

// unreadable says why go/build sees no package in a directory that is there; nil where it sees one, and
// what is wrong with it is for the compiler to say.
func unreadable(name string, p *build.Package, err error) error {
	var none *build.NoGoError
	var several *build.MultiplePackageError
	switch {
	case errors.As(err, &none):
		return fail("package_empty", faultNotFound,
			"%s has no Go files for this platform (build constraints exclude them, or there are only tests)", name)
	case errors.As(err, &several):
		return fail("compile_error", faultFunction, "%s: its files are of more than one package: %s and %s",
			name, several.Packages[0], several.Packages[1])
	case err != nil && p.Name == "":
		return fail("compile_error", faultFunction, "%s cannot be read: %s", name, clean(err.Error(), ""))
	}
	return nil
}
