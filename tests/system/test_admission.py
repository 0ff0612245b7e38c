"""Admission: limits hold exactly under bursts, what waits has its turn, and what is refused is told how."""

import concurrent.futures
import json
import os
import re
import signal
import socket
import tempfile
import threading
import unittest

import proxy
import sky

M = "example.com/counting"
SOURCE = """package counting

import (
	"fmt"
	"time"
)

// Busy says from when to when it ran.
func Busy(ms int) string {
	from := time.Now()
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return fmt.Sprintln(from.UnixNano(), time.Now().UnixNano())
}

// For takes a type of another package, which the driver leaves to the compiler.
func For(d time.Duration) string { return Busy(int(d.Milliseconds())) }
"""
TOKENS = [{"name": "team-a", "token": "token-of-team-a", "calls_max": 3}, {"name": "flood", "token": "token-of-flood"},
          {"name": "other", "token": "token-of-other"}, {"name": "one", "token": "token-of-one", "calls_max": 1}]
REUSED = M + "/d"
# ms: so much longer than the start of a jail that as many run at once as may. Where the processor is emulated, starting a
# program is slowed more than the rest is.
LONG = int(40 * sky.SLOW ** 1.5)
BUSY = "Busy(%d)" % LONG


def setUpModule():
    global tree, wide, tight
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(M, {"a.go": SOURCE, "b/b.go": SOURCE, "c/c.go": SOURCE, "d/d.go": SOURCE})
    wide = Server("wide", jails={"children_max": 6, "calls_per_function": 4, "queue_max": 200, "queue_timeout": "30s", "exec_timeout": "60s",
                                 "reuse": [{"url": REUSED, "when": "always"}]})
    tight = Server("tight", jails={"children_max": 2, "queue_max": 2, "queue_timeout": "300ms", "exec_timeout": "60s"})
    for url in (M, M + "/b", M + "/c", REUSED):
        wide.good(url, "Busy(0)")
    tight.good(M, "Busy(0)")


class Server(sky.Sky):
    def __init__(self, name, **config):
        super().__init__(name, modules=tree.url, function_tokens=TOKENS, admin_api_token="of-admins", **config)
        self.start()
        unittest.addModuleCleanup(self.close)

    def as_caller(self, caller, url, call, **options):
        return self.post({"url": url, "call": call}, {"Authorization": "Bearer token-of-" + caller}, **options)

    def good(self, url, call, caller="other"):
        answer = self.as_caller(caller, url, call)
        if answer.status != 200:
            raise AssertionError(str(answer))
        return answer

    def metric(self, name):
        found = re.search(r"^%s (\d+)$" % re.escape(name), self.send("GET", "/metrics").body.decode(), re.M)
        return int(found.group(1))

    def running(self):
        """Calls that run, and calls that wait."""
        return self.metric("sky_jails_running"), self.metric("sky_queue_length")

    def kill_all(self):
        return self.send("DELETE", "/api/v1/admin/jails", headers={"X-Sky-Island-Token": "of-admins"})


def most_at_once(answers):
    """Of calls of Busy, by their own clocks."""
    changes = []
    for answer in answers:
        begin, end = (int(text) for text in answer.data.split())
        changes += [(begin, 1), (end, -1)]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


