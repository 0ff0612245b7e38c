"""The appliance in QEMU, by its own emulation: its console, its port, and its power button."""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time

GUEST_PORT = 3280
HOST = "10.0.2.2"  # this host's loopback, as the guest sees it
# How its disk and its network card are attached: as QEMU's users do, and as VirtualBox does by default.
QEMU = ("if=virtio", "virtio-net-pci")
VIRTUALBOX = ("if=none,id=disk", "e1000")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Line:
    """What comes on a connection, read all the time: one that nobody reads from comes to a stand after some hundred bytes. (The log
    has some of them twice then.)"""

    def __init__(self, connection):
        self.connection, self.heard = connection, bytearray()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        with contextlib.suppress(OSError):
            while data := self.connection.recv(65536):
                self.heard += data

    def find(self, pattern, begin=0):
        return re.search(pattern, bytes(self.heard).decode(errors="replace").replace("\r", "")[begin:])


class Ended(Exception):
    """The machine is gone, or too slow; the text has the end of its console."""


class Machine:
    """A context: it runs from the beginning on, and is gone at the end. What is written to the disk is thrown away. `given`: systemd's
    credentials by name, which QEMU passes as its firmware's strings or files."""

    def __init__(self, name, disk, form, devices, firmware, given, work, size=None):
        self.port = free_port()
        self.console = os.path.join(os.path.dirname(work), name + ".console")  # kept, to look at
        self.monitor = os.path.join(work, name + ".qmp")
        self.terminal = os.path.join(work, name + ".tty")
        for path in (self.console, self.monitor, self.terminal):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        if size:
            overlay = os.path.join(work, name + ".qcow2")
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", form, overlay, str(size)], check=True)
            disk, form = overlay, "qcow2"
        attached, card = devices
        self.command = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off", "-M", "q35", "-m", "2048", "-smp", "2",
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "std", "-serial", "chardev:tty",
            "-chardev", "socket,id=tty,server=on,wait=off,path=%s,logfile=%s" % (self.terminal, self.console),
            "-qmp", "unix:%s,server=on,wait=off" % self.monitor,
            "-drive", "file=%s,format=%s,snapshot=on,cache=unsafe,%s" % (disk, form, attached),
            "-netdev", "user,id=net,restrict=off,hostfwd=tcp:127.0.0.1:%d-:%d" % (self.port, GUEST_PORT), "-device", card + ",netdev=net"]
        if "if=none" in attached:
            self.command += ["-device", "ide-hd,drive=disk"]  # of the q35's AHCI
        if firmware:
            self.command += ["-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + firmware]
        for number, (key, value) in enumerate(given.items()):
            path = os.path.join(work, "%s.given%d" % (name, number))
            with open(path, "w", encoding="utf-8") as file:
                file.write(value)
            self.command += ["-fw_cfg", "name=opt/io.systemd.credentials/%s,file=%s" % (key, path)]
        self.process = None

    def __enter__(self):
        self.begin = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def seconds(self):
        return time.monotonic() - self.begin

    def said(self):
        with contextlib.suppress(FileNotFoundError), open(self.console, encoding="utf-8", errors="replace") as file:
            return file.read().replace("\r", "")
        return ""

    def until(self, condition, seconds, what):
        """Waits for the first answer of condition() that is not None and returns it."""
        end = time.monotonic() + seconds
        while True:
            found = condition()
            if found is not None:  # before looking whether it lives: its end may be what was waited for
                return found
            if self.process.poll() is not None or time.monotonic() > end:
                raise Ended("%s did not come within %d s; the console's end:\n%s" % (what, seconds, self.said()[-3000:]))
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.5)

    def send(self, method, path, body=None, headers=None, seconds=1800):
        """Status and JSON of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers or {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text)

    def healthy(self):
        """None while nobody answers: QEMU takes the connection itself and ends it."""
        try:
            return self.send("GET", "/healthcheck", seconds=30)
        except (OSError, http.client.HTTPException):
            return None

    def shell(self, command):
        """What a command says to whoever presses Enter at the console; as root."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.terminal)
            line = Line(s)
            s.sendall(b"\r")
            self.until(lambda: line.find("# $"), 300, "a shell")
            s.sendall(("echo be''gin; %s; echo e''nd; exit\r" % command).encode())  # typed it is another word
            text = self.until(lambda: line.find("(?s)begin\n(.*)\nend\n"), 300, command)
            self.until(lambda: line.find("Enter: a shell", text.end()), 300, "the console again")
            s.shutdown(socket.SHUT_RDWR)
        return text.group(1).strip()

    def power_button(self):
        """The guest's own end; QEMU ends with it. Its exit status."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.monitor)
            stream = s.makefile("rw", encoding="utf-8")
            stream.readline()
            for command in ("qmp_capabilities", "system_powerdown"):
                stream.write(json.dumps({"execute": command}) + "\n")
                stream.flush()
                stream.readline()
        return self.until(self.process.poll, 300, "the end")

