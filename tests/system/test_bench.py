"""sky-island bench: rates, percentiles and failures, against a real server."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import tempfile
import unittest

import proxy
import sky

M = "example.com/bench"


def setUpModule():
    global server, tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(M, {"a.go": 'package bench\n\nimport "time"\n\nfunc Add(a, b int) int { return a + b }\n\n'
                         'func Sleep(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }\n'})
    server = sky.Sky("bench", modules=tree.url).start()
    unittest.addModuleCleanup(server.close)
    answer = server.call(M, "Add(1, 1)")
    if answer.status != 200:
        raise AssertionError(str(answer))


class Bench(unittest.TestCase):
    def bench(self, *arguments, status=0, own=None):
        done = (own or server).run("bench", "--json", *arguments)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return json.loads(done.stdout)

    def sound(self, told):
        """What holds for every run."""
        self.assertEqual(told["calls"], told["succeeded"] + told["failed"])
        self.assertEqual(told["failed"], sum(kind["count"] for kind in told["failures"]))
        for stage, times in told["ms"].items():
            if times is not None:
                self.assertEqual(times["count"], told["succeeded"], stage)
                row = [times[name] for name in ("min", "p50", "p90", "p99", "max")]
                self.assertEqual(row, sorted(row), stage)
        self.assertEqual(sum(row["count"] for row in told["histogram"]), told["succeeded"])
        return told

    def test_closed_loop(self):
        told = self.sound(self.bench("--seconds", "0.5", "--clients", "2", M, "Add(1, 2)"))
        self.assertGreater(told["rate"], 0)
        self.assertEqual((told["failed"], told["clients"], told["rate_wanted"]), (0, 2, None))
        self.assertAlmostEqual(told["rate"], told["succeeded"] / told["seconds"], delta=0.01 * told["rate"])
        self.assertGreaterEqual(told["ms"]["whole"]["mean"], told["ms"]["run"]["mean"])
        told = self.sound(self.bench("--calls", "37", "--clients", "5", M, "Add(1, 2)"))
        self.assertEqual(told["calls"], 37)

    def test_think_time(self):
        told = self.sound(self.bench("--calls", "6", "--clients", "2", "--think", "50", M, "Add(1, 2)"))
        self.assertGreaterEqual(told["seconds"], 0.1, "three calls of each, with two pauses between")

    def test_failures_are_counted(self):
        told = self.sound(self.bench("--calls", "5", "example.com/no/such", "F()", status=1))
        self.assertEqual([(kind["status"], kind["count"]) for kind in told["failures"]], [(404, 5)])
        self.assertIn("example.com/no/such", told["failures"][0]["detail"])
        self.assertIsNone(told["ms"]["whole"])
        done = server.run("bench", "--calls", "3", M, "Ad(1, 2)")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode(), r"failed    3\n +3  404 function_not_found: .*Ad\n")

    def test_rate(self):
        told = self.sound(self.bench("--seconds", "1", "--rate", "50", M, "Add(1, 2)"))
        self.assertEqual((told["calls"], told["rate_wanted"], told["clients"]), (50, 50, 64))
        self.assertGreaterEqual(told["seconds"], 0.97)

    def test_no_coordinated_omission(self):
        """One client, calls of 100 ms due every 20: each is late by 80 more, and charged for that."""
        told = self.sound(self.bench("--calls", "8", "--rate", "50", "--clients", "1", M, "Sleep(100)"))
        self.assertGreaterEqual(told["ms"]["whole"]["max"], 100 + 7 * 80)
        self.assertLess(told["ms"]["run"]["p50"], told["ms"]["whole"]["p50"] / 2)

    def test_unix_sockets(self):
        told = self.sound(self.bench("--calls", "5", "--server", "unix:" + os.path.join(server.state, "run/api.sock"), M, "Add(1, 2)"))
        self.assertEqual(told["succeeded"], 5)
        path = os.path.join(sky.work, "bench.sock")
        own = sky.Sky("bench", modules=tree.url, listen="unix:" + path).spawn()
        with contextlib.closing(own):
            sky.until(lambda: os.path.exists(os.path.join(own.state, "run/address")), 30, "the server's address")
            told = self.sound(self.bench("--calls", "5", M, "Add(1, 2)", own=own))
            self.assertEqual((told["server"], told["succeeded"]), ("unix:" + path, 5))

    def test_tokens(self):
        with sky.Sky("bench", modules=tree.url, function_token="secret-1") as own:
            self.assertEqual(self.bench("--calls", "2", M, "Add(1, 2)", own=own)["failed"], 0)
            address = ("--server", "http://127.0.0.1:%d" % own.port)
            told = self.bench("--calls", "2", *address, M, "Add(1, 2)", own=own, status=1)
            self.assertEqual(told["failures"][0]["status"], 401, "the configuration's token is not sent to a server that was named")
            with tempfile.NamedTemporaryFile("w", dir=sky.work) as file:
                file.write("secret-1\n")
                file.flush()
                self.assertEqual(self.bench("--calls", "2", *address, "--token-file", file.name, M, "Add(1, 2)", own=own)["failed"], 0)

    def test_a_server_that_dies(self):
        own = sky.Sky("bench", modules=tree.url).start()
        self.addCleanup(own.close)
        process = subprocess.Popen(own.command("bench", "--json", "--calls", "20", "--clients", "2", M, "Sleep(100)"), stdout=subprocess.PIPE,
                                   env=own.environment)
        sky.until(lambda: own.jail_pids(), what="a call")
        own.process.kill()
        own.process.wait()
        told = self.sound(json.loads(process.communicate(timeout=30)[0]))
        self.assertEqual((process.returncode, told["calls"]), (1, 20))
        self.assertLessEqual({kind["code"] for kind in told["failures"]}, {"connection_lost", "connect_failed"})
        self.assertGreaterEqual(told["failed"], 16)

    def test_interrupted(self):
        process = subprocess.Popen(server.command("bench", "--json", "--seconds", "600", M, "Add(1, 2)"), stdout=subprocess.PIPE, env=server.environment)
        pid = server.parts[0]

        def connections():
            with open("/proc/%d/net/tcp" % pid, encoding="ascii") as file:
                return sum(1 for line in file if line.split()[3] == "01" and line.split()[1].endswith(":%04X" % server.port))

        sky.until(lambda: connections() >= 10, what="its clients")
        sky.until(lambda: server.jail_pids(), what="a call")
        process.send_signal(signal.SIGINT)
        told = self.sound(json.loads(process.communicate(timeout=10)[0]))
        self.assertEqual((told["interrupted"], process.returncode), (True, 0 if told["calls"] else 1))
        self.assertLess(told["seconds"], 60)

    def text(self, environment, *arguments):
        """What it writes on a terminal."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(server.command("bench", "--calls", "20", *arguments, M, "Add(1, 2)"), stdout=theirs, env={**os.environ, **environment})
        os.close(theirs)
        got = b""
        try:
            while chunk := os.read(ours, 4096):
                got += chunk
        except OSError:  # its other side is closed
            pass
        os.close(ours)
        self.assertEqual(process.wait(10), 0)
        return got.decode()

    def test_the_histogram(self):
        self.assertIn("█", self.text({"LC_ALL": "C.UTF-8"}))
        plain = self.text({"LC_ALL": "C"})
        self.assertTrue(plain.isascii())
        self.assertIn("##", plain)
        piped = subprocess.run(server.command("bench", "--calls", "20", M, "Add(1, 2)"), stdout=subprocess.PIPE, check=True,
                               env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout.decode()
        self.assertTrue(piped.isascii())
        self.assertRegex(piped, r"\nms +p50 +p90 +p99 +max\nwhole( +\d+\.\d{3}){4}\nresolve ")
        rows = re.findall(r"^ +[\d.]+ +(\d+)(?:  [#.]+)?$", piped, re.M)
        self.assertEqual(sum(map(int, rows)), 20, piped)

    def test_no_server(self):
        done = server.run("bench", "--server", "http://127.0.0.1:1", M, "Add(1, 2)")
        self.assertEqual((done.returncode, done.stdout), (sky.EXIT_UNAVAILABLE, b""))
        self.assertIn(b"no server answers at http://127.0.0.1:1", done.stderr)
        own = sky.Sky("bench")
        done = own.run("bench", M, "Add(1, 2)")
        self.assertEqual(done.returncode, sky.EXIT_UNAVAILABLE)
        self.assertIn(b"no server runs with state_dir", done.stderr)

    def test_use(self):
        for arguments in ((), (M,), (M, "F()", "x"), ("--calls", "0", M, "F()"), ("--calls", "x", M, "F()"), ("--clients", "1001", M, "F()"),
                          ("--seconds", "1", "--calls", "1", M, "F()"), ("--rate", "5", "--think", "5", M, "F()"), ("--nosuch", M, "F()"),
                          (M, b"\xff")):
            done = server.run("bench", *arguments)
            self.assertEqual((done.returncode, done.stdout), (sky.EXIT_USE, b""), arguments)
            self.assertTrue(done.stderr)
        for arguments in (("--server", "https://127.0.0.1:1"), ("--server", "127.0.0.1:1"), ("--token-file", "/nosuch")):
            done = server.run("bench", *arguments, M, "F()")
            self.assertEqual((done.returncode, done.stdout), (sky.EXIT_CONFIGURATION, b""), arguments)


if __name__ == "__main__":
    unittest.main()
