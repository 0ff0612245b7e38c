#!/usr/bin/env python3
"""run.py --build DIRECTORY [PART…]: runs parts of the tests and closes with the line: N passed, N failed, N skipped.

A suite is a command and a reader that counts its tests in what it wrote. What a suite writes goes to build/test/NAME.log
and is shown where it fails; a suite that ends badly without a failed test is a failure by itself.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(TOP, "build", "test")
GO = os.path.join(TOP, "build", "go")
# CI is asked whether a change is good: what fails once and then passes is told, and is no answer to that.
AGAIN = ("--again",) if os.environ.get("CI") == "true" else ()
USUAL = ["unit", "driver", "http", "system"]
NOT_HERE = 77  # the status of a suite that cannot be run on this machine


class Tally:
    def __init__(self, passed=0, failed=0, skipped=0, reasons=()):
        self.passed, self.failed, self.skipped, self.reasons = passed, failed, skipped, list(reasons)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons += other.reasons

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


# ---- readers: the output of a suite → Tally ----


def read_unittest(output):
    """Python's unittest: it counts skipped tests, and expected failures, among those that ran."""
    tally = Tally()
    for ran, result in re.findall(r"^Ran (\d+) tests? in .*\n\n(.*)$", output, re.M):
        counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", result)}
        failed = counts.get("failures", 0) + counts.get("errors", 0)
        skipped = counts.get("skipped", 0)
        tally.add(Tally(max(int(ran) - failed - skipped, 0), failed, skipped))
    tally.reasons = re.findall(r"\.\.\. skipped ['\"](.*)['\"]$", output, re.M)
    return tally


def read_go(output):
    """go test -json: tests and those within them; one that only holds others counts too, as Go counts."""
    tally = Tally()
    said = {}
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        test = event.get("Test")
        said.setdefault(test, []).append(event.get("Output", ""))
        if test is None or event["Action"] not in ("pass", "fail", "skip"):
            continue
        tally.add({"pass": Tally(1), "fail": Tally(0, 1), "skip": Tally(0, 0, 1)}[event["Action"]])
        if event["Action"] == "skip":
            tally.reasons += [text.strip() for text in said[test] if ": " in text and "---" not in text]
    return tally


def read_closing(output):
    """Suites of our own close as we do, and begin the line of a skipped test with "skip"."""
    counts = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", output, re.M)
    reasons = re.findall(r"^skip +(.*)$", output, re.M)
    tally = Tally(*map(int, counts[-1])) if counts else Tally()
    tally.skipped = max(tally.skipped, len(reasons))
    tally.reasons = reasons
    return tally


def show_go(output):
    """The text of what failed, without that of what passed."""
    said, failed = {}, []
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            print(line)
            continue
        key = event.get("Package"), event.get("Test")
        said.setdefault(key, []).append(event.get("Output", ""))
        if event["Action"] in ("fail", "build-output"):
            failed.append(key)
    for key in dict.fromkeys(failed):
        print("".join(said[key]), end="")


def meson_functions(build):
    """A reader of meson's results, and one who shows those that failed; what a test wrote is in meson's own log."""

    def show(_):
        with open(os.path.join(build, "meson-logs", "testlog.txt"), encoding="utf-8", errors="replace") as f:
            sections = re.split(r"^=+ \d+/\d+ =+\n", f.read(), flags=re.M)[1:]
        for section in sections:
            if not re.search(r"^result: +exit status 0$", section, re.M) or re.search("^not ok", section, re.M):
                print(re.sub(r"^ok .*\n", "", section, flags=re.M), end="")

    def read(_):
        tally = Tally()
        for suite in ElementTree.parse(os.path.join(build, "meson-logs", "testlog.junit.xml")).getroot():
            for case in suite.iter("testcase"):
                if case.find("skipped") is not None:
                    tally.add(Tally(0, 0, 1, [f"{suite.get('name')}: {case.get('name')}"]))
                elif case.find("failure") is not None or case.find("error") is not None:
                    tally.add(Tally(0, 1))
                else:
                    tally.add(Tally(1))
        return tally

    return read, show


# ---- suites ----


