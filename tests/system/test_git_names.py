"""What a git repository, and the host that serves it, may call things: no name and no word of theirs is taken for ours."""

import hashlib
import http.server
import os
import tempfile
import threading
import unittest
import zlib

import gitserver
import proxy
import sky

PACKAGE = 'package p\n\nfunc F() string { return "p" }\n'
NAMED = 'package p\n\nimport _ "embed"\n\n//go:embed %s\nvar s string\n\nfunc F() string { return s }\n'


class Words(http.server.BaseHTTPRequestHandler):
    """A host that speaks git's protocol as far as an error of its own."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        words = self.path.split("/")[1].replace("-", " ").encode()
        line = b"ERR \x1b[31mfatal: x\n" + words + b"\nfatal: " + words
        body = b"001e# service=git-upload-pack\n0000%04x" % (len(line) + 4) + line
        status, kind = (200, "application/x-git-upload-pack-advertisement") if "/said/" in self.path else (500, "text/plain")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def setUpModule():
    global server, web, words, root
    work = tempfile.mkdtemp(prefix="git-", dir=sky.work)
    root = os.path.join(work, "repositories")
    os.makedirs(os.path.join(root, "u"))
    web = gitserver.Web(root)
    unittest.addModuleCleanup(web.close)
    words = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Words)
    unittest.addModuleCleanup(words.server_close)
    unittest.addModuleCleanup(words.shutdown)
    threading.Thread(target=words.serve_forever, daemon=True).start()
    tree = proxy.Tree(os.path.join(work, "proxy"))
    tree.add("example.com/names", {"a.go": NAMED % "données.txt", "données.txt": "names", "é.go": "package p\n"})
    hosts = {"127.0.0.1:%d" % port: {"schemes": ["http"], "private": True} for port in (web.port, words.server_address[1])}
    server = sky.Sky("names", modules=tree.url, git={"hosts": hosts}).start()
    unittest.addModuleCleanup(server.close)


class Case(unittest.TestCase):
    def served(self, name, entries):
        """Calls F of a repository whose trees are [(name, text, bytes, a list, or another tree's digits)]: written as they are."""
        repository = gitserver.Repository(os.path.join(root, "u"), name)
        repository.commit(self.tree(repository, entries))
        return server.call("%s/u/%s.git" % (web.url, name), "F()")

    def tree(self, repository, entries):
        text = b""
        for name, entry in entries:
            if isinstance(entry, list):
                mode, digits = b"40000", self.tree(repository, entry)
            elif isinstance(entry, str) and len(entry) == 40:
                mode, digits = b"40000", entry
            else:
                mode, digits = b"100644", self.write(repository, b"blob", entry if isinstance(entry, bytes) else entry.encode())
            text += mode + b" " + (name if isinstance(name, bytes) else name.encode()) + b"\0" + bytes.fromhex(digits)
        return self.write(repository, b"tree", text)

    @staticmethod
    def write(repository, kind, text):
        whole = b"%s %d\0" % (kind, len(text)) + text
        digits = hashlib.sha1(whole).hexdigest()
        path = os.path.join(repository.path, "objects", digits[:2], digits[2:])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(zlib.compress(whole, 1))
        return digits

    def refused(self, answer, status, code, told=""):
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertIn(told, answer.detail)
        self.assertNotIn("/tmp/", answer.detail)


class Names(Case):
    def test_beyond_ascii(self):
        self.assertEqual(server.call("example.com/names", "F()").json.get("data"), "names")
        self.assertEqual(self.served("names", [("a.go", NAMED % "données.txt"), ("données.txt", "git"), ("é.go", "package p\n")]).json.get("data"), "git")

    def test_not_even_text(self):
        self.assertEqual(self.served("latin", [("a.go", PACKAGE), (b"donn\xe9es.txt", "x"), (b"x\xe9", [("x", "x")])]).json.get("data"), "p")
        self.assertEqual(self.served("bytes", [("a.go", PACKAGE), (b"\xff\xfe.go", "package p\n")]).json.get("data"), "p")

    def test_too_long(self):
        self.refused(self.served("long", [("a.go", PACKAGE), ("n" * 300, "x")]), 422, "repository_refused")
        self.refused(self.served("longer", [("a.go", PACKAGE), ("n" * (2 << 20), "x")]), 422, "repository_refused", "path of more than")

    def test_too_deep(self):
        below = [("x", "x")]
        for _ in range(30):
            below = [("d" * 250, below)]
        self.refused(self.served("deep", [("a.go", PACKAGE), ("d", below)]), 422, "repository_refused")

    def test_directories_without_end(self):
        repository = gitserver.Repository(os.path.join(root, "u"), "hollow")
        tree = self.tree(repository, [])
        for _ in range(8):
            tree = self.tree(repository, [("%02d" % i, tree) for i in range(20)])
        repository.commit(self.tree(repository, [("a.go", PACKAGE), ("d", tree)]))
        answer = server.call("%s/u/hollow.git" % web.url, "F()")
        self.refused(answer, 422, "repository_too_large", "directories")

    def test_directories_in_place_of_files(self):
        self.refused(self.served("gomod", [("a.go", PACKAGE), ("go.mod", [("x", "x")])]), 422, "compile_error", "go.mod is a directory")
        self.refused(self.served("source", [("a.go", [("x", "x")])]), 404, "package_not_found")


class Said(Case):
    def test_words_of_this_machine_by_a_host(self):
        """Our disk is not full, nor is a key wrong, because another says so."""
        for text in ("No-space-left-on-device", "Host-key-verification-failed", "File-too-large"):
            for how in ("said", "body"):
                with self.subTest(text, how=how):
                    answer = server.call("http://127.0.0.1:%d/%s/%s/r.git" % (words.server_address[1], text, how), "F()")
                    self.refused(answer, 502, "source_unreachable")

    def test_tags_are_told_as_they_can_be_asked_for(self):
        repository = gitserver.Repository(os.path.join(root, "u"), "tags")
        commit = repository.commit({"a.go": PACKAGE})
        for name in ("v1", "n" * 200, "a@1", "-x", "\u202ev2"):
            repository.git("update-ref", "refs/tags/" + name, commit)
        answer = server.call("%s/u/tags.git" % web.url, "F()", version="v9")
        self.refused(answer, 404, "version_not_found")
        self.assertEqual(answer.json["versions"], ["v1"])
