"""The command line: run, doctor, init, exit statuses, and faults of the configuration."""

import json
import os
import subprocess
import tempfile
import unittest

import proxy
import sky

M = "example.com/command"
EXAMPLE = """{
    "release": "11.1-RELEASE",
    "http_port": 3280,
    "admin_api_token": "asdfasdfasdfasdf",
    "admin_token_header": "X-Sky-Island-Token",
    "go_version": "1.9.2",
    "base_sys_pkg_dir": "/tmp/11.1-RELEASE",
    "filesystem": {"zfs_dataset": "zroot", "compression": false},
    "network": {"ip4": {"interface": "em0", "start_addr": "192.168.0.20", "mask": "255.255.255.0", "range": 220,
                        "gateway": "192.168.0.1", "dns": ["4.2.2.1", "4.2.2.2"]}},
    "jails": {"base_jail_dir": "/zroot/jails", "cache_default_expiration": "8h", "cache_purge_after": "24h",
              "children_max": 0, "monitoring_addr": "127.0.0.1", "build_timeout": "10s", "exec_timeout": "5s"}
}
"""


def setUpModule():
    global tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(M, {"a.go": 'package command\n\nimport (\n\t"fmt"\n\t"os"\n)\n\nfunc Add(a, b int) int { return a + b }\n\nfunc Exit(code int) {\n\tfmt.Print("out")\n'
                         '\tfmt.Fprint(os.Stderr, "err")\n\tos.Exit(code)\n}\n\nfunc Bytes() string { return "a\\xff\\x00b\\n" }\n\nfunc Panic() { panic("oh") }\n'})


def program(*arguments, **options):
    return subprocess.run([sky.binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, **options)


class Run(unittest.TestCase):
    def checks(self, own):
        done = own.run("run", M, "Add(20, 22)")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"42", b""))
        done = own.run("run", M, "Exit(0)")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"out", b"err"))
        done = own.run("run", M, "Exit(3)")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, b"out")
        self.assertTrue(done.stderr.startswith(b"err"), done.stderr)
        self.assertIn(b"ended its program with status 3 (function_exited, 422)", done.stderr)
        done = own.run("run", M, "Add(1)")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"not enough arguments", done.stderr)
        done = own.run("run", M, "Ad(1, 2)")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertRegex(done.stderr, rb"(?s)no exported name Ad .*\nnearest: Add\n")
        done = own.run("run", M, "Bytes()")
        self.assertEqual((done.returncode, done.stdout), (0, b"a\xff\x00b\n"), "what the program wrote, byte for byte")

    def test_with_a_running_server(self):
        with sky.Sky("command", modules=tree.url) as own:
            self.checks(own)
            own.call(M, "Add(1, 1)")
            self.assertIsNone(own.process.poll())

    def test_with_a_token(self):
        """The local socket is the owner's: no token is asked for."""
        with sky.Sky("command", modules=tree.url, function_token="secret-1") as own:
            done = own.run("run", M, "Add(1, 1)")
            self.assertEqual((done.returncode, done.stdout), (0, b"2"), done.stderr)
            mode = os.stat(os.path.join(own.state, "run/api.sock")).st_mode & 0o777
            self.assertEqual(mode, 0o600)

    def test_without_a_server(self):
        own = sky.Sky("command", modules=tree.url)
        self.checks(own)
        self.assertEqual(sky.describe(own.processes()), [])
        self.assertEqual(own.cgroups(), [])
        self.assertEqual(own.files(), [])
        self.assertFalse(os.path.exists(os.path.join(own.state, "run/api.sock")))
        self.assertFalse(os.path.exists(os.path.join(own.state, "run/address")))

    def test_interrupted(self):
        own = sky.Sky("command", modules=tree.url)
        own.write_config()
        process = subprocess.Popen(own.command("run", M, "Add(1, 2) * 3"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True, env=own.environment)
        try:
            sky.until(lambda: len(own.processes()) > 3, 10, "its server")
            process.terminate()
            process.wait(5)
            sky.until(lambda: not own.processes(), 3, "the end of its server: %s" % sky.describe(own.processes()))
        finally:
            for pid in own.processes():
                os.kill(pid, 9)
            process.communicate()
            own.start()  # clears what was left
            own.close()
        self.assertEqual(own.cgroups(), [])

    def test_two_at_once(self):
        own = sky.Sky("command", modules=tree.url)
        own.write_config()
        both = [subprocess.Popen(own.command("run", M, "Add(%d, 1)" % i), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=own.environment) for i in range(2)]
        for i, process in enumerate(both):
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out), (0, b"%d" % (i + 1)), err)

    def test_use(self):
        own = sky.Sky("command", modules=tree.url)
        for arguments in (("run",), ("run", M), ("run", M, "a", "b"), ("nosuch",), ("run", M, b"\xff")):
            done = own.run(*arguments)
            self.assertEqual(done.returncode, sky.EXIT_USE, (arguments, done.stderr))
            self.assertTrue(done.stderr)


