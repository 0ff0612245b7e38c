"""What all parts of the bench use: the helpers in C, commands, the machine."""

import json
import os
import pathlib
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE.parent / "src"

# What a call's jail has as its environment (docs/design.md); the baselines get the same.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",
    "TZ": "UTC",
    "LANG": "C.UTF-8",
    "GOMEMLIMIT": str(128 * 1024 * 1024 // 10 * 9),
}


class Unavailable(Exception):
    """A figure that cannot be had here; the words say why."""


class Helpers:
    """bench/spawn.c and bench/load.c, compiled into a directory."""

    def __init__(self, directory):
        self.directory = directory
        base = [SOURCES / "base" / name for name in ("buf.c", "clock.c", "fault.c", "fs.c")]
        for name in ("spawn", "load"):
            command = [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra"]
            command += ["-I", SOURCES, "-I", HERE, "-o", directory / name, HERE / (name + ".c"), HERE / "sample.c"]
            subprocess.run(command + base, check=True)

    def spawn(self, argv, workers, seconds, frame, expected, pin=False, pause_ms=0, wrap=()):
        """Starts the program again and again. `wrap` is a command that runs the helper."""
        command = [*wrap, self.directory / "spawn", "-n", str(workers), "-t", str(seconds)]
        command += ["-w", str(pause_ms), "-f", frame, "-x", expected, *(["-p"] if pin else []), *argv]
        return run_json(command)

    def load(self, port, requests, connections, seconds=0.0, count=0, pause_ms=0, rate=0):
        return run_json(self._load(port, connections, pause_ms) + [
            *(["-c", str(count)] if count else ["-t", str(seconds)]), *(["-r", str(rate)] if rate else []), requests])

    def load_stepwise(self, port, requests):
        command = self._load(port, 1, 0) + ["-s", requests]
        return subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _load(self, port, connections, pause_ms):
        return [self.directory / "load", "-a", str(port), "-n", str(connections), "-w", str(pause_ms)]


def run_json(command):
    try:
        done = subprocess.run([str(c) for c in command], env=ENVIRONMENT, text=True, check=False, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired as e:
        raise Unavailable(f"{pathlib.Path(command[0]).name} came to no end within a minute") from e
    if done.returncode != 0 or not done.stdout:
        words = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
        raise Unavailable(words[-1][:300])
    return json.loads(done.stdout)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds, what):
    """Polls: for what the bench has no event of its own to wait for."""
    end = time.monotonic() + seconds
    while not (came := condition()):
        if time.monotonic() > end:
            raise Unavailable(f"{what}: not within {seconds} s")
        time.sleep(0.002)
    return came


def cpu_ticks():
    """(idle, all) of all cpus since the boot."""
    ticks = [int(t) for t in pathlib.Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def median(values):
    values = sorted(values)
    if not values:
        return None
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def machine():
    """What this runs on."""
    cpus = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    models = [line.split(":", 1)[1].strip() for line in cpus if line.startswith("model name")]
    memory = pathlib.Path("/proc/meminfo").read_text(encoding="ascii").split()[1]
    return {
        "cpu": models[0] if models else os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "hypervisor": any("hypervisor" in line.split() for line in cpus if line.startswith("flags")),
        "kernel": os.uname().release,
        "memory_mib": int(memory) // 1024,
        "cgroups": 2 if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else 1,
        "load_before": os.getloadavg()[0],
    }
