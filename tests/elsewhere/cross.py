"""What the program is cross-built with for FreeBSD: zig's clang with FreeBSD's headers and stubs of its libraries, and the
libraries that we use, built from Debian's sources of the versions installed here.

Both lie below the user's cache directory: each library under a name made of its recipe, its version and the toolchain's, so
that what is there is right, and one that changed is made anew. Nothing of the host's own apt is touched.
"""

import concurrent.futures
import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading

import debian
import recipes
from files import written

ZIG = "0.17.1"
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sky-island", "freebsd")

# Headers are of one version for all; what the linker finds is that version's. Libraries are built for the older one and serve
# the newer as well, as FreeBSD promises.
TARGETS = {
    "14.0-amd64": ("x86_64", "14.0"),
    "15.0-amd64": ("x86_64", "15.0"),
    "14.0-arm64": ("aarch64", "14.0"),
}
LIBRARIES_FOR = "14.0"

CMAKE = ["cmake", "-G", "Ninja", "-DCMAKE_TOOLCHAIN_FILE={toolchain}", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF",
         "-DCMAKE_INSTALL_PREFIX={prefix}", "-DCMAKE_INSTALL_LIBDIR=lib", "-S", "{source}", "-B", "{build}"]

# The -dev package whose version is taken, and the commands that make and install it, each in the build directory.
LIBRARIES = {
    "uv": ("libuv1-dev", [
        [*CMAKE, *recipes.UV],
        ["ninja", "-C", "{build}", "uv_a"],
        ["sh", "-c", "mkdir -p {prefix}/lib && cp -R {source}/include {prefix}/ && cp {build}/libuv_a.a {prefix}/lib/libuv.a"],
    ]),
    "jansson": ("libjansson-dev", [
        [*CMAKE, "-DCMAKE_POSITION_INDEPENDENT_CODE=ON", *recipes.JANSSON],
        ["ninja", "-C", "{build}", "install"],
    ]),
    "sodium": ("libsodium-dev", [
        ["sh", "-c", "cp -R {source}/. {build} && cd {build} && autoreconf -fi && "
                     "./configure -q --host={triple} --prefix={prefix} --disable-shared --disable-pie --disable-ssp "
                     "--disable-dependency-tracking CC={cc} AR={ar} RANLIB={ranlib}"],
        ["make", "-s", "-C", "{build}", "-j2", "install"],
    ]),
    "archive": ("libarchive-dev", [
        [*CMAKE, *recipes.ARCHIVE],
        ["ninja", "-C", "{build}", "archive_static"],
        ["sh", "-c", "mkdir -p {prefix}/lib {prefix}/include && cp {build}/libarchive/libarchive.a {prefix}/lib && "
                     "cp {source}/libarchive/archive.h {source}/libarchive/archive_entry.h {prefix}/include"],
    ]),
    "curl": ("libcurl4-openssl-dev", [
        [*CMAKE, "-DCMAKE_POSITION_INDEPENDENT_CODE=ON", *recipes.CURL, "-DENABLE_THREADED_RESOLVER=OFF",
         # What would be found out by running a program.
         "-DHAVE_POLL_FINE_EXITCODE=0", "-DHAVE_FSETXATTR_5_EXITCODE=1", "-DHAVE_FSETXATTR_6_EXITCODE=1",
         "-DHAVE_GLIBC_STRERROR_R_EXITCODE=1", "-DHAVE_POSIX_STRERROR_R_EXITCODE=0",
         "-DHAVE_GETHOSTBYNAME_R_6=0", "-DHAVE_GETHOSTBYNAME_R_6_REENTRANT=0"],
        ["ninja", "-C", "{build}", "install"],
    ]),
    "cmocka": ("libcmocka-dev", [
        [*CMAKE, *recipes.CMOCKA],
        ["ninja", "-C", "{build}", "install"],
    ]),
    "sqlite3": ("libsqlite3-dev", [
        ["sh", "-c", "cd {build} && {source}/configure -q --disable-tcl --disable-readline && make -s sqlite3.c"],
        ["sh", "-c", "cd {build} && {cc} -O2 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_THREADSAFE=1 -c sqlite3.c && "
                     "{ar} rcs libsqlite3.a sqlite3.o && mkdir -p {prefix}/lib {prefix}/include && "
                     "cp libsqlite3.a {prefix}/lib && cp sqlite3.h {prefix}/include"],
    ]),
}
# Those whose own .pc file is not there, or names the compiler's libraries; and what they need besides.
DESCRIBED = {"libuv": ("uv", "-lpthread"), "libarchive": ("archive", ""), "libcurl": ("curl", ""),
             "sqlite3": ("sqlite3", "-lpthread -lm")}


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


# ---- the toolchain ----


def zig():
    """The compiler's own program, from its Python package in an environment of ours."""
    environment = os.path.join(CACHE, "zig-" + ZIG)
    if not os.path.isdir(environment):
        part = environment + ".part"
        shutil.rmtree(part, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check",
                        "--target", part, "ziglang==" + ZIG], check=True)
        os.rename(part, environment)
    return os.path.join(environment, "ziglang", "zig")


