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
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(TOP, "build", "test")
GO = os.path.join(TOP, "build", "go")
USUAL = ["unit", "http", "system"]
NOT_YET = ["vm", "freebsd", "browser", "soak"]
NOT_HERE = 77  # the status of a suite that cannot be run on this machine
GO_LEAST = 26


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


def execute(command, seconds, log, **options):
    """The status, what is wrong with it, and what was written; after so many seconds it is ended."""
    late = False
    with open(log, "w", encoding="utf-8") as f:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, start_new_session=True,
                                   **options)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            end(process)
    with open(log, encoding="utf-8", errors="replace") as f:
        output = f.read()
    if late:
        return process.returncode, f"was ended after {seconds} s", output
    return process.returncode, f"ended with status {process.returncode}" if process.returncode else "", output


def suite(name, command, read, seconds, show=print, **options):
    print(f"{name}: {' '.join(os.path.relpath(w, TOP) if w.startswith(TOP) else w for w in command)}", flush=True)
    start = time.monotonic()
    status, wrong, output = execute(command, seconds, os.path.join(WORK, name + ".log"), **options)
    try:
        tally = read(output)
    except (OSError, ElementTree.ParseError) as e:
        tally, wrong = Tally(), f"no results: {e}"
    if wrong and tally.failed == 0 and status != NOT_HERE:
        tally.failed = 1
    elif tally.passed + tally.failed + tally.skipped == 0:
        tally.failed, wrong = 1, "ran no tests"
    if tally.failed:
        show(output)
        print(f"{name}: {wrong or 'ended well'}")
    print(f"{name}: {tally}, {time.monotonic() - start:.0f} s", flush=True)
    return tally


class Parts:
    """Each method is a part by its name."""

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
        _, wrong, output = execute([self.binary, "-c", config, "-i"], 300, os.path.join(WORK, "prepare.log"),
                                   env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        if wrong:
            raise SystemExit(f"{output}sky-island -i {wrong}")

    def go(self):
        """The directory of a `go` that is new enough, or none for the one on PATH."""
        environment = {**os.environ, "GOTOOLCHAIN": "local", "XDG_CONFIG_HOME": GO}
        try:
            version = subprocess.run(["go", "version"], stdout=subprocess.PIPE, text=True, check=False, env=environment).stdout
        except OSError:
            version = ""
        found = re.match(r"go version go1\.(\d+)", version)
        if found and int(found[1]) >= GO_LEAST:
            return []
        self.prepare()
        toolchains = os.path.join(self.state, "toolchain")
        return [os.path.join(toolchains, max(os.listdir(toolchains)), "bin")]

    def unit(self):
        read, show = meson_functions(self.build)
        tally = suite("unit", ["meson", "test", "-C", self.build, "--no-rebuild", "--suite", "unit"], read, 200, show=show)
        if not self.sanitized:  # which are of C only
            tally.add(self.driver())
        return tally

    def driver(self):
        settings = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.environ.get("HOME", "/"), ".config")
        environment = {  # the user's settings are read; what go writes stays under build/
            "GOENV": os.path.join(settings, "go", "env"),
            **os.environ,
            "PATH": os.pathsep.join([*self.go(), os.environ["PATH"]]), "GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw",
            "GOPATH": GO, "GOCACHE": os.path.join(GO, "cache"), "XDG_CONFIG_HOME": GO, "SKY_CALLDUMP": self.made("calldump"),
        }
        return suite("driver", ["go", "test", "-count=1", "-json", "./..."], read_go, 900, show=show_go,
                     cwd=os.path.join(TOP, "driver"), env=environment)

    def http(self):
        return suite("http", [sys.executable, os.path.join(TOP, "tests/http/test_http.py"), self.made("echo_server"), "-v"],
                     read_unittest, 120)

    def system(self):
        path = os.path.join(TOP, "tests/system/run.py")
        if not os.path.exists(path):
            return self.missing("system")
        self.prepare()
        temporary = os.path.join(WORK, "tmp")
        os.makedirs(temporary, exist_ok=True)
        # What the program keeps until its end is no leak; jails are started and errors found with sanitizers as without.
        return suite("system", [sys.executable, path, "--binary", self.binary, "--state", self.state], read_closing, 900,
                     env={**os.environ, "TMPDIR": temporary, "ASAN_OPTIONS": "detect_leaks=0"})

    def fuzz(self):
        return suite("fuzz", [os.path.join(TOP, "dev"), "fuzz"], read_closing, 900)

    def missing(self, name):
        """A part by name that is not there is a failure; among the usual ones it is not."""
        print(f"{name}: this version has no such tests yet")
        return Tally(0, 1 if name in self.names else 0)

    def run(self):
        tally = Tally()
        for name in self.names or USUAL:
            tally.add(self.missing(name) if name in NOT_YET else getattr(self, name)())
        return tally


def main():
    known = [*USUAL, "driver", "fuzz", *NOT_YET]
    parser = argparse.ArgumentParser(usage="run.py --build DIRECTORY [PART…]", epilog="parts: all " + " ".join(known))
    parser.add_argument("--build", required=True)
    parser.add_argument("parts", nargs="*", metavar="PART")
    options = parser.parse_args()
    for part in options.parts:
        if part not in [*known, "all"]:
            parser.error(f"there is no part {part}; there are: all {' '.join(known)}")
    names = [*USUAL, "fuzz"] if "all" in options.parts else list(dict.fromkeys(options.parts))
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