def end(process):
    """Ends all processes of a suite: asked first, since it has jails to clear."""
    for number, seconds in ((signal.SIGINT, 20), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


class Suite:
    """A command that runs since it was made; finish() waits for it and counts."""

    def __init__(self, name, command, read, seconds, show=print, **options):
        print(f"{name}: {' '.join(os.path.relpath(w, TOP) if w.startswith(TOP) else w for w in command)}", flush=True)
        self.name, self.read, self.seconds, self.show = name, read, seconds, show
        self.log = os.path.join(WORK, name + ".log")
        self.start = time.monotonic()
        with open(self.log, "w", encoding="utf-8") as f:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                                            start_new_session=True, **options)

    def wait(self):
        """What is wrong with how it ended, and what was written; after its time it is ended."""
        late = False
        try:
            self.process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            end(self.process)
        with open(self.log, encoding="utf-8", errors="replace") as f:
            output = f.read()
        if late:
            return f"was ended after {self.seconds} s", output
        return f"ended with status {self.process.returncode}" if self.process.returncode else "", output

    def finish(self):
        wrong, output = self.wait()
        try:
            tally = self.read(output)
        except (OSError, ElementTree.ParseError) as e:
            tally, wrong = Tally(), f"no results: {e}"
        if wrong and tally.failed == 0 and self.process.returncode != NOT_HERE:
            tally.failed = 1
        elif tally.passed + tally.failed + tally.skipped == 0:
            tally.failed, wrong = 1, "ran no tests"
        if tally.failed:
            self.show(output)
            print(f"{self.name}: {wrong or 'ended well'}")
        print(f"{self.name}: {tally}, {time.monotonic() - self.start:.0f} s", flush=True)
        return tally


