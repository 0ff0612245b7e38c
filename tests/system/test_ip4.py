"""Jails with addresses: what they reach, what they do not, and that every address comes back. All of it in net namespaces of the
tests' own; SKY_LEASES is how many leases the random test makes (300)."""

import contextlib
import http.client
import ipaddress
import json
import os
import random
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
import unittest

import netspace
import proxy
import sky

N = "example.com/network"
TOKEN = {"X-Sky-Island-Token": "tests"}
WORLD, HOST = "9.9.9.1", "9.9.9.2"  # addresses that are nobody's here
PRIVATE = "10.5.5.5"  # the world has that too


def setUpModule():
    global tree
    for tool in ("ip", "nft"):
        if shutil.which(tool) is None:
            raise unittest.SkipTest("%s is missing" % tool)
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(N, proxy.source("network"), go="1.22")


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
        return netspace.Island(cls.host, "ip4", modules=tree.url, jails=jails, admin_api_token="tests",
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


class Bridged(Networks):
    """Pools without an interface: on a bridge of the island's own, with NAT."""

    pools = [
        {"name": "first", "start_addr": "10.77.0.2", "end_addr": "10.77.0.9", "mask": "255.255.255.0", "dns": [PRIVATE]},
        {"name": "lab", "start_addr": "10.78.0.2", "end_addr": "10.78.0.3", "mask": "255.255.255.0", "open": ["10.5.0.0/16"]},
        {"name": "one", "start_addr": "10.79.0.2", "end_addr": "10.79.0.2", "mask": "255.255.255.0"},
    ]

    @classmethod
    def setUpClass(cls):
        cls.make()
        cls.server = cls.island(jails={"exec_timeout": "1500ms", "memory": "64MiB"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.unmake()

    def tearDown(self):
        self.all_free(self.server)

    # ways out

    def test_out_through_nat(self):
        self.says(self.server, 'Get("%s:80")' % WORLD, "you are %s<nil>" % HOST)
        self.says(self.server, 'Echo("%s:80", "hello")' % WORLD, "hello<nil>")
        own = self.server.call(N, 'Own("%s:80")' % WORLD, ip4="first").json["data"]
        self.assertIn(ipaddress.ip_address(own.removesuffix("<nil>")), ipaddress.ip_network("10.77.0.0/28"))

    def test_pool_by_name(self):
        self.says(self.server, 'Own("%s:80")' % WORLD, "10.79.0.2<nil>", ip4="one")

    def test_without_it_there_is_no_network(self):
        for ip4 in ({}, {"ip4": False}):
            answer = self.server.call(N, 'Get("%s:80")' % WORLD, **ip4)
            self.assertIn("not permitted", answer.json["data"])

    def test_names(self):
        self.says(self.server, 'Lookup("island.test")', "[%s] <nil>" % WORLD)
        self.says(self.server, "Resolvers()", "nameserver %s\nfalse" % PRIVATE)
        self.says(self.server, "Resolvers()", "false", ip4="one")

    def test_sockets(self):
        self.says(self.server, "Sockets()", "yes yes no no no no no no")

    def test_what_is_closed(self):
        targets = {
            "10.77.0.1:8080": "prohibited",  # the gateway: a next hop only
            HOST + ":8080": "silent",  # the host by its other address
            "10.77.0.3:80": "prohibited", "10.78.0.2:80": "prohibited",  # other jails
            "169.254.169.254:80": "prohibited", "169.254.1.1:80": "prohibited",
            "10.1.2.3:80": "prohibited", "172.16.0.1:80": "prohibited", "192.168.1.1:80": "prohibited", "100.64.0.1:80": "prohibited",
            PRIVATE + ":80": "silent",  # a resolver: its port 53 only
            "224.0.0.1:80": "prohibited", "127.0.0.1:80": "refused",
            WORLD + ":80": "open", WORLD + ":81": "refused",
        }
        got = self.server.call(N, "Reach(%s)" % ", ".join(json.dumps(target) for target in targets), ip4=True)
        for (target, wanted), word in zip(targets.items(), got.json["data"].split(" ")):
            with self.subTest(target):
                self.assertEqual(word, wanted, got)

    def test_what_a_pool_opens(self):
        self.says(self.server, 'Get("%s:80")' % PRIVATE, "you are %s<nil>" % HOST, ip4="lab")
        self.says(self.server, 'Reach("10.6.0.1:80", "10.78.0.1:8080")', "prohibited prohibited", ip4="lab")

    # the host's rules hold whatever happens within a jail

    def try_from(self, space, target, source=None):
        with space.inside(), socket.socket() as s:
            s.settimeout(0.25)
            if source is not None:
                s.bind((source, 0))
            return s.connect_ex(target) == 0

    def test_rules_hold_where_a_jail_was_taken_over(self):
        """Root of the host, within a jail's namespace, with the routes that refuse out of the way."""
        one = self.background(self.server, "Sleep(1400)")
        other = self.background(self.server, "Listen(8000, 1400)")
        two = self.holder(self.server, 2)
        mine = self.jail_space(self.server, two[0])
        mine.ip("route flush type prohibit")
        self.assertTrue(self.try_from(mine, (WORLD, 80)))
        for target in ((two[1], 8000), ("10.77.0.1", 8080), (HOST, 8080), (PRIVATE, 80)):
            self.assertFalse(self.try_from(mine, target), target)
        mine.ip("route add 10.77.0.0/24 dev eth0")
        for target in ((two[1], 8000), ("10.77.0.1", 8080)):
            self.assertFalse(self.try_from(mine, target), target)
        mine.close()
        self.end(self.server, one, other)

    def test_nobody_else_s_source(self):
        call = self.background(self.server, "Sleep(1400)")
        address = self.holder(self.server)[0]
        mine = self.jail_space(self.server, address)
        self.assertTrue(self.try_from(mine, (WORLD, 80), address))
        for other in ("10.77.0.200", "9.9.9.77"):
            mine.ip("addr add %s/32 dev eth0" % other)
            self.open.asked.clear()
            self.assertFalse(self.try_from(mine, (WORLD, 80), other))
            with mine.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((other, 0))
                s.sendto(b"spoofed", (WORLD, 80))
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as honest:
                    honest.bind((address, 0))
                    honest.sendto(b"honest", (WORLD, 80))
            sky.until(lambda: self.open.asked, 2, "the honest datagram")
            self.assertEqual(self.open.asked, [HOST])
        self.open.asked.clear()
        with mine.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((address, 0))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x07\x07\x04\0\0\0\0\0")  # record the route
            s.sendto(b"with options", (WORLD, 80))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"")
            s.sendto(b"without", (WORLD, 80))
        sky.until(lambda: self.open.asked, 2, "the plain datagram")
        self.assertEqual(self.open.asked, [HOST])
        mine.close()
        self.end(self.server, call)

    def test_nobody_else_s_arp(self):
        call = self.background(self.server, "Sleep(1400)")
        address = self.holder(self.server)[0]
        mine = self.jail_space(self.server, address)
        with self.host.inside():
            ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0806))
            ear.bind((self.server.instance, 0x0806))
            ear.settimeout(2)

        def claim(sender):
            packet = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, b"\x0a\x53\0\0\0\1", socket.inet_aton(sender),
                                 b"\xff" * 6, socket.inet_aton("10.77.0.1"))
            with mine.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0806)) as s:
                s.sendto(packet, ("eth0", 0x0806, 0, 1, b"\xff" * 6))

        for sender in ("10.77.0.1", "10.77.0.200", "9.9.9.1", address):
            claim(sender)
        while True:
            heard = socket.inet_ntoa(ear.recv(100)[14:18])
            if heard == address:
                break
            self.assertNotIn(heard, ("10.77.0.200", "9.9.9.1"))
        ear.close()
        mine.close()
        self.end(self.server, call)

    def test_nothing_comes_in(self):
        """The world has a route to the jails, and the host forwards for them, but not for others."""
        thread, got = self.background(self.server, "Listen(8000, 1200)")
        address = self.holder(self.server)[0]
        self.world.ip("route add 10.77.0.0/24 via " + HOST)
        self.addCleanup(self.world.ip, "route del 10.77.0.0/24 via " + HOST)
        third = netspace.Space()
        self.addCleanup(third.close)
        netspace.join(self.host, "lan0", third, "eth0")
        self.addCleanup(self.host.ip, "link del lan0")
        self.host.ip("addr add 9.8.8.1/24 dev lan0")
        third.ip("addr add 9.8.8.2/24 dev eth0")
        third.ip("route add default via 9.8.8.1")
        neighbour = netspace.Answers(third, "9.8.8.2", 80)
        self.addCleanup(neighbour.close)
        self.world.ip("route add 9.8.8.0/24 via " + HOST)
        self.addCleanup(self.world.ip, "route del 9.8.8.0/24 via " + HOST)
        self.assertTrue(self.try_from(self.host, ("9.8.8.2", 80)))
        self.assertEqual(self.host.setting("ipv4/conf/up0/forwarding"), "1")
        self.assertFalse(self.try_from(self.world, (address, 8000)))
        self.assertFalse(self.try_from(self.world, ("9.8.8.2", 80)), "the host has become a router")
        thread.join()
        self.assertEqual(got[0].json.get("data"), "nobody")

    # leases

    def test_none_free(self):
        thread, got = self.background(self.server, "Sleep(1000)", ip4="one")
        self.assertEqual(self.holder(self.server), ["10.79.0.2"])
        answer = self.server.call(N, "Sleep(1)", ip4="one")
        self.assertEqual((answer.status, answer.code, answer.json["fault"]), (503, "no_address", "platform"), answer)
        self.assertEqual(answer.headers["retry-after"], "1")
        self.assertIn('"one"', answer.detail)
        self.says(self.server, "Sleep(1)", "slept", ip4="lab")
        thread.join()
        self.assertEqual(got[0].json.get("data"), "slept", got[0])
        self.all_free(self.server)
        self.says(self.server, "Sleep(1)", "slept", ip4="one")

    def test_every_end_gives_it_back(self):
        ends = {"": 200, "panic": 422, "exit": 422, "signal": 422, "memory": 422, "loop": 422, "flood": 422}
        for how, status in ends.items():
            with self.subTest(how):
                answer = self.server.call(N, "End(%s)" % json.dumps(how), ip4="one")
                self.assertEqual(answer.status, status, answer)
                self.all_free(self.server)

    def test_declined_calls_have_two_in_turn(self):
        self.says(self.server, 'Own("%s" + ":80")' % WORLD, "10.79.0.2<nil>", ip4="one")

    def test_a_client_that_leaves(self):
        with self.host.inside():
            connection = self.server.connection()
            connection.request("POST", "/api/v1/function", json.dumps({"url": N, "call": "Sleep(1400)", "ip4": "one"}))
        self.holder(self.server)
        connection.sock.close()
        connection.close()
        self.all_free(self.server, 1)

    def test_a_jail_killed_from_outside(self):
        thread, got = self.background(self.server, "Sleep(1400)", ip4="one")
        address = self.holder(self.server)[0]
        os.kill(sky.until(lambda: self.jail_of(self.server, address), 3, "a jail"), signal.SIGKILL)
        thread.join()
        self.assertEqual(got[0].status, 422, got[0])
        self.all_free(self.server, 2)

    # the request and the admin's side

    def test_bad_pools(self):
        for ip4, status, code in (("nosuch", 400, "no_such_pool"), ("", 400, "wrong_type"), (1, 400, "wrong_type"),
                                  ({}, 400, "wrong_type"), ("one\0", 400, "wrong_type"), ("ONE", 400, "no_such_pool")):
            answer = self.server.call(N, "Sleep(1)", ip4=ip4)
            self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertIn('"first", "lab", "one"', answer.detail)

    def put(self, body, headers=TOKEN):
        return self.server.send("PUT", "/api/v1/admin/ips", body if isinstance(body, str) else json.dumps(body), headers)

    def test_list(self):
        every = self.ips(self.server)
        self.assertEqual(list(every), ["10.77.0.%d" % i for i in range(2, 10)] + ["10.78.0.2", "10.78.0.3", "10.79.0.2"])
        self.assertEqual(set(every.values()), {None})
        thread, _ = self.background(self.server, "Sleep(700)", ip4="one")
        self.holder(self.server)
        self.assertRegex(self.ips(self.server, "?pool=one")["10.79.0.2"], r"^exec-\d+$")
        self.assertEqual(self.ips(self.server, "?state=unavailable"), {"unavailable": ["10.79.0.2"]})
        self.assertEqual(self.ips(self.server, "?state=available&pool=lab"), {"available": ["10.78.0.2", "10.78.0.3"]})
        self.assertEqual(self.ips(self.server, "?state=available&pool=one"), {"available": []})
        thread.join()

    def test_list_by_pages(self):
        path, seen = "/api/v1/admin/ips?limit=3&state=available", []
        while path:
            answer = self.server.send("GET", path, headers=TOKEN)
            seen.append(answer.json["available"])
            link = answer.headers.get("link")
            path = link[1 : link.index(">")] if link else None
        self.assertEqual([len(page) for page in seen], [3, 3, 3, 2])
        self.assertEqual(sum(seen, []), list(self.ips(self.server)))

    def test_list_refused(self):
        for query, code in (("?state=0", "state_invalid"), ("?pool=x", "no_such_pool"), ("?limit=0", "limit_invalid"),
                            ("?limit=x", "limit_invalid"), ("?after=x", "after_invalid")):
            answer = self.server.send("GET", "/api/v1/admin/ips" + query, headers=TOKEN)
            self.assertEqual((answer.status, answer.code), (400, code), answer)
        self.assertEqual(self.server.send("GET", "/api/v1/admin/ips").status, 403)
        self.assertEqual(self.put({"ip": "10.79.0.2", "state": 1}, {}).status, 403)

    def test_set(self):
        for off, on in (("unavailable", "available"), (1, 0)):
            answer = self.put({"ip": "10.79.0.2", "state": off})
            self.assertEqual((answer.status, answer.json), (200, {"ip": "10.79.0.2", "state": "unavailable"}), answer)
            self.assertEqual(self.ips(self.server, "?state=unavailable"), {"unavailable": ["10.79.0.2"]})
            answer = self.server.call(N, "Sleep(1)", ip4="one")
            self.assertEqual((answer.status, answer.code), (503, "no_address"), answer)
            answer = self.put({"ip": "10.79.0.2", "state": on})
            self.assertEqual((answer.status, answer.json["state"]), (200, "available"), answer)
            self.says(self.server, "Sleep(1)", "slept", ip4="one")
            self.all_free(self.server)

    def test_set_while_held(self):
        thread, _ = self.background(self.server, "Sleep(700)", ip4="one")
        self.holder(self.server)
        for state in ("available", "unavailable"):
            answer = self.put({"ip": "10.79.0.2", "state": state})
            self.assertEqual((answer.status, answer.code), (409, "address_held"), answer)
        thread.join()

    def test_set_refused(self):
        for body, status, code in (({"ip": "10.99.0.2", "state": 1}, 404, "no_such_address"), ({"ip": "x", "state": 1}, 400, "ip_invalid"),
                                   ({"ip": "10.79.0.2", "state": 2}, 400, "state_invalid"), ({"ip": "10.79.0.2"}, 400, "body_invalid"),
                                   ({"ip": "10.79.0.2", "state": True}, 400, "state_invalid"), ("[]", 400, "body_invalid"), ("{", 400, "body_invalid"),
                                   ("", 400, "body_invalid"), ({"ip": 1, "state": 1}, 400, "ip_invalid")):
            answer = self.put(body)
            self.assertEqual((answer.status, answer.code), (status, code), "%s: %s" % (body, answer))


