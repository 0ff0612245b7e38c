#!/usr/bin/env python3
"""guest.py COMMAND: runs a shell command in a virtual machine, a Debian 12 with systemd, cgroup v2 and OpenZFS, as its root.

The machine is QEMU's own emulation, so it needs nothing of the host and is slow: starting a program takes ten times as long
as outside. It has no network. This checkout, with what was built, lies there where it lies here, as a copy that
is thrown away. The image is made once for each recipe (`image`, and the packages) and kept in XDG_CACHE_HOME.
"""

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, "build", "vm")
RECIPE = ("image", "zfs", "first", "guest.service")
# Beside what building and testing take: what tests look at with, and would be skipped without.
PACKAGES = ("gcc", "openssh-server", "strace")
PORT = "/dev/virtio-ports/out"
START = """until [ -e {port} ]; do sleep 0.1; done
exec >{port} 2>&1 </dev/null
echo "guest: begun"
mkdir -p {top}
mount --bind /run/guest/tree {top}
cd {top}
{command}
echo "guest: ended with $?"
"""
MAKING, BEGINNING = 1500, 400  # seconds at most: for an image; until its system says that it begins
NOT_HERE = 77


class NotHere(Exception):
    """This host can run no such machine; the text says why."""


def packages():
    told = subprocess.run([os.path.join(TOP, "tools/packages"), "--names", "build", "test"], capture_output=True, text=True, check=True)
    return sorted({*told.stdout.split(), *PACKAGES})


def image():
    """The directory of an image that is complete; made where there is none."""
    names = packages()
    key = hashlib.sha256("\n".join(names).encode())
    for name in RECIPE:
        with open(os.path.join(HERE, name), "rb") as file:
            key.update(file.read())
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    home = os.path.join(caches, "sky-island-vm")
    path = os.path.join(home, key.hexdigest()[:16])
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(path, "disk")):
            make(path, names)
    for other in os.listdir(home):
        if other != os.path.basename(path):
            shutil.rmtree(os.path.join(home, other), ignore_errors=True)
    return path


def make(path, names):
    if os.geteuid() != 0:
        raise NotHere("making the image needs root")
    print("making the image of %d packages, in %s" % (len(names), path), flush=True)
    log = os.path.join(BUILD, "image.log")
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.run(["timeout", str(MAKING), os.path.join(HERE, "image"), path, *names], stdin=subprocess.DEVNULL,
                                stdout=out, stderr=out, check=False).returncode
    if status:
        with open(log, encoding="utf-8", errors="replace") as out:
            text = out.read()[-4000:]
        if status == NOT_HERE:
            raise NotHere(text.strip())
        raise SystemExit("%sthe image could not be made" % text)


def disk(command, more):
    """The second disk: the checkout, `start`, and files beside; its path."""
    path = os.path.join(BUILD, "disk")
    with tempfile.TemporaryDirectory(dir=BUILD) as staged:
        tree = os.path.join(staged, "tree")
        os.makedirs(os.path.join(tree, "build", "test"))
        links = [os.path.join(TOP, name) for name in os.listdir(TOP) if name not in (".git", "build")]
        subprocess.run(["cp", "-al", *links, tree], check=True)
        subprocess.run(["cp", "-al", *(os.path.join(TOP, "build", name) for name in ("sky-island", "meson", "test.json")), os.path.join(tree, "build")],
                       check=True)
        subprocess.run(["cp", "-al", os.path.join(TOP, "build/test/state"), os.path.join(tree, "build/test")], check=True)
        for name, source in more.items():
            subprocess.run(["cp", "-al", source, os.path.join(staged, name)], check=True)
        with open(os.path.join(staged, "start"), "w", encoding="utf-8") as file:
            file.write(START.format(port=PORT, top=shlex.quote(TOP), command=command))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        subprocess.run(["truncate", "-s", "12G", path], check=True)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", staged, path], check=True)
    return path


def machine(path, second):
    """QEMU's command line; what the guest says comes on stdout, what its kernel says goes to build/vm/console.log."""
    return ["qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max", "-M", "q35", "-m", "3072", "-smp", "2",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", path + "/kernel", "-initrd", path + "/initrd",
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off", "-serial", "file:" + os.path.join(BUILD, "console.log"),
            "-drive", "file=%s/disk,if=virtio,format=raw,snapshot=on,cache=unsafe" % path,
            "-drive", "file=%s,if=virtio,format=raw,cache=unsafe" % second,
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci", "-chardev", "stdio,id=out,signal=off",
            "-device", "virtserialport,chardev=out,name=out"]


def started(words, seconds):
    """Starts a machine and prints what the command says; the command's status, and whether it began."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace")
    timer = threading.Timer(BEGINNING, process.kill)
    timer.start()
    status, begun = None, False
    try:
        for line in process.stdout:
            if line == "guest: begun\n":
                begun = True
                timer.cancel()
                timer = threading.Timer(seconds, process.kill)
                timer.start()
            elif line.startswith("guest: ended with "):
                status = int(line.split()[-1])
            else:
                print(line, end="", flush=True)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    return status, begun


def last_words():
    """Of the machine's kernel."""
    with contextlib.suppress(OSError), open(os.path.join(BUILD, "console.log"), encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-40:])
    return ""


def run(command, seconds, more=None):
    """Runs it and prints what it says; returns its status. `more`: files of /run/guest in the guest, by name."""
    if shutil.which("qemu-system-x86_64") is None:
        raise NotHere("there is no qemu-system-x86_64")
    os.makedirs(BUILD, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as ^C: the machine ends with us
    path = image()
    second = disk(command, more or {})
    words = machine(path, second)
    try:
        status, begun = started(words, seconds)
        if not begun:
            print("%snote  the machine did not begin within %d s; it is started once more" % (last_words(), BEGINNING), flush=True)
            status, begun = started(words, seconds)
    finally:
        os.unlink(second)
    if status is None:
        raise SystemExit("%sthe machine ended before the command did, or after %d s" % (last_words(), seconds if begun else BEGINNING))
    return status


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        return run(sys.argv[1], 3600)
    except NotHere as why:
        print("skip  all: %s\n0 passed, 0 failed, 0 skipped" % why)
        return NOT_HERE


if __name__ == "__main__":
    sys.exit(main())