class Parts:
    """Each method is a part by its name: it returns a suite that runs."""

    def __init__(self, build, names):
        self.build = os.path.abspath(build)
        self.sanitized = self.build.endswith("-asan")
        self.binary = os.path.join(self.build, "sky-island")
        self.state = os.path.join(WORK, "state")
        self.names = names
        if self.sanitized:
            os.environ["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"

    def made(self, name):
        return os.path.join(self.build, "tests", name)

    def prepare(self):
        """Go and all else that jails need, of the tests' own; ./dev has written the configuration."""
        config = os.path.join(TOP, "build", "test.json")
        with open(os.path.join(WORK, "prepare.log"), "w", encoding="utf-8") as log:
            made = subprocess.run([self.binary, "-c", config, "-i"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=300,
                                  env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, check=False)
        if made.returncode:
            with open(log.name, encoding="utf-8", errors="replace") as log:
                raise SystemExit(f"{log.read()}sky-island -i ended with status {made.returncode}")

    def go(self):
        """The toolchain that jails have, and a cache that begins as theirs: the standard library is compiled once."""
        self.prepare()
        toolchains = os.path.join(self.state, "toolchain")
        cache = os.path.join(GO, "cache")
        if not os.path.isdir(cache):
            shutil.rmtree(cache + ".part", ignore_errors=True)
            shutil.copytree(os.path.join(self.state, "private", "gocache"), cache + ".part", symlinks=True)
            os.rename(cache + ".part", cache)
        return os.path.join(toolchains, max(os.listdir(toolchains)), "bin"), cache

    def unit(self):
        read, show = meson_functions(self.build)
        return Suite("unit", ["meson", "test", "-C", self.build, "--no-rebuild", "--suite", "unit"], read, 200, show=show)

    def driver(self):
        """By name whole; in the usual run without difftest, which compiles for two minutes of a cpu. ./dev lint is who vets."""
        packages = ["./..."] if self.names else ["./driver/...", "./cmd/..."]
        tools, cache = self.go()
        settings = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.environ.get("HOME", "/"), ".config")
        environment = {  # the user's settings are read; what go writes stays under build/
            "GOENV": os.path.join(settings, "go", "env"),
            **os.environ,
            "PATH": tools + os.pathsep + os.environ["PATH"], "GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw -trimpath", "CGO_ENABLED": "0",
            "GOPATH": GO, "GOCACHE": cache, "XDG_CONFIG_HOME": GO, "SKY_CALLDUMP": self.made("calldump"),
        }
        return Suite("driver", ["nice", "go", "test", "-count=1", "-vet=off", "-json", *packages], read_go, 900, show=show_go,
                     cwd=os.path.join(TOP, "driver"), env=environment)

    def http(self):
        return Suite("http", [sys.executable, os.path.join(TOP, "tests/http/test_http.py"), self.made("echo_server"), "-v"],
                     read_unittest, 120)

    def system(self):
        return self.island("system")

    def user(self):
        return self.island("user", "--user")

    def island(self, name, *options):
        path = os.path.join(TOP, "tests/system/run.py")
        self.prepare()
        options += AGAIN
        temporary = os.path.join(WORK, "tmp")
        os.makedirs(temporary, exist_ok=True)
        # What the program keeps until its end is no leak; jails are started and errors found with sanitizers as without.
        return Suite(name, [sys.executable, path, "--binary", self.binary, "--state", self.state, *options], read_closing, 900,
                     env={**os.environ, "TMPDIR": temporary, "ASAN_OPTIONS": "detect_leaks=0"})

    def vm(self, *options):
        """The system's suite, with cgroup v2 and systemd; an emulated machine takes an hour for it. SKY_SHARD=K/N: a part of it.
        The times are of an image, what is brought, a machine that has to be started twice, and the tests."""
        self.prepare()
        shard = os.environ.get("SKY_SHARD")
        if shard:
            options += ("--shard", shard)
        options += AGAIN
        return Suite("vm", [sys.executable, os.path.join(TOP, "tests/vm/run.py"), *options], read_closing, 4500 if "--quick" in options else 12000)

    def vm_quick(self):
        """Of that what is different there from other hosts; SKY_SHARD=K/N: and that part."""
        return self.vm("--quick")

    def soak(self):
        """A million calls, unless SKY_SOAK_CALLS says how many; given up where they are fewer than 50 a second."""
        self.prepare()
        calls = int(os.environ.get("SKY_SOAK_CALLS", "1000000"))
        return Suite("soak", [sys.executable, os.path.join(TOP, "tests/soak/soak.py"), "--binary", self.binary, "--state", self.state],
                     read_closing, 300 + calls // 50, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})

    def arm64(self):
        """The first run fetches libraries of that architecture, which are kept below the user's cache directory."""
        tools, _ = self.go()
        return Suite("arm64", [sys.executable, os.path.join(TOP, "tests/elsewhere/arm64.py")], read_closing, 1500,
                     env={**os.environ, "PATH": tools + os.pathsep + os.environ["PATH"]})

    def appliance(self):
        """Machines that are emulated; Debian's part of them is kept below the user's cache directory."""
        self.prepare()
        return Suite("appliance", [sys.executable, os.path.join(TOP, "tests/appliance/run.py"), "--build", self.build, "--state", self.state],
                     read_closing, 2400)

    def musl(self):
        """The first run makes its libraries, which takes minutes; they are kept there too."""
        self.prepare()
        return Suite("musl", [sys.executable, os.path.join(TOP, "tests/elsewhere/musl.py"), "--config", os.path.join(TOP, "build", "test.json")],
                     read_closing, 2400)

    def fuzz(self):
        return Suite("fuzz", [os.path.join(TOP, "dev"), "fuzz"], read_closing, 900)

    def freebsd(self):
        """The first run makes the libraries, which takes minutes; they are kept below the user's cache directory."""
        tools, _ = self.go()
        return Suite("freebsd", [sys.executable, os.path.join(TOP, "tests/elsewhere/freebsd.py")], read_closing, 1800,
                     env={**os.environ, "PATH": tools + os.pathsep + os.environ["PATH"]})

    def begin(self, name):
        return getattr(self, name.replace("-", "_"))()

    def run(self):
        """One after another, but the driver's, which mostly compile, beside all others. The first one begins before those: what
        they need is prepared beside it."""
        names = self.names or USUAL
        others = [name for name in names if name != "driver"]
        beside = "driver" in names and not self.sanitized  # sanitizers are of C only
        running, tally = {}, Tally()
        try:
            for name in others[:1] + ["driver"] * beside:
                running[name] = self.begin(name)
            for name in others + ["driver"] * beside:
                suite = running.pop(name, None) or self.begin(name)
                tally.add(suite.finish())
        finally:
            for left in running.values():
                end(left.process)
        return tally


def main():
    known = [*USUAL, "user", "vm", "vm-quick", "fuzz", "soak", "freebsd", "arm64", "musl", "appliance"]
    parser = argparse.ArgumentParser(usage="run.py --build DIRECTORY [PART…]", epilog="parts: all " + " ".join(known))
    parser.add_argument("--build", required=True)
    parser.add_argument("parts", nargs="*", metavar="PART")
    options = parser.parse_args()
    for part in options.parts:
        if part not in [*known, "all"]:
            parser.error(f"there is no part {part}; there are: all {' '.join(known)}")
    names = [*USUAL, "user", "fuzz"] if "all" in options.parts else list(dict.fromkeys(options.parts))
    os.makedirs(WORK, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tally = Parts(options.build, names).run()
    for reason in dict.fromkeys(tally.reasons):
        print("skipped:", reason)
    print(tally)
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
