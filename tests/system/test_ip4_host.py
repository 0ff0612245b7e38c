"""Jails with addresses on the host's side: what is changed there and undone, kills, interfaces. SKY_LEASES is how many leases the
random test makes (300)."""

import contextlib
import json
import os
import random
import signal
import socket
import threading
import time

import netspace
import networks
import sky
from networks import HOST, PRIVATE, TOKEN, WORLD, N, Networks


def setUpModule():
    networks.prepare()


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

    def kill_all(self, own):
        os.kill(own.process.pid, signal.SIGKILL)
        own.process.wait()
        sky.until(lambda: not own.processes(), 5, "the end of all")

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
        self.served(own)
        for _ in range(3):
            self.background(own, "Sleep(%d)" % (3000 * sky.SLOW))
        sky.until(lambda: len(self.links(own)) == 3, 5, "three links")
        self.kill_all(own)
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
        self.kill_all(own)
        del own.config["network"]
        own.start()
        self.assertEqual(self.host.picture(), before)

    def test_killed_and_destroyed(self):
        before = self.host.picture()
        own = self.island().start()
        self.addCleanup(own.close)
        self.served(own)
        os.kill(own.process.pid, signal.SIGKILL)
        own.process.wait()
        self.assertNotEqual(self.host.picture(), before)
        done = own.run("destroy", "--yes")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(self.host.picture(), before)
        self.assertFalse(os.path.exists(own.state))

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

    def test_other_pools_on_sighup(self):
        own = self.island().start()
        self.addCleanup(own.close)

        def hangup(pools, word):
            told = own.log().count(word)
            own.config["network"] = {"ip4": pools}
            own.write_config()
            own.process.send_signal(signal.SIGHUP)
            sky.until(lambda: own.log().count(word) > told, 3, word)

        self.says(own, 'Own("%s:80")' % WORLD, "10.77.0.2<nil>")
        thread, got = self.background(own, "Sleep(1000)")
        self.holder(own)
        hangup({"start_addr": HOST, "mask": "255.255.255.0", "range": 2}, "nothing was changed")
        self.assertIn("10.77.0.2", self.ips(own))
        hangup({"start_addr": "10.88.0.2", "mask": "255.255.255.0", "range": 5}, "read again")
        self.assertEqual(sorted(self.ips(own)), ["10.88.0.%d" % i for i in range(2, 6)])
        thread.join()
        self.assertEqual(got[0].status, 200, got[0])
        self.says(own, 'Own("%s:80")' % WORLD, "10.88.0.2<nil>")
        for pid in own.parts[1]:
            os.kill(pid, signal.SIGKILL)
        self.served(own)
        self.all_free(own)
        hangup({"start_addr": "10.88.0.5", "mask": "255.255.255.0", "range": 5}, "read again")
        self.says(own, 'Own("%s:80")' % WORLD, "10.88.0.5<nil>")  # by jailers that knew the second pool first

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
        sky.until(lambda: " UP " in self.host.ip("-br link show br0"), what="the bridge's carrier")

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
        self.host.ip("link set up0 down")  # kernels before 6.2 rename no other
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
