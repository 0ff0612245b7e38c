"""The libraries that we use, built for musl from Debian's sources of the versions installed here, as static ones.

Each lies below the user's cache directory under a name made of its recipe and version, so that what is there is right.
"""

import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess

import debian
import recipes
import sysroot
from files import written

CACHE = os.path.join(os.path.dirname(sysroot.CACHE), "musl")

# musl's headers, and the kernel's. musl-gcc knows of no static-pie: a program is then static only.
COMPILER = """#!/bin/sh
for word; do
	shift
	[ "$word" != -static-pie ] || word=-static
	set -- "$@" "$word"
done
exec musl-gcc -idirafter "{kernel}" "$@"
"""

CMAKE = ["cmake", "-G", "Ninja", "-DCMAKE_C_COMPILER={cc}", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF",
         "-DCMAKE_INSTALL_PREFIX={prefix}", "-DCMAKE_INSTALL_LIBDIR=lib", "-DCMAKE_FIND_ROOT_PATH={prefix}",
         "-DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY", "-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY",
         "-DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY", "-S", "{source}", "-B", "{build}"]
INSTALL = ["ninja", "-C", "{build}", "install"]


def configured(*options):
    """By a script of autoconf's; run with the .pc files of what was made before."""
    return [["sh", "-c", "cp -R {source}/. {build} && cd {build} && { [ -x configure ] || autoreconf -fi; } && ./configure -q "
                         "--host=x86_64-linux-musl --prefix={prefix} --libdir={prefix}/lib --disable-shared --enable-static "
                         "--disable-dependency-tracking CC={cc} " + " ".join(options)],
            ["make", "-s", "-C", "{build}", "-j2", "install"]]


# In the order in which they need each other: the -dev package whose version is taken, and the commands that make it.
LIBRARIES = {
    "uv": ("libuv1-dev", [
        [*CMAKE, *recipes.UV], ["ninja", "-C", "{build}", "uv_a"],
        ["sh", "-c", "cp -R {source}/include {prefix}/ && cp {build}/libuv_a.a {prefix}/lib/libuv.a"],
    ]),
    "jansson": ("libjansson-dev", [
        [*CMAKE, *recipes.JANSSON], INSTALL]),
    "cmocka": ("libcmocka-dev", [
        [*CMAKE, *recipes.CMOCKA], INSTALL,
        ["sh", "-c", "cd {prefix}/lib && rm libcmocka.so* && mv libcmocka-static.a libcmocka.a"],
    ]),
    "archive": ("libarchive-dev", [
        [*CMAKE, *recipes.ARCHIVE],
        ["ninja", "-C", "{build}", "archive_static"],
        ["sh", "-c", "cp {build}/libarchive/libarchive.a {prefix}/lib && "
                     "cp {source}/libarchive/archive.h {source}/libarchive/archive_entry.h {prefix}/include"],
    ]),
    "curl": ("libcurl4-openssl-dev", [
        [*CMAKE, *recipes.CURL], INSTALL]),
    "sodium": ("libsodium-dev", configured("--disable-pie")),
    "sqlite3": ("libsqlite3-dev", [
        ["sh", "-c", "cd {build} && {source}/configure -q --disable-tcl --disable-readline && make -s sqlite3.c && "
                     "{cc} -O2 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_THREADSAFE=1 -c sqlite3.c && ar rcs {prefix}/lib/libsqlite3.a sqlite3.o && "
                     "cp sqlite3.h {prefix}/include"],
    ]),
    "cap": ("libcap-dev", [
        ["sh", "-c", "cp -R {source}/. {build} && make -s -C {build}/libcap CC={cc} BUILD_CC=cc prefix={prefix} lib=lib SHARED=no "
                     "PTHREADS=no libcap.a libcap.pc && cp {build}/libcap/libcap.a {prefix}/lib && "
                     "cp {build}/libcap/libcap.pc {prefix}/lib/pkgconfig && cp -R {build}/libcap/include/sys {prefix}/include/"],
    ]),
    "seccomp": ("libseccomp-dev", configured()),
}
# Those of netfilter are not made: what uses them is compiled with their headers, and linked with functions that do nothing.
STANDINS = {"libmnl": "libmnl", "libnftables": "nftables"}
# Those whose own .pc file is not made, or names what is not there.
DESCRIBED = {"libuv": ("uv", "-lpthread -ldl -lrt"), "libarchive": ("archive", ""), "libcurl": ("curl", ""), "sqlite3": ("sqlite3", "-lm"),
             "libmnl": ("mnl", ""), "libnftables": ("nftables", "")}


