"""Go modules of the tests' own: a GOPROXY tree on disk, and the same over HTTP with every request counted."""

import http.server
import io
import json
import os
import re
import socket
import threading
import zipfile

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "modules")


def escape(text):
    return re.sub("[A-Z]", lambda match: "!" + match.group().lower(), text)


def source(name):
    """The files below modules/NAME, by their path there."""
    root = os.path.join(SOURCES, name)
    found = {}
    for directory, _, files in os.walk(root):
        for file in files:
            with open(os.path.join(directory, file), encoding="utf-8") as text:
                found[os.path.relpath(os.path.join(directory, file), root)] = text.read()
    return found


# Of a package of Go's: Sleep says "slept" after so many milliseconds.
# Mark says in a file that it has begun (sky.marked) and sleeps.
SLEEP = """import (
	"os"
	"time"
)

func Sleep(ms int) string {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return "slept"
}

func Mark(ms int) string {
	if err := os.WriteFile("/tmp/mark", nil, 0o600); err != nil {
		return err.Error()
	}
	return Sleep(ms)
}
"""


def heavy(name, depth=12):
    """A package that the compiler is busy with: types that double at each level, 2^depth instances."""
    text = ["package %s\n\ntype A[T any] struct{ a, b T }\n\ntype B[T any] struct{ b T }\n" % name]
    for i in range(depth):
        text.append("func f%d[T any](t T) int { return f%d(A[T]{}) + f%d(B[T]{}) }\n" % (i, i + 1, i + 1))
    text.append("func f%d[T any](t T) int { var x any = t; _, ok := x.(int); if ok { return 1 }; return 0 }\n" % depth)
    text.append("func F() int { return f0(1) }\n")
    return "\n".join(text)


class Tree:
    def __init__(self, path):
        self.path = path
        self.url = "file://" + path
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o755)

    def add(self, module, files, version="v1.0.0", go="1.21", requires=(), raw_zip=None):
        """A module's version. files: {path: text or bytes}; go None: it has no go.mod of its own."""
        mod = "module %s\n" % module
        if go is not None:
            mod += "\ngo %s\n" % go + "".join("\nrequire %s %s\n" % one for one in requires)
            files = {**files, "go.mod": mod}
        where = os.path.join(self.path, escape(module), "@v")
        os.makedirs(where, exist_ok=True)
        self._write(where, version + ".info", json.dumps({"Version": version, "Time": "2024-01-02T03:04:05Z"}))
        self._write(where, version + ".mod", mod)
        self._write(where, version + ".zip", raw_zip or self._zip(module, version, files))
        if "-0.2024" not in version and "-2024" not in version:  # a pseudo-version is in no list
            with open(os.path.join(where, "list"), "a", encoding="utf-8") as file:
                file.write(version + "\n")
        return self

    def alias(self, module, name, version):
        """A branch or commit: what the proxy says when asked for it."""
        where = os.path.join(self.path, escape(module), "@v")
        self._write(where, escape(name) + ".info", json.dumps({"Version": version, "Time": "2024-01-02T03:04:05Z"}))
        return self

    @staticmethod
    def _write(where, name, data):
        """At once, for whoever reads meanwhile."""
        path = os.path.join(where, name)
        with open(path + ".part", "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        os.replace(path + ".part", path)

    @staticmethod
    def _zip(module, version, files):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in sorted(files.items()):
                archive.writestr("%s@%s/%s" % (module, version, name), text)
        return out.getvalue()


def own_address():
    """An address of this host's beyond loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing
            return s.getsockname()[0]
        except OSError:
            return None


class Web:
    """The tree over HTTP; `asked` counts each path. `hold` is an event that answers wait for."""

    def __init__(self, path, address="127.0.0.1"):
        self.asked = {}
        self.lock = threading.Lock()
        self.hold = threading.Event()
        self.hold.set()
        web = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=path)

            def do_GET(self):
                with web.lock:
                    web.asked[self.path] = web.asked.get(self.path, 0) + 1
                web.hold.wait(30)
                super().do_GET()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.url = "http://%s:%d" % self.server.server_address[:2]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()
