#!/usr/bin/env python3
"""run.py --build DIRECTORY --state DIRECTORY: makes the appliance, starts it as a user of QEMU would and, from its .ova, as one of
VirtualBox would, calls it through its port, and turns it off; looks at the .ova, and at Packer's templates for FreeBSD.

The machines are QEMU's own emulation, so they need nothing of the host and are slow. Their limits of time are stretched by the
configuration that they are given."""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import traceback
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests", "system"), os.path.join(TOP, "tools", "appliance")]

import machine  # noqa: E402
import make  # noqa: E402
import ova  # noqa: E402
import proxy  # noqa: E402

PACKER = os.path.join(TOP, "contrib", "packer")
MODULE = "example.com/appliance"
SOURCE = {"a.go": 'package appliance\n\n// Twice says it two times.\nfunc Twice(s string) string { return s + s }\n'}
TOKEN = "given-to-it-by-its-operator"
NOT_HERE = 77
# The root file system's bytes, the units that failed, who it is, and where others on its network find something: DHCP's client aside.
INSIDE = ("df -B1 --output=size / | tail -n 1; echo failed:$(systemctl --failed --no-legend --plain); cat /etc/machine-id;"
          " echo listens:$(ss -Hlntu | awk '{ print $1, $5 }' | grep -Ev ' 127[.]| .::1.:|:(68|546)$')")
BOOT = 600  # seconds; an emulated machine on a busy host


class Skip(Exception):
    """The text says what is missing."""


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def run(*command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False, **options)


def must(*command, **options):
    done = run(*command, **options)
    check(done.returncode == 0, "%s: %d\n%s" % (" ".join(command), done.returncode, done.stdout[-6000:]))
    return done.stdout


def needs_qemu():
    if shutil.which("qemu-system-x86_64") is None:
        raise Skip("appliance: there is no qemu-system-x86_64 to start it with")


