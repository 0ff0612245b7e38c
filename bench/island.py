"""The Sky Island under test: its life, its processes, its answers, and what its jails are made of."""

import http.client
import json
import os
import pathlib
import re
import select
import signal
import shutil
import subprocess
import time

from world import Unavailable, wait_until

NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
TICK = os.sysconf("SC_CLK_TCK")


class Process:
    """A line of /proc/PID/stat."""

    def __init__(self, pid):
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text[text.rindex(")") + 2:].split()
        self.pid = pid
        self.parent = int(fields[1])
        self.own_s = sum(int(ticks) for ticks in fields[11:13]) / TICK
        self.reaped_s = sum(int(ticks) for ticks in fields[13:15]) / TICK
        self.cpu_s = self.own_s + self.reaped_s


def processes_below(top):
    """The processes of the tree under a pid, itself included, by pid."""
    every = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                every[int(name)] = Process(int(name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    below = {top: every[top]} if top in every else {}
    grown = True
    while grown:
        new = {p.pid: p for p in every.values() if p.parent in below and p.pid not in below}
        below.update(new)
        grown = bool(new)
    return below


class Island:
    def __init__(self, binary, state, work, **settings):
        self.binary, self.state, self.work = binary, state, work
        self.config = work / "config.json"
        # Jails may serve several calls, for those that ask for it.
        settings.setdefault("jails", {}).setdefault("reuse", [{"url": "*", "calls": 1000000, "age": "24h"}])
        self.config.write_text(json.dumps({"state_dir": str(state), "http_port": 0, "metrics": {"statsd": None},
                                           **settings}), encoding="utf-8")
        self.process = self.port = None

    def forget(self):
        """What was fetched and built before is not known any more: first calls are first ones."""
        for name in ("artifacts", "sources", "store"):
            shutil.rmtree(self.state / name, ignore_errors=True)

    def prepare(self):
        if subprocess.run([self.binary, "-c", self.config, "-i"], check=False).returncode != 0:
            raise SystemExit(f"bench: {self.state} cannot be prepared, or another server holds it")

    def __enter__(self):
        self.prepare()
        address = self.state / "run" / "address"
        address.unlink(missing_ok=True)
        with open(self.work / "server.log", "wb") as log:
            self.process = subprocess.Popen([self.binary, "-c", self.config], stdout=log, stderr=log)
        try:
            wait_until(lambda: self.process.poll() is not None or address.exists(), 60, "the server's start")
            if self.process.poll() is not None:
                raise SystemExit("bench: the server does not start; see " + str(self.work / "server.log"))
            self.port = int(address.read_text(encoding="ascii").rsplit(":", 1)[1])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # ---- answers ----

    def post(self, body):
        """One call on a connection of its own: (seconds, answer, stages in seconds)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        begin = time.monotonic()
        connection.request("POST", "/api/v1/function", json.dumps(body))
        response = connection.getresponse()
        answer = json.loads(response.read())
        took = time.monotonic() - begin
        connection.close()
        if response.status != 200:
            raise Unavailable(f"{body['url']}: {response.status} {answer.get('detail', '')[:200]}")
        stages = re.findall(r"(\w+);dur=([0-9.]+)", response.getheader("Server-Timing", ""))
        return took, answer, {name: float(ms) / 1000 for name, ms in stages}

    def reused(self):
        """Calls so far that had a jail which served one before."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return int(re.search(r'^sky_pool_requests_total\{result="reused"\} (\d+)$', text, re.M).group(1))

    def artifacts(self):
        """What lies there, each with what changes when it is built again."""
        kept = {}
        for entry in os.scandir(self.state / "artifacts"):
            st = entry.stat()
            kept[entry.name] = (st.st_ino, st.st_ctime_ns)
        return kept

    # ---- processes ----

    def cpu_s(self):
        """Seconds of cpu that our processes took since the start, by what they are. Helpers make and clear slots."""
        tree = processes_below(self.process.pid)
        took = {"server": 0.0, "jailers": 0.0, "helpers": 0.0, "jails": 0.0}
        for p in tree.values():
            if p.pid == self.process.pid or (p.parent == self.process.pid and name_of(p.pid) == "sky-server"):
                took["server"] += p.cpu_s
            elif p.parent == self.process.pid and name_of(p.pid) == "sky-helper":
                took["helpers"] += p.cpu_s
            elif p.parent == self.process.pid:
                took["jailers"] += p.own_s
                took["jails"] += p.reaped_s
            else:
                took["jails" if is_jailed(p.pid) else "helpers"] += p.cpu_s
        return took

    def settle(self):
        """Waits until what a part left behind is cleared; gives the seconds that took."""
        begin = since = time.monotonic()
        before = self.at_work()
        while time.monotonic() - since < 0.05 and time.monotonic() - begin < 10:
            time.sleep(0.01)
            now = self.at_work()
            if now != before:
                before, since = now, time.monotonic()
        return since - begin

    def at_work(self):
        """What changes while anything goes on: which processes there are, and the cpu time they took."""
        tree = processes_below(self.process.pid)
        return sorted(tree), sum(p.cpu_s for p in tree.values())

    def drivers(self, artifact):
        """Processes that run this artifact, in jails of ours."""
        found = []
        for process in processes_below(self.process.pid).values():
            try:
                if os.readlink(f"/proc/{process.pid}/exe") == str(artifact):
                    found.append(process)
            except OSError:
                continue
        return found

    def driver_waiting(self, artifact):
        return wait_until(lambda: self.drivers(artifact), 5, "a waiting jail")[0]

    def jails_kill(self, artifact):
        """Ends the waiting jails of an artifact, by their programs' pids, and sees them gone."""
        for driver in self.drivers(artifact):
            stub = os.pidfd_open(driver.parent)
            os.kill(driver.pid, signal.SIGKILL)
            gone, _, _ = select.select([stub], [], [], 5)
            os.close(stub)
            if not gone:
                raise Unavailable("a killed jail did not end")

    def server(self):
        """The pid of the server's own process."""
        children = [p.pid for p in processes_below(self.process.pid).values() if p.parent == self.process.pid]
        return next(pid for pid in children if name_of(pid) == "sky-server")

    def rss_mib(self):
        return status_of(self.server(), "VmRSS") / 1024

    # ---- what a jail is ----

    def memory_per_jail(self, artifact):
        """MiB of one waiting jail: its two processes' PSS, and what its control group has of the kernel's memory."""
        driver = self.driver_waiting(artifact)
        pss, anonymous = (sum(pss_kib(pid, kind) for pid in (driver.pid, driver.parent)) / 1024
                          for kind in ("Pss", "Pss_Anon"))
        tables = sum(status_of(pid, "VmPTE") for pid in (driver.pid, driver.parent)) / 1024
        kernel = None
        group = group_directory(driver.pid, "memory")
        if group and (group / "memory.kmem.usage_in_bytes").exists():
            kernel = int((group / "memory.kmem.usage_in_bytes").read_text(encoding="ascii")) / 2**20
        elif group and (group / "memory.stat").exists():
            found = re.search(r"^kernel (\d+)$", (group / "memory.stat").read_text(encoding="ascii"), re.M)
            kernel = int(found.group(1)) / 2**20 if found else None
        return {"pss_mib": pss, "pss_anonymous_mib": anonymous, "kernel_mib": kernel, "page_tables_mib": tables}

    def isolation(self, artifact):
        """The steps in force, read off a waiting jail from outside."""
        pid = self.driver_waiting(artifact).pid
        inside = {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES}
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        status = dict(re.findall(r"^(\w+):\s+(.*)$", text, re.M))
        mounts = pathlib.Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8").splitlines()
        limits = {}
        for controller, name in (("memory", "memory.limit_in_bytes"), ("pids", "pids.max"), ("memory", "memory.max")):
            group = group_directory(pid, controller)
            if group and (group / name).exists():
                limits[name] = (group / name).read_text(encoding="ascii").strip()
        return {
            "namespaces_of_its_own": [n for n in NAMESPACES if inside[n] != os.readlink(f"/proc/self/ns/{n}")],
            "uid_outside": int(status["Uid"].split()[0]),
            "capabilities": status["CapEff"],
            "capability_bounds": status["CapBnd"],
            "no_new_privs": status["NoNewPrivs"] == "1",
            "seccomp_filters": int(status.get("Seccomp_filters", 0)),
            "cgroup_limits": limits,
            "mounts": [" ".join(line.split()[4:6]) for line in mounts],
        }

    def doctor(self):
        done = subprocess.run([self.binary, "-c", self.config, "doctor"], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.splitlines()


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()


def is_jailed(pid):
    """Whether it is in a pid namespace of its own; what is gone meanwhile was."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return re.search(r"^NSpid:\s+\d+\s+\d", text, re.M) is not None


def status_of(pid, name):
    """KiB, as /proc/PID/status tells it."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.M)
    return int(found.group(1)) if found else 0


def pss_kib(pid, kind):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(rf"^{kind}:\s+(\d+) kB$", text, re.M).group(1))


def group_directory(pid, controller):
    """Where the control group of a process lies, on version 1 or 2."""
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return pathlib.Path("/sys/fs/cgroup") / controller / path.lstrip("/")
        if controllers == "" and os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            return pathlib.Path("/sys/fs/cgroup") / path.lstrip("/")
    return None
