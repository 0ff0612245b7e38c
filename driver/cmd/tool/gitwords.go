package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"unicode"
)

// A gitSaying is a pattern in git's words, and ssh's, and what it means. What is of this machine counts
// only where the words are not the host's.
type gitSaying struct {
	pattern *regexp.Regexp
	explain func(g *gitCommand, words string) *problem
	here    bool
}

// The order matters: what is said about one thing is often followed by what came of it.
var gitSayings = []gitSaying{
	{regexp.MustCompile(`died of signal 25|File too large`), (*gitCommand).tooLarge, true},
	{regexp.MustCompile(`no space left on device|No space left on device|[Dd]isk quota exceeded`), (*gitCommand).full, true},
	{regexp.MustCompile(`Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED`), (*gitCommand).hostKey, true},
	{regexp.MustCompile(`Permission denied \(|Authentication failed|could not read (Username|Password)|returned error: (401|403|407)|Load key ".*": `), (*gitCommand).unauthorized, false},
	{regexp.MustCompile(`returned error: 30[1-8]|redirect`), (*gitCommand).moved, false},
	{regexp.MustCompile(`repository '.*' not found|returned error: (404|410)|access denied or repository not exported|does not appear to be a git repository|[Rr]epository not found|not our ref|unadvertised object|couldn't find remote ref`), (*gitCommand).notFound, false},
	{regexp.MustCompile(`fsck error|in fsck|bad (tree|object)|hasDot|gitmodules|error: object [0-9a-f]+: |invalid path '|unable to create file|cannot create directory|Invalid path`), (*gitCommand).refused, false},
	{regexp.MustCompile(`dumb http transport|does not support shallow`), (*gitCommand).dumb, false},
	{regexp.MustCompile(`index-pack failed|invalid index-pack output|pack has bad object|pack is corrupted|inflate|protocol error|bad line length|bad pack|unexpected (flush|disconnect)`), (*gitCommand).garbled, false},
}

// explain says in a problem why git said no to the command.
func (g *gitCommand) explain(command, words string, err error) error {
	words = g.clean(words)
	fmt.Fprintf(os.Stderr, "tool: git %s: %v\n%s\n", command, err, words)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fail("tool_failed", faultPlatform, "git does not start: %v", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGXFSZ {
		return g.tooLarge(words)
	}
	here := ofThisMachine(words)
	for _, s := range gitSayings {
		if s.here && s.pattern.MatchString(here) || !s.here && s.pattern.MatchString(words) {
			return s.explain(g, words)
		}
	}
	if !exit.Exited() {
		return fail("git_killed", faultPlatform, "git was killed (%v)", exit)
	}
	return g.unreachable(words)
}

// ofThisMachine leaves out what the host said: git passes it on in lines of its own, and an error at the end.
func ofThisMachine(words string) string {
	words, _, _ = strings.Cut(words, "remote error: ")
	var kept strings.Builder
	for line := range strings.Lines(words) {
		if !strings.HasPrefix(line, "remote:") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// clean drops secrets, paths of ours and whatever is no text: a host can send back what it was sent.
func (g *gitCommand) clean(words string) string {
	for _, secret := range g.secrets {
		words = strings.ReplaceAll(words, secret, "(secret)")
	}
	words = strings.ReplaceAll(words, g.dir+"/", "")
	words = strings.ReplaceAll(words, g.url, g.request.URL)
	words = strings.ToValidUTF8(words, "\uFFFD")
	words = strings.Map(func(r rune) rune {
		if r == '\r' {
			return '\n'
		}
		if r != '\n' && !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, words)
	if words = strings.TrimSpace(words); len(words) > wordsMax {
		words = strings.ToValidUTF8(words[:wordsMax], "") + "\n…"
	}
	return words
}

func (g *gitCommand) tooLarge(string) *problem {
	return fail("repository_too_large", faultFunction,
		"the repository sends more than %d bytes (git.repository_max in the configuration)", g.request.BytesMax)
}

func (g *gitCommand) full(string) *problem {
	return fail("disk_full", faultFull, "no space left while git was at work (jails.build.tmp)")
}

func (g *gitCommand) hostKey(words string) *problem {
	return fail("host_key_mismatch", faultUpstream,
		"the host does not have the key that git.hosts has for it (known_hosts): nothing was sent or used. %s", words)
}

// unauthorized tells wrong credentials from none: hosts hide what is private, and what is not there too.
func (g *gitCommand) unauthorized(words string) *problem {
	if g.request.Token != "" || g.request.SSHKey != "" {
		return fail("credentials_refused", faultUpstream,
			"%s refuses the credentials that git.hosts has for it, or they do not reach this repository. %s", g.request.Host, words)
	}
	return fail("repository_not_found", faultNotFound,
		"%s does not exist, or is not public: check its spelling; for a private one the operator adds a token for its host to git.hosts. %s",
		g.request.URL, words)
}

func (g *gitCommand) moved(words string) *problem {
	return fail("repository_moved", faultNotFound,
		"%s sends elsewhere, which is not followed: give the repository's own address. %s", g.request.URL, words)
}

func (g *gitCommand) notFound(words string) *problem {
	if strings.Contains(words, "not our ref") || strings.Contains(words, "unadvertised") || strings.Contains(words, "remote ref") {
		return fail("version_not_found", faultNotFound, "the repository has no such commit, or does not give it away by itself. %s", words)
	}
	return fail("repository_not_found", faultNotFound, "there is no repository %s: check its spelling. %s", g.request.URL, words)
}

func (g *gitCommand) refused(words string) *problem {
	return fail("repository_refused", faultFunction,
		"the repository holds what git calls broken or dangerous, and nothing of it was used. %s", words)
}

func (g *gitCommand) dumb(words string) *problem {
	return fail("source_unreachable", faultUpstream, "%s serves files only, and does not speak git's own protocol. %s", g.request.URL, words)
}

func (g *gitCommand) garbled(words string) *problem {
	return fail("fetch_failed", faultUpstream, "what %s sent is no repository. %s", g.request.Host, words)
}

func (g *gitCommand) unreachable(words string) *problem {
	return fail("source_unreachable", faultUpstream,
		"%s could not be reached (a host with private addresses needs \"private\": true in git.hosts, one with an unusual port its HOST:PORT there). %s", g.request.URL, words)
}
