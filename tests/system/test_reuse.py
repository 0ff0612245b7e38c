"""Jails that serve one caller's calls one after another, where jails.reuse allows it."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import tempfile
import threading
import time
import unittest

import proxy
import sky

R = "example.com/reuse"
A, B = {"Authorization": "Bearer token-a"}, {"Authorization": "Bearer token-b"}
TOKENS = [{"name": "team-a", "token": "token-a"}, {"name": "team-b", "token": "token-b"}]


def rule(url, **members):
    return {"url": url, "when": "always", **members}


RULES = [
    rule("example.com/counted", calls=3),
    rule("example.com/aged", age="400ms"),
    rule("example.com/small", memory="24MiB"),
    {"url": "example.com/asked", "tokens": ["team-a"]},
    rule("example.com/re*"),
]


def setUpModule():
    global server, tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    files = proxy.source("reuse")
    for name in ("reuse", "counted", "aged", "small", "asked", "fresh", "reported"):
        tree.add("example.com/" + name, files, go="1.22")
    server = sky.Sky("reuse", modules=tree.url, function_tokens=TOKENS,
                     jails={"exec_timeout": "1s", "output": "128KiB", "reuse": RULES}).start()
    unittest.addModuleCleanup(server.close)


class Reuse(unittest.TestCase):
    server = None

    def setUp(self):
        self.at = self.server or server
        with open(os.path.join(self.at.state, "admin-token"), encoding="utf-8") as file:
            self.admin = {"X-Sky-Island-Token": file.read().strip()}

    def renew(self):
        """Ends all jails, so that the next call's is fresh."""
        self.assertEqual(self.at.send("DELETE", "/api/v1/admin/jails", headers=self.admin).status, 200)

    def call(self, call, url=R, headers=None, **fields):
        return self.at.post({"url": url, "call": call, **fields}, headers or A)

    def says(self, call, data, jail, **options):
        answer = self.call(call, **options)
        self.assertEqual((answer.status, answer.json.get("data"), answer.headers.get("x-sky-island-jail")), (200, data, jail), answer)
        return answer

    def refused(self, status, code, call, **options):
        answer = self.call(call, **options)
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        return answer

    def jails(self, state=None):
        found = self.at.send("GET", "/api/v1/admin/jails", headers=self.admin).json["jails"]
        return [jail for jail in found if state is None or jail["state"] == state]


class Who(Reuse):
    def setUp(self):
        super().setUp()
        self.renew()

    def test_a_caller_meets_its_own_state(self):
        for i in range(1, 5):
            self.says("Count()", str(i), "fresh" if i == 1 else "reused; calls=%d" % (i - 1))
        self.says('Leave("file")', "", "reused; calls=4")
        self.says('Leave("other")', "file", "reused; calls=5")

    def test_nobody_elses(self):
        self.says("Count()", "1", "fresh")
        self.says("Count()", "1", "fresh", headers=B)
        self.says("Count()", "2", "reused; calls=1", headers=B)
        self.says("Count()", "2", "reused; calls=1")

    def test_no_other_programs(self):
        self.says("Count()", "1", "fresh")
        self.says("Count()", "1", "fresh", url="example.com/reported")
        self.says("Count() + 0", "1", "fresh")
        self.says("Count() + 0", "2", "reused; calls=1")
        self.says("Count()", "2", "reused; calls=1")

    def test_not_where_it_is_not_wanted(self):
        self.says("Count()", "1", "fresh")
        self.says("Count()", "1", "fresh", reuse=False)
        self.says("Count()", "2", "reused; calls=1", reuse=True)

    def test_only_where_it_is_asked_for(self):
        for reuse, data, jail in ((None, "1", "fresh"), (True, "1", "fresh"), (None, "1", "fresh"), (True, "2", "reused; calls=1")):
            self.says("Count()", data, jail, url="example.com/asked", **({} if reuse is None else {"reuse": reuse}))

    def test_not_allowed(self):
        url = "example.com/asked"
        self.says("Count()", "1", "fresh", url=url, headers=B)
        self.refused(403, "reuse_not_allowed", "Count()", url=url, headers=B, reuse=True)
        self.refused(403, "reuse_not_allowed", "Count()", url="example.com/fresh", reuse=True)
        self.refused(400, "reuse_with_ip4", "Count()", reuse=True, ip4=True)
        self.refused(400, "wrong_type", "Count()", reuse="yes")

    def test_fresh_is_the_default(self):
        for _ in range(3):
            self.says("Count()", "1", "fresh", url="example.com/fresh")

    def test_arguments_are_not_overwritten(self):
        self.says('Keep("first")', "[first]", "fresh")
        self.says('Keep("other, longer")', "[first other, longer]", "reused; calls=1")
        answer = self.at.typed(R, "Keep", "typed")
        self.assertEqual(answer.status, 401)
        answer = self.at.post({"url": R, "function": "Keep", "args": ["typed"], "output": "json"}, A)
        self.assertEqual(answer.json["results"], [["first", "other, longer", "typed"]])

    def test_each_call_has_its_own_deadline(self):
        for i in range(3):
            answer = self.at.post({"url": R, "function": "Left", "args": [], "output": "json"}, A)
            self.assertTrue(900 <= answer.json["results"][0] / sky.SLOW <= 1000, answer)
            time.sleep(0.05)
        self.assertEqual(answer.headers["x-sky-island-jail"], "reused; calls=2")

    def test_a_context_ends_with_its_call(self):
        ended = [self.at.post({"url": R, "function": "Ended", "args": []}, A).json["data"] for _ in range(3)]
        self.assertEqual(ended, ["false", "true", "true"])


