#!/usr/bin/env python3
"""Builds the whole program for FreeBSD, as far as that can be proved without one: compiled with -Werror and linked for each
target, and looked into. Nothing of it is run.

    freebsd.py [--build DIRECTORY]
"""

import argparse
import functools
import glob
import json
import os
import re
import shutil
import subprocess
import sys

import cross
from checks import TOP, all_of, check, closing, configure, must, one, run, skip, tool
from files import written

# Of the base system: all else that we need is linked in here, where a FreeBSD has its packages' shared libraries.
NEEDED = {
    "sky-island": {"libc.so.7", "libm.so.5", "libthr.so.3"},
    "sky-jailer": {"libc.so.7"},
}
NEWEST = {"14.0": "FBSD_1.7", "15.0": "FBSD_1.8"}  # what libc of that version has at most
MACHINES = {"amd64": "Advanced Micro Devices X86-64", "arm64": "AArch64"}
# In FreeBSD's libc since 15.0: what is linked for 14.0 cannot have it.
ONLY_SINCE_15 = "int inotify_add_watch_at(int, int, const char *, unsigned);\nint main(void) { return inotify_add_watch_at(1, 1, \"\", 1); }\n"


def readelf(*options):
    return must("readelf", "-W", *options)


class Target:
    def __init__(self, name, prefix, build):
        architecture, self.version = cross.TARGETS[name]
        self.name, self.build = name, os.path.join(build, name)
        self.elf = MACHINES[name.rpartition("-")[2]]
        self.toolchain = cross.Toolchain(architecture, self.version)
        self.machine = self.toolchain.machine(prefix)

    def program(self, name):
        return os.path.join(self.build, name)

    # ---- the tests, in order ----

    def configures(self):
        configure(self.build, {self.build + ".ini": self.machine}, "-Dtests=enabled", "-Dclients=true")

    def compiles_and_links(self):
        """The programs, the C client, and the unit tests, which are not run."""
        must("ninja", "-C", self.build, "-k", "0", "sky-island", "sky-jailer", "all")

    def takes_no_warning(self):
        """Every file of ours is compiled with -Werror, none of what is Linux's is."""
        with open(os.path.join(self.build, "compile_commands.json"), encoding="utf-8") as f:
            commands = json.load(f)
        ours = [c for c in commands if "/llhttp/" not in c["file"]]
        check(len(ours) > 100, f"only {len(ours)} files are compiled")
        for c in ours:
            check("-Werror" in c["command"], f"{c['file']} is compiled without -Werror")
            check("/linux/" not in c["file"], f"{c['file']} is compiled for FreeBSD")
        files = {os.path.relpath(os.path.join(c["directory"], c["file"]), TOP) for c in ours}
        for path in glob.glob("src/**/freebsd/*.c", root_dir=TOP, recursive=True):
            check(path in files, f"{path} is not compiled for FreeBSD")

    def is_freebsds(self):
        """The machine, the interpreter, and the note by which FreeBSD's kernel knows its own."""
        for name in NEEDED:
            header = readelf("-hl", self.program(name))
            check(self.elf in header, f"{name}: not for {self.elf}:\n{header}")
            check("/libexec/ld-elf.so.1" in header, f"{name}: not FreeBSD's interpreter:\n{header}")
            notes = readelf("-n", self.program(name))
            found = re.search(r"FreeBSD\s.*NT_VERSION.*description data: ([0-9a-f]{2}) ([0-9a-f]{2}) ([0-9a-f]{2})", notes)
            check(found is not None, f"{name}: no note of FreeBSD's:\n{notes}")
            version = int("".join(reversed(found.groups())), 16)
            check(version // 100000 == int(self.version.partition(".")[0]), f"{name}: is for version {version}")

    def needs_the_base_system_only(self):
        for name, allowed in NEEDED.items():
            needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("-d", self.program(name))))
            check("libc.so.7" in needed, f"{name} needs {needed}")
            check(needed <= allowed, f"{name} needs {sorted(needed - allowed)} besides")

    def has_symbols_of_its_version(self):
        for name in NEEDED:
            versions = set(re.findall(r"Name: (\S+)", readelf("-V", self.program(name))))
            check("FBSD_1.0" in versions, f"{name}: versions {versions}")
            newest = tuple(map(int, NEWEST[self.version][5:].split(".")))
            for version in versions:
                known = re.fullmatch(r"FBSD_(\d+)\.(\d+)", version)
                check(known is not None and tuple(map(int, known.groups())) <= newest,
                      f"{name} wants {version}, and FreeBSD {self.version} has up to {NEWEST[self.version]}")

    def carries_its_jailer(self):
        """The program holds the jailer's of the same build, byte by byte."""
        with open(self.program("sky-island"), "rb") as f, open(self.program("sky-jailer"), "rb") as g:
            check(g.read() in f.read(), "sky-island does not hold this sky-jailer")

    def links_what_the_version_has(self):
        """The check of versions is one: what came with 15.0 links for that and not before."""
        source = written(os.path.join(self.build, "since15.c"), ONLY_SINCE_15)
        ran = run(self.toolchain.cc, source, "-o", os.path.join(self.build, "since15"))
        check((ran.returncode == 0) == (self.version == "15.0"), f"linked for {self.version}: {ran.returncode}\n{ran.stdout}")

    def tests(self):
        return [self.configures, self.compiles_and_links, self.takes_no_warning, self.is_freebsds, self.needs_the_base_system_only,
                self.has_symbols_of_its_version, self.carries_its_jailer, self.links_what_the_version_has]


