"""sky-island -i: its steps, what a kill or a failure at any of them leaves, and whose directory it takes."""

import os
import pty
import random
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest

import fakego
import sky

STEPS = ["storage", "base root", "jails", "toolchain", "tool", "cache", "build jail"]


def setUpModule():
    global go
    go = fakego.FakeGo()


class Prepare(unittest.TestCase):
    def setUp(self):
        for name in (go.hold, go.refuse):
            if os.path.exists(name):
                os.unlink(name)

    def prepared(self, own, **options):
        done = own.run("-i", **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(fakego.halves(own.state), [])
        self.assertEqual(own.cgroups(), [])
        return done

    def fails(self, own, *words, status=1, **options):
        done = own.run("-i", **options)
        told = done.stderr.decode()
        self.assertEqual(done.returncode, status, told)
        for word in words:
            self.assertIn(word, told)
        self.assertEqual(fakego.halves(own.state), [])
        self.assertEqual(own.cgroups(), [])
        return told

    def begun(self, own, **options):
        """-i under way; held, where go is, while it compiles."""
        own.write_config()
        process = subprocess.Popen([sky.binary, "-c", own.config_path, "-i"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   **{"stderr": subprocess.PIPE, "env": own.environment, **options})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def hold(self):
        open(go.hold, "w", encoding="utf-8").close()

    def compiling(self, own):
        """The processes of the compiler of this one."""
        return [pid for pid in own.processes() if "bin/go build" in sky.command(pid)]


class Steps(Prepare):
    def test_named_and_timed(self):
        own = go.sky()
        told = self.prepared(own).stderr.decode()
        self.assertEqual(re.findall(r"^prepare (.*): \d+\.\d\d s$", told, re.M), STEPS)

    def test_again(self):
        own = go.sky()
        self.prepared(own)
        before, host, asked = fakego.inventory(own.state), go.asked(host=True), go.asked()
        took = []
        while len(took) < 3 and min(took, default=1) >= 1:  # what else goes on may delay one
            begun = time.monotonic()
            self.prepared(own)
            took.append(sky.since(begun))
        self.assertLess(min(took), 1, took)
        self.assertEqual(fakego.inventory(own.state), before)
        self.assertEqual(go.asked(host=True), host, "nothing was downloaded")
        self.assertEqual([word for word in go.asked()[len(asked):] if word != "env"], [], "nothing was compiled")

    def test_on_a_terminal(self):
        own = go.sky()
        ours, theirs = pty.openpty()
        self.hold()
        process = self.begun(own, stderr=theirs)
        os.close(theirs)
        told = b""
        while b"build jail" not in told or not told.endswith(b"\n"):
            self.assertTrue(select.select([ours], [], [], sky.WAIT)[0], told)
            told += os.read(ours, 4096)
            if re.search(rb"\r  tool +1 s ", told) and os.path.exists(go.hold):
                os.unlink(go.hold)
        os.close(ours)
        self.assertEqual(process.wait(sky.WAIT), 0)
        self.assertNotIn(b"\x1b", told)
        ends = [line.rsplit(b"\r", 1)[-1].strip().decode() for line in told.replace(b"\r\n", b"\n").split(b"\n")[:-1]]
        self.assertEqual([re.sub(r" +\d+\.\d\d s$", "", line) for line in ends], STEPS, told)
        self.assertEqual(sky.describe(own.processes()), [])

    def test_two_at_once(self):
        own = go.sky()
        self.hold()
        first = self.begun(own)
        sky.until(lambda: self.compiling(own), what="the first at work")
        done = own.run("-i")
        self.assertEqual(done.returncode, sky.EXIT_UNAVAILABLE)
        self.assertIn("another Sky Island (process %d) runs with state_dir %s" % (first.pid, own.state), done.stderr.decode())
        os.unlink(go.hold)
        self.assertEqual(first.wait(sky.WAIT), 0, first.stderr.read())
        self.prepared(own)


class Serving(Prepare):
    def test_at_once(self):
        """Who starts the server without -i has jails: what preparing tried is not in the way of the helpers it starts then."""
        own = go.sky()
        with own:
            sky.until(own.all_jails, what="jails that are prepared for calls")
            self.assertNotIn('"level":"error"', own.log())
            own_space = os.readlink("/proc/self/ns/mnt")
            self.assertEqual({os.readlink("/proc/%d/ns/mnt" % pid) for pid in (own.process.pid, own.parts[0])}, {own_space})
        self.assertEqual(own.cgroups(), [])


class Killed(Prepare):
    def test_as_it_took_the_directory(self):
        own = go.sky()
        self.prepared(own)
        before = fakego.inventory(own.state)
        os.truncate(os.path.join(own.state, "sky-island-state"), 0)
        self.prepared(own)
        self.assertEqual(fakego.inventory(own.state), before)

    def test_anywhere(self):
        """Killed at 25 moments of its work; each next one takes up what there is, and the last is as if there had been none."""
        reference, own = go.sky(), go.sky()
        begun = time.monotonic()
        self.prepared(reference)
        whole = time.monotonic() - begun
        chance, fetched = random.Random(7), None
        toolchain = os.path.join(own.state, "toolchain", fakego.VERSION)
        for turn in range(25):
            if os.path.exists(toolchain) and fetched is None:
                fetched = go.asked(host=True)
            process = self.begun(own)
            try:
                process.wait(chance.uniform(0, min(whole, 0.02 * (turn + 1))))
            except subprocess.TimeoutExpired:
                process.kill()
            self.assertIn(process.wait(), (0, -signal.SIGKILL), process.stderr.read())
            process.stderr.close()
        self.prepared(own)
        self.assertEqual(fakego.inventory(own.state), fakego.inventory(reference.state))
        if fetched is not None:
            self.assertEqual(go.asked(host=True), fetched, "downloaded twice")
        self.assertEqual(sky.describe(own.processes()), [])

    def test_nothing_it_started_lives_on(self):
        own = go.sky()
        self.hold()
        process = self.begun(own)
        sky.until(lambda: self.compiling(own), what="a compiler")
        self.assertTrue(os.path.isdir(os.path.join(own.state, "tool/part")))
        process.kill()
        process.wait()
        sky.until(lambda: not own.processes(), 2, "the end of what it started")
        os.unlink(go.hold)
        self.prepared(own)

    def test_a_toolchain_that_had_come_is_not_fetched_again(self):
        """Killed between the download and the renaming: go finds what it had stored."""
        own = go.sky()
        self.prepared(own)
        reference = fakego.inventory(own.state)
        toolchain = os.path.join(own.state, "toolchain", fakego.VERSION)
        part = os.path.join(own.state, "toolchain/part")
        os.rename(toolchain, toolchain + ".aside")
        subprocess.run(["go", "mod", "download", "golang.org/toolchain@v0.0.1-%s.linux-%s" % (fakego.VERSION, os.path.basename(
            os.listdir(toolchain + ".aside/pkg/tool")[0]).removeprefix("linux_"))], check=True, cwd="/", capture_output=True,
            env={**go.environment, "GOMODCACHE": part, "GOPROXY": go.url, "GOSUMDB": "off", "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"})
        subprocess.run(["rm", "-r", toolchain + ".aside"], check=True)
        own.config["modules"]["goproxy"] = "file:///nonexistent"
        self.prepared(own)
        self.assertEqual(fakego.inventory(own.state), reference)


class Failing(Prepare):
    """What fails leaves nothing of its own, and everything of the others."""

    def test_no_go(self):
        own = go.sky()
        own.environment = {**go.environment, "PATH": "/nonexistent"}
        self.fails(own, "prepare toolchain: no `go` on PATH", "install")
        self.assertEqual(os.listdir(os.path.join(own.state, "toolchain")), [])
        own.environment = go.environment
        self.prepared(own)

    def test_a_proxy_that_has_nothing(self):
        own = go.sky(modules="file:///nonexistent")
        told = self.fails(own, "prepare toolchain: %s (go_version): " % fakego.VERSION, "no such file or directory")
        self.assertEqual(os.listdir(os.path.join(own.state, "toolchain")), [])
        self.assertIn("prepare toolchain: failed after", told)
        own.config["modules"]["goproxy"] = go.url
        self.prepared(own)

    def test_a_toolchain_that_does_not_compile(self):
        own = go.sky()
        open(go.refuse, "w", encoding="utf-8").close()
        self.fails(own, "prepare tool: ", "it does not compile")
        self.assertEqual(os.listdir(os.path.join(own.state, "tool")), [])
        host = go.asked(host=True)
        os.unlink(go.refuse)
        self.prepared(own)
        self.assertEqual(go.asked(host=True), host, "the toolchain stays")

    def test_a_tool_that_fails(self):
        own = go.sky()
        go.tool_does("return 7;")
        self.addCleanup(go.tool_does, "return 0;")
        self.fails(own, "prepare cache: the tool ended with status")
        self.assertEqual(len(os.listdir(os.path.join(own.state, "tool"))), 1)
        self.assertFalse(os.path.exists(os.path.join(own.state, "private/gocache")))

    def test_what_was_there_survives_a_failure(self):
        """Another version of Go is asked for and does not come: the one before serves on."""
        own = go.sky()
        self.prepared(own)
        before = fakego.inventory(own.state)
        own.config["go_version"] = "1.99.9"
        self.fails(own, "prepare toolchain: ")
        self.assertEqual(fakego.inventory(own.state), before)

    def test_a_directory_that_cannot_be_written(self):
        own = go.sky()
        done = own.run("-i", user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("%s/lock: Permission denied" % own.state, done.stderr.decode())
        self.assertEqual(os.listdir(own.state), [])

    def test_a_host_without_jails(self):
        """Where no user namespace may be made; told before anything is downloaded."""
        own, host = go.sky(), go.asked(host=True)
        own.write_config()
        script = ("echo 0 >/proc/sys/user/max_user_namespaces || exit\n"
                  '"$0" -c "$1" -i; code=$?; "$0" -c "$1" doctor >&2; echo "doctor $?" >&2; exit $code')
        process = subprocess.Popen(["unshare", "--user", "sh", "-c", 'read go; exec sh -c "$2" "$0" "$1"', sky.binary, own.config_path, script],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own.environment)
        sky.until(lambda: os.readlink("/proc/%d/ns/user" % process.pid) != os.readlink("/proc/self/ns/user"), what="its namespace")
        for name in ("uid_map", "gid_map"):
            with open("/proc/%d/%s" % (process.pid, name), "w", encoding="utf-8") as file:
                file.write("0 0 4000000000")
        told = process.communicate("go\n")[1]
        self.assertEqual(process.returncode, 1, told)
        self.assertIn("prepare jails: this host makes no jails: ", told)
        self.assertIn("sky-island doctor", told)
        self.assertRegex(told, r"(?m)^fail +namespaces ")
        self.assertIn("\ncalls cannot run here: 1 failed", told)
        self.assertIn("\ndoctor 1\n", told)
        self.assertEqual(go.asked(host=True), host)
        self.prepared(own)

    def test_a_full_disk(self):
        """Of many sizes, so that each step is the one that finds it full; with room it goes on."""
        bulky = fakego.FakeGo(bulk=2 << 20)
        bulky.tool_does("static volatile char large[4 << 20] = {1}; return large[1];")
        script = ('mount -t tmpfs -o mode=755,"$2" none "$3" && "$0" -c "$1" -i; echo "status $?"; find "$3" -name "*part*" -o -name go-build\\*\n'
                  'mount -o remount,size=64m,nr_inodes=0 "$3" && "$0" -c "$1" -i >/dev/null 2>&1; echo "then $?"\n')
        failed = set()
        for size in ("nr_inodes=7", "size=40k", "size=3m", "size=5500k", "size=9m"):
            with self.subTest(size):
                own = bulky.sky()
                own.write_config()
                done = subprocess.run(["unshare", "--mount", "sh", "-c", script, sky.binary, own.config_path, size, own.state],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own.environment, check=False)
                if "status 0" not in done.stdout:
                    self.assertEqual(done.stdout, "status 1\nthen 0\n", done.stderr)
                    self.assertRegex(done.stderr, "[Nn]o space left on device")
                    failed.update(re.findall("^sky-island: prepare ([a-z ]*):", done.stderr, re.M))
                self.assertEqual(own.cgroups(), [])
        self.assertLessEqual({"storage", "base root", "toolchain", "tool"}, failed)


class Whose(Prepare):
    def test_others_directories(self):
        for state in ("/", "/home", "/tmp", "/var/lib", os.path.expanduser("~")):
            with self.subTest(state), tempfile.NamedTemporaryFile("w", dir=sky.work, suffix=".json") as file:
                file.write('{"state_dir":"%s"}' % state)
                file.flush()
                done = subprocess.run([sky.binary, "-c", file.name, "-i"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
                self.assertIn("state_dir %s is a directory that others use" % state, done.stderr)
                self.assertFalse(os.path.exists(os.path.join(state, "sky-island-state")))

    def test_a_directory_with_names_like_ours(self):
        own = go.sky()
        os.mkdir(os.path.join(own.state, "tmp"))
        kept = os.path.join(own.state, "tmp/letter")
        with open(kept, "w", encoding="utf-8") as file:
            file.write("dear")
        for arguments in (("-i",), (), ("run", "strings", "ToUpper(`a`)")):
            done = own.run(*arguments)
            self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
            self.assertIn(b"\"tmp\" that is not Sky Island's", done.stderr)
        self.assertEqual(os.listdir(own.state), ["tmp"])
        self.assertEqual(sky._read(kept), "dear")
