"""What a hostile function can do in its jail: nothing that matters, and nothing of it is left."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import proxy
import sky
import users

H = "example.com/hostile"
EXEC_TIMEOUT = 1.5  # seconds
WAITING = 12  # jails, at most
TREE = {
    "d /", "d /dev", "c /dev/full", "c /dev/null", "c /dev/random", "c /dev/urandom", "c /dev/zero", "d /etc", "f /etc/group",
    "f /etc/hosts", "f /etc/nsswitch.conf", "f /etc/passwd", "d /etc/ssl", "d /etc/ssl/certs",
    "f /etc/ssl/certs/ca-certificates.crt", "d /tmp", "d /usr", "d /usr/share", "f /usr/share/zoneinfo.zip",
}  # fmt: skip
# Places where other kinds of jail have something mounted: there, and empty.
EMPTY = {"d /cache", "d /go", "d /modules", "d /proc", "d /src"} | {"d /modules/%d" % i for i in range(8)}


def setUpModule():
    global server
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(H, proxy.source("hostile"), go="1.22")
    server = sky.Sky("attacks", modules=tree.url,
                     jails={"exec_timeout": "%dms" % (EXEC_TIMEOUT * 1000), "init_timeout": "1500ms", "waiting_max": WAITING}).start()
    unittest.addModuleCleanup(server.close)
    first = server.call(H, "Directory()")
    if first.status != 200:
        raise AssertionError("the hostile package: %s\n%s" % (first, server.log()))


class Attack(unittest.TestCase):
    programs = {}  # jails wait for these

    def typed(self, function, *args):
        """The results of a call that returns."""
        answer = server.typed(H, function, *args)
        self.assertEqual(answer.status, 200, answer)
        results = answer.json["results"]
        return results[0] if len(results) == 1 else results

    def ends(self, answer, status, code, **more):
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        for name, value in more.items():
            self.assertEqual(answer.json.get(name), value, answer)
        if answer.status == 422:
            self.assertEqual(answer.json["fault"], "function", answer)
        return answer

    def too_much(self, function):
        """400 MiB: a control group ends who takes them; where there is none RLIMIT_DATA refuses them, and Go's own heap ends."""
        answer = server.typed(H, function, 400)
        if server.user and function == "Mapped":
            self.assertEqual((answer.status, answer.json.get("results")), (200, ["ENOMEM"]), answer)
        else:
            self.ends(answer, 422, "out_of_memory")
        self.assertLess(answer.seconds, EXEC_TIMEOUT + 1)

    def settled(self):
        """Nothing runs but jails that wait, of two processes each, and no more than may; two may be about to."""
        jails = server.jails()
        return len(jails) <= WAITING + 2 and all(len(pids) == 2 for pids in jails.values()) and not any(
            sky.status(pid).get("State", "R")[0] == "R" and int(sky.status(pid).get("Threads", "0")) > 12
            for pids in jails.values() for pid in pids)

    def tearDown(self):
        sky.until(self.settled, 2, "the end of what the attack started: %s" % server.jails())
        answer = server.call("strings", 'ToUpper("healthy")')
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["data"], "HEALTHY")


