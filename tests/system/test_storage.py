"""filesystem.type: jails' roots as ZFS clones, on a pool of a file's where this host has ZFS and always on a zfs(8) of directories
(tests/unit/fake); and builds without overlay."""

import os
import re
import shutil
import signal
import subprocess
import unittest

import sky

FAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "unit/fake")


class Recorded:
    """Datasets that are directories."""

    def __init__(self):
        self.fakes = os.path.join(sky.work, "fake-zfs")
        os.makedirs(os.path.join(self.fakes, "pool/tank/sky/.ds"))
        open(os.path.join(self.fakes, "pool/tank/sky/.ds/order"), "w", encoding="utf-8").close()
        os.symlink(FAKE, os.path.join(self.fakes, "bin"))
        self.dataset = "tank/sky"
        self.path = os.path.join(self.fakes, "bin") + ":" + os.environ["PATH"]

    def close(self):
        shutil.rmtree(self.fakes)

    def command(self, *words):
        return subprocess.run(["zfs", *words], env={**os.environ, "PATH": self.path}, capture_output=True, text=True, check=False)

    def names(self, kind="filesystem"):
        found = []
        top = os.path.join(self.fakes, "pool")
        for root, directories, _ in os.walk(top):
            if ".ds" in directories:
                directories.remove(".ds")
                name = os.path.relpath(root, top)
                found += [name] if kind == "filesystem" else [name + "@" + one for one in sky._read(root + "/.ds/order").split()]
        return sorted(found)

    def origin(self, name):
        return sky._read(os.path.join(self.fakes, "pool", name, ".ds/origin")).strip()


