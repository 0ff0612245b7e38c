"""An ordinary user to run the program as, of whom the host knows nothing: an unused uid, whose name and subordinate
uids stand in files of a mount namespace that only the program sees."""

import os
import pwd
import shutil
import subprocess
import tempfile
import unittest

import sky

UID = 40000 + os.getpid() % 20000  # tests may run beside tests
GROUP = UID + 1  # one that users have beside their own
FIRST, COUNT = 1 << 24, 65536
CACHE = 999  # whose the build cache is, in the program's user namespace (node.c)
MOUNT = """
for file in passwd group subuid subgid; do
	[ ! -e "/etc/$file" ] || mount --bind "$1/$file" "/etc/$file" || exit 1
done
shift
exec "$@"
"""


_kept = None  # its copy of the prepared state costs a second


def become(apart):
    """The program is run by such a user until leave()."""
    global _kept
    if _kept is None or _kept.apart != apart:
        forget()
        _kept = User(apart)
    sky.user = _kept


def leave():
    sky.user = None


def forget():
    global _kept
    leave()
    if _kept:
        _kept.close()
    _kept = None


class User:
    """apart: with subordinate uids, so that jails have uids of their own."""

    def __init__(self, apart):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, who can become any user")
        if apart and shutil.which("newuidmap") is None:
            raise unittest.SkipTest("newuidmap is missing (package uidmap)")
        self.apart, self.uid = apart, UID
        self.home = tempfile.mkdtemp(prefix="user-", dir=self._place())
        self.template = os.path.join(self.home, "template")
        self._files()
        self._copy()
        os.chown(self.home, UID, UID)
        os.chmod(self.home, 0o755)

    def _place(self):
        """Where the user may go: a checkout in /root is closed to others."""
        for place in (sky.work, "/var/tmp"):
            if subprocess.run(["setpriv", "--reuid", str(UID), "--clear-groups", "test", "-x", place], check=False).returncode == 0:
                return place
        raise unittest.SkipTest("no directory that an ordinary user may enter")

    def _files(self):
        try:
            pwd.getpwuid(UID)
            raise unittest.SkipTest("uid %d is somebody's" % UID)
        except KeyError:
            pass
        own = "guest:%d:%d\n" % (FIRST, COUNT) if self.apart else ""
        for name, line in (("passwd", "guest:x:%d:%d::%s:/bin/sh\n" % (UID, UID, self.home)), ("group", "guest:x:%d:\n" % UID)):
            with open("/etc/" + name, encoding="utf-8") as host, open(os.path.join(self.home, name), "w", encoding="utf-8") as file:
                file.write(host.read() + line)
        for name in ("subuid", "subgid"):
            with open(os.path.join(self.home, name), "w", encoding="utf-8") as file:
                file.write(own)

    def _copy(self):
        """The prepared state, as it would be had this user prepared it."""
        os.mkdir(self.template)
        os.chmod(self.template, 0o755)
        for part in ("toolchain", "tool", "private", "base"):
            source = os.path.join(sky.template, part)
            if part == "toolchain" and self.home.startswith(sky.work):
                os.symlink(source, os.path.join(self.template, part))
            else:
                subprocess.run(["cp", "-a", "--reflink=auto", source, self.template], check=True)
        subprocess.run(["chown", "-RhP", "%d:%d" % (UID, UID), self.template], check=True)
        if self.apart:
            cache = os.path.join(self.template, "private/gocache")
            owner = "%d:%d" % (FIRST + CACHE - 1, FIRST + CACHE - 1)
            subprocess.run(["chown", "-RhP", owner, *(os.path.join(cache, name) for name in os.listdir(cache))], check=True)

    def command(self, *words):
        """What root runs so that these words are run by the user; each program takes the place of the one before."""
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", self.home, "setpriv", "--reuid", str(UID),
                "--regid", str(UID), "--groups", str(GROUP), *words]

    def environment(self, given):
        """The user's own HOME; what Go is told of the host stays."""
        told = dict(os.environ if given is None else given)
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
            told.pop(name, None)
        return {**told, "HOME": self.home, "USER": "guest"}

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)