class Files(Attack):
    def test_only_what_is_listed_is_visible(self):
        found = set(self.typed("Tree"))
        self.assertEqual(found - EMPTY, TREE)

    def test_mount_points_of_other_jails_are_not_visible(self):
        found = set(self.typed("Tree"))
        self.assertEqual(found & EMPTY, set(), "DESIGN's list of what is in the root has none of these")

    def test_host_files_cannot_be_read(self):
        paths = ["/etc/shadow", "/root", "/root/.ssh", "/proc/1/environ", "/proc/self/status", "/proc/self/maps", "/sys/kernel",
                 "/sys/fs/cgroup", server.state, server.state + "/lock", server.state + "/artifacts", server.config_path, "/dev/vda",
                 "/dev/mem", "/dev/kmsg", "/../etc/shadow", "/tmp/../../../etc/shadow", "/run", "/var/log", "/home"]
        for path, outcome in self.typed("Read", paths).items():
            with self.subTest(path):
                self.assertEqual(outcome, "ENOENT")

    def test_etc_is_ours(self):
        found = self.typed("Read", ["/etc/passwd", "/etc/group", "/usr/share/zoneinfo.zip", "/etc/ssl/certs/ca-certificates.crt"])
        self.assertEqual(set(found.values()), {"ok"})

    def test_kernel_is_not_visible(self):
        for path, outcome in self.typed("Kernel").items():
            with self.subTest(path):
                self.assertIn(outcome, ("ENOENT", "0 entries") if path == "/proc" else ("ENOENT",))

    def test_nothing_but_tmp_can_be_written(self):
        places = ["/", "/etc", "/dev", "/usr", "/usr/share", "/etc/ssl/certs", "/proc", "/go", "/src", "/cache", "/modules", "/modules/0"]
        for what, outcome in self.typed("Write", places).items():
            with self.subTest(what):
                self.assertIn(outcome, ("EROFS", "EACCES", "EPERM", "EBUSY", "ENOENT"))

    def test_tmp_has_no_devices(self):
        found = self.typed("Write", ["/tmp"])
        self.assertEqual(found["create /tmp"], "ok")
        self.assertIn(found["mknod /tmp"], ("EPERM", "EACCES"))

    def test_files_cannot_be_changed(self):
        files = ["/etc/passwd", "/etc/hosts", "/usr/share/zoneinfo.zip", "/etc/ssl/certs/ca-certificates.crt"]
        for what, outcome in self.typed("Change", files).items():
            with self.subTest(what):
                self.assertIn(outcome, ("EROFS", "EACCES", "EPERM"))

    def test_devices_cannot_be_changed(self):
        devices = ["/dev/null", "/dev/urandom"]
        for what, outcome in self.typed("Change", devices).items():
            if what.split()[0] in ("unlink", "chmod", "utimes"):
                with self.subTest(what):
                    self.assertIn(outcome, ("EROFS", "EACCES", "EPERM", "EBUSY"))
        self.assertEqual(os.stat("/dev/null").st_mode & 0o777, 0o666)

    def test_descriptors(self):
        self.assertEqual(self.typed("Descriptors"), [0, 1, 2, 3])

    def test_tmp_bomb(self):
        for _ in range(2):
            total, how = self.typed("FillTmp")
            self.assertEqual(how, "ENOSPC")
            self.assertTrue(15 << 20 <= total <= 16 << 20, total)

    def test_names_bomb(self):
        count, how = self.typed("FillNames")
        self.assertEqual(how, "ENOSPC")
        self.assertLess(count, 10000)

    def interfaces(self):
        """Of all jails, seen from outside: the jails may not ask for them."""
        found = {line.split(":")[0].strip() for pid in server.jail_pids() for line in sky._read("/proc/%d/net/dev" % pid).splitlines() if ":" in line}
        return found - {"lo"}

    def test_the_next_jail_finds_nothing(self):
        """Neither beside one that left things, nor behind it."""
        left = []
        leaver = threading.Thread(target=lambda: left.append(self.typed("Leave", int(1000 * sky.SLOW))))
        leaver.start()
        sky.until(lambda: any("@left\n" in sky._read("/proc/%d/net/unix" % pid) for pid in server.jail_pids()), what="what it leaves")
        self.assertEqual(self.typed("Found"), [], "beside it")
        self.assertTrue(leaver.is_alive(), "it was there")
        self.assertEqual(self.interfaces(), set())
        leaver.join()
        for _ in range(3):
            self.assertEqual(self.typed("Found"), [])
        worked = left[0]
        self.assertEqual(worked.pop("socket"), "ok", "else there was nothing to find")
        self.assertEqual(set(worked.values()), {"EPERM"}, worked)

    def test_tmp_is_always_as_new(self):
        room = self.typed("Room")
        self.assertEqual((room["marked"], room["entries"], room["usable"]), (False, 0, "ok"))
        for turn in range(12):
            answer = server.typed(H, "Litter", 1000 if turn % 4 == 0 else 3)
            self.assertIn(answer.status, (200, 422), answer)
            if turn % 4 == 1:
                server.typed(H, "FillTmp")
            if turn % 4 == 2:
                server.typed(H, "FillNames")
            for _ in range(3):
                self.assertEqual(self.typed("Room"), room, "after turn %d" % turn)


