"""Jails that are prepared ahead of their calls, before any program is in them: what they are, and what becomes of them."""

import contextlib
import os
import re
import resource
import signal
import subprocess
import threading
import time
import unittest

import sky

JAILERS_STOCK = 4  # prepared jails of each jailer
DEVICES = {"/dev/" + name: "rw,nosuid,noexec" for name in ("null", "zero", "full", "random", "urandom")}
MOUNTS = {"/": "ro,nosuid,nodev", "/tmp": "rw,nosuid,nodev,noexec,noatime", **DEVICES}


def setUpModule():
    global server
    server = started("prepared")


def odd(files=None):
    """As a shell, nohup or another service may start it."""
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    os.umask(0o077)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def started(name, files=None):
    own = sky.Sky(name, jails={"waiting_max": 0})
    own.write_config()
    with open(own.log_path, "ab") as log:
        own.process = subprocess.Popen(own.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=own.environment, cwd="/",
                                       preexec_fn=lambda: odd(files))
    own.started.append(own.process)
    sky.everyone.append(own)
    unittest.addModuleCleanup(own.close)
    sky.until(lambda: own.process.poll() is not None or own.serves(), 60, "the start")
    return own


def prepared(own):
    """jail → its stub and its program's process, of those that wait for a program."""
    running = own.jails()
    found = {name: sorted(pids, key=lambda pid: int(sky.status(pid)["NSpid"].split()[-1]))
             for name, pids in own.all_jails().items() if name not in running and len(pids) == 2}
    return {name: pids for name, pids in found.items() if sky.status(pids[1]).get("Seccomp") == "2"}


def stocked(own):
    _, jailers = own.parts
    return sky.until(lambda: len(prepared(own)) >= JAILERS_STOCK * len(jailers) and prepared(own), what="a prepared jail in each ready slot")


def mounts(pid):
    """place → its flags; all optional fields, which tell with whom it is shared."""
    found, shared = {}, []
    for line in sky._read("/proc/%d/mountinfo" % pid).splitlines():
        fields, _, _ = line.partition(" - ")
        _, _, _, _, place, flags, *more = fields.split()
        found[place] = ",".join(flag for flag in flags.split(",") if flag != "relatime")
        shared += more
    return found, shared


class Own(unittest.TestCase):
    """What the processes are before a program is in them."""

    def test_nothing_is_left_to_give_up(self):
        for name, (stub, program) in stocked(server).items():
            for pid in (stub, program):
                st = sky.status(pid)
                with self.subTest(name, inside=st["NSpid"]):
                    for field in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb", "SigIgn"):
                        self.assertEqual(int(st[field], 16), 0, field)
                    self.assertEqual((st["NoNewPrivs"], st["Umask"]), ("1", "0022"))
                    self.assertNotIn("0", st["Uid"].split() + st["Gid"].split())
                    self.assertEqual(os.readlink("/proc/%d/cwd" % pid), "/tmp")
                    for space in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
                        self.assertNotEqual(sky._link("/proc/%d/ns/%s" % (pid, space)), sky._link("/proc/self/ns/" + space), space)
            self.assertEqual(int(sky.status(program)["SigBlk"], 16), 0)

    def test_descriptors(self):
        for name, (stub, program) in stocked(server).items():
            with self.subTest(name):
                self.assertEqual(sky.descriptors(stub), [])
                held = sorted(re.sub(r"\d+", "N", what) for what in sky.descriptors(program))
                self.assertEqual(held, ["/dev/null", "socket:[N]"])

    def test_both_are_in_all_groups(self):
        if server.user:
            self.skipTest("an ordinary user has no control groups")
        for name, pids in stocked(server).items():
            for pid in pids:
                groups = sky._read("/proc/%d/cgroup" % pid)
                for tree in ("memory", "pids", "cpu") if ":memory:" in groups else ("",):  # version 2 has one
                    self.assertRegex(groups, r":%s:.*/%s/%s\n" % (tree, server.group, name))

    def test_mounts(self):
        """Copies of one template: with no mount of the host in them, and none shared with it or with each other."""
        seen = set()
        for name, (stub, _) in stocked(server).items():
            with self.subTest(name):
                self.assertEqual(mounts(stub), (MOUNTS, []))
                seen.add(os.stat("/proc/%d/root/tmp" % stub).st_dev)
        self.assertEqual(len(seen), len(stocked(server)), "each has a /tmp of its own")

    def test_what_started_it_is_not_felt(self):
        answer = server.call("os/signal", "Ignored(syscall.SIGHUP)")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "false"), answer)
        answer = server.call("syscall", "Umask(0)")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "18"), answer)

    def test_helpers_see_the_hosts_mounts(self):
        """A copy would keep file systems that are unmounted, and not see those that are mounted."""
        if server.user:
            self.skipTest("an ordinary user's is a copy")
        stocked(server)
        helpers = [pid for pid in sky.children(server.process.pid) if sky.status(pid)["Name"] == "sky-helper"]
        self.assertTrue(helpers)
        for pid in helpers:
            self.assertEqual(os.readlink("/proc/%d/ns/mnt" % pid), os.readlink("/proc/self/ns/mnt"))


