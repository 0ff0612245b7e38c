"""Real modules at pinned versions, over the proxy, or from the tree of files, that this machine is configured for."""

import os
import subprocess
import unittest
import urllib.error
import urllib.request

import sky

CALLS = (
    ("github.com/mmcloughlin/geohash", "v0.10.0", "Encode(100.1, 80.9)", "jbcs8zmd6shp"),
    ("github.com/google/uuid", "v1.6.0", 'MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8").Version()', "VERSION_1"),
    ("github.com/Masterminds/semver/v3", "v3.2.1", 'MustParse("v1.2").IncMinor()', "1.3.0"),
    ("github.com/dustin/go-humanize", "v1.0.1", "Bytes(82854982)", "83 MB"),
    ("github.com/gosimple/slug", "v1.14.0", 'Make("Hello World, Ünïcode!")', "hello-world-unicode"),
    ("gopkg.in/yaml.v3", "v3.0.1", 'Marshal(map[string]int{"a": 1})', "[97 58 32 49 10] <nil>"),
    ("golang.org/x/text/unicode/norm", "v0.14.0", 'NFC.String("e\\u0301")', "é"),
    ("github.com/shopspring/decimal", "v1.4.0", 'RequireFromString("0.1").Add(decimal.RequireFromString("0.2"))', "0.3"),
    ("github.com/samber/lo", "v1.39.0", "Map([]int{1, 2}, func(x, _ int) int { return x * x })", "[1 4]"),
    ("github.com/spf13/cast", "v1.6.0", 'ToInt("42")', "42"),
)  # fmt: skip

ROOTLESS = ("golang.org/x/net", "v0.20.0")


def reachable():
    try:
        proxies = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "there is no go command to ask for the proxy"
    first = proxies.replace("|", ",").split(",")[0]
    if first.startswith("file:///"):
        return None if os.path.isdir(first.removeprefix("file://")) else "there is no %s" % first
    if not first.startswith("http"):
        return "no proxy is configured (GOPROXY is %r)" % proxies
    try:
        with urllib.request.urlopen(first.rstrip("/") + "/github.com/google/uuid/@v/v1.6.0.info", timeout=10):
            return None
    except (urllib.error.URLError, OSError) as e:
        return "the proxy is not reachable: %s" % e


def setUpModule():
    global server
    why = reachable()
    if why:
        raise unittest.SkipTest(why)
    server = sky.Sky("real").start()
    unittest.addModuleCleanup(server.close)


class Real(unittest.TestCase):
    def test_calls(self):
        for url, version, call, data in CALLS:
            with self.subTest(url, call=call):
                answer = server.call(url, call, version=version)
                self.assertEqual((answer.status, answer.json.get("data")), (200, data), answer)
                self.assertTrue(answer.headers["x-sky-island-module"].endswith("@" + version))

    def test_typed(self):
        for url, version, function, args, results in (
            ("github.com/mmcloughlin/geohash", "v0.10.0", "Encode", [100.1, 80.9], ["jbcs8zmd6shp"]),
            ("github.com/shopspring/decimal", "v1.4.0", "Sum", [0.1, 0.2], ["0.3"]),
            ("github.com/spf13/cast", "v1.6.0", "ToStringSlice", [["a", 1]], [["a", "1"]]),
        ):
            with self.subTest(function):
                answer = server.typed(url, function, *args, version=version)
                self.assertEqual((answer.status, answer.json.get("results")), (200, results), answer)

    def test_readme(self):
        """The README's call, and then with new arguments: nothing is built."""
        answer = server.call("github.com/mmcloughlin/geohash", "Encode(100.1, 80.9)")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "jbcs8zmd6shp"), answer)
        answer = server.call("github.com/mmcloughlin/geohash", "Encode(1.5, 2.5)")
        self.assertEqual(answer.status, 200)
        self.assertLess(answer.timing("build"), 0.5)
        self.assertLess(answer.seconds, 0.2)

    def test_missing(self):
        answer = server.call("github.com/google/uuid", "Nil", version="v99.0.0")
        self.assertEqual((answer.status, answer.code), (404, "version_not_found"), answer)
        answer = server.call("github.com/google/uuid/nosuch", "Nil", version="v1.6.0")
        self.assertEqual((answer.status, answer.code), (404, "package_not_found"), answer)
        answer = server.call("github.com/google/UUID", "Nil", version="v1.6.0")
        self.assertIn(answer.status, (404, 422), answer)

    def test_a_module_without_a_package_at_its_root(self):
        answer = server.call(ROOTLESS[0], "F()", version=ROOTLESS[1])
        self.assertEqual((answer.status, answer.code), (404, "package_not_found"), answer)
        self.assertTrue(answer.json["nearest"])

