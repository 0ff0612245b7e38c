"""Jails with addresses: what they reach, what they do not, and that every address comes back."""

import ipaddress
import json
import os
import signal
import socket
import struct

import netspace
import networks
import sky
from networks import HOST, PRIVATE, TOKEN, WORLD, N, Networks


def setUpModule():
    networks.prepare()


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

    def test_shown_and_counted(self):
        call = self.background(self.server, "Sleep(1000)")
        (address,) = self.holder(self.server)
        name = self.holders(self.server)[address]
        jails = self.server.send("GET", "/api/v1/admin/jails", headers=TOKEN).json["jails"]
        self.assertEqual([jail["name"] for jail in jails if jail["ip4"] == address], [name])
        call[0].join()
        told = self.server.send("GET", "/metrics", headers=TOKEN).body.decode()
        count = next(line for line in told.splitlines() if line.startswith("sky_network_allocate_seconds_count"))
        self.assertGreaterEqual(int(count.split()[1]), 1)

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
            self.assertEqual(set(self.open.asked), {HOST})
        self.open.asked.clear()
        with mine.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((address, 0))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x07\x07\x04\0\0\0\0\0")  # record the route
            s.sendto(b"with options", (WORLD, 80))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"")
            s.sendto(b"without", (WORLD, 80))
        sky.until(lambda: self.open.asked, 2, "the plain datagram")
        self.assertEqual(set(self.open.asked), {HOST})
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

    def test_places_of_connections(self):
        """Each takes one of those that all of the host have, for longer than the jail is there."""
        before = int(self.host.setting("netfilter/nf_conntrack_count"))
        self.says(self.server, 'Spray("%s", 4000)' % WORLD, "4000 <nil>", ip4="one")
        self.assertLess(int(self.host.setting("netfilter/nf_conntrack_count")), before + 2048 + 200)
        self.says(self.server, 'Get("%s:80")' % WORLD, "you are %s<nil>" % HOST)

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
        address = self.holder(self.server)[0]
        sky.until(lambda: self.jail_of(self.server, address), 3, "a jail")
        connection.sock.close()
        connection.close()
        self.all_free(self.server, 1)

    def test_a_jail_killed_from_outside(self):
        thread, got = self.background(self.server, "Mark(1400)", ip4="one")
        address = self.holder(self.server)[0]
        pid = sky.until(lambda: self.jail_of(self.server, address), 3, "a jail")
        sky.until(lambda: sky.marked(pid), what="the call")
        os.kill(pid, signal.SIGKILL)
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


class Refused(Networks):
    def test_without_pools(self):
        own = sky.Sky("ip4", modules=self.tree.url, admin_api_token="tests").start()
        self.addCleanup(own.close)
        answer = own.call(N, "Sleep(1)", ip4=True)
        self.assertEqual((answer.status, answer.code), (403, "no_network"), answer)
        line = answer.detail[answer.detail.index('"network"') :]
        json.loads("{%s}" % line)
        self.assertEqual(own.send("GET", "/api/v1/admin/ips", headers=TOKEN).json, {})
        self.assertEqual(own.send("PUT", "/api/v1/admin/ips", '{"ip": "10.0.0.2", "state": 1}', TOKEN).status, 403)