class Privileges(Attack):
    def test_identity(self):
        who = self.typed("Identity")
        self.assertNotIn(0, (who["uid"], who["euid"], who["gid"]))
        groups = 1 if server.user and not server.user.apart else 0  # who has no helper cannot leave groups (user_namespaces(7))
        self.assertEqual((who["groups"], who["pid"], who["ppid"], who["capget"]), (groups, 2, 1, "ok"))
        self.assertEqual(who["caps"], [{"Effective": 0, "Permitted": 0, "Inheritable": 0}] * 2)
        self.assertNotEqual(who["hostname"], socket.gethostname())

    def test_environment(self):
        found = self.typed("Environment")
        names = [entry.partition("=")[0] for entry in found]
        self.assertEqual(sorted(names), ["GOMEMLIMIT", "HOME", "LANG", "PATH", "SSL_CERT_FILE", "TZ", "ZONEINFO"])
        self.assertIn("HOME=/tmp", found)
        self.assertIn("TZ=UTC", found)
        self.assertEqual(self.typed("Directory"), "/tmp")

    def sleeper(self):
        """The driver's and the stub's pid of each jail, of which one sleeps and none is about to end: it first, for it soon will."""
        thread = threading.Thread(target=server.typed, args=(H, "Mark", 1200))
        thread.start()
        self.addCleanup(thread.join)
        jails = sky.until(self.whole, what="a call, and nothing that ends")
        for pids in sorted(jails, key=lambda pids: not any(sky.marked(pid) for pid in pids)):
            driver, stub = sorted(pids, key=lambda pid: -int(sky.status(pid)["NSpid"].split()[-1]))
            yield driver, stub

    @staticmethod
    def whole():
        running, jails = server.running(), list(server.jails().values())
        counted = running + server.metric("sky_jails_waiting")
        return jails if running and len(jails) == counted and all(len(pids) == 2 for pids in jails) else None

    def owned(self, st):
        """Whom a process of a jail belongs to."""
        ids = {int(number) for number in st["Uid"].split() + st["Gid"].split()}
        if server.user and not server.user.apart:
            self.assertEqual(ids, {server.user.uid})
            self.assertEqual(st["Groups"].split(), [str(users.GROUP)], "as test_identity says")
            return
        self.assertGreaterEqual(min(ids), users.FIRST if server.user else 200000)
        self.assertEqual(st["Groups"].strip(), "")

    def bounded(self, pid):
        """Memory and processes have limits."""
        if server.user:
            limits = sky._read("/proc/%d/limits" % pid)
            self.assertRegex(limits, r"Max data size +%d +%d " % ((128 + 64) << 20, (128 + 64) << 20))
            self.assertRegex(limits, r"Max processes +64 +64 ")
            return
        groups = sky._read("/proc/%d/cgroup" % pid)
        if ":memory:" not in groups:  # version 2
            group = sky.CGROUPS + re.search(r"(?m)^0::(/.*%s/slot\d+)$" % server.group, groups).group(1)
            limits = [sky._read(os.path.join(group, name)).strip() for name in ("memory.max", "pids.max")]
            self.assertEqual(limits, [str(128 << 20), "64"])
            return
        for tree in ("memory", "pids", "cpu"):
            self.assertRegex(groups, r":%s:.*/%s/slot" % (tree, server.group))

    def test_seen_from_outside(self):
        found = list(self.sleeper())
        self.assertTrue(found)
        ours = {name: os.readlink("/proc/self/ns/" + name) for name in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")}
        uids = set()
        for driver, stub in found:
            for pid in (driver, stub):
                st = sky.status(pid)
                with self.subTest(pid=pid, name=st["Name"]):
                    for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
                        self.assertEqual(int(st[name], 16), 0, name)
                    self.assertEqual(st["NoNewPrivs"], "1")
                    self.owned(st)
                    for name, own in ours.items():
                        self.assertNotEqual(os.readlink("/proc/%d/ns/%s" % (pid, name)), own, name)
                    self.bounded(pid)
            self.assertEqual(sky.status(driver)["Seccomp"], "2")
            for fd in os.listdir("/proc/%d/fd" % driver):
                if int(fd) > 3:  # the Go runtime's own poller
                    self.assertRegex(os.readlink("/proc/%d/fd/%s" % (driver, fd)), r"^anon_inode:\[event(poll|fd)\]$")
            self.assertEqual(os.listdir("/proc/%d/fd" % stub), [])
            uids.add(sky.status(driver)["Uid"].split()[0])
        if not server.user or server.user.apart:
            self.assertEqual(len(uids), len(found), "each jail has a uid of its own")

    def test_landlock_stands_behind_the_mounts(self):
        # A ruleset cannot be read back from outside; that the doctor has tried it is what can be seen.
        self.assertRegex(server.run("doctor").stdout.decode(), r"(?m)^ok +landlock")

    def test_system_calls(self):
        strict = {"clone3": ("ENOSYS",), "capset": ("EPERM",)}
        for call, outcome in self.typed("Syscalls").items():
            with self.subTest(call):
                if call.startswith("clone thread"):
                    self.assertIn(outcome, ("EPERM", "EINVAL"))
                elif call == "sched_setaffinity of pid 1":
                    self.assertIn(outcome, ("ok", "EPERM", "EINVAL"))
                elif call.startswith("socket"):
                    self.assertIn(outcome, ("EPERM", "EACCES", "EAFNOSUPPORT"))
                else:
                    self.assertIn(outcome, strict.get(call, ("EPERM", "ENOSYS", "EACCES")))

    def test_system_calls_of_other_tables(self):
        """Of 32 bits (getpid, fork, execve, clone) and of x32: refused by an errno, or the program is killed, whole."""
        for function, number in (("Int80", 20), ("Int80", 2), ("Int80", 11), ("Int80", 120), ("X32", 39)):
            with self.subTest(function, number=number):
                answer = server.typed(H, function, number)
                if answer.status == 200:
                    self.assertLess(answer.json["results"][0], 0)
                else:
                    self.ends(answer, 422, "function_killed")

    def test_limits_cannot_be_raised(self):
        found = self.typed("Limits")
        self.assertEqual(found.pop("AS"), "unlimited", "Go does not start under RLIMIT_AS")
        for what, outcome in found.items():
            with self.subTest(what):
                self.assertIn(outcome, ("EPERM", "ENOSYS"))

    def test_network(self):
        name = "sky-test-%d" % os.getpid()
        with socket.socket(socket.AF_UNIX) as abstract, socket.socket() as tcp:
            abstract.bind("\0" + name)
            abstract.listen()
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            found = self.typed("Connect", name, tcp.getsockname()[1])
        self.assertEqual(found["abstract"], "ECONNREFUSED")
        for what in ("tcp", "udp", "listen"):
            self.assertIn(found[what], ("EPERM", "EACCES", "EAFNOSUPPORT"), what)
        self.assertEqual(found["resolved"], "false")
        self.assertEqual(found["own unix"], "ok")

    def test_address_is_refused_with_the_line_to_add(self):
        answer = server.call(H, "Directory()", ip4=True)
        self.assertEqual(answer.status, 403, answer)
        self.assertIn("network", answer.detail)


class Processes(Attack):
    def test_signals(self):
        found = self.typed("Signals")
        self.assertEqual(found.pop("others"), "0")
        for what, outcome in found.items():
            with self.subTest(what):
                self.assertIn(outcome, ("ok", "ESRCH", "EPERM"))

    def test_signals_to_itself(self):
        for number, words in ((signal.SIGKILL, "Killed"), (signal.SIGTERM, "Terminated"), (signal.SIGHUP, "Hangup")):
            with self.subTest(words):
                self.ends(server.typed(H, "KillSelf", int(number)), 422, "function_killed", signal=words)

    def test_stopping_itself(self):
        answer = self.ends(server.typed(H, "KillSelf", int(signal.SIGSTOP)), 422, "function_timeout")
        self.assertLess(answer.seconds, EXEC_TIMEOUT + 1)

    def test_no_other_programs(self):
        for what, outcome in self.typed("Run").items():
            with self.subTest(what):
                self.assertIn(outcome, ("EPERM", "ENOSYS", "EACCES"))

    def test_a_program_of_its_own_in_memory(self):
        answer = server.typed(H, "ExecMemfd")
        self.assertNotIn(b"owned", answer.body)
        self.assertEqual(answer.status, 200, answer)

    def test_a_program_of_its_own_in_tmp(self):
        answer = server.typed(H, "ExecFile")
        self.assertNotIn(b"owned", answer.body)
        self.assertEqual(answer.status, 200, answer)
        for what in ("execveat", "execve", "mmap"):
            self.assertIn(answer.json["results"][0][what], ("EACCES", "EPERM", "ENOSYS"), what)

    def test_itself_again(self):
        self.assertEqual(self.typed("ExecSelf"), "not run")

    def test_threads_bomb(self):
        answer = server.typed(H, "Threads", 1000)
        self.assertEqual(answer.status, 422, answer)
        self.assertEqual(answer.json["fault"], "function", answer)
        self.assertIn("newosproc", answer.json["stderr"])

    def test_goroutines_that_outlive_the_call(self):
        for _ in range(3):
            answer = server.typed(H, "Goroutines", 1000)
            self.assertEqual(answer.status, 200, answer)
            self.assertLess(answer.seconds, 1.5)

    def test_busy_loop(self):
        answer = self.ends(server.typed(H, "Loop"), 422, "function_timeout")
        self.assertTrue(EXEC_TIMEOUT - 0.1 < answer.seconds < EXEC_TIMEOUT + 1, answer.seconds)

    def test_deaf_to_signals(self):
        answer = self.ends(server.typed(H, "Deaf"), 422, "function_timeout", stdout="deaf")
        self.assertLess(answer.seconds, EXEC_TIMEOUT + 1)

    def test_pinning_itself_does_not_pin_others(self):
        self.typed("Pin", 100)
        _, jailers = server.parts
        seen = {os.sched_getaffinity(pid) == {0} for pid in jailers}
        self.assertEqual(seen, {True, False} if len(jailers) > 1 else {False})

    def test_starving_the_first_process(self):
        answer = server.typed(H, "StarveStub")
        self.assertIn(answer.status, (200, 422), answer)


class Ends(Attack):
    """How a function ended is told apart."""

    def test_exit(self):
        for code in (1, 2, 3, 127, 255):
            with self.subTest(code):
                self.ends(server.typed(H, "Exit", code, "words"), 422, "function_exited", exit_status=code, stdout="words")
        answer = server.typed(H, "Exit", 0, "words")
        self.assertEqual((answer.status, answer.json["data"]), (200, "words"))

    def test_panic(self):
        for function, args in (("Panic", ["oh"]), ("PanicInGoroutine", []), ("Nil", [])):
            with self.subTest(function):
                answer = self.ends(server.typed(H, function, *args), 422, "function_panicked")
                self.assertIn("goroutine ", answer.json["stderr"])
                self.assertNotIn(server.state, answer.json["stderr"])

    def test_deadlock(self):
        self.ends(server.typed(H, "Deadlock"), 422, "deadlock")

    def test_stack(self):
        answer = self.ends(server.typed(H, "Recurse", 0), 422, "stack_overflow")
        self.assertIn("stack", answer.json["stderr"])

    def test_memory(self):
        for function in ("Memory", "Mapped"):
            with self.subTest(function):
                self.too_much(function)

    def test_ends_do_not_stick(self):
        """Whoever ran out of memory before is not told of in the answers of those that come after."""
        for _ in range(6):
            self.too_much("Mapped")
            for _ in range(4):
                self.ends(server.typed(H, "KillSelf", 9), 422, "function_killed")

    def test_memory_comes_back(self):
        for _ in range(12):
            # A file in memory is not to be had: it could be run.
            self.assertEqual(self.typed("MemoryFile", 400), "memfd_create EPERM")
            self.too_much("Mapped")
            self.assertEqual(self.typed("Mapped", 90), "mapped")

    def test_memory_within_the_limit(self):
        self.assertEqual(self.typed("Mapped", 64), "mapped")

    def test_memory_of_the_kernel(self):
        answer = server.typed(H, "Pipes")
        self.assertIn(answer.status, (200, 422), answer)

    def test_init(self):
        self.ends(server.call(H + "/panics", "F()"), 422, "function_panicked", in_init=True)
        self.ends(server.call(H + "/exits", "F()"), 422, "function_exited", in_init=True, exit_status=3)
        answer = self.ends(server.call(H + "/loops", "F()"), 422, "init_timeout")
        self.assertLess(answer.timing("jail"), 3000)

    def test_exit_0_in_init(self):
        answer = server.call(H + "/exitszero", "F()")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "bye"), "as go run has it: %s" % answer)

    def test_much_printed_in_init(self):
        for _ in range(3):
            answer = server.call(H + "/prints", "F()")
            self.assertEqual(answer.status, 200, answer.body[:300])
            self.assertEqual(answer.json["data"], "i" * 200000 + "called")
        self.ends(server.call(H + "/floods", "F()"), 422, "output_limit")

    def test_ready_too_early(self):
        answer = server.call(H + "/readies", "F()")
        self.assertEqual(answer.status, 422, answer)
        self.assertIn(answer.code, ("init_timeout", "function_timeout"))

    def test_answers_before_the_call(self):
        """It can lie to its own caller, and to no other."""
        for _ in range(3):
            answer = server.call(H + "/forges", "F()")
            self.assertEqual(answer.status, 200, answer)
            self.assertIn(answer.json["data"], ("called", ""), answer)

    def test_work_while_waiting(self):
        for _ in range(2):
            self.assertEqual(server.call(H + "/leaves", "F()").json.get("data"), "called")


