"""What the checks of builds for elsewhere share: running commands, the unit tests of a build, one line for each check, and the
lines that tests/run.py reads."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

from files import written

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
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


def configure(build, machine, *options):
    """A build directory for the machine described in files ({path: its text, or None where it is there}); anew where they changed."""
    made = os.path.exists(os.path.join(build, "build.ninja"))
    command = ["meson", "setup", build, TOP, *options]
    for path, text in machine.items():
        command += ["--cross-file", path]
        if text is not None:
            made = made and same(path, text)
    if made:
        return
    shutil.rmtree(build, ignore_errors=True)
    for path, text in machine.items():
        if text is not None:
            written(path, text)
    must(*command)


def same(path, text):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read() == text
    except FileNotFoundError:
        return False


def holds_its_jailer(build):
    """The jailer's program needs nothing besides the kernel; the other has it inside, byte by byte."""
    check("(NEEDED)" not in must("readelf", "-Wd", os.path.join(build, "sky-jailer")), "sky-jailer needs libraries")
    with open(os.path.join(build, "sky-island"), "rb") as f, open(os.path.join(build, "sky-jailer"), "rb") as g:
        check(g.read() in f.read(), "sky-island does not hold this sky-jailer")


def tool(build, system, architecture, *vetted):
    """What is compiled in jails and what compiles there: the tool becomes a program for there, the driver is a package of it."""
    made = os.path.join(build, "tool-" + architecture)
    environment = {**os.environ, "GOOS": system, "GOARCH": architecture, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOENV": "off",
                   "GOFLAGS": "-trimpath", "GOWORK": "off", "GOCACHE": os.path.join(build, "gocache"), "GOPATH": os.path.join(build, "go"),
                   "GOTMPDIR": build}
    where = {"cwd": os.path.join(TOP, "driver"), "env": environment}
    must("go", "build", "-o", made, "./cmd/tool", **where)
    must("go", "vet", *vetted, **where)
    return made


def unit_tests(build, tally, **environment):
    """They count one by one, beside the checks."""
    ran = run("nice", "meson", "test", "-C", build, "--no-rebuild", "--suite", "unit", "-t", "4", env={**os.environ, **environment})
    for suite in ElementTree.parse(os.path.join(build, "meson-logs", "testlog.junit.xml")).getroot():
        for case in suite.iter("testcase"):
            bad = case.find("failure") is not None or case.find("error") is not None
            kind = "failed" if bad else "skipped" if case.find("skipped") is not None else "passed"
            tally[kind] += 1
            if kind != "passed":
                print(f"{kind} {suite.get('name')}: {case.get('name')}", flush=True)
    check(ran.returncode == 0 and tally["passed"] > 100,
          f"{tally}; see {os.path.relpath(build, TOP)}/meson-logs/testlog.txt\n{ran.stdout[-3000:]}")


def one(name, test, tally):
    try:
        test()
    except Failure as e:
        print(f"not ok {name}: {e}", flush=True)
        tally["failed"] += 1
        return False
    print(f"ok {name}", flush=True)
    tally["passed"] += 1
    return True


def all_of(tests, tally, before=""):
    """One after another; without a program, which the first two make, there is nothing to look at."""
    for number, test in enumerate(tests):
        if not one(before + test.__name__, test, tally) and number < 2:
            break


def closing(tally):
    print(", ".join(f"{count} {name}" for name, count in tally.items()))
    return 1 if tally["failed"] else 0


def skip(reason):
    print("skip ", reason)
    print("0 passed, 0 failed, 1 skipped")
    return NOT_HERE
