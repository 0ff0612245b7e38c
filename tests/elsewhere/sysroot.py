"""A tree of another architecture's libraries, from the same places as the host's packages but beside its apt and dpkg.

It lies below the user's cache directory under a name made of the packages' versions, so that what is there is right. Packages
are unpacked, not installed: none of their scripts is run.
"""

import fcntl
import glob
import hashlib
import os
import shutil
import subprocess

import debian

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sky-island", "arm64")


def absolute_links_mend(root):
    """Links by absolute paths would lead to the host's files."""
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                target = os.path.relpath(root + os.readlink(path), directory)
                os.remove(path)
                os.symlink(target, path)


def unpack(packages, root):
    """As on a system whose /lib is /usr/lib, wherever a package puts its files."""
    os.makedirs(os.path.join(root, "usr", "lib"))
    os.symlink("usr/lib", os.path.join(root, "lib"))
    for package in packages:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as stream:
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "--exclude=./usr/share/doc", "--exclude=./usr/share/man",
                            "-C", root], stdin=stream.stdout, check=True)
        if stream.returncode:
            raise SystemExit(f"{package} could not be unpacked")
    absolute_links_mend(root)


def make(architecture, names, directory):
    """Downloads and unpacks; what is fetched is verified by apt as always."""
    place = os.path.join(directory, "apt")
    command = debian.apt(place, architecture)
    subprocess.run([*command, "update"], check=False)  # a place without this architecture is no matter, if all is had elsewhere
    subprocess.run([*command, "--download-only", "install", *names], check=True)
    part = os.path.join(directory, "root.part")
    shutil.rmtree(part, ignore_errors=True)
    unpack(sorted(glob.glob(os.path.join(glob.escape(place), "cache", "archives", "*.deb"))), part)
    shutil.rmtree(place)
    return part


def sysroot(architecture, names):
    """The tree with these packages and what they need. It is made anew where the host's own versions of them changed: then
    the libraries that it is compared with did."""
    versions = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False).stdout
    key = hashlib.sha256(f"{architecture}\n{sorted(names)}\n{versions}".encode()).hexdigest()[:16]
    root = os.path.join(CACHE, f"{architecture}-{key}")
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(root):
            for old in glob.glob(os.path.join(glob.escape(CACHE), architecture + "-*")):
                shutil.rmtree(old)
            os.rename(make(architecture, names, CACHE), root)
    return root
