#!/usr/bin/env python3
"""demo.py [URL CALL]: what ./dev demo shows: a server, some calls through it, and that nothing stays behind."""

import contextlib
import http.client
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time

PROGRAM = "build/sky-island"
CONFIG = "build/demo.json"
STATE = "build/state"
URL, CALL, AGAIN = "github.com/mmcloughlin/geohash", "Encode(100.1, 80.9)", "Encode(48.8584, 2.2945)"
QUICK_MS = 100

# Each is one call of Go's own library, and each is stopped by another part of the jail.
HOSTILE = [
    ("read the host's passwords", "os", 'ReadFile("/etc/shadow")'),
    ("delete everything", "os", 'RemoveAll("/")'),
    ("connect to a host", "net", 'Dial("tcp", "1.1.1.1:443")'),
    ("start a fork bomb", "os/exec", 'Command("/bin/sh", "-c", ":(){ :|:& };:").CombinedOutput()'),
    ("take a gigabyte of memory", "bytes", 'Repeat([]byte("x"), 1000000000)'),
]

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def title(text):
    print("\n" + paint(1, text), flush=True)


class Failed(Exception):
    pass


class Answer:
    def __init__(self, response, seconds):
        self.status = response.status
        self.body = json.loads(response.read())
        self.module = response.getheader("X-Sky-Island-Module", "")
        self.ms = seconds * 1000
        self.stages = dict(re.findall(r"(\w+);dur=([\d.]+)", response.getheader("Server-Timing", "")))

    def ok(self):
        return self.status == 200 and "data" in self.body

    def timing(self):
        stages = " · ".join(f"{name} {float(ms):.1f}" for name, ms in self.stages.items())
        return f"{stages} ms; {self.ms:.1f} ms for the caller"

    def words(self):
        """The answer in one line."""
        text = self.body.get("data") if self.ok() else f"{self.status} {self.body.get('code')}: {self.body.get('detail')}"
        return " ".join(str(text).split())


class Server:
    """A server of our own on a free port; or the one that runs with this state already, as ./dev run does."""

    def __init__(self):
        with open(CONFIG, "w", encoding="utf-8") as f:
            json.dump({"state_dir": os.path.abspath(STATE), "http_port": 0}, f)
        self.process = subprocess.Popen([PROGRAM, "-c", CONFIG], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace")
        self.log = []
        self.address = self.wait()
        if self.process is not None:  # or a full pipe would hold it up
            self.reader = threading.Thread(target=self.log.extend, args=[self.process.stderr], daemon=True)
            self.reader.start()

    def wait(self):
        """Until it listens, telling what it prepares. Its log is a pipe, so that nobody has to poll."""
        for line in self.process.stderr:
            self.log.append(line)
            prepared = re.match(r"prepare (\w+): ([\d.]+) s", line)
            serves = re.search(r"serves http://([\w.]+:\d+) ", line)
            if prepared and float(prepared[2]) >= 0.1:
                print(f"  {prepared[1]:<10} {float(prepared[2]):5.1f} s", flush=True)
            if serves:
                return serves[1]
        if self.process.wait() == 69:
            self.process = None
            with contextlib.suppress(OSError), open(STATE + "/run/address", encoding="utf-8") as f:
                print("  one runs with this state already: it is asked")
                return f.read().strip().removeprefix("http://")
        raise Failed("the server does not start:\n" + "".join(self.log))

    def call(self, url, call):
        connection = http.client.HTTPConnection(self.address, timeout=300)
        start = time.monotonic()
        connection.request("POST", "/api/v1/function", json.dumps({"url": url, "call": call}))
        answer = Answer(connection.getresponse(), time.monotonic() - start)
        connection.close()
        return answer

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.reader.join()
            self.process.wait()


def show(server, url, call):
    """One call as request and answer."""
    print("  POST /api/v1/function")
    print("  " + json.dumps({"url": url, "call": call}))
    answer = server.call(url, call)
    print("  " + paint(32 if answer.ok() else 31, f"{answer.status} {json.dumps(answer.body)}"))
    print(f"  {answer.module}: {answer.timing()}" if answer.module else f"  {answer.timing()}", flush=True)
    return answer


def tour(server):
    title("A call: the package is fetched, checked, compiled, and its function run in a jail of its own")
    if not show(server, URL, CALL).ok():
        raise Failed("the first call failed")
    title("The same function with new arguments: nothing is built")
    again = show(server, URL, AGAIN)
    built = float(again.stages["fetch"]) + float(again.stages["build"])
    if not again.ok() or built >= 1 or again.ms > QUICK_MS:
        raise Failed(f"that took {built} ms of fetching and building and {again.ms:.1f} ms in all")
    title("Functions that mean harm")
    for intent, url, call in HOSTILE:
        print(f"  {intent}: {url} {call}")
        print("    " + paint(33, server.call(url, call).words()), flush=True)
    if not server.call(URL, AGAIN).ok():
        raise Failed("after these, an honest call fails")


def doctor():
    title("What is left: sky-island doctor")
    report = subprocess.run([PROGRAM, "-c", CONFIG, "doctor"], stdout=subprocess.PIPE, text=True, check=False)
    print("".join(f"  {line}\n" for line in report.stdout.splitlines()), end="")
    if report.returncode != 0 or re.search(r"^warn +left behind", report.stdout, re.M):
        raise Failed("doctor is not content")


def paste(url, call):
    title("Yours to paste")
    body = json.dumps({"url": url, "call": call})
    print("  ./dev run")
    print(f"  curl -d {shlex.quote(body)} http://127.0.0.1:3280/api/v1/function")
    print(f"  {PROGRAM} -c build/config.json run {shlex.quote(url)} {shlex.quote(call)}")


def demo(arguments):
    url, call = arguments or (URL, CALL)
    first = not os.path.exists(STATE + "/private/gocache")
    title("A server" + (", which first prepares what jails need: Go and its standard library" if first else ""))
    server = Server()
    try:
        print(f"  http://{server.address}, its state in {STATE}", flush=True)
        if arguments:
            title(f"{url} {call}")
            answered = show(server, url, call).ok()
        else:
            tour(server)
            answered = True
    except Failed:
        sys.stderr.writelines(server.log[-20:])
        raise
    finally:
        server.stop()
    doctor()
    if not answered:
        raise Failed("that call failed; its answer above says why")
    paste(url, call)


if __name__ == "__main__":
    try:
        demo(sys.argv[1:])
    except Failed as e:
        sys.exit(f"demo: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
