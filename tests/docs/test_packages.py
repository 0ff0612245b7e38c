#!/usr/bin/env python3
"""tools/packages: each system has names for what every system needs, and one that is not known is told what is missing."""

import os
import subprocess
import sys
import tempfile

PACKAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "packages")
SYSTEMS = ["debian", "ubuntu", "fedora", "alpine", "freebsd"]
LIBRARIES = ["libuv", "jansson", "sodium", "archive", "curl", "sqlite", "llhttp"]
LINUX = ["seccomp", "libcap", "libmnl", "nftables"]
failed = []


def names(*arguments, release=None):
    environment = dict(os.environ)
    with tempfile.NamedTemporaryFile("w", suffix="-os-release") as file:
        if release is not None:
            file.write(release)
            file.flush()
            environment["SKY_OS_RELEASE"] = file.name
        done = subprocess.run([PACKAGES, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


def check(holds, what):
    print("ok" if holds else "not ok", what)
    if not holds:
        failed.append(what)


for system in SYSTEMS:
    status, said, _ = names("--names", "--for", system, "build", "test", "lint", "fuzz", "bench")
    for library in LIBRARIES + (LINUX if system != "freebsd" else []) + ["cmocka", "meson"]:
        check(status == 0 and library in said, f"{system} has {library}")
    check(not any(word.startswith("-") for word in said.split()), f"{system} has names only")
check("node-llhttp" in names("--names", "build", release="ID=debian\nVERSION_CODENAME=bookworm\n")[1], "Debian 12 has llhttp with node's")
for release in ("ID=debian\nVERSION_CODENAME=trixie\n", "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n",
                'ID=linuxmint\nID_LIKE="ubuntu debian"\n'):
    check("libllhttp-dev" in names("--names", "build", release=release)[1], f"llhttp is a library on {release.split()[0]}")
check("jansson-devel" in names("--names", "build", release='ID="rocky"\nID_LIKE="rhel centos fedora"\n')[1], "Rocky has Fedora's names")
status, said, told = names("build", release='ID=plan9\nPRETTY_NAME="Plan 9"\n')
check(status == 0 or (status == 1 and "not known for this system, Plan 9" in told and "libuv1-dev" in told), "an unknown system is told what is missing")
status, _, told = names("--names", "nonsense")
check(status == 1 and "there is no set nonsense; there are: build test" in told, "a set that is not there is refused")
status, _, told = names("--names", "--for", "arch", "build")
check(status == 1 and "no names are known for arch; there are: debian" in told, "so is a system")
sys.exit(1 if failed else 0)
