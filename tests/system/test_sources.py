"""Sources that lie, drip, never end or point elsewhere: each its own word, the jail gone, and others served meanwhile."""

import io
import json
import threading
import time
import unittest
import zipfile

import elsewhere
import sky

MIB = 1 << 20
GOOD, BAD = "example.com/honest", "example.com/hostile/"
MOD = "module %s\n\ngo 1.21\n"


def files_of(module, value):
    name = module.rpartition("/")[2]
    return {"%s@v1.0.0/go.mod" % module: (MOD % module).encode(),
            "%s@v1.0.0/a.go" % module: ("package %s\n\nfunc F() string { return %s }\n" % (name, json.dumps(value))).encode()}


def zip_of(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def drip(handler):
    """A byte now and then of an answer that would take a month."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(50 * MIB))
    handler.end_headers()
    while True:
        handler.wfile.write(b"P")
        time.sleep(0.05)


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"\0" * MIB)


def answer(handler):
    path = handler.path
    if path.startswith("/sums"):
        found = sums.answers.get(path.removeprefix("/sums"))
        return handler.say(200 if found else 404, found or b"")
    module, _, file = path[1:].partition("/@v/")
    name = module.rpartition("/")[2]
    if file == "v1.0.0.info":
        if name in redirects:
            return handler.say(302, Location=redirects[name])
        if name == "talkative":
            return endless(handler)
        return handler.say(200, b'{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}')
    if file == "v1.0.0.mod":
        return handler.say(200, (MOD % module).encode())
    if file == "v1.0.0.zip":
        if name == "drip":
            return drip(handler)
        if name == "endless":
            return endless(handler)
        return handler.say(200, zip_of(files_of(module, served.get(name, "as published"))))
    return handler.say(404)


def setUpModule():
    global net, sums, redirects, served, source, inner, server
    if elsewhere.ctypes.util.find_library("sodium") is None:
        raise unittest.SkipTest("libsodium is not there to sign checksums with")
    net = elsewhere.Net()
    sums = elsewhere.Sums(GOOD, "v1.0.0", files_of(GOOD, "as published"), (MOD % GOOD).encode())
    served, redirects = {}, {}
    source = elsewhere.Source(net, answer)
    unittest.addModuleCleanup(source.close)
    # Whom nobody outside may reach, at a port that sources may have.
    inner = elsewhere.Source(net, lambda handler: handler.say(200, b'{"Version":"v1.0.0"}'), elsewhere.INNER, 8080)
    unittest.addModuleCleanup(inner.close)
    server = island()
    unittest.addModuleCleanup(server.close)


def island(**jails):
    limits = {"memory": "256MiB", "tmp": "64MiB"}
    own = elsewhere.Island(net, "sources", jails={"fetch_timeout": "20s", "build": limits, **jails})
    own.config["modules"] = {"goproxy": source.url, "gosumdb": "%s %s/sums" % (sums.verifier, source.url), "gonosumdb": BAD.rstrip("/")}
    return own.start()


class Sources(unittest.TestCase):
    def call(self, url, own=None):
        return (own or server).call(url, "F()", version="v1.0.0")

    def fails(self, url, status, code, own=None):
        answer = self.call(url, own)
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        sky.until(lambda: not [pid for pid in (own or server).jail_pids() if sky.command(pid).startswith("tool ")], 2, "the end of the jail")
        self.assertEqual((own or server).files(), [])
        return answer

    def tearDown(self):
        answer = server.call("strings", "ToUpper(`a`)")
        self.assertEqual(answer.json.get("data"), "A", answer)


class Checksums(Sources):
    def test_what_was_published(self):
        answer = self.call(GOOD)
        self.assertEqual((answer.status, answer.json.get("data")), (200, "as published"), answer)

    def test_what_was_changed_since(self):
        """The database was told of other bytes than the source sends now; nothing of it is kept."""
        own = island()
        self.addCleanup(own.close)
        served["honest"] = "changed since"
        try:
            answer = self.fails(GOOD, 502, "checksum_mismatch", own)
        finally:
            del served["honest"]
        self.assertIn("SECURITY ERROR", answer.detail)
        self.assertEqual(answer.json["fault"], "platform")
        answer = self.call(GOOD, own)
        self.assertEqual((answer.status, answer.json.get("data")), (200, "as published"), answer)

    def test_what_the_database_does_not_know(self):
        answer = self.call("example.com/unknown")
        self.assertGreaterEqual(answer.status, 400, answer)
        self.assertNotIn("data", answer.json)


class Slow(Sources):
    def test_one_that_drips(self):
        own = island(fetch_timeout="1500ms")
        self.addCleanup(own.close)
        begun = time.monotonic()
        self.fails(BAD + "drip", 502, "fetch_timeout", own)
        self.assertLess(sky.since(begun), 5)

    def test_others_are_served_meanwhile(self):
        own = island(fetch_timeout="1500ms")
        self.addCleanup(own.close)
        own.call("strings", "ToUpper(`a`)")
        thread = threading.Thread(target=self.call, args=(BAD + "drip", own))
        thread.start()
        sky.until(lambda: any("drip/@v/v1.0.0.zip" in path for path in source.asked), what="the slow answer")
        for _ in range(3):
            answer = own.call("strings", "ToUpper(`b`)")
            self.assertEqual(answer.json.get("data"), "B", answer)
        self.assertTrue(thread.is_alive())
        thread.join()


class Endless(Sources):
    def test_an_archive(self):
        self.fails(BAD + "endless", 507, "disk_full")  # the jail's own

    def test_an_answer_that_is_read_whole(self):
        self.fails(BAD + "talkative", 422, "fetch_out_of_memory")


class Redirects(Sources):
    def test_to_where_nobody_may_go(self):
        """Addresses of the host's own networks, written out, disguised, or of its metadata service."""
        closed = "is refused: it is not a public address"
        for number, (target, why) in enumerate(((inner.url + "/secret", closed), ("http://[::ffff:%s]:8080/secret" % elsewhere.INNER, closed),
                                                ("https://%s/secret" % inner.host, closed), ("http://169.254.169.254/latest/meta-data", closed),
                                                ("http://%s:22/" % elsewhere.INNER, "is refused: its port is none of"),
                                                ("http://127.0.0.1:8080/secret", "connection refused"))):
            with self.subTest(target):
                redirects["redirect%d" % number] = target
                answer = self.fails("%sredirect%d" % (BAD, number), 502, "source_unreachable")
                self.assertIn(why, answer.detail)
                self.assertEqual(answer.json["fault"], "platform")
        self.assertEqual(inner.asked, [])

    def test_to_a_file(self):
        redirects["file"] = "file:///etc/passwd"
        answer = self.call(BAD + "file")
        self.assertGreaterEqual(answer.status, 400, answer)
        self.assertNotIn("root:", answer.detail)
