"""The admin API: the jails, their end, the token; and what SIGHUP reads again."""

import datetime
import http.client
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

A, SLOW_INIT, HEAVY, OTHER = "example.com/admin", "example.com/slowinit", "example.com/heavy", "example.com/other"
TOKEN = "the-token-of-this-test"
JAILS = "/api/v1/admin/jails"
FIELDS = {"host", "ip4", "ip6", "jid", "name", "OSRelease", "path", "hostname", "state", "module", "started_at"}


def setUpModule():
    global tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    sleeper = "package %s\n\n" + proxy.SLEEP + "\nfunc Add(a, b int) int { return a + b }\n"
    tree.add(A, {"a.go": sleeper % "admin"})
    tree.add(OTHER, {"a.go": sleeper % "other"})
    tree.add(SLOW_INIT, {"a.go": 'package slowinit\n\nimport "time"\n\nfunc init() { time.Sleep(3 * time.Second) }\n\nfunc F() int { return 1 }\n'})
    tree.add(HEAVY, {"a.go": proxy.heavy("heavy")}, go="1.22")
    for i in range(4):
        tree.add("example.com/fetched%d" % i, {"a.go": "package fetched\n\nfunc F() int { return 1 }\n"})


class Island(unittest.TestCase):
    """One server for all tests of a class."""

    jails_config = {"exec_timeout": "20s"}

    @classmethod
    def setUpClass(cls):
        cls.own = sky.Sky("admin", modules=tree.url, admin_api_token=TOKEN, jails=cls.jails_config).start()
        cls.addClassCleanup(cls.own.close)

    def admin(self, method, path, **options):
        return self.own.send(method, path, headers={"X-Sky-Island-Token": TOKEN}, **options)

    def jails(self, *states):
        answer = self.admin("GET", JAILS)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(set(answer.json), {"jails"})
        return [jail for jail in answer.json["jails"] if not states or jail["state"] in states]

    def one(self, *states):
        """The first jail in one of these states, as soon as there is one."""
        return sky.until(lambda: self.jails(*states), 10, "a jail that is %s" % " or ".join(states))[0]

    def warm(self, url=A):
        answer = self.own.call(url, "Add(1, 1)")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "2"), answer)

    def begin(self, *call):
        """A call in the background; its answer, or what came instead, is appended to the list returned."""
        got = []

        def run():
            try:
                got.append(self.own.call(*call))
            except (OSError, http.client.HTTPException) as e:
                got.append(e)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread, got

    def killed(self, begun, stage, seconds=3):
        thread, got = begun
        thread.join(seconds)
        self.assertFalse(thread.is_alive(), "the call goes on")
        self.assertEqual((got[0].status, got[0].code, got[0].json.get("stage")), (422, "jail_killed", stage), got[0])

    def fault(self, answer, status, code):
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")

    def gone(self, jids):
        sky.until(lambda: not set(jids) & {jail["jid"] for jail in self.jails()}, 3, "the end of jails %s" % jids)


