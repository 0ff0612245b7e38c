"""A toolchain of a few kilobytes, in place of Go: preparing a state with it takes a moment, every step of it for real."""

import os
import platform
import random
import shutil
import stat
import subprocess
import tempfile

import proxy
import sky

VERSION = "go1.26.8"
GO = """#!/bin/sh
echo "$1" >>{log}
case $1 in
build)
	while [ -e {hold} ]; do sleep 0.02; done
	[ ! -e {refuse} ] || {{ echo "it does not compile"; exit 1; }}
	mkdir -p "$GOCACHE/00" && echo compiled >"$GOCACHE/00/one"
	while [ "$1" != -o ]; do shift; done
	exec cp {tool} "$2" ;;
env) echo '{{}}' ;;
esac
"""
HOST_GO = """#!/bin/sh
echo "$1 $2" >>{log}
exec {go} "$@"
"""


class FakeGo:
    """What tests look at: log (what the toolchain's go was asked), host_log (what the host's was); and set: hold, refuse."""

    def __init__(self, bulk=0):
        self.work = tempfile.mkdtemp(prefix="fakego-%d-" % bulk, dir=sky.work)
        os.chmod(self.work, 0o755)
        self.log, self.host_log = self.at("log"), self.at("host-log")
        self.hold, self.refuse, self.tool = self.at("hold"), self.at("refuse"), self.at("tool")
        for log in (self.log, self.host_log):
            open(log, "w", encoding="utf-8").close()
            os.chmod(log, 0o666)
        self.tool_does("return 0;")
        machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        tree = proxy.Tree(self.at("proxy"))
        tree.add("golang.org/toolchain", {"bin/go": GO.format(log=self.log, hold=self.hold, refuse=self.refuse, tool=self.tool), "VERSION": VERSION,
                                          "lib/time/zoneinfo.zip": "zones", "pkg/tool/linux_%s/compile" % machine: "compiler",
                                          "bulk": random.Random(1).randbytes(bulk)}, version="v0.0.1-%s.linux-%s" % (VERSION, machine), go=None)
        self.url = tree.url
        os.mkdir(self.at("bin"))
        with open(self.at("bin/go"), "w", encoding="utf-8") as file:
            file.write(HOST_GO.format(log=self.host_log, go=shutil.which("go")))
        os.chmod(self.at("bin/go"), 0o755)
        self.environment = {"PATH": self.at("bin") + ":/usr/bin:/bin", "HOME": self.work}

    def at(self, name):
        return os.path.join(self.work, name)

    def tool_does(self, text):
        """The tool's whole program: what "compiling" gives from now on."""
        source = self.at("tool.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("int main(void) { %s }\n" % text)
        subprocess.run(["cc", "-static", "-o", self.tool, source], check=True)

    def sky(self, name="prepare", **config):
        """One with an empty state directory of its own."""
        state = os.path.join(self.work, "%s-%d" % (name, random.getrandbits(40)))
        os.mkdir(state)
        return sky.Sky(state=state, modules=config.pop("modules", self.url), environment=self.environment, **config)

    def asked(self, host=False):
        return sky._read(self.host_log if host else self.log).split("\n")[:-1]


def inventory(state):
    """Everything that preparing made, by its path: kind, mode, owner and content."""
    found = {}
    for root, directories, files in os.walk(state):
        for name in directories + files:
            path = os.path.join(root, name)
            st = os.lstat(path)
            content = sky._read(path) if stat.S_ISREG(st.st_mode) else ""
            found[os.path.relpath(path, state)] = (stat.filemode(st.st_mode), st.st_uid, content)
    return {path: what for path, what in found.items() if not path.startswith(("run", "lock", "private/go/"))}


def halves(state):
    """What is only there while something is made."""
    return [os.path.join(root, name) for root, directories, files in os.walk(state) for name in directories + files
            if name == "part" or ".part" in name or name.startswith("go-build") or (name == "tmp" and root.endswith("/private"))]
