"""A Sky Island under test: its state directory, its processes, its answers, and what it leaves behind."""

import base64
import concurrent.futures
import contextlib
import ctypes
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

EXIT_USE, EXIT_UNAVAILABLE, EXIT_CONFIGURATION = 64, 69, 78
CGROUPS = "/sys/fs/cgroup"
# How many times slower than usual this machine is, as one that is emulated. Most tests do not know of it: what they wait for
# and the time limits they configure last so much longer, and what they measure is told as on the usual machine.
SLOW = float(os.environ.get("SKY_SLOW", "1"))
LIMITS = {"queue_timeout": "1s", "exec_timeout": "5s", "init_timeout": "5s", "build_timeout": "120s", "fetch_timeout": "120s"}
WAIT = 10  # seconds until a test that waits for an event gives up

binary = None  # the program under test
build = None  # the directory where it was built
template = None  # a prepared state directory, which tests only copy
work = None  # where all that tests make lies
user = None  # users.User: who runs the program; None: root, as the tests
usual = {}  # configuration that each has where its test says nothing else
everyone = []  # each Sky that was started


class Skip(Exception):
    """Something outside of the program is missing."""


def marked(pid):
    """Whether the call in a process's jail has written /tmp/mark: it has begun, and ends with its jail. Before that a jail that
    ends is replaced by the next, and the caller does not notice."""
    return os.path.exists("/proc/%d/root/tmp/mark" % pid)


def until(condition, seconds=WAIT, what="the condition"):
    """Waits until condition() is true and returns it."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("%s did not come within %.1f s" % (what, seconds))
        time.sleep(0.01)


def since(moment):
    """Seconds since a moment of time.monotonic(), as the usual machine would have taken."""
    return (time.monotonic() - moment) / SLOW


# ---- processes and what the kernel holds ----


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _link(path):
    try:
        return os.readlink(path)
    except OSError:
        return None


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def status(pid):
    """/proc/PID/status as a dictionary; empty once the process is gone."""
    return dict(line.split(":\t", 1) for line in _read("/proc/%d/status" % pid).splitlines() if ":\t" in line)


def alive(pid):
    return status(pid).get("State", "Z")[0] not in "ZX"


def command(pid):
    return _read("/proc/%d/cmdline" % pid).replace("\0", " ").strip()


def describe(found):
    return ["%d %s (%s)" % (pid, command(pid) or status(pid).get("Name", "?"), status(pid).get("State", "gone")) for pid in found]


def together(calls):
    """The answers to calls that are all made at once."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def children(pid):
    return [int(p) for p in _read("/proc/%d/task/%d/children" % (pid, pid)).split()]


def descriptors(pid):
    """What a process has open, as far as it still lives."""
    found = []
    with contextlib.suppress(OSError):
        for fd in os.listdir("/proc/%d/fd" % pid):
            found.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
    return found


class Watched:
    """Tells what is done to files, or to those in directories (inotify)."""

    CLOSE_WRITE, OPEN = 0x08, 0x20

    def __init__(self, what, *paths):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.what = what
        self.paths = {libc.inotify_add_watch(self.fd, path.encode(), what): path for path in paths}
        assert -1 not in self.paths, os.strerror(ctypes.get_errno())
        self.paths[-1] = "more than the kernel keeps in mind"

    def now(self):
        """The paths of all that it was done to since it was last asked."""
        found, told, at = set(), b"", 0
        with contextlib.suppress(BlockingIOError):
            while True:
                told += os.read(self.fd, 1 << 20)
        while at < len(told):
            watch, mask, _, length = struct.unpack_from("iIII", told, at)
            name = told[at + 16 : at + 16 + length].rstrip(b"\0").decode()
            if mask & self.what or watch == -1:
                found.add(os.path.join(self.paths[watch], name) if name else self.paths[watch])
            at += 16 + length
        return found

    def close(self):
        os.close(self.fd)


# ---- answers ----


class Answer:
    def __init__(self, status, headers, body, seconds):
        self.status, self.headers, self.body, self.seconds = status, headers, body, seconds / SLOW

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        """What the program wrote, as bytes."""
        told = self.json
        if "data_base64" in told:
            return base64.b64decode(told["data_base64"])
        return told["data"].encode()

    @property
    def code(self):
        return self.json.get("code")

    @property
    def detail(self):
        return self.json.get("detail", "")

    def timing(self, stage):
        """Milliseconds, of Server-Timing."""
        found = re.search(r"(?:^|, )%s;dur=([0-9.]+)" % stage, self.headers.get("server-timing", ""))
        return float(found.group(1)) / SLOW if found else None

    def __str__(self):
        return "%d %s" % (self.status, self.body[:2000].decode("utf-8", "replace"))