class Output(Attack):
    def test_a_long_line(self):
        answer = server.call(H, "Output(1, 100000, false)")
        self.assertEqual((answer.status, len(answer.json["data"])), (200, 100000 + len("written")))

    def test_a_gigabyte(self):
        for fd, name in ((1, "stdout"), (2, "stderr")):
            for lines in (False, True):
                with self.subTest(name, lines=lines):
                    answer = self.ends(server.typed(H, "Output", fd, 1 << 30, lines), 422, "output_limit")
                    self.assertEqual(len(answer.json[name]), 1 << 20)
                    self.assertLess(answer.seconds, 1.5)

    def test_limit_is_exact(self):
        text = server.call(H, "Output(1, %d, false)" % ((1 << 20) - len("written")))
        self.assertEqual((text.status, len(text.json.get("data", ""))), (200, 1 << 20), text.code)
        self.ends(server.call(H, "Output(1, %d, false)" % ((1 << 20) - len("written") + 1)), 422, "output_limit")

    def test_large_arguments(self):
        body = json.dumps({"url": H, "function": "Len", "args": [""], "output": "json"})
        room = (1 << 20) - len(body)
        answer = server.typed(H, "Len", "a" * room)
        self.assertEqual((answer.status, answer.json.get("results")), (200, [room]), answer.json.get("code"))
        answer = server.call(H, 'Len("%s")' % ("a" * 200000))
        self.assertEqual((answer.status, answer.json.get("data")), (200, "200000"))
        self.ends(server.call(H, 'Len("%s")' % ("a" * 1000000)), 413, "call_too_large")
        answer = server.typed(H, "Len", "a" * (room + 1))
        self.assertEqual(answer.status, 413)
        self.assertEqual(answer.code, "too_large")

    def test_large_results(self):
        self.assertEqual(self.typed("Big", 1000000), "b" * 1000000)
        # Results count as output: jails.output caps them (1 MiB), so that an answer cannot be made to cost the server more.
        self.ends(server.typed(H, "Big", 3 << 20), 422, "output_limit")
        self.assertEqual(server.call(H, "Big(1000000)").json["data"], "b" * 1000000)
        self.ends(server.call(H, "Big(2000000)"), 422, "output_limit")
        answer = server.typed(H, "Big", 5 << 20)
        self.assertEqual(answer.status, 422, answer)
        self.assertNotEqual(answer.code, "arguments_do_not_fit", "the arguments did fit: %s" % answer)


