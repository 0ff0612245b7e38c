"""The HTTP rules of the api."""

import http.client
import json
import os
import socket
import tempfile
import threading
import time
import unittest

import proxy
import sky

GOOD = {"url": "strings", "call": 'ToUpper("a")'}
SLOW = "example.com/slow"


def setUpModule():
    global server, tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(SLOW, {"a.go": "package slow\n\n" + proxy.SLEEP})
    server = sky.Sky("http", modules=tree.url, hostnames=["island.example"]).start()
    unittest.addModuleCleanup(server.close)
    answer = server.post(GOOD)
    if answer.status != 200:
        raise AssertionError(str(answer))


class Routes(unittest.TestCase):
    def test_health(self):
        for path in ("/healthcheck", "/api/v1/healthcheck", "/readyz"):
            for method in ("GET", "HEAD"):
                answer = server.send(method, path)
                self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
                self.assertEqual(answer.body == b"", method == "HEAD")
                self.assertGreater(int(answer.headers["content-length"]), 0)

    def test_unknown(self):
        for path in ("/", "/nothing", "/api", "/api/v1", "/api/v1/function/", "/api/v1/Function", "/api/v2/function", "//healthcheck", "/healthcheck/..",
                     "/api/v1/%66unction", "/api/v1/function/x", "/%00", "/../etc/passwd"):
            for method in ("GET", "POST", "DELETE"):
                with self.subTest(path, method=method):
                    answer = server.send(method, path, b"{}" if method == "POST" else None)
                    self.assertEqual((answer.status, answer.code), (404, "no_such_route"))

    def test_methods(self):
        for path, allowed, refused in (("/api/v1/function", {"POST", "OPTIONS"}, ("GET", "HEAD", "PUT", "DELETE", "PATCH")),
                                       ("/healthcheck", {"GET", "HEAD", "OPTIONS"}, ("POST", "PUT", "DELETE")),
                                       ("/readyz", {"GET", "HEAD", "OPTIONS"}, ("POST",))):
            for method in refused:
                with self.subTest(path, method=method):
                    answer = server.send(method, path)
                    self.assertEqual(answer.status, 405, answer)
                    self.assertEqual(set(answer.headers["allow"].replace(" ", "").split(",")), allowed)
                    if method != "HEAD":
                        self.assertEqual(answer.code, "method_not_allowed")
            answer = server.send("OPTIONS", path)
            self.assertEqual(answer.status, 204, answer)
            self.assertEqual(set(answer.headers["allow"].replace(" ", "").split(",")), allowed)
            self.assertNotIn("access-control-allow-origin", answer.headers)

    def test_query_is_passed_over(self):
        self.assertEqual(server.send("GET", "/healthcheck?x=1").status, 200)

    def test_content_type_is_not_asked_for(self):
        for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"):
            self.assertEqual(server.post(GOOD, {"Content-Type": kind}).status, 200)


class Headers(unittest.TestCase):
    def test_request_id(self):
        answer = server.post(GOOD, {"X-Request-Id": "my-id_1.2:3"})
        self.assertEqual(answer.headers["x-request-id"], "my-id_1.2:3")
        made = {server.post(GOOD).headers["x-request-id"] for _ in range(3)}
        self.assertEqual(len(made), 3)
        for bad in ("a b", "x" * 200, "", "<script>", "é"):
            answer = server.post(GOOD, {"X-Request-Id": bad.encode()})
            self.assertNotEqual(answer.headers["x-request-id"], bad)
        for answer in (server.send("GET", "/nothing"), server.send("GET", "/healthcheck"), server.post(b"{"), server.send("PUT", "/healthcheck")):
            self.assertIn("x-request-id", answer.headers)
        self.assertIn(b"X-Request-Id:", server.raw(b"BAD\r\n\r\n"))

    def test_timing_and_module(self):
        answer = server.post(GOOD)
        for stage in ("resolve", "fetch", "build", "jail", "run"):
            self.assertIsNotNone(answer.timing(stage), stage)
        self.assertEqual(answer.headers["x-sky-island-module"], "std@go1.26.8")
        total = sum(answer.timing(stage) for stage in ("resolve", "fetch", "build", "jail", "run"))
        self.assertLess(total, answer.seconds * 1000 + 1)

    def test_timing_and_module_of_failures(self):
        answer = server.post({"url": "strings", "call": "Repeat(`a`, -1)"})
        self.assertEqual(answer.status, 422)
        self.assertIn("server-timing", answer.headers)
        self.assertEqual(answer.headers["x-sky-island-module"], "std@go1.26.8")
        answer = server.post({"url": "strings", "call": "Nosuch()"})
        self.assertEqual(answer.headers.get("x-sky-island-module"), "std@go1.26.8")