class Refused(unittest.TestCase):
    def test_without_pools(self):
        own = sky.Sky("ip4", modules=tree.url, admin_api_token="tests").start()
        self.addCleanup(own.close)
        answer = own.call(N, "Sleep(1)", ip4=True)
        self.assertEqual((answer.status, answer.code), (403, "no_network"), answer)
        line = answer.detail[answer.detail.index('"network"') :]
        json.loads("{%s}" % line)
        self.assertEqual(own.send("GET", "/api/v1/admin/ips", headers=TOKEN).json, {})
        self.assertEqual(own.send("PUT", "/api/v1/admin/ips", '{"ip": "10.0.0.2", "state": 1}', TOKEN).status, 403)


class Kills(Networks):
    """Nothing is left of what was made on the host, and no address is lost."""

    def setUp(self):
        self.make()
        self.addCleanup(self.unmake)

    def served(self, own):
        def works():
            try:
                return own.call(N, "Sleep(1)", ip4=True).status == 200
            except OSError:
                return False

        sky.until(works, 10, "a call that works")

    def links(self, own):
        prefix = "s" + own.instance.split("-")[1][:6]
        return [line for line in self.host.ip("-br link").splitlines() if line.startswith(prefix)]

    def test_stop_leaves_nothing(self):
        before = self.host.picture()
        own = self.island().start()
        self.addCleanup(own.close)
        self.assertEqual(self.host.picture(), before, "changed before anybody asked for an address")
        self.served(own)
        now = self.host.picture()
        self.assertIn(own.instance, now["links"])
        self.assertIn("table bridge " + own.instance, now["rules"])
        doctor = own.run("doctor").stdout.decode()
        self.assertIn("the bridge %s, forwarding on up0" % own.instance, doctor)
        self.assertIn("bridge, veth, macvlan, nftables", doctor)
        thread, _ = self.background(own, "Sleep(700)")
        self.holder(own)
        self.assertEqual(own.stop(), 0)
        thread.join()
        self.assertEqual(self.host.picture(), before)
        self.assertIn("nothing is changed on the host", own.run("doctor").stdout.decode())
        self.assertEqual(self.host.picture(), before)

    def test_all_killed(self):
        before = self.host.picture()
        own = self.island().start()
        self.addCleanup(own.close)
        for _ in range(3):
            self.background(own, "Sleep(3000)")
        sky.until(lambda: len(self.links(own)) == 3, 5, "three links")
        os.kill(own.process.pid, signal.SIGKILL)
        own.process.wait()
        sky.until(lambda: not own.processes(), 5, "the end of all")
        self.assertNotEqual(self.host.picture(), before)
        own.start()
        self.assertEqual(self.host.picture(), before, "the start clears what was left")
        self.served(own)
        self.all_free(own)
        self.assertEqual(own.stop(), 0)
        self.assertEqual(self.host.picture(), before)

    def test_killed_and_started_without_pools(self):
        before = self.host.picture()
        own = self.island().start()
        self.addCleanup(own.close)
        self.served(own)
        os.kill(own.process.pid, signal.SIGKILL)
        own.process.wait()
        sky.until(lambda: not own.processes(), 5, "the end of all")
        del own.config["network"]
        own.start()
        self.assertEqual(self.host.picture(), before)

    def test_jailers_killed(self):
        own = self.island().start()
        self.addCleanup(own.close)
        calls = [self.background(own, "Sleep(3000)") for _ in range(6)]
        sky.until(lambda: len(self.links(own)) == 6, 5, "six links")
        for pid in own.parts[1]:
            os.kill(pid, signal.SIGKILL)
        for thread, got in calls:
            thread.join()
            self.assertEqual(got[0].status, 503, got[0])
        self.all_free(own)
        sky.until(lambda: not self.links(own), 2, "the end of links: %s" % self.links(own))
        for _ in range(9):  # all of them, and round again
            self.says(own, 'Get("%s:80")' % WORLD, "you are %s<nil>" % HOST)

    def test_server_killed(self):
        own = self.island().start()
        self.addCleanup(own.close)
        calls = [self.background(own, "Sleep(3000)") for _ in range(3)]
        sky.until(lambda: len(self.links(own)) == 3, 5, "three links")
        os.kill(own.parts[0], signal.SIGKILL)
        for thread, _ in calls:
            thread.join()
        sky.until(lambda: own.parts[0], 5, "a server")
        self.served(own)
        self.all_free(own)
        sky.until(lambda: not self.links(own), 2, "the end of links: %s" % self.links(own))

    def test_leases_with_kills_at_random(self):
        count = int(os.environ.get("SKY_LEASES", "300"))
        seed = int(os.environ.get("SKY_SEED", "0")) or random.randrange(1 << 30)
        own = self.island(pools={"start_addr": "10.77.0.2", "end_addr": "10.77.0.17", "mask": "255.255.255.0"},
                          jails={"exec_timeout": "1s"}).start()
        self.addCleanup(own.close)
        self.served(own)
        left, lock, told, strange = [count], threading.Lock(), {}, []

        def one(rng):
            what = rng.random()
            if what < 0.05:  # the client leaves
                with self.host.inside():
                    connection = own.connection(5)
                    connection.request("POST", "/api/v1/function", json.dumps({"url": N, "call": "Sleep(200)", "ip4": True}))
                time.sleep(rng.random() * 0.05)
                connection.sock.close()
                return "left"
            if what < 0.1:
                jails = own.jail_pids()
                with contextlib.suppress(OSError, IndexError):
                    os.kill(rng.choice(jails), signal.SIGKILL)
            elif what < 0.1 + 1.5 / 300:
                with contextlib.suppress(OSError, IndexError):
                    os.kill(rng.choice(own.parts[1]), signal.SIGKILL)
            how = rng.choice(["", "", "", "panic", "exit", "signal"])
            for _ in range(200):
                answer = own.call(N, "End(%s)" % json.dumps(how), ip4=True)
                if answer.code != "no_address":
                    break
                time.sleep(0.05)  # jailers are being replaced
            if answer.status not in (200, 422, 503):
                strange.append(str(answer))
            return answer.status if answer.status != 503 else answer.code

        def work(number):
            rng = random.Random(seed + number)
            while True:
                with lock:
                    left[0] -= 1
                    if left[0] < 0:
                        return
                try:
                    came = one(rng)
                except OSError as error:
                    came = type(error).__name__
                with lock:
                    told[came] = told.get(came, 0) + 1

        workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(strange, [])
        self.all_free(own, 10)
        sky.until(lambda: not self.links(own), 2, "the end of links: %s" % self.links(own))
        self.assertGreater(told.get(200, 0), count / 4, told)
        if count > 300:
            print("note  seed %d: %d leases: %s" % (seed, count, told), flush=True)
        calls = [self.background(own, "Sleep(600)") for _ in range(16)]  # all at once
        self.holder(own, 16)
        for thread, got in calls:
            thread.join()
            self.assertEqual(got[0].status, 200, got[0])


