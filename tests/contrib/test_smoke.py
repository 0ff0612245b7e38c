#!/usr/bin/env python3
"""contrib/freebsd-smoke.sh on a stand-in for a FreeBSD (the file freebsd beside this): which steps it takes, what it configures, and
that what goes wrong there is told. The workflow that runs it in a guest is looked at by tests/elsewhere."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SMOKE = os.path.join(HERE, "..", "..", "contrib", "freebsd-smoke.sh")
COMMANDS = ["uname", "id", "sysctl", "jls", "mount", "rctl", "pfctl", "pgrep", "curl", "zfs", "service", "sleep"]
IP4 = '{"interface": "em0", "start_addr": "10.0.0.2", "range": 20, "mask": "255.255.255.0", "gateway": "10.0.0.1"}'
BEGIN = ["this host: FreeBSD 14 or later, root", "where the jails' base comes from", "nothing of an earlier run"]
MADE = ["packages", "the program, with -Werror", "unit tests", "a configuration",
        "sky-island -i: base, Go, the driver's tool, the build cache", "sky-island doctor: a jail is made and removed", "a server",
        "a call of a module: fetched, built and run in jails", "the same again, from what is there", "a call of the standard library",
        "a call that panics"]
LIMITS = ["limits, as rctl(8) lists them", "a call over its limit of memory"]
ADDRESS = ["a call with an address of its own"]
CLONES = ["jails' roots are clones"]
END = ["jails, as Sky Island and as jls(8) list them", "a jailer is killed, and another serves", "stopped",
       "nothing is left: jails, mounts, limits, anchors, processes, clones, files"]
SERVICE = ["service sky_island onestart, onestatus", "a call of the service", "service sky_island onestop", "nothing is left of the service"]
LAST = ["sky-island destroy: the state directory is gone"]
DATASET = ["the dataset for jails' roots"]
ALL = BEGIN + DATASET + MADE + LIMITS + ADDRESS + CLONES + END + SERVICE + LAST


class Smoke(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="sky-smoke-")
        self.addCleanup(shutil.rmtree, self.top)
        self.world, self.checkout, self.bin = (os.path.join(self.top, name) for name in ("world", "checkout", "bin"))
        self.settings = os.path.join(self.top, "etc/rc.conf.d/sky_island")
        self.script = os.path.join(self.top, "rc.d/sky_island")
        for path in (self.world, self.bin, *(os.path.join(self.checkout, name) for name in ("contrib", "tools", "build")),
                     os.path.dirname(self.script), os.path.join(self.top, "etc")):
            os.makedirs(path)
        for name in COMMANDS:
            os.symlink(os.path.join(HERE, "freebsd"), os.path.join(self.bin, name))
        for name in ("dev", "tools/packages", "build/sky-island"):
            os.symlink(os.path.join(HERE, "freebsd"), os.path.join(self.checkout, name))
        with open(SMOKE, encoding="utf-8") as file:
            text = file.read()
        for path, ours in (("/usr/local/etc/rc.d/sky_island", self.script), ("/etc/rc.conf.d/sky_island", self.settings)):
            self.assertEqual(text.count("=" + path + "\n"), 1)
            text = text.replace("=" + path + "\n", "=" + ours + "\n")
        self.write(os.path.join(self.checkout, "contrib/freebsd-smoke.sh"), text)
        self.has(racct="0\n", datasets="tank/sky\t-\n")

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def has(self, **files):
        for name, text in files.items():
            self.write(os.path.join(self.world, name.replace("_", "-")), text)

    def installed(self):
        self.write(self.script, "#!/bin/sh\n")
        os.chmod(self.script, 0o755)

    def everything(self):
        self.has(racct="1\n")
        self.installed()
        return {"SKY_SMOKE_ZFS": "tank/sky", "SKY_SMOKE_IP4": IP4}

    def read(self, *path):
        with open(os.path.join(*path), encoding="utf-8") as file:
            return file.read()

    def run_it(self, **given):
        environment = {"PATH": self.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "WORLD": self.world, "CHECKOUT": self.checkout, "SETTINGS": self.settings,
                       "BSDINSTALL_DISTSITE": "https://mirror.example/14.3-RELEASE", "SKY_SMOKE_ZFS": "",
                       "SKY_SMOKE_STATE": os.path.join(self.top, "state"), **given}
        process = subprocess.Popen(["/bin/sh", os.path.join(self.checkout, "contrib/freebsd-smoke.sh")], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True)
        try:
            self.said = process.communicate(timeout=60)[0]
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.status = process.returncode
        # Each step has a number, and says ok or FAILED before the next.
        parts = re.split(r"^==> (\d+)\. ", self.said, flags=re.M)
        self.assertEqual(parts[1::2], [str(number) for number in range(1, len(parts) // 2 + 1)], self.said)
        self.steps = [part.partition("\n")[0] for part in parts[2::2]]
        self.failed = [part.partition("\n")[0] for part in parts[2::2] if "\n    FAILED: " in part]
        ok = [part for part in parts[2::2] if "\n    ok\n" in part]
        self.assertEqual(len(ok) + len(self.failed), len(self.steps), self.said)
        self.assertEqual(self.said.splitlines()[-1], f"{len(ok)} passed, {len(self.failed)} failed, 0 skipped")
        self.assertEqual(self.status, 1 if self.failed else 0, self.said)
        self.unproven = [line for line in self.said.splitlines() if line.startswith("unproven: ")]

    def config(self):
        config = json.loads(self.read(self.checkout, "build/smoke.json"))
        self.assertEqual(config.pop("state_dir"), os.path.join(self.top, "state"))
        return config

    def test_with_nothing_given(self):
        self.run_it()
        self.assertEqual((self.steps, self.failed), (BEGIN + MADE + END + LAST, []), self.said)
        self.assertEqual([line.split(":")[1] for line in self.unproven], [" jails on ZFS", " jails' limits", " addresses", " the service"])
        self.assertIn("unproven: jails' limits: kern.racct.enable is not 1", self.said)
        self.assertEqual(self.config(), {"http_port": 0, "metrics": {"statsd": None}})
        self.assertEqual(self.read(self.world, "log"), "packages build test\ndev build\ndev test unit\n")
        self.assertFalse(os.path.exists(os.path.join(self.top, "state")))

    def test_with_everything(self):
        self.run_it(**self.everything())
        self.assertEqual((self.steps, self.failed, self.unproven), (ALL, [], []), self.said)
        self.assertEqual(self.config(), {"http_port": 0, "metrics": {"statsd": None}, "network": {"ip4": json.loads(IP4)},
                                         "filesystem": {"type": "zfs", "zfs_dataset": "tank/sky"}})
        self.assertEqual(self.read(self.world, "log"), "packages build test\ndev build\ndev test unit\nservice sky_island onestart\n"
                         f'sky_island_config="{self.checkout}/build/smoke.json"\nservice sky_island onestop\n')
        self.assertEqual(self.read(self.world, "datasets"), "tank/sky\t-\n")
        self.assertEqual(os.listdir(os.path.join(self.top, "etc")), [])

    def fails(self, *steps, **wrong):
        given = self.everything()
        self.has(**wrong)
        self.run_it(**given)
        self.assertEqual(self.failed, list(steps), self.said)

    def test_a_dataset_that_is_not_there(self):
        self.fails(*DATASET, datasets="tank\t-\n")
        self.assertEqual(self.steps, BEGIN + DATASET)
        self.assertIn("zfs create -p tank/sky", self.said)

    def test_a_limit_that_does_not_hold(self):
        self.fails(LIMITS[1], wrong_memory="")

    def test_limits_that_are_not_set(self):
        self.fails(LIMITS[0], wrong_rctl="")

    def test_roots_that_are_no_clones(self):
        self.fails(*CLONES, wrong_plain="")

    def test_a_clone_that_stays(self):
        self.fails(END[-1], SERVICE[-1], wrong_clone="")

    def test_a_dataset_that_stays(self):
        self.fails(*LAST, wrong_dataset="")

    def test_a_service_that_does_not_end(self):
        self.fails(*SERVICE[2:], wrong_service="")

    def test_a_service_that_runs_is_left_alone(self):
        given = self.everything()
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.has(service_pid="")
        os.rename(os.path.join(self.world, "service-pid"), os.path.join(self.world, "service.pid"))
        self.write(os.path.join(self.world, "service.pid"), f"{other.pid}\n")
        self.run_it(**given)
        self.assertEqual(self.failed, SERVICE[:3], self.said)
        self.assertIsNone(other.poll())

    def test_settings_of_the_service_are_left_alone(self):
        given = self.everything()
        os.makedirs(os.path.dirname(self.settings))
        self.write(self.settings, "sky_island_flags=-f\n")
        self.run_it(**given)
        self.assertEqual(self.failed, SERVICE[:3], self.said)
        self.assertEqual(self.read(self.settings), "sky_island_flags=-f\n")


if __name__ == "__main__":
    unittest.main()