class Toolchain:
    """Commands by the usual names for an architecture and a version; the sanitizer that zig turns on is off."""

    def __init__(self, architecture, version):
        self.architecture, self.version = architecture, version
        self.triple = f"{architecture}-unknown-freebsd{version}"
        bin_ = os.path.join(CACHE, "bin", self.triple)
        compiler = zig()
        # What is compiled for a tree stays in that tree.
        head = f'#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR="{CACHE}/zig" ZIG_LOCAL_CACHE_DIR="${{ZIG_LOCAL_CACHE_DIR:-{CACHE}/zig}}"\n'
        target = f"{architecture}-freebsd.{version}-none"
        # Meson asks the linker who it is, which zig passes on to nobody.
        cc = head + (f'case " $* " in *" -Wl,--version "*) echo "LLD (compatible with GNU linkers)" && exit ;; esac\n'
                     f'exec "{compiler}" cc -target {target} -fno-sanitize=all "$@"\n')
        self.cc = written(os.path.join(bin_, "cc"), cc, 0o755)
        self.ar = written(os.path.join(bin_, "ar"), head + f'exec "{compiler}" ar "$@"\n', 0o755)
        self.ranlib = written(os.path.join(bin_, "ranlib"), head + f'exec "{compiler}" ranlib "$@"\n', 0o755)
        self.cmake = written(os.path.join(bin_, "toolchain.cmake"), f"""set(CMAKE_SYSTEM_NAME FreeBSD)
set(CMAKE_SYSTEM_VERSION {version})
set(CMAKE_SYSTEM_PROCESSOR {architecture})
set(CMAKE_C_COMPILER {self.cc})
set(CMAKE_AR {self.ar} CACHE FILEPATH "")
set(CMAKE_RANLIB {self.ranlib} CACHE FILEPATH "")
set(CMAKE_FIND_ROOT_PATH /nonexistent)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
""")

    def machine(self, prefix):
        """Meson's words for it."""
        family = {"x86_64": "x86_64", "aarch64": "aarch64"}[self.architecture]
        return f"""[binaries]
c = '{self.cc}'
ar = '{self.ar}'
pkgconfig = 'pkg-config'
pkg-config = 'pkg-config'

[properties]
pkg_config_libdir = '{prefix}/lib/pkgconfig'

[host_machine]
system = 'freebsd'
cpu_family = '{family}'
cpu = '{family}'
endian = 'little'
"""


def headers(architecture):
    """The directories of FreeBSD's headers, for who compiles without zig."""
    include = os.path.join(os.path.dirname(zig()), "lib", "libc", "include")
    return [os.path.join(include, name) for name in
            (f"{architecture}-freebsd-none", f"{architecture}-freebsd-any", "generic-freebsd", "any-freebsd-any")
            if os.path.isdir(os.path.join(include, name))]


# ---- sources ----

apt_turn = threading.Lock()
apt_command = []


def source(package, version):
    directory = os.path.join(CACHE, "sources", f"{package}-{version.replace(':', '_')}")
    with apt_turn:
        if not apt_command:
            apt_command[:] = debian.apt(os.path.join(CACHE, "apt"), "amd64", debian.sources)
            subprocess.run([*apt_command, "update"], check=True)
        if not os.path.isdir(directory):
            debian.source(apt_command, package, version, directory)
    return directory


# ---- libraries ----


def library_make(name, commands, src, toolchain, prefix):
    build = prefix + ".build"
    for directory in (build, prefix + ".part"):
        shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(build)
    # Installed where it will be: some write the place into what they install.
    words = {"source": src, "build": build, "prefix": prefix, "toolchain": toolchain.cmake, "triple": toolchain.triple,
             "cc": toolchain.cc, "ar": toolchain.ar, "ranlib": toolchain.ranlib}
    shutil.rmtree(prefix, ignore_errors=True)
    print(f"library: {name} for {toolchain.triple}", flush=True)
    for command in commands:
        with open(build + ".log", "a", encoding="utf-8") as log:
            ran = subprocess.run([part.format(**words) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 cwd=build, env={**os.environ, "ZIG_LOCAL_CACHE_DIR": build + "/zig"}, check=False)
        if ran.returncode:
            with open(build + ".log", encoding="utf-8", errors="replace") as log:
                print("".join(log.readlines()[-60:]))
            raise SystemExit(f"{name} does not build for FreeBSD")
    shutil.rmtree(build)
    os.remove(build + ".log")
    written(os.path.join(prefix, "complete"), "")


def package_config(root, made):
    """One directory of .pc files for all of them."""
    for library, prefix in made.items():
        for path in glob.glob(os.path.join(glob.escape(prefix), "lib", "pkgconfig", "*.pc")):
            with open(path, encoding="utf-8") as f:
                written(os.path.join(root, os.path.basename(path)), f.read())
    for name, (library, needs) in DESCRIBED.items():
        recipes.describe(root, name, made[library], library, needs)


def libraries(architecture):
    """The prefix whose lib/pkgconfig names all of them."""
    toolchain = Toolchain(architecture, LIBRARIES_FOR)
    made, keys = {}, {}
    for name, (package, commands) in LIBRARIES.items():
        src, version = debian.installed(package)
        keys[name] = digest(ZIG, toolchain.triple, commands, version)
        prefix = made[name] = os.path.join(CACHE, "libraries", f"{name}-{architecture}-{keys[name]}")
        if not os.path.exists(os.path.join(prefix, "complete")):
            library_make(name, commands, source(src, version), toolchain, prefix)
    root = os.path.join(CACHE, "prefix", f"{architecture}-{digest(keys, DESCRIBED)}")
    package_config(os.path.join(root, "lib", "pkgconfig"), made)
    return root


def all_libraries():
    """Both architectures beside each other: most of it is asking the compiler one question after another."""
    names = sorted({architecture for architecture, _ in TARGETS.values()})
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        zig()
        with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
            made = dict(zip(names, pool.map(libraries, names)))
        for name in ("sources", "apt"):  # a recipe that changes gets them anew
            shutil.rmtree(os.path.join(CACHE, name), ignore_errors=True)
    return made
