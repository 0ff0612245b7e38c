"""The ways of calling, and what comes of them."""

import tempfile
import threading
import time
import unittest

import proxy
import sky

C = "example.com/calls"


def setUpModule():
    global server, tree
    path = tempfile.mkdtemp(prefix="proxy-", dir=sky.work)
    tree = proxy.Tree(path)
    tree.add(C, proxy.source("calls"), go="1.22")
    for i in range(4):
        tree.add("example.com/crowd%d" % i, {"a.go": "package crowd\n\nfunc Add(a, b int) int { return a + b }\n"})
    tree.add("example.com/many", {"a.go": "package many\n\n" + "".join("func F%d(x int) int { return x + %d }\n\n" % (i, i) for i in range(10000))})
    server = sky.Sky("calls", modules=tree.url, jails={"exec_timeout": "2s", "queue_timeout": "20s"}).start()
    unittest.addModuleCleanup(server.close)


class Calls(unittest.TestCase):
    def says(self, call, data, **fields):
        with self.subTest(call):
            answer = server.call(C, call, **fields)
            self.assertEqual((answer.status, answer.json.get("data")), (200, data), answer)
            return answer

    def refuses(self, call, status, code, **fields):
        answer = server.call(C, call, **fields)
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        return answer

    def gives(self, function, args, results, error=None):
        with self.subTest(function, args=args):
            answer = server.typed(C, function, *args)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual((answer.json["results"], answer.json["error"]), (results, error))
            self.assertIsInstance(answer.json["timestamp"], int)
            return answer


class Literal(Calls):
    def test_literals(self):
        for call, data in (
            ("Add(1, 2)", "3"), ("Add(-1, +2)", "1"), ("Add(0x10, 0b11)", "19"), ("Add(1_000, 0o17)", "1015"), ("Add('a', 1)", "98"),
            ("Add(1.0, 2e0)", "3"), ("Half(1)", "0.5"), ("Half(1e3)", "500"), ("Half(-0.0)", "0"), ("Half(0x1p-2)", "0.125"),
            ('Print("a\\tb\\u00e9")', "a\tb\u00e9"), ("Print(`raw\\n`)", "raw\\n"), ('Bytes([]byte("abc"))', "abc"), ("Bytes(nil)", ""),
            ("Bytes([]byte{65, 'B'})", "AB"), ("Count(map[string]int{\"a\": 1, \"b\": 2})", "2"), ("Count(nil)", "0"),
            ("Move(calls.Point{1, 2, \"p\"}, 3)", "{4 2 p}"), ("Move(calls.Point{Y: 2}, 3)", "{3 2 }"), ("MovePointer(&calls.Point{X: 1}, 3)", "&{4 0 }"),
            ("Warm(36.6)", "37.6°C"), ("Warm(calls.Celsius(1))", "2.0°C"), ("Day(calls.Weekday(3))", "3"), ("Any(nil)", "<nil> <nil>"),
            ("Any(1)", "int 1"), ("Any(1.5)", "float64 1.5"), ("Any('x')", "int32 120"), ('Any("s")', "string s"), ("Any(true)", "bool true"),
            ("Any([]int{1})", "[]int [1]"), ("Any(uint8(7))", "uint8 7"), ("Any(calls.Point{})", "calls.Point {0 0 }"), ("Rune('é')", "é"),
            ("Complex(2i)", "(-4+0i)"), ("Tiny(-128)", "-128"), ("Add ( 1 , 2 , )", "3"), (" Add(1, 2) ", "3"), ("Add(1, /* two */ 2)", "3"),
            ('Join("-")', "1"), ('Join("-", "a", "b")', "3"), ("Sum()", "0"), ("Sum(1, 2, 3)", "6"), ("Sum([]int{4, 5}...)", "9"),
            ("IsNil()", "true"), ("Two()", "1two"), ("Three()", "1 <nil> [2]"), ("Fail()", "7 it failed"), ("OnlyError()", "alone"),
            ("NoError()", "fine<nil>"), ("None()", ""), ('PrintAnd("printed ")', "printed returned"), ("Both()", "out!"),
        ):  # fmt: skip
            self.says(call, data)

    def test_stderr(self):
        self.assertEqual(self.says("Both()", "out!").json["stderr"], "err")

    def test_bytes_that_are_no_text(self):
        answer = server.call(C, "RawText()")
        self.assertEqual(answer.json["data"], "a\ufffd\x00b")
        self.assertEqual(answer.data, b"a\xff\x00b")

    def test_exit_0(self):
        self.says('ExitZero("printed")', "printed")

    def test_new_arguments_build_nothing(self):
        self.says("Add(1, 1)", "2")
        begun = time.monotonic()
        for i in range(50):
            answer = server.call(C, "Add(%d, %d)" % (i, i * i))
            self.assertEqual(answer.json.get("data"), str(i + i * i))
            self.assertLess(answer.timing("build"), 0.5)
            self.assertLess(answer.timing("fetch"), 0.5)
        self.assertLess(sky.since(begun), 2.5, "50 calls with new arguments")

    def test_another_function_builds_nothing(self):
        self.says("Add(1, 1)", "2")
        answer = self.says("Half(1)", "0.5")
        self.assertLess(answer.timing("build"), 0.5)

    def test_build_is_0_where_nothing_was_built(self):
        self.says("Add(1, 1)", "2")
        answer = self.says("Add(1, 2)", "3")
        self.assertRegex(answer.headers["server-timing"], r"build;dur=0(\.0*)?(,|$)")
        self.assertRegex(answer.headers["server-timing"], r"fetch;dur=0(\.0*)?(,|$)")


