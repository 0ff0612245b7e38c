"""The service as it is installed, on a machine that is its own: systemd starts it, and has nothing left of it at the end."""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import unittest

import sky
import test_storage
import users

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNIT = "sky-island.service"
GROUP = "/sys/fs/cgroup/system.slice/" + UNIT
STATE = "/var/lib/sky-island"
CONFIG = "/usr/local/etc/sky-island/config.json"
DROP_IN = "/run/systemd/system/sky-island.service.d/tests.conf"
EXPOSURE = 5.7  # docs/service.md says this


def tool(*command, status=0, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300, **options)
    if done.returncode != status:
        journal = subprocess.run(["journalctl", "--no-pager", "-u", UNIT, "-n", "30"], capture_output=True, text=True, check=False).stdout
        raise AssertionError("%s: %d\n%s%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr, journal))
    return done.stdout


def systemctl(*words):
    return tool("systemctl", *words)


def shown(name):
    return systemctl("show", "--value", "-p", name, UNIT).strip()


class Host(sky.Sky):
    """The service, looked at as tests look at their own."""

    def __init__(self):
        self.state, self.user, self.process, self.started = STATE, None, None, []
        self.host, self.port = "127.0.0.1", 3280
        noted = sky._read(STATE + "/run/cgroups").splitlines()
        self.instance = self.group = os.path.basename(noted[1]) if noted else None

    def server(self):
        """The pid of its server: the supervisor's child that is not root's."""
        found = [pid for pid in sky.children(int(shown("MainPID"))) if sky.status(pid).get("Uid", "0").split()[0] == "199999"]
        return found[0] if found else None

    def upper(self):
        answer = self.call("strings", 'ToUpper("a")')
        return answer.status == 200 and answer.json["data"] == "A"


class Service(unittest.TestCase):
    """In the order of their names: one life of the service."""

    @classmethod
    def setUpClass(cls):
        if sky.SLOW == 1:
            raise unittest.SkipTest("only in a machine made for it (./dev test vm)")
        tool("meson", "install", "-C", os.path.join(TOP, "build/meson"), "--no-rebuild", "--quiet")
        prepared = os.path.join(sky.work, "service")
        tool("cp", "-al", sky.template, prepared)
        os.makedirs(STATE, exist_ok=True)
        tool("mount", "--bind", prepared, STATE)  # as it is after sky-island -i, without another copy of Go
        shutil.copy(CONFIG + ".sample", CONFIG)
        with open(CONFIG, encoding="utf-8") as file:
            config = json.load(file)
        config["modules"] = {"goproxy": "off", "gosumdb": "off"}
        with open(CONFIG, "w", encoding="utf-8") as file:
            json.dump(sky.slowed(config), file)
        os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
        with open(DROP_IN, "w", encoding="utf-8") as file:
            file.write("[Service]\nWatchdogSec=20\n")
        systemctl("daemon-reload")
        tool("systemd-sysusers")
        tool("systemd-tmpfiles", "--create", "sky-island.conf")

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["systemctl", "stop", "sky-island.socket", UNIT], check=False)
        subprocess.run(["umount", STATE], check=False)
        os.unlink(DROP_IN)

    def test_1_exposure(self):
        said = tool("systemd-analyze", "security", "--no-pager", UNIT).splitlines()[-1]
        print("note  " + said)
        self.assertLessEqual(float(re.search(r"([0-9.]+) [A-Z]+ ", said).group(1)), EXPOSURE)

    def test_2_start(self):
        systemctl("start", UNIT)  # returns once it is ready
        self.assertEqual((shown("ActiveState"), shown("StatusText")), ("active", "Serves http://127.0.0.1:3280"))
        host = Host()
        self.assertTrue(host.upper())
        self.assertEqual(host.cgroups(), [os.path.join(GROUP, host.instance)], "below the unit's, which is delegated")
        self.assertEqual(sky.status(host.server())["Uid"].split()[0], "199999")
        self.assertEqual(tool("id", "-un", "199999").strip(), "sky-island")

    def test_3_limits(self):
        host = Host()
        self.assertTrue(host.upper())
        jail = sky.until(host.jails, what="a waiting jail")
        slot = os.path.join(GROUP, host.instance, sorted(jail)[0])
        found = {name: sky._read(os.path.join(slot, name)).strip() for name in (
            "memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.weight")}
        self.assertEqual(found, {"memory.max": str(128 << 20), "memory.swap.max": "0", "memory.oom.group": "0", "pids.max": "64",
                                 "cpu.weight": "100"})

    def test_3_limits_of_a_build(self):
        """It ends as a whole, and calls go first."""
        host, got = Host(), []
        caller = threading.Thread(target=lambda: got.append(host.call("strings", 'NewReplacer("a", "b").Replace("a")')))
        caller.start()

        def building():
            slots = [os.path.dirname(path) for path in glob.glob(GROUP + "/*/slot*/memory.oom.group") if sky._read(path).strip() == "1"]
            return slots and [sky._read(slots[0] + "/cpu.weight").strip(), sky._read(slots[0] + "/cgroup.procs") != ""]

        sky.until(lambda: building() == ["50", True], what="a build's group with its processes in it")
        caller.join()
        self.assertEqual((got[0].status, got[0].json.get("data")), (200, "b"), got[0])

    def test_4_reload(self):
        systemctl("reload", UNIT)
        self.assertTrue(Host().upper())

    def test_4_the_services_own_memory(self):
        """Waiting jails make way where the unit has little left, whatever the host has."""
        host = Host()
        self.assertTrue(host.upper())
        sky.until(host.jails, what="a waiting jail")
        self.addCleanup(systemctl, "set-property", "--runtime", UNIT, "MemoryHigh=infinity")
        systemctl("set-property", "--runtime", UNIT, "MemoryHigh=128M")
        sky.until(lambda: not host.jails(), what="the end of the jail that waits")
        self.assertIn("jails.memory_reserve is", tool("journalctl", "--no-pager", "-u", UNIT))
        self.assertTrue(host.upper(), "calls go on")
        systemctl("set-property", "--runtime", UNIT, "MemoryHigh=infinity")
        sky.until(lambda: host.upper() and host.jails(), what="a jail that waits again")

    def test_5_the_server_is_killed(self):
        host = Host()
        server, main = host.server(), shown("MainPID")
        os.kill(server, signal.SIGKILL)
        sky.until(lambda: host.server() not in (None, server), 20, "another server")
        self.assertTrue(host.upper())
        self.assertEqual(shown("MainPID"), main, "the supervisor is as it was")

    def test_6_the_supervisor_is_killed(self):
        host = Host()
        main, jails = shown("MainPID"), host.jail_pids()
        os.kill(int(main), signal.SIGKILL)
        sky.until(lambda: shown("MainPID") not in ("0", main) and shown("ActiveState") == "active", 20, "another")
        self.assertEqual([pid for pid in jails if sky.alive(pid)], [])
        self.assertTrue(Host().upper())

    def test_7_it_hangs(self):
        """The event loop says nothing for the watchdog's time: all is started anew."""
        main = shown("MainPID")
        os.kill(Host().server(), signal.SIGSTOP)
        sky.until(lambda: shown("MainPID") not in ("0", main) and shown("ActiveState") == "active", 20, "another")
        self.assertIn("watchdog", tool("journalctl", "--no-pager", "-u", UNIT).lower())
        self.assertTrue(Host().upper())

    @staticmethod
    def write_config(text):
        with open(CONFIG, "w", encoding="utf-8") as file:
            file.write(text)

    def is_gone(self, host):
        """No group, mount or process of its own is left; another Sky Island may run beside."""
        self.assertEqual((shown("ActiveState"), shown("Result")), ("inactive", "success"))
        self.assertFalse(os.path.exists(GROUP))
        self.assertEqual(host.cgroups(), [])
        self.assertEqual(host.mounts(), [])
        self.assertEqual([pid for pid in sky.pids() if re.search("%s|%s" % (UNIT, host.instance), sky._read("/proc/%d/cgroup" % pid))], [])

    def test_8_stop(self):
        host = Host()
        systemctl("stop", UNIT)
        self.is_gone(host)

    def test_9_by_its_socket(self):
        systemctl("start", "sky-island.socket")
        self.assertEqual(shown("ActiveState"), "inactive")
        first = Host().send("GET", "/healthcheck")  # waits while the service starts
        self.assertEqual((first.status, shown("ActiveState")), (200, "active"))
        host = Host()
        self.assertTrue(host.upper())
        systemctl("stop", "sky-island.socket", UNIT)
        self.is_gone(host)

    def test_9_on_zfs(self):
        try:
            pool = test_storage.Real()
        except sky.Skip as skip:
            self.skipTest(str(skip))
        self.addCleanup(pool.close)
        with open(CONFIG, encoding="utf-8") as file:
            plain = file.read()
        self.addCleanup(self.write_config, plain)
        self.write_config(json.dumps({**json.loads(plain), "filesystem": {"type": "zfs", "zfs_dataset": pool.dataset}}))
        systemctl("start", UNIT)
        host = Host()
        self.assertTrue(host.upper())
        slots = "%s/%s/slots" % (pool.dataset, host.instance)
        sky.until(lambda: [name for name in pool.names() if name.startswith(slots + "/")], what="clones")
        jail = sky.until(host.jail_pids, what="a waiting jail")[0]
        self.assertIn(" - zfs %s/" % slots, sky._read("/proc/%d/mountinfo" % jail))
        systemctl("restart", UNIT)
        self.assertTrue(Host().upper())
        systemctl("stop", UNIT)
        self.is_gone(host)
        self.assertEqual([name for name in pool.names() if name.startswith(slots + "/")], [])


