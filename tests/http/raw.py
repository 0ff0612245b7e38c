"""A client that says exactly the bytes it is told to, and the echo server to say them to."""

import contextlib
import os
import socket
import subprocess

ECHO_SERVER = os.environ.get("ECHO_SERVER", "")
WAIT = 10  # seconds until a test that waits for an event gives up
HOST = b"Host: a\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def get(path, *fields):
    return b"GET %s HTTP/1.1\r\n" % path.encode() + HOST + b"".join(fields) + b"\r\n"


def post(body, *fields):
    return POST + b"".join(fields) + b"Content-Length: %d\r\n\r\n" % len(body) + body


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body


class Client:
    """A connection that can read answers one by one."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(WAIT)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)
        return self

    def fill(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return len(data) > 0

    def answer(self, head_only=False):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(self.buffer)
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        if not first.startswith("HTTP/1.1 "):
            raise ValueError("no status line: " + first)
        fields = {}
        for line in lines:
            name, _, value = line.partition(": ")
            if name.lower() in fields:
                raise ValueError("twice: " + line)
            fields[name.lower()] = value
        length = 0 if head_only else int(fields.get("content-length", "0"))
        while len(self.buffer) < length:
            if not self.fill():
                raise EOFError(self.buffer)
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(int(first.split(" ")[1]), fields, body)

    def rest(self):
        """All that comes until the server ends the connection."""
        while self.fill():
            pass
        return self.buffer


@contextlib.contextmanager
def server(**limits):
    args = ["%s=%s" % item for item in limits.items()]
    with subprocess.Popen([ECHO_SERVER, *args], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip()
            yield limits["unix"] if port == "unix" else ("127.0.0.1", int(port))
        finally:
            process.terminate()
            code = process.wait(WAIT)
    if code != 0:
        raise AssertionError("echo_server ended with %d" % code)