def configured(**more):
    """The appliance's own configuration, with limits of time for an emulated machine."""
    with open(os.path.join(make.HERE, "root/usr/local/etc/sky-island/config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config["jails"].update(build_timeout="20m", fetch_timeout="20m", exec_timeout="2m", init_timeout="2m", queue_timeout="2m")
    return json.dumps({**config, **more})


class Appliance:
    def __init__(self, build, state, work):
        self.build, self.state, self.work = build, state, work
        self.out = os.path.join(TOP, "build", "appliance")

    # ---- the tests, in order ----

    def is_made(self):
        done = run(sys.executable, os.path.join(make.HERE, "make.py"), "--build", self.build, "--state", self.state, "--out", self.out)
        if done.returncode == NOT_HERE:
            raise Skip(done.stdout.strip())
        check(done.returncode == 0, done.stdout)
        print(re.sub("(?m)^", "note  ", done.stdout.rstrip()), flush=True)

    def qcow2_starts_and_is_called(self):
        """With a disk that is larger than the image, and a proxy for modules: the guest fetches, builds and runs. Its token is its own."""
        needs_qemu()
        tree = proxy.Tree(os.path.join(self.work, "modules")).add(MODULE, SOURCE)
        with proxy.Web(tree.path) as web:
            config = configured(modules={"goproxy": web.url.replace("127.0.0.1", machine.HOST), "gosumdb": "off"})
            with machine.Machine("qcow2", os.path.join(self.out, "sky-island.qcow2"), "qcow2", machine.QEMU, None,
                                 {"sky-island.config": config}, self.work, size=make.SIZE + (4 << 30)) as guest:
                self.is_called(guest, None, MODULE, 'Twice("ab")', "abab")
                size, failed, machine_id, listens = guest.shell(INSIDE).split("\n")
                check(19 << 30 < int(size) < 20 << 30, "the root file system has %s bytes" % size)
                check(failed == "failed:", failed)
                check(re.fullmatch("[0-9a-f]{32}", machine_id), machine_id)
                check(listens == "listens:tcp 0.0.0.0:%d" % machine.GUEST_PORT, listens)
                self.is_turned_off(guest)
            check(any(MODULE in path for path in web.asked), "nobody asked the proxy: %s" % web.asked)

    def ova_is_whole(self):
        """A tar in its order, whose manifest is right and whose descriptor says what is in it."""
        self.unpacked = os.path.join(self.work, "ova")
        with tarfile.open(os.path.join(self.out, "sky-island.ova")) as tar:
            names = tar.getnames()
            check([os.path.splitext(name)[1] for name in names] == [".ovf", ".mf", ".vmdk"], names)
            check(all(member.isreg() and member.name == os.path.basename(member.name) for member in tar.getmembers()), names)
            tar.extractall(self.unpacked, filter="data")
        ovf, manifest, vmdk = (os.path.join(self.unpacked, name) for name in names)
        with open(manifest, encoding="utf-8") as file:
            said = dict(re.findall(r"^SHA256\((.+)\)= ([0-9a-f]{64})$", file.read(), re.M))
        for path in (ovf, vmdk):
            with open(path, "rb") as file:
                check(said.pop(os.path.basename(path), None) == hashlib.file_digest(file, "sha256").hexdigest(), "the manifest, of " + path)
        check(not said, "the manifest has more: %s" % said)
        self.refers_to_what_is_there(ovf, vmdk)
        told = json.loads(must("qemu-img", "info", "--output=json", vmdk))
        check((told["format"], told["virtual-size"], told["format-specific"]["data"]["create-type"]) == ("vmdk", make.SIZE, "streamOptimized"), told)
        self.vmdk = vmdk

    def refers_to_what_is_there(self, ovf, vmdk):
        """What a schema does not see: each name in the descriptor is of something in it, or in the tar."""
        tree = ElementTree.parse(ovf)

        def named(path, attribute):
            return [found.get("{%s}%s" % (ova.OVF, attribute)) for found in tree.iterfind(path, {"ovf": ova.OVF})]

        def texts(name):
            return [found.text for found in tree.iter("{%s}%s" % (ova.RASD, name))]

        check(named(".//ovf:File", "href") == [os.path.basename(vmdk)], "its file")
        check(named(".//ovf:File", "size") == [str(os.path.getsize(vmdk))], "its file's size")
        check(named(".//ovf:Disk", "fileRef") == named(".//ovf:File", "id"), "its disk's file")
        check(named(".//ovf:Disk", "capacity") == [str(make.SIZE)], "its disk's size")
        check(texts("HostResource") == ["ovf:/disk/" + name for name in named(".//ovf:Disk", "diskId")], "its machine's disk")
        check(texts("Connection") == named(".//ovf:Network", "name"), "its network")
        numbers = texts("InstanceID")
        check(len(set(numbers)) == len(numbers) and set(texts("Parent")) <= set(numbers), "its hardware's numbers")

    def ovf_follows_its_schema(self):
        must("xmllint", "--nonet", "--noout", "--relaxng", os.path.join(HERE, "ovf.rng"), os.path.join(self.unpacked, "sky-island.ovf"))

    def a_wrong_ovf_does_not(self):
        """The schema can say no: to what is missing, of another type, out of order, unknown, and to a reference to nothing."""
        with open(os.path.join(self.unpacked, "sky-island.ovf"), encoding="utf-8") as file:
            good = file.read()
        bad = {
            "no file": re.sub("<ovf:File [^>]*>", "", good),
            "a number": re.sub('ovf:capacity="[0-9]+"', 'ovf:capacity="much"', good),
            "order": re.sub("(<rasd:ElementName>processors.*?>)(\\s*)(<rasd:InstanceID>.*?</rasd:InstanceID>)", "\\3\\2\\1", good),
            "unknown": good.replace("rasd:HostResource", "rasd:HostResort"),
            "namespace": good.replace(ova.OVF, ova.OVF + "0"),
            "attribute": good.replace("ovf:href", "href"),
        }
        for what, text in bad.items():
            check(text != good, what)
            path = os.path.join(self.work, "bad.ovf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = run("xmllint", "--nonet", "--noout", "--relaxng", os.path.join(HERE, "ovf.rng"), path)
            check(done.returncode in (3, 4), "%s: xmllint ended with %d\n%s" % (what, done.returncode, done.stdout))

    def vmdk_starts_and_is_called(self):
        """From the .ova, on a SATA disk and an Intel card, with a token that is given."""
        needs_qemu()
        with machine.Machine("vmdk", self.vmdk, "vmdk", machine.VIRTUALBOX, None,
                             {"sky-island.config": configured(), "sky-island.function-token": TOKEN}, self.work) as guest:
            self.is_called(guest, TOKEN, "strings", 'ToUpper("ova")', "OVA")
            self.is_turned_off(guest)

    def packer_validates(self):
        if shutil.which("packer") is None:
            raise Skip("packer: there is none")
        given = {"iso_url": "file:///nowhere/FreeBSD-14.3-RELEASE-amd64-disc1.iso", "iso_checksum": "sha256:" + "0" * 64,
                 "release_url": "file:///nowhere", "source": os.path.join(TOP, "README.md")}
        environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "PACKER_CONFIG_DIR": self.work, "PACKER_CACHE_DIR": self.work}
        words = ["-var=%s=%s" % one for one in given.items()]
        must("packer", "validate", *words, PACKER, env=environment)
        for left in range(len(words)):
            done = run("packer", "validate", *words[:left], *words[left + 1:], PACKER, env=environment)
            check(done.returncode != 0 and "Unset variable" in done.stdout, "without %s: %s" % (words[left], done.stdout))

    def scripts_are_clean(self):
        scripts = [os.path.join(make.HERE, name) for name in ("system", "fill", "base/etc/initramfs-tools/hooks/appliance")]
        scripts += [os.path.join(make.HERE, "root/usr/local/lib/appliance", name) for name in ("secrets", "console")]
        scripts += [os.path.join(PACKER, name) for name in ("provision.sh", "seal.sh", "sky_island_token", "http/installerconfig")]
        must("shellcheck", *scripts)

    # ---- what both machines do ----

    @staticmethod
    def is_called(guest, token, url, call, expected):
        body = {"url": url, "call": call}
        check(guest.until(guest.healthy, BOOT, "health") == (200, {"status": "ok"}), "health")
        print("note  %s: healthy after %.0f s" % (url, guest.seconds()), flush=True)
        status, answer = guest.send("POST", "/api/v1/function", body)
        check((status, answer.get("code")) == (401, "unauthorized"), "without a token: %d %s" % (status, answer))
        shown = guest.until(lambda: re.search("Authorization: Bearer ([^'\n]+)'", guest.said()), 60, "the token on the console").group(1)
        check(shown == token if token else re.fullmatch("[0-9a-f]{64}", shown), "the console shows the token %s" % shown)
        status, answer = guest.send("POST", "/api/v1/function", body, {"Authorization": "Bearer " + shown})
        check((status, answer.get("data")) == (200, expected), "%d %s" % (status, answer))
        print("note  %s: answered after %.0f s" % (url, guest.seconds()), flush=True)

    @staticmethod
    def is_turned_off(guest):
        check(guest.power_button() == 0 and "reboot: Power down" in guest.said(), "its end:\n" + guest.said()[-3000:])
        print("note  off after %.0f s" % guest.seconds(), flush=True)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def one(self, test):
        """Whether it passed."""
        try:
            test()
        except Skip as why:
            print("skip  %s" % why, flush=True)
            self.skipped += 1
        except Exception:  # noqa: BLE001 # whatever a test ends with is its failure
            print("not ok %s: %s" % (test.__name__, traceback.format_exc()), flush=True)
            self.failed += 1
        else:
            print("ok %s" % test.__name__, flush=True)
            self.passed += 1
            return True
        return False

    def beside(self, tests):
        """All at once: a machine that starts keeps one cpu busy."""
        threads = [threading.Thread(target=self.one, args=(test,)) for test in tests]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main():
    parser = argparse.ArgumentParser(usage="run.py --build DIRECTORY --state DIRECTORY")
    for name in ("--build", "--state"):
        parser.add_argument(name, required=True, type=os.path.abspath)
    options = parser.parse_args()
    os.makedirs(os.path.join(TOP, "build", "appliance"), exist_ok=True)
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=os.path.join(TOP, "build", "appliance")) as work:
        tests = Appliance(options.build, options.state, work)
        tally.one(tests.packer_validates)
        tally.one(tests.scripts_are_clean)
        if tally.one(tests.is_made) and tally.one(tests.ova_is_whole):
            tally.one(tests.ovf_follows_its_schema)
            tally.one(tests.a_wrong_ovf_does_not)
            tally.beside([tests.qcow2_starts_and_is_called, tests.vmdk_starts_and_is_called])
    print("%d passed, %d failed, %d skipped" % (tally.passed, tally.failed, tally.skipped))
    return 1 if tally.failed else 0 if tally.passed else NOT_HERE


if __name__ == "__main__":
    sys.exit(main())
