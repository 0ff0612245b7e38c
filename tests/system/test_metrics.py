"""What is told of a running server: StatsD, /metrics, api-stats, traces, the log's lines, and the dashboard made for them."""

import contextlib
import importlib
import itertools
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import proxy
import sky

M = "example.com/metrics"
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DASHBOARD = os.path.join(TOP, "contrib/grafana/sky-island.json")
SDK = "grafana-foundation-sdk==1769699379!11.6.0"  # Grafana's own classes of a dashboard, made from its schema
TOKEN = {"X-Sky-Island-Token": "test-token"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "00-%s-b7ad6b7169203331-01" % TRACE


class Listener:
    """StatsD's side: every line that came, as (name, value, type, how many it stands for)."""

    def __init__(self, port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.port = self.socket.getsockname()[1]
        self.longest, self.lines, self.bad = 0, [], []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                datagram = self.socket.recv(65536)
            except OSError:
                return
            if not datagram:
                return
            self.longest = max(self.longest, len(datagram))
            for line in datagram.decode().split("\n"):
                found = re.fullmatch(r"([a-z_][a-z0-9_.]*):(\d+(?:\.\d+)?)\|(c|ms|g)(?:\|@(0\.\d+))?", line)
                if found:
                    self.lines.append((found[1], float(found[2]), found[3], 1 / float(found[4] or 1)))
                else:
                    self.bad.append(line)

    def sum(self, name, kind="c"):
        return sum(line[1] for line in list(self.lines) if line[0] == name and line[2] == kind)

    def count(self, name, kind="ms"):
        return sum(1 for line in list(self.lines) if line[0] == name and line[2] == kind)

    def stand_for(self, name):
        return sum(line[3] for line in list(self.lines) if line[0] == name and line[2] == "ms")

    def gauge(self, name):
        told = [line[1] for line in list(self.lines) if line[0] == name and line[2] == "g"]
        return told[-1] if told else None

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(sky.WAIT)
        self.socket.close()


LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(%s(?:,%s)*)\})? (\+Inf|-?[0-9.e+-]+)" % (LABEL, LABEL))


