"""What is installed, and taken away again; the unit of systemd; what systemd is told."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import proxy
import sky
from installed import EVERYWHERE, LIBRARY, LINUX, listing

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MACHINE = os.uname().machine


def tool(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError("%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    return done.stdout + done.stderr


@unittest.skipIf(os.uname().sysname != "Linux", "Linux's list of files")
class Install(unittest.TestCase):
    """By `make`, as one does; from the build that is there."""

    @classmethod
    def setUpClass(cls):
        if os.path.realpath(sky.build) != os.path.join(TOP, "build", "meson"):
            raise unittest.SkipTest("%s is not what ./dev installs from" % sky.build)
        cls.root = os.path.join(tempfile.mkdtemp(prefix="install-", dir=sky.work), "root")
        os.makedirs(os.path.join(cls.root, "usr/local/lib"))
        with open(os.path.join(cls.root, "usr/local/lib/others"), "w", encoding="utf-8"):
            pass
        cls.make("install")
        cls.addClassCleanup(shutil.rmtree, cls.root)

    @classmethod
    def make(cls, target):
        tool("make", "-C", TOP, target, "DESTDIR=" + cls.root)

    def path(self, name):
        return os.path.join(self.root, "usr/local", name)

    def test_1_what_is_there(self):
        found = listing(self.root) - {"usr/local/lib/others"}
        libraries = {name for name in found if "libsky-island" in name or name.endswith(".pc")}
        self.assertEqual(found - libraries, EVERYWHERE | LINUX)
        directory = os.path.commonpath(libraries)
        self.assertTrue(directory.startswith("usr/local/lib"), directory)
        self.assertEqual({os.path.relpath(name, directory) for name in libraries}, LIBRARY)
        self.assertRegex(tool(self.path("bin/sky-island"), "--version"), r"^sky-island \d")
        with open(self.path("lib/systemd/system/sky-island.service"), encoding="utf-8") as file:
            self.assertIn("ExecStart=/usr/local/bin/sky-island -c /usr/local/etc/sky-island/config.json\n", file.read())

    def test_1_links_of_what_you_read(self):
        """Each leads to a file that is there as well."""
        for root, _, names in os.walk(self.path("share/doc/sky-island")):
            for name in names:
                if not name.endswith(".md"):
                    continue
                with open(os.path.join(root, name), encoding="utf-8") as file:
                    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", file.read())
                for link in links:
                    self.assertTrue(os.path.exists(os.path.join(root, link)), "%s: %s" % (name, link))

    def test_2_the_sample_is_a_configuration(self):
        with open(self.path("etc/sky-island/config.json.sample"), encoding="utf-8") as file:
            sample = json.load(file)
        with sky.Sky("sample", **{**sample, "http_port": 0}) as own:
            self.assertEqual(own.send("GET", "/healthcheck").status, 200)

    def test_3_a_program_finds_the_library(self):
        (pc,) = [name for name in listing(self.root) if name.endswith("sky-island.pc")]
        there = os.path.dirname(os.path.join(self.root, pc))
        where = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": self.root, "PKG_CONFIG_PATH": there}
        flags = tool("pkg-config", "--cflags", "--libs", "sky-island", env=where).split()
        self.assertIn("-I" + self.path("include"), flags)
        program = os.path.join(self.root, "program")
        self.addCleanup(os.unlink, program)
        with open(program + ".c", "w", encoding="utf-8") as file:
            file.write('#include <sky_island.h>\n#include <stdio.h>\nint main(void)\n{\n\tstruct sky_error e = {0};\n'
                       '\tputs(sky_open("nowhere", NULL, &e) == NULL ? e.detail : "?");\n\tsky_error_finish(&e);\n\treturn 0;\n}\n')
        self.addCleanup(os.unlink, program + ".c")
        tool("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", program + ".c", "-o", program, *flags)
        said = tool(program, env={"LD_LIBRARY_PATH": os.path.dirname(there)})
        self.assertIn('"nowhere" is no address', said)

    def test_4_the_unit(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")
        unit = os.path.join(self.root, "sky-island.service")
        with open(self.path("lib/systemd/system/sky-island.service"), encoding="utf-8") as file:
            text = file.read().replace("/usr/local/bin/sky-island", shutil.which("true")).replace("man:sky-island(8)", "man:true(1)")
        with open(unit, "w", encoding="utf-8") as file:
            file.write(text)
        self.addCleanup(os.unlink, unit)
        shutil.copy(self.path("lib/systemd/system/sky-island.socket"), self.root)
        self.addCleanup(os.unlink, os.path.join(self.root, "sky-island.socket"))
        self.assertEqual(tool("systemd-analyze", "verify", "--man=no", unit, os.path.join(self.root, "sky-island.socket")), "")

    def test_5_uninstall(self):
        self.make("uninstall")
        self.assertEqual(listing(self.root), {"usr/local/lib/others"})
        self.assertEqual(sorted(name for name in os.listdir(os.path.join(self.root, "usr/local"))), ["lib"])
        again = subprocess.run(["make", "-C", TOP, "uninstall", "DESTDIR=" + self.root], capture_output=True, text=True, check=False)
        self.assertIn("nothing was installed", again.stderr)


@unittest.skipIf(os.getuid() != 0, "root's")
class ByRoot(unittest.TestCase):
    """`sudo make install` in the checkout of another, whose next build has to write where this one did."""

    def test_what_is_built_stays_the_owners(self):
        top = tempfile.mkdtemp(prefix="checkout-", dir=sky.work)
        self.addCleanup(shutil.rmtree, top)
        shutil.copy(os.path.join(TOP, "dev"), top)
        os.makedirs(os.path.join(top, "tools"))
        os.makedirs(os.path.join(top, "build", "state"))
        for name, text in (("tools/packages", ""), ("meson", "mkdir -p build/meson; touch build/meson/build.ninja"),
                           ("ninja", "touch build/meson/.ninja_log build/meson/sky-island")):
            with open(os.path.join(top, name), "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\n%s\n" % text)
            os.chmod(file.name, 0o755)
        os.chown(os.path.join(top, "build"), 65534, 65534)
        tool(os.path.join(top, "dev"), "build", env={**os.environ, "PATH": top + ":" + os.environ["PATH"]})
        made = {path: os.lstat(os.path.join(top, "build", path)).st_uid for path in ("meson", "meson/.ninja_log", "ninja.log", "sky-island")}
        self.assertEqual(set(made.values()), {65534}, made)
        self.assertEqual(os.stat(os.path.join(top, "build", "state")).st_uid, 0)


@unittest.skipIf(os.uname().sysname != "Linux", "Linux's system calls")
class Filtered(unittest.TestCase):
    """What the unit has systemd refuse is not missed."""

    OPENAT2 = 437  # on every architecture

    def test_a_module_is_built_without_openat2(self):
        """RestrictSUIDSGID refuses it."""
        tree = proxy.Tree(os.path.join(sky.work, "filtered-modules")).add("example.com/filtered", {
            "a.go": "package filtered\n\nfunc F() string { return \"filtered\" }\n"})
        own = sky.Sky("filtered", modules=tree.url)
        self.addCleanup(own.close)
        usual = own.command
        own.command = lambda *words: [sys.executable, os.path.join(TOP, "tests/system/refusing.py"), str(self.OPENAT2), *usual(*words)]
        own.start()
        answer = own.call("example.com/filtered", "F()")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "filtered"), answer)


class Told(unittest.TestCase):
    """By datagram, as sd_notify(3) says."""

    def serve(self, address, shown):
        heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(heard.close)
        heard.bind(address)
        heard.settimeout(10)
        if isinstance(address, str):
            os.chmod(address, 0o777)
        own = sky.Sky("told", environment={**os.environ, "NOTIFY_SOCKET": shown, "WATCHDOG_USEC": "200000"})
        self.addCleanup(own.close)
        own.spawn()
        return own, heard

    def life(self, own, heard):
        said = heard.recv(4096).decode().split("\n")
        sky.until(own.serves, 5, "its address")
        self.assertEqual(said, ["READY=1", "STATUS=Serves http://%s:%d" % (own.host, own.port)])
        self.assertEqual(own.send("GET", "/healthcheck").status, 200)
        server, _ = own.parts
        self.assertEqual([heard.recv(4096) for _ in range(3)], [b"WATCHDOG=1"] * 3)
        os.kill(server, signal.SIGSTOP)  # as if it hung: nobody speaks for it
        heard.settimeout(0.5)
        with contextlib.suppress(socket.timeout):
            for _ in range(3):
                heard.recv(4096)
            self.fail("a server that hangs still sends")
        os.kill(server, signal.SIGCONT)
        heard.settimeout(10)
        own.process.terminate()
        last = b""
        while not last.startswith(b"STOPPING=1"):
            last = heard.recv(4096)
            self.assertIn(last, (b"WATCHDOG=1", b"STOPPING=1\nSTATUS=Running calls may end"))
        self.assertEqual(own.process.wait(10), 0)

    def test_a_path(self):
        path = os.path.join(tempfile.mkdtemp(dir=sky.work), "notify")
        os.chmod(os.path.dirname(path), 0o755)
        self.life(*self.serve(path, path))

    def test_an_abstract_one(self):
        name = "sky-test-%d" % os.getpid()
        self.life(*self.serve(b"\0" + name.encode(), "@" + name))


class Handed(unittest.TestCase):
    """A socket made by who starts it, as sd_listen_fds(3) says."""

    START = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""

    def socket(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        made = socket.socket(family)
        self.addCleanup(made.close)
        made.bind(address)
        made.listen()
        return made

    def island(self, made, count=1, **config):
        own = sky.Sky("handed", **config)
        self.addCleanup(own.close)
        usual = own.command

        def command(*arguments):
            return [sys.executable, "-c", self.START, str(made.fileno()), str(count), *usual(*arguments)]

        own.command, own.descriptors = command, (made.fileno(),)
        return own

    def refused(self, own):
        done = own.run(pass_fds=own.descriptors)
        self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
        return done.stderr.decode()

    def test_is_served(self):
        made = self.socket()
        own = self.island(made)
        waits = socket.create_connection(made.getsockname(), timeout=10)  # before anybody serves
        self.addCleanup(waits.close)
        own.start()
        self.assertEqual((own.host, own.port), made.getsockname())
        waits.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b" 200 OK", waits.recv(4096))
        server, _ = own.parts
        os.kill(server, signal.SIGKILL)
        sky.until(lambda: own.parts[0] not in (None, server), 5, "another server")
        self.assertEqual(own.send("GET", "/healthcheck").status, 200)
        self.assertEqual(own.stop(), 0, own.log())

    def test_elsewhere(self):
        """Where the configuration keeps strangers out, the socket must not let them in."""
        made = self.socket()
        port = made.getsockname()[1]
        for config in ({"http_port": port + 1 if port < 65535 else 1024}, {"listen": "127.0.0.2"}, {"listen": "::1"}):
            with self.subTest(config):
                self.assertIn("listens at http://127.0.0.1:%d, the configuration says" % port, self.refused(self.island(made, **config)))

    def test_what_is_none(self):
        made = self.socket()
        self.assertIn("2 sockets were handed over", self.refused(self.island(made, 2)))
        unheard = socket.socket()
        self.addCleanup(unheard.close)
        self.assertIn("let it be one that listens", self.refused(self.island(unheard)))

    def test_a_path(self):
        path = os.path.join(tempfile.mkdtemp(dir=sky.work), "http.sock")
        made = self.socket(socket.AF_UNIX, path)
        own = self.island(made, listen="unix:" + path)
        own.spawn()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(path)
            client.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 OK", client.recv(4096))


if __name__ == "__main__":
    unittest.main()