class Exact(unittest.TestCase):
    def burst(self, calls, limit):
        answers = sky.together(calls)
        self.assertEqual({answer.status for answer in answers}, {200}, "\n".join(str(a) for a in answers if a.status != 200)[:2000])
        self.assertEqual(most_at_once(answers), limit)
        sky.until(lambda: wide.running() == (0, 0), what="an end of all calls")
        return answers

    def test_a_caller(self):
        answers = self.burst([lambda: wide.as_caller("team-a", M, BUSY) for _ in range(24)], 3)
        self.assertGreater(max(answer.timing("queue") for answer in answers), 20)
        lines = [json.loads(line) for line in sky._read(wide.log_path).splitlines() if line.startswith("{")]
        self.assertIn("team-a", {line.get("caller") for line in lines})
        self.assertNotIn("token-of", sky._read(wide.log_path))

    def test_a_function(self):
        self.burst([lambda: wide.as_caller("other", M, BUSY) for _ in range(24)], 4)

    def test_the_node(self):
        self.burst([lambda url=M + path: wide.as_caller("other", url, BUSY) for path in ("", "/b", "/c") * 10], 6)

    def test_a_caller_whose_jails_serve_several_calls(self):
        answers = self.burst([lambda: wide.as_caller("team-a", REUSED, BUSY) for _ in range(24)], 3)
        reused = [answer for answer in answers if answer.headers["x-sky-island-jail"].startswith("reused")]
        self.assertGreater(len(reused), len(answers) / 2)

    def test_calls_that_the_driver_declines(self):
        """Such a call runs twice, one after the other; both count."""
        text = "For(time.Duration(%d))" % (LONG * 1000000)
        wide.good(M, text)
        declined = wide.metric('sky_calls_total{outcome="declined"}')
        self.burst([lambda text=text: wide.as_caller("team-a", M, text) for text in [BUSY, text] * 8], 3)
        self.assertEqual(wide.metric('sky_calls_total{outcome="declined"}'), declined + 8)

    def test_callers_that_leave(self):
        """A place is free again once the jail of who left is gone, and no sooner."""
        body = json.dumps({"url": M, "call": "Busy(30)"}).encode()
        head = b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token-of-team-a\r\nContent-Length: %d\r\n\r\n"
        stop = threading.Event()

        def leave():
            while not stop.is_set():
                with socket.create_connection((wide.host, wide.port)) as s:
                    s.sendall(head % len(body) + body)
                    stop.wait(0.01)

        leavers = [threading.Thread(target=leave) for _ in range(4)]
        for thread in leavers:
            thread.start()
        try:
            answers = sky.together([lambda: wide.as_caller("team-a", M, "Busy(20)") for _ in range(12)])
        finally:
            stop.set()
            for thread in leavers:
                thread.join()
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertLessEqual(most_at_once(answers), 3)
        sky.until(lambda: wide.running() == (0, 0), what="an end of all calls")

    def test_a_program_that_goes_while_its_calls_wait(self):
        """cache_bust ends a program; calls that wait keep it, and their limit."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            held = [pool.submit(wide.as_caller, "team-a", M + "/c", "Busy(50000)") for _ in range(3)]
            sky.until(lambda: wide.running() == (3, 0), what="calls that run")
            waiting = [pool.submit(wide.as_caller, "team-a", M + "/c", BUSY) for _ in range(5)]
            sky.until(lambda: wide.running() == (3, 5), what="calls that wait")
            answer = wide.post({"url": M + "/c", "call": "Busy(0)", "cache_bust": True}, {"Authorization": "Bearer token-of-other"})
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(wide.running(), (3, 5), "nobody was started out of turn")
            wide.kill_all()
            self.assertEqual({future.result().code for future in held}, {"jail_killed"})
            answers = [future.result() for future in waiting]
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertLessEqual(most_at_once(answers), 3)
        sky.until(lambda: wide.running() == (0, 0), what="an end of all calls")


class Fair(unittest.TestCase):
    def test_who_floods_holds_up_nobody_else(self):
        """Sixty calls wait when another caller's three come; these are not the last ones to run, but among the first."""
        with concurrent.futures.ThreadPoolExecutor(80) as pool:
            held = [pool.submit(wide.as_caller, "flood", url, "Busy(50000)") for url in (M, M, M, M, M + "/b", M + "/b")]
            sky.until(lambda: wide.running() == (6, 0), what="calls that run")
            floods = [pool.submit(wide.good, M + "/b", "Busy(5)", "flood") for _ in range(60)]
            sky.until(lambda: wide.running() == (6, 60), what="calls that wait")
            others = [pool.submit(wide.good, M + "/c", "Busy(5)") for _ in range(3)]
            sky.until(lambda: wide.running() == (6, 63), what="more of them")
            wide.kill_all()
            self.assertEqual({future.result().code for future in held}, {"jail_killed"})
            floods, others = ([int(future.result().data.split()[0]) for future in some] for some in (floods, others))
        self.assertLess(sum(begin < max(others) for begin in floods), 20)


