"""What the tests of jails with addresses share: a host with one way out, a world, and what to ask there."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import tempfile
import threading
import unittest

import netspace
import proxy
import sky

N = "example.com/network"
TOKEN = {"X-Sky-Island-Token": "tests"}
WORLD, HOST = "9.9.9.1", "9.9.9.2"  # addresses that are nobody's here
PRIVATE = "10.5.5.5"  # the world has that too


def prepare():
    """For setUpModule: a tree with the package that is called."""
    for tool in ("ip", "nft"):
        if shutil.which(tool) is None:
            raise unittest.SkipTest("%s is missing" % tool)
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(N, proxy.source("network"), go="1.22")
    Networks.tree = tree


class Resolver:
    """Answers every question for an A record with the same address."""

    def __init__(self, space, address, answer):
        with space.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((address, 53))
        self.answer = socket.inet_aton(answer)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                question, peer = self.socket.recvfrom(512)
                end = question.index(b"\0", 12) + 5
                is_a = question[end - 4 : end - 2] == b"\0\1"
                head = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0") + b"\0\0\0\0"
                record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + self.answer
                self.socket.sendto(head + question[12:end] + (record if is_a else b""), peer)


class Networks(unittest.TestCase):
    """A host with one way out, to the world."""

    tree = None
    pools = {"start_addr": "10.77.0.2", "end_addr": "10.77.0.9", "mask": "255.255.255.0"}

    @classmethod
    def make(cls):
        cls.host, cls.world = netspace.Space(), netspace.Space()
        netspace.join(cls.host, "up0", cls.world, "in0")
        cls.host.ip("addr add %s/24 dev up0" % HOST)
        cls.world.ip("addr add %s/24 dev in0" % WORLD)
        cls.world.ip("addr add %s/32 dev lo" % PRIVATE)
        cls.host.ip("route add default via " + WORLD)
        cls.open = netspace.Answers(cls.world, WORLD, 80)
        cls.closed = netspace.Answers(cls.world, PRIVATE, 80)
        cls.resolver = Resolver(cls.world, PRIVATE, WORLD)
        cls.own = netspace.Answers(cls.host, "0.0.0.0", 8080)

    @classmethod
    def unmake(cls):
        cls.host.close()
        cls.world.close()

    @classmethod
    def island(cls, pools=None, **config):
        jails = {"exec_timeout": "4s", **config.pop("jails", {})}
        return netspace.Island(cls.host, "ip4", modules=cls.tree.url, jails=jails, admin_api_token="tests",
                               network={"ip4": pools or cls.pools}, **config)

    # what all ask

    def says(self, own, call, data, ip4=True):
        answer = own.call(N, call, ip4=ip4)
        self.assertEqual((answer.status, answer.json.get("data")), (200, data), answer)
        return answer

    def background(self, own, call, ip4=True, **options):
        got = []

        def run():
            with contextlib.suppress(OSError, http.client.HTTPException):  # the server was killed
                got.append(own.call(N, call, ip4=ip4, **options))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread, got

    def ips(self, own, query=""):
        answer = own.send("GET", "/api/v1/admin/ips" + query, headers=TOKEN)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def holders(self, own):
        return {ip: name for ip, name in self.ips(own).items() if name is not None}

    def holder(self, own, count=1):
        """Waits until so many jails have addresses; which."""
        sky.until(lambda: len(self.holders(own)) == count, 5, "%d leases, not %s" % (count, self.holders(own)))
        return sorted(self.holders(own))

    def all_free(self, own, seconds=5):
        total = len(self.ips(own))
        sky.until(lambda: len(self.ips(own, "?state=available")["available"]) == total, seconds,
                  "the return of all addresses: %s" % self.holders(own))

    def jail_of(self, own, address):
        """The pid of a process of the jail that has an address, once its link is there; or None."""
        for pid in own.jail_pids():
            with contextlib.suppress(OSError), netspace.Space.of(pid) as space:
                if address in space.ip("-br addr", check=False):
                    return pid
        return None

    def jail_space(self, own, address):
        """The net namespace of the jail that has an address, as the host's root sees it."""
        return netspace.Space.of(sky.until(lambda: self.jail_of(own, address), 3, "a jail with " + address))


    def end(self, own, *calls):
        """Kills the jails with addresses; their calls end."""
        for address in self.holders(own):
            with contextlib.suppress(OSError, TypeError):
                os.kill(self.jail_of(own, address), signal.SIGKILL)
        for thread, _ in calls:
            thread.join()