def parse(text):
    """The text exposition format, strictly: {name: type}, {name: {labels: value}}."""
    if not text.endswith("\n"):
        raise AssertionError("no newline at the end")
    types, helps, samples, family = {}, set(), {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            if family in helps or not line[len("# HELP " + family):].strip():
                raise AssertionError(line)
            helps.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name != family or name in types or kind not in ("counter", "gauge", "histogram"):
                raise AssertionError(line)
            types[name] = kind
        else:
            found = SAMPLE.fullmatch(line)
            if not found:
                raise AssertionError("not a sample: %r" % line)
            name, labels = found[1], tuple(re.findall(LABEL, found[2] or ""))
            base = re.sub("_(bucket|sum|count)$", "", name) if types.get(family) == "histogram" else name
            if base != family or labels in samples.get(name, {}):
                raise AssertionError("out of its place, or twice: %r" % line)
            samples.setdefault(name, {})[labels] = float(found[3])
    if helps != set(types):
        raise AssertionError("HELP without TYPE")
    for name in [name for name, kind in types.items() if kind == "histogram"]:
        check_histogram(name, samples)
    return types, samples


def check_histogram(name, samples):
    """Buckets rise with their bounds, the last is +Inf and is _count."""
    series = {}
    for labels, value in samples.get(name + "_bucket", {}).items():
        bound = [label for label in labels if label.startswith("le=")]
        rest = tuple(label for label in labels if not label.startswith("le="))
        series.setdefault(rest, []).append((float(bound[0][4:-1]), value))
    if set(series) != set(samples.get(name + "_count", {})) or set(series) != set(samples.get(name + "_sum", {})):
        raise AssertionError("%s: buckets, sums and counts are not of the same series" % name)
    for labels, buckets in series.items():
        bounds = [bound for bound, _ in buckets]
        values = [value for _, value in buckets]
        if bounds != sorted(set(bounds)) or values != sorted(values) or not math.isinf(bounds[-1]) or values[-1] != samples[name + "_count"][labels]:
            raise AssertionError("%s: %r" % (name, buckets))


def value(samples, name, *labels):
    return samples.get(name, {}).get(labels, 0)


def scrape(own, **options):
    answer = own.send("GET", "/metrics", **options)
    if answer.status != 200 or answer.headers["content-type"] != "text/plain; version=0.0.4; charset=utf-8":
        raise AssertionError("%s %s" % (answer, answer.headers))
    return parse(answer.body.decode())


def log_lines(own, message=None):
    """Every line that the server wrote to its log, parsed; those of preparation are plain."""
    with open(own.log_path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file.read().splitlines() if line.startswith("{")]
    return [line for line in lines if message is None or line["message"] == message]


def setUpModule():
    global server, tree, statsd
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(M, {"a.go": 'package metrics\n\nimport "time"\n\nfunc Add(a, b int) int { return a + b }\n\nfunc Panic() { panic("oh") }\n\n'
                         'func Sleep(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }\n'})
    statsd = Listener()
    unittest.addModuleCleanup(statsd.close)
    server = sky.Sky("metrics", modules=tree.url, metrics={"statsd": {"port": statsd.port}}, admin_api_token=TOKEN["X-Sky-Island-Token"]).start()
    unittest.addModuleCleanup(server.close)
    answer = server.call(M, "Add(1, 1)")
    if answer.status != 200:
        raise AssertionError(str(answer))


class Statsd(unittest.TestCase):
    def told(self, what, least=1):
        sky.until(lambda: what() >= least, what="a fact")

    def test_the_first_call(self):
        for name in ("repo.clone", "build", "exec", "jail.created.time", "jail.removed.time", "jail.wait", "request.function.2xx",
                     "initialize_system.storage", "initialize_system.toolchain", "initialize_system.tool", "initialize_system.cache",
                     "stage.request", "stage.resolve", "stage.fetch", "stage.build", "stage.jail", "stage.run"):
            self.told(lambda: statsd.count(name))
        for name in ("jail.created", "jail.removed", "exec.value", "cache.source.miss", "cache.artifact.miss", "pool.miss", "request.function.200"):
            self.told(lambda: statsd.sum(name))
        self.told(lambda: statsd.gauge("jails.waiting") or 0)
        self.assertEqual(statsd.gauge("jails.running"), 0)

    def test_the_network_does_not_reach_its_socket(self):
        self.told(lambda: statsd.count("exec"))  # it has a port since the first datagram
        self.assertEqual(self.udp_sockets(server), ["127.0.0.1"])

    def test_what_is_done_is_counted(self):
        names = ("exec.value", "exec.panic", "request.function.200", "request.function.422", "request.function.400", "request.health.200", "request.other.404",
                 "cache.source.hit", "cache.artifact.hit")
        sky.until(lambda: statsd.sum("request.function.200") >= 1, what="the first call's facts")
        before = {name: statsd.sum(name) for name in names}
        times = statsd.count("exec"), statsd.count("request.function.2xx"), statsd.count("request.function.4xx")
        for i in range(3):
            self.assertEqual(server.call(M, "Add(%d, 1)" % i).status, 200)
        self.assertEqual(server.call(M, "Panic()").status, 422)
        self.assertEqual(server.post(b"{").status, 400)
        self.assertEqual(server.send("GET", "/healthcheck").status, 200)
        self.assertEqual(server.send("GET", "/no/such/route?token=secret").status, 404)
        wanted = dict(zip(names, (3, 1, 3, 1, 1, 1, 1, 4, 4)))
        sky.until(lambda: all(statsd.sum(name) >= before[name] + wanted[name] for name in names), what="all facts")
        self.assertEqual({name: statsd.sum(name) - before[name] for name in names}, wanted)
        after = statsd.count("exec"), statsd.count("request.function.2xx"), statsd.count("request.function.4xx")
        self.assertEqual([b - a for a, b in zip(times, after)], [4, 3, 2])
        self.assertEqual(statsd.bad, [])
        self.assertLessEqual(statsd.longest, 1432)

    def test_many_times(self):
        """A few of each tenth of a second are told, which stand for all."""
        name, requests = "request.health.2xx", 3000
        before, lines = statsd.stand_for(name), statsd.count(name)
        with socket.create_connection((server.host, server.port), sky.WAIT * sky.SLOW) as client:
            asked = threading.Thread(target=client.sendall, args=(b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n" * requests,))
            asked.start()  # at once, however slow the test itself is
            got = b""
            while got.count(b"HTTP/1.1 200 ") < requests:
                more = client.recv(1 << 20)
                self.assertTrue(more, "%d answers" % got.count(b"HTTP/1.1 200 "))
                got += more
            asked.join()
        sky.until(lambda: round(statsd.stand_for(name) - before, 1) == requests, what="word of all")
        self.assertLess(statsd.count(name) - lines, requests)
        self.assertEqual(statsd.bad, [])

    def test_a_killed_jail(self):
        before = statsd.sum("jail.killed"), statsd.count("jail.killed.time"), statsd.sum("request.function.499")
        with socket.create_connection((server.host, server.port)) as caller:
            body = json.dumps({"url": M, "call": "Sleep(60000)"}).encode()
            caller.sendall(b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            sky.until(lambda: value(scrape(server)[1], "sky_jails_running") >= 1, what="the call")
        sky.until(lambda: statsd.sum("jail.killed") > before[0] and statsd.count("jail.killed.time") > before[1], what="its jail's end")
        sky.until(lambda: statsd.sum("request.function.499") == before[2] + 1, what="the caller's end")

    def test_by_default(self):
        """No word of it in the configuration: 127.0.0.1:8125."""
        try:
            usual = Listener(8125)
        except OSError as error:
            self.skipTest("port 8125 of 127.0.0.1 is not free: %s" % error)
        try:
            with sky.Sky("metrics", modules=tree.url) as own:
                self.assertEqual(own.call("strings", 'ToUpper("a")').status, 200)
                for name in ("jail.created", "exec.value", "request.function.200"):
                    sky.until(lambda: usual.sum(name) >= 1, what=name)
                sky.until(lambda: usual.count("initialize_system.base"), what="the steps")
            self.assertEqual(usual.bad, [])
        finally:
            usual.close()

    def udp_sockets(self, own):
        """The addresses of those that its server has."""
        held = sky.descriptors(own.parts[0])
        with open("/proc/net/udp", encoding="ascii") as file:
            rows = [line.split() for line in file.read().splitlines()[1:]]
        return [socket.inet_ntoa(int(row[1].split(":")[0], 16).to_bytes(4, sys.byteorder)) for row in rows if "socket:[%s]" % row[9] in held]

    def test_off(self):
        self.assertEqual(self.udp_sockets(server), ["127.0.0.1"])
        with sky.Sky("metrics", modules=tree.url, metrics={"statsd": None}, jails={"monitoring_addr": "127.0.0.1"}) as own:
            self.assertEqual(own.call("strings", 'ToUpper("a")').status, 200)
            self.assertGreaterEqual(value(scrape(own)[1], "sky_exec_seconds_count"), 1)
            self.assertEqual(self.udp_sockets(own), [])


class Prometheus(unittest.TestCase):
    def test_counters_increase(self):
        types, before = scrape(server)
        self.assertEqual(server.call(M, "Add(2, 2)").status, 200)
        self.assertEqual(server.call(M, "Panic()").status, 422)
        types_then, after = scrape(server)
        self.assertEqual(types, types_then)
        for name, *labels in (("sky_calls_total", 'outcome="value"'), ("sky_calls_total", 'outcome="panic"'),
                              ("sky_requests_total", 'endpoint="function"', 'status="200"'), ("sky_requests_total", 'endpoint="function"', 'status="422"'),
                              ("sky_request_seconds_count", 'endpoint="function"', 'class="4xx"')):
            self.assertEqual(value(after, name, *labels) - value(before, name, *labels), 1, (name, labels))
        self.assertEqual(value(after, "sky_exec_seconds_count") - value(before, "sky_exec_seconds_count"), 2)
        stages = {stage: value(after, "sky_stage_seconds_count", 'stage="%s"' % stage) - value(before, "sky_stage_seconds_count", 'stage="%s"' % stage)
                  for stage in ("request", "resolve", "fetch", "build", "jail", "run")}
        self.assertEqual(stages, {"request": 2, "resolve": 2, "fetch": 0, "build": 0, "jail": 2, "run": 2})
        for name, kind in types.items():
            for part in [name] if kind == "counter" else [name + "_count", name + "_sum"] if kind == "histogram" else []:
                for labels, old in before.get(part, {}).items():
                    self.assertGreaterEqual(after[part][labels], old, (part, labels))

    def test_names(self):
        types, samples = scrape(server)
        for name, kind in types.items():
            self.assertRegex(name, "^sky_[a-z_]+$")
            self.assertEqual(name.endswith("_total"), kind == "counter", name)
            if kind == "histogram":
                self.assertTrue(name.endswith("_seconds"), name)
        text = repr(samples)
        self.assertNotIn("example.com", text)
        self.assertGreater(value(samples, "sky_resident_memory_bytes"), 1 << 20)
        self.assertGreaterEqual(value(samples, "sky_connections"), 1)
        self.assertEqual(set(samples["sky_build_info"].values()), {1})
        steps = {label for labels in samples["sky_initialize_system_seconds"] for label in labels}
        self.assertIn('step="storage"', steps)

    def test_who_may_ask(self):
        self.assertEqual(server.send("HEAD", "/metrics").body, b"")
        self.assertEqual(server.send("POST", "/metrics", b"").status, 405)
        with sky.Sky("metrics", listen="0.0.0.0", open=True, admin_api_token="other-token", metrics={"statsd": None}) as own:
            for headers in ({}, {"X-Sky-Island-Token": "wrong"}, {"Authorization": "Bearer other-token"}):
                answer = own.send("GET", "/metrics", headers=headers)
                self.assertEqual((answer.status, answer.code), (403, "forbidden"), headers)
            scrape(own, headers={"X-Sky-Island-Token": "other-token"})


class ApiStats(unittest.TestCase):
    FIELDS = {"pid": int, "uptime": str, "uptime_sec": float, "time": str, "unixtime": int, "status_code_count": dict, "total_status_code_count": dict,
              "count": int, "total_count": int, "total_response_time": str, "total_response_time_sec": float, "average_response_time": str,
              "average_response_time_sec": float}

    def stats(self, own=None):
        answer = (own or server).send("GET", "/api/v1/admin/api-stats", headers=TOKEN)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def seconds(self, text):
        """Of a Go duration."""
        self.assertRegex(text, r"^(\d+h)?(\d+m)?\d+(\.\d*[1-9])?(s|ms|µs|ns)$")
        units = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
        return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|µs|ns|h|m|s)", text))

    def test_its_fields(self):
        told = self.stats()
        self.assertEqual({name: type(value) for name, value in told.items()}, self.FIELDS)
        self.assertEqual(told["pid"], server.parts[0])
        self.assertAlmostEqual(told["unixtime"], time.time(), delta=2)
        self.assertTrue(told["time"].startswith(time.strftime("%Y-%m-%d", time.gmtime(told["unixtime"]))))
        for name in ("uptime", "total_response_time", "average_response_time"):
            self.assertAlmostEqual(self.seconds(told[name]), told[name + "_sec"], places=6)
        self.assertAlmostEqual(told["average_response_time_sec"], told["total_response_time_sec"] / told["total_count"], places=6)
        self.assertEqual(told["count"], sum(told["status_code_count"].values()))
        self.assertEqual(told["total_count"], sum(told["total_status_code_count"].values()))

    def test_counts(self):
        before = self.stats()
        self.assertEqual(server.call(M, "Add(3, 3)").status, 200)
        self.assertEqual(server.send("GET", "/nothing").status, 404)
        after = self.stats()
        gained = {code: count - before["total_status_code_count"].get(code, 0) for code, count in after["total_status_code_count"].items()}
        self.assertEqual({code: count for code, count in gained.items() if count}, {"200": 2, "404": 1}, "the call and the look before; the 404")
        self.assertGreater(after["total_response_time_sec"], before["total_response_time_sec"])
        self.assertLessEqual(after["count"], after["total_count"])

    def test_the_last_second(self):
        with sky.Sky("metrics", metrics={"statsd": None}, admin_api_token=TOKEN["X-Sky-Island-Token"]) as own:
            for _ in range(5):
                own.send("GET", "/healthcheck")
            begun = time.monotonic()
            recent = self.stats(own)
            if time.monotonic() - begun < 0.5:
                self.assertEqual(recent["status_code_count"], {"200": 5})
            forgotten = sky.until(lambda: [told for told in [self.stats(own)] if told["count"] < told["total_count"]], 5, "a second's end")[0]
            self.assertGreaterEqual(forgotten["total_count"], 6)

    def test_the_token(self):
        for headers in ({}, {"X-Sky-Island-Token": "wrong"}, {"X-Sky-Island-Token": ""}):
            answer = server.send("GET", "/api/v1/admin/api-stats", headers=headers)
            self.assertEqual((answer.status, answer.code), (403, "forbidden"))


class Traces(unittest.TestCase):
    def test_a_trace_goes_on(self):
        answer = server.send("GET", "/healthcheck", headers={"traceparent": PARENT})
        self.assertRegex(answer.headers["traceparent"], "^00-%s-[0-9a-f]{16}-01$" % TRACE)
        self.assertNotEqual(answer.headers["traceparent"], PARENT)
        self.assertIn("-00", server.send("GET", "/healthcheck", headers={"traceparent": PARENT[:-1] + "2"}).headers["traceparent"][-3:])

    def test_a_new_one(self):
        """Where there was none, a malformed one, or two."""
        seen = set()
        for headers in ({}, {"traceparent": "nonsense"}, {"traceparent": PARENT.upper()}, {"traceparent": PARENT + "-x"}):
            seen.add(server.send("GET", "/healthcheck", headers=headers).headers["traceparent"])
        twice = server.raw(("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\nTraceparent: %s\r\ntraceparent: %s\r\nConnection: close\r\n\r\n" % (PARENT, PARENT)).encode())
        seen.add(re.search(rb"traceparent: (\S+)", twice)[1].decode())
        self.assertEqual(len(seen), 5)
        for parent in seen:
            self.assertRegex(parent, "^00-[0-9a-f]{32}-[0-9a-f]{16}-00$")
            self.assertNotIn(TRACE, parent)

    def test_the_jail_is_told_nothing(self):
        answer = server.call("os", 'Getenv("TRACEPARENT")', imports=[])
        self.assertEqual((answer.status, answer.data), (200, b""), answer)
        self.assertNotIn(TRACE.encode(), server.post({"url": "os", "call": "Environ()"}, headers={"traceparent": PARENT}).body)


class Log(unittest.TestCase):
    def line(self, own, **members):
        return sky.until(lambda: [line for line in log_lines(own) if members.items() <= line.items()], what="a line with %s" % members)[0]

    def test_a_request(self):
        self.assertEqual(server.post({"url": M, "call": "Add(4, 4)"}, headers={"X-Request-Id": "log-1", "traceparent": PARENT}).status, 200)
        line = self.line(server, request_id="log-1", message="request")
        self.assertEqual((line["level"], line["role"], line["method"], line["path"], line["status"]), ("info", "server", "POST", "/api/v1/function", 200))
        self.assertEqual((line["module"], line["version"], line["trace_id"], line["peer"]), (M, "v1.0.0", TRACE, "127.0.0.1"))
        self.assertNotIn("code", line)
        self.assertGreater(line["ms"], 0)
        self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_a_failure(self):
        server.post({"url": M, "call": "Panic()"}, headers={"X-Request-Id": "log-2"})
        line = self.line(server, request_id="log-2")
        self.assertEqual((line["status"], line["code"]), (422, "function_panicked"))
        server.raw(b"GET /\xff\"x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.raw(b"nonsense\r\n\r\n")
        self.line(server, status=400, code="bad_http")

    def test_no_secrets(self):
        server.send("GET", "/nowhere?token=query-secret", headers={"Authorization": "Bearer header-secret", "X-Request-Id": "log-3", **TOKEN})
        server.post({"url": M, "call": 'Add(1, 1) /* body-secret */'}, headers={"Cookie": "cookie-secret", "X-Request-Id": "log-4"})
        self.line(server, request_id="log-4")
        self.assertEqual(self.line(server, request_id="log-3")["path"], "/nowhere")
        with open(server.log_path, encoding="utf-8") as file:
            text = file.read()
        for secret in ("query-secret", "header-secret", "body-secret", "cookie-secret", TOKEN["X-Sky-Island-Token"]):
            self.assertNotIn(secret, text)

    def test_probes_are_for_debug_only(self):
        server.send("GET", "/healthcheck", headers={"X-Request-Id": "log-5"})
        server.send("GET", "/nowhere", headers={"X-Request-Id": "log-6"})
        self.line(server, request_id="log-6")
        self.assertEqual([line for line in log_lines(server) if line.get("request_id") == "log-5"], [])
        with sky.Sky("metrics", metrics={"statsd": None}, log_level="debug") as own:
            own.send("GET", "/healthcheck", headers={"X-Request-Id": "log-7"})
            self.assertEqual(self.line(own, request_id="log-7")["level"], "debug")

    def test_a_log_that_nobody_reads(self):
        """It holds up no call; lines are lost, and counted."""
        own = sky.Sky("metrics", metrics={"statsd": None})
        out, into = os.pipe()
        own.write_config()
        own.process = subprocess.Popen([sky.binary, "-c", own.config_path], stdin=subprocess.DEVNULL, stdout=into, stderr=into, cwd="/")
        os.close(into)
        own.started.append(own.process)
        sky.everyone.append(own)
        try:
            sky.until(own.serves, 30, "the server")
            connection = own.connection(timeout=sky.WAIT)
            for i in itertools.count():
                self.assertEqual(own.send("GET", "/nowhere/" + "x" * 400, connection=connection).status, 404)
                if i % 50 == 49 and value(scrape(own)[1], "sky_log_lines_lost_total") > 0:
                    break
                self.assertLess(i, 2000)
            connection.close()
        finally:
            with open(out, "rb") as pipe:
                reader = threading.Thread(target=pipe.read, daemon=True)
                reader.start()  # the supervisor does wait for who reads
                own.close()
                reader.join(sky.WAIT)


class Names(unittest.TestCase):
    """The documents, the dashboard and the program say the same names."""

    def documented(self):
        with open(os.path.join(TOP, "docs/metrics.md"), encoding="utf-8") as file:
            return file.read()

    def test_documents(self):
        types, _ = scrape(server)
        text = self.documented()
        self.assertEqual(set(re.findall(r"`(sky_[a-z_]+)", text)), set(types))
        with open(os.path.join(TOP, "src/metrics/facts.h"), encoding="utf-8") as file:
            sent = set(re.findall(r'X\([A-Z_]+,\s*"([a-z_.]+)",\s*"sky_', file.read()))
        self.assertGreater(len(sent), 20)
        for name in sent:
            self.assertIn("`%s" % name, text)

    def test_every_line_of_statsd_is_documented(self):
        text = self.documented()
        rows = re.findall(r"^\| `([a-z_.]+)(<[a-z]+>)?", text, re.M)
        for name in {line[0] for line in list(statsd.lines)}:
            self.assertTrue(any(name == row or (more and name.startswith(row)) for row, more in rows), name)

    def test_dashboard(self):
        types, _ = scrape(server)
        known = set(types) | {name + part for name, kind in types.items() if kind == "histogram" for part in ("_bucket", "_sum", "_count")}
        with open(DASHBOARD, encoding="utf-8") as file:
            text = file.read()
        used = set(re.findall(r"\bsky_[a-z_]+", text))
        self.assertEqual(used - known, set())
        shown = {re.sub("_(bucket|sum|count)$", "", name) if name not in types else name for name in used}
        self.assertEqual(set(types) - shown, set(), "facts that no panel shows")


class Dashboard(unittest.TestCase):
    def setUp(self):
        with open(DASHBOARD, encoding="utf-8") as file:
            self.board = json.load(file)

    def test_shape(self):
        """What Grafana refuses or hides without a word."""
        panels = self.board["panels"]
        self.assertIsNone(self.board.get("id"))
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        variables = {variable["name"]: variable for variable in self.board["templating"]["list"]}
        self.assertEqual((variables["datasource"]["type"], variables["datasource"]["query"]), ("datasource", "prometheus"))
        taken = set()
        for panel in panels:
            place = panel["gridPos"]
            cells = set(itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])))
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells
            if panel["type"] == "row":
                continue
            self.assertEqual(panel["datasource"], {"type": "prometheus", "uid": "${datasource}"})
            self.assertEqual(len({target["refId"] for target in panel["targets"]}), len(panel["targets"]))
            for target in panel["targets"]:
                for opening, closing in ("()", "{}", "[]"):
                    self.assertEqual(target["expr"].count(opening), target["expr"].count(closing), target["expr"])
                for name in re.findall(r"\$\{?(\w+)", target["expr"]):
                    self.assertIn(name, set(variables) | {"__rate_interval"})

    def sdk(self):
        """Grafana's own package, kept beside the tests' state for the next time."""
        place = os.path.join(os.environ.get("TMPDIR", tempfile.gettempdir()), "grafana-" + re.sub("[^0-9.]", "-", SDK.split("==")[1]))
        if not os.path.isdir(place):
            part = tempfile.mkdtemp(prefix="grafana-", dir=os.path.dirname(place))
            words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--disable-pip-version-check", "--target", part, SDK]
            try:
                subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
            except subprocess.SubprocessError as error:
                shutil.rmtree(part)
                self.skipTest("pip does not bring %s: %s" % (SDK, getattr(error, "stderr", None) or error))
            os.rename(part, place)
        return place

    def differences(self, given, taken, path=""):
        """What was dropped or changed; what was added are defaults."""
        if isinstance(given, dict) and isinstance(taken, dict):
            for name, inner in given.items():
                if name not in taken:
                    yield path + "." + name
                else:
                    yield from self.differences(inner, taken[name], path + "." + name)
        elif isinstance(given, list) and isinstance(taken, list) and len(given) == len(taken):
            for i, (one, other) in enumerate(zip(given, taken)):
                yield from self.differences(one, other, "%s[%d]" % (path, i))
        elif given != taken or type(given) is not type(taken):
            yield path

    def test_grafanas_schema(self):
        """Read by Grafana's own classes and written again, nothing is lost: every field is one of its schema."""
        sys.path.insert(0, self.sdk())
        try:
            dashboard = importlib.import_module("grafana_foundation_sdk.models.dashboard")
            importlib.import_module("grafana_foundation_sdk.cog.plugins").register_default_plugins()
            encoder = importlib.import_module("grafana_foundation_sdk.cog.encoder").JSONEncoder
        finally:
            del sys.path[0]
        taken = json.loads(json.dumps(dashboard.Dashboard.from_json(self.board), cls=encoder))
        self.assertEqual(list(self.differences(self.board, taken)), [])
        self.board["panels"][1]["fieldConfig"]["defaults"]["nosuchfield"] = 1
        taken = json.loads(json.dumps(dashboard.Dashboard.from_json(self.board), cls=encoder))
        self.assertEqual(list(self.differences(self.board, taken)), [".panels[1].fieldConfig.defaults.nosuchfield"])


if __name__ == "__main__":
    unittest.main()