class Limits(Reuse):
    def setUp(self):
        super().setUp()
        self.renew()

    def test_calls(self):
        got = [self.call("Count()", url="example.com/counted").json["data"] for _ in range(7)]
        self.assertEqual(got, ["1", "2", "3", "1", "2", "3", "1"])

    def test_age(self):
        url = "example.com/aged"
        self.says("Count()", "1", "fresh", url=url)
        self.says("Count()", "2", "reused; calls=1", url=url)
        time.sleep(0.5)
        self.says("Count()", "1", "fresh", url=url)

    def test_age_of_one_that_waits(self):
        self.says("Count()", "1", "fresh", url="example.com/aged")
        before = {jail["jid"] for jail in self.jails("waiting")}
        self.assertTrue(before)
        sky.until(lambda: before - {jail["jid"] for jail in self.jails("waiting")}, 3, "the end of an aged jail")

    def test_memory(self):
        url = "example.com/small"
        self.says("Hold(1)", "1", "fresh", url=url)
        self.says("Hold(0)", "2", "reused; calls=1", url=url)
        self.says("Hold(40)", "3", "reused; calls=2", url=url)
        self.says("Count()", "1", "fresh", url=url)


class Ends(Reuse):
    """What ends a jail, and that the next call is none the worse."""

    def setUp(self):
        super().setUp()
        self.renew()
        self.says("Count()", "1", "fresh")

    def ends(self, status, code, call, **fields):
        answer = self.refused(status, code, call, **fields)
        self.assertEqual(answer.headers["x-sky-island-jail"], "reused; calls=1")
        self.says("Count()", "1", "fresh")
        return answer

    def test_panic(self):
        answer = self.ends(422, "function_panicked", 'Panic("oh")')
        self.assertIn("panic: oh", answer.json["stderr"])

    def test_exit(self):
        self.assertEqual(self.ends(422, "function_exited", "Exit(3)").json["exit_status"], 3)

    def test_exit_0(self):
        self.says("Exit(0)", "", "reused; calls=1")
        self.says("Count()", "1", "fresh")

    def test_timeout(self):
        self.ends(422, "function_timeout", "Sleep(%d)" % (5000 * sky.SLOW))

    def test_output_limit(self):
        self.assertEqual(len(self.ends(422, "output_limit", "Write(500000)").json["stdout"]), 128 << 10)

    def test_deadlock(self):
        self.ends(422, "deadlock", "Lock()")

    def test_a_forged_answer(self):
        """A whole frame too many, and the beginning of one."""
        for text in (r"\x01\x00\x00\x00V", r"\x05\x00\x00\x00Vx"):
            self.renew()
            self.says("Count()", "1", "fresh")
            before = {jail["jid"] for jail in self.jails("waiting")}
            answer = self.call('Frame("%s")' % text)
            self.assertEqual((answer.status, answer.headers["x-sky-island-jail"]), (200, "reused; calls=1"), answer)
            sky.until(lambda before=before: before - {jail["jid"] for jail in self.jails("waiting")}, what="its end")
            self.says("Count()", "1", "fresh")

    def test_an_answer_to_what_was_not_read(self):
        """Else the rest of the call is the next one's beginning, and the server turns round and round for the room that comes free."""
        for text in ("", "x" * 900000):
            sky.until(lambda: not self.jails("running"), what="the end of the call before")
            before = {jail["jid"] for jail in self.jails("waiting")}
            answer = self.at.post({"url": R, "function": "Hasty", "args": [text]}, A)
            self.assertEqual(answer.status, 200)
        self.assertRegex(answer.headers["x-sky-island-jail"], "reused")
        sky.until(lambda: before - {jail["jid"] for jail in self.jails("waiting")}, what="its end")

    def test_an_administrator(self):
        killed = []
        thread = threading.Thread(target=lambda: killed.append(self.call("Sleep(5000)")))
        thread.start()
        running = sky.until(lambda: self.jails("running"), what="a running call")
        self.at.send("DELETE", "/api/v1/admin/jails/%d" % running[0]["jid"], headers=self.admin)
        thread.join()
        self.assertEqual(killed[0].code, "jail_killed")
        self.says("Count()", "1", "fresh")

    def test_a_caller_that_leaves(self):
        connection = self.at.connection()
        connection.request("POST", "/api/v1/function", '{"url": "%s", "call": "Sleep(5000)"}' % R, A)
        sky.until(lambda: self.jails("running"), what="a running call")
        connection.close()
        sky.until(lambda: not self.jails("running"), what="its end")
        self.says("Count()", "1", "fresh")

    def test_what_ends_no_jail(self):
        """Refused before it was called, no JSON, declined."""
        self.refused(422, "arguments_do_not_fit", None, function="Small", args=[300])
        self.refused(422, "results_not_json", "Chan()", output="json")
        self.says("Small(1 + 1)", "2", "fresh")  # an expression
        self.says("Sum(1 << 3)", "1", "fresh")  # the driver declines what it cannot build
        self.says("Count()", "3", "reused; calls=3")

    def refused(self, status, code, call, **fields):
        if call is None:
            answer = self.at.post({"url": R, **fields}, A)
            self.assertEqual((answer.status, answer.code), (status, code), answer)
            return answer
        return super().refused(status, code, call, **fields)