class Looking(Island):
    def test_token(self):
        self.warm()
        for method, path in (("GET", JAILS), ("DELETE", JAILS), ("GET", JAILS + "/1"), ("DELETE", "/api/v1/admin/jail/1")):
            for headers in ({}, {"X-Sky-Island-Token": ""}, {"X-Sky-Island-Token": TOKEN[:-1]}, {"X-Sky-Island-Token": TOKEN + "x"},
                            {"Authorization": "Bearer " + TOKEN}):
                answer = self.own.send(method, path, headers=headers)
                self.fault(answer, 403, "forbidden")
                self.assertNotIn(TOKEN.encode(), answer.body)
        self.assertEqual(self.own.send("GET", JAILS, headers={"x-sky-island-token": TOKEN}).status, 200)
        self.assertNotIn(TOKEN, self.own.log())
        self.assertTrue(self.jails(), "nothing was killed without the token")

    def test_one_that_waits(self):
        self.warm()
        jail = self.one("waiting")
        self.assertEqual(set(jail), FIELDS)
        self.assertIsInstance(jail["jid"], int)
        self.assertEqual(jail["name"], "exec-%d" % jail["jid"])
        self.assertEqual((jail["host"], jail["OSRelease"], jail["hostname"]), (os.uname().nodename, os.uname().release, "jail"))
        self.assertEqual((jail["ip4"], jail["ip6"]), (None, None))
        self.assertEqual(jail["path"], os.path.join(self.own.state, "base"))
        self.assertTrue(os.path.isdir(jail["path"]))
        self.assertIn("@", jail["module"])
        started = datetime.datetime.fromisoformat(jail["started_at"].replace("Z", "+00:00"))
        self.assertLess(abs(time.time() - started.timestamp()), 60)
        for path in (JAILS + "/%d", "/api/v1/admin/jail/%d"):
            answer = self.admin("GET", path % jail["jid"])
            self.assertEqual((answer.status, answer.json), (200, {"details": jail}))

    def test_a_number_stays(self):
        """The jail that waits for a call is the one that runs it; the next has another number, also of another program."""
        self.warm()
        waiting = sky.until(lambda: [jail for jail in self.jails("waiting") if jail["module"] == A + "@v1.0.0"], 3, "the waiting jail")[0]
        thread, got = self.begin(A, "Sleep(400)")
        running = self.one("running")
        self.assertEqual({**running, "state": "waiting"}, waiting)
        thread.join(5)
        self.assertEqual(got[0].json.get("data"), "slept", got[0])
        self.warm(OTHER)
        self.gone([running["jid"]])
        after = [jail["jid"] for jail in self.jails()]
        self.assertNotIn(running["jid"], after)
        self.assertEqual(len(after), len(set(after)))
        self.assertEqual(self.own.call("strings", "ToUpper(`a`)").status, 200)
        self.assertRegex(sky.until(lambda: [j["module"] for j in self.jails() if j["module"].startswith("std@")], 3, "a standard one")[0], r"^std@go1\.")

    def test_pages(self):
        calls = [self.begin(A, "Sleep(1200)") for _ in range(4)]
        sky.until(lambda: len(self.jails("running")) == 4, 5, "four running jails")
        jids, path, pages = [], JAILS + "?limit=2", 0
        while path:
            answer = self.admin("GET", path)
            self.assertEqual(answer.status, 200, answer)
            page = [jail["jid"] for jail in answer.json["jails"]]
            self.assertLessEqual(len(page), 2)
            jids += page
            pages += 1
            link = answer.headers.get("link")
            found = re.fullmatch(r'<(/api/v1/admin/jails\?[^>]+)>; rel="next"', link or "")
            self.assertEqual(link is None, found is None, link)
            path = found and found.group(1)
        self.assertGreaterEqual(pages, 2)
        self.assertEqual(jids, sorted(set(jids)))
        running = {jail["jid"] for jail in self.jails("running")}
        self.assertTrue(len(running) == 4 and running <= set(jids))
        self.assertEqual(self.admin("GET", JAILS + "?after=%d" % jids[-1]).json, {"jails": []})
        self.assertNotIn("link", self.admin("GET", JAILS + "?limit=1000").headers)
        for thread, _ in calls:
            thread.join(5)

    def test_bad_queries(self):
        for query in ("limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit", "limit=1.5", "limit=+1", "limit=99999999999999999999"):
            self.fault(self.admin("GET", JAILS + "?" + query), 400, "limit_invalid")
        for query in ("after=x", "after=", "after=-1", "limit=1&after=%00", "after=99999999999999999999"):
            self.fault(self.admin("GET", JAILS + "?" + query), 400, "after_invalid")

    def test_unknown(self):
        for way in ("/api/v1/admin/jail/", JAILS + "/"):
            for method in ("GET", "DELETE"):
                for jid in ("999999", "0", "18446744073709551616", "99999999999999999999999"):
                    self.fault(self.admin(method, way + jid), 404, "jail_not_found")
                for jid in ("abc", "1x", "-1", "+1", "%31", "1.0", "{id}", "0x1"):
                    self.fault(self.admin(method, way + jid), 400, "jail_id_invalid")
                for rest in ("", "1/2", "1/"):
                    self.fault(self.admin(method, way + rest), 404, "no_such_route")
        self.fault(self.admin("GET", "/api/v1/admin"), 404, "no_such_route")
        self.fault(self.admin("GET", "/api/v1/admin/jail"), 404, "no_such_route")

    def test_methods(self):
        self.warm()
        jid = self.one("waiting")["jid"]
        for path in (JAILS, JAILS + "/%d" % jid, "/api/v1/admin/jail/%d" % jid):
            with self.subTest(path):
                answer = self.admin("POST", path)
                self.fault(answer, 405, "method_not_allowed")
                self.assertEqual(set(answer.headers["allow"].split(", ")), {"GET", "HEAD", "DELETE", "OPTIONS"})
                options = self.admin("OPTIONS", path)
                self.assertEqual((options.status, options.body, options.headers["allow"]), (204, b"", answer.headers["allow"]))
                head = self.admin("HEAD", path)
                self.assertEqual((head.status, head.body), (200, b""))
                same = lambda: self.admin("HEAD", path).headers["content-length"] == self.admin("GET", path).headers["content-length"]
                sky.until(same, 2, "the same length of both, once no jail comes or goes between")

    def test_the_local_socket_needs_no_token(self):
        self.warm()
        connection = sky._UnixConnection(os.path.join(self.own.state, "run/api.sock"), 10)
        self.addCleanup(connection.close)
        answer = self.own.send("GET", JAILS, connection=connection)
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.json["jails"])