class Files(unittest.TestCase):
    def test_few_are_allowed(self):
        """What the jailer has no descriptors for is refused by itself; the jails that run go on."""
        own = started("files", files=256)
        self.assertEqual(own.call("time", "Sleep(1)").status, 200)
        answers = []
        calls = [threading.Thread(target=lambda: answers.append(own.typed("time", "Sleep", 300000000))) for _ in range(40)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        self.assertEqual(len(answers), 40)
        for answer in answers:
            self.assertIn((answer.status, answer.code), ((200, None), (503, "jail_failed")), answer)
            if answer.status == 503:
                self.assertRegex(answer.detail, "may open no more files|Too many open files")
        self.assertNotRegex(own.log(), r"jailer \d+ died")
        self.assertEqual(own.call("time", "Sleep(1)").status, 200)


class Killed(unittest.TestCase):
    def kill(self, own, which=0):
        pids = [pair[which] for pair in stocked(own).values()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids

    def healthy(self, own):
        answer = own.call("strings", 'ToUpper("healthy")')
        self.assertEqual((answer.status, answer.json.get("data")), (200, "HEALTHY"), answer)

    def test_from_outside(self):
        """The stub or the program's process: others take their place, and no call is told of it."""
        for which in (0, 1):
            with self.subTest(which):
                pids = self.kill(server, which)
                sky.until(lambda: not any(sky.alive(pid) for pid in pids), what="their end")
                stocked(server)
                self.healthy(server)

    def test_with_a_call_on_its_way(self):
        """A jail that never had its program did not run the function: what its end says is not the function's doing."""
        self.healthy(server)
        stubs = [pair[0] for pair in stocked(server).values()]
        _, jailers = server.parts
        answers = []
        calls = [threading.Thread(target=lambda: answers.append(server.call("strings", 'ToUpper("healthy")'))) for _ in range(4)]
        for pid in jailers:
            os.kill(pid, signal.SIGSTOP)
        try:
            for call in calls:
                call.start()
            time.sleep(0.1)  # until the requests lie before the jailers
            for pid in stubs:
                os.kill(pid, signal.SIGKILL)
        finally:
            for pid in jailers:
                os.kill(pid, signal.SIGCONT)
        for call in calls:
            call.join()
        for answer in answers:
            self.assertIn((answer.status, answer.code), ((200, None), (503, "jail_failed")), answer)
        stocked(server)
        self.healthy(server)

    def test_with_their_jailer(self):
        pids = [pid for pair in stocked(server).values() for pid in pair]
        _, jailers = server.parts
        for pid in jailers:
            os.kill(pid, signal.SIGKILL)
        sky.until(lambda: not any(sky.alive(pid) for pid in pids), what="the end of what it had prepared")
        stocked(server)
        self.healthy(server)

    def test_none_can_be_prepared(self):
        """It is said, by each call too; it is not tried again and again while nobody calls."""
        if server.user:
            self.skipTest("an ordinary user has no control groups")
        own = started("none-prepared")
        self.healthy(own)
        stocked(own)
        limit = next(filter(os.path.exists, (group + "/pids.max" for group in own.cgroups())))
        with open(limit, "w", encoding="utf-8") as file:
            file.write("0")
        self.kill(own)
        refused = re.compile("Resource temporarily unavailable")  # of whichever is forked first below the limit
        sky.until(lambda: refused.search(own.log()), what="the word that none can be prepared")
        answer = own.call("strings", 'ToUpper("healthy")')
        self.assertEqual((answer.status, answer.code), (503, "jail_failed"), answer)
        _, jailers = own.parts
        self.assertLess(len(refused.findall(sky._read(own.log_path))), 4 * JAILERS_STOCK * len(jailers))
        with open(limit, "w", encoding="utf-8") as file:
            file.write("max")
        sky.until(lambda: self.healthy(own) or len(prepared(own)) >= JAILERS_STOCK * len(jailers), what="a jail in each ready slot again")