def tidy(build):
    """clang-tidy with FreeBSD's headers over what is compiled for it alone; what was clean is not looked at again."""
    sources = sorted(glob.glob("src/**/freebsd/*.c", root_dir=TOP, recursive=True))
    check(len(sources) >= 3, "no sources for FreeBSD")
    options = ["-target", "x86_64-unknown-freebsd14", "-nostdlibinc", "-std=gnu11", "-D_GNU_SOURCE",
               "-I" + os.path.join(TOP, "src")]
    for path in cross.headers("x86_64"):
        options += ["-isystem", path]
    texts = []
    for path in [".clang-tidy", *sources, *sorted(glob.glob("src/**/*.h", root_dir=TOP, recursive=True))]:
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            texts.append(f.read())
    clean = os.path.join(build, "tidy-" + cross.digest(texts, options))
    if not os.path.exists(clean):
        ran = run("clang-tidy", "-quiet", *sources, "--", *options, cwd=TOP)
        check(ran.returncode == 0, ran.stdout[-8000:])
        written(clean, "")


def driver(build, architecture):
    header = readelf("-h", tool(build, "freebsd", architecture, "./cmd/tool", "./driver"))
    check(MACHINES[architecture] in header and "FreeBSD" in header, header)


def run_all(build, prefixes):
    tally = {"passed": 0, "failed": 0, "skipped": 0}
    os.environ["ZIG_LOCAL_CACHE_DIR"] = os.path.join(build, "zig")
    for name, (architecture, _) in cross.TARGETS.items():
        all_of(Target(name, prefixes[architecture], build).tests(), tally, name + " ")
    for architecture in MACHINES:
        one(f"driver {architecture}", functools.partial(driver, build, architecture), tally)
    one("tidy", functools.partial(tidy, build), tally)
    return tally


def main():
    parser = argparse.ArgumentParser(usage="freebsd.py [--build DIRECTORY]")
    parser.add_argument("--build", default=os.path.join(TOP, "build", "freebsd"))
    build = os.path.abspath(parser.parse_args().build)
    if shutil.which("apt-get") is None:
        return skip("freebsd: the libraries are built from Debian's sources, and this host has no apt-get")
    try:
        prefixes = cross.all_libraries()
    except subprocess.CalledProcessError as e:  # of pip or apt-get; what does not build ends us
        return skip("freebsd: what it is built with could not be had: " + " ".join(map(str, e.cmd[:6])))
    return closing(run_all(build, prefixes))


if __name__ == "__main__":
    sys.exit(main())
