package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// gitRequest is a plain repository: how git is given it, and what its host is to be told.
type gitRequest struct {
	URL        string `json:"url"` // without directory and ref
	Scheme     string `json:"scheme"`
	Host       string `json:"host"`
	Port       int    `json:"port"`
	Path       string `json:"path"`      // "u/r"
	Directory  string `json:"directory"` // below the root; "" is the root
	User       string `json:"user"`
	Token      string `json:"token"`
	SSHKey     string `json:"ssh_key"`
	KnownHosts string `json:"known_hosts"`
	BytesMax   int64  `json:"bytes_max"` // of what is sent, and of its files
}

const (
	wordsKept = 64 << 10 // of what git says
	refsMax   = 16 << 20 // bytes of a list of refs
	filesMax  = 100000
	pathMax   = 1 << 20 // far beyond what a file system takes
)

// gitCommand runs git in a directory, with an environment made here: nothing of a repository, of this
// machine or of a user configures it.
type gitCommand struct {
	request     *gitRequest
	program     string
	dir         string
	url         string // as git is given it
	options     []string
	environment []string
	secrets     []string // never said
	relay       *relay
}

// The options of every run. What a repository holds is data: no hook, filter, link or submodule of it is
// followed; what comes is checked object by object before it is used.
var gitOptions = []string{
	"protocol.allow=never", "protocol.version=2",
	"core.hooksPath=/dev/null", "core.symlinks=false", "core.fsmonitor=false",
	"core.protectHFS=true", "core.protectNTFS=true", "core.bigFileThreshold=16m",
	"credential.helper=", "transfer.fsckObjects=true", "transfer.bundleURI=false",
	"transfer.unpackLimit=1", // always one pack, so that a limit on a file is one on all
	"submodule.recurse=false", "fetch.recurseSubmodules=no", "fetch.writeCommitGraph=false",
	"gc.auto=0", "maintenance.auto=false", "http.followRedirects=false", "advice.detachedHead=false",
}

func newGit(request *gitRequest, work string) (*gitCommand, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, fail("git_missing", faultPlatform, "there is no git in the fetch jail")
	}
	g := &gitCommand{request: request, program: program, dir: filepath.Join(work, "repository"), url: request.URL}
	g.environment = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TMPDIR=" + os.TempDir(), "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "GIT_PROTOCOL_FROM_USER=0",
	}
	g.options = append(g.options, gitOptions...)
	g.options = append(g.options, "protocol."+request.Scheme+".allow=always")
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		g.options = append(g.options, "http.sslCAInfo="+file)
	}
	if err := g.reach(); err != nil {
		return nil, err
	}
	return g, os.MkdirAll(g.dir, 0o755)
}

// reach makes the one way out serve the scheme: git speaks CONNECT for https only, all else goes through
// a relay of ours that does.
func (g *gitCommand) reach() error {
	r := g.request
	proxy := proxyAddress()
	if r.Scheme == "https" {
		g.options = append(g.options, "http.proxy=http://"+proxy)
		g.authorize()
		return nil
	}
	var err error
	g.relay, err = newRelay(proxy, net.JoinHostPort(r.Host, strconv.Itoa(r.Port)), r.Scheme == "http")
	if err != nil {
		return err
	}
	switch r.Scheme {
	case "http":
		g.options = append(g.options, "http.proxy=socks5h://"+g.relay.address())
		g.authorize()
	case "git":
		g.environment = append(g.environment, "GIT_OVERRIDE_VIRTUAL_HOST="+hostPort(r.Host, r.Port, 9418))
		g.url = "git://" + g.relay.address() + strings.TrimPrefix(r.URL, "git://"+authority(r.URL))
	case "ssh":
		return g.shell()
	}
	return nil
}

func authority(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	authority, _, _ := strings.Cut(rest, "/")
	return authority
}

