package main

import (
	"regexp"
	"slices"
	"strings"
)

var (
	wholeCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	partCommit  = regexp.MustCompile(`^[0-9a-f]{7,63}$`)
)

const tagMax = 128 // bytes of a tag that is told

type ref struct{ name, commit string }

// parseRefs reads what ls-remote wrote, lines "commit<TAB>name"; what is no such line is passed over.
func parseRefs(text string) []ref {
	var refs []ref
	for line := range strings.Lines(text) {
		commit, name, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if ok && wholeCommit.MatchString(commit) {
			refs = append(refs, ref{name, commit})
		}
	}
	return refs
}

// find gives the commit of a name, that which a tag object points at.
func find(refs []ref, name string) string {
	for _, wanted := range []string{name + "^{}", name} {
		for _, r := range refs {
			if r.name == wanted {
				return r.commit
			}
		}
	}
	return ""
}

// resolve asks the host what a ref is now. A tag, as a commit, means the same for ever: pinned.
func (g *gitCommand) resolve(name string) (commit string, pinned bool, err error) {
	if wholeCommit.MatchString(name) {
		return name, true, nil
	}
	if name == "latest" || name == "HEAD" {
		refs, err := g.list("HEAD")
		if err == nil && find(refs, "HEAD") == "" {
			err = fail("version_not_found", faultNotFound, "the repository has no default branch, perhaps it is empty: name a branch, tag or commit")
		}
		return find(refs, "HEAD"), false, err
	}
	names := []string{"refs/tags/" + name, "refs/heads/" + name}
	if strings.HasPrefix(name, "refs/") {
		names = []string{name}
	}
	var asked []string
	for _, name := range names {
		asked = append(asked, name, name+"^{}")
	}
	refs, err := g.list(asked...)
	if err != nil {
		return "", false, err
	}
	for _, name := range names {
		if commit := find(refs, name); commit != "" {
			return commit, strings.HasPrefix(name, "refs/tags/"), nil
		}
	}
	return g.guess(name)
}

// guess takes the beginning of a commit, where a branch or tag has one that begins so; else it says what
// there is.
func (g *gitCommand) guess(name string) (string, bool, error) {
	refs, err := g.list()
	if err != nil {
		return "", false, err
	}
	if commit := begins(refs, name); commit != "" {
		return commit, true, nil
	}
	hint := "give a tag, a branch or a commit's 40 digits"
	if partCommit.MatchString(name) {
		hint = "a commit that is no branch's or tag's own can only be named by all of its 40 digits"
	}
	p := fail("version_not_found", faultNotFound, "the repository has no tag or branch %s: %s", name, hint)
	p.Versions = lastVersions(tags(refs))
	return "", false, p
}

// begins gives the one commit that begins with the digits, "" where there is none or more than one.
func begins(refs []ref, digits string) string {
	if !partCommit.MatchString(digits) {
		return ""
	}
	var found []string
	for _, r := range refs {
		if strings.HasPrefix(r.commit, digits) && find(refs, r.name) == r.commit {
			found = append(found, r.commit)
		}
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) != 1 {
		return ""
	}
	return found[0]
}

// tags gives those that can be asked for: a host can call one anything.
func tags(refs []ref) []string {
	var names []string
	for _, r := range refs {
		if name, ok := strings.CutPrefix(r.name, "refs/tags/"); ok && refText.MatchString(name) && len(name) <= tagMax {
			names = append(names, name)
		}
	}
	return names
}

// list asks for refs by their whole names, for all where none is given.
func (g *gitCommand) list(names ...string) ([]ref, error) {
	text, err := g.run(refsMax, append([]string{"ls-remote", "--quiet", "--", g.url}, names...)...)
	return parseRefs(text), err
}
