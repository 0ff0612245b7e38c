"""In a container as Docker makes it by default, and with flags that give back what it takes: it works, or says which flag.

The containers are runc's. What Docker gives one is in words of our own: its capabilities, its view of /proc and /sys, and of its
filter what it refuses of the calls that jails are made with. AppArmor is not tried, most hosts having none.
"""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import sky

CAPABILITIES = ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",
                "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]
NEW_NAMESPACES = 0x7E020000
# Refused always, and to who has not CAP_SYS_ADMIN.
NEVER = ["pivot_root", "keyctl", "add_key", "request_key", "userfaultfd", "kexec_load", "swapon", "swapoff", "io_uring_setup"]
ADMINS = ["bpf", "fsconfig", "fsmount", "fsopen", "mount", "mount_setattr", "move_mount", "open_tree", "setns", "sethostname", "umount2",
          "unshare"]
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
DEVICES = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)]


def refused(names, number=1, **rule):
    return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": number, **rule}


def filter_of(admin):
    rules = [refused(NEVER)]
    if not admin:
        rules += [refused(ADMINS), refused(["clone3"], 38)]
        rules += [refused(["clone"], args=[{"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"}])
                  for bit in (1 << i for i in range(32)) if bit & NEW_NAMESPACES]
    return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"], "syscalls": rules}


def mount(kind, to, source=None, *options):
    return {"type": kind, "destination": to, "source": source or kind, "options": ["nosuid", *options]}


def bound(path, to=None, *options):
    return {"type": "bind", "destination": to or path, "source": path, "options": ["rbind", *options]}


def setUpModule():
    if os.uname().sysname != "Linux" or shutil.which("runc") is None:
        raise unittest.SkipTest("runc is not installed: no containers are made")