def digest(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def compiler():
    """musl's, with the kernel's headers, which are not the C library's."""
    kernel = os.path.join(CACHE, "kernel")
    shutil.rmtree(kernel, ignore_errors=True)
    os.makedirs(kernel)
    for name in ("linux", "asm-generic", "asm"):
        for place in ("/usr/include", "/usr/include/x86_64-linux-gnu"):
            if os.path.isdir(os.path.join(place, name)):
                os.symlink(os.path.join(place, name), os.path.join(kernel, name))
                break
    # Alpine has it in a package of its own (bsd-compat-headers).
    os.makedirs(os.path.join(kernel, "sys"))
    os.symlink("/usr/include/x86_64-linux-gnu/sys/queue.h", os.path.join(kernel, "sys", "queue.h"))
    path = os.path.join(CACHE, "cc")
    return written(path, COMPILER.format(kernel=kernel), 0o755)


def make(name, commands, words):
    build = os.path.join(CACHE, "build", name)
    shutil.rmtree(build, ignore_errors=True)
    os.makedirs(build)
    print(f"library: {name}", flush=True)
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": words["prefix"] + "/lib/pkgconfig", "CFLAGS": "-O2 -fPIC -w"}
    with open(build + ".log", "w", encoding="utf-8") as log:
        for command in commands:
            filled = [re.sub(r"\{(\w+)\}", lambda m: {**words, "build": build}[m[1]], part) for part in command]
            ran = subprocess.run(filled, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=build, env=environment, check=False)
            if ran.returncode:
                with open(build + ".log", encoding="utf-8", errors="replace") as said:
                    print("".join(said.readlines()[-60:]))
                raise SystemExit(f"{name} does not build with musl")
    shutil.rmtree(build)


def stand_in(prefix, names, cc):
    """Functions of these names that fail, under the libraries' names."""
    place = os.path.join(prefix, "standins.c")
    written(place, "".join(f"long {name}(void);\nlong {name}(void) {{ return 0; }}\n" for name in names))
    subprocess.run([cc, "-c", "-fPIC", "-o", place + ".o", place], check=True)
    for library, headers in STANDINS.items():
        shutil.copytree(os.path.join("/usr/include", headers), os.path.join(prefix, "include", headers), dirs_exist_ok=True)
        subprocess.run(["ar", "rcs", os.path.join(prefix, "lib", library + ".a"), place + ".o"], check=True)


def describe(prefix):
    for name, (library, needs) in DESCRIBED.items():
        recipes.describe(os.path.join(prefix, "lib", "pkgconfig"), name, prefix, library, needs)


def make_all(prefix, cc, versions):
    for old in glob.glob(os.path.join(glob.escape(CACHE), "prefix-*")):
        shutil.rmtree(old)
    for name in ("lib/pkgconfig", "include"):
        os.makedirs(os.path.join(prefix, name))
    command = debian.apt(os.path.join(CACHE, "apt"), "amd64", debian.sources)
    subprocess.run([*command, "update"], check=False)
    for name, (_, commands) in LIBRARIES.items():
        source = os.path.join(CACHE, "sources", name)
        debian.source(command, *versions[name], source)
        make(name, commands, {"source": source, "prefix": prefix, "cc": cc})
    for name in ("apt", "sources", "build"):
        shutil.rmtree(os.path.join(CACHE, name), ignore_errors=True)
    written(os.path.join(prefix, "complete"), "")


def libraries(used):
    """The prefix they lie in, and the compiler; all are made anew where a recipe or a version changed. `used` are the functions of
    netfilter's."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cc = compiler()
        versions = {name: tuple(debian.installed(package)) for name, (package, _) in LIBRARIES.items()}
        prefix = os.path.join(CACHE, "prefix-" + digest(LIBRARIES, DESCRIBED, COMPILER, versions))
        if not os.path.exists(os.path.join(prefix, "complete")):
            make_all(prefix, cc, versions)
        stand_in(prefix, used, cc)
        describe(prefix)
        return prefix, cc
