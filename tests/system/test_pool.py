"""Jails that wait for calls: how many, of which programs, for how long, in how much memory; and that none is missed."""

import concurrent.futures
import contextlib
import json
import os
import signal
import tempfile
import threading
import time
import unittest

import proxy
import sky

TOKEN = {"X-Sky-Island-Token": "the-token-of-this-test"}
MIB = 1 << 20
BURST = 20
CPUS = os.cpu_count()
ONE, TWO, THREE, HEAVY, LARGE, BUSY = ("example.com/" + name for name in ("one", "two", "three", "heavy", "large", "busy"))
HELD = 40  # MiB, of LARGE
LARGELY = """package large

import "time"

var held = make([]byte, %d<<20)

func init() {
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	time.Sleep(700 * time.Millisecond)
}

func F() int { return int(held[0]) }
"""
BUSILY = """package busy

import "time"

func init() {
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
	}
}

func F() int { return 1 }
"""


def setUpModule():
    global tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    for url in (ONE, TWO, THREE):
        tree.add(url, {"a.go": "package some\n\nfunc F() int { return 1 }\n"})
    tree.add(HEAVY, {"a.go": proxy.heavy("heavy", 8)}, go="1.22")
    tree.add(LARGE, {"a.go": LARGELY % HELD}).add(BUSY, {"a.go": BUSILY})


class Pool(unittest.TestCase):
    def sky(self, **jails):
        self.own = sky.Sky("pool", modules=tree.url, admin_api_token=TOKEN["X-Sky-Island-Token"], jails=jails).start()
        self.addCleanup(self.own.close)

    def call(self, url, call="F()"):
        answer = self.own.call(url, call)
        self.assertEqual(answer.status, 200, answer)

    def together(self, url, count):
        """So many calls, sent before the first is answered; their answers."""
        request = json.dumps({"url": url, "call": "F()"}).encode()
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(contextlib.closing(self.own.connection())) for _ in range(count)]
            for connection in connections:
                connection.connect()
            for connection in connections:
                connection.request("POST", "/api/v1/function", request)
            found = []
            for connection in connections:
                answer = connection.getresponse()
                found.append((answer.status, answer.read()))
        return found

    def jails(self):
        """(state, path) of each."""
        found = self.own.send("GET", "/api/v1/admin/jails?limit=1000", headers=TOKEN).json["jails"]
        return [(jail["state"], jail["module"].partition("@")[0]) for jail in found]

    def waiting(self):
        return sorted(path for state, path in self.jails() if state == "waiting")

    def rest(self):
        """Waits until nothing but waiting jails is there; which."""
        seen = []

        def same():
            seen.append(self.jails())
            return len(seen) > 20 and all(jails == seen[-1] for jails in seen[-20:]) and {state for state, _ in seen[-1]} <= {"waiting"}

        sky.until(same, 20, "nothing but jails that wait")
        return self.waiting()


class Waiting(Pool):
    def test_no_longer_than_idle_timeout(self):
        self.sky(idle_timeout="%ds" % sky.SLOW)
        for url in (ONE, TWO):
            self.call(url)
        for url in (ONE, TWO):
            self.call(url)
        sky.until(lambda: set(self.waiting()) == {ONE, TWO}, what="jails of both")
        sky.until(lambda: self.own.metric("sky_jails_waiting") == 0 and not self.waiting(), 6, "an end of their waiting")
        sky.until(lambda: not self.own.jail_pids(), 3, "an end of the jails")
        self.assertEqual(self.rest(), [], "none is made where none was asked for")
        self.call(ONE)

    def test_the_least_recently_used_goes_first(self):
        self.sky(waiting_max=2)
        for url, waiting in ((ONE, [ONE]), (TWO, [ONE, TWO]), (ONE, [ONE, TWO]), (THREE, [ONE, THREE])):
            self.call(url)
            self.assertEqual(self.rest(), sorted(waiting))

    def test_as_many_as_came_at_once(self):
        self.sky()
        self.call(ONE)
        self.assertEqual(self.rest(), [ONE])
        self.assertEqual({status for status, _ in self.together(ONE, BURST)}, {200})
        waiting = self.rest()
        self.assertEqual(set(waiting), {ONE})
        self.assertTrue(5 <= len(waiting) <= BURST, len(waiting))

    def test_a_burst_is_served(self):
        """Nothing of the package is there, or all but jails; it may need its time to be initialised."""
        for empty, urls in ((False, (ONE, BUSY)), (True, (ONE,))):
            self.sky(**({"waiting_max": 0} if empty else {}))
            for url in urls:
                if empty:
                    self.call(url)
                time.sleep(1.2 * sky.SLOW)  # more than jails.queue_timeout with nobody waiting: what comes then is sudden
                with self.subTest(url, built=empty):
                    answers = self.together(url, 100)
                    self.assertEqual({status for status, _ in answers}, {200}, [body for status, body in answers if status != 200][:3])


