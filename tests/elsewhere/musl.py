#!/usr/bin/env python3
"""Builds the whole program with musl instead of glibc, all of it linked statically, runs its unit tests, and makes a jail with
it. The libraries of netfilter are stand-ins that do nothing (libraries.py), so addresses (ip4) are compiled only.

    musl.py [--build DIRECTORY] [--config FILE]     with FILE, whose state is prepared, a call is made
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

import libraries
from checks import PROGRAMS, TOP, all_of, check, closing, configure, holds_its_jailer, must, skip, unit_tests

MACHINE = """[binaries]
c = '{cc}'
ar = 'ar'
strip = 'strip'
pkgconfig = 'pkg-config'
pkg-config = 'pkg-config'

[properties]
pkg_config_libdir = '{prefix}/lib/pkgconfig'
needs_exe_wrapper = false

[built-in options]
c_args = ['-isystem', '{prefix}/include']
c_link_args = ['-static']

[host_machine]
system = 'linux'
cpu_family = 'x86_64'
cpu = 'x86_64'
endian = 'little'
"""


class Built:
    def __init__(self, build, config, prefix, cc):
        self.build, self.config = build, config
        self.machine = MACHINE.format(prefix=prefix, cc=cc)
        self.tally = {"passed": 0, "failed": 0, "skipped": 0}

    # ---- the tests, in order ----

    def configures(self):
        configure(self.build, {self.build + ".ini": self.machine}, "-Dtests=enabled", "-Dclients=false")

    def compiles_and_links(self):
        must("ninja", "-C", self.build)

    def is_without_glibc(self):
        for name in PROGRAMS:
            path = os.path.join(self.build, name)
            check("(NEEDED)" not in must("readelf", "-Wd", path), f"{name} needs libraries")
            check("INTERP" not in must("readelf", "-Wl", path), f"{name} has an interpreter")
            with open(path, "rb") as f:
                check(b"GNU C Library" not in f.read(), f"{name} has glibc in it")
        holds_its_jailer(self.build)

    def unit_tests(self):
        unit_tests(self.build, self.tally)

    def a_call_is_made(self):
        said = must(os.path.join(self.build, "sky-island"), "-c", self.config, "run", "strings", 'ToUpper("musl")', timeout=120)
        check(said.endswith("MUSL"), said)

    def the_doctor_is_content(self):
        said = must(os.path.join(self.build, "sky-island"), "-c", self.config, "doctor", timeout=120)
        check("calls can run here: 0 failed" in said, said)

    def tests(self):
        own = [self.configures, self.compiles_and_links, self.is_without_glibc, self.unit_tests]
        return own + ([self.a_call_is_made, self.the_doctor_is_content] if self.config else [])


def netfilter():
    """The functions of its libraries that our sources call."""
    found = set()
    for path in glob.glob(os.path.join(TOP, "src", "net", "linux", "*.c")):
        with open(path, encoding="utf-8") as f:
            found.update(re.findall(r"\b(?:mnl|nft)_[a-z0-9_]+(?=\()", f.read()))
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(usage="musl.py [--build DIRECTORY] [--config FILE]")
    parser.add_argument("--build", default=os.path.join(TOP, "build", "musl"))
    parser.add_argument("--config")
    options = parser.parse_args()
    if shutil.which("musl-gcc") is None or shutil.which("apt-get") is None or os.uname().machine != "x86_64":
        return skip("musl: its libraries are built by musl-gcc on amd64, from Debian's sources, and this host has not all of that")
    try:
        prefix, cc = libraries.libraries(netfilter())
    except subprocess.CalledProcessError as e:  # of apt-get; what does not build ends us
        return skip("musl: its libraries could not be had: " + " ".join(e.cmd[:6]))
    built = Built(os.path.abspath(options.build), options.config, prefix, cc)
    all_of(built.tests(), built.tally)
    return closing(built.tally)


if __name__ == "__main__":
    sys.exit(main())