func hostPort(host string, port, usual int) string {
	if port == usual {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// authorize gives the host its token, by the environment: a command line can be read by others. It goes
// to this scheme, host and port only, and redirects are not followed.
func (g *gitCommand) authorize() {
	r := g.request
	if r.Token == "" {
		return
	}
	word := base64.StdEncoding.EncodeToString([]byte(r.User + ":" + r.Token))
	g.secrets = append(g.secrets, word, r.Token)
	g.environment = append(g.environment, "GIT_CONFIG_COUNT=1",
		fmt.Sprintf("GIT_CONFIG_KEY_0=http.%s://%s/.extraHeader", r.Scheme, authority(r.URL)),
		"GIT_CONFIG_VALUE_0=Authorization: Basic "+word)
}

// shell prepares ssh: its configuration is a file, since git passes no options to what GIT_SSH names, and
// there is no shell in the jail that GIT_SSH_COMMAND would need. ssh looks below the home that
// /etc/passwd names.
func (g *gitCommand) shell() error {
	r := g.request
	program, err := exec.LookPath("ssh")
	if err != nil {
		return fail("git_missing", faultPlatform, "there is no ssh in the fetch jail")
	}
	home := filepath.Join(os.TempDir(), ".ssh")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	alias := r.Host
	if r.Port != 22 {
		alias = fmt.Sprintf("[%s]:%d", r.Host, r.Port) // as known_hosts has it
	}
	_, port, _ := net.SplitHostPort(g.relay.address())
	text := "Host *\n\tHostName 127.0.0.1\n\tPort " + port + "\n\tHostKeyAlias " + alias + "\n\tUser " + r.User +
		"\n\tIdentityFile " + home + "/key\n\tIdentitiesOnly yes\n\tIdentityAgent none\n\tUserKnownHostsFile " + home +
		"/known_hosts\n\tGlobalKnownHostsFile /dev/null\n\tStrictHostKeyChecking yes\n\tUpdateHostKeys no\n\tBatchMode yes\n" +
		"\tPreferredAuthentications publickey\n\tForwardAgent no\n\tForwardX11 no\n\tClearAllForwardings yes\n\tPermitLocalCommand no\n"
	for name, content := range map[string]string{"config": text, "key": r.SSHKey + "\n", "known_hosts": r.KnownHosts + "\n"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	g.environment = append(g.environment, "GIT_SSH="+program, "GIT_SSH_VARIANT=ssh")
	if rest, ok := strings.CutPrefix(r.URL, "ssh://"); ok { // a port on the command line would outdo the file's
		_, path, _ := strings.Cut(rest, "/")
		g.url = "ssh://" + r.User + "@" + r.Host + "/" + path
	}
	return nil
}

// close ends the way out and removes what was secret.
func (g *gitCommand) close() {
	if g.relay != nil {
		g.relay.close()
	}
	os.RemoveAll(filepath.Join(os.TempDir(), ".ssh"))
}

// command is a run that has not begun; what git says on stderr goes to words.
func (g *gitCommand) command(words io.Writer, arguments ...string) *exec.Cmd {
	var all []string
	for _, option := range g.options {
		all = append(all, "-c", option)
	}
	command := exec.Command(g.program, append(all, arguments...)...)
	command.Dir = g.dir
	command.Env = g.environment
	command.Stderr = words
	return command
}

// run gives what git wrote, at most max bytes of it, and where it said no, what it said.
func (g *gitCommand) run(max int, arguments ...string) (string, error) {
	out, words := limited{left: max}, limited{left: wordsKept}
	command := g.command(&words, arguments...)
	command.Stdout = &out
	err := command.Run()
	if err != nil {
		return "", g.explain(arguments[0], words.String(), err)
	}
	if out.cut {
		return "", fail("repository_too_large", faultFunction, "the repository lists more than %d bytes of refs", max)
	}
	return out.String(), nil
}

// limited keeps the first bytes of what is written.
type limited struct {
	bytes.Buffer
	left int
	cut  bool
}

func (l *limited) Write(data []byte) (int, error) {
	kept := data
	if len(kept) > l.left {
		kept = kept[:l.left]
		l.cut = true
	}
	l.left -= len(kept)
	l.Buffer.Write(kept)
	return len(data), nil
}

// fetch brings one commit, and nothing before it. The pack is one file, whose size the kernel limits: a
// host that sends more is not listened to any longer.
func (g *gitCommand) fetch(commit string) error {
	if _, err := g.run(wordsKept, "init", "--quiet", "--template=", "."); err != nil {
		return err
	}
	restore, err := limitFiles(g.request.BytesMax)
	if err != nil {
		return err
	}
	defer restore()
	_, err = g.run(wordsKept, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
		"--no-recurse-submodules", "--", g.url, commit)
	if err != nil && g.filled() {
		return g.tooLarge("")
	}
	return err
}

// filled tells a pack that ended at the limit: git has no words for it.
func (g *gitCommand) filled() bool {
	for _, file := range globbed(filepath.Join(g.dir, ".git/objects/pack/tmp_pack_*")) {
		if info, err := os.Lstat(file); err == nil && info.Size() >= g.request.BytesMax {
			return true
		}
	}
	return false
}

// limitFiles limits the files that programs started from here on write.
func limitFiles(size int64) (restore func(), err error) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return nil, err
	}
	limit := before
	lower(&limit.Cur, size)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return nil, err
	}
	return func() { _ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before) }, nil
}