class Command(unittest.TestCase):
    def test_help_and_version(self):
        done = program("-h")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"usage", done.stdout)
        self.assertEqual(program("--help").stdout, done.stdout)
        self.assertRegex(program("--version").stdout, rb"^sky-island \d")
        self.assertEqual(program("--nosuch").returncode, sky.EXIT_USE)
        self.assertEqual(program("-c").returncode, sky.EXIT_USE)
        self.assertEqual(program("-i", "more").returncode, sky.EXIT_USE)
        for option in (b"-c", b"-i", b"-h", b"--version"):
            self.assertIn(option, done.stdout)

    def test_init(self):
        own = sky.Sky("command")
        done = own.run("-i")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sky.describe(own.processes()), [])

    def test_doctor(self):
        own = sky.Sky("command")
        done = own.run("doctor")
        self.assertEqual(done.returncode, 0, done.stdout)
        for word in (b"state", b"prepared", b"cgroups", b"seccomp", b"namespaces", b"left behind"):
            self.assertIn(word, done.stdout)
        self.assertEqual(own.cgroups(), [])
        if own.user:
            self.assertRegex(done.stdout, rb"(?m)^warn +cgroups +rlimits stand in")
            apart = rb"ok +uids +each jail" if own.user.apart else rb"warn +uids +all jails share your own uid"
            self.assertRegex(done.stdout, rb"(?m)^" + apart)
        self.assertEqual(own.run("doctor", "more").returncode, sky.EXIT_USE)

    def test_doctor_before_anything_is_prepared(self):
        """It says so, makes nothing, and does not say that calls can run."""
        with tempfile.TemporaryDirectory(dir=sky.work) as top:
            state = os.path.join(top, "not", "there")
            config = os.path.join(top, "config.json")
            with open(config, "w", encoding="utf-8") as file:
                json.dump({"state_dir": state}, file)
            for made in (False, True):
                if made:
                    os.makedirs(state)
                done = program("-c", config, "doctor")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, b"(?m)^warn +prepared +not yet: run sky-island -i")
                self.assertIn(b"whether calls can run here is tried once it is prepared: 0 failed", done.stdout)
                self.assertEqual(os.listdir(state) if made else os.listdir(top), [] if made else ["config.json"])


