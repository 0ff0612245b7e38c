"""The clients: their README's examples, all their operations against the real server, and what they make of answers that a real
one seldom gives. Each test is made for all three languages, by a probe of each (tests/clients) that tells what came as JSON."""

import base64
import email.utils
import http.server
import importlib
import json
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import sky

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLIENTS, PROBES = os.path.join(TOP, "clients"), os.path.join(TOP, "tests", "clients")
FUNCTION_TOKEN, ADMIN_TOKEN = "the-token-of-functions", "the-token-of-administrators"
STATE_NAMES = {"starting", "waiting", "running", "ending", "building", "fetching"}


def tool(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError("%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    return done.stdout


class Python:
    name = "python"

    @classmethod
    def make(cls, source, _):
        return [sys.executable, "-W", "error", "-B", source]

    @classmethod
    def environment(cls):
        return {"PYTHONPATH": os.path.join(CLIENTS, "python")}


class Go:
    """By the toolchain that the state brings, without a network: a module beside, which is told where the client's is."""

    name = "go"

    @classmethod
    def settings(cls):
        toolchains = os.path.join(sky.template, "toolchain")
        home = os.path.join(sky.work, "go")
        cache = os.path.join(home, "cache")
        if not os.path.isdir(cache):
            os.makedirs(home, exist_ok=True)
            tool("cp", "-al", os.path.join(sky.template, "private", "gocache"), cache)
        # -trimpath, since that is how the standard library in this cache was built
        return {"PATH": os.path.join(toolchains, max(os.listdir(toolchains)), "bin") + ":" + os.environ["PATH"], "HOME": home,
                "GOPATH": os.path.join(home, "path"), "GOCACHE": cache, "GOFLAGS": "-mod=mod -trimpath", "GOPROXY": "off",
                "GOTOOLCHAIN": "local", "GOENV": "off", "GOWORK": "off", "CGO_ENABLED": "0", "GOTELEMETRY": "off"}

    @classmethod
    def make(cls, source, directory):
        settings = cls.settings()
        tool("go", "mod", "init", "probe", cwd=directory, env=settings)
        tool("go", "mod", "edit", "-require", "skyisland@v0.0.0", "-replace", "skyisland=" + os.path.join(CLIENTS, "go"), cwd=directory,
             env=settings)
        out = os.path.join(directory, "program")
        tool("go", "build", "-o", out, source, cwd=directory, env=settings)
        return [out]

    @classmethod
    def environment(cls):
        return {}


class C:
    """As the README says, with the library where the build has it."""

    name = "c"

    @classmethod
    def make(cls, source, directory):
        where = {**os.environ, "PKG_CONFIG_PATH": os.path.join(sky.build, "meson-uninstalled")}
        flags = tool("pkg-config", "--cflags", "--libs", "sky-island", env=where).split()
        strict = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
        sanitizers = ["-fsanitize=address,undefined"] if sky.build.endswith("-asan") else []
        out = os.path.join(directory, "program")
        tool("cc", *strict, *sanitizers, source, "-o", out, *flags, "-Wl,-rpath," + os.path.join(sky.build, "clients", "c"))
        return [out]

    @classmethod
    def environment(cls):
        return {"ASAN_OPTIONS": ""}  # what it leaks is a fault here


LANGUAGES = [Python, Go, C]
probes = {}


def make(language, source):
    return language.make(source, tempfile.mkdtemp(prefix=language.name + "-", dir=sky.work))


def setUpModule():
    global own
    own = sky.Sky("clients", function_token=FUNCTION_TOKEN, admin_api_token=ADMIN_TOKEN).start()
    sys.dont_write_bytecode = True  # nothing into the sources
    sys.path[:0] = [os.path.join(CLIENTS, "python"), PROBES]
    probes[Python] = importlib.import_module("probe").tell
    probes[Go] = make(Go, os.path.join(PROBES, "probe.go"))
    probes[C] = [os.path.join(sky.build, "tests", "client_probe")]
    if not os.path.exists(probes[C][0]):
        raise unittest.SkipTest("%s was built without the C client, or without tests" % sky.build)


class Told:
    def __init__(self, text, status, stderr=""):
        self.good = status == 0
        if status not in (0, 1) or not text or stderr:
            raise AssertionError("a probe ended with %d:\n%s%s" % (status, text, stderr))
        self.json = json.loads(text)

    def __getattr__(self, name):
        return self.json[name]

    @property
    def text(self):
        return bytes.fromhex(self.json["data"]).decode()


class Cases:
    """Of one language, see the end."""

    language = address = None

    def probe(self, operation, *given, function_token=FUNCTION_TOKEN, admin_token=ADMIN_TOKEN, timeout_ms=None, retries=0,
              address=None):
        given = [value if isinstance(value, str) else json.dumps(value) for value in given]
        environment = {"PATH": os.environ["PATH"], "SKY_TIMEOUT_MS": str(timeout_ms or int(10000 * sky.SLOW)), "SKY_RETRIES": str(retries),
                       **self.language.environment()}
        for name, token in (("SKY_FUNCTION_TOKEN", function_token), ("SKY_ADMIN_TOKEN", admin_token)):
            if token is not None:
                environment[name] = token
        asked = [address or self.address, operation, *given]
        if self.language is Python:
            return Told(*probes[Python](environment, *asked))
        done = subprocess.run([*probes[self.language], *asked], capture_output=True, text=True, check=False, timeout=60 * sky.SLOW, env=environment)
        return Told(done.stdout, done.returncode, done.stderr)


class Real(Cases):
    """Against the server, which asks for both tokens."""

    def setUp(self):
        self.address = "http://%s:%d" % (own.host, own.port)
        self.socket = "unix:" + os.path.join(own.state, "run/api.sock")

    def test_calls(self):
        told = self.probe("call", "strings", "ToUpper(`sky`)", {})
        self.assertTrue(told.good, told.json)
        self.assertEqual((told.text, told.stderr), ("SKY", ""))
        self.assertRegex(told.module, r"^std@go1\.")
        self.assertTrue(told.request_id)
        self.assertLess(abs(told.timestamp - time.time()), 60)
        told = self.probe("call", "strings", "Repeat(string([]byte{0xff, 0}), 2)", {"cache_bust": True})
        self.assertEqual((told.good, told.data), (True, "ff00ff00"), told.json)
        told = self.probe("call", "fmt", "Sprint(rand.Reader != nil)", {"imports": ["crypto/rand"]})
        self.assertEqual((told.good, told.text), (True, "true"), told.json)

    def test_typed(self):
        told = self.probe("typed", "strings", "Split", ["a,b", ","])
        self.assertEqual((told.good, told.results, told.error), (True, [["a", "b"]], None), told.json)
        told = self.probe("typed", "strconv", "Atoi", ["12x"])
        self.assertEqual((told.results, told.error), ([0], 'strconv.Atoi: parsing "12x": invalid syntax'))
        told = self.probe("typed", "strconv", "ParseUint", ["18446744073709551615", 10, 64])
        most = 18446744073709551615  # jansson's integers are signed
        self.assertEqual((told.good, told.results), (True, [float(most) if self.language is C else most]), told.json)
        self.assertLess(abs(told.timestamp - time.time()), 60)

    def test_errors(self):
        told = self.probe("call", "strings", "ToUper(`a`)", {})
        self.assertEqual((told.good, told.kind, told.status, told.code, told.stage), (False, "request", 404, "function_not_found", "build"))
        self.assertEqual(told.nearest[0], "ToUpper")
        self.assertIn("ToUper", told.detail)
        self.assertTrue(told.request_id)
        told = self.probe("call", "strings", "Repeat(`a`, -1)", {}, retries=3)
        self.assertEqual((told.kind, told.status, told.code, told.stage), ("function", 422, "function_panicked", "run"))
        self.assertIn(b"negative Repeat count", bytes.fromhex(told.stderr))
        told = self.probe("call", "strings", "ToUpper(`a`)", {}, function_token="wrong")
        self.assertEqual((told.kind, told.status, told.code), ("request", 401, "unauthorized"))
        told = self.probe("jails", admin_token="wrong")
        self.assertEqual((told.kind, told.status, told.code), ("request", 403, "forbidden"))
        told = self.probe("call", "strings", "ToUpper(`a`)", {"ip4": "no-such-pool"})
        self.assertEqual((told.good, told.kind, told.code), (False, "request", "no_network"), told.json)

    def test_jails(self):
        self.assertTrue(self.probe("call", "strings", "ToUpper(`sky`)", {}).good)
        waiting = sky.until(lambda: [jail for jail in self.probe("jails").json if jail["state"] == "waiting"], 5, "a jail")[0]
        told = self.probe("jail", str(waiting["jid"]))
        self.assertEqual((told.jid, told.name, told.module), (waiting["jid"], waiting["name"], waiting["module"]))
        self.assertEqual(self.probe("kill", str(waiting["jid"])).json, waiting["jid"])
        sky.until(lambda: not self.probe("jail", str(waiting["jid"])).good, 5, "its end")
        self.assertEqual(self.probe("kill", str(waiting["jid"])).code, "jail_not_found")
        alive = {jail["jid"] for jail in self.probe("jails").json if jail["state"] != "ending"}
        self.assertLessEqual(alive, set(self.probe("kill_all").json) | {waiting["jid"]})
        self.assertTrue(all(jail["state"] in STATE_NAMES for jail in self.probe("jails").json))

    def test_unix_socket_and_health(self):
        told = self.probe("call", "strings", "ToUpper(`sky`)", {}, address=self.socket, function_token=None)
        self.assertEqual((told.good, told.text), (True, "SKY"), told.json)
        self.assertTrue(self.probe("jails", address=self.socket, admin_token=None).good)
        self.assertTrue(self.probe("health", function_token=None, admin_token=None).good)
        self.assertEqual(self.probe("health", address=self.socket + ".none").json, {"kind": "transport"})

    def later(self, told):
        if told.good:
            return
        self.assertEqual(told.code, "no_such_route", told.json)
        self.skipTest("this version has no such path yet")

    def test_stats(self):
        told = self.probe("api_stats")
        self.later(told)
        self.assertGreater(told.total_count, 0)
        self.assertIn("uptime_sec", told.json)

    def test_addresses(self):
        told = self.probe("ips")
        self.later(told)
        self.assertEqual(told.json, {}, "this server has no pools")
        self.assertEqual(self.probe("ips_in_state", "available").json or [], [])
        self.assertEqual(self.probe("set_ip", "10.0.0.2", "unavailable").code, "no_network")

    def test_examples(self):
        """The README's first block of the language prints what the block of text behind it says. (The examples have no token.)"""
        language = self.language
        with sky.Sky("example") as open_one:
            with open(os.path.join(CLIENTS, language.name, "README.md"), encoding="utf-8") as file:
                text = file.read()
            program = re.search(r"^```%s\n(.*?)^```$" % language.name, text, re.M | re.S).group(1)
            printed = re.search(r"^```text\n(.*?)^```$", text, re.M | re.S).group(1)
            self.assertEqual(program.count("http://127.0.0.1:3280"), 1)
            directory = tempfile.mkdtemp(prefix="example-", dir=sky.work)
            source = os.path.join(directory, {"python": "example.py"}.get(language.name, "main." + language.name))
            with open(source, "w", encoding="utf-8") as file:
                file.write(program.replace("http://127.0.0.1:3280", "http://%s:%d" % (open_one.host, open_one.port)))
            made = language.make(source, directory)
            self.assertEqual(tool(*made, env={"PATH": os.environ["PATH"], **language.environment()}), printed)


class Stub(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A server that answers what it was told to, one after another and the last again, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self):
        self.answers, self.asked, self.times = [], [], []
        self.write = lambda out, text: out.write(text)
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stub.times.append(time.monotonic())
                stub.asked.append((self.command, self.path, self.headers, json.loads(body) if body else None))
                status, headers, text = stub.answers[min(len(stub.asked), len(stub.answers)) - 1]
                if status == 0:  # a connection that ends
                    self.close_connection = True
                    return
                text = text if isinstance(text, bytes) else json.dumps(text).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                stub.write(self.wfile, text)
                self.close_connection = "Content-Length" in headers  # fewer bytes than it says

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, *_):
        pass  # the client has left


def problem(status, fault, code="some_code", **headers):
    members = {"type": "urn:sky-island:problem:" + code, "status": status, "code": code, "fault": fault, "stage": "jail", "detail": "why"}
    return status, {"Content-Type": "application/problem+json", "X-Request-Id": "r1", **headers}, members


GOOD = (200, {}, {"timestamp": 1, "data": "good"})


class Scripted(Cases):
    """Against a stub."""

    def stub(self, *answers):
        stub = Stub()
        self.addCleanup(stub.server_close)
        self.addCleanup(stub.shutdown)
        stub.answers = list(answers)
        self.address = "http://127.0.0.1:%d" % stub.server_address[1]
        return stub

    def call(self, **options):
        return self.probe("call", "strings", "ToUpper(`a`)", {}, **options)

    def test_retried(self):
        for first in (problem(503, "platform"), problem(502, "platform"), problem(500, "platform"), problem(507, "platform"),
                      problem(429, "request"), (503, {"Content-Type": "text/html"}, b"<h1>busy</h1>"), (429, {}, b"")):
            stub = self.stub(first, GOOD)
            told = self.call(retries=1)
            self.assertEqual((told.good, len(stub.asked)), (True, 2), (first, told.json))
            self.assertEqual(stub.asked[0][3], stub.asked[1][3])

    def test_not_retried(self):
        for first, kind in ((problem(422, "function"), "function"), (problem(503, "function"), "function"), (problem(400, "request"), "request"),
                            (problem(409, "request"), "request"), ((502, {"Content-Type": "text/html"}, b"<h1>bad</h1>"), "other"),
                            ((500, {}, b"{"), "other"), ((404, {}, [1]), "other"), ((302, {"Location": "/elsewhere"}, b""), "other")):
            stub = self.stub(first, GOOD)
            told = self.call(retries=3)
            self.assertEqual((told.good, told.kind, told.status, len(stub.asked)), (False, kind, first[0], 1), (first, told.json))
        for answer in ((0, {}, b""), (200, {}, b"{"), (200, {}, b"[]"), (200, {"Content-Length": "50"}, b"{}")):
            stub = self.stub(answer, GOOD)
            told = self.call(retries=3)
            self.assertEqual((told.json, len(stub.asked)), ({"kind": "transport"}, 1), answer)

    def test_bounded(self):
        stub = self.stub(problem(503, "platform"))
        told = self.call(retries=2)
        self.assertEqual((told.kind, told.code, told.retry_after, told.request_id), ("platform", "some_code", -1, "r1"))
        self.assertEqual(len(stub.asked), 3)
        first, second = (after - before for before, after in zip(stub.times, stub.times[1:]))
        self.assertGreaterEqual(first, 0.1)
        self.assertGreaterEqual(second, 0.2)

    def test_retry_after(self):
        date = email.utils.formatdate(time.time() + 3600, usegmt=True)
        stub = self.stub(problem(429, "request", **{"Retry-After": "1"}), GOOD)
        self.assertTrue(self.call(retries=1).good)
        self.assertGreaterEqual(stub.times[1] - stub.times[0], 1)
        for value in ("3600", date):
            stub = self.stub(problem(503, "platform", **{"Retry-After": value}), GOOD)
            begun = time.monotonic()
            told = self.call(retries=1)
            self.assertEqual((told.good, len(stub.asked)), (False, 1), "longer than its time: it is not waited for")
            self.assertLess(abs(told.retry_after - 3600), 30)
            self.assertLess(sky.since(begun), 5)

    def test_timeout(self):
        stop = threading.Event()

        def drip(out, text):
            for i in range(len(text)):
                if stop.wait(0.05):
                    return
                out.write(text[i:i + 1])
                out.flush()

        stub = self.stub((200, {}, {"data": "x" * 1000}))
        stub.write = drip
        begun = time.monotonic()
        self.assertEqual(self.call(timeout_ms=400, retries=3).json, {"kind": "timeout"})
        self.assertLess(sky.since(begun), 5)
        self.assertEqual(len(stub.asked), 1)
        stop.set()

    def test_what_is_sent(self):
        stub = self.stub(GOOD)
        self.probe("call", "u", "F()", {"version": "v1", "imports": ["a"], "cache_bust": True, "ip4": "pool", "reuse": False})
        self.probe("call", "u", "F()", {"ip4": True})
        self.probe("call", "u", "F()", {"reuse": True})
        self.probe("typed", "u", "F", [1, "é", None], function_token=None)
        bodies = [{name: value for name, value in body.items() if name != "output" or value != "text"} for _, _, _, body in stub.asked]
        self.assertEqual(bodies, [{"url": "u", "call": "F()", "version": "v1", "imports": ["a"], "cache_bust": True, "ip4": "pool", "reuse": False},
                                  {"url": "u", "call": "F()", "ip4": True},
                                  {"url": "u", "call": "F()", "reuse": True},
                                  {"url": "u", "function": "F", "args": [1, "é", None], "output": "json"}])
        for method, path, headers, _ in stub.asked:
            self.assertEqual((method, path, headers["Content-Type"]), ("POST", "/api/v1/function", "application/json"))
            self.assertIsNone(headers["X-Sky-Island-Token"])
        self.assertEqual([headers["Authorization"] for _, _, headers, _ in stub.asked], ["Bearer " + FUNCTION_TOKEN] * 3 + [None])

    def test_bytes(self):
        raw = bytes(range(256))
        encoded = {"stdout": raw.decode("utf-8", "replace"), "stdout_base64": base64.b64encode(raw).decode(), "stderr": "a\0b"}
        status, headers, members = problem(422, "function")
        self.stub((status, headers, {**members, **encoded}))
        told = self.call()
        self.assertEqual((bytes.fromhex(told.stdout), bytes.fromhex(told.stderr)), (raw, b"a\0b"))
        for length in range(4):
            data = raw[250:250 + length]
            self.stub((200, {}, {"data": "\ufffd", "data_base64": base64.b64encode(data).decode(), "stderr": ""}))
            self.assertEqual(bytes.fromhex(self.call().data), data)

    def test_admin(self):
        """The shapes of docs/api.md, pages, and the token on each of them."""
        pages = {"/api/v1/admin/jails": ({"jails": [{"jid": 1}]}, "</api/v1/admin/jails?limit=1&after=1>; rel=\"next\""),
                 "/api/v1/admin/ips?pool=a%26b": ({"10.0.0.2": "exec-3"}, "</api/v1/admin/ips?after=10.0.0.2>; rel=\"next\"")}
        stats = {"pid": 7, "uptime": "1s", "uptime_sec": 1.5, "total_count": 3, "status_code_count": {}, "total_status_code_count": {"200": 3}}
        for operation, given, answers, told, asked in (
                ("jails", [], [(pages["/api/v1/admin/jails"]), ({"jails": [{"jid": 2}]}, None)], [1, 2],
                 ["/api/v1/admin/jails", "/api/v1/admin/jails?limit=1&after=1"]),
                ("ips", ["a&b"], [pages["/api/v1/admin/ips?pool=a%26b"], ({"10.0.0.3": None}, None)], {"10.0.0.2": "exec-3", "10.0.0.3": None},
                 ["/api/v1/admin/ips?pool=a%26b", "/api/v1/admin/ips?after=10.0.0.2"]),
                ("ips_in_state", ["available"], [({"available": ["10.0.0.3"]}, None)], ["10.0.0.3"], ["/api/v1/admin/ips?state=available"]),
                ("set_ip", ["10.0.0.3", "unavailable"], [({"ip": "10.0.0.3", "state": "unavailable"}, None)], None, ["/api/v1/admin/ips"]),
                ("api_stats", [], [(stats, None)], stats, ["/api/v1/admin/api-stats"]),
                ("kill_all", [], [({"deleted": [1, 2]}, None)], [1, 2], ["/api/v1/admin/jails"])):
            stub = self.stub(*[(200, {"Link": link} if link else {}, body) for body, link in answers])
            got = self.probe(operation, *given)
            self.assertTrue(got.good, (operation, got.json))
            if operation == "jails":
                self.assertEqual([jail["jid"] for jail in got.json], told)
            elif operation == "api_stats":
                self.assertEqual({name: got.json[name] for name in stats}, stats)
            else:
                self.assertEqual(got.json, told)
            self.assertEqual([path for _, path, _, _ in stub.asked], asked)
            for _, _, headers, _ in stub.asked:
                self.assertEqual((headers["X-Sky-Island-Token"], headers["Authorization"]), (ADMIN_TOKEN, None))
        self.assertEqual(stub.asked[0][0], "DELETE")

    def test_addresses_that_are_none(self):
        for address in ("127.0.0.1:3280", "ftp://x", "http://", "unix:", "http://u:p@localhost"):
            self.assertEqual(self.probe("health", address=address).json, {"kind": "argument"}, address)


for each in LANGUAGES:
    for cases in (Real, Scripted):
        name = cases.__name__ + each.name.title()
        globals()[name] = type(name, (cases, unittest.TestCase), {"language": each, "__module__": __name__})


if __name__ == "__main__":
    unittest.main()