class Delegated(unittest.TestCase):
    """A group that was given to an ordinary user, as `systemd-run --user -p Delegate=yes` gives one."""

    GROUP = "/sys/fs/cgroup/tests-delegated"

    def test_an_ordinary_user_has_control_groups(self):
        if sky.SLOW == 1:
            self.skipTest("only in a machine made for it (./dev test vm)")
        users.become(apart=False)
        self.addCleanup(users.leave)
        with open("/sys/fs/cgroup/cgroup.subtree_control", "w", encoding="utf-8") as file:
            file.write("+memory +pids +cpu")
        os.mkdir(self.GROUP)
        self.addCleanup(os.rmdir, self.GROUP)  # which fails where something is left in it
        for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(os.path.join(self.GROUP, name), users.UID, users.UID)
        own = sky.Sky("delegated", modules="off")
        self.addCleanup(own.close)
        usual = own.command
        own.command = lambda *words: ["sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', self.GROUP, *usual(*words)]
        own.start()
        answer = own.call("strings", 'Repeat("a", 400<<20)')
        self.assertEqual((answer.status, answer.code), (422, "out_of_memory"), answer)
        self.assertEqual(own.call("strings", 'ToUpper("a")').json["data"], "A")
        self.assertEqual(own.cgroups(), [os.path.join(self.GROUP, own.instance)])
        limits = {sky._read(path).strip() for path in glob.glob(own.cgroups()[0] + "/slot*/memory.max")}
        self.assertIn(str(128 << 20), limits)
        self.assertNotIn("no control groups", own.log())
        self.assertEqual(own.stop(), 0, own.log())
        self.assertEqual(os.listdir(self.GROUP) and own.cgroups(), [])


class Pinned(unittest.TestCase):
    """Kernels before 6.2 forget which cpu a process was pinned to, once control groups of cpus are switched on or off around
    it: systemd does that when a unit comes that may have its own."""

    CONTROL = "/sys/fs/cgroup/cgroup.subtree_control"

    def test_jailers_stay_on_their_cpus(self):
        if sky.SLOW == 1:
            self.skipTest("only in a machine made for it (./dev test vm)")
        own = sky.Sky("pinned", modules="off").start()
        self.addCleanup(own.close)

        def pinned():
            return sorted(min(found) if len(found) == 1 else -1 for found in map(os.sched_getaffinity, own.parts[1]))

        def called():
            self.assertEqual(own.call("strings", 'ToUpper("a")').json["data"], "A")
            return pinned() == [0, 1]

        self.assertTrue(called())
        on = "-" if "cpuset" in sky._read(self.CONTROL).split() else "+"
        for sign in (on, "+-"["-+".index(on)]):
            with contextlib.suppress(OSError):  # a unit has it already
                with open(self.CONTROL, "w", encoding="utf-8") as file:
                    file.write(sign + "cpuset")
            print("note  %scpuset: %s" % (sign, pinned()))
            sky.until(called, what="the return to their cpus")


if __name__ == "__main__":
    unittest.main()