class Frames(Attack):
    """The driver's descriptor is the function's too."""

    def test_forged_result(self):
        answer = server.typed(H, "Forge", "V", '{"results":["forged"],"error":null}', False)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(set(answer.json) - {"stderr"}, {"timestamp", "data", "results", "error"})

    def test_forged_result_cannot_add_fields(self):
        answer = server.typed(H, "Forge", "V", '{"results":[],"error":null,"timestamp":1,"data":"x","data_base64":"eA==","status":500,"code":"c"}', False)
        self.assertIn(answer.status, (200, 422), answer)
        self.assertEqual(set(answer.json) - {"stderr"}, {"timestamp", "data", "results", "error"}, answer)
        self.assertEqual(answer.json["data"], "printed")

    def test_forged_result_is_no_json(self):
        shapeless = []
        for text in ("{", "null", "[1]", '"x"', "{}", '{"results":7,"error":{}}', "\x00", '{"results":[],"results":[]}', "[" * 100000):
            answer = server.typed(H, "Forge", "V", text, False)
            self.assertIn(answer.status, (200, 422), answer)
            if answer.status == 200 and not isinstance(answer.json.get("results"), list):
                shapeless.append((text[:30], answer.json))
        self.assertEqual(shapeless, [], "answers in JSON that are not of the shape that is promised")

    def test_forged_decline(self):
        for answer in (server.typed(H, "Forge", "D", "why", False), server.call(H, 'Forge("D", "why", false)'),
                       server.call(H, 'Forge("D", strings.Repeat("w", 3), false)')):
            self.assertIn(answer.status, (200, 422), answer)
            self.assertNotEqual(answer.code, "jail_killed", "no administrator did: %s" % answer)

    def test_forged_refusal(self):
        answer = server.call(H, 'Forge("E", "\\xff\\x00why", false)')
        self.assertIn(answer.status, (200, 422), answer)
        json.loads(answer.body)

    def test_garbage(self):
        for text, times in (("\x00\x00\x00\x00", 1), ("x", 3), ("garbage", 1000)):
            with self.subTest(text[:10]):
                answer = server.call(H, "Garbage(%s, %d)" % (json.dumps(text), times))
                self.assertEqual((answer.status, answer.json.get("data")), (200, "honest"), answer)

    def test_much_garbage(self):
        """More than the socket holds: nobody reads it, so that the function waits, or is told that nobody does."""
        answer = server.call(H, 'Garbage("garbage", 1000000)')
        self.assertIn((answer.status, answer.code), ((200, None), (422, "function_timeout")), answer)

    def test_garbage_does_not_lose_results(self):
        answer = server.typed(H, "Garbage", "garbage", 1)
        self.assertIn(answer.status, (200, 422), answer)
        if answer.status == 200:
            self.assertIn("results", answer.json, "an answer that was asked for as JSON has results")

    def test_huge_length(self):
        for length, sent in ((0xFFFFFFFF, 10), ((4 << 20) + 1, 10), (4 << 20, 1 << 20), (100, 10)):
            with self.subTest(length):
                answer = server.call(H, "HugeFrame(%d, %d)" % (length, sent))
                self.assertEqual((answer.status, answer.json.get("data")), (200, "honest"), answer)

    def test_many_frames(self):
        for kind in "RC":
            answer = server.call(H, 'ManyFrames("%s", 200000)' % kind)
            self.assertEqual((answer.status, answer.json.get("data")), (200, "honest"), answer)

    def test_flood_does_not_hold_up_others(self):
        results = []
        flood = threading.Thread(target=lambda: results.append(server.call(H, "Flood()")))
        flood.start()
        sky.until(server.running, what="the flood")
        took = []
        for _ in range(5):
            answer = server.call("strings", 'ToUpper("a")')
            self.assertEqual(answer.status, 200, answer)
            took.append(answer.seconds)
        self.assertLess(sorted(took)[2], 0.5, took)
        flood.join()
        self.ends(results[0], 422, "function_timeout")

    def test_result_and_running_on(self):
        burning = lambda: [pid for pid in server.jail_pids() if sky.status(pid).get("State", "S")[0] == "R"]
        before = set(server.jail_pids()) # a waiting jail may burn too: goroutines of package initialisation run on (README)
        started = time.monotonic()
        seen = set()

        def watch():
            sky.until(server.running, what="the call")
            seen.update(server.jail_pids())

        watcher = threading.Thread(target=watch)
        watcher.start()
        answer = server.typed(H, "ForgeLate", 500, "V", '{"results":["forged"],"error":null}')
        answered = time.monotonic()
        self.assertEqual(answer.status, 200, answer)
        self.assertLess(answered - started, 1.2)
        watcher.join()
        self.assertTrue(seen)
        # one of those seen had the call: it burns, and is ended within a second
        sky.until(lambda: not set(burning()) - before, 1, "the end of the jail that ran on")
        sky.until(lambda: seen - set(server.jail_pids()), 1, "the end of the jail that answered")

    def test_closed_descriptors(self):
        for to in (1, 3, 4):
            answer = server.typed(H, "CloseAll", to)
            self.assertLess(answer.status, 500, answer)
            self.assertLess(answer.seconds, 1.5)

    def test_socket_shut_down(self):
        answer = server.call(H, "Mute(false)")
        self.assertLess(answer.status, 500, answer)
        self.ends(server.call(H, "Mute(true)"), 422, "function_timeout")

    def test_descriptors_sent(self):
        # more than the server may hold: it must close what it did not ask for
        own, _ = server.parts
        before = len(os.listdir("/proc/%d/fd" % own))
        for _ in range(100):
            answer = server.typed(H, "PassDescriptor")
            self.assertEqual(answer.status, 200, answer)
        sky.until(lambda: len(os.listdir("/proc/%d/fd" % own)) <= before + 8 + 3 * WAITING, 2, "the closing of descriptors")


class ZLast(unittest.TestCase):
    """After all attacks on this server."""

    def test_nothing_is_left(self):
        self.assertEqual(server.stop(), 0, server.log())
        self.assertEqual(sky.describe(server.processes()), [])
        self.assertEqual(server.cgroups(), [])
        self.assertEqual(server.mounts(), [])
        self.assertEqual(server.files(), [])
        log = server.log()
        self.assertNotRegex(log, r"(?i)(AddressSanitizer|runtime error|Segmentation)")
        self.assertNotIn("the server died", log)
        self.assertNotRegex(log, r"jailer \d+ died")
        used = subprocess.run(["ipcs"], capture_output=True, text=True, check=False).stdout
        self.assertNotRegex(used, re.escape("0x00001267"))