class Between(Reuse):
    """What a call left running."""

    def setUp(self):
        super().setUp()
        self.renew()

    def test_output_is_not_seen(self):
        self.says('Later("write", "left over")', "1", "fresh")
        time.sleep(0.1)
        answer = self.says('Print("mine ")', "mine 2", "reused; calls=1")
        self.assertEqual(answer.json["stderr"], "mine ")

    def test_output_without_end(self):
        self.says('Later("flood", "%s")' % ("x" * 1000), "1", "fresh")
        time.sleep(0.1)
        answer = self.call("Count()")
        self.assertIn((answer.status, answer.code), ((200, None), (422, "output_limit")), answer)

    def test_a_frame_ends_it(self):
        self.says(r'Later("frame", "\x01\x00\x00\x00V")', "1", "fresh")
        time.sleep(0.1)
        self.says("Count()", "1", "fresh")

    def test_part_of_a_frame_ends_it(self):
        self.says(r'Later("frame", "\x09\x00")', "1", "fresh")
        time.sleep(0.1)
        self.says("Count()", "1", "fresh")

    def test_a_panic_is_nobodys(self):
        self.says('Later("panic", "late")', "1", "fresh")
        time.sleep(0.1)
        self.says("Count()", "1", "fresh")

    def test_deadlocks_are_found_still(self):
        """A deadline's timer that stayed behind would hide them."""
        self.at.post({"url": R, "function": "Left", "args": []}, A)
        self.refused(422, "deadlock", "Lock()")


class Many(Reuse):
    def test_at_once(self):
        """Short calls share few jails; what waits for a long one gets a jail of its own."""
        self.renew()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda i: self.call("Sum(1, 2)", url="example.com/reported"), range(200)))
            self.assertEqual({(a.status, a.json.get("data")) for a in answers}, {(200, "2")})
            begun = time.monotonic()
            answers = list(pool.map(lambda i: self.call("Sleep(500)", url="example.com/reported"), range(16)))
            self.assertEqual({a.status for a in answers}, {200})
            self.assertLess(sky.since(begun), 4)

    def test_metrics_count_them(self):
        def reused():
            text = self.at.send("GET", "/metrics").body.decode()
            return int(re.search(r'sky_pool_requests_total\{result="reused"\} (\d+)', text).group(1))

        self.call("Count()")
        before = reused()
        self.call("Count()")
        self.assertEqual(reused(), before + 1)

    def test_cache_bust(self):
        tree.add("example.com/replaced", {"a.go": "package replaced\n\nvar n int\n\nfunc N() int { n++; return n }\n"})
        where = {"url": "example.com/replaced"}
        self.says("N()", "1", "fresh", **where)
        self.says("N()", "2", "reused; calls=1", **where)
        tree.add("example.com/replaced", {"a.go": "package replaced\n\nvar n = 10\n\nfunc N() int { n++; return n }\n"}, version="v1.1.0")
        self.says("N()", "11", "fresh", cache_bust=True, **where)
        self.says("N()", "12", "reused; calls=1", **where)
        self.says("N()", "1", "fresh", version="v1.0.0", **where)


