"""Plain git repositories, kind and hostile, over http, https, git and ssh."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import unittest

import gitserver
import proxy
import sky

TOKEN = "s3cret-token-of-the-tests"


def package(name, value, more=""):
    return "package %s\n%s\nfunc F() string { return %s }\n" % (name, more, value)


def module(path, more=""):
    return "module %s\n\ngo 1.21\n%s" % (path, more)


def setUpModule():
    global server, web, secure, daemon, root, work
    work = tempfile.mkdtemp(prefix="git-", dir=sky.work)
    root = os.path.join(work, "repositories")
    os.makedirs(os.path.join(root, "u"))
    tree = proxy.Tree(os.path.join(work, "proxy"))
    tree.add("example.com/leaf", {"leaf.go": package("leaf", '"leaf"')})
    files = gitserver.certificate(work)
    secure = gitserver.Web(root, files, password="deploy:" + TOKEN, answer="https")
    unittest.addModuleCleanup(secure.close)
    web = gitserver.Web(root, elsewhere="http://127.0.0.1:%d" % secure.port)
    unittest.addModuleCleanup(web.close)
    daemon = gitserver.daemon(root)
    unittest.addModuleCleanup(daemon.close)
    token = os.path.join(work, "token")
    with open(token, "w", encoding="utf-8") as file:
        file.write(TOKEN + "\n")
    hosts = {"127.0.0.1:%d" % web.port: {"schemes": ["http"], "private": True},
             "127.0.0.1:%d" % secure.port: {"private": True, "user": "deploy", "token": {"file": token}},
             "localhost:%d" % web.port: {"schemes": ["http"]},
             "127.0.0.1:%d" % daemon.port: {"schemes": ["git"], "private": True}}
    server = sky.Sky("git", modules=tree.url, git={"hosts": hosts}, jails={"fetch_timeout": "60s"})
    server.config["modules"]["ssl_cert_file"] = files[0]
    server.start()
    unittest.addModuleCleanup(server.close)
    sky.until(daemon.listens, 10, "git's daemon")


class Case(unittest.TestCase):
    def repository(self, name, entries=None):
        made = gitserver.Repository(os.path.join(root, "u"), name)
        if entries is not None:
            made.commit(entries)
        return made

    def url(self, name, more=""):
        return "%s/u/%s.git%s" % (web.url, name, more)

    def works(self, url, data, call="F()", **fields):
        answer = server.call(url, call, **fields)
        self.assertEqual((answer.status, answer.json.get("data")), (200, data), answer)
        return answer

    def fails(self, url, status, code, words, **fields):
        answer = server.call(url, fields.pop("call", "F()"), **fields)
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertIn(words, answer.detail)
        for hidden in (server.state, TOKEN, "root:x:", "/tmp/"):
            self.assertNotIn(hidden, answer.detail)
        return answer

    def tearDown(self):
        sky.until(lambda: server.files() == [], 5, "the end of temporary files")


class Repositories(Case):
    def test_a_module(self):
        repository = self.repository("plain", {"go.mod": module("example.com/plain"), "a.go": package("plain", '"plain"'),
                                               "sub": {"s.go": package("sub", '"sub"'), "deep": {"d.go": package("deep", '"deep"')}}})
        commit = repository.git("rev-parse", "main")
        answer = self.works(self.url("plain"), "plain")
        self.assertEqual(answer.headers["x-sky-island-module"], "127.0.0.1:%d/u/plain.git@%s" % (web.port, commit))
        self.works(self.url("plain", "/sub"), "sub")
        self.works(self.url("plain", "/sub/deep#main"), "deep")
        self.works(self.url("plain"), "plainplain", call="F() + plain.F()")
        self.assertEqual(server.typed(self.url("plain"), "F").json["results"], ["plain"])

    def test_without_go_mod(self):
        self.repository("nomod", {"a.go": package("nomod", '"nomod+" + leaf.F()', 'import "example.com/leaf"'), "sub": {"s.go": package("sub", '"sub"')}})
        self.works(self.url("nomod"), "nomod+leaf")
        self.works(self.url("nomod", "/sub"), "sub")
        self.repository("inner", {"a.go": package("inner", '"inner+" + sub.F()', 'import "127.0.0.1/u/nowhere/sub"')})
        answer = server.call(self.url("inner"), "F()")
        self.assertIn(answer.status, (404, 422), answer)

    def test_go_mod_of_another_name(self):
        self.repository("odd", {"go.mod": module("mylib"), "a.go": package("odd", '"odd+" + sub.F()', 'import "mylib/sub"'), "sub": {"s.go": package("sub", '"sub"')}})
        self.works(self.url("odd"), "odd+sub")
        self.works(self.url("odd", "/sub"), "sub")
        self.repository("third", {"go.mod": module("gopkg.in/third.v3"), "a.go": package("third", '"third"')})
        self.works(self.url("third"), "third")
        self.repository("second", {"go.mod": module("example.com/second/v2"), "a.go": package("second", '"second"')})
        self.works(self.url("second"), "second")

    def test_nested_modules(self):
        self.repository("nested", {"go.mod": module("example.com/outer"), "a.go": package("outer", '"outer"'),
                                   "in": {"go.mod": module("example.com/inner", "\nrequire example.com/leaf v1.0.0\n\nreplace example.com/leaf => ../\n"),
                                          "i.go": package("inner", '"inner+" + leaf.F()', 'import "example.com/leaf"'), "x": {"x.go": package("x", '"x"')}}})
        self.works(self.url("nested"), "outer")
        self.works(self.url("nested", "/in"), "inner+leaf")
        self.works(self.url("nested", "/in/x"), "x")

    def test_dependencies_by_the_module_protocol(self):
        use = package("deps", '"deps+" + leaf.F()', 'import "example.com/leaf"')
        fake = package("leaf", '"fake"')
        self.repository("deps", {"go.mod": module("example.com/deps", "\nrequire example.com/leaf v1.0.0\n\nreplace example.com/leaf => ./fake\n"), "a.go": use,
                                 "fake": {"go.mod": module("example.com/leaf"), "f.go": fake}, "go.sum": "example.com/leaf v1.0.0 h1:wrong\n",
                                 "vendor": {"modules.txt": "# example.com/leaf v1.0.0\n## explicit\nexample.com/leaf\n", "example.com": {"leaf": {"f.go": fake}}},
                                 "go.work": "go 1.21\n\nuse ./fake\n"})
        self.works(self.url("deps"), "deps+leaf")
        self.repository("lost", {"go.mod": module("example.com/lost", "\nrequire example.com/gone v1.0.0\n"), "a.go": package("lost", "gone.F()", 'import "example.com/gone"')})
        self.fails(self.url("lost"), 404, "module_not_found", "example.com/gone")

    def test_refs(self):
        repository = self.repository("refs")
        commits = {}
        for name in ("one", "two", "three"):
            commits[name] = repository.commit({"a.go": package("refs", '"%s"' % name)})
        repository.tag("v1.0.0", commits["one"])
        repository.tag("v2.0.0", commits["two"], annotated=True)
        repository.git("update-ref", "refs/heads/feature/x", commits["one"])
        repository.git("update-ref", "refs/pull/1/head", commits["two"])
        repository.git("update-ref", "refs/heads/both", commits["one"])
        repository.tag("both", commits["two"])
        for ref, data in (("v1.0.0", "one"), ("v2.0.0", "two"), ("latest", "three"), ("feature/x", "one"),
                          (commits["two"], "two"), (commits["one"][:10], "one"), ("refs/heads/main", "three"), ("refs/pull/1/head", "two"), ("both", "two")):
            with self.subTest(ref):
                answer = self.works(self.url("refs", "#" + ref), data)
                self.assertEqual(answer.headers["x-sky-island-module"].rpartition("@")[2], commits[data])
                self.works(self.url("refs"), data, version=ref)
        answer = self.fails(self.url("refs", "#v3"), 404, "version_not_found", "v3")
        self.assertEqual(answer.json["versions"], ["v2.0.0", "v1.0.0", "both"])
        self.fails(self.url("refs", "#" + "a" * 40), 404, "version_not_found", "no such commit")
        self.fails(self.url("refs", "#" + "ab" * 5), 404, "version_not_found", "40 digits")
        self.repository("empty")
        self.fails(self.url("empty"), 404, "version_not_found", "empty")

    def test_missing(self):
        self.fails(self.url("nosuch"), 404, "repository_not_found", "/u/nosuch.git")
        self.repository("packages", {"a": {"a.go": package("a", '"a"')}, "docs": {"x.md": "x"}, "main.go": "package main\n\nfunc main() {}\n"})
        answer = self.fails(self.url("packages", "/aa"), 404, "package_not_found", "/aa")
        self.assertEqual(answer.json["nearest"][0], self.url("packages", "/a"))
        self.fails(self.url("packages", "/docs"), 404, "package_not_found", "/docs")
        self.fails(self.url("packages"), 404, "package_main", "package main")

    def test_broken_packages(self):
        self.repository("broken", {"a.go": package("broken", "1")})
        self.fails(self.url("broken"), 422, "compile_error", "cannot use 1")
        self.repository("newer", {"go.mod": "module example.com/newer\n\ngo 1.99.0\n", "a.go": package("newer", '"x"')})
        self.fails(self.url("newer"), 422, "go_too_new", "1.99")
        self.repository("inside", {"internal": {"a.go": package("internal", '"x"')}})
        self.fails(self.url("inside", "/internal"), 404, "package_internal", "internal")

    def test_https_with_a_token(self):
        os.makedirs(os.path.join(root, "private"))
        private = gitserver.Repository(os.path.join(root, "private"), "closed")
        private.commit({"a.go": package("closed", '"closed"')})
        self.works("%s/private/closed.git" % secure.url, "closed")
        self.fails("%s/private/closed.git" % web.url, 404, "repository_not_found", "not public")
        answer = self.fails("%s/echo/closed.git" % secure.url, 502, "credentials_refused", "git.hosts")
        self.assertNotIn("cannot run", answer.detail)
        self.assertNotIn(TOKEN, server.log())

    def test_secrets_are_in_no_command_line(self):
        self.repository("slow", {"a.go": package("slow", '"slow"')})
        secure.hold.clear()
        seen = []
        thread = threading.Thread(target=server.call, args=("%s/u/slow.git" % secure.url, "F()"), daemon=True)
        try:
            asked = len(secure.asked)
            thread.start()
            sky.until(lambda: len(secure.asked) > asked, 20, "a fetch")
            seen = [sky.command(pid) for pid in server.jail_pids()]
        finally:
            secure.hold.set()
            thread.join()
        self.assertTrue([line for line in seen if "ls-remote" in line], seen)
        for line in seen:
            self.assertNotIn(TOKEN, line)
            self.assertNotIn("Authorization", line)

    def test_the_daemon(self):
        self.repository("served", {"a.go": package("served", '"served"')}).tag("v1", "main")
        base = "git://127.0.0.1:%d/u/" % daemon.port
        self.works(base + "served.git", "served")
        self.works(base + "served.git#v1", "served")
        self.fails(base + "nosuch.git", 404, "repository_not_found", "nosuch")

    def test_a_hundred_calls_make_one_fetch(self):
        self.repository("popular", {"a.go": package("popular", '"popular"')})
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(server.call(self.url("popular"), "F()"))) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({(a.status, a.json.get("data")) for a in answers}, {(200, "popular")})
        self.assertEqual(len([p for p in web.asked if p.startswith("/u/popular.git/info/refs")]), 2)  # ls-remote and fetch

    def test_cache_bust(self):
        repository = self.repository("moving")
        first = repository.commit({"a.go": package("moving", '"first"')})
        repository.tag("v1", first)
        self.works(self.url("moving"), "first")
        self.works(self.url("moving", "#v1"), "first")
        second = repository.commit({"a.go": package("moving", '"second"')})
        repository.tag("v1", second)
        asked = len(web.asked)
        self.works(self.url("moving"), "first")
        self.assertEqual(len(web.asked), asked)
        self.works(self.url("moving"), "second", cache_bust=True)
        self.works(self.url("moving"), "second")
        self.works(self.url("moving", "#" + first), "first")
        self.works(self.url("moving", "#v1"), "first")
        self.works(self.url("moving", "#v1"), "second", cache_bust=True)

    def test_known_after_a_restart(self):
        repository = self.repository("kept", {"go.mod": module("example.com/kept"), "a.go": package("kept", '"kept"')})
        commit = repository.git("rev-parse", "main")
        repository.tag("v1", commit)
        urls = [self.url("kept", more) for more in ("", "#v1", "#" + commit)]
        for url in urls:
            self.works(url, "kept")
        self.works("%s/u/kept.git" % secure.url, "kept")
        self.assertEqual(server.stop(), 0, server.log())
        sources = os.path.join(server.state, "sources")
        server.start()
        asked = len(web.asked), len(secure.asked)
        for url in urls:
            answer = self.works(url, "kept")
            self.assertEqual(answer.headers["x-sky-island-module"], "127.0.0.1:%d/u/kept.git@%s" % (web.port, commit))
        self.assertEqual((len(web.asked), len(secure.asked)), asked)
        for name in os.listdir(sources):  # what the repository is, its host and its token are known all the same
            shutil.rmtree(os.path.join(sources, name))
        server.stop()
        server.start()
        self.works(urls[0], "kept1", call="F() + `1`")
        self.works(urls[1], "kept2", call="F() + `2`")
        self.works("%s/u/kept.git" % secure.url, "kept3", call="F() + `3`")
        repository.tag("v1", repository.commit({"go.mod": module("example.com/kept"), "a.go": package("kept", '"new"')}))
        self.works(urls[1], "kept")
        self.works(urls[1], "new", cache_bust=True)


class Policy(Case):
    def test_schemes_are_the_configurations(self):
        for url, line in (("git://git.example.com/u/r.git", '"git.example.com": {"schemes": ["git"]}'), ("http://git.example.com/u/r.git", '["http"]'),
                          ("git@git.example.com:u/r.git", '"schemes": ["ssh"], "ssh_key"'), ("http://127.0.0.1:%d/u/r.git" % secure.port, '["http"]'),
                          ("git://127.0.0.1:%d/u/r.git" % web.port, '"127.0.0.1:%d"' % web.port)):
            with self.subTest(url):
                self.fails(url, 403, "git_scheme_off", line)

    def test_private_addresses(self):
        self.repository("hidden", {"a.go": package("hidden", '"hidden"')})
        asked = len(web.asked)
        self.fails("http://localhost:%d/u/hidden.git" % web.port, 502, "source_unreachable", "not a public")
        for host in ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "127.0.0.1:8080", "localhost:%d" % secure.port):
            with self.subTest(host):
                answer = server.call("https://%s/u/hidden.git" % host, "F()")
                self.assertEqual((answer.status, answer.code), (502, "source_unreachable"), answer)
        self.assertEqual(len(web.asked), asked)

    def test_redirects_are_not_followed(self):
        self.repository("target", {"a.go": package("target", '"target"')})
        asked = len(secure.asked)
        self.fails("%s/moved/u/target.git" % web.url, 404, "repository_moved", "own address")
        self.assertEqual(len(secure.asked), asked)

    def test_urls_that_are_tricks(self):
        for url, code in (("https://user:pw@example.com/r.git", "url_invalid"), ("ext::sh -c 'touch /tmp/owned' /r.git", "url_invalid"), ("file:///etc/r.git", "url_scheme"),
                          (self.url("x", "/../y"), "url_invalid"), (self.url("x", "\n"), "url_scheme"), (self.url("x", "/\n"), "url_invalid"), (self.url("x", "#-x"), "version_invalid"),
                          (self.url("x", "#--upload-pack=touch"), "version_invalid"), (self.url("x", "@v1"), "url_git"), ("git@-oProxyCommand=x:r.git", "url_invalid"),
                          ("https://example.com/r.git#a..b", "version_invalid")):
            with self.subTest(url):
                answer = server.call(url, "F()")
                self.assertEqual((answer.status, answer.code), (400, code), answer)
        answer = server.call(self.url("x"), "F()", version="--upload-pack=touch /tmp/owned")
        self.assertEqual((answer.status, answer.code), (400, "version_invalid"), answer)
        answer = server.call(self.url("x", "#v1"), "F()", version="v1")
        self.assertEqual((answer.status, answer.code), (400, "version_twice"), answer)

    def test_wrong_words_from_a_host(self):
        answer = self.fails("%s/garbage/r.git" % web.url, 502, "fetch_failed", "no repository")
        self.assertNotIn("\x1b", json.loads(answer.body)["detail"])


class Hostile(Case):
    def embed(self, name, what):
        return package(name, "s", 'import _ "embed"\n\n//go:embed %s\nvar s string' % what)

    def test_links_are_plain_files(self):
        repository = self.repository("links")
        for target in ("/etc/passwd", "../../../../../etc/passwd"):
            repository.commit({"a.go": self.embed("links", "link"), "link": repository.link(target)})
            self.works(self.url("links"), target, cache_bust=True)
        repository.commit({"a.go": package("links", '"x"'), "go.mod": repository.link("/etc/passwd")})
        self.fails(self.url("links"), 422, "compile_error", "go.mod", cache_bust=True)
        repository.commit({"a.go": package("links", '"x"'), "b.go": repository.link("/etc/passwd")})
        answer = server.call(self.url("links"), "F()", cache_bust=True)
        self.assertEqual(answer.status, 422, answer)
        repository.commit({"sub": repository.link("../.."), "a.go": package("links", '"x"')})
        self.fails(self.url("links", "/sub"), 404, "package_not_found", "/sub", cache_bust=True)

    def test_submodules_are_left_alone(self):
        other = self.repository("other", {"a.go": package("other", '"other"')})
        commit = other.git("rev-parse", "main")
        repository = self.repository("super")
        repository.commit({"a.go": package("super", '"super"'), "other": ("160000", commit),
                           ".gitmodules": '[submodule "other"]\n\tpath = other\n\turl = %s\n' % self.url("other")})
        self.works(self.url("super"), "super")
        self.fails(self.url("super", "/other"), 404, "package_not_found", "/other")
        self.assertEqual([p for p in web.asked if "/other.git" in p], [])
        repository.commit({"a.go": package("super", '"super"'), ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n'})
        self.fails(self.url("super"), 422, "repository_refused", "gitmodules", cache_bust=True)

    def test_git_directories_are_refused(self):
        for i, name in enumerate((".git", ".GIT", "git~1", ".Git", "..", ".")):
            with self.subTest(name):
                repository = self.repository("dotgit%d" % i)
                repository.commit({"a.go": package("dotgit", '"x"'), name: {"config": "[core]\n\tfsmonitor = touch /tmp/owned\n", "hooks": {"post-checkout": "#!/bin/sh\n"}}})
                self.fails(self.url("dotgit%d" % i), 422, "repository_refused", "dangerous")
        self.repository("dothg", {"a.go": self.embed("dothg", "x.txt"), "x.txt": "x", ".hg": {"hgrc": "[hooks]\n"}, ".svn": {"entries": "x"}, "_FOSSIL_": "x"})
        self.works(self.url("dothg"), "x")

    def test_attributes_change_nothing(self):
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % ("0" * 64)
        self.repository("attributes", {"a.go": self.embed("attributes", "data.bin"), "data.bin": pointer + "$Id$\n",
                                       ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs ident text eol=crlf working-tree-encoding=UTF-16\n"})
        self.works(self.url("attributes"), pointer + "$Id$\n")

    def test_case_clashes(self):
        self.repository("case", {"a.go": package("case_", '"lower"'), "A.go": "package case_\n", "Sub": {"s.go": package("sub", '"Upper"')}, "sub": {"s.go": package("sub", '"lower"')}})
        answer = server.call(self.url("case"), "F()")
        self.assertEqual((answer.status, answer.code), (422, "compile_error"), answer)
        self.assertIn("case-insensitive", answer.detail)
        self.works(self.url("case", "/sub"), "lower")
        self.works(self.url("case", "/Sub"), "Upper")

    def test_five_hundred_megabytes(self):
        repository = self.repository("huge")
        blob = repository.blob(b"\0" * 1000000)
        repository.git("config", "core.compression", "9")
        repository.commit({"a.go": package("huge", '"huge"'), **{"f%d" % i: ("100644", blob) for i in range(500)}})
        self.fails(self.url("huge"), 422, "repository_too_large", "268435456 bytes (git.repository_max")

    def test_a_tree_without_end(self):
        repository = self.repository("bomb")
        tree = repository.tree({"f%d" % i: "x" for i in range(10)})
        for _ in range(9):
            tree = repository.tree({"d%d" % i: ("040000", tree) for i in range(10)})
        repository.commit(tree)
        self.fails(self.url("bomb"), 422, "repository_too_large", "100000 files")

    def test_module_paths(self):
        repository = self.repository("paths")
        for text, code in (("module strings\n", "module_path_unusable"), ("module sky-island.invalid/artifact/driver\n", "module_path_unusable"),
                           ("module C\n", "module_path_unusable"), ("module example.com/a/internal/b\n", "module_path_unusable"), ("module ../x\n", None),
                           ("module \"a b\"\n", None), ("mod", "compile_error"), ("\0\0\0", "compile_error"), ("", None), ("module example.com/x\n\nrequire example.com/x v9.0.0\n", None),
                           ("module example.com/x\n\nrequire (\n" + "\texample.com/y v1.0.0\n" * 3 + "\n", "compile_error")):
            with self.subTest(text):
                repository.commit({"go.mod": text, "a.go": package("paths", '"x"')})
                answer = server.call(self.url("paths"), "F()", cache_bust=True)
                self.assertIn(answer.status, (404, 422), answer)
                if code:
                    self.assertEqual((answer.status, answer.code), (422, code), answer)
        self.works("strings", "A", call="ToUpper(`a`)")


class Limits(unittest.TestCase):
    """A server with narrow limits, as a stranger's host meets them."""

    @classmethod
    def setUpClass(cls):
        hosts = {"127.0.0.1:%d" % web.port: {"schemes": ["http"], "private": True},
                 "127.0.0.1:%d" % secure.port: {"private": True, "user": "deploy", "token": "another-" + TOKEN}}
        cls.narrow = sky.Sky("narrow", modules="off", git={"hosts": hosts, "public": False, "repository_max": "2MiB"}, jails={"fetch_timeout": "3s"})
        cls.narrow.config["modules"]["ssl_cert_file"] = server.config["modules"]["ssl_cert_file"]
        cls.narrow.start()
        cls.addClassCleanup(cls.narrow.close)

    def fails(self, url, status, code, words):
        answer = self.narrow.call(url, "F()")
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertIn(words, answer.detail)
        self.assertEqual(self.narrow.files(), [])

    def test_a_pack_too_large(self):
        repository = gitserver.Repository(os.path.join(root, "u"), "pack")
        repository.commit({"a.go": package("pack", '"x"'), "random": os.urandom(4 << 20)})  # git on a slow machine takes long over more
        self.fails("%s/u/pack.git" % web.url, 422, "repository_too_large", "sends more than 2097152 bytes")

    def test_a_host_that_drips(self):
        self.fails("%s/drip/r.git" % web.url, 502, "fetch_timeout", "jails.fetch_timeout")

    def test_wrong_credentials(self):
        self.fails("%s/private/r.git" % secure.url, 502, "credentials_refused", "git.hosts")
        self.assertNotIn(TOKEN, self.narrow.log())

    def test_hosts_that_are_not_named(self):
        self.fails("https://example.com/u/r.git", 403, "git_host_off", "git.public")


