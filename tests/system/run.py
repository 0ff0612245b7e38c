#!/usr/bin/env python3
"""Tests of the whole program, through the real server, as root.

    run.py --binary BIN --state DIR [--shard K/N] [pattern…]

DIR is a prepared state directory (sky-island -i); it is copied, never used itself. A pattern is a part of a test's name, such as
test_attacks or Memory; a shard is the K-th of N parts that the classes fall into by their names; what either names is run. Exits 0
if all passed, 1 if one failed, 77 where nothing can be tested.
"""

import argparse
import concurrent.futures
import faulthandler
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
GUEST = os.path.join(os.path.dirname(HERE), "vm")
# The machine of --guest has all that tests look for but what had to be fetched before, outside of it: how reasons to skip there
# may begin. Any other is a failure.
GUEST_SKIPS = ("the proxy is not reachable", "there is no file:///", "pip does not bring ")
AGAIN = 3
LONG = 200  # seconds after which a test that runs on says where it is

import sky  # noqa: E402
import users  # noqa: E402


class Result(unittest.TestResult):
    """A line a test; a failure's words at once. `skips`: how reasons to skip may begin; None: with any words."""

    def __init__(self, skips=None):
        super().__init__()
        self.skips = skips
        self.buffer = False
        self.passed = 0
        self.bad = set()
        self.slow = []
        self.begun = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()
        faulthandler.dump_traceback_later(LONG * sky.SLOW)

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        self.slow.append((time.monotonic() - self.begun, test.id()))

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        print("ok    %-70s %6.2f s" % (test.id(), time.monotonic() - self.begun), flush=True)

    def _bad(self, test, error):
        self.bad.add(test.id().split(" ")[0])
        words = self._exc_info_to_string(error, test) if not isinstance(error, str) else error
        logs = ["the log of %s:\n%s" % (own.instance, own.log()[-4000:]) for own in dict.fromkeys(sky.everyone) if own.process.poll() is None]
        text = "\n".join([words.rstrip(), *logs])
        print("FAIL  %s\n%s" % (test, "\n".join("      " + line for line in text.splitlines())), flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(subtest, err)

    def addSkip(self, test, reason):
        if self.skips is not None and not reason.startswith(self.skips):
            self._bad(test, "skipped, which is a failure here: " + reason)
            return
        super().addSkip(test, reason)
        print("skip  %s: %s" % (test.id(), reason), flush=True)


def shard(word):
    """(K, N) of "K/N"."""
    k, n = (int(number) for number in word.split("/"))
    if not 1 <= k <= n:
        raise ValueError
    return k, n


def in_shard(test, part):
    """Whole classes: those of test_systemd tell one story."""
    k, n = part
    return zlib.crc32(test.id().rpartition(".")[0].encode()) % n == k - 1


def chosen(suite, patterns, part):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from chosen(item, patterns, part)
        elif not patterns and part is None or any(pattern in item.id() for pattern in patterns) or (part and in_shard(item, part)):
            yield item


def prepare(state):
    """A copy of the prepared state that this very program finds complete."""
    os.makedirs(sky.template)
    os.chmod(sky.template, 0o755)
    for part in ("toolchain", "tool", "private", "base"):
        source = os.path.join(state, part)
        if os.path.isdir(source):
            how = "-a" if part == "base" else "-al"
            if subprocess.run(["cp", how, source, sky.template], stderr=subprocess.DEVNULL, check=False).returncode != 0:
                shutil.rmtree(os.path.join(sky.template, part), ignore_errors=True)
                subprocess.run(["cp", "-a", source, sky.template], check=True)
    config = sky.template + ".json"
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"state_dir": sky.template}, file)
    begun = time.monotonic()
    done = subprocess.run([sky.binary, "-c", config, "-i"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit("the state could not be prepared:\n" + done.stderr)
    if time.monotonic() - begun > 10 * sky.SLOW:
        print("note  %s was not prepared for this program: that took %.0f s" % (state, time.monotonic() - begun))


def run_module(name, patterns, part, skips):
    """In a process of its own: the tests of a module, in its servers; what came of them."""
    result = Result(skips)
    try:
        tests = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(name))
        unittest.TestSuite(chosen([tests], patterns, part)).run(result)
    except KeyboardInterrupt:
        result.bad.add("interrupted")
    finally:
        for own in sky.everyone:
            own.close()
        sky.everyone.clear()
        users.forget()
    return result.passed, result.bad, len(result.skipped), result.slow


def side_by_side(jobs, modules):
    """What came of all of them, each as run_module takes it."""
    passed, bad, skipped, slow = 0, set(), 0, []
    with concurrent.futures.ProcessPoolExecutor(jobs, multiprocessing.get_context("fork")) as pool:
        try:
            for done in [pool.submit(run_module, *module) for module in modules]:
                one = done.result()
                passed, bad, skipped, slow = passed + one[0], bad | one[1], skipped + one[2], slow + one[3]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return passed, bad, skipped, slow


def passes_alone(bad, skips):
    """Which of those that failed pass when they are run again with nothing beside them. Said aloud: each is a fault of the test,
    or one of the program that is rare, and is to be looked for; but it tells nothing of the change that CI is asked about."""
    good = set()
    for test in sorted(bad):
        print("again %s, alone" % test, flush=True)
        passed, failed, _, _ = side_by_side(1, [(test.split(".")[0], [test], None, skips)]) if test.count(".") == 2 else (0, bad, 0, [])
        if passed and not failed:
            good.add(test)
            print("twice %s failed, then passed" % test, flush=True)
    return good


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", required=True)
    options.add_argument("--state", required=True)
    options.add_argument("--keep", action="store_true", help="keep the tests' directory")
    options.add_argument("--jobs", type=int, default=5, metavar="N", help="so many modules of tests side by side (5)")
    options.add_argument("--user", action="store_true", help="those that run others again as an ordinary user, and only those")
    options.add_argument("--guest", action="store_true", help="all, and those that take the machine for theirs; nothing is skipped")
    options.add_argument("--again", action="store_true", help="those that failed, if they are %d at most, once more by themselves" % AGAIN)
    options.add_argument("--slowest", type=int, default=0, metavar="N", help="name the N slowest tests")
    options.add_argument("--shard", type=shard, metavar="K/N", help="the K-th of N parts of the classes")
    options.add_argument("patterns", nargs="*")
    given = options.parse_args()
    if os.geteuid() != 0:
        print("skip  all: these tests need root\n0 passed, 0 failed, 0 skipped")
        return 77
    faulthandler.enable()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as ^C: the servers are stopped then too
    sky.work = tempfile.mkdtemp(prefix="sky-system-")
    os.chmod(sky.work, 0o755)
    sky.template = os.path.join(sky.work, "template")
    sky.binary = os.path.join(sky.work, "sky-island")
    sky.build = os.path.dirname(os.path.abspath(given.binary))
    if not os.path.exists(os.path.join(sky.build, "build.ninja")):
        sky.build = os.path.join(sky.build, "meson")  # ./dev puts the program beside it
    shutil.copy2(given.binary, sky.binary)  # a build at the same time must not change it under us
    begun = time.monotonic()
    passed, bad, skipped, slow = 0, set(), 0, []
    try:
        prepare(given.state)
        names = [name[:-3] for name in os.listdir(HERE) if name.startswith("test_") and name.endswith(".py")]
        names = [name for name in names if given.guest or (name == "test_user") == given.user]
        names.sort(key=lambda name: -os.path.getsize(os.path.join(HERE, name + ".py")))  # what takes longest first
        if given.guest:
            sys.path.insert(0, GUEST)
            names[:0] = sorted(name[:-3] for name in os.listdir(GUEST) if name.startswith("test_") and name.endswith(".py"))
        skips = GUEST_SKIPS if given.guest else None
        passed, bad, skipped, slow = side_by_side(given.jobs, [(name, given.patterns, given.shard, skips) for name in names])
        if given.again and len(bad) <= AGAIN:
            good = passes_alone(bad, skips)
            passed, bad = passed + len(good), bad - good
    except (KeyboardInterrupt, concurrent.futures.process.BrokenProcessPool) as error:
        print("interrupted: %s" % error)
        bad.add("interrupted")
    finally:
        if given.keep:
            print("kept  " + sky.work)
        else:
            shutil.rmtree(sky.work, ignore_errors=True)
    for seconds, name in sorted(slow, reverse=True)[: given.slowest]:
        print("slow  %6.2f s %s" % (seconds, name))
    print("%.0f s" % (time.monotonic() - begun))
    print("%d passed, %d failed, %d skipped" % (passed, len(bad), skipped))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
