#!/usr/bin/env python3
"""Raw-socket tests of src/http, through echo_server.

    test_http.py ECHO_SERVER [unittest's options]      or ECHO_SERVER in the environment

Every rule that keeps two readers of a request from seeing two different ones is tried here as a
stranger would try it: bytes on a socket, whole and split.
"""

import contextlib
import os
import random
import select
import socket
import struct
import sys
import tempfile
import time
import unittest

import raw
from raw import CHUNKED, HOST, POST, WAIT, Client, get, post, server


class WithServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        context = server()
        cls.address = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)

    def client(self):
        return Client(self.address)

    def refused(self, data, status):
        """Refused with this status, and the connection is over; so too when it comes in pieces."""
        for pieces in ([data], [data[:-1], data[-1:]], [data[: len(data) // 2], data[len(data) // 2 :]]):
            with self.subTest(data=data[:200], pieces=len(pieces)), self.client() as c:
                try:
                    for piece in pieces:
                        c.send(piece)
                except ConnectionError:
                    pass
                answer = c.answer()
                self.assertEqual(answer.status, status, answer.body)
                self.assertEqual(answer.fields["connection"], "close")
                self.assertEqual(c.rest(), b"")

    def taken(self, data):
        with self.subTest(data=data[:200]), self.client() as c:
            answer = c.send(data).answer()
            self.assertEqual(answer.status, 200, answer.body)
            return answer


class RequestLine(WithServer):
    def test_version(self):
        for line in (b"GET /", b"GET / ", b"GET", b"GET / HTTP/1", b"GET / HTTP/1.1.1", b"GET / http/1.1",
                     b"GET / HTTP/1.1 ", b"GET / HTTP/ 1.1", b"GET / HTTP/01.1", b"GET / HTTPS/1.1"):
            self.refused(line + b"\r\n" + HOST + b"\r\n", 400)
        for version in (b"0.9", b"1.2", b"1.9", b"2.0", b"3.0"):
            self.refused(b"GET / HTTP/" + version + b"\r\n" + HOST + b"\r\n", 505)
        self.refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)

    def test_spaces(self):
        for line in (b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b" GET / HTTP/1.1", b"GET\t/ HTTP/1.1",
                     b"GET / x HTTP/1.1", b"GET /\x0bHTTP/1.1"):
            self.refused(line + b"\r\n" + HOST + b"\r\n", 400)

    def test_method(self):
        for method in (b"BREW", b"get", b"Post", b"GETX", b"X"):
            self.refused(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n", 501)
        self.refused(b"G\x00T / HTTP/1.1\r\n" + HOST + b"\r\n", 400)
        self.refused(b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n", 400)
        self.refused(b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400)
        for method in (b"GET", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"):
            answer = self.taken(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n")
            self.assertEqual(answer.fields["x-method"].encode(), method)

    def test_target(self):
        for target in (b"x", b"*", b"http://", b"http:///x", b"ftp://a/", b"a:80", b"/\xff", b"/a#b", b"/\x7f"):
            self.refused(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400)
        for target, path, query in (("/a%20b?c=d?e", "/a%20b", "c=d?e"), ("//x", "//x", ""), ("/?", "/", ""),
                                    ("http://a/b?c", "/b", "c"), ("http://a", "/", ""), ("HTTP://A?x", "/", "x")):
            answer = self.taken(get(target))
            self.assertEqual((answer.fields["x-path"], answer.fields["x-query"]), (path, query))

    def test_other_protocols_are_refused_at_once(self):
        with self.client() as c:  # a TLS greeting: no line will ever end
            self.assertEqual(c.send(b"\x16\x03\x01\x02\x00\x01").answer().status, 400)

    def test_one_empty_line_may_come_first(self):
        self.taken(b"\r\n" + get("/"))
        self.refused(b"\r\n\r\n" + get("/"), 400)
        self.refused(b"\n" + get("/"), 400)


class Fields(WithServer):
    def test_host(self):
        self.refused(b"GET / HTTP/1.1\r\n\r\n", 400)
        self.refused(b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400)
        self.refused(b"GET / HTTP/1.1\r\nHost: a\r\nhOsT: b\r\n\r\n", 400)
        self.refused(b"GET / HTTP/1.0\r\n" + HOST + HOST + b"\r\n", 400)
        self.refused(b"GET http://b/ HTTP/1.1\r\n" + HOST + b"\r\n", 400)
        for host in (b"a b", b"a,b", b"a/b", b"u@a", b"a\\b", b'"a"', b"<a>"):
            self.refused(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", 400)
        self.taken(b"GET / HTTP/1.0\r\n\r\n")
        self.taken(b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n")

    def test_line_ends(self):
        self.refused(b"GET / HTTP/1.1\nHost: a\n\n", 400)
        self.refused(b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400)
        self.refused(b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400)
        self.refused(b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400)
        self.refused(b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400)
        self.refused(b"GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n", 400)

    def test_folded_lines(self):
        self.refused(get("/", b"A: b\r\n c\r\n"), 400)
        self.refused(get("/", b"A: b\r\n\tc: d\r\n"), 400)
        self.refused(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400)
        self.refused(get("/", b"A:\r\n \r\n"), 400)

    def test_names(self):
        for line in (b"A : b", b"A\t: b", b": b", b"A", b"A b: c", b"A(: b", b"\xc3\xa4: b", b"A\x00: b"):
            self.refused(get("/", line + b"\r\n"), 400)

    def test_values(self):
        for value in (b"\x00", b"a\x00b", b"\x01", b"\x1b[m", b"\x7f"):
            self.refused(get("/", b"A: " + value + b"\r\n"), 400)
        self.taken(get("/", b"A: \xc3\xa4\tb\r\n", b"B:\r\n", b"C:   \t \r\n"))

    def test_caps(self):
        self.refused(get("/", *[b"A: b\r\n"] * 64), 431)  # Host is one more
        self.taken(get("/", *[b"A: b\r\n"] * 63))
        self.refused(get("/", b"A: " + b"b" * 16384 + b"\r\n"), 431)
        self.refused(get("/" + "a" * 16384), 431)
        self.taken(get("/", b"A: " + b"b" * 16000 + b"\r\n"))
        with self.client() as c:  # refused before its end is there
            c.send(b"GET / HTTP/1.1\r\nA: " + b"b" * 20000)
            self.assertEqual(c.answer().status, 431)

    def test_expect(self):
        self.refused(get("/", b"Expect: 200-maybe\r\n"), 417)
        self.refused(get("/", b"Expect: 100-continue, b\r\n"), 417)
        self.taken(b"GET / HTTP/1.0\r\nExpect: x\r\n\r\n")
        self.taken(get("/", b"Expect: 100-Continue\r\n"))  # without a body nothing is to be continued


class Length(WithServer):
    def test_both_length_and_coding(self):
        for fields in ((b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
                       (b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"),
                       (b"Transfer-Encoding: identity\r\n", b"Content-Length: 5\r\n")):
            self.refused(POST + b"".join(fields) + b"\r\n0\r\n\r\n", 400)

    def test_content_length(self):
        for value in (b"", b"+5", b"-5", b"0x5", b"5 5", b"5,5", b"5, 5", b"5;", b"five", b"5.0", b"\xb2"):
            self.refused(POST + b"Content-Length: " + value + b"\r\n\r\nhello", 400)
        self.refused(POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400)
        self.refused(POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400)
        self.assertEqual(self.taken(POST + b"Content-Length: 005\r\n\r\nhello").body, b"hello")

    def test_too_large(self):
        for value in (b"1048577", b"18446744073709551615", b"18446744073709551616", b"9" * 100):
            self.refused(POST + b"Content-Length: " + value + b"\r\n\r\n", 413)
        body = b"x" * 1048576
        self.assertEqual(self.taken(post(body)).body, body)

    def test_transfer_encoding(self):
        for value in (b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunkedx", b"xchunked",
                      b'"chunked"', b"chunked;a=b", b"", b"identity", b"chunked,"):
            self.refused(POST + b"Transfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n", 501)
        self.refused(POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400)
        self.refused(POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400)
        self.refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)

    def test_chunks(self):
        for body in (b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r\n0\n\r\n", b"5\r\nhello\r\n0\r\n\n",
                     b"5\r\nhello!\r\n0\r\n\r\n", b"5\r\nhell\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
                     b" 5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n",
                     b"5\r\nhello\r\n\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n", b"5;\x00\r\nhello\r\n0\r\n\r\n",
                     b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"0\r\nA: b\r\n c\r\n\r\n", b"0\r\nA: b\n\r\n",
                     b"0\r\nA\r\n\r\n", b"0\r\nA: \x00\r\n\r\n", b"5;" + b"x" * 16384 + b"\r\nhello\r\n0\r\n\r\n"):
            self.refused(CHUNKED + body, 400)
        self.refused(CHUNKED + b"100001\r\n" + b"x" * 1048577 + b"\r\n0\r\n\r\n", 413)
        self.refused(CHUNKED + (b"40000\r\n" + b"x" * 262144 + b"\r\n") * 5 + b"0\r\n\r\n", 413)
        self.refused(CHUNKED + b"0\r\n" + b"A: b\r\n" * 65 + b"\r\n", 431)
        self.refused(CHUNKED + b"0\r\nA: " + b"b" * 16384 + b"\r\n\r\n", 431)
        self.refused(CHUNKED + (b"1;" + b"x" * 100 + b"\r\nx\r\n") * 500, 400)

    def test_chunked_bodies_in_random_pieces(self):
        rng = random.Random(1)
        for _ in range(50):
            body = rng.randbytes(rng.randrange(3000))
            data, at = b"", 0
            while at < len(body):
                n = rng.randint(1, 700)
                piece = body[at : at + n]
                data += b"%x%s\r\n%s\r\n" % (len(piece), rng.choice((b"", b";a", b';a="b"')), piece)
                at += n
            data += b"0\r\n" + rng.choice((b"", b"T: x\r\n")) + b"\r\n"
            with self.client() as c:
                whole = CHUNKED + data + get("/next")
                while whole:
                    n = rng.randint(1, 2000)
                    c.send(whole[:n])
                    whole = whole[n:]
                self.assertEqual(c.answer().body, body)
                self.assertEqual(c.answer().fields["x-path"], "/next")


class Exchanges(WithServer):

    def test_kept_connections(self):
        with self.client() as c:
            for i in range(100):
                answer = c.send(post(b"%d" % i)).answer()
                self.assertEqual(answer.body, b"%d" % i)
                self.assertNotIn("connection", answer.fields)

    def test_byte_by_byte(self):
        with self.client() as c:
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in post(b"hello") + get("/x"):
                c.send(bytes([byte]))
            self.assertEqual(c.answer().body, b"hello")
            self.assertEqual(c.answer().fields["x-path"], "/x")

    def test_pipelines_keep_their_order(self):
        with self.client() as c:
            c.send(get("/slow?50") + get("/a") + post(b"b") + get("/slow?1") + get("/c") * 500)
            self.assertEqual(c.answer().body, b"slow")
            self.assertEqual(c.answer().fields["x-path"], "/a")
            self.assertEqual(c.answer().body, b"b")
            self.assertEqual(c.answer().body, b"slow")
            for _ in range(500):
                self.assertEqual(c.answer().fields["x-path"], "/c")

    def test_a_pipeline_ends_at_a_refusal(self):
        with self.client() as c:
            c.send(get("/a") + b"GET / HTTP/2.0\r\n\r\n" + get("/b"))
            self.assertEqual(c.answer().status, 200)
            self.assertEqual(c.answer().status, 505)
            self.assertEqual(c.rest(), b"")

    def test_close_is_honoured(self):
        with self.client() as c:
            c.send(get("/a", b"Connection: keep-alive, Close\r\n") + get("/b"))
            self.assertEqual(c.answer().fields["connection"], "close")
            self.assertEqual(c.rest(), b"")

    def test_one_zero_is_kept_only_when_asked(self):
        with self.client() as c:
            answer = c.send(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").answer()
            self.assertEqual(answer.fields["connection"], "keep-alive")
            self.assertEqual(c.send(b"GET / HTTP/1.0\r\n\r\n").answer().fields["connection"], "close")
            self.assertEqual(c.rest(), b"")

    def test_head_has_no_body(self):
        with self.client() as c:
            answer = c.send(b"HEAD /big?1000 HTTP/1.1\r\n" + HOST + b"\r\n").answer(head_only=True)
            self.assertEqual(answer.fields["content-length"], "1000")
            self.assertEqual(c.send(get("/big?10")).answer().body, b"abcdefghij")

    def test_no_content_has_no_length(self):
        with self.client() as c:
            answer = c.send(get("/empty")).answer()
            self.assertEqual((answer.status, "content-length" in answer.fields), (204, False))
            self.assertEqual(c.send(get("/")).answer().status, 200)

    def test_answers_are_dated(self):
        date = self.taken(get("/")).fields["date"]
        self.assertLess(abs(time.time() - time.mktime(time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT"))
                            + time.timezone), 60)

    def test_an_upgrade_is_ignored(self):
        answer = self.taken(post(b"x", b"Connection: Upgrade, HTTP2-Settings\r\n", b"Upgrade: h2c\r\n"))
        self.assertEqual(answer.body, b"x")

    def test_continue_is_said_when_waited_for(self):
        with self.client() as c:
            c.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            self.assertEqual(c.answer().status, 100)
            self.assertEqual(c.send(b"ok").answer().body, b"ok")
            # The body is on its way already: nothing to wait for.
            self.assertEqual(c.send(post(b"ok", b"Expect: 100-continue\r\n")).answer().body, b"ok")
        self.refused(POST + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n", 413)

    def test_a_large_answer(self):
        with self.client() as c:
            c.send(get("/big?20000000") + get("/a"))
            body = c.answer().body
            self.assertEqual((len(body), body[-26:]), (20000000, b"uvwxyzabcdefghijklmnopqrst"))
            self.assertEqual(c.answer().status, 200)

    def test_a_refusal_reaches_a_peer_that_goes_on_sending(self):
        for _ in range(20):
            with self.client() as c:
                c.send(POST + b"Content-Length: 8000000\r\n\r\n")
                c.send(b"x" * 8000000)
                self.assertEqual(c.answer().status, 413)
                self.assertEqual(c.rest(), b"")

    def test_a_refusal_may_be_followed_by_silence(self):
        with self.client() as c:
            c.send(b"nonsense\r\n\r\n")
            self.assertEqual(c.answer().status, 400)
            self.assertEqual(c.rest(), b"")

    def test_peers_that_leave_end_their_exchanges(self):
        with server() as address:
            self.leave_in_every_way(address)

    def leave_in_every_way(self, address):
        def wait(what, n):
            with Client(address) as c:
                self.assertEqual(c.send(get("/%s?%d" % (what, n))).answer().body, b"so it is")

        n = 0
        for path in ("/never", "/slow?100000"):
            for leave in ("close", "reset", "half"):
                n += 1
                with self.subTest(path=path, leave=leave), Client(address) as c:
                    c.send(get(path))
                    wait("begun", n)
                    if leave == "reset":
                        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    if leave == "half":
                        c.sock.shutdown(socket.SHUT_WR)
                    else:
                        c.sock.close()
                    wait("gone", n)
        with Client(address) as c:  # also one that has sent ahead
            c.send(get("/never") + get("/a") * 100)
            wait("begun", n + 1)
        wait("gone", n + 1)

    def test_a_request_cut_short_is_dropped(self):
        for data in (b"GET / HT", POST + b"Content-Length: 5\r\n\r\nhel", CHUNKED + b"5\r\nhe"):
            with self.client() as c:
                c.send(data)
                c.sock.shutdown(socket.SHUT_WR)
                self.assertEqual(c.rest(), b"")


class Limits(unittest.TestCase):
    def drip(self, client, data):
        """Sends a byte every 10 ms until an answer comes."""
        for byte in data * 1000:
            if select.select([client.sock], [], [], 0.01)[0]:
                break
            client.send(bytes([byte]))
        return client.answer()

    def test_deadlines_are_absolute(self):
        with server(header_ms=150, body_ms=150) as address:
            start = time.monotonic()
            with Client(address) as c:
                c.send(b"GET / HTTP/1.1\r\nA: ")
                self.assertEqual(self.drip(c, b"b").status, 408)
                self.assertEqual(c.rest(), b"")
            with Client(address) as c:
                c.send(POST + b"Content-Length: 100000\r\n\r\n")
                self.assertEqual(self.drip(c, b"b").status, 408)
            with Client(address) as c:
                c.send(CHUNKED)
                self.assertEqual(self.drip(c, b"1\r\nb\r\n").status, 408)
            self.assertLess(time.monotonic() - start, WAIT)

    def test_a_second_requests_fields_have_their_deadline(self):
        with server(header_ms=100) as address, Client(address) as c:
            c.send(get("/a") + b"GET /b")
            self.assertEqual(c.answer().status, 200)
            self.assertEqual(c.answer().status, 408)

    def test_idle_connections_are_closed_silently(self):
        with server(idle_ms=100, header_ms=100) as address:
            with Client(address) as c:
                self.assertEqual(c.send(get("/")).answer().status, 200)
                self.assertEqual(c.rest(), b"")
            with Client(address) as c:
                self.assertEqual(c.rest(), b"")

    def test_handlers_are_not_hurried(self):
        with server(idle_ms=50, header_ms=50, body_ms=50, write_ms=50) as address, Client(address) as c:
            self.assertEqual(c.send(get("/slow?400")).answer().body, b"slow")

    def test_an_answer_nobody_reads_is_given_up(self):
        with server(write_ms=150, connections=1) as address:
            with Client(address) as c:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                c.send(get("/big?50000000"))
                c.fill()  # it has begun
                deadline = time.monotonic() + WAIT
                status = 503
                while status == 503 and time.monotonic() < deadline:  # until its place is free
                    with Client(address) as other:
                        status = other.send(get("/")).answer().status
                self.assertEqual(status, 200)

    def test_connections_are_capped_by_peer(self):
        with server(connections_per_peer=3) as address, contextlib.ExitStack() as stack:
            kept = [stack.enter_context(Client(address)) for _ in range(3)]
            for c in kept:
                self.assertEqual(c.send(get("/")).answer().status, 200)
            with Client(address) as c:
                answer = c.send(get("/")).answer()
                self.assertEqual((answer.status, answer.fields["connection"]), (503, "close"))
                self.assertEqual(c.rest(), b"")
            self.assertEqual(kept[0].send(get("/")).answer().status, 200)

    def test_a_flood_beyond_the_cap_is_closed_unheard(self):
        with server(connections=2) as address, contextlib.ExitStack() as stack:
            kept = [stack.enter_context(Client(address)) for _ in range(2)]
            for c in kept:
                self.assertEqual(c.send(get("/")).answer().status, 200)
            flood = [stack.enter_context(Client(address)) for _ in range(100)]
            heard = sum(c.rest()[9:12] == b"503" for c in flood)
            self.assertEqual(heard, 64)
            self.assertEqual(kept[0].send(get("/")).answer().status, 200)

    def test_caps_can_be_small(self):
        with server(headers=2, header_bytes=100, body_bytes=10) as address:
            for data, status in ((get("/", b"A: b\r\n"), 200), (get("/", b"A: b\r\n" * 2), 431),
                                 (get("/" + "a" * 100), 431), (post(b"x" * 10), 200), (post(b"x" * 11), 413),
                                 (CHUNKED + b"a\r\n0123456789\r\n0\r\n\r\n", 200),
                                 (CHUNKED + b"a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", 413)):
                with self.subTest(data=data), Client(address) as c:
                    self.assertEqual(c.send(data).answer().status, status)

    def test_draining(self):
        with server() as address, Client(address) as idle, Client(address) as busy, Client(address) as c:
            self.assertEqual(idle.send(get("/")).answer().status, 200)
            busy.send(get("/slow?200") + get("/dropped"))
            self.assertEqual(c.send(get("/begun?1")).answer().status, 200)
            self.assertEqual(c.send(get("/drain")).answer().fields["connection"], "close")
            self.assertEqual(idle.rest(), b"")
            answer = busy.answer()
            self.assertEqual((answer.body, answer.fields["connection"]), (b"slow", "close"))
            self.assertEqual(busy.rest(), b"")
            with self.assertRaises(ConnectionRefusedError):
                Client(address)

    def test_unix_sockets(self):
        with tempfile.TemporaryDirectory() as directory:
            with server(unix=os.path.join(directory, "s"), connections_per_peer=1) as address:
                with Client(address) as a, Client(address) as b:
                    self.assertEqual(a.send(post(b"x")).answer().fields["x-peer"], "unix")
                    self.assertEqual(b.send(post(b"y")).answer().body, b"y")
                    b.send(b"\r\n\r\n\r\n")
                    self.assertEqual(b.answer().status, 400)
                    self.assertEqual(b.rest(), b"")

    def test_noise(self):
        """Whatever comes, the server lives and answers others (its sanitizers look at the rest)."""
        rng = random.Random(2)
        whole = [get("/", b"A: b\r\n"), post(b"hello"), CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n\r\n"]
        with server() as address:
            for _ in range(400):
                data = bytearray(rng.choice(whole) + rng.choice(whole))
                for _ in range(rng.randint(1, 4)):
                    at = rng.randrange(len(data))
                    data[at : at + rng.randint(0, 2)] = rng.choice((b"\r", b"\n", b"\0", b" ", b":", b"", rng.randbytes(1)))
                with Client(address) as c:
                    with contextlib.suppress(ConnectionError):
                        c.send(bytes(data))
                        c.sock.shutdown(socket.SHUT_WR)
                        c.rest()
            with Client(address) as c:
                self.assertEqual(c.send(get("/")).answer().status, 200)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        raw.ECHO_SERVER = sys.argv.pop(1)
    if not os.access(raw.ECHO_SERVER, os.X_OK):
        sys.exit("usage: test_http.py ECHO_SERVER")
    unittest.main()
