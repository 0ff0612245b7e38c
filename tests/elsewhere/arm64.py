#!/usr/bin/env python3
"""Builds the whole program for arm64, and runs its unit tests under QEMU's user mode. Jails are not tried: namespaces and
seccomp are the kernel's, which stays the host's.

    arm64.py [--build DIRECTORY]
"""

import argparse
import os
import shutil
import subprocess
import sys

import sysroot
from checks import PROGRAMS, TOP, all_of, check, closing, configure, holds_its_jailer, must, run, skip, tool, unit_tests

CROSS = os.path.join(TOP, "tools", "cross", "aarch64-linux-gnu.ini")


class Built:
    def __init__(self, build, root):
        self.build, self.root = build, root
        self.emulator = ["qemu-aarch64-static", "-L", root]
        self.tally = {"passed": 0, "failed": 0, "skipped": 0}

    def program(self, name):
        return os.path.join(self.build, name)

    # ---- the tests, in order ----

    def configures(self):
        configure(self.build, {CROSS: None, self.build + ".ini": f"[constants]\nsysroot = '{self.root}'\n"}, "-Dtests=enabled")

    def compiles_and_links(self):
        must("ninja", "-C", self.build)

    def is_for_arm64(self):
        for name in PROGRAMS:
            header = must("readelf", "-Wh", self.program(name))
            check("AArch64" in header, header)
        holds_its_jailer(self.build)

    def runs(self):
        """As far as a program does that makes no jails."""
        shown = must(*self.emulator, self.program("sky-island"), "--version")
        check("sky-island" in shown, shown)
        refused = run(*self.emulator, self.program("sky-island"), "-c", "/dev/null", "doctor")
        check(refused.returncode == 78 and "/dev/null" in refused.stdout, f"{refused.returncode}: {refused.stdout}")

    def unit_tests(self):
        unit_tests(self.build, self.tally, SKY_EMULATED="1")

    def driver(self):
        made = tool(self.build, "linux", "arm64", "./...")
        check("AArch64" in must("readelf", "-Wh", made), made)
        said = run(*self.emulator, made)
        check(said.returncode > 0 and "usage" in said.stdout, f"the tool ended with {said.returncode}: {said.stdout[-2000:]}")


def names():
    """Of the packages that are installed for building and testing here, those that the other architecture needs."""
    listed = must(os.path.join(TOP, "tools", "packages"), "--names", "build", "test").split()
    return sorted(name for name in listed if name.endswith("-dev"))


def main():
    parser = argparse.ArgumentParser(usage="arm64.py [--build DIRECTORY]")
    parser.add_argument("--build", default=os.path.join(TOP, "build", "arm64"))
    build = os.path.abspath(parser.parse_args().build)
    if shutil.which("apt-get") is None:
        return skip("arm64: its libraries come from Debian's packages, and this host has no apt-get")
    try:
        built = Built(build, sysroot.sysroot("arm64", names()))
    except subprocess.CalledProcessError as e:  # of apt-get
        return skip("arm64: its libraries could not be had: " + " ".join(e.cmd[:6]))
    all_of([built.configures, built.compiles_and_links, built.is_for_arm64, built.runs, built.unit_tests, built.driver], built.tally)
    return closing(built.tally)


if __name__ == "__main__":
    sys.exit(main())