class Refused(unittest.TestCase):
    def hold(self, caller, count=1):
        """Calls that run until they are killed."""
        pool = concurrent.futures.ThreadPoolExecutor(count)
        self.addCleanup(pool.shutdown)
        held = [pool.submit(tight.as_caller, caller, M, "Busy(50000)") for _ in range(count)]
        sky.until(lambda: tight.running()[0] == count, what="calls that run")
        self.addCleanup(tight.kill_all)
        return held

    def refused(self, answer, words):
        self.assertEqual((answer.status, answer.code), (429, "too_many_calls"), answer)
        self.assertEqual((answer.json["fault"], answer.headers["content-type"]), ("request", "application/problem+json"))
        self.assertIn(words, answer.detail)
        self.assertTrue(1 <= int(answer.headers["retry-after"]) <= 60, answer.headers)

    def released(self, held):
        tight.kill_all()
        for future in held:
            self.assertEqual(future.result().code, "jail_killed")
        sky.until(lambda: tight.running() == (0, 0), what="an end of all calls")

    def test_of_a_caller(self):
        held = self.hold("one")
        refusals = tight.metric('sky_calls_refused_total{limit="caller"}')
        answers = sorted(sky.together([lambda: tight.as_caller("one", M, "Busy(0)") for _ in range(4)]), key=lambda a: a.seconds)
        for answer in answers:
            self.refused(answer, 'the caller "one"')
        for answer in answers[2:]:  # two waited until their time was up
            self.assertGreaterEqual(answer.timing("queue"), 300)
        self.assertEqual(tight.metric('sky_calls_refused_total{limit="caller"}'), refusals + 4)
        self.assertEqual(tight.as_caller("other", M, "Busy(0)").status, 200, "others go on")
        self.released(held)
        self.assertEqual(tight.as_caller("one", M, "Busy(0)").status, 200)

    def test_of_the_node(self):
        held = self.hold("other", 2)
        for answer in sky.together([lambda: tight.as_caller("flood", M, "Busy(0)") for _ in range(3)]):
            self.refused(answer, "jails.children_max: 2")
        self.released(held)

    def test_at_once_and_without_work(self):
        """Where the queue is full, what is not known yet is not looked for."""
        held = self.hold("other", 2)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(tight.as_caller, "flood", M, "Busy(0)") for _ in range(2)]
            sky.until(lambda: tight.running() == (2, 2), what="a full queue")
            asked = tight.metric('sky_cache_requests_total{cache="source",result="miss"}')
            answer = tight.as_caller("flood", "example.com/unknown", "F()")
            self.refused(answer, "2 calls wait")
            self.assertEqual(tight.metric('sky_cache_requests_total{cache="source",result="miss"}'), asked)
            for future in waiting:
                self.refused(future.result(), "jails.children_max")
        self.released(held)

    def test_who_leaves_the_queue_makes_room(self):
        held = self.hold("other", 2)
        body = json.dumps({"url": M, "call": "Busy(0)"}).encode()
        with socket.create_connection((tight.host, tight.port)) as s:
            s.sendall(b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token-of-one\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body) + body)
            sky.until(lambda: tight.running()[1] == 1, what="a call that waits")
        sky.until(lambda: tight.running()[1] == 0, what="its leaving")
        self.released(held)

    def test_a_token_that_goes_while_its_call_runs(self):
        held = self.hold("one")
        tight.config["function_tokens"] = [token for token in TOKENS if token["name"] != "one"]
        self.addCleanup(tight.config.update, function_tokens=TOKENS)
        self.hangup()
        self.assertEqual(tight.as_caller("one", M, "Busy(0)").status, 401)
        tight.config["function_tokens"] = TOKENS
        self.hangup()
        self.refused(tight.as_caller("one", M, "Busy(0)"), 'the caller "one"')
        self.released(held)
        self.assertEqual(tight.as_caller("one", M, "Busy(0)").status, 200)

    def hangup(self):
        told = tight.log().count("read again")
        tight.write_config()
        os.kill(tight.process.pid, signal.SIGHUP)
        sky.until(lambda: tight.log().count("read again") > told, what="the new tokens")


class Callers(unittest.TestCase):
    def test_tokens(self):
        for given in ("token-of", "token-of-other-", ""):
            answer = wide.post({"url": M, "call": "Busy(0)"}, {"Authorization": "Bearer " + given} if given else {})
            self.assertEqual((answer.status, answer.code), (401, "unauthorized"), given)
        self.assertEqual(wide.as_caller("team-a", M, "Busy(0)").status, 200)