class Expression(Calls):
    def test_expressions(self):
        for call, data in (
            ("Add(1, 2) * 2", "6"), ("New(1).Next()", "2"), ("Add(calls.Add(1, 2), 3)", "6"), ("Version", "v7"), ("Max << 2", "40"),
            ("Apply(func(x int) int { return x * x }, 5)", "25"), ("Point{1, 2, \"p\"}.Name", "p"),
            ("At(time.Unix(0, 0))", "1970-01-01T00:00:00Z"), ('Print(strings.Repeat("ab", 2))', "abab"),
            ("Half(math.Pi) > 1", "true"), ("string(Bytes([]byte(`x`))[0])", None),
        ):  # fmt: skip
            if data is not None:
                self.says(call, data)
        self.refuses("string(Bytes([]byte(`x`))[0])", 404, "function_not_found")

    def test_second_time_builds_nothing(self):
        self.says("Add(20, 2) * 2", "44")
        answer = self.says("Add(20, 2) * 2", "44")
        self.assertLess(answer.timing("build"), 0.5)

    def test_declined_falls_back(self):
        """What the driver cannot build exactly is compiled, and the compiler has the last word."""
        self.says("Any(1 << 3)", "int 8")
        self.says("At(time.Time{})", "0001-01-01T00:00:00Z")
        for call, words in (("Tiny(128)", "overflows"), ("Any(9223372036854775808)", "overflows"), ('Add("a", 1)', "cannot use"),
                            ("Add(1)", "not enough arguments"), ("Add(1, 2, 3)", "too many arguments"), ("Add(1.5, 1)", "truncated"),
                            ("Move(calls.Point{Z: 1}, 1)", "unknown field Z"), ("Add(nil, 1)", "nil"), ("Move(calls.Point{1}, 1)", "too few values")):
            with self.subTest(call):
                answer = self.refuses(call, 422, "compile_error")
                self.assertIn(words, answer.detail)
                self.assertEqual((answer.json["fault"], answer.json["stage"]), ("function", "build"))
                self.assertNotRegex(answer.detail, r"main\.go|sky[0-9]|/tmp|/src")

    def test_ambiguous_imports(self):
        answer = self.refuses("Add(rand.Intn(1), 2)", 400, "ambiguous_import")
        self.assertEqual(sorted(answer.json["candidates"]), ["crypto/rand", "math/rand", "math/rand/v2"])
        self.says("Add(rand.Intn(1), 2)", "2", imports=["math/rand"])
        self.says("Add(rand.IntN(1), 2)", "2", imports=["math/rand/v2"])
        answer = self.refuses("Print(template.HTMLEscapeString(`<`))", 400, "ambiguous_import")
        self.assertEqual(sorted(answer.json["candidates"]), ["html/template", "text/template"])
        self.says("Print(template.HTMLEscapeString(`<`))", "&lt;", imports=["text/template"])
        self.refuses("Add(rand.Intn(1), 2)", 400, "import_not_standard", imports=["math/rnd"])

    def test_unknown_import(self):
        answer = self.refuses("Add(nosuch.X, 1)", 422, "compile_error")
        self.assertIn("undefined: nosuch", answer.detail)

    def test_names(self):
        answer = self.refuses("add(1, 2)", 404, "function_not_found")
        self.assertIn("Add", answer.json["nearest"])
        answer = self.refuses("Ad(1, 2)", 404, "function_not_found")
        self.assertIn("Add", answer.json["nearest"])
        answer = self.refuses("Weekdy(1)", 404, "function_not_found")
        self.assertIn("Weekday", answer.json["nearest"])
        answer = self.refuses("hidden()", 404, "function_not_found")
        self.assertIn("not exported", answer.detail)
        answer = self.refuses("calls.Add(1, 2)", 404, "function_not_found")
        self.assertIn("leave the package's name out", answer.detail)

    def test_comments_are_dropped(self):
        self.says("Add(1, /* ) */ 2) + calls.Max // end", "13")

    def test_text_never_becomes_source(self):
        for call in ("Add(1,2)); os.Exit(0", "Add(1,2))\nfunc init() { panic(1) }\nvar _ = (1", "Add(1,2)}; func init() {", "Add(1,2) /*", "`", '"',
                     "Add(1,2)\n//line x:1\n; Add(1,2)", "func() int { return 1 }()"):
            with self.subTest(call):
                answer = server.call(C, call)
                self.assertEqual((answer.status, answer.json["fault"]), (400, "request"), answer)

    def test_embedded_directives_do_nothing(self):
        answer = server.call(C, "Add(1, 2) + calls.Add(\n//go:embed x\n1, 2)")
        self.assertEqual(answer.json.get("data"), "6", answer)