class Configuration(unittest.TestCase):
    def faults(self, text):
        with tempfile.NamedTemporaryFile("w", dir=sky.work, suffix=".json") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
            file.flush()
            done = program("-c", file.name)
        self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
        return done.stderr.decode()

    def test_all_at_once(self):
        told = self.faults({"state_dir": "relative", "http_port": 99999, "listn": "127.0.0.1", "log_level": "loud",
                            "jails": {"exec_timeout": "soon", "memory": "1KiB", "pids": -1, "proc": "yes"}, "modules": {"goproxi": "x"}})
        for word in ("state_dir", "http_port", "listn", "listen", "log_level", "jails.exec_timeout", "jails.memory", "jails.pids", "jails.proc",
                     "modules.goproxi", "goproxy"):
            self.assertIn(word, told)
        self.assertGreaterEqual(len([line for line in told.splitlines() if ":" in line]), 9)

    def test_one_by_one(self):
        for text, word in (("", "JSON"), ("{", "JSON"), ("[]", "object"), ('{"http_port":1,"http_port":2}', "http_port"), ('{"http_port":"1"}', "http_port"),
                           ('{"listen":"nowhere"}', "listen"), ('{"listen":"0.0.0.0"}', "function_token"), ('{"jails":7}', "jails"),
                           ('{"listen":"0.0.0.0","open":true,"admin_api_token":"asdfasdfasdfasdf"}', "admin_api_token"),
                           ('{"function_token":{"file":"/nonexistent/token"}}', "function_token"), ('{"function_token":{"env":"NOSUCHVARIABLE"}}', "NOSUCHVARIABLE"),
                           ('{"expressions":"some"}', "expressions"), ('{"network":{"ip4":{"start_addr":"10.0.0.2"}}}', "network.ip4")):
            with self.subTest(text):
                self.assertIn(word, self.faults(text))

    def test_secrets_are_not_told(self):
        told = self.faults('{"admin_api_token":"very secret","function_token":["hidden-word"],"http_port":-1}')
        self.assertNotIn("very secret", told)
        self.assertNotIn("hidden-word", told)

    def test_missing_file(self):
        done = program("-c", "/nonexistent.json")
        self.assertIn(done.returncode, (sky.EXIT_CONFIGURATION, 66), done.stderr)
        self.assertIn(b"/nonexistent.json", done.stderr)

    def test_port_in_use(self):
        with sky.Sky("command") as own:
            other = sky.Sky("command", http_port=own.port)
            done = other.run()
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(str(own.port).encode(), done.stderr)
            self.assertEqual(sky.describe(other.processes()), [])
            self.assertEqual(other.cgroups(), [])

    def test_a_directory_or_too_much(self):
        done = program("-c", sky.work)
        self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
        self.assertIn(sky.work.encode(), done.stderr)
        self.faults(" " * ((1 << 20) + 1) + "{}")

    def test_the_originals_example(self):
        """Word for word, but for the two fields by which tests keep apart."""
        with sky.Sky("command", modules=tree.url) as own:
            own.stop()
            own.config = None
            text = EXAMPLE.replace('"http_port": 3280,', '"http_port": 0, "state_dir": %s, "modules": {"goproxy": %s, "gosumdb": "off"},'
                                   % (json.dumps(own.state), json.dumps(tree.url)))
            own.write_config = lambda: open(own.config_path, "w", encoding="utf-8").write(text)
            own.start()
            self.assertEqual(own.call(M, "Add(1, 1)").json.get("data"), "2")
            warned = [line["message"] for line in map(json.loads, filter(lambda line: line.startswith("{"), own.log().splitlines())) if line["level"] == "warn"]
            for field, word in (("go_version", "1.9.2"), ("base_sys_pkg_dir", "/tmp/11.1-RELEASE"), ("filesystem.zfs_dataset", "zroot"),
                                ("network.ip4.interface", "em0"), ("jails.base_jail_dir", "/zroot/jails")):
                self.assertTrue([line for line in warned if line.startswith("configuration: %s: %s " % (field, word))], (field, warned))
            answer = own.send("GET", "/api/v1/admin/jails", headers={"X-Sky-Island-Token": "asdfasdfasdfasdf"})
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(own.stop(), 0)

    def test_the_published_token_stays_on_loopback(self):
        told = self.faults(EXAMPLE.replace('"http_port": 3280,', '"listen": "0.0.0.0",'))
        self.assertIn("listen: found 0.0.0.0, which is beyond loopback, allowed: with function_token, or with \"open\": true", told)
        self.assertIn("admin_api_token: found the token of the published example", told)
        self.assertNotIn("asdfasdfasdfasdf", told)
        self.assertIn("2 faults", told)
