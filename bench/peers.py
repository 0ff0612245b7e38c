"""The same artifact, or the same call, under what others use: bubblewrap, crun, nginx with fcgiwrap, net/http."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from world import Unavailable, free_port, wait_until

DEVICES = ("null", "zero", "full", "random", "urandom")


def program_find(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Unavailable(f"{name} is not installed")
    return found


class Bubblewrap:
    """Every namespace it has, no capabilities, a root of the artifact, five devices and a /tmp: what our jail
    has, but without limits, seccomp filter and a uid of its own."""

    name = "bwrap"
    wrap = ()

    def __init__(self, artifact, _work):
        self.argv = [program_find("bwrap"), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL",
                     "--ro-bind", str(artifact), "/call", "--tmpfs", "/tmp", "--chdir", "/tmp"]
        for device in DEVICES:
            self.argv += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        self.argv += ["/call"]


class Crun:
    """An OCI bundle with the same namespaces, a uid of its own and the same limits on memory and processes; no
    seccomp filter."""

    name = "crun"

    def __init__(self, artifact, work):
        bundle = work / "bundle"
        root = bundle / "rootfs"
        for directory in ("dev", "tmp", "proc"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        shutil.copy(artifact, root / "call")
        (bundle / "config.json").write_text(json.dumps(self.specification()), encoding="utf-8")
        self.argv = [program_find("crun"), "--root", str(work / "crun"), "run", "--preserve-fds", "1",
                     "--bundle", str(bundle), "{}"]
        # crun refuses a host that mounts both versions of cgroups; in a mount namespace without version 2 it runs.
        hybrid = pathlib.Path("/sys/fs/cgroup/unified")
        self.wrap = ()
        if hybrid.is_dir():
            self.wrap = ("unshare", "--mount", "--propagation", "private", "sh", "-c",
                         f'umount {hybrid} && exec "$@"', "sh")

    @staticmethod
    def specification():
        spaces = [{"type": kind} for kind in ("user", "pid", "network", "ipc", "uts", "mount", "cgroup")]
        own = [{"containerID": 0, "hostID": 300000, "size": 1}]
        return {
            "ociVersion": "1.0.0",
            "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/call"], "cwd": "/tmp",
                        "env": ["PATH=/usr/bin:/bin", "HOME=/tmp", f"GOMEMLIMIT={128 * 2**20 // 10 * 9}"],
                        "noNewPrivileges": True, "capabilities": {}},
            "root": {"path": "rootfs", "readonly": True},
            "hostname": "jail",
            "mounts": [
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
                 "options": ["nosuid", "nodev", "noexec", "size=16m", "mode=700"]}],
            "linux": {"namespaces": spaces, "uidMappings": own, "gidMappings": own,
                      "resources": {"memory": {"limit": 128 * 2**20}, "pids": {"limit": 64}}},
        }


NGINX = """
daemon off;
{user}
worker_processes auto;
pid {work}/nginx.pid;
error_log {work}/nginx.log;
events {{ worker_connections 256; }}
http {{
	access_log off;
	keepalive_requests 100000000;
	client_body_temp_path {work}/body;
	proxy_temp_path {work}/proxy;
	fastcgi_temp_path {work}/fastcgi;
	uwsgi_temp_path {work}/uwsgi;
	scgi_temp_path {work}/scgi;
	server {{
		listen 127.0.0.1:{port};
		location / {{
			fastcgi_pass unix:{work}/cgi.sock;
			fastcgi_param SCRIPT_FILENAME {program};
			fastcgi_param REQUEST_METHOD $request_method;
		}}
	}}
}}
"""


class Cgi:
    """nginx and 16 processes of fcgiwrap that run a Go main making the call, with no isolation at all."""

    def __init__(self, program, work):
        nginx, fcgiwrap = program_find("nginx"), program_find("fcgiwrap")
        self.port = free_port()
        config = work / "nginx.conf"
        user = "user root root;" if os.geteuid() == 0 else ""
        config.write_text(NGINX.format(work=work, port=self.port, program=program, user=user), encoding="utf-8")
        socket_path = work / "cgi.sock"
        socket_path.unlink(missing_ok=True)
        self.children = []
        try:
            self._start([fcgiwrap, "-c", "16", "-s", f"unix:{socket_path}"], work)
            wait_until(socket_path.exists, 5, "fcgiwrap")
            self._start([nginx, "-p", str(work), "-c", str(config)], work)
            wait_until(self._answers, 5, "nginx")
        except Unavailable:
            self.close()
            raise

    def _start(self, command, work):
        """In a session of its own, so that its workers can be told to end with it: fcgiwrap does not tell them."""
        with open(work / "cgi.log", "ab") as log:
            self.children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                  start_new_session=True))

    def _answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        for child in reversed(self.children):
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


class GoHttp:
    """A server of Go's net/http that makes the call in its own process, with no isolation at all."""

    def __init__(self, program, work):
        self.port = free_port()
        with open(work / "http.log", "ab") as log:
            self.child = subprocess.Popen([program, f"127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(self._answers, 5, "net/http")
        except Unavailable:
            self.close()
            raise

    def _answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.child.terminate()
        self.child.wait()
