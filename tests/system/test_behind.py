"""Calls that a jail is sent behind the one it makes: whose output it is, and what becomes of them where it does not come to them."""

import json
import re
import tempfile
import time
import unittest

import proxy
import sky

R = "example.com/reuse"
QUICK = 64  # calls after which a set is known to be quick


def setUpModule():
    global server, tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(R, proxy.source("reuse"), go="1.22")
    server = sky.Sky("behind", modules=tree.url, jails={"exec_timeout": "2s", "reuse": [{"url": "*", "when": "always"}]}).start()
    unittest.addModuleCleanup(server.close)


class Behind(unittest.TestCase):
    def setUp(self):
        for _ in range(QUICK):
            self.assertEqual(server.call(R, "Sum(1)").status, 200)
        self.connections = [server.connection() for _ in range(16)]
        for connection in self.connections:  # last: the server closes what says nothing for long
            connection.connect()
            self.addCleanup(connection.close)

    def burst(self, *calls, leave=()):
        """All at once, each on its connection: (status, code, data, stdout, used before, seconds) of each; None of those that leave."""
        begin = time.monotonic()
        for connection, call in zip(self.connections, calls):
            connection.request("POST", "/api/v1/function", json.dumps({"url": R, "call": call}))
        for i in leave:
            self.connections[i].close()
        answers = [None] * len(calls)
        for i in reversed(range(len(calls))):
            if i not in leave:
                answers[i] = self.read(self.connections[i], begin)
        return answers

    @staticmethod
    def read(connection, begin):
        response = connection.getresponse()
        said = json.loads(response.read())
        used = re.search(r"calls=(\d+)", response.headers["X-Sky-Island-Jail"] or "")
        return response.status, said.get("code"), said.get("data"), said.get("stdout"), int(used.group(1)) if used else 0, time.monotonic() - begin

    def test_each_has_its_own_output(self):
        """A call that writes by itself is never taken for another, whatever lies behind it."""
        for turn in range(20):
            calls = ['Print("%d-%d ")' % (turn, i) if (i + turn) % 5 == 0 else 'Keep("%d-%d")' % (turn, i) for i in range(16)]
            for i, (status, _, data, _, _, _) in enumerate(self.burst(*calls)):
                self.assertEqual(status, 200)
                if (i + turn) % 5 == 0:
                    self.assertRegex(data, r"^%d-%d \d+$" % (turn, i))
                else:  # each once in its jail, and the last is its own
                    kept = data.strip("[]").split()
                    self.assertEqual((kept[-1], len(kept)), ("%d-%d" % (turn, i), len(set(kept))))

    def test_counted_exactly(self):
        """Each answer says how many its jail had before."""
        for _ in range(20):
            answers = self.burst(*["Count()"] * 16)
            self.assertEqual({a[0] for a in answers}, {200})
            for _, _, data, _, used, _ in answers:
                self.assertLessEqual(int(data), used + 1)

    def test_none_waits_for_a_long_one(self):
        answers = self.burst("Sleep(1000)", *["Sum(1)"] * 15)
        self.assertEqual({a[0] for a in answers}, {200})
        self.assertGreater(answers[0][-1], 1)
        self.assertLess(max(a[-1] for a in answers[1:]), 0.9)

    def test_all_are_long(self):
        begin = time.monotonic()
        answers = self.burst(*["Sleep(300)"] * 16)
        self.assertEqual({a[0] for a in answers}, {200})
        self.assertLess(sky.since(begin), 2.4)

    def test_an_end_is_its_own(self):
        """What the end of a jail leaves unmade is made by another."""
        for end, code in (("Exit(3)", "function_exited"), ('Panic("oh")', "function_panicked"), ("Lock()", "deadlock")):
            for _ in range(3):
                answers = self.burst(*["Sum(1)"] * 3, end, *["Sum(1, 2)"] * 12)
                self.assertEqual([(a[0], a[1]) for a in answers], [(200, None)] * 3 + [(422, code)] + [(200, None)] * 12)
                self.assertEqual([a[2] for a in answers if a[2]], ["1"] * 3 + ["2"] * 12)

    def test_an_exit_with_output(self):
        answers = self.burst(*["Sum(1)"] * 3, "Write(100000)", *["Sum(1, 2)"] * 12)
        self.assertEqual([a[0] for a in answers], [200] * 16)
        self.assertEqual(len(answers[3][2]), 100006)
        self.assertEqual([a[2] for a in answers[4:]], ["2"] * 12)

    def test_a_timeout_is_its_own(self):
        answers = self.burst("Sleep(%d)" % (5000 * sky.SLOW), *["Sum(1)"] * 15)
        self.assertEqual([a[1] for a in answers], ["function_timeout"] + [None] * 15)

    def test_a_forged_answer(self):
        """It may answer another call of its caller's, but none is left without an answer."""
        answers = self.burst("Sum(1)", r'Frame("\x01\x00\x00\x00P")', r'Frame("\x01\x00\x00\x00Q")', r'Frame("\x09\x00")', *["Sum(1)"] * 12)
        self.assertLessEqual({a[0] for a in answers}, {200, 422, 429})
        self.assertEqual(server.call(R, "Sum(1, 2, 3)").json["data"], "3")

    def test_one_answer_too_many_and_an_end(self):
        """The second is another call's, which had been sent to nobody yet."""
        before = server.parts[0]
        for turn in range(60):
            calls = ["Twice()" if (i + turn) % 4 == 0 else "Sum(1)" for i in range(16)]
            self.assertLessEqual({a[0] for a in self.burst(*calls)}, {200, 422, 429})
        self.assertEqual(server.parts[0], before, "the server lives on")

    def test_callers_that_leave(self):
        for _ in range(5):
            self.setUp()
            answers = self.burst("Sleep(50)", *["Sum(1)"] * 15, leave=(0, 2, 3, 9))
            self.assertEqual({a[2] for a in answers if a}, {"1"})
        sky.until(lambda: "\nsky_jails_running 0\n" in server.send("GET", "/metrics").body.decode(), what="the end of all calls")


class Limit(unittest.TestCase):
    def test_no_jail_serves_more(self):
        own = sky.Sky("behind-few", modules=tree.url, jails={"reuse": [{"url": "*", "when": "always", "calls": 40}]}).start()
        self.addCleanup(own.close)
        global server
        before, server = server, own
        try:
            case = Behind("test_counted_exactly")
            case.setUp()
            for _ in range(10):
                for status, _, data, _, used, _ in case.burst(*["Count()"] * 16):
                    self.assertEqual(status, 200)
                    self.assertLessEqual(int(data), 40)
                    self.assertLess(used, 40)
        finally:
            case.doCleanups()
            server = before