class Real:
    """A pool on a file, by the kernel's ZFS, or by zfs-fuse where that is what is installed."""

    def __init__(self):
        self.daemon = None
        self.path = os.environ["PATH"] + ":/sbin:/usr/sbin"
        if not shutil.which("zpool", path=self.path):
            raise sky.Skip("no ZFS here (zfsutils-linux, or zfs-fuse): clones were tried with a zfs of directories only")
        if not os.path.exists("/sys/module/zfs"):
            self.run("modprobe", "--quiet", "zfs")  # zpool would too, but not wait for long
        if self.run("zpool", "list").returncode != 0:
            self.start_daemon()
        self.pool = "skytest%d" % os.getpid()
        self.file = os.path.join(sky.work, self.pool)
        with open(self.file, "wb") as file:
            file.truncate(200 << 20)
        made = self.run("zpool", "create", "-m", "none", self.pool, self.file)
        if made.returncode != 0:
            self.close()
            raise sky.Skip("no ZFS pool can be made here: " + made.stderr.strip())
        self.dataset = self.pool + "/sky"
        self.command("create", self.dataset)

    def start_daemon(self):
        program = shutil.which("zfs-fuse", path=self.path)
        if not program or os.path.exists("/dev/zfs") or not os.path.exists("/dev/fuse"):
            raise sky.Skip("ZFS is installed, but does not run here (modprobe zfs)")
        self.daemon = subprocess.Popen([program, "--no-daemon", "--no-kstat-mount"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        sky.until(lambda: self.run("zpool", "list").returncode == 0, what="zfs-fuse")

    def run(self, *words):
        return subprocess.run(words, env={**os.environ, "PATH": self.path, "LC_ALL": "C"}, capture_output=True, text=True, check=False)

    def again(self, *options):
        """The pool exported, and imported so."""
        # Where the tests' directory is mounted twice, as in the virtual machine, each mount goes with its twin, and export complains.
        sky.until(lambda: self.run("zpool", "export", self.pool).returncode == 0 or self.run("zpool", "list", self.pool).returncode, what="the export")
        done = self.run("zpool", "import", "-d", os.path.dirname(self.file), *options, self.pool)
        if done.returncode != 0:
            raise AssertionError("zpool import: " + done.stderr)

    def writable(self):
        if self.run("zpool", "get", "-H", "-o", "value", "readonly", self.pool).stdout.strip() == "on":
            self.again()

    def close(self):
        if os.path.exists(self.file):
            sky.until(lambda: self.run("zpool", "destroy", "-f", self.pool).returncode == 0 or self.run("zpool", "list", self.pool).returncode,
                      what="the end of the pool")
            os.unlink(self.file)
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()

    def command(self, *words):
        return self.run("zfs", *words)

    def names(self, kind="filesystem"):
        return self.command("list", "-H", "-o", "name", "-r", "-t", kind, self.dataset).stdout.split()

    def property(self, name, of):
        return self.command("get", "-H", "-p", "-o", "value", name, of).stdout.strip()

    def origin(self, name):
        return self.property("origin", name)


class Clones:
    """What both are asked."""

    provider = None

    @classmethod
    def setUpClass(cls):
        if sky.user:
            raise unittest.SkipTest("only root clones datasets")
        try:
            cls.zfs = cls.provider()
        except sky.Skip as skip:
            raise unittest.SkipTest(str(skip)) from None

    @classmethod
    def tearDownClass(cls):
        cls.zfs.close()

    def sky(self, name="zfs", **config):
        filesystem = {"type": "zfs", "zfs_dataset": self.zfs.dataset, **config.pop("filesystem", {})}
        own = sky.Sky(name, environment={**os.environ, "PATH": self.zfs.path}, filesystem=filesystem, **config)
        self.addCleanup(self.gone, own)
        self.addCleanup(own.close)
        return own

    def gone(self, own):
        if os.path.exists(own.state):
            own.run("destroy", "--yes")

    def slots(self, own):
        return [name for name in self.zfs.names() if name.startswith("%s/%s/slots/" % (self.zfs.dataset, own.instance))]

    def test_roots_are_clones(self):
        own = self.sky().start()
        root = "%s/%s" % (self.zfs.dataset, own.instance)
        told = own.call("strings", "ToUpper(`a`)")
        self.assertEqual(told.data, b"A", told)
        self.assertIn(b"read-only file system", own.call("os", "Mkdir(`/x`, 0755)").data)
        told = own.call("strings", "NewReplacer(`a`, `b`).Replace(`cab`)")  # which is compiled
        self.assertEqual(told.data, b"cbb", told)
        clones = sky.until(lambda: self.slots(own), what="clones made ahead of demand")
        origins = {self.zfs.origin(name).partition("@")[0] for name in clones} - {""}
        self.assertLessEqual(origins, {root + "/base", root + "/base-tools"})
        self.assertIn(root + "/base", origins)
        self.assertEqual(own.stop(), 0)
        self.assertEqual(self.slots(own), [])
        self.assertEqual([name for name in self.zfs.names() if name.startswith(root)],
                         [root, root + "/base", root + "/base-net", root + "/base-tools", root + "/slots"])

    def test_what_a_kill_leaves(self):
        own = self.sky().start()
        self.assertEqual(own.call("strings", "ToUpper(`a`)").status, 200)
        sky.until(lambda: self.slots(own), what="clones")
        own.process.send_signal(signal.SIGKILL)
        own.process.wait()
        sky.until(lambda: not own.processes(), what="the end of its processes")
        left = self.slots(own)
        self.assertNotEqual(left, [])
        own.start()
        self.assertEqual(own.call("strings", "ToUpper(`b`)").data, b"B")
        self.assertEqual(own.stop(), 0)
        self.assertEqual(self.slots(own), [])

    def test_destroy_takes_ours_and_nothing_else(self):
        own = self.sky("doomed")
        self.assertEqual(own.run("-i").returncode, 0)
        root = "%s/%s" % (self.zfs.dataset, own.instance)
        for name in (root + "0", self.zfs.dataset + "/letters"):
            self.assertEqual(self.zfs.command("create", "-o", "mountpoint=%s/%s" % (sky.work, os.path.basename(name)), name).returncode, 0)
            self.addCleanup(self.zfs.command, "destroy", "-r", name)
            self.assertEqual(self.zfs.command("snapshot", name + "@kept").returncode, 0)
        done = own.run("destroy", "--yes")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(os.path.exists(own.state))
        self.assertEqual([name for name in self.zfs.names() if name == root or name.startswith(root + "/")], [])
        for name in (root + "0", self.zfs.dataset + "/letters"):
            self.assertIn(name, self.zfs.names())
            self.assertIn(name + "@kept", self.zfs.names("snapshot"))

    def test_one_that_was_prepared_without_zfs(self):
        own = self.sky()
        told = own.run("doctor")
        self.assertEqual(told.returncode, 0, told.stdout)
        self.assertIn(b"is tried once it is prepared", told.stdout)
        self.assertEqual(own.run("-i").returncode, 0)
        told = own.run("doctor")
        self.assertEqual(told.returncode, 0, told.stdout)
        self.assertIn(b"calls can run here", told.stdout)

    def test_others_datasets(self):
        own = self.sky()
        root = "%s/%s" % (self.zfs.dataset, own.instance)
        self.assertEqual(self.zfs.command("create", "-o", "mountpoint=%s/others" % sky.work, root).returncode, 0)
        self.addCleanup(self.zfs.command, "destroy", "-r", root)
        for arguments in (("-i",), (), ("destroy", "--yes")):
            done = own.run(*arguments)
            self.assertIn("%s is there already and was not made for state_dir %s" % (root, own.state), done.stderr.decode())
            self.assertNotEqual(done.returncode, 0)
        self.assertIn(root, self.zfs.names())
        self.assertTrue(os.path.exists(own.state))

    def test_within_anothers_root(self):
        first = self.sky()
        self.assertEqual(first.run("-i").returncode, 0)
        within = "%s/%s/mine" % (self.zfs.dataset, first.instance)
        self.assertEqual(self.zfs.command("create", within).returncode, 0)
        second = self.sky(filesystem={"zfs_dataset": within})
        for arguments in (("-i",), ()):
            done = second.run(*arguments)
            self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
            self.assertIn("%s lies in what was made for state_dir %s" % (within, first.state), done.stderr.decode())

    def test_a_dataset_that_is_not_there(self):
        own = self.sky(filesystem={"zfs_dataset": self.zfs.dataset + "/nosuch"})
        for arguments in (("-i",), ()):
            done = own.run(*arguments)
            self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
            self.assertIn("filesystem.zfs_dataset: %s/nosuch is not there: make it (zfs create" % self.zfs.dataset, done.stderr.decode())
        self.assertIn("%s/nosuch is not there" % self.zfs.dataset, own.run("doctor").stdout.decode())

    def test_prepared_twice(self):
        own = self.sky()
        self.assertEqual(own.run("-i").returncode, 0)
        before = self.zfs.names("snapshot")
        done = own.run("-i")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.zfs.names("snapshot"), before)
        self.assertIn("storage      zfs: %s/%s at " % (self.zfs.dataset, own.instance), own.run("doctor").stdout.decode())


class OnDirectories(Clones, unittest.TestCase):
    provider = Recorded

    def test_an_ordinary_user(self):
        own = self.sky()
        own.write_config()
        os.chown(own.state, 65534, 65534)
        done = own.run("-i", user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
        self.assertIn("filesystem.type: only root can clone ZFS datasets", done.stderr.decode())
        os.chown(own.state, 0, 0)


class OnZfs(Clones, unittest.TestCase):
    provider = Real

    def test_a_pool_without_room(self):
        """As far as the quota goes: what was begun is undone, and with room it goes on."""
        own = self.sky(filesystem={"quota": "300KiB"})
        root = "%s/%s" % (self.zfs.dataset, own.instance)
        done = own.run("-i")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr.decode(), "prepare base root: .*(quota|room)")
        self.assertEqual(self.zfs.names("snapshot"), [])
        own.config["filesystem"].pop("quota")
        done = own.run("-i")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(root + "/base", self.zfs.names())

    def test_compression(self):
        """Follows the configuration, is inherited by what lies below, and what is written is smaller for it."""
        own = self.sky(filesystem={"compression": True})
        root = "%s/%s" % (self.zfs.dataset, own.instance)
        self.assertEqual(own.run("-i").returncode, 0)
        self.assertEqual({self.zfs.property("compression", name) for name in self.zfs.names() if name.startswith(root)}, {"on"})
        self.zfs.run("zpool", "sync", self.zfs.pool)
        self.assertGreater(float(self.zfs.property("refcompressratio", root + "/base")), 1.1)
        own.config["filesystem"]["compression"] = False
        self.assertEqual(own.run("-i").returncode, 0)
        self.assertEqual({self.zfs.property("compression", name) for name in self.zfs.names() if name.startswith(root)}, {"off"})

    def certificates(self, own):
        with open(os.path.join(own.state, "jails/base/etc/ssl/certs/ca-certificates.crt"), "rb") as file:
            return file.read()

    def test_a_base_that_cannot_be_changed(self):
        """-i fails in the middle of it: it is rolled back, and calls go on with what it was."""
        own = self.sky()
        root = "%s/%s" % (self.zfs.dataset, own.instance)
        self.assertEqual(own.run("-i").returncode, 0)
        snapshots, before = self.zfs.names("snapshot"), self.certificates(own)
        own.config["filesystem"]["quota"] = "64KiB"
        done = own.run("-i")
        self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
        self.assertIn("filesystem.quota is less than is used already: raise it", done.stderr.decode())
        larger = os.path.join(sky.work, "larger.pem")
        with open(larger, "wb") as file:
            file.write(os.urandom(8 << 20))
        own.config["modules"] = {"ssl_cert_file": larger}
        own.config["filesystem"]["quota"] = int(self.zfs.property("used", root)) + (1 << 20)
        done = own.run("-i")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr.decode(), "prepare base root: .*(quota|room)")
        self.assertEqual(self.zfs.names("snapshot"), snapshots)
        self.assertTrue(self.certificates(own) == before, "what was in the base before")
        del own.config["modules"]
        own.start()
        self.assertEqual(own.call("strings", "ToUpper(`a`)").data, b"A")
        clones = sky.until(lambda: self.slots(own), what="clones")
        self.assertLessEqual({self.zfs.origin(name) for name in clones} - {""}, set(snapshots))
        self.assertEqual(own.stop(), 0)
        own.config["modules"] = {"ssl_cert_file": larger}
        del own.config["filesystem"]["quota"]
        done = own.run("-i")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.certificates(own)), 8 << 20)
        self.assertFalse(set(snapshots) & set(self.zfs.names("snapshot")), "of what is older than the new ones")

    def test_a_pool_that_cannot_be_written_to(self):
        """Whatever is asked for says so, and nothing is begun; once it can be written to, all goes on."""
        own = self.sky()
        self.assertEqual(own.run("-i").returncode, 0)
        before, files = self.zfs.names() + self.zfs.names("snapshot"), sorted(os.listdir(own.state))
        self.addCleanup(self.zfs.writable)
        self.zfs.again("-o", "readonly=on")
        for arguments in (("-i",), (), ("doctor",), ("destroy", "--yes")):
            with self.subTest(arguments):
                done = own.run(*arguments)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex((done.stdout + done.stderr).decode(), "pool is read-only: .*import it without readonly=on")
        self.assertEqual(sky.describe(own.processes()), [])
        self.assertEqual(own.cgroups(), [])
        self.assertEqual(self.zfs.names() + self.zfs.names("snapshot"), before)
        self.assertEqual(sorted(os.listdir(own.state)), files)
        self.zfs.again()
        own.start()
        self.assertEqual(own.call("strings", "ToUpper(`a`)").data, b"A")

    def half_made(self, own):
        """Clones that are not mounted, but for those of jails that ended and were busy for longer than is waited: it says so."""
        busy = set(re.findall(r"the clone of slot (\d+) stays", own.log()))
        return [name for name in self.slots(own) if name.rpartition("/slot")[2] not in busy and self.zfs.property("mounted", name) != "yes"]

    def test_a_quota_used_up_meanwhile(self):
        """Calls are served as long as there are clones; who needs a new one is told what to do, and nothing half made is left."""
        own = self.sky().start()
        root = "%s/%s" % (self.zfs.dataset, own.instance)

        def called():
            return own.call("os", "WriteFile(`/tmp/x`, nil, 0600)")  # no other jail has its slot

        self.assertEqual(called().status, 200)
        sky.until(lambda: self.slots(own), what="clones")
        self.zfs.command("set", "quota=%d" % (int(self.zfs.property("used", root)) + (1 << 20)), root)
        filler = os.path.join(own.state, "jails/slots/filler")
        with open(filler, "wb") as file, self.assertRaises(OSError):
            while True:
                os.write(file.fileno(), os.urandom(1 << 16))
                os.fsync(file.fileno())
        answers = []
        while len(answers) < 60 and (not answers or answers[-1].status == 200):
            answers.append(called())
        print("note  %d: %s" % (len(answers), answers[-1]))
        self.assertEqual((answers[-1].status, answers[-1].code, answers[-1].json["fault"]), (507, "disk_full", "platform"), answers[-1])
        self.assertIn("filesystem.quota", answers[-1].detail)
        sky.until(lambda: not self.half_made(own), what="the end of clones that were not mounted")
        os.unlink(filler)
        self.zfs.command("set", "quota=none", root)
        sky.until(lambda: called().status == 200, what="a call that is served again")
        self.assertEqual(own.stop(), 0)
        self.assertEqual(self.slots(own), [])


class Plain(unittest.TestCase):
    def test_builds_without_overlay(self):
        with sky.Sky("plain", filesystem={"type": "plain"}) as own:
            told = own.call("strings", "NewReplacer(`a`, `b`).Replace(`cab`)")
            self.assertEqual(told.data, b"cbb", told)
            self.assertIn("storage      plain", own.run("doctor").stdout.decode())
