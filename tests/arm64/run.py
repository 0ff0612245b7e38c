#!/usr/bin/env python3
"""Builds the whole program for arm64, and runs its unit tests under QEMU's user mode. Jails are not tried: namespaces and
seccomp are the kernel's, which stays the host's.

    run.py [--build DIRECTORY]
"""

import argparse
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import sysroot

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CROSS = os.path.join(TOP, "tools", "cross", "aarch64-linux-gnu.ini")
NOT_HERE = 77
PROGRAMS = ["sky-island", "sky-jailer"]


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def run(*command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, **options)


def must(*command, **options):
    ran = run(*command, **options)
    check(ran.returncode == 0, f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout[-8000:]}")
    return ran.stdout


class Built:
    def __init__(self, build, root):
        self.build, self.root = build, root
        self.emulator = ["qemu-aarch64-static", "-L", root]
        self.tally = {"passed": 0, "failed": 0, "skipped": 0}

    def program(self, name):
        return os.path.join(self.build, name)

    # ---- the tests, in order ----

    def configures(self):
        """Anew where the libraries are others."""
        place = os.path.join(self.build + ".ini")
        wanted = f"[constants]\nsysroot = '{self.root}'\n"
        made = os.path.exists(os.path.join(self.build, "build.ninja"))
        if made and os.path.exists(place):
            with open(place, encoding="utf-8") as f:
                made = f.read() == wanted
        if made:
            return
        shutil.rmtree(self.build, ignore_errors=True)
        sysroot.written(place, wanted)
        must("meson", "setup", self.build, TOP, "--cross-file", CROSS, "--cross-file", place, "-Dtests=enabled")

    def compiles_and_links(self):
        must("ninja", "-C", self.build)

    def is_for_arm64(self):
        """The jailer's program needs nothing besides the kernel; the other has it inside, byte by byte."""
        for name in PROGRAMS:
            header = must("readelf", "-Wh", self.program(name))
            check("AArch64" in header, header)
        check("(NEEDED)" not in must("readelf", "-Wd", self.program("sky-jailer")), "sky-jailer needs libraries")
        check("libc.so.6" in must("readelf", "-Wd", self.program("sky-island")), "sky-island needs no libc")
        with open(self.program("sky-island"), "rb") as f, open(self.program("sky-jailer"), "rb") as g:
            check(g.read() in f.read(), "sky-island does not hold this sky-jailer")

    def runs(self):
        """As far as a program does that makes no jails."""
        shown = must(*self.emulator, self.program("sky-island"), "--version")
        check("sky-island" in shown, shown)
        refused = run(*self.emulator, self.program("sky-island"), "-c", "/dev/null", "doctor")
        check(refused.returncode == 78 and "/dev/null" in refused.stdout, f"{refused.returncode}: {refused.stdout}")

    def unit_tests(self):
        """They count one by one, beside those here."""
        ran = run("nice", "meson", "test", "-C", self.build, "--no-rebuild", "--suite", "unit", "-t", "4",
                  env={**os.environ, "SKY_EMULATED": "1"})
        failed = []
        for suite in ElementTree.parse(os.path.join(self.build, "meson-logs", "testlog.junit.xml")).getroot():
            for case in suite.iter("testcase"):
                bad = case.find("failure") is not None or case.find("error") is not None
                kind = "failed" if bad else "skipped" if case.find("skipped") is not None else "passed"
                self.tally[kind] += 1
                if kind != "passed":
                    failed.append(f"{kind} {suite.get('name')}: {case.get('name')}")
        print("\n".join(failed), flush=True)
        check(ran.returncode == 0 and self.tally["passed"] > 100,
              f"{self.tally}; see meson-logs/testlog.txt of {os.path.relpath(self.build, TOP)}\n{ran.stdout[-3000:]}")

    def driver(self):
        """What is compiled in jails, and what compiles there, which runs."""
        made = os.path.join(self.build, "tool")
        environment = {**os.environ, "GOOS": "linux", "GOARCH": "arm64", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOENV": "off",
                       "GOFLAGS": "-trimpath", "GOWORK": "off", "GOCACHE": os.path.join(self.build, "gocache"),
                       "GOPATH": os.path.join(self.build, "go"), "GOTMPDIR": self.build}
        where = {"cwd": os.path.join(TOP, "driver"), "env": environment}
        must("go", "build", "-o", made, "./cmd/tool", **where)
        must("go", "vet", "./...", **where)
        check("AArch64" in must("readelf", "-Wh", made), made)
        said = run(*self.emulator, made)
        check(said.returncode > 0 and "usage" in said.stdout, f"the tool ended with {said.returncode}: {said.stdout[-2000:]}")

    def tests(self):
        return [self.configures, self.compiles_and_links, self.is_for_arm64, self.runs, self.unit_tests, self.driver]

    def one(self, test):
        try:
            test()
        except Failure as e:
            print(f"not ok {test.__name__}: {e}", flush=True)
            self.tally["failed"] += 1
            return False
        print(f"ok {test.__name__}", flush=True)
        self.tally["passed"] += 1
        return True


def names():
    """Of the packages that are installed for building and testing here, those that the other architecture needs."""
    listed = must(os.path.join(TOP, "tools", "packages"), "--names", "build", "test").split()
    return sorted(name for name in listed if name.endswith("-dev"))


def main():
    parser = argparse.ArgumentParser(usage="run.py [--build DIRECTORY]")
    parser.add_argument("--build", default=os.path.join(TOP, "build", "arm64"))
    build = os.path.abspath(parser.parse_args().build)
    if shutil.which("apt-get") is None:
        print("skip  arm64: its libraries come from Debian's packages, and this host has no apt-get")
        print("0 passed, 0 failed, 1 skipped")
        return NOT_HERE
    built = Built(build, sysroot.sysroot("arm64", names()))
    for number, test in enumerate(built.tests()):
        if not built.one(test) and number < 2:
            break
    print(", ".join(f"{count} {name}" for name, count in built.tally.items()))
    return 1 if built.tally["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
