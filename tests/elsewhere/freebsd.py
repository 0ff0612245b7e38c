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

import yaml

import cross
from checks import TOP, all_of, check, closing, configure, must, one, run, skip, tool
from files import written

sys.path.insert(0, os.path.join(TOP, "tests", "system"))
import installed  # noqa: E402

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
        self.name, self.build, self.root = name, os.path.join(build, name), os.path.join(build, "root-" + name)
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
            self.is_its_program(self.program(name))

    def is_its_program(self, path):
        header = readelf("-hl", path)
        check(self.elf in header, f"{path}: not for {self.elf}:\n{header}")
        check("/libexec/ld-elf.so.1" in header, f"{path}: not FreeBSD's interpreter:\n{header}")
        notes = readelf("-n", path)
        found = re.search(r"FreeBSD\s.*NT_VERSION.*description data: ([0-9a-f]{2}) ([0-9a-f]{2}) ([0-9a-f]{2})", notes)
        check(found is not None, f"{path}: no note of FreeBSD's:\n{notes}")
        version = int("".join(reversed(found.groups())), 16)
        check(version // 100000 == int(self.version.partition(".")[0]), f"{path}: is for version {version}")

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

    def hides_nothing_of_libcs(self):
        """A function of ours that has the name of one of the system's takes its place, for all who call that."""
        for name in NEEDED:
            ours = re.findall(r" FUNC +GLOBAL +DEFAULT +\d+ (\S+)", readelf("--dyn-syms", self.program(name)))
            check(not ours, f"{name}: functions of ours stand in for the system's: {ours}")

    def carries_its_jailer(self):
        """The program holds the jailer's of the same build, byte by byte."""
        with open(self.program("sky-island"), "rb") as f, open(self.program("sky-jailer"), "rb") as g:
            check(g.read() in f.read(), "sky-island does not hold this sky-jailer")

    def links_what_the_version_has(self):
        """The check of versions is one: what came with 15.0 links for that and not before."""
        source = written(os.path.join(self.build, "since15.c"), ONLY_SINCE_15)
        ran = run(self.toolchain.cc, source, "-o", os.path.join(self.build, "since15"))
        check((ran.returncode == 0) == (self.version == "15.0"), f"linked for {self.version}: {ran.returncode}\n{ran.stdout}")

    def dev(self, *command):
        return must(os.path.join(TOP, "dev"), *command, env={**os.environ, "DESTDIR": self.root, "PREFIX": "/usr/local"})

    def installs(self):
        """What comes to where, as `./dev install` brings it: the rc.d script, and nothing that is systemd's."""
        shutil.rmtree(self.root, ignore_errors=True)
        written(os.path.join(self.root, "usr/local/lib/others"), "")
        self.dev("install", self.build)
        found = installed.listing(self.root) - {"usr/local/lib/others"}
        libraries = {name for name in found if "libsky-island" in name or name.endswith(".pc")}
        golden = installed.EVERYWHERE | installed.FREEBSD
        check(found - libraries == golden, f"missing: {sorted(golden - found)}; too many: {sorted(found - libraries - golden)}")
        # Meson has the .pc file there where it knows that it is FreeBSD's.
        check({name.replace("/libdata/", "/lib/") for name in libraries} == {"usr/local/lib/" + name for name in installed.LIBRARY},
              f"the library: {sorted(libraries)}")
        self.is_its_program(os.path.join(self.root, "usr/local/bin/sky-island"))
        library = readelf("-hd", os.path.join(self.root, "usr/local/lib/libsky-island.so"))
        check(self.elf in library and "[libc.so.7]" in library, f"the library is not FreeBSD's:\n{library}")
        script = os.path.join(self.root, "usr/local/etc/rc.d/sky_island")
        check(os.stat(script).st_mode & 0o7777 == 0o755, f"{script} has mode {os.stat(script).st_mode:o}")
        with open(os.path.join(TOP, "contrib/rc.d/sky_island.in"), encoding="utf-8") as f, open(script, encoding="utf-8") as g:
            check(f.read().replace("@bindir@", "/usr/local/bin").replace("@sysconfdir@", "/usr/local/etc") == g.read(),
                  "the script is not what it is made from, with its places in it")

    def uninstalls(self):
        """Nothing stays but what is others'."""
        self.dev("uninstall")
        check(installed.listing(self.root) == {"usr/local/lib/others"}, f"left: {sorted(installed.listing(self.root))}")
        there = os.listdir(os.path.join(self.root, "usr/local"))
        check(there == ["lib"], f"left directories: {there}")
        shutil.rmtree(self.root)

    def tests(self):
        return [self.configures, self.compiles_and_links, self.takes_no_warning, self.is_freebsds, self.needs_the_base_system_only,
                self.has_symbols_of_its_version, self.hides_nothing_of_libcs, self.carries_its_jailer, self.links_what_the_version_has,
                self.installs, self.uninstalls]


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


def workflow():
    """contrib/ci/freebsd.yml is YAML, has what a workflow must, and runs the smoke test in a guest with what that reads."""
    with open(os.path.join(TOP, "contrib/ci/freebsd.yml"), encoding="utf-8") as f:
        parsed = yaml.safe_load(f)
    with open(os.path.join(TOP, "contrib/freebsd-smoke.sh"), encoding="utf-8") as f:
        known = set(re.findall(r"\b(BSDINSTALL_DISTSITE|SKY_SMOKE_\w+)\b", f.read()))
    check(parsed["name"] == "freebsd" and "push" in parsed[True], "no name, or not for each push")  # YAML 1.1 has `on` for true
    check(list(parsed["jobs"]) == ["smoke"], f"jobs: {list(parsed['jobs'])}")
    job = parsed["jobs"]["smoke"]
    check(job["runs-on"] == "ubuntu-latest" and job["timeout-minutes"] >= 60, "no runner, or no time")
    guests = job["strategy"]["matrix"]["include"]
    check({(guest["release"], guest["arch"]) for guest in guests} == {("14.3", ""), ("15.0", ""), ("14.3", "aarch64")}, f"guests: {guests}")
    check(any(guest["zfs"] for guest in guests), "no guest has jails on ZFS")
    check(job["steps"][0]["uses"].startswith("actions/checkout@"), "nothing is checked out")
    guest = job["steps"][-1]
    check(guest["uses"].startswith("vmactions/freebsd-vm@"), f"no guest of FreeBSD: {guest['uses']}")
    given, passed = set(guest["env"]), set(guest["with"]["envs"].split())
    check({"BSDINSTALL_DISTSITE", "SKY_SMOKE_ZFS"} <= given == passed <= known, f"set: {given}, passed on: {passed}, read: {known}")
    for name in re.findall(r"\bmatrix\.(\w+)", json.dumps(job)):
        check(all(name in guest for guest in guests), f"matrix.{name} is not there for each guest")
    lines = guest["with"]["run"].rstrip().split("\n")
    check(guest["with"]["usesh"] is True and lines[-1] == "sh contrib/freebsd-smoke.sh", f"what is run last: {lines[-1]}")
    said = run("sh", "-n", "-c", guest["with"]["run"])
    check(said.returncode == 0, said.stdout)


def run_all(build, prefixes):
    tally = {"passed": 0, "failed": 0, "skipped": 0}
    os.environ["ZIG_LOCAL_CACHE_DIR"] = os.path.join(build, "zig")
    for name, (architecture, _) in cross.TARGETS.items():
        all_of(Target(name, prefixes[architecture], build).tests(), tally, name + " ")
    for architecture in MACHINES:
        one(f"driver {architecture}", functools.partial(driver, build, architecture), tally)
    one("workflow", workflow, tally)
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
