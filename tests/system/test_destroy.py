"""sky-island destroy: all that preparing and serving made goes, and nothing else."""

import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import unittest

import fakego
import proxy
import sky


def setUpModule():
    global go
    go = fakego.FakeGo()


def victim():
    """A directory that must stay as it is."""
    path = tempfile.mkdtemp(prefix="victim-", dir=sky.work)
    os.mkdir(path + "/deep")
    for name in ("letter", "deep/letter"):
        with open(os.path.join(path, name), "w", encoding="utf-8") as file:
            file.write("dear")
    return path


class Destroy(unittest.TestCase):
    def made(self):
        """A prepared one, and a call made in it is not needed for what follows."""
        own = go.sky("destroy")
        done = own.run("-i")
        self.assertEqual(done.returncode, 0, done.stderr)
        return own

    def destroyed(self, own):
        done = own.run("destroy", "--yes", text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, r"^removed %s, \d+ MiB\n$" % re.escape(own.state))
        self.assertFalse(os.path.lexists(own.state))
        return done

    def refused(self, own, *words, status=sky.EXIT_CONFIGURATION):
        before = fakego.inventory(own.state)
        done = own.run("destroy", "--yes", text=True)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertIn("nothing was removed", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(fakego.inventory(own.state), before)

    def intact(self, path):
        for name in ("letter", "deep/letter"):
            self.assertEqual(sky._read(os.path.join(path, name)), "dear")


class Removes(Destroy):
    def test_what_init_made(self):
        own = self.made()
        self.destroyed(own)
        self.assertTrue(os.path.exists(own.config_path), "the configuration is not ours")
        done = own.run("destroy", "--yes", text=True)
        self.assertEqual((done.returncode, done.stdout), (0, "%s is not there: nothing to remove\n" % own.state))
        self.assertFalse(os.path.exists(own.state))

    def test_what_a_killed_server_left(self):
        tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
        tree.add("example.com/destroy", {"a.go": "package destroy\n\nfunc F() int { return 1 }\n"})
        own = sky.Sky("destroy", modules=tree.url).start()
        self.addCleanup(own.close)
        self.assertEqual(own.call("example.com/destroy", "F()").json.get("data"), "1")
        children = sky.children(own.process.pid)
        os.kill(own.process.pid, signal.SIGKILL)
        own.process.wait()
        self.destroyed(own)
        self.assertEqual(own.cgroups(), [])
        sky.until(lambda: not any(sky.alive(pid) for pid in children), what="the end of its processes")
        self.assertEqual(sky.describe(own.processes()), [])
        self.assertTrue(os.path.exists(os.path.join(sky.template, "toolchain", fakego.VERSION, "bin/go")), "a link was followed")

    def test_after_a_kill_while_preparing(self):
        own = go.sky("destroy")
        open(go.hold, "w", encoding="utf-8").close()
        self.addCleanup(lambda: os.path.exists(go.hold) and os.unlink(go.hold))
        own.write_config()
        process = subprocess.Popen([sky.binary, "-c", own.config_path, "-i"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=own.environment)
        sky.until(lambda: os.path.exists(os.path.join(own.state, "tool/part")), what="a step half done")
        process.kill()
        process.wait()
        self.destroyed(own)

    def test_keeps_and_names_what_is_others(self):
        own = self.made()
        for name in ("notes.txt", ".hidden"):
            with open(os.path.join(own.state, name), "w", encoding="utf-8") as file:
                file.write("dear")
        os.mkdir(os.path.join(own.state, "basement"))
        done = own.run("destroy", "--yes", text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("notes.txt", ".hidden", "basement"):
            self.assertIn("kept %s/%s: not made by Sky Island\n" % (own.state, name), done.stdout)
        self.assertEqual(sorted(os.listdir(own.state)), [".hidden", "basement", "notes.txt"])
        self.assertEqual(sky._read(os.path.join(own.state, "notes.txt")), "dear")


class Asks(Destroy):
    def on_a_terminal(self, own, answer):
        own.write_config()
        ours, theirs = pty.openpty()
        process = subprocess.Popen([sky.binary, "-c", own.config_path, "destroy"], stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        told = b""
        while not told.endswith(b"[y/N] "):
            self.assertTrue(select.select([ours], [], [], sky.WAIT)[0], told)
            told += os.read(ours, 4096)
        os.write(ours, answer)
        status = process.wait(sky.WAIT)
        os.close(ours)
        self.assertRegex(told.decode(), r"This removes %s, \d+ MiB" % re.escape(own.state))
        return status

    def test_on_a_terminal(self):
        own = self.made()
        before = fakego.inventory(own.state)
        for answer in (b"n\n", b"\n", b"yesterday\n", b"\x04"):
            self.assertEqual(self.on_a_terminal(own, answer), 1)
            self.assertEqual(fakego.inventory(own.state), before)
        self.assertEqual(self.on_a_terminal(own, b"y\n"), 0)
        self.assertFalse(os.path.exists(own.state))

    def test_without_a_terminal(self):
        own = self.made()
        done = own.run("destroy", text=True)
        self.assertEqual(done.returncode, sky.EXIT_USE)
        self.assertIn("--yes", done.stderr)
        self.assertIn(own.state, done.stderr)
        self.assertTrue(os.path.exists(os.path.join(own.state, "toolchain")))

    def test_use(self):
        own = self.made()
        for arguments in (("--no",), ("--yes", "more"), ("--yes=1",)):
            self.assertEqual(own.run("destroy", *arguments).returncode, sky.EXIT_USE)
        self.assertTrue(os.path.exists(os.path.join(own.state, "toolchain")))


class Refuses(Destroy):
    def test_while_a_server_runs(self):
        own = sky.Sky("destroy").start()
        self.addCleanup(own.close)
        done = own.run("destroy", "--yes", text=True)
        self.assertEqual(done.returncode, sky.EXIT_UNAVAILABLE)
        self.assertIn("nothing was removed: another Sky Island (process %d) runs with state_dir %s" % (own.process.pid, own.state), done.stderr)
        self.assertIn("stop it", done.stderr)
        self.assertEqual(own.call("strings", "ToUpper(`a`)").json.get("data"), "A")

    def test_directories_of_others(self):
        for state in ("/", "/home", "/root"):
            with self.subTest(state), tempfile.NamedTemporaryFile("w", dir=sky.work, suffix=".json") as file:
                file.write('{"state_dir":"%s"}' % state)
                file.flush()
                done = subprocess.run([sky.binary, "-c", file.name, "destroy", "--yes"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION)
                self.assertIn("nothing was removed: state_dir %s is a directory that others use" % state, done.stderr)

    def test_what_was_never_ours(self):
        own = go.sky("destroy")
        self.refused(own, "was never used by Sky Island")
        os.mkdir(os.path.join(own.state, "tmp"))
        with open(os.path.join(own.state, "tmp/letter"), "w", encoding="utf-8") as file:
            file.write("dear")
        self.refused(own, "\"tmp\" that is not Sky Island's")
        self.assertEqual(os.listdir(own.state), ["tmp"], "no lock either")

    def test_what_others_can_write_to(self):
        """Notes that look like ours, of a user who can put them there, would have root undo what was never done."""
        own = go.sky("destroy")
        os.mkdir(os.path.join(own.state, "run"))
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as boot:
            notes = {"sky-island-state": "", "run/network": boot.read() + "none0\n"}
        for name, text in notes.items():
            with open(os.path.join(own.state, name), "w", encoding="utf-8") as file:
                file.write(text)
        os.chown(own.state, 54321, 54321)
        self.refused(own, "belongs to another user (uid 54321)")
        self.assertIn("belongs to another user", own.run("-i", text=True).stderr)
        os.chown(own.state, 0, 0)
        os.chmod(own.state, 0o757)
        self.refused(own, "everybody can write to state_dir " + own.state)
        self.assertTrue(os.path.exists(os.path.join(own.state, "run/network")))
        os.chmod(own.state, 0o755)
        self.destroyed(own)

    def test_a_state_directory_that_is_a_link(self):
        own = self.made()
        link = own.state + "-link"
        os.symlink(own.state, link)
        for path in (link, link + "/", link + "//"):
            own.config["state_dir"] = path
            self.refused(own, "symbolic link to " + own.state)
        self.assertTrue(os.path.islink(link))


class Hostile(Destroy):
    def test_links(self):
        """Wherever somebody puts one, what it leads to stays."""
        own, other = self.made(), victim()
        subprocess.run(["rm", "-r", *(os.path.join(own.state, name) for name in ("run", "tmp", "base", "base-net", "store"))], check=True)
        for name, to in (("run", other), ("tmp", other + "/deep"), ("base", "/"), ("base-net", other), ("sources/a", other), ("artifacts/b", other + "/letter"),
                         ("private/gocache/c", "../../.."), ("sources/loop", "loop"), ("store", "/nonexistent")):
            os.symlink(to, os.path.join(own.state, name))
        self.destroyed(own)
        self.intact(other)
        self.assertEqual(sorted(os.listdir(other)), ["deep", "letter"])

    def test_a_link_in_place_of_the_journal(self):
        own, other = self.made(), victim()
        for name in ("journal", "cgroups"):
            path = os.path.join(own.state, "run", name)
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(other + "/letter", path)
        self.destroyed(own)
        self.intact(other)

    def test_mounts(self):
        """Of another file system, and of a part of the same one, which has the same device number."""
        own, other = self.made(), victim()
        own.write_config()
        for name in ("tmp/other", "sources/same", "tool"):
            os.makedirs(os.path.join(own.state, name), exist_ok=True)
        open(os.path.join(own.state, "artifacts/file"), "w", encoding="utf-8").close()
        script = ('mount -t tmpfs none "$2/tmp/other" && touch "$2/tmp/other/letter"; mount --bind "$3" "$2/sources/same"\n'
                  'mount --bind "$3/deep" "$2/tool"; mount --bind "$3/letter" "$2/artifacts/file"\n'
                  '"$0" -c "$1" destroy --yes; echo "status $?"; ls "$2/tmp/other" "$2"\n')
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, sky.binary, own.config_path, own.state, other],
                              capture_output=True, text=True, check=False)
        self.assertIn("status 1\n", done.stdout, done.stderr)
        for name in ("tmp/other", "sources/same", "tool", "artifacts/file"):
            self.assertIn("kept %s/%s: something is mounted there\n" % (own.state, name), done.stdout)
        self.assertIn("letter", done.stdout)
        self.assertIn("4 entries of %s could not be removed" % own.state, done.stderr)
        self.intact(other)
        self.assertFalse(os.path.exists(os.path.join(own.state, "toolchain")), "the rest is gone")
        self.destroyed(own)  # nothing is mounted there here
        self.intact(other)

    def test_deep_and_closed(self):
        """As the module cache has them without their write bits; and deeper than there are descriptors by default."""
        own = self.made()
        at = os.open(os.path.join(own.state, "sources"), os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("d", dir_fd=at)
            below = os.open("d", os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        os.fchmod(at, 0o500)
        os.close(at)
        os.chmod(os.path.join(own.state, "sources/d"), 0o000)
        self.destroyed(own)


class User(Destroy):
    def island(self, user):
        """One of an ordinary user's, in a directory of theirs."""
        home = tempfile.mkdtemp(prefix="home-", dir=sky.work)
        os.chown(home, user, user)
        own = go.sky("destroy")
        os.rmdir(own.state)
        own.state = own.config["state_dir"] = home + "/state"
        own.config_path = home + ".json"
        own.environment = {**go.environment, "HOME": home}
        return own

    def test_an_ordinary_user(self):
        own = self.island(54321)
        who = {"user": 54321, "group": 54321, "extra_groups": []}
        done = own.run("-i", **who)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = own.run("destroy", "--yes", text=True, **who)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertFalse(os.path.exists(own.state))

    def test_files_of_subordinate_uids(self):
        """With a range of their own the cache belongs to one of its uids, which the user alone could not remove."""
        own = self.island(54321)
        own.write_config()
        names = tempfile.mkdtemp(prefix="names-", dir=sky.work)
        os.chmod(names, 0o755)
        for name, line in (("passwd", "skytest:x:54321:54321::/:/bin/sh"), ("group", "skytest:x:54321:"), ("subuid", "skytest:900000:65536"),
                           ("subgid", "skytest:900000:65536")):
            with open(os.path.join(names, name), "w", encoding="utf-8") as file:
                file.write(sky._read("/etc/" + name) + line + "\n")
        script = ('for name in passwd group subuid subgid; do [ -e "/etc/$name" ] || exit 77; mount --bind "$2/$name" "/etc/$name"; done\n'
                  'exec setpriv --reuid 54321 --regid 54321 --clear-groups sh -c \'"$0" -c "$1" -i && stat -c "uid %u" "$2/private/gocache/00/one"; '
                  '"$0" -c "$1" destroy --yes; echo "status $?"\' "$0" "$1" "$3"\n')
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, sky.binary, own.config_path, names, own.state], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=own.environment, check=False)
        if done.returncode == 77:
            self.skipTest("this host has no /etc/subuid")
        self.assertIn("status 0\n", done.stdout, done.stderr)
        if "newuidmap" not in done.stderr:
            self.assertRegex(done.stdout, r"uid 9\d{5}\n")
        self.assertFalse(os.path.exists(own.state), done.stdout)
