"""What can be named: the packages and versions that a url and a version may mean."""

import os
import tempfile
import unittest

import proxy
import sky

SUB = "package sub\n\nfunc F() string { return \"sub\" }\n"


def package(name, value, more=""):
    return "package %s\n%s\nfunc F() string { return %s }\n" % (name, more, value)


def setUpModule():
    global server
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add("example.com/plain", {"plain.go": package("plain", '"v1.0.0"'), "sub/sub.go": SUB, "sub/deep/er/er.go": package("er", '"deep"'),
                                   "internal/in.go": package("internal", '"in"'), "cmd/tool/main.go": "package main\n\nfunc main() {}\n",
                                   "testdata/x/x.go": package("x", '"x"'), "docs/readme.md": "words", "Upper/up.go": package("up", '"Up"'),
                                   "onlytest/a_test.go": "package onlytest\n", "windows/a_windows.go": package("windows", '"w"')})
    tree.add("example.com/plain", {"plain.go": package("plain", '"v1.1.0"'), "sub/sub.go": SUB}, version="v1.1.0")
    tree.add("example.com/plain", {"plain.go": package("plain", '"v1.2.0-rc.1"')}, version="v1.2.0-rc.1")
    tree.add("example.com/plain", {"plain.go": package("plain", '"commit"')}, version="v1.1.1-0.20240102030405-abcdefabcdef")
    for name in ("main", "abcdefabcdef", "abcdef", "feature"):
        tree.alias("example.com/plain", name, "v1.1.1-0.20240102030405-abcdefabcdef")
    tree.add("example.com/plain/v2", {"plain.go": package("plain", '"v2.0.0"'), "sub/sub.go": SUB}, version="v2.0.0")
    tree.add("github.com/Some-User/Re.Po_1", {"a.go": package("other", '"upper"')})
    tree.add("gopkg.in/tiny.v1", {"a.go": package("tiny", '"gopkg"')}, version="v1.2.3")
    tree.add("example.com/vanity.go/pkg~x", {"a.go": package("vanity", '"vanity"')})
    tree.add("example.com/go-hyphen", {"a.go": package("hyphen", '"hyphen"')})
    tree.add("example.com/nomod", {"nomod.go": package("nomod", '"nomod"')}, go=None)
    tree.add("example.com/old", {"old.go": package("old", '"old"'), "vendor/example.com/x/x.go": package("x", '"x"')},
             version="v2.1.0+incompatible", go=None)
    tree.add("example.com/leaf", {"leaf.go": package("leaf", '"leaf"')})
    tree.add("example.com/deps", {"deps.go": package("deps", '"deps+" + leaf.F()', 'import "example.com/leaf"')},
             requires=[("example.com/leaf", "v1.0.0")])
    tree.add("example.com/lost", {"lost.go": package("lost", "gone.F()", 'import "example.com/gone"')}, requires=[("example.com/gone", "v1.0.0")])
    tree.add("example.com/undeclared", {"a.go": package("undeclared", "leaf.F()", 'import "example.com/leaf"')})
    tree.add("example.com/replaced", {"a.go": package("replaced", '"replaced+" + leaf.F()', 'import "example.com/leaf"')},
             requires=[("example.com/leaf", "v1.0.0\n\nreplace example.com/leaf => ./fake")])
    tree.add("example.com/newer", {"newer.go": package("newer", '"newer"')}, go="1.99.0")
    tree.add("example.com/toolchain", {"a.go": package("toolchain", '"t"')}, go="1.22\n\ntoolchain go1.99.0")
    tree.add("example.com/program", {"main.go": "package main\n\nfunc F() int { return 1 }\n\nfunc main() {}\n"})
    tree.add("example.com/cgo", {"cgo.go": 'package cgo\n\n// int one() { return 1; }\nimport "C"\n\nfunc F() int { return int(C.one()) }\n'})
    tree.add("example.com/halfcgo", {"a.go": "package halfcgo\n\nfunc F() string { return \"pure\" }\n",
                                     "b.go": 'package halfcgo\n\nimport "C"\n\nfunc G() int { return int(C.int(1)) }\n'})
    tree.add("example.com/broken", {"broken.go": "package broken\n\nfunc F() string { return 1 }\n"})
    tree.add("example.com/syntax", {"syntax.go": "package syntax\n\nfunc F( {\n"})
    tree.add("example.com/mixed", {"a.go": package("mixed", '"a"'), "b.go": "package other\n"})
    tree.add("example.com/empty", {"readme.md": "nothing"})
    tree.add("example.com/bodyless", {"a.go": "package bodyless\n\nfunc Bad() int\n\nfunc F() string { return \"good\" }\n", "a.s": ""})
    tree.add("example.com/generic", {"a.go": "package generic\n\nfunc Max[T int | string](a, b T) T {\n\tif a > b {\n\t\treturn a\n\t}\n\treturn b\n}\n"
                                             "\ntype Number interface{ ~int }\n\nfunc F() string { return \"plain\" }\n"})
    tree.add("example.com/usesinternal", {"a.go": package("usesinternal", "internal.F()", 'import "example.com/plain/internal"')},
             requires=[("example.com/plain", "v1.0.0")])
    server = sky.Sky("names", modules=tree.url).start()
    unittest.addModuleCleanup(server.close)