class Builds(Pool):
    def test_no_more_than_builds_max(self):
        self.sky(builds_max=2)
        most = 0
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(self.own.call, HEAVY, "F() + %d" % i) for i in range(4)]
            while not all(answer.done() for answer in answers):
                most = max(most, sum(state == "building" for state, _ in self.jails()))
                time.sleep(0.01)
        self.assertEqual([answer.result().status for answer in answers], [200] * 4, [str(answer.result()) for answer in answers])
        self.assertEqual(most, 2)


class Memory(Pool):
    def resident(self):
        """MiB, of each jail there is."""
        kib = [sum(int(sky.status(pid).get("RssAnon", "0").split()[0]) for pid in pids) for pids in self.own.jails().values()]
        return [one / 1024 for one in kib]

    def test_waiting_memory(self):
        """Neither those that wait nor those that are made to wait take more, though all of a burst are wanted."""
        budget = 100
        self.sky(waiting_memory=budget * MIB, init_timeout="60s", exec_timeout="60s")
        self.call(LARGE)
        self.assertEqual(self.rest(), [LARGE])
        one = max(self.resident())
        self.assertGreater(one, HELD, "it is what it shall be")
        answers = []
        burst = threading.Thread(target=lambda: answers.extend(self.together(LARGE, BURST)))
        burst.start()
        waited, made, taken, quiet = 0, 0, 0.0, None
        while burst.is_alive() or quiet is None or sky.since(quiet) < 2:
            answered = not burst.is_alive()
            states = [state for state, _ in self.jails()]
            waited = max(waited, states.count("waiting"))
            if answered:  # what starts is for no call
                made = max(made, states.count("waiting") + states.count("starting"))
                now = sum(self.resident())
                states += [state for state, _ in self.jails()]
                taken = max(taken, now if set(states) <= {"waiting", "starting"} else 0)
                quiet = quiet if quiet is not None and set(states) <= {"waiting"} else time.monotonic()
            time.sleep(0.02)
        self.assertEqual({status for status, _ in answers}, {200}, [body for status, body in answers if status != 200][:3])
        settled = self.resident()
        self.assertEqual(len(settled), len(self.rest()))
        self.assertGreaterEqual(len(settled), 1, "some wait")
        told = "%d MiB may wait, a jail has %d: most that waited %d, with those being made %d of %d MiB in all; in the end %d of %d" % (
            budget, one, waited, made, taken, len(settled), sum(settled))
        self.assertLessEqual(sum(settled), budget + one, told)
        self.assertLessEqual(waited * one, budget + one, told)
        self.assertLessEqual(made * one, budget + CPUS * one, told)
        self.assertLessEqual(taken, budget + CPUS * one, told)


class Killed(Pool):
    """The program of a waiting jail ends, by whatever: no call is the worse for it, since none had begun."""

    def test_killed(self):
        self.kill_and_call(stopped=False)

    def test_killed_and_nobody_told(self):
        self.kill_and_call(stopped=True)

    def kill_and_call(self, stopped):
        self.sky(waiting_max=1)
        self.call(ONE)
        _, jailers = self.own.parts
        request = json.dumps({"url": ONE, "call": "F()"}).encode()
        wrong = []
        for turn in range(30):
            with contextlib.closing(self.own.connection()) as connection:
                connection.connect()
                _, program = sky.until(self.own.waiting_jail, what="a jail that waits")
                try:
                    for pid in jailers if stopped else ():
                        os.kill(pid, signal.SIGSTOP)
                    os.kill(program, signal.SIGKILL)
                    connection.request("POST", "/api/v1/function", request)
                    time.sleep(0.02 if stopped else 0)
                finally:
                    for pid in jailers if stopped else ():
                        os.kill(pid, signal.SIGCONT)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    wrong.append((turn, answer.status, text))
        self.assertEqual(len(wrong), 0, "of 30: %s" % wrong[:2])


del Pool  # no test by itself