class Killing(Island):
    def test_a_running_one(self):
        self.warm()
        for way in ("/api/v1/admin/jail/%d", JAILS + "/%d"):
            call = self.begin(A, "Sleep(15000)")
            jail = self.one("running")
            processes = set(self.own.jail_pids())
            answer = self.admin("DELETE", way % jail["jid"])
            self.assertEqual((answer.status, answer.json), (200, {"deleted": jail["jid"]}))
            self.killed(call, "run")
            self.gone([jail["jid"]])
            self.assertTrue(processes - set(self.own.jail_pids()), "its processes are gone")
            self.fault(self.admin("DELETE", way % jail["jid"]), 404, "jail_not_found")
            self.warm()

    def test_a_waiting_one(self):
        self.warm()
        jail = self.one("waiting")
        self.assertEqual(self.admin("DELETE", JAILS + "/%d" % jail["jid"]).json, {"deleted": jail["jid"]})
        self.gone([jail["jid"]])
        self.assertNotEqual(self.one("waiting")["jid"], jail["jid"])  # by itself
        self.warm()

    def test_others_go_on(self):
        self.warm()
        first = self.begin(A, "Sleep(700)")
        jail = self.one("running")
        second = self.begin(A, "Sleep(15000)")
        sky.until(lambda: len(self.jails("running")) == 2, 3, "both")
        other = [found for found in self.jails("running") if found["jid"] != jail["jid"]][0]
        self.admin("DELETE", JAILS + "/%d" % other["jid"])
        self.killed(second, "run")
        first[0].join(5)
        self.assertEqual((first[1][0].status, first[1][0].json.get("data")), (200, "slept"), first[1][0])

    def test_one_that_starts(self):
        """Before the package is initialised; with and without a call that waits for it."""
        call = self.begin(SLOW_INIT, "F()")
        jail = sky.until(lambda: [j for j in self.jails("starting") if j["module"].startswith(SLOW_INIT)], 10, "the start")[0]
        time.sleep(0.2)  # into its initialisation
        self.assertEqual(self.admin("DELETE", JAILS + "/%d" % jail["jid"]).status, 200)
        self.killed(call, "run")
        self.gone([jail["jid"]])

    def test_all(self):
        self.warm()
        self.warm(OTHER)
        calls = [self.begin(A, "Sleep(15000)") for _ in range(3)] + [self.begin(OTHER, "Sleep(15000)")]
        sky.until(lambda: len(self.jails("running")) == 4 and self.jails("waiting"), 5, "running and waiting jails")
        before = [jail["jid"] for jail in self.jails() if jail["state"] != "ending"]
        answer = self.admin("DELETE", JAILS)
        self.assertEqual((answer.status, set(answer.json)), (200, {"deleted"}))
        self.assertLessEqual(set(before), set(answer.json["deleted"]))
        self.assertEqual(answer.json["deleted"], sorted(answer.json["deleted"]))
        for call in calls:
            self.killed(call, "run")
        self.gone(before)
        self.warm()
        self.warm(OTHER)
        sky.until(lambda: {jail["module"] for jail in self.jails("waiting")} >= {A + "@v1.0.0", OTHER + "@v1.0.0"}, 3, "waiting jails of both")

    def test_all_again_and_again(self):
        """While calls come: each ends, in one of two ways, and nothing is left over."""
        self.warm()
        answers = []
        stop = threading.Event()

        def caller():
            while not stop.is_set():
                answers.append(self.own.call(A, "Sleep(30)"))

        threads = [threading.Thread(target=caller, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(15):
            self.assertEqual(self.admin("DELETE", JAILS).status, 200)
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join(10)
        kinds = {(answer.status, answer.code) for answer in answers}
        self.assertLessEqual(kinds, {(200, None), (422, "jail_killed")}, kinds)
        self.assertIn((422, "jail_killed"), kinds)
        sky.until(lambda: {jail["state"] for jail in self.jails()} <= {"waiting"}, 3, "rest")
        sky.until(lambda: len(self.own.jails()) == len(self.jails()), 3, "as many jails in the kernel as are told of")
        self.warm()

    def test_a_build(self):
        call = self.begin(HEAVY, "F()")
        jail = self.one("building")
        self.assertEqual((jail["name"], jail["module"]), ("build-%d" % jail["jid"], HEAVY + "@v1.0.0"))
        self.assertEqual(jail["path"], os.path.join(self.own.state, "base-tools"))
        self.assertEqual(self.admin("DELETE", JAILS + "/%d" % jail["jid"]).json, {"deleted": jail["jid"]})
        self.killed(call, "build")
        self.gone([jail["jid"]])
        self.assertEqual(self.own.files(), [])

    def test_a_fetch(self):
        for i in range(3):  # a fetch is short: by bad luck one is over before it is ended
            call = self.begin("example.com/fetched%d" % i, "F()")
            jail = self.one("fetching")
            self.assertEqual((jail["name"], jail["module"]), ("fetch-%d" % jail["jid"], "example.com/fetched%d@latest" % i))
            if self.admin("DELETE", JAILS + "/%d" % jail["jid"]).status == 200:
                break
            call[0].join(20)
        self.killed(call, "fetch")
        sky.until(lambda: not self.own.files(), 3, "no file left")
        answer = self.own.call("example.com/fetched%d" % i, "F()")
        self.assertEqual((answer.status, answer.json.get("data")), (200, "1"), answer)


class Forgotten(Island):
    jails_config = {"exec_timeout": "20s", "cache_max": "1MiB"}

    def test_a_jail_of_a_program_that_is_gone(self):
        self.warm()
        call = self.begin(A, "Sleep(%d)" % (15000 * sky.SLOW))
        jail = self.one("running")
        self.warm(OTHER)  # there is room for one program only
        self.assertEqual([j["module"] for j in self.jails("running")], [A + "@v1.0.0"])
        self.assertEqual(self.admin("DELETE", JAILS).status, 200)
        self.killed(call, "run")
        self.gone([jail["jid"]])
        self.warm()


class Stopping(Island):
    def test_while_it_drains(self):
        """The calls that hold up the stop can be seen, and ended."""
        self.warm()
        call = self.begin(A, "Sleep(15000)")
        self.one("running")
        self.own.process.terminate()
        sky.until(lambda: self.own.send("GET", "/readyz").status == 503, 3, "the stop")
        jail = self.one("running")
        self.assertIn(jail["jid"], self.admin("DELETE", JAILS).json["deleted"])  # perhaps with one that was to wait
        self.killed(call, "run")
        self.assertEqual(self.own.process.wait(3 * sky.SLOW), 0)


class Token(unittest.TestCase):
    def get(self, own, token, header="X-Sky-Island-Token"):
        return own.send("GET", JAILS, headers={header: token}).status

    def test_made(self):
        own = sky.Sky("token", modules=tree.url)
        path = os.path.join(own.state, "admin-token")
        with own:
            made = sky._read(path)
            self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
            self.assertRegex(made, r"\A[0-9a-f]{64}\n\Z")
            self.assertIn(path, own.log())
            self.assertNotIn(made.strip(), own.log())
            self.assertEqual((self.get(own, made.strip()), self.get(own, "wrong")), (200, 403))
            self.assertEqual(own.stop(), 0)
            own.start()
            self.assertEqual(sky._read(path), made, "kept over a restart")
            self.assertEqual(self.get(own, made.strip()), 200)
            own.stop()
            os.chmod(path, 0o644)  # others may have read it
            own.start()
            again = sky._read(path)
            self.assertNotEqual(again, made)
            self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
            self.assertIn("another is made", own.log())
            self.assertEqual((self.get(own, again.strip()), self.get(own, made.strip())), (200, 403))

    def test_of_a_file_or_the_environment(self):
        with tempfile.NamedTemporaryFile("w", dir=sky.work) as file:
            file.write("of-a-file\n")
            file.flush()
            with sky.Sky("token", modules=tree.url, admin_api_token={"file": file.name}, admin_token_header="X-Mine",
                         function_token={"env": "SKY_TEST_TOKEN"}, environment={**os.environ, "SKY_TEST_TOKEN": "of-the-environment"}) as own:
                self.assertEqual((self.get(own, "of-a-file", "X-Mine"), self.get(own, "of-a-file")), (200, 403))
                self.assertEqual(own.call("strings", "ToUpper(`a`)").status, 401)
                body = json.dumps({"url": "strings", "call": "ToUpper(`a`)"})
                self.assertEqual(own.post(body, {"Authorization": "Bearer of-the-environment"}).status, 200)
                self.assertFalse(os.path.exists(os.path.join(own.state, "admin-token")), "none is made where one is configured")


class Hangup(unittest.TestCase):
    """SIGHUP."""

    def setUp(self):
        self.file = os.path.join(sky.work, "hangup-token")
        self.token("first-token")
        self.own = sky.Sky("hangup", modules=tree.url, admin_api_token={"file": self.file}).start()
        self.addCleanup(self.own.close)

    def token(self, text):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)

    def lines(self, level=None):
        told = [json.loads(line) for line in sky._read(self.own.log_path).splitlines() if line.startswith("{")]
        return [line["message"] for line in told if level in (None, line["level"])]

    def hangup(self, word):
        """SIGHUP; the lines of the log since, once one of them has the word."""
        before = len(self.lines())
        self.own.write_config()
        self.own.process.send_signal(signal.SIGHUP)
        sky.until(lambda: any(word in line for line in self.lines()[before:]), 3, "%r in the log" % word)
        return self.lines()[before:]

    def get(self, token):
        return self.own.send("GET", JAILS, headers={"X-Sky-Island-Token": token}).status

    def test_tokens(self):
        self.assertEqual((self.get("first-token"), self.get("second-token")), (200, 403))
        parts = self.own.parts
        self.token("second-token")
        self.assertEqual(self.get("second-token"), 403)
        kept = self.own.connection()
        self.addCleanup(kept.close)
        self.assertEqual(self.own.send("GET", JAILS, headers={"X-Sky-Island-Token": "first-token"}, connection=kept).status, 200)
        self.own.config["function_token"] = "of-functions"
        self.hangup("read again")
        self.assertEqual((self.get("first-token"), self.get("second-token")), (403, 200))
        self.assertEqual(self.own.send("GET", JAILS, headers={"X-Sky-Island-Token": "first-token"}, connection=kept).status, 403)
        self.assertEqual(self.own.call("strings", "ToUpper(`a`)").status, 401)
        good = json.dumps({"url": "strings", "call": "ToUpper(`a`)"})
        self.assertEqual(self.own.post(good, {"Authorization": "Bearer of-functions"}).status, 200)
        del self.own.config["function_token"]
        del self.own.config["admin_api_token"]
        self.hangup("read again")
        self.assertEqual(self.own.call("strings", "ToUpper(`a`)").status, 200)
        made = sky._read(os.path.join(self.own.state, "admin-token")).strip()
        self.assertEqual((self.get("second-token"), self.get(made)), (403, 200))
        self.assertEqual(self.own.parts, parts, "nothing was restarted")
        for secret in ("first-token", "second-token", "of-functions", made):
            self.assertNotIn(secret, "\n".join(self.lines()))

    def test_a_server_started_later_has_them(self):
        self.token("second-token")
        self.hangup("read again")
        server, _ = self.own.parts
        os.kill(server, signal.SIGKILL)
        sky.until(lambda: self.own.parts[0] not in (None, server), 5, "another server")
        self.assertEqual((self.get("first-token"), self.get("second-token")), (403, 200))

    def test_faults_change_nothing(self):
        good = dict(self.own.config)
        self.token("second-token")
        self.own.config.update({"http_port": 99999, "listn": "x", "jails": {"memory": "1KiB"}})
        told = "\n".join(self.hangup("nothing was changed"))
        for word in ("http_port", "listn", "jails.memory", "3 faults"):
            self.assertIn(word, told)
        self.assertEqual((self.get("first-token"), self.get("second-token")), (200, 403))
        self.own.config.clear()
        self.own.config.update(good)
        os.unlink(self.file)
        self.assertIn("admin_api_token", "\n".join(self.hangup("nothing was changed")))
        self.assertEqual(self.get("first-token"), 200)
        path, self.own.config_path = self.own.config_path, self.own.config_path + ".elsewhere"
        os.unlink(path)
        self.hangup("nothing was changed")
        self.assertEqual(self.get("first-token"), 200)
        self.own.config_path = path
        self.token("second-token")
        self.hangup("read again")
        self.assertEqual(self.get("second-token"), 200)

    def test_what_needs_a_restart_is_named(self):
        self.assertFalse([line for line in self.hangup("read again") if "restart" in line])
        pool = {"start_addr": "10.9.0.2", "mask": "255.255.255.0", "range": 9}
        self.own.config.update({"log_level": "debug", "hostnames": ["a.example"], "admin_token_header": "X-Other", "network": {"ip4": pool},
                                "metrics": {"statsd": {"port": 9125}}})
        self.own.config.setdefault("jails", {})["exec_timeout"] = "7s"
        told = [line for line in self.hangup("read again") if "restart" in line]
        self.assertEqual(len(told), 1)
        self.assertEqual(told[0].partition("restart: ")[2],
                         "admin_token_header, hostnames, log_level, jails.exec_timeout, metrics.statsd")
        self.assertEqual(self.get("first-token"), 200, "the header's name is as it was")

    def test_a_storm(self):
        """While calls come, and to all processes; a stop is heard in the middle of it."""
        self.assertEqual(self.own.call(A, "Add(1, 1)").status, 200)
        server, jailers = self.own.parts
        everyone = [self.own.process.pid, server, *jailers]
        stop = threading.Event()
        sent = [0]

        def storm():
            while not stop.is_set():
                for pid in everyone if sent[0] < 200 else everyone[:1]:
                    try:
                        os.kill(pid, signal.SIGHUP)
                    except ProcessLookupError:
                        return
                sent[0] += 1

        thread = threading.Thread(target=storm, daemon=True)
        thread.start()
        self.addCleanup(stop.set)
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            answer = self.own.call(A, "Add(1, 1)")
            self.assertEqual((answer.status, answer.json.get("data")), (200, "2"), answer)
        self.assertEqual(self.own.parts, (server, jailers))
        self.assertEqual(self.get("first-token"), 200)
        begun = time.monotonic()
        self.assertEqual(self.own.stop(), 0)
        self.assertLess(sky.since(begun), 2)
        self.assertGreater(sent[0], 100)
        stop.set()
        thread.join(2)

    def test_while_it_starts_and_while_it_stops(self):
        self.assertEqual(self.own.stop(), 0)
        self.own.spawn()
        # From when it has taken its lock: before main() runs, the signal is the system's.
        sky.until(lambda: "SigBlk" in sky.status(self.own.process.pid) and int(sky.status(self.own.process.pid)["SigBlk"], 16) & 1, 3, "its start")
        for _ in range(20):
            self.own.process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        sky.until(self.own.serves, 10, "the start")
        self.assertEqual(self.own.call(A, "Add(1, 1)").status, 200)
        thread = threading.Thread(target=self.own.call, args=(A, "Sleep(600)"), daemon=True)
        thread.start()
        sky.until(lambda: any(jail["state"] == "running" for jail in self.own.send(
            "GET", JAILS, headers={"X-Sky-Island-Token": "first-token"}).json["jails"]), 3, "the call")
        self.own.process.terminate()
        self.own.process.send_signal(signal.SIGHUP)
        self.assertEqual(self.own.process.wait(5), 0)
        thread.join(2)


if __name__ == "__main__":
    unittest.main()
