#!/usr/bin/env python3
"""A server that is called a million times: what it has grown by, and what is left behind.

    soak.py --binary BIN --state DIR

DIR is a prepared state directory, which is only copied. SKY_SOAK_CALLS says how many calls (1,000,000). What is
compared was measured behind the thousandth call and behind the last, each time at rest: no call, no waiting jail.
Exits 0 if all is as it should be, 77 where it cannot be tried.
"""

import argparse
import collections
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/system"))

import run  # noqa: E402
import sky  # noqa: E402

CALLS = int(os.environ.get("SKY_SOAK_CALLS", "1000000"))
FIRST, BATCH, CLIENTS = 1000, 50000, 4
GROWTH_KIB = 2048
CALL = ("strings", 'ToUpper("sky island")')


class Tally:
    passed = failed = 0

    def check(self, what, ok, words):
        print("%s  %-28s %s" % ("ok  " if ok else "FAIL", what, words), flush=True)
        self.passed += bool(ok)
        self.failed += not ok
        return ok


def metric(own, name):
    lines = own.send("GET", "/metrics").body.decode().splitlines()
    return int(next(line for line in lines if line.startswith(name + " ")).split()[1])


def at_rest(own):
    """Waits until neither a call nor a jail is there, nor anything being cleared; jails wait for a second only."""
    sky.until(lambda: metric(own, "sky_jails_waiting") == 0 and not own.jail_pids(), 60, "the end of all jails")
    seen = [None]

    def unchanged():
        time.sleep(0.2)  # nothing tells of the end of what goes on behind: look until it stands still
        seen.append(measure(own)["descriptors"])
        return seen[-1] == seen[-2]

    sky.until(unchanged, 30, "a time without change")


def kinds(pid):
    """What it has open, counted by names without their numbers."""
    return dict(collections.Counter(re.sub(r"\d+", "", name) for name in sky.descriptors(pid)))


def leaks(first, last):
    """Kinds of descriptors that became more. A jailer keeps the slots that it once needed, each with a mount namespace
    and up to two of other kinds: of those there may be more where there are more slots."""
    slots = last.get("mnt:[]", 0) - first.get("mnt:[]", 0)
    gained = {name: last.get(name, 0) - first.get(name, 0) for name in {**first, **last}}
    return {name: more for name, more in gained.items() if more not in (0, slots, 2 * slots)}


def measure(own):
    server, jailers = own.parts
    return {"rss_kib": int(sky.status(server)["VmRSS"].split()[0]),
            "descriptors": {"server": kinds(server), **{"jailer %d" % i: kinds(pid) for i, pid in enumerate(sorted(jailers))}},
            "processes": len(own.processes()), "parts": (server, tuple(sorted(jailers)))}


def calls_make(own, count):
    own.write_config()
    done = subprocess.run(own.command("bench", "--json", "--calls", str(count), "--clients", str(CLIENTS), *CALL), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, check=False)
    return json.loads(done.stdout)


def soak(tally, own):
    begun = time.monotonic()
    told = calls_make(own, min(FIRST, CALLS))
    made, failures = told["calls"], told["failures"]
    at_rest(own)
    first = measure(own)
    while made < CALLS and not failures:
        told = calls_make(own, min(BATCH, CALLS - made))
        made, failures = made + told["calls"], told["failures"]
        print("      %d calls, %.0f a second, p99 %.1f ms, %d KiB" % (made, told["rate"], told["ms"]["whole"]["p99"], measure(own)["rss_kib"]), flush=True)
    tally.check("calls", not failures and made == CALLS, "%d in %.0f s %s" % (made, time.monotonic() - begun, failures or ""))
    at_rest(own)
    last = measure(own)
    growth = last["rss_kib"] - first["rss_kib"]
    tally.check("the server's memory", growth <= GROWTH_KIB, "%d KiB, %+d since call %d" % (last["rss_kib"], growth, FIRST))
    for part in first["descriptors"]:
        found = leaks(first["descriptors"][part], last["descriptors"][part])
        count = sum(last["descriptors"][part].values())
        tally.check("descriptors, " + part, not found, "%d, were %d %s" % (count, sum(first["descriptors"][part].values()), found or ""))
    for name in ("processes", "parts"):
        tally.check(name, first[name] == last[name], "%s" % (last[name],) + ("" if first[name] == last[name] else ", were %s" % (first[name],)))
    return made


def left(own):
    """What a stopped server has left, by kind."""
    return {"processes": sky.describe(own.processes()), "control groups": own.cgroups(), "mounts": own.mounts(), "files": own.files()}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", required=True)
    options.add_argument("--state", required=True)
    given = options.parse_args()
    if os.geteuid() != 0:
        print("skip  soak: it needs root\n0 passed, 0 failed, 0 skipped")
        return 77
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sky.work = tempfile.mkdtemp(prefix="sky-soak-")
    os.chmod(sky.work, 0o755)
    sky.template, sky.binary = os.path.join(sky.work, "template"), os.path.join(sky.work, "sky-island")
    shutil.copy2(given.binary, sky.binary)
    tally = Tally()
    try:
        run.prepare(given.state)
        own = sky.Sky("soak", log_level="warn", metrics={"statsd": None}, jails={"idle_timeout": "1s"})
        with contextlib.closing(own):
            own.start()
            soak(tally, own)
            tally.check("the end", own.stop() == 0, "exit status %d" % own.process.returncode)
        for kind, found in left(own).items():
            tally.check("no %s left" % kind, not found, "%s" % (found or ""))
    except AssertionError as error:
        tally.check("soak", False, "%s" % error)
    finally:
        shutil.rmtree(sky.work, ignore_errors=True)
    print("%d passed, %d failed, 0 skipped" % (tally.passed, tally.failed))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
