"""Net namespaces of the tests' own, so that nothing of the machine's network is touched."""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading

import sky

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)


class Space:
    """A net namespace, which lives by its descriptor."""

    def __init__(self):
        made = []

        def make():
            _check(_libc.unshare(CLONE_NEWNET), "unshare")
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not made:
            raise sky.Skip("no net namespace can be made")
        self.fd = made[0]
        self.run("ip", "link", "set", "lo", "up")

    @classmethod
    def of(cls, pid):
        """The one that a process is in."""
        space = cls.__new__(cls)
        space.fd = os.open("/proc/%d/ns/net" % pid, os.O_RDONLY | os.O_CLOEXEC)
        return space

    def close(self):
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in it, and so are processes it starts and sockets it makes."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _check(_libc.setns(self.fd, CLONE_NEWNET), "setns")
        try:
            yield self
        finally:
            _check(_libc.setns(home, CLONE_NEWNET), "setns")
            os.close(home)

    def run(self, *command, check=True):
        with self.inside():
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise AssertionError("%s: %s" % (" ".join(command), done.stderr))
        return done.stdout

    def ip(self, command, check=True):
        return self.run("ip", *command.split(), check=check)

    def setting(self, name, value=None):
        """What is under /proc/sys/net."""
        with self.inside():
            with open("/proc/sys/net/" + name, "w" if value is not None else "r", encoding="ascii") as file:
                return file.write(value) if value is not None else file.read().strip()

    def picture(self):
        """All that a stop must leave as it was: links, addresses, routes, rules, forwarding."""
        links = sorted(line.split()[0].split("@")[0] for line in self.ip("-br link").splitlines())
        forwarding = {}
        for name in [*links, "all", "default"]:
            with contextlib.suppress(FileNotFoundError):  # a jail's link, going
                forwarding[name] = self.setting("ipv4/conf/%s/forwarding" % name)
        return {"links": links, "addresses": self.ip("-br addr"), "routes": self.ip("route"), "forwarding": forwarding,
                "rules": self.run("nft", "list", "ruleset")}


def join(one, name, other, peer):
    """A cable between two namespaces."""
    one.ip("link add %s type veth peer name %s netns /proc/%d/fd/%d" % (name, peer, os.getpid(), other.fd))
    one.ip("link set %s up" % name)
    other.ip("link set %s up" % peer)


class Answers:
    """A TCP and UDP server in a namespace: says to whoever connects who that is; echoes datagrams."""

    def __init__(self, space, address, port):
        self.asked = []
        with space.inside():
            self.tcp = socket.create_server((address, port), backlog=64)
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((address, port))
        threading.Thread(target=self._serve, daemon=True).start()
        threading.Thread(target=self._echo, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self.tcp.accept()
                self.asked.append(peer[0])
                with connection:
                    connection.sendall(("you are %s" % peer[0]).encode())

    def _echo(self):
        with contextlib.suppress(OSError, TypeError):  # closed
            while True:
                data, peer = self.udp.recvfrom(2048)
                self.asked.append(peer[0])
                self.udp.sendto(data, peer)

    def close(self):
        for s in (self.tcp, self.udp):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


class Island(sky.Sky):
    """A Sky Island in a net namespace."""

    def __init__(self, space, *arguments, **options):
        super().__init__(*arguments, **options)
        self.space = space

    def spawn(self):
        with self.space.inside():
            return super().spawn()

    def run(self, *arguments, **options):
        with self.space.inside():
            return super().run(*arguments, **options)

    def send(self, *arguments, **options):
        with self.space.inside():
            return super().send(*arguments, **options)