class Names(unittest.TestCase):
    def works(self, url, data, module=None, **fields):
        answer = server.call(url, "F()", **fields)
        self.assertEqual((answer.status, answer.json.get("data")), (200, data), answer)
        if module:
            self.assertEqual(answer.headers.get("x-sky-island-module"), module)
        return answer

    def fails(self, url, status, code, words, **fields):
        answer = server.call(url, fields.pop("call", "F()"), **fields)
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertIn(words, answer.detail)
        self.assertNotIn(server.state, answer.detail)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        return answer

    def test_module_and_its_packages(self):
        self.works("example.com/plain", "v1.1.0", "example.com/plain@v1.1.0")
        self.works("example.com/plain/sub", "sub", "example.com/plain@v1.1.0")
        self.works("example.com/plain/sub/deep/er", "deep", "example.com/plain@v1.0.0", version="v1.0.0")
        self.works("https://example.com/plain", "v1.1.0")

    def test_versions(self):
        self.works("example.com/plain@v1.0.0", "v1.0.0", "example.com/plain@v1.0.0")
        self.works("example.com/plain", "v1.0.0", version="v1.0.0")
        self.works("example.com/plain", "v1.1.0", version="latest")
        self.works("example.com/plain", "v1.2.0-rc.1", version="v1.2.0-rc.1")
        self.works("example.com/plain", "v1.1.0", version="v1.1")
        self.works("example.com/plain@v1", "v1.1.0")

    def test_branches_and_commits(self):
        full = "example.com/plain@v1.1.1-0.20240102030405-abcdefabcdef"
        for name in ("main", "abcdefabcdef", "abcdef", "feature"):
            with self.subTest(name):
                self.works("example.com/plain", "commit", full, version=name)
        self.works(full, "commit", full)

    def test_major_version(self):
        self.works("example.com/plain/v2", "v2.0.0", "example.com/plain/v2@v2.0.0")
        self.works("example.com/plain/v2/sub", "sub")

    def test_paths(self):
        self.works("github.com/Some-User/Re.Po_1", "upper", "github.com/Some-User/Re.Po_1@v1.0.0")
        self.works("gopkg.in/tiny.v1", "gopkg", "gopkg.in/tiny.v1@v1.2.3")
        self.works("example.com/vanity.go/pkg~x", "vanity")
        self.works("example.com/plain/Upper@v1.0.0", "Up")

    def test_package_name_unlike_the_path(self):
        self.works("example.com/go-hyphen", "hyphen")
        answer = server.call("example.com/go-hyphen", "F() + hyphen.F()")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "hyphenhyphen"), answer)

    def test_case_counts(self):
        self.fails("github.com/some-user/re.po_1", 404, "module_not_found", "upper and lower case")

    def test_standard(self):
        for url, call, data in (("strings", 'ToUpper("a")', "A"), ("math/big", "NewInt(7)", "7"), ("unicode/utf8", "RuneLen('a')", "1"),
                                ("math/rand/v2", "N(1)", "0"), ("fmt", 'Sprint("a", 1)', "a1"),
                                ("net/url", 'QueryEscape("a b")', "a+b"), ("time", "Unix(0, 0).UTC().Year()", "1970")):
            with self.subTest(url):
                answer = server.call(url, call)
                self.assertEqual((answer.status, answer.json.get("data")), (200, data), answer)
                self.assertEqual(answer.headers.get("x-sky-island-module"), "std@go1.26.8")

    def test_standard_that_is_not(self):
        for url in ("nosuch", "strings/nosuch", "internal/abi", "crypto/internal/fips140", "cmd/go", "vendor/golang.org/x/net/idna", "builtin",
                    "strings/testdata", "text", "Strings"):
            with self.subTest(url):
                answer = server.call(url, "F()")
                self.assertEqual((answer.status, answer.code), (404, "package_not_found"), answer)

    def test_dependencies(self):
        self.works("example.com/deps", "deps+leaf", "example.com/deps@v1.0.0")
        answer = server.call("example.com/lost", "F()")
        self.assertIn(answer.status, (404, 422), answer)
        self.assertIn("example.com/gone", answer.detail)

    def test_own_replace_is_ignored(self):
        self.works("example.com/replaced", "replaced+leaf")

    def test_undeclared_dependency(self):
        answer = server.call("example.com/undeclared", "F()")
        self.assertIn(answer.status, (200, 404, 422), answer)

    def test_without_go_mod(self):
        self.works("example.com/nomod", "nomod", "example.com/nomod@v1.0.0")
        self.works("example.com/old", "old", "example.com/old@v2.1.0+incompatible")

    def test_newer_go(self):
        self.fails("example.com/newer", 422, "go_too_new", "1.99")
        self.works("example.com/toolchain", "t")

    def test_programs(self):
        self.fails("example.com/program", 404, "package_main", "program")
        self.fails("example.com/plain/cmd/tool@v1.0.0", 404, "package_main", "program")

    def test_cgo(self):
        self.fails("example.com/cgo", 422, "cgo_off", "cgo")
        self.works("example.com/halfcgo", "pure")
        answer = server.call("example.com/halfcgo", "G()")
        self.assertIn(answer.status, (404, 422), answer)
        self.assertIn("cgo", answer.detail)

    def test_internal(self):
        self.fails("example.com/plain/internal@v1.0.0", 404, "package_internal", "internal")
        answer = server.call("example.com/usesinternal", "F()")
        self.assertIn(answer.status, (404, 422), answer)
        self.assertIn("internal", answer.detail)

    def test_does_not_compile(self):
        answer = self.fails("example.com/broken", 422, "compile_error", "cannot use 1")
        self.assertIn("broken.go:3", answer.detail)
        self.fails("example.com/syntax", 422, "compile_error", "syntax")
        self.assertEqual(server.call("example.com/mixed", "F()").status, 422)

    def test_missing(self):
        self.fails("example.com/nosuch", 404, "module_not_found", "example.com/nosuch")
        self.fails("github.com/nobody/nothing", 404, "module_not_found", "spelling")
        self.fails("example.com/plain", 404, "version_not_found", "v9.9.9", version="v9.9.9")
        self.fails("example.com/plain@nosuchbranch", 404, "version_not_found", "nosuchbranch")
        answer = self.fails("example.com/plain/suub", 404, "package_not_found", "suub")
        self.assertIn("example.com/plain/sub", answer.json.get("nearest", []))
        self.fails("example.com/empty", 404, "package_not_found", "example.com/empty")
        self.fails("example.com/plain/docs@v1.0.0", 404, "package_not_found", "docs")

    def test_no_files_for_this_platform(self):
        for url in ("example.com/plain/onlytest@v1.0.0", "example.com/plain/windows@v1.0.0"):
            answer = server.call(url, "F()")
            self.assertEqual(answer.status, 404, answer)
            self.assertIn(answer.code, ("package_empty", "package_not_found"), answer)

    def test_one_bad_function(self):
        self.works("example.com/bodyless", "good")
        answer = server.call("example.com/bodyless", "Bad()")
        self.assertEqual(answer.status, 422, answer)
        self.works("example.com/bodyless", "good")

    def test_generic(self):
        self.works("example.com/generic", "plain")
        for call, data in (("Max(1, 2)", "2"), ("Max[string](\"a\", \"b\")", "b")):
            answer = server.call("example.com/generic", call)
            self.assertEqual((answer.status, answer.json.get("data")), (200, data), answer)
        answer = server.typed("example.com/generic", "Max", 1, 2)
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("generic", answer.detail)

    def test_missing_is_not_remembered(self):
        answer = server.call("example.com/late", "F()")
        self.assertEqual(answer.status, 404, answer)
        tree = proxy.Tree(server.config["modules"]["goproxy"].removeprefix("file://"))
        tree.add("example.com/late", {"late.go": package("late", '"late"')})
        self.works("example.com/late", "late")

    def test_cache_bust(self):
        self.works("example.com/plain", "v1.0.0", version="v1.0.0", cache_bust=True)
        path = server.config["modules"]["goproxy"].removeprefix("file://")
        proxy.Tree(path).alias("example.com/plain", "moving", "v1.0.0")
        self.works("example.com/plain", "v1.0.0", version="moving")
        proxy.Tree(path).alias("example.com/plain", "moving", "v1.1.0")
        self.works("example.com/plain", "v1.0.0", version="moving")
        self.works("example.com/plain", "v1.1.0", version="moving", cache_bust=True)
        self.works("example.com/plain", "v1.1.0", version="moving")
        self.assertTrue(os.path.isdir(path))
