#!/usr/bin/env python3
"""run.py [--quick] [--shard K/N] [PATTERN…]: the system's suite in a virtual machine (guest.py), with cgroup v2, systemd and ZFS; an
ordinary user's tests and those of this directory among it. --quick: those that have to do with what is different there; with
a shard, those besides."""

import contextlib
import glob
import os
import shlex
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import guest

FETCHING = 120  # seconds for each kind of what is brought
WHOLE, FEW = 9000, 2000  # seconds for all tests, for those of --quick and a shard
SLOW = os.environ.get("SKY_SLOW", "6")  # times; starting programs takes longer still, computing less
# Control groups and what they limit, what is left in them, who may make them, the service, and ZFS.
QUICK = ("test_systemd.", "test_groups.", "test_storage.OnZfs.test_roots", "test_storage.OnZfs.test_what_a_kill", "test_storage.OnZfs.test_a_quota",
         "test_storage.OnZfs.test_destroy", "test_storage.OnZfs.test_others", "test_zfs.limits.", "test_limits.", "test_rest.Rest.",
         "test_rest.Memory.", "test_shared.",
         "test_attacks.Ends.test_memory", "test_attacks.Ends.test_ends_do_not_stick", "test_attacks.ZLast",
         "test_state.Supervisor.test_killed_and_started", "test_state.Supervisor.test_killed_during_a_call",
         "test_state.Jailers.test_all_killed")
SYSTEM = os.path.join(guest.TOP, "tests/system")


def modules():
    """A tree of files with the modules that test_real calls, as Go's own cache has them."""
    sys.path.insert(0, SYSTEM)
    import test_real  # noqa: PLC0415 # it is a test: nothing but its list is wanted

    cache = os.path.join(guest.BUILD, "modcache")
    go = glob.glob(os.path.join(guest.TOP, "build/test/state/toolchain/*/bin/go"))[0]
    environment = {**os.environ, "GOMODCACHE": cache, "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    names = ["%s@%s" % (url, version) for url, version, _, _ in test_real.CALLS]
    with tempfile.TemporaryDirectory() as place:
        for words in (["mod", "init", "example.com/all"], ["get", *names], ["mod", "download", "@".join(test_real.ROOTLESS)],
                      ["list", "-m", "-versions", test_real.CALLS[0][0]]):
            with contextlib.suppress(subprocess.TimeoutExpired):  # where there is no network; those tests are skipped
                subprocess.run([go, *words], cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                               timeout=FETCHING)
    return os.path.join(cache, "cache/download")


def schema():
    """Grafana's package as test_metrics has it from pip: its directory, which has the name that it looks for."""
    sys.path.insert(0, SYSTEM)
    import test_metrics  # noqa: PLC0415 # as above

    with contextlib.suppress(unittest.SkipTest), unittest.mock.patch.dict(os.environ, TMPDIR=guest.BUILD):
        return test_metrics.Dashboard("test_grafanas_schema").sdk()
    return None


def brought():
    """What tests would fetch: the guest has no network."""
    os.makedirs(guest.BUILD, exist_ok=True)
    paths = {"modules": modules()}
    package = schema()
    if package:
        paths[os.path.basename(package)] = package
    return {name: path for name, path in paths.items() if os.path.isdir(path)}


def command(options):
    words = ["python3", "tests/system/run.py", "--binary", "build/sky-island", "--state", "build/test/state", "--guest", "--jobs", "2",
             "--slowest", "20", *options]
    return "\n".join((
        "export TMPDIR=$PWD/build/test/tmp SKY_SLOW=%s GOPROXY=file:///run/guest/modules GOSUMDB=off" % SLOW,
        "export PATH=$(echo build/test/state/toolchain/*/bin | sed \"s|^|$PWD/|\"):$PATH HOME=/root",
        "mkdir -p $TMPDIR; ln -s /run/guest/grafana-* $TMPDIR",
        # An address beyond loopback, which leads nowhere.
        "ip link set lo up; ip link add out type dummy; ip address add 10.0.2.15/24 dev out; ip link set out up; ip route add 192.0.2.0/24 dev out",
        shlex.join(words)))


def main():
    given = sys.argv[1:]
    options = [word for word in given if word != "--quick"]
    try:
        found = {} if "--quick" in given and set(given) <= {"--quick", "--again"} else brought()
        quick = "--quick" in given
        return guest.run(command([*options, *(QUICK if quick else ())]), FEW if quick else WHOLE, found)
    except guest.NotHere as why:
        print("skip  all: %s\n0 passed, 0 failed, 0 skipped" % why)
        return guest.NOT_HERE


if __name__ == "__main__":
    sys.exit(main())