class Typed(Calls):
    def test_arguments(self):
        self.gives("Add", [1, 2], [3])
        self.gives("Half", [1], [0.5])
        self.gives("Move", [{"X": 1, "Y": 2, "name": "p"}, 3], [{"X": 4, "Y": 2, "name": "p"}])
        self.gives("MovePointer", [{"X": 1}, 1], [{"X": 2, "Y": 0, "name": ""}])
        self.gives("Count", [{"a": 1}], [1])
        self.gives("Bytes", ["YWJj"], ["abc"])
        self.gives("Any", [{"a": [1, None]}], ["map[string]interface {} map[a:[1 <nil>]]"])
        self.gives("At", ["2020-01-02T03:04:05Z"], ["2020-01-02T03:04:05Z"])
        self.gives("For", [1000], ["1µs"])
        self.gives("Sum", [], [0])
        self.gives("Sum", [1, 2, 3], [6])
        self.gives("Join", ["-", "a", "b"], [3])
        self.gives("IsNil", [], [True])
        self.gives("Large", [], [18446744073709551615])
        self.gives("Float", [], [0.1])
        self.gives("Same", [18446744073709551615], [18446744073709551615])

    def test_results_are_the_text_that_go_wrote(self):
        answer = server.typed(C, "Float")
        self.assertIn(b'"results":[0.1]', answer.body)
        answer = server.typed(C, "Nested", 2000)
        self.assertEqual(answer.body.count(b"["), 2001, answer.body[:200])
        answer = server.typed(C, "Nested", 3000)  # deeper than the reader of JSON goes: said, not lost
        self.assertEqual((answer.status, answer.code), (422, "results_not_json"), answer)

    def test_arguments_are_the_text_that_came(self):
        for digits in (23, 309, 1000):
            self.gives("Number", [10**digits], [str(10**digits)])
            self.gives("Digits", [digits], [10**digits - 1])
        answer = server.post('{"url":"%s","function":"Number","args":[0.10],"output":"json"}' % C)
        self.assertEqual(answer.json.get("results"), ["0.10"], answer)

    def test_results(self):
        self.gives("Two", [], [1, "two"])
        self.gives("Fail", [], [7], "it failed")
        self.gives("OnlyError", [], [], "alone")
        self.gives("NoError", [], ["fine"], None)
        self.gives("None", [], [])
        self.gives("Raw", [], ["//5h"])
        answer = self.gives("PrintAnd", ["text"], ["returned"])
        self.assertEqual(answer.json["data"], "text")

    def test_json_of_calls_and_expressions(self):
        for call, results in (("Two()", [1, "two"]), ("Add(1, 2) * 2", [6]), ("Fail()", [7])):
            answer = server.call(C, call, output="json")
            self.assertEqual((answer.status, answer.json.get("results")), (200, results), answer)

    def test_exit_0_as_json(self):
        answer = server.typed(C, "ExitZero", "printed")
        self.assertEqual((answer.status, answer.json["data"]), (200, "printed"), answer)
        self.assertIsInstance(answer.json.get("results"), list, "the shape that output json promises: %s" % answer)

    def test_text_of_typed_calls(self):
        answer = server.post({"url": C, "function": "Two", "args": []})
        self.assertEqual((answer.status, answer.json.get("data")), (200, "1two"), answer)
        answer = server.post({"url": C, "function": "Two"})
        self.assertEqual((answer.status, answer.json.get("data")), (200, "1two"), answer)

    def test_deadline(self):
        left, ok = server.typed(C, "Left").json["results"]
        self.assertTrue(ok)
        self.assertTrue(1000 < left / sky.SLOW <= 2000, left)
        answer = server.typed(C, "Wait")
        self.assertIn((answer.status, answer.json.get("results") or answer.code),
                      ((200, ["context deadline exceeded"]), (422, "function_timeout")), answer)

    def test_arguments_that_do_not_fit(self):
        for function, args, words in (("Add", ["a", 1], "argument 1"), ("Add", [1], "2 arguments, 1 given"), ("Add", [1, 2, 3], "3 given"),
                                      ("Tiny", [128], "int8"), ("Add", [1.5, 1], "argument 1"), ("Move", [[], 1], "argument 1"),
                                      ("Apply", [1, 1], "func(int) int"), ("Count", [{"a": "b"}], "argument 1")):
            with self.subTest(function, args=args):
                answer = server.typed(C, function, *args)
                self.assertEqual((answer.status, answer.code), (422, "arguments_do_not_fit"), answer)
                self.assertIn(words, answer.detail)

    def test_results_that_do_not_fit(self):
        answer = server.typed(C, "Unencodable")
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("chan int", answer.detail)
        self.assertNotEqual(answer.code, "arguments_do_not_fit", "there are no arguments: %s" % answer)

    def test_names(self):
        answer = server.typed(C, "Ad", 1, 2)
        self.assertEqual((answer.status, answer.code), (404, "function_not_found"), answer)
        self.assertIn("Add", answer.json["nearest"])
        for name in ("Version", "Point", "Max"):
            answer = server.typed(C, name)
            self.assertIn(answer.status, (404, 422), answer)
            self.assertEqual(answer.code, "not_a_plain_function", answer)