def slowed(config):
    """The configuration with all time limits of jails stretched; what is no duration stays."""
    jails = config.get("jails", {})
    if SLOW == 1 or not isinstance(jails, dict):
        return config
    jails = {**LIMITS, **jails}
    for name in LIMITS:
        found = re.fullmatch(r"(\d+)(ms|s)", str(jails[name]))
        if found:
            jails[name] = "%d%s" % (int(found.group(1)) * SLOW, found.group(2))
    return {**config, "jails": jails}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


# ---- a state directory ----


def make_state(name):
    """A prepared state directory of its own: what is large and never changes is linked, the rest copied."""
    prepared = user.template if user else template
    state = tempfile.mkdtemp(prefix=name + "-", dir=user.home if user else work)
    os.chmod(state, 0o755)
    if user:
        os.chown(state, user.uid, user.uid)
    os.symlink(os.path.join(prepared, "toolchain"), os.path.join(state, "toolchain"))
    for part in ("tool", "private", "base"):
        how = ["-a", "--reflink=auto"] if part == "base" else ["-al"]
        source = os.path.join(prepared, part)
        if subprocess.run(["cp", *how, source, state], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            shutil.rmtree(os.path.join(state, part), ignore_errors=True)
            subprocess.run(["cp", "-a", "--reflink=auto", source, state], check=True)
    return state


def unlink_cache(state):
    """The build cache becomes a copy, where it shared its files with other tests' states."""
    private = os.path.join(state, "private")
    subprocess.run(["cp", "-a", "--reflink=auto", private, private + ".copy"], check=True)
    shutil.rmtree(private)
    os.rename(private + ".copy", private)


class Sky:
    """One Sky Island. Use as a context, or start() and close()."""

    def __init__(self, name="state", modules=None, state=None, environment=None, **config):
        self.state = os.path.realpath(state or make_state(name))
        self.config = {"state_dir": self.state, "http_port": 0}
        if modules is not None:
            self.config["modules"] = {"goproxy": modules, "gosumdb": "off"}
        self.config.update({**usual, **config})
        self.config_path = self.state + ".json"
        self.log_path = self.state + ".log"
        self.user = user
        self.environment = user.environment(environment) if user else environment
        self.process = None
        self.started = []  # all that were
        self.descriptors = ()  # that it is given
        digest = hashlib.blake2b(self.state.encode(), digest_size=16).hexdigest()
        self.instance = "sky-" + digest[:8]  # what kernel objects are named for
        self.group = self.instance  # its control group's name

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # life

    def write_config(self):
        with open(self.config_path, "w", encoding="utf-8") as file:
            json.dump(slowed(self.config), file)

    def command(self, *arguments):
        """The words that run the program so."""
        words = [binary, "-c", self.config_path, *arguments]
        return self.user.command(*words) if self.user else words

    def spawn(self):
        """Starts it and waits for nothing."""
        self.write_config()
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self.state, "run/address"))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                                            cwd="/", pass_fds=self.descriptors)
        self.started.append(self.process)
        everyone.append(self)
        return self

    def start(self):
        self.spawn()
        until(lambda: self.process.poll() is not None or (self.serves() and self.parts[0]), 60, "the start of a server")
        if self.process.returncode is not None:
            raise AssertionError("the server ended with %d:\n%s" % (self.process.returncode, self.log()[-4000:]))
        return self

    def serves(self):
        """True once its address is written, which is before it answers: connecting waits for that."""
        try:
            with open(os.path.join(self.state, "run/address"), encoding="utf-8") as file:
                host, _, port = file.read().strip().removeprefix("http://").rpartition(":")
            self.host, self.port = host, int(port)
            return True
        except (OSError, ValueError):
            return False

    def stop(self, seconds=WAIT):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.process.wait(seconds * SLOW)

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(WAIT * SLOW)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def log(self):
        return _read(self.log_path)

    def run(self, *arguments, **options):
        """The same program's command line, with the same configuration."""
        self.write_config()
        return subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, timeout=120 * SLOW, check=False,
                              env=self.environment, **options)

    # its parts

    @property
    def parts(self):
        """The pids of its server (None: it has none at the moment) and jailers, once all of its children have their names:
        the server and the helpers their own, the jailers the instance's."""
        found = {}

        def named():
            found.clear()
            for pid in children(self.process.pid):
                found.setdefault(status(pid).get("Name"), []).append(pid)
            return not found.keys() & {"sky-island", "jailer"}

        until(named, what="names of all parts")
        return next(iter(found.get("sky-server", [])), None), found.get(self.instance, [])

    def jail_pids(self):
        """All processes of its jails."""
        return [pid for found in self.jails().values() for pid in found]

    def waiting_jail(self):
        """The pids of the jail that waits, its first process before its program, once it is all there is. It waited before its
        processes were looked for, so they are not those of one that ends."""
        waits = self.metric("sky_jails_waiting") == 1 and not self.running()
        pids = self.jail_pids()
        return sorted(pids, key=lambda pid: int(status(pid).get("NSpid", "0").split()[-1])) if waits and len(pids) == 2 else None

    def running(self):
        """How many calls run."""
        return self.metric("sky_jails_running")

    def metric(self, name):
        """The whole number that /metrics has for a name without labels."""
        return int(re.search(r"(?m)^%s (\d+)$" % name, self.send("GET", "/metrics").body.decode()).group(1))

    def jails(self):
        """jail → pids, of those that have a program."""
        return {name: inside for name, inside in self.all_jails().items() if any(status(pid).get("Name") != self.instance for pid in inside)}

    def all_jails(self):
        """jail → pids; those too that are prepared, or end: there all processes have the jailer's name."""
        found = {}
        for pid in pids():
            name = self._jail_of(pid)
            if name and alive(pid):
                found.setdefault(name, []).append(pid)
        if self.user:
            found = {name: inside for name, inside in found.items() if any(status(pid).get("Name") == self.instance for pid in inside)}
        return found

    def _jail_of(self, pid):
        """Root's jails are told by their control groups. An ordinary user has none: all of a jail are in the pid namespace of
        its first process, which has the instance's name."""
        if not self.user:
            slot = re.search(r"/%s/(slot\d+)" % self.group, _read("/proc/%d/cgroup" % pid))
            return slot and slot.group(1)
        deeper = len(status(pid).get("NSpid", "").split()) > len(status(os.getpid())["NSpid"].split())
        return _link("/proc/%d/ns/pid" % pid) if deeper else None

    def cgroups(self):
        found = []
        for root, directories, _ in os.walk(CGROUPS):
            found += [os.path.join(root, name) for name in directories if self.instance in name]
        return found

    def mounts(self):
        """Its own and its jails'. Datasets stay mounted: bases always, and slots' clones where it was killed."""
        found = [line for line in _read("/proc/self/mountinfo").splitlines() if self.state + "/" in line or self.instance in line]
        stopped = self.process is not None and self.process.returncode == 0
        return [line for line in found if " - zfs " not in line or (stopped and "/slots/" in line)]

    def processes(self):
        """All that belong to it: in its control groups, or with its state directory in their command or environment."""
        mark = self.state.encode()
        found = {pid for inside in self.all_jails().values() for pid in inside}
        for pid in pids():
            if pid == os.getpid() or not alive(pid):
                continue
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    with open("/proc/%d/%s" % (pid, name), "rb") as file:
                        if mark in file.read():
                            found.add(pid)
        return sorted(found)

    def files(self):
        """Temporary files in its state directory."""
        left = ["tmp/" + name for name in os.listdir(os.path.join(self.state, "tmp"))]
        return left + ["artifacts/" + name for name in os.listdir(os.path.join(self.state, "artifacts")) if name.startswith("part")]

    # calls

    def connection(self, timeout=60):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout * SLOW)

    def send(self, method, path, body=None, headers=None, connection=None, timeout=60):
        own = connection is None
        connection = connection or self.connection(timeout)
        start = time.monotonic()
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, text, time.monotonic() - start)
        finally:
            if own:
                connection.close()

    def post(self, request, headers=None, **options):
        body = request if isinstance(request, (bytes, str)) else json.dumps(request)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        return self.send("POST", "/api/v1/function", body, headers, **options)

    def call(self, url, call, **fields):
        return self.post({"url": url, "call": call, **fields})

    def typed(self, url, function, *args, **fields):
        return self.post({"url": url, "function": function, "args": list(args), "output": "json", **fields})

    def raw(self, data, enough=()):
        """Sends bytes and reads until all texts of `enough` are there, or the server closes."""
        with socket.create_connection((self.host, self.port), timeout=WAIT * SLOW) as s:
            s.sendall(data)
            got = b""
            while not enough or not all(text in got for text in enough):
                chunk = s.recv(65536)
                if not chunk:
                    break
                got += chunk
            return got
