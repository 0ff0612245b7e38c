#!/usr/bin/env python3
"""run.py [--quick] [PATTERN…]: the system's suite in a virtual machine (guest.py), with cgroup v2 and systemd; an ordinary
user's tests and those of this directory among it. --quick: those that have to do with what is different there."""

import os
import shlex
import subprocess
import sys

import guest

SLOW = os.environ.get("SKY_SLOW", "6")  # times; starting programs takes longer still, computing less
# Control groups and what they limit, what is left in them, who may make them, and the service.
QUICK = ("test_systemd.", "test_limits.", "test_rest.", "test_shared.", "test_user_alone.attacks.Processes", "test_attacks.Processes",
         "test_attacks.Ends.test_memory", "test_attacks.Ends.test_ends_do_not_stick", "test_attacks.Ends.test_exit", "test_attacks.ZLast",
         "test_state.Supervisor.test_killed_and_started", "test_state.Supervisor.test_killed_during_a_call",
         "test_state.Jailers.test_all_killed")
MODULES = os.path.join(guest.BUILD, "modules")


def command(patterns):
    words = ["python3", "tests/system/run.py", "--binary", "build/sky-island", "--state", "build/test/state", "--guest", "--jobs", "2",
             "--slowest", "20", *patterns]
    return "\n".join((
        "export TMPDIR=$PWD/build/test/tmp SKY_SLOW=%s GOPROXY=file:///run/guest/modules GOSUMDB=off" % SLOW,
        "export PATH=$(echo build/test/state/toolchain/*/bin | sed \"s|^|$PWD/|\"):$PATH HOME=/root",
        "mkdir -p $TMPDIR; ip link set lo up",
        shlex.join(words)))


def main():
    given = sys.argv[1:]
    patterns = [word for word in given if word != "--quick"] or (QUICK if "--quick" in given else ())
    try:
        return guest.run(command(patterns), 9000)
    except guest.NotHere as why:
        print("skip  all: %s\n0 passed, 0 failed, 0 skipped" % why)
        return guest.NOT_HERE


if __name__ == "__main__":
    sys.exit(main())
