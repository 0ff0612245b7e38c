"""Git repositories of the tests' own, and servers for them on loopback: http and https by git's http-backend, and git's daemon."""

import base64
import http.server
import os
import socket
import ssl
import subprocess
import threading

ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
               "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
               "GIT_AUTHOR_DATE": "2024-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2024-01-02T03:04:05Z"}


def run(*arguments, cwd=None, stdin=b""):
    done = subprocess.run(["git", *arguments], cwd=cwd, input=stdin, capture_output=True, env=ENVIRONMENT, check=False)
    if done.returncode != 0:
        raise AssertionError("git %s: %s" % (" ".join(arguments), done.stderr.decode("utf-8", "replace")))
    return done.stdout.decode().strip()


class Repository:
    """A bare one. A tree is {name: text, bytes, a tree, or (mode, object)}: whatever git's plumbing writes, checked by nobody."""

    def __init__(self, root, name):
        self.path = os.path.join(root, name + ".git")
        os.makedirs(self.path)
        run("init", "--quiet", "--bare", "--initial-branch=main", ".", cwd=self.path)
        run("config", "core.compression", "0", cwd=self.path)
        self.git("config", "http.receivepack", "false")

    def git(self, *arguments, stdin=b""):
        return run(*arguments, cwd=self.path, stdin=stdin)

    def blob(self, data):
        return self.git("hash-object", "-w", "-t", "blob", "--stdin", stdin=data if isinstance(data, bytes) else data.encode())

    def tree(self, entries):
        lines = []
        for name, entry in entries.items():
            if isinstance(entry, dict):
                mode, kind, which = "040000", "tree", self.tree(entry)
            elif isinstance(entry, tuple):
                mode, which = entry
                kind = {"160000": "commit", "040000": "tree"}.get(mode, "blob")
            else:
                mode, kind, which = "100644", "blob", self.blob(entry)
            lines.append("%s %s %s\t%s" % (mode, kind, which, name))
        return self.git("mktree", "-z", "--missing", stdin="\0".join(lines + [""]).encode())

    def link(self, target):
        return ("120000", self.blob(target))

    def commit(self, entries, branch="main"):
        commit = self.git("commit-tree", "-m", "words", self.tree(entries) if isinstance(entries, dict) else entries)
        self.git("update-ref", "refs/heads/" + branch, commit)
        return commit

    def tag(self, name, commit, annotated=False):
        if annotated:
            self.git("tag", "-f", "-a", "-m", "words", name, commit)
        else:
            self.git("tag", "-f", name, commit)


class Web:
    """`git http-backend` behind an HTTP server. `asked` has the paths that were asked for; `password` is what paths below /private/ need;
    what begins with /moved/ is a redirect to `elsewhere`; /drip/ sends a byte now and then; /echo/ refuses with what it was sent."""

    def __init__(self, root, certificate=None, password=None, elsewhere="", answer="http"):
        self.asked = []
        self.lock = threading.Lock()
        self.hold = threading.Event()
        self.hold.set()
        self.stop = threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with web.lock:
                    web.asked.append(self.path)
                web.hold.wait(30)
                if self.path.startswith("/moved/"):
                    self.say(302, b"", {"Location": elsewhere + self.path.removeprefix("/moved")})
                elif self.path.startswith("/drip/"):
                    self.drip()
                elif self.path.startswith("/echo/"):
                    self.say(403, ("you sent %s" % self.headers).encode(), {"Content-Type": "text/plain"})
                elif self.path.startswith("/garbage/"):
                    self.say(200, b"001e# service=git-upload-pack\n0000zzzz\0\x1b[31mno repository", {"Content-Type": "application/x-git-upload-pack-advertisement"})
                elif self.path.startswith("/private/") and self.headers.get("Authorization") != "Basic " + base64.b64encode((password or "").encode()).decode():
                    self.say(401, b"", {"WWW-Authenticate": 'Basic realm="git"'})
                else:
                    self.backend()

            do_POST = do_GET

            def say(self, status, body, headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def drip(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                self.wfile.write(b"001e# service=git-upload-pack\n0000")
                while not web.stop.wait(0.05):
                    try:
                        self.wfile.write(b"0")
                    except OSError:
                        return

            def backend(self):
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                environment = {**ENVIRONMENT, "GIT_PROJECT_ROOT": root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
                               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
                done = subprocess.run(["git", "http-backend"], input=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, check=False)
                head, _, content = done.stdout.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
                status = int(fields.pop("Status", "200").split()[0])
                try:
                    self.say(status, content, fields)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = "%s://127.0.0.1:%d" % (answer, self.port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.hold.set()
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()


def certificate(directory):
    """One for 127.0.0.1 that vouches for itself: (certificate, key)."""
    files = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=git",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A program of the tests' own that listens on a port."""

    def __init__(self, port, *command):
        self.port = port
        self.process = subprocess.Popen(command, env={**ENVIRONMENT, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.process.terminate()
        self.process.wait(10)


def daemon(root):
    """`git daemon`: without the wrapper, so that it is the process which listens."""
    port = free_port()
    path = run("--exec-path")
    return Program(port, os.path.join(path, "git-daemon"), "--export-all", "--reuseaddr", "--base-path=" + root, "--listen=127.0.0.1", "--port=%d" % port)
