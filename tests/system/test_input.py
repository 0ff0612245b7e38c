"""Bad input: each its own message, status and code, and nothing left behind."""

import json
import os
import tempfile
import unittest

import proxy
import sky

U = "example.com/input"
GOOD = {"url": U, "call": "Encode(1, 2)"}


def setUpModule():
    global server
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(U, {"a.go": "package input\n\nfunc Encode(a, b float64) string { return \"ok\" }\n\nfunc Say(text string) string { return text }\n"
                         "\nfunc secret() int { return 1 }\n\nvar _ = secret\n"})
    server = sky.Sky("input", modules=tree.url).start()
    unittest.addModuleCleanup(server.close)


class Bad(unittest.TestCase):
    def refused(self, answer, status, code=None, words=""):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        told = answer.json
        for field in ("type", "title", "status", "code", "fault", "stage", "detail"):
            self.assertIn(field, told)
        self.assertEqual(told["status"], status)
        self.assertRegex(told["code"], r"^[a-z][a-z0-9_]+$")
        if code is not None:
            self.assertEqual(told["code"], code, answer)
        self.assertIn(words, told["detail"])
        self.assertNotIn(server.state, told["detail"])
        if status < 422:
            self.assertEqual(told["fault"], "request", answer)
        return answer

    def tearDown(self):
        self.assertEqual(server.call(U, "Encode(1, 2)").json.get("data"), "ok")


class Body(Bad):
    def test_not_json(self):
        for body, code in ((b"", "body_missing"), (b"{", "not_json"), (b"hello", "not_json"), (b'{"url":1', "not_json"), (b"{'url':'x'}", "not_json"),
                           (b'{"url":"x",}', "not_json"), (b'{"url":"x"} {}', "not_json"), (b"NaN", "not_json"), (b'{"url":01}', "not_json"),
                           (b"[]", "not_an_object"), (b'"text"', None), (b"null", None), (b"7", None), (b"[" * 10000, "not_json"),
                           (b'{"a":' * 3000 + b"1" + b"}" * 3000, None), (b"\xef\xbb\xbf{}", "not_json"), (b"\x00", "not_json")):
            with self.subTest(body[:20]):
                self.refused(server.post(body), 400, code)

    def test_duplicate_keys(self):
        self.refused(server.post('{"url":"%s","url":"x","call":"Encode(1, 2)"}' % U), 400, "duplicate_key", "url")
        self.refused(server.post('{"url":"%s","call":"Encode(1, 2)","c\\u0061ll":"Encode(1, 2)"}' % U), 400, "duplicate_key")
        self.refused(server.post('{"url":"%s","function":"Say","args":[{"a":1,"a":2}]}' % U), 400, "duplicate_key")

    def test_bad_utf8(self):
        for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"):
            self.refused(server.post(b'{"url":"' + U.encode() + b'","call":"Say(\\"' + bad + b'\\")"}'), 400, "invalid_utf8")
        self.refused(server.post('{"url":"%s","call":"Say(\\"\\ud800\\")"}' % U), 400)

    def test_nul(self):
        self.refused(server.post({**GOOD, "call": "Encode(1, 2)\0"}), 400, "call_nul")
        self.refused(server.post({**GOOD, "url": U + "\0"}), 400, "nul", "url")
        self.refused(server.post({**GOOD, "version": "v1\0"}), 400, "nul", "version")

    def test_wrong_types(self):
        wrong = {"url": [1, None, [], {}, True], "call": [1, None, [], {}], "version": [1, None, []], "cache_bust": [1, "true", None],
                 "output": [1, "xml", None], "imports": ["strings", 1, {}, [1], None], "ip4": [1, [], None]}
        seen = set()
        for field, values in wrong.items():
            for value in values:
                with self.subTest(field, value=value):
                    answer = self.refused(server.post({**GOOD, field: value}), 400, "wrong_type", field)
                    seen.add(answer.detail)
        self.assertGreaterEqual(len(seen), len(wrong))
        for value in (1, "x", {}, None):
            self.refused(server.post({"url": U, "function": "Say", "args": value}), 400, "wrong_type", "args")
        self.refused(server.post({"url": U, "function": 1}), 400, "wrong_type", "function")

    def test_fields(self):
        self.refused(server.post({**GOOD, "cal": 1}), 400, "unknown_field", "cal")
        self.refused(server.post({"call": "Encode(1, 2)"}), 400, "url_missing")
        self.refused(server.post({"url": U}), 400, "call_missing")
        self.refused(server.post({**GOOD, "function": "Encode"}), 400, "call_twice")
        self.refused(server.post({**GOOD, "args": []}), 400, "args_without_function")
        for name in ("", "a b", "Say()", "1a", "Say;", "x" * 300, "../x", "-x"):
            self.refused(server.post({"url": U, "function": name, "args": []}), 400, "function_invalid")

    def test_too_large(self):
        for body in (json.dumps({**GOOD, "call": 'Say("%s")' % ("a" * (2 << 20))}), "x" * (2 << 20)):
            self.refused(server.post(body), 413, "too_large")
        self.refused(server.call(U, 'Say("%s")' % ("a" * 1000000)), 413)