// lower is for a limit of either type: Linux counts without a sign, FreeBSD with one.
func lower[T int64 | uint64](limit *T, most int64) {
	if uint64(*limit) > uint64(most) {
		*limit = T(most)
	}
}

// measure counts a commit's files, their bytes and its directories before any is made, and stops where
// there are too many: a few objects can be a tree without end, and without files.
func (g *gitCommand) measure(commit string) error {
	words := limited{left: wordsKept}
	command := g.command(&words, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit)
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	tooLarge := g.count(out)
	if tooLarge != nil {
		_ = command.Process.Kill()
	}
	if err := command.Wait(); err != nil && tooLarge == nil {
		return g.explain("ls-tree", words.String(), err)
	}
	if tooLarge != nil {
		return tooLarge
	}
	return nil
}

// count reads lines "mode type object size<TAB>path<NUL>".
func (g *gitCommand) count(out io.Reader) error {
	var files, directories, size int64
	scan := newScanner(out)
	for scan.Scan() {
		fields := strings.Fields(strings.SplitN(scan.Text(), "\t", 2)[0])
		if len(fields) == 4 && fields[1] == "blob" {
			bytes, _ := strconv.ParseInt(fields[3], 10, 64)
			size += bytes
		}
		if len(fields) == 4 && fields[1] == "tree" {
			directories++
		} else {
			files++
		}
		if files > filesMax || directories > filesMax {
			return fail("repository_too_large", faultFunction, "the repository has more than %d files or directories", filesMax)
		}
		if size > g.request.BytesMax {
			return fail("repository_too_large", faultFunction,
				"the repository's files have more than %d bytes (git.repository_max in the configuration)", g.request.BytesMax)
		}
	}
	if errors.Is(scan.Err(), bufio.ErrTooLong) {
		return fail("repository_refused", faultFunction, "the repository has a path of more than %d bytes", pathMax)
	}
	return scan.Err()
}

// checkout writes a commit's files as they are stored: attributes of the repository change nothing, links
// become plain files. What belongs to a version control system goes afterwards.
func (g *gitCommand) checkout(commit string) error {
	raw := "* -text !eol !filter !ident !working-tree-encoding !diff !merge\n"
	if err := os.MkdirAll(filepath.Join(g.dir, ".git/info"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(g.dir, ".git/info/attributes"), []byte(raw), 0o644); err != nil {
		return err
	}
	if _, err := g.run(wordsKept, "checkout", "--quiet", "--force", "--detach", "--no-recurse-submodules", commit); err != nil {
		return err
	}
	return plainTree(g.dir)
}
