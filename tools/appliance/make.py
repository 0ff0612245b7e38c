#!/usr/bin/env python3
"""make.py --build DIRECTORY --state DIRECTORY --out DIRECTORY [--fresh]: a virtual machine with Sky Island as its service, as
OUT/sky-island.qcow2 and OUT/sky-island.ova (docs/appliance.md). Debian's part is kept below the user's cache directory; --fresh
makes it anew, with the packages of today."""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import disk
import ova

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SIZE = 16 << 30  # of the disk, as its machine sees it
NOT_HERE = 77
# Debian's: what starts a machine, then what Sky Island is linked with and what it runs.
PACKAGES = """linux-image-amd64 initramfs-tools zstd systemd-sysv systemd-resolved systemd-timesyncd dbus udev kmod iproute2 procps e2fsprogs
    ca-certificates curl git less
    libuv1 libjansson4 libseccomp2 libcap2 libsodium23 libcurl4 libarchive13 libsqlite3-0 libmnl0 libnftables1""".split()


class NotHere(Exception):
    """It cannot be made on this host; the text says why."""


def said(begin, what):
    print("  %-10s %3.0f s" % (what, time.monotonic() - begin), flush=True)


def system(fresh):
    """Debian's part, as a tar: from the cache, else made."""
    key = hashlib.sha256(" ".join(PACKAGES).encode())
    for place, _, names in sorted(os.walk(os.path.join(HERE, "base"))):
        for name in sorted(names):
            with open(os.path.join(place, name), "rb") as file:
                key.update(file.read())
    with open(os.path.join(HERE, "system"), "rb") as file:
        key.update(file.read())
    home = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sky-island", "appliance")
    path = os.path.join(home, key.hexdigest()[:16] + ".tar")
    os.makedirs(home, exist_ok=True)
    with open(os.path.join(home, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if fresh or not os.path.exists(path):
            begin = time.monotonic()
            done = subprocess.run([os.path.join(HERE, "system"), path, *PACKAGES], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False)
            if done.returncode == NOT_HERE:
                raise NotHere((done.stdout + done.stderr).strip())
            if done.returncode:
                raise SystemExit(done.stdout + done.stderr + "Debian's part could not be made")
            said(begin, "debian")
        for other in os.listdir(home):
            if other not in ("lock", os.path.basename(path)):
                os.unlink(os.path.join(home, other))
    return path


def installable(build):
    """The service's files name the places that the appliance has."""
    options = json.loads(subprocess.run(["meson", "introspect", "--buildoptions", build], capture_output=True, check=True).stdout)
    if next(option["value"] for option in options if option["name"] == "prefix") != "/usr/local":
        subprocess.run(["meson", "configure", build, "-Dprefix=/usr/local"], check=True)
    subprocess.run(["ninja", "--quiet", "-C", build, "installed"], check=True, stdout=subprocess.DEVNULL)


def make(build, state, out, fresh):
    if os.geteuid() != 0:
        raise NotHere("it takes root to make the owners and device nodes of another system")
    base = system(fresh)
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as work:
        root = os.path.join(work, "root")
        os.mkdir(root, 0o755)
        begin = time.monotonic()
        subprocess.run(["tar", "-C", root, "-xpf", base, "--numeric-owner", "--xattrs", "--xattrs-include=*"], check=True)
        installable(build)
        subprocess.run([os.path.join(HERE, "fill"), root, build, state], check=True)
        said(begin, "files")
        begin = time.monotonic()
        raw = os.path.join(work, "disk")
        disk.make(raw, SIZE, root, work)
        shutil.rmtree(root)
        said(begin, "disk")
        begin = time.monotonic()
        qcow2 = os.path.join(work, "sky-island.qcow2")
        with subprocess.Popen(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd", raw, qcow2],
                              stdin=subprocess.DEVNULL) as other:  # beside the other, which takes longer
            package = ova.make(raw, SIZE, work)
        if other.returncode:
            raise SystemExit("qemu-img ended with %d" % other.returncode)
        said(begin, "packing")
        for path in (qcow2, package):
            os.replace(path, os.path.join(out, os.path.basename(path)))


def main():
    parser = argparse.ArgumentParser(usage="make.py --build DIRECTORY --state DIRECTORY --out DIRECTORY [--fresh]")
    for name in ("--build", "--state", "--out"):
        parser.add_argument(name, required=True, type=os.path.abspath)
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    try:
        make(options.build, options.state, options.out, options.fresh)
    except NotHere as why:
        print("appliance: %s" % why, file=sys.stderr)
        return NOT_HERE
    for name in ("sky-island.qcow2", "sky-island.ova"):
        path = os.path.join(options.out, name)
        print("%s  %d MiB" % (os.path.relpath(path), os.path.getsize(path) >> 20))
    return 0


if __name__ == "__main__":
    sys.exit(main())