class CallText(Bad):
    CASES = (
        ("", "no call"), ("   ", "no call"), ("Encode(1,2)); os.Exit(0", None), ("Encode(1,2); Encode(1,2)", None), ("Encode(1,2) Encode(1,2)", None),
        ("Encode(1,2), Encode(1,2)", None), ("Encode(1,2", None), ("Encode(1,2))", None), ("Encode(", None), (")", None), ("(" * 10000, None),
        ("Encode(" * 10000 + ")" * 10000, None), ("Encode([]int{" + "{" * 10000 + "}" * 10000 + "})", None), ("-" * 10000 + "Encode(1,2)", None),
        ("return Encode(1,2)", None), ("x := Encode(1,2)", None), ("if true {}", None), ("func init() {}", None), ("package main", None),
        ("import \"os\"", None), ("go Encode(1,2)", None), ("Encode(1,2)\x01", None), ("Encode(1,2)\u2028", None), ("Encode(“1”)", None),
        ("'", None), ("`", None), ("\"", None), ("Say(\"\n\")", None), ("Encode(1 2)", None), ("Encode(,)", None), ("Encode(1,,2)", None),
        ("Encode(1..2)", None), ("Say('ab')", None), ("Say(\"\\q\")", None), ("Encode(0b12, 1)", None), ("Encode(1,2)//\n)", None),
        ("type T int", None), ("Encode(1,2) = 3", None), ("Encode(x...)...", None), ("1 + Encode(1,2)", None), ("(Encode)(1,2)", None),
        ("!Encode(1,2)", None), ("&Encode", None), ("[]int{1}[0]", None), ("<-Encode", None),
    )  # fmt: skip

    def test_calls(self):
        for call, words in self.CASES:
            with self.subTest(call[:40]):
                answer = server.call(U, call)
                self.refused(answer, 400, None, words or "")
                self.assertLess(answer.seconds, 2)
                self.assertLess(len(answer.detail), 3000)

    def test_messages_tell_them_apart(self):
        told = {}
        for call in ("", "Encode(1,2)); os.Exit(0", "Encode(1,2), Encode(1,2)", "Encode(1,2", "(" * 10000, "Encode(1,2)\0", "x" * (1 << 20)):
            answer = server.call(U, call)
            told.setdefault((answer.status, answer.code, answer.detail), []).append(call[:30])
        self.assertEqual([calls for calls in told.values() if len(calls) > 1], [])

    def test_names(self):
        answer = self.refused(server.call(U, "secret()"), 404, "function_not_found", "not exported")
        answer = self.refused(server.call(U, "Enncode(1, 2)"), 404, "function_not_found")
        self.assertEqual(answer.json["nearest"][0], "Encode")
        answer = self.refused(server.call(U, "encode(1, 2)"), 404, "function_not_found")
        self.assertEqual(answer.json["nearest"][0], "Encode")

    def test_arguments(self):
        for call, words in (('Encode("a", 1)', "cannot use"), ("Encode(1)", "not enough arguments"), ("Encode(1, 2, 3)", "too many arguments"),
                            ("Encode(1e400, 1)", "overflow"), ("Encode", "")):
            with self.subTest(call):
                answer = server.call(U, call)
                if call == "Encode":  # a function is a value too: fmt.Print gives its address
                    self.assertEqual(answer.status, 200, answer)
                else:
                    self.refused(answer, 422, "compile_error", words)


class Urls(Bad):
    def test_urls(self):
        seen = {}
        for url in ("", " ", "/", "/etc/passwd", "../x", "example.com/../x", "example.com/./x", "example.com//x", "example.com/x/", "-flag", "--help",
                    "-modfile=/etc/passwd", "example.com/-x", "example.com/.git", "example.com/x y", "example.com/x\n", "example.com/x;id",
                    "example.com/$(id)", "example.com/x%2e", "example.com/é", "file:///etc/passwd", "http://example.com/x", "ssh://example.com/x",
                    "ext::sh -c id", "git@example.com:x", "https://", "https://user:pass@example.com/x", "example.com/x?y", "example.com/x#y",
                    "example.com\\x", "@", "@v1.0.0", U + "@", U + "@v1@v2", U + "@../x", U + "@-x", U + "@v1 ", U + "@>=v1", "a" * 600,
                    "example.com/" + "a/" * 300 + "b", "example.com/x.", "C:\\x", "./x", "...", "example.com/..."):  # fmt: skip
            with self.subTest(url):
                answer = self.refused(server.call(url, "Encode(1, 2)"), 400)
                self.assertEqual(answer.json["stage"], "request")
                seen.setdefault(answer.code, []).append(url)
        self.assertIn("url_scheme", seen)

    def test_versions(self):
        for version in ("", " ", "-x", "--help", "../x", "v1 v2", "v1;id", "<v2", ">=v1.0.0", "v1@v2", "x" * 300, "v1\n", "é", "none", "upgrade", "patch", "."):
            with self.subTest(version):
                self.refused(server.post({**GOOD, "version": version}), 400)
        self.refused(server.post({**GOOD, "url": U + "@v1.0.0", "version": "v1.0.0"}), 400, "version_twice")
        self.refused(server.post({"url": "strings", "call": "ToUpper(`a`)", "version": "v1"}), 400, "version_invalid")

    def test_missing(self):
        self.refused(server.call("example.com/nobody/nothing", "F()"), 404, "module_not_found")
        self.refused(server.call(U, "Encode(1, 2)", version="v7.0.0"), 404, "version_not_found")
        self.refused(server.call(U + "/nothing", "F()"), 404)

    def test_imports(self):
        for imports in (["nosuch"], ["../x"], ["-x"], ["github.com/google/uuid"], ["internal/abi"], ["strings", "strings\n"], ["unsafe\0"]):
            with self.subTest(imports):
                self.refused(server.post({"url": U, "call": "Say(strings.ToUpper(`a`))", "imports": imports}), 400)


class ZLast(unittest.TestCase):
    def test_nothing_is_left(self):
        self.assertEqual(server.stop(), 0, server.log())
        self.assertEqual(server.files(), [])
        self.assertEqual(server.cgroups(), [])
        self.assertEqual(sky.describe(server.processes()), [])
        self.assertFalse(os.path.exists(os.path.join(server.state, "run/address")))