class Together(unittest.TestCase):
    def crowd(self, requests, to=None):
        answers = [None] * len(requests)

        def one(i):
            answers[i] = (to or server).post(requests[i])

        threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(len(requests))]
        for thread in threads:
            thread.start()
        return threads, answers

    def builds_watch(self, of, stop, seen):
        while not stop.is_set():
            for jailer in sky.children(of.process.pid):
                for stub in sky.children(jailer):
                    seen.update(pid for pid in sky.children(stub) if sky.command(pid) == "tool build")
            time.sleep(0.005)

    def test_hundred_first_calls(self):
        address = proxy.own_address()
        if address is None:
            self.skipTest("this host has no address beyond loopback to offer modules at")
        with proxy.Web(tree.path, address) as web, sky.Sky("crowd", modules=web.url, jails={"queue_timeout": "20s"}) as own:
            web.hold.clear()
            stop, seen = threading.Event(), set()
            watcher = threading.Thread(target=self.builds_watch, args=(own, stop, seen), daemon=True)
            watcher.start()
            self.addCleanup(stop.set)
            threads, answers = self.crowd([{"url": "example.com/crowd0", "call": "Add(%d, 1)" % i} for i in range(100)], own)
            sky.until(lambda: any("crowd0" in path for path in web.asked), 10, "the first question to the proxy")
            time.sleep(0.3)  # the others come meanwhile
            web.hold.set()
            for thread in threads:
                thread.join()
            stop.set()
            watcher.join()
            bad = [str(answer) for i, answer in enumerate(answers) if answer.status != 200 or answer.json["data"] != str(i + 1)]
            self.assertEqual(bad, [])
            zips = {path: count for path, count in web.asked.items() if "crowd0" in path and path.endswith(".zip")}
            self.assertEqual(list(zips.values()), [1], web.asked)
            self.assertEqual(len(seen), 1, "builds")

    @unittest.expectedFailure  # known fault (README): Go asks no proxy for loopback hosts, so a fetch jail cannot reach one
    def test_a_proxy_on_loopback(self):
        """The operator's own proxy may be anywhere."""
        with proxy.Web(tree.path) as web, sky.Sky("loopback", modules=web.url) as own:
            answer = own.call("example.com/crowd0", "Add(1, 1)")
            self.assertEqual((answer.status, answer.json.get("data")), (200, "2"), answer)

    def test_hundred_warm_calls(self):
        for turn in range(2):
            threads, answers = self.crowd([{"url": C, "call": "Add(%d, %d)" % (i, turn)} for i in range(100)])
            for thread in threads:
                thread.join()
            bad = [str(answer) for i, answer in enumerate(answers) if answer.status != 200 or answer.json["data"] != str(i + turn)]
            self.assertEqual(bad, [])

    def test_several_packages_at_once(self):
        threads, answers = self.crowd([{"url": "example.com/crowd%d" % (1 + i % 3), "call": "Add(%d, 1)" % i} for i in range(30)])
        for thread in threads:
            thread.join()
        bad = [str(answer) for i, answer in enumerate(answers) if answer.status != 200 or answer.json["data"] != str(i + 1)]
        self.assertEqual(bad, [])