class Origins(unittest.TestCase):
    def host(self, host, path="/healthcheck", more=b""):
        got = server.raw(b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n" % (path.encode(), host.encode(), more))
        return int(got.split(b" ")[1]), got

    def test_host(self):
        port = server.port
        for host in ("127.0.0.1:%d" % port, "127.0.0.1", "localhost", "LOCALHOST:%d" % port, "[::1]:%d" % port, "127.8.8.8", "island.example", "Island.Example:99"):
            with self.subTest(host):
                self.assertEqual(self.host(host)[0], 200)
        for host in ("evil.example", "evil.example:%d" % port, "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::2]", "", "localhost@evil",
                     "island.example.evil", "0.0.0.0", "2130706433", "127.1"):
            with self.subTest(host):
                status, got = self.host(host)
                self.assertIn(status, (421, 400) if host in ("", "localhost@evil") else (421,), got)

    def test_host_of_a_call(self):
        answer = server.post(GOOD, {"Host": "evil.example"})
        self.assertEqual((answer.status, answer.code), (421, "misdirected"))

    def test_origin(self):
        own = "http://127.0.0.1:%d" % server.port
        self.assertEqual(server.post(GOOD, {"Origin": own}).status, 200)
        for origin in ("http://evil.example", "https://evil.example", "null", "http://127.0.0.1:1", "file://", "http://localhost.evil.example", "evil",
                       "http://127.0.0.1:%d.evil.example" % server.port, own + "/x"):
            with self.subTest(origin):
                answer = server.post(GOOD, {"Origin": origin})
                self.assertEqual((answer.status, answer.code), (403, "foreign_origin"), answer)

    def test_site(self):
        for site, status in (("same-origin", 200), ("none", 200), ("cross-site", 403), ("Cross-Site", 403)):
            self.assertEqual(server.post(GOOD, {"Sec-Fetch-Site": site}).status, status, site)

    def test_another_port_of_this_host_is_foreign(self):
        """same-site is any port of this host: another user's server, or a page it was tricked into serving."""
        answer = server.post(GOOD, {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"})
        self.assertEqual(answer.status, 403)


class Connections(unittest.TestCase):
    def body(self, request):
        text = json.dumps(request).encode()
        return b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(text) + text

    def test_keep_alive(self):
        connection = server.connection()
        self.addCleanup(connection.close)
        for _ in range(5):
            self.assertEqual(server.post(GOOD, connection=connection).status, 200)
        self.assertEqual(server.post(b"{", connection=connection).status, 400)
        self.assertEqual(server.post(GOOD, connection=connection).status, 200)

    def test_pipelining(self):
        got = server.raw(self.body({"url": SLOW, "call": "Sleep(300)"}) + self.body(GOOD) + self.body({"url": "strings", "call": "ToUpper(`b`)"}),
                         (b'"B"',))
        where = [got.find(text) for text in (b'"slept"', b'"A"', b'"B"')]
        self.assertNotIn(-1, where, got)
        self.assertEqual(where, sorted(where))

    def test_expect_and_chunks(self):
        text = json.dumps(GOOD).encode()
        with socket.create_connection((server.host, server.port), timeout=10) as s:
            s.sendall(b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 100"))
            s.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text))
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 200"))

    def test_smuggling_is_refused(self):
        for head in (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Host: localhost\r\n", b"X : y\r\n"):
            got = server.raw(b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n{}")
            self.assertTrue(got.startswith(b"HTTP/1.1 400"), got)
            self.assertIn(b"application/problem+json", got)

    def test_many_idle_connections_do_not_hold_up_calls(self):
        idle = [socket.create_connection((server.host, server.port)) for _ in range(150)]
        try:
            self.assertEqual(server.post(GOOD).status, 200)
        finally:
            for s in idle:
                s.close()

    def test_a_client_that_leaves(self):
        with sky.Sky("leaves", modules=tree.url, jails={"exec_timeout": "30s", "waiting_max": 1}) as own:
            self.assertEqual(own.call(SLOW, "Sleep(0)").status, 200)
            text = json.dumps({"url": SLOW, "call": "Sleep(20000)"}).encode()
            for how in ("close", "reset", "half"):
                with self.subTest(how):
                    waiting = set(sky.until(own.waiting_jail, 2, "the waiting jail"))  # the call's, then; another one may wait soon
                    s = socket.create_connection((own.host, own.port))
                    s.sendall(b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
                    sky.until(own.running, what="the call")
                    if how == "reset":
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    if how == "half":
                        s.shutdown(socket.SHUT_WR)
                    else:
                        s.close()
                    sky.until(lambda: not waiting & set(own.jail_pids()), 1, "the end of the call that nobody waits for")
                    s.close()

    def test_a_client_that_leaves_during_a_build(self):
        with sky.Sky("leaves", modules=tree.url) as own:
            text = json.dumps({"url": SLOW, "call": "Sleep(1) + `%d`" % os.getpid()}).encode()
            s = socket.create_connection((own.host, own.port))
            s.sendall(b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
            time.sleep(0.2)
            s.close()
            self.assertEqual(own.call(SLOW, "Sleep(1)").json.get("data"), "slept")
            sky.until(lambda: len(own.jails()) <= 1 and not own.files(), 20, "the end of what was built for nobody")

    def test_who_asks_for_a_build_that_is_just_given_up(self):
        with sky.Sky("joins", modules=tree.url) as own:
            self.assertEqual(own.call(SLOW, "Sleep(1)").json.get("data"), "slept")
            for i in range(3):
                call = "Sleep(1) + `%d`" % i
                text = json.dumps({"url": SLOW, "call": call}).encode()
                s = socket.create_connection((own.host, own.port))
                s.sendall(b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
                sky.until(lambda: any("part" in name for name in os.listdir(os.path.join(own.state, "artifacts"))), what="a build")
                s.close()
                answer = own.call(SLOW, call)
                self.assertEqual((answer.status, answer.json.get("data")), (200, "slept%d" % i), answer)


class Tokens(unittest.TestCase):
    def test_function_token(self):
        with sky.Sky("token", modules=tree.url, function_token="secret-1") as own:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret-1"}, {"Authorization": "Basic secret-1"},
                            {"Authorization": "Bearer "}, {"Authorization": "Bearer secret-11"}, {"Authorization": "Bearer  secret-1"}):
                answer = own.post(GOOD, headers)
                self.assertEqual((answer.status, answer.code), (401, "unauthorized"), headers)
                self.assertTrue(answer.headers["www-authenticate"].startswith("Bearer"))
                self.assertNotIn(b"secret-1", answer.body)
            self.assertEqual(own.post(GOOD, {"Authorization": "Bearer secret-1"}).status, 200)
            self.assertEqual(own.post(GOOD, {"Authorization": "bearer secret-1"}).status, 200)
            self.assertEqual(own.send("GET", "/healthcheck").status, 200)
            self.assertEqual(own.send("GET", "/readyz").status, 200)
            self.assertNotIn("secret-1", own.log())

    def test_beyond_loopback(self):
        own = sky.Sky("beyond", listen="0.0.0.0")
        done = own.run()
        self.assertEqual(done.returncode, sky.EXIT_CONFIGURATION, done.stderr)
        self.assertIn(b"function_token", done.stderr)


class Draining(unittest.TestCase):
    def test_draining(self):
        with sky.Sky("drain", modules=tree.url) as own:
            self.assertEqual(own.call(SLOW, "Sleep(0)").status, 200)
            idle, results = own.connection(10), []
            self.assertEqual(own.send("GET", "/readyz", connection=idle).status, 200)
            running = threading.Thread(target=lambda: results.append(own.call(SLOW, "Sleep(2500)")), daemon=True)
            running.start()
            sky.until(own.running, what="the call")
            own.process.terminate()
            time.sleep(0.3)
            for method, path, body in (("POST", "/api/v1/function", json.dumps(GOOD)), ("GET", "/readyz", None)):
                with self.subTest(path):
                    try:
                        answer = own.send(method, path, body, timeout=1)
                    except ConnectionRefusedError:
                        self.fail("the connection is refused: DESIGN says 503 with Retry-After while draining")
                    except (TimeoutError, http.client.HTTPException, OSError) as e:
                        self.fail("no answer within a second: %r" % e)
                    self.assertEqual((answer.status, answer.code), (503, "draining"), answer)
                    self.assertIn("retry-after", answer.headers)
            running.join()
            self.assertEqual((results[0].status, results[0].json.get("data")), (200, "slept"))
            self.assertEqual(own.process.wait(5), 0)
            idle.close()

    def test_health_while_draining(self):
        with sky.Sky("drain", modules=tree.url) as own:
            self.assertEqual(own.call(SLOW, "Sleep(0)").status, 200)
            results = []
            text = json.dumps({"url": SLOW, "call": "Sleep(1500)"}).encode()
            s = socket.create_connection((own.host, own.port), timeout=10)
            self.addCleanup(s.close)
            s.sendall(b"POST /api/v1/function HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
            sky.until(own.running, what="the call")
            own.process.terminate()
            time.sleep(0.1)
            s.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")  # behind the call that runs
            while chunk := s.recv(65536):
                results.append(chunk)
            got = b"".join(results)
            self.assertIn(b'"slept"', got)
            self.assertIn(b"Connection: close", got)
            self.assertEqual(own.process.wait(5), 0)