class Shell(unittest.TestCase):
    """ssh, where this machine has a server for it."""

    def setUp(self):
        self.sshd = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if self.sshd is None:
            self.skipTest("no sshd (package openssh-server)")
        self.dir = tempfile.mkdtemp(prefix="ssh-", dir=work)
        for name in ("host", "user", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(self.dir, name)], check=True)
        self.port = gitserver.free_port()
        shutil.copy(self.path("user.pub"), self.path("authorized"))
        with open(self.path("config"), "w", encoding="utf-8") as file:
            file.write("Port %d\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
                       "PasswordAuthentication no\nAcceptEnv GIT_PROTOCOL\nForceCommand GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' "
                       "sh -c \"$SSH_ORIGINAL_COMMAND\"\n" % (self.port, self.path("host"), self.path("authorized")))
        if not os.path.isdir("/run/sshd"):
            os.mkdir("/run/sshd", 0o755)
            self.addCleanup(os.rmdir, "/run/sshd")
        self.program = gitserver.Program(self.port, self.sshd, "-D", "-e", "-f", self.path("config"))
        self.addCleanup(self.program.close)
        sky.until(self.program.listens, 10, "sshd")

    def path(self, name):
        return os.path.join(self.dir, name)

    def sky(self, key, host):
        with open(self.path(host + ".pub"), encoding="utf-8") as file:
            known = "[127.0.0.1]:%d %s" % (self.port, file.read())
        entry = {"schemes": ["ssh"], "private": True, "user": "root", "ssh_key": {"file": self.path(key)}, "known_hosts": known.strip()}
        started = sky.Sky("ssh", modules="off", git={"hosts": {"127.0.0.1:%d" % self.port: entry}}).start()
        self.addCleanup(started.close)
        return started

    def test_keys(self):
        repository = gitserver.Repository(os.path.join(root, "u"), "shell")
        repository.commit({"a.go": package("shell", '"shell"')})
        url = "ssh://127.0.0.1:%d%s" % (self.port, repository.path)
        answer = self.sky("user", "host").call(url, "F()")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "shell"), answer)
        answer = self.sky("other", "host").call(url, "F()")
        self.assertEqual((answer.status, answer.code), (502, "credentials_refused"), answer)
        answer = self.sky("user", "other").call(url, "F()")
        self.assertEqual((answer.status, answer.code), (502, "host_key_mismatch"), answer)


class Missing(unittest.TestCase):
    def test_without_git(self):
        bare = os.path.join(work, "bin")
        os.makedirs(bare)
        for name in ("go",):
            os.symlink(shutil.which(name), os.path.join(bare, name))
        with sky.Sky("nogit", modules="off", environment={"PATH": bare, "HOME": "/nonexistent"}) as started:
            answer = started.call("https://example.com/u/r.git", "F()")
            self.assertEqual((answer.status, answer.code), (503, "git_missing"), answer)
            self.assertIn("install", answer.detail)
            told = started.run("doctor").stdout.decode()
            self.assertRegex(told, r"(?m)^warn +git +git is not installed")


class ZLast(unittest.TestCase):
    def test_nothing_is_left(self):
        self.assertFalse(os.path.exists("/tmp/owned"))
        self.assertEqual(server.stop(), 0, server.log())
        self.assertEqual(sky.describe(server.processes()), [])
        self.assertEqual(server.cgroups(), [])
        self.assertEqual(server.files(), [])
        self.assertEqual(server.mounts(), [])
        with open(server.log_path, encoding="utf-8", errors="replace") as log:
            self.assertNotIn(TOKEN, log.read())