class Large(Calls):
    def test_ten_thousand_functions(self):
        answer = server.call("example.com/many", "F9999(0)")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "9999"), answer)
        answer = server.call("example.com/many", "F42(1)")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "43"), answer)
        self.assertLess(answer.timing("build"), 1)
        answer = server.call("example.com/many", "F10000(0)")
        self.assertEqual((answer.status, answer.code), (404, "function_not_found"), answer)
        self.assertLessEqual(len(answer.json["nearest"]), 10)

class Rules(unittest.TestCase):
    """`expressions` in the configuration limits what callers write."""

    def one(self, rule, literal, expression, function):
        with sky.Sky("rules", modules=tree.url, expressions=rule) as own:
            for call, want in (("Add(1, 2)", literal), ("Add(1, 2) * 2", expression), ("Apply(func(x int) int { return x }, 1)", function)):
                answer = own.call(C, call)
                self.assertEqual((answer.status, answer.code), want, answer)
            self.assertEqual(own.typed(C, "Add", 1, 2).status, 200)
            # what the driver declines is our compiling, not the caller's expression
            self.assertEqual(own.call(C, "Tiny(128)").code, "compile_error")

    def test_off(self):
        self.one("off", (200, None), (403, "expressions_off"), (403, "expressions_off"))

    def test_simple(self):
        self.one("simple", (200, None), (200, None), (403, "function_literals_off"))