class Own(Reuse):
    """What changes a server."""

    def setUp(self):
        self.server = sky.Sky("reuse-own", modules=tree.url, function_tokens=TOKENS,
                              jails={"reuse": RULES, "children_max": os.cpu_count() + 1, "queue_timeout": "10s"}).start()
        self.addCleanup(self.server.close)
        super().setUp()

    def hangup(self):
        self.server.write_config()
        before = self.server.log().count("were read again")
        self.server.process.send_signal(signal.SIGHUP)
        sky.until(lambda: self.server.log().count("were read again") > before, what="the reading")

    def programs(self):
        """pid → the artifact that it runs."""
        return {pid: os.path.realpath("/proc/%d/exe" % pid) for pid in self.server.jail_pids() if sky.status(pid).get("Name") != self.server.instance}

    def test_sighup(self):
        self.says("Count()", "1", "fresh")
        self.says("Count()", "2", "reused; calls=1")
        self.server.config["jails"]["reuse"] = [{"url": "*", "tokens": ["team-b"]}]
        self.hangup()
        sky.until(lambda: self.call("Count()").headers["x-sky-island-jail"] == "fresh", what="the new rules")
        self.refused(403, "reuse_not_allowed", "Count()", reuse=True)
        self.says("Count()", "1", "fresh", headers=B, reuse=True)
        self.says("Count()", "2", "reused; calls=1", headers=B, reuse=True)
        self.hangup()  # who calls may have changed: nobody meets what was before
        sky.until(lambda: self.call("Count()", headers=B, reuse=True).json["data"] == "1", what="a fresh jail")

    def test_a_call_from_before_sighup(self):
        """One that came before callers were told anew begins behind that: its jail is nobody's any more."""
        for url in (R, "example.com/fresh"):
            self.assertEqual(self.call("Sum()", url).status, 200)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            sleep = "Sleep(%d)" % (1500 * sky.SLOW)
            calls = [pool.submit(self.call, sleep, "example.com/fresh") for _ in range(os.cpu_count() + 1)]
            sky.until(lambda: len(self.jails("running")) == len(calls), what="all places taken")
            waits = pool.submit(self.call, "Count()")
            sky.until(lambda: b"\nsky_queue_length 1\n" in self.at.send("GET", "/metrics").body, what="a call that waits")
            self.hangup()
            self.assertFalse(waits.done())
            self.assertEqual((waits.result().status, waits.result().json["data"]), (200, "1"))
        self.says("Count()", "1", "fresh")
        self.says("Count()", "2", "reused; calls=1")

    def test_one_dies_while_a_call_waits(self):
        """For a place: then the call for which the jail was there waits for another, and neither it nor the server is lost."""
        cpus = os.cpu_count()
        self.says("Count()", "1", "fresh")
        (artifact,) = set(self.programs().values())
        self.assertEqual(self.call("Sum()", "example.com/fresh").status, 200)
        process = self.server.parts[0]
        with concurrent.futures.ThreadPoolExecutor() as pool, contextlib.closing(self.server.connection()) as connection:
            calls = [pool.submit(self.call, "Sleep(%d)" % (4000 * sky.SLOW)) for _ in range(cpus)]
            sky.until(lambda: len(self.jails("running")) == cpus, what="calls on all cpus")
            before = self.programs()
            self.assertEqual(self.call("Sleep(100)").status, 200)
            (idle,) = [pid for pid, of in self.programs().items() if of == artifact and pid not in before]
            calls.append(pool.submit(self.call, "Sleep(%d)" % (800 * sky.SLOW), "example.com/fresh"))
            sky.until(lambda: len(self.jails("running")) == cpus + 1, what="all places taken")
            self.assertEqual(self.server.send("GET", "/healthcheck", connection=connection).status, 200)
            os.kill(process, signal.SIGSTOP)  # it hears of the call, of a place and of the jail's end in this order
            try:
                connection.request("POST", "/api/v1/function", json.dumps({"url": R, "call": "Sum()"}), A)
                time.sleep(sky.SLOW)
                os.kill(idle, signal.SIGKILL)
                sky.until(lambda: not sky.alive(idle), what="its end")
            finally:
                os.kill(process, signal.SIGCONT)
            with connection.getresponse() as answer:
                self.assertEqual(answer.status, 200, answer.read())
            self.assertEqual([call.result().status for call in calls], [200] * len(calls))
        self.assertEqual(self.server.parts[0], process, "the server lives on")

    def test_drain(self):
        self.says("Count()", "1", "fresh")
        begun = []
        thread = threading.Thread(target=lambda: begun.append(self.call("Sleep(300)")))
        thread.start()
        sky.until(lambda: self.jails("running"), what="a running call")
        self.assertEqual(self.server.stop(), 0)
        thread.join()
        self.assertEqual((begun[0].status, begun[0].json["data"]), (200, "2"))
        self.assertEqual(self.server.jail_pids(), [])


del Reuse  # no test by itself