class Container(unittest.TestCase):
    def setUp(self):
        self.own = sky.Sky("container")
        self.own.write_config()
        self.top = tempfile.mkdtemp(prefix="container-", dir=sky.work)
        self.addCleanup(shutil.rmtree, self.top)
        self.root = os.path.join(self.top, "root")
        os.makedirs(os.path.join(self.root, "run"))
        with open(os.path.join(self.root, ".dockerenv"), "w", encoding="utf-8"):
            pass

    def mounts(self, cgroups):
        made = [mount("proc", "/proc", None, "noexec", "nodev"), mount("tmpfs", "/dev", None, "mode=755"), mount("sysfs", "/sys", None, "noexec", "nodev", "ro"),
                mount("cgroup", "/sys/fs/cgroup", None, "noexec", "nodev", cgroups), mount("tmpfs", "/tmp", None, "nodev", "mode=1777"),
                bound("/usr", None, "ro"), bound("/etc", None, "ro"), bound(sky.template), bound(self.own.state),
                bound(os.path.dirname(self.own.config_path), "/config", "ro"), bound(sky.binary, "/sky-island", "ro")]
        for name in ("bin", "lib", "lib64", "sbin"):
            if os.path.islink("/" + name):
                if not os.path.lexists(os.path.join(self.root, name)):
                    os.symlink(os.readlink("/" + name), os.path.join(self.root, name))
            elif os.path.isdir("/" + name):
                made.append(bound("/" + name, None, "ro"))
        return made

    def configuration(self, arguments, add, filtered, user, cgroups, environment):
        has = ["CAP_" + name for name in CAPABILITIES + add]
        system = {
            "namespaces": [{"type": name} for name in ("mount", "network", "uts", "pid", "ipc", "cgroup")],
            "cgroupsPath": "/%s-container" % self.own.instance,
            "maskedPaths": MASKED, "readonlyPaths": READ_ONLY,
            "resources": {"devices": [{"allow": False, "access": "rwm"}] + [
                {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"} for major, minor in DEVICES]},
        }
        if filtered:
            system["seccomp"] = filter_of("SYS_ADMIN" in add)
        return {
            "ociVersion": "1.0.2", "hostname": "container", "root": {"path": self.root}, "mounts": self.mounts(cgroups), "linux": system,
            "process": {"args": arguments, "cwd": "/", "user": {"uid": user, "gid": user}, "noNewPrivileges": False,
                        "env": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/tmp", *environment],
                        "capabilities": {"bounding": has, "effective": [] if user else has, "permitted": [] if user else has}},
        }

    def inside(self, *arguments, add=(), filtered=True, user=0, cgroups="ro", environment=()):
        """Status and all that was said."""
        with open(os.path.join(self.top, "config.json"), "w", encoding="utf-8") as file:
            json.dump(self.configuration(list(arguments), list(add), filtered, user, cgroups, environment), file)
        done = subprocess.run(["runc", "--root", os.path.join(self.top, "runc"), "run", "--bundle", self.top, self.own.instance],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    def island(self, *arguments, **options):
        return self.inside("/sky-island", "-c", "/config/" + os.path.basename(self.own.config_path), *arguments, **options)

    def needs(self, wanted, **options):
        status, said = self.island("doctor", **options)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, r"(?m)^fail +namespaces +.*: (Operation not permitted|Function not implemented); this container")
        self.assertIn("; this container%s (docs/containers.md)\n" % wanted, said)
        self.assertIn("calls cannot run here: 1 failed", said)


class Docker(Container):
    def test_defaults(self):
        self.needs(" needs docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined")

    def test_half_of_what_is_needed(self):
        """Only the other half is asked for."""
        self.needs(" needs docker run --security-opt seccomp=unconfined", add=["SYS_ADMIN"])
        self.needs(" needs docker run --cap-add SYS_ADMIN", filtered=False)

    def test_what_it_asked_for(self):
        """Then calls run, limited by rlimits for want of control groups that could be written."""
        status, said = self.island("doctor", add=["SYS_ADMIN"], filtered=False)
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"(?m)^warn +cgroups +rlimits stand in for memory and pids: .*Read-only file system")
        status, said = self.island("run", "strings", 'ToUpper("island")', add=["SYS_ADMIN"], filtered=False)
        self.assertEqual(status, 0, said)
        self.assertIn("ISLAND", said)

    def test_addresses(self):
        """Want the right to make links, and to switch on forwarding."""
        self.own.config["network"] = {"ip4": {"start_addr": "10.77.0.2", "mask": "255.255.255.0", "range": 20, "gateway": "10.77.0.1"}}
        self.own.write_config()
        options = {"add": ["SYS_ADMIN"], "filtered": False}
        for wanted in ("--cap-add NET_ADMIN", "--security-opt systempaths=unconfined"):
            status, said = self.island("doctor", **options)
            self.assertEqual(status, 1, said)
            self.assertRegex(said, r"(?m)^fail +network +.*; this container needs docker run %s \(docs/containers.md\)$" % wanted)
            options["add"].append("NET_ADMIN")

    def test_control_groups(self):
        status, said = self.island("doctor", add=["SYS_ADMIN"], filtered=False, cgroups="rw")
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"(?m)^ok +cgroups +version [12]")

    def test_an_ordinary_user(self):
        """Needs no capability; told before anything is downloaded."""
        prepare = 'mkdir /tmp/state && echo "{\\"state_dir\\": \\"/tmp/state\\"}" >/tmp/c.json && exec /sky-island -c /tmp/c.json -i'
        status, said = self.inside("sh", "-c", prepare, user=1000)
        self.assertEqual(status, 1, said)
        self.assertIn("this container needs docker run --security-opt seccomp=unconfined (docs/containers.md)", said)
        _, said = self.inside("sh", "-c", prepare, user=1000, filtered=False)
        self.assertNotIn("this container needs", said)


class Others(Container):
    def test_kubernetes(self):
        self.needs("'s securityContext needs capabilities: {add: [SYS_ADMIN]}, seccompProfile: {type: Unconfined}",
                   environment=["KUBERNETES_SERVICE_HOST=10.0.0.1"])

    def test_podman(self):
        with open(os.path.join(self.root, "run", ".containerenv"), "w", encoding="utf-8"):
            pass
        self.needs(" needs podman run --cap-add SYS_ADMIN --security-opt seccomp=unconfined")

    def test_some_other(self):
        os.remove(os.path.join(self.root, ".dockerenv"))
        self.needs(" needs the capability CAP_SYS_ADMIN, no seccomp filter", environment=["container=oci"])


if __name__ == "__main__":
    unittest.main()
