"""A source of modules at an address of its own, in a net namespace of the tests' own, with the Sky Island that asks it; and a
checksum database."""

import base64
import contextlib
import ctypes
import ctypes.util
import hashlib
import http.server
import os
import socketserver
import subprocess
import threading

import sky

ADDRESS, INNER = "10.77.0.1", "10.77.0.2"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Net:
    """The namespace lives by its descriptor; ADDRESS and INNER are on its loopback link, but no loopback addresses, for which go would ask no proxy."""

    def __init__(self):
        thread = threading.Thread(target=self._make)
        thread.start()
        thread.join()

    def _make(self):
        if _libc.unshare(CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        for command in ("link set lo up", "addr add %s/32 dev lo" % ADDRESS, "addr add %s/32 dev lo" % INNER):
            subprocess.run(["ip", *command.split()], check=True)

    @contextlib.contextmanager
    def inside(self):
        """For the calling thread, what it starts and the sockets it makes."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _libc.setns(self.fd, CLONE_NEWNET)
        try:
            yield
        finally:
            _libc.setns(home, CLONE_NEWNET)
            os.close(home)


class Island(sky.Sky):
    def __init__(self, net, *arguments, **options):
        super().__init__(*arguments, **options)
        self.net = net

    def spawn(self):
        with self.net.inside():
            return super().spawn()

    def connection(self, timeout=60):
        connection = super().connection(timeout)
        with self.net.inside():
            connection.connect()
        return connection


class Source:
    """Answers over HTTP by `answer(handler)`; counts what was asked."""

    def __init__(self, net, answer, address=ADDRESS, port=0):
        self.asked = []
        source = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                source.asked.append(self.path)
                with contextlib.suppress(OSError):  # who asked was ended
                    answer(self)

            do_HEAD = do_CONNECT = do_GET

            def say(self, status, body=b"", **fields):
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

        with net.inside():
            self.server = Server((address, port), Handler)
        self.host = "%s:%d" % (address, self.server.server_address[1])
        self.url = "http://" + self.host
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def hash1(files):
    """Go's h1: of {name: bytes}."""
    lines = "".join("%s  %s\n" % (hashlib.sha256(data).hexdigest(), name) for name, data in sorted(files.items()))
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


class Sums:
    """A checksum database that knows one module: a signed tree of one leaf."""

    NAME = "sums.example.com"

    def __init__(self, module, version, files, mod):
        sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
        public, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        sodium.crypto_sign_keypair(public, self.secret)
        self.sodium = sodium
        key = b"\x01" + public.raw
        self.key_hash = hashlib.sha256(self.NAME.encode() + b"\n" + key).digest()[:4]
        self.verifier = "%s+%s+%s" % (self.NAME, self.key_hash.hex(), base64.b64encode(key).decode())
        record = "%s %s %s\n%s %s/go.mod %s\n" % (module, version, hash1(files), module, version, hash1({"go.mod": mod}))
        self.leaf = hashlib.sha256(b"\x00" + record.encode()).digest()
        tree = "go.sum database tree\n1\n%s\n" % base64.b64encode(self.leaf).decode()
        signature = ctypes.create_string_buffer(64)
        sodium.crypto_sign_detached(signature, None, tree.encode(), ctypes.c_ulonglong(len(tree)), self.secret)
        signed = "%s\n\u2014 %s %s\n" % (tree, self.NAME, base64.b64encode(self.key_hash + signature.raw).decode())
        self.answers = {"/latest": signed.encode(), "/lookup/%s@%s" % (module, version): ("0\n%s\n%s" % (record, signed)).encode(),
                        "/tile/8/0/000.p/1": self.leaf}