class Interface(Networks):
    """A pool on an interface: macvlan, or veth where it is a bridge. Jails are the world's neighbours."""

    def setUp(self):
        self.make()
        self.addCleanup(self.unmake)

    def on(self, interface, **config):
        own = self.island(pools={"interface": interface, "start_addr": "9.9.9.100", "end_addr": "9.9.9.103", "mask": "255.255.255.0",
                                 "gateway": WORLD, "dns": [PRIVATE]}, **config).start()
        self.addCleanup(own.close)
        return own

    def neighbours(self, own):
        self.world.ip("addr add 9.7.7.7/32 dev lo")
        far = netspace.Answers(self.world, "9.7.7.7", 80)
        self.addCleanup(far.close)
        self.says(own, 'Get("9.7.7.7:80")', "you are 9.9.9.100<nil>")
        self.says(own, 'Lookup("island.test")', "[%s] <nil>" % WORLD)
        self.says(own, 'Reach("%s:80", "%s:8080", "%s:80", "9.9.9.103:80")' % (WORLD, HOST, PRIVATE),
                  "prohibited prohibited silent prohibited")
        self.all_free(own)

    def spoofs(self, own):
        """With all rights within a jail's namespace, which no jail has: only what is open, and from its own address."""
        calls = [self.background(own, "Sleep(3000)"), self.background(own, "Listen(8000, 3000)")]
        address, other = self.holder(own, 2)
        sky.until(lambda: self.jail_of(own, other), 3, "the other jail")
        mine = self.jail_space(own, address)
        mine.ip("route flush type prohibit")
        mine.ip("route add 9.9.9.0/24 dev eth0")
        mine.ip("addr add 9.9.9.200/32 dev eth0")
        tried = {("9.7.7.7", 80, address): True, ("9.7.7.7", 80, "9.9.9.200"): False, (WORLD, 80, address): False,
                 (HOST, 8080, address): False, (other, 8000, address): False}
        for (target, port, source), reached in tried.items():
            with mine.inside(), socket.socket() as s:
                s.settimeout(2 if reached else 0.2)
                s.bind((source, 0))
                self.assertEqual(s.connect_ex((target, port)) == 0, reached, (source, target))
        mine.close()
        self.end(own, *calls)
        self.all_free(own)

    def conflicts(self, own):
        """Another host has the addresses that come next."""
        self.world.ip("addr add 9.9.9.100/24 dev in0", check=False)
        self.world.ip("addr add 9.9.9.101/24 dev in0", check=False)
        self.says(own, 'Own("9.7.7.7:80")', "9.9.9.102<nil>")
        sky.until(lambda: self.ips(own, "?state=unavailable") == {"unavailable": ["9.9.9.100", "9.9.9.101"]}, 3, "what was found")
        self.assertIn("another host answers for 9.9.9.100", own.log())
        self.world.ip("addr del 9.9.9.100/24 dev in0")
        self.assertEqual(own.send("PUT", "/api/v1/admin/ips", '{"ip": "9.9.9.100", "state": "available"}', TOKEN).status, 200)
        sky.until(lambda: len(self.ips(own, "?state=available")["available"]) == 3, 3, "the return of all")
        thread, got = self.background(own, "Sleep(500)")
        other, also = self.background(own, "Sleep(500)")
        last, too = self.background(own, "Sleep(500)")
        self.assertEqual(self.holder(own, 3), ["9.9.9.100", "9.9.9.102", "9.9.9.103"])
        for one in (thread, other, last):
            one.join()
        self.assertEqual([got[0].status, also[0].status, too[0].status], [200] * 3)

    def test_macvlan(self):
        before = self.host.picture()
        own = self.on("up0")
        self.neighbours(own)
        self.spoofs(own)
        self.assertEqual(own.stop(), 0)
        self.assertEqual(self.host.picture(), before)

    def test_macvlan_conflicts(self):
        self.conflicts(self.on("up0"))

    def bridge(self):
        self.host.ip("link add br0 type bridge")
        self.host.ip("link set br0 up")
        self.host.ip("link set up0 master br0")
        self.host.ip("addr del %s/24 dev up0" % HOST)
        self.host.ip("addr add %s/24 dev br0" % HOST)
        self.host.ip("route replace default via " + WORLD)

    def test_bridge(self):
        self.bridge()
        before = self.host.picture()
        own = self.on("br0")
        self.neighbours(own)
        self.spoofs(own)
        self.assertEqual(own.stop(), 0)
        self.assertEqual(self.host.picture(), before)

    def test_bridge_conflicts(self):
        self.bridge()
        self.conflicts(self.on("br0"))

    def test_all_conflict(self):
        for last in range(100, 104):
            self.world.ip("addr add 9.9.9.%d/24 dev in0" % last)
        answer = self.on("up0").call(N, "Sleep(1)", ip4=True)
        self.assertEqual((answer.status, answer.code), (503, "no_address"), answer)
        self.assertIn("retry-after", answer.headers)

    def test_interface_that_goes(self):
        own = self.on("up0")
        self.host.ip("link set up0 name other0")
        answer = own.call(N, "Sleep(1)", ip4=True)
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("up0", answer.detail)
        self.all_free(own)

    # what start and doctor say

    def refused(self, pools, *words):
        own = self.island(pools=pools)
        self.addCleanup(own.close)
        done = own.run()
        self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr.decode())
        doctor = own.run("doctor")
        self.assertEqual(doctor.returncode, 1, doctor.stdout)
        self.assertIn(words[0], doctor.stdout.decode())

    def test_own_address_in_the_pool(self):
        self.refused({"interface": "up0", "start_addr": "9.9.9.2", "end_addr": "9.9.9.9", "mask": "255.255.255.0", "gateway": WORLD},
                     "network.ip4.start_addr", HOST, "up0")

    def test_subnet_that_the_host_is_in(self):
        self.refused({"start_addr": "9.9.9.100", "end_addr": "9.9.9.109", "mask": "255.255.255.0"}, "network.ip4.start_addr", HOST, "up0")

    def test_dynamic_address(self):
        self.host.ip("addr del %s/24 dev up0" % HOST)
        self.host.ip("addr add %s/24 dev up0 valid_lft 1000 preferred_lft 1000" % HOST)
        own = self.on("up0")
        self.assertIn("DHCP", own.log())
        self.assertIn("by DHCP, and the pool", own.run("doctor").stdout.decode())
