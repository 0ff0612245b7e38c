#!/usr/bin/env python3
"""contrib/rc.d/sky_island, run with a stand-in for rc.subr(8) that writes down what it would run (rc.subr beside this)."""

import os
import re
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "..", "contrib", "rc.d", "sky_island.in")
ENVIRONMENT = {"HOME": "/", "PATH": "/sbin:/bin:/usr/sbin:/usr/bin"}  # all that service(8) and rc(8) give
PATH = "PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
# Stands for the program where the script calls it itself.
PROGRAM = """#!/bin/sh
{ printf 'PATH=%s <sky-island>' "$PATH"; printf ' <%s>' "$@"; echo; } >>"$RC_ROOT/log"
"""


class Script(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory(prefix="sky-rc-")
        self.addCleanup(made.cleanup)
        self.root = made.name
        self.program = self.root + "/bin/sky-island"
        self.config = self.root + "/etc/sky-island/config.json"
        for path, text in ((self.program, PROGRAM), (self.config, "{}"), (self.root + "/var/run/others.pid", "")):
            self.write(path, text)
        os.chmod(self.program, 0o755)
        with open(SCRIPT, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(text.count(". /etc/rc.subr\n"), 1)
        text = text.replace(". /etc/rc.subr", f'. "{HERE}/rc.subr"')
        for word, where in (("@bindir@", "/bin"), ("@sysconfdir@", "/etc")):
            text = text.replace(word, self.root + where)
        self.assertNotRegex(text, r"@\w+@")
        self.script = self.write(self.root + "/etc/rc.d/sky_island", text)

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def settings(self, text):
        self.write(self.root + "/etc/rc.conf", text)

    def runs(self):
        """A process by the program's name, whose pid is where daemon(8) writes it."""
        process = subprocess.Popen([self.program, "60"], executable="/bin/sleep")
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.write(self.root + "/var/run/sky_island.pid", f"{process.pid}\n")
        return process.pid

    def service(self, *words):
        """The status, what was said, and what was run since the last one."""
        log = self.root + "/log"
        self.write(log, "")
        done = subprocess.run(["/bin/sh", self.script, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env={**ENVIRONMENT, "RC_ROOT": self.root}, cwd="/", check=False, timeout=60)
        with open(log, encoding="utf-8") as file:
            return done.returncode, done.stdout.replace(self.script, "sky_island"), file.read().replace(self.root, "ROOT")

    # What a start comes to, with these flags and this configuration.
    def started(self, flags="<-S>", config="ROOT/etc/sky-island/config.json"):
        return (f"{PATH} <limits> <-C> <daemon> </usr/sbin/daemon> {flags} <-c> <-f> <-T> <sky-island> <-p> </var/run/sky_island.pid> "
                f"<ROOT/bin/sky-island> <-c> <{config}>\n")

    def test_off_unless_enabled(self):
        for settings in ("", 'sky_island_enable="NO"\n'):
            self.settings(settings)
            for word in ("start", "prepare", "doctor", "reload", "restart", "stop"):
                said = f"Cannot '{word}' sky_island. Set sky_island_enable to YES in /etc/rc.conf or use 'one{word}' instead of '{word}'.\n"
                self.assertEqual(self.service(word), (0, said, ""))
            self.assertEqual(self.service("enabled"), (1, "", ""))
            self.assertEqual(self.service("faststart"), (0, "", ""))  # the host's own start
        self.settings('sky_island_enable="YES"\n')
        self.assertEqual(self.service("enabled"), (0, "", ""))

    def test_start(self):
        self.settings('sky_island_enable="YES"\n')
        for word in ("start", "faststart"):
            self.assertEqual(self.service(word), (0, "Starting sky_island.\n", self.started()))

    def test_start_once(self):
        self.assertEqual(self.service("onestart"), (0, "Starting sky_island.\n", self.started()))

    def test_settings_reach_the_command_line(self):
        other = self.write(self.root + "/other.json", "{}")
        self.settings(f'sky_island_enable="YES"\nsky_island_config="{other}"\nsky_island_flags="-o /var/log/sky-island.log -r"\n')
        self.assertEqual(self.service("start")[2], self.started("<-o> </var/log/sky-island.log> <-r>", "ROOT/other.json"))
        self.assertEqual(self.service("prepare"), (0, "", f"{PATH} <sky-island> <-c> <ROOT/other.json> <-i>\n"))

    def test_settings_of_its_own_file(self):
        self.write(self.root + "/etc/rc.conf.d/sky_island", 'sky_island_enable="YES"\nsky_island_flags="-f"\n')
        self.assertEqual(self.service("start")[2], self.started("<-f>"))

    def test_no_configuration(self):
        self.settings('sky_island_enable="YES"\n')
        os.unlink(self.config)
        said = f"sky_island: WARNING: {self.config} is not readable.\n"
        self.assertEqual(self.service("start"), (1, said, ""))

    def test_commands_of_the_program(self):
        self.settings('sky_island_enable="YES"\n')
        for word, option in (("prepare", "-i"), ("doctor", "doctor")):
            line = f"{PATH} <sky-island> <-c> <ROOT/etc/sky-island/config.json> <{option}>\n"
            self.assertEqual(self.service(word), (0, "", line))
            self.assertEqual(self.service("one" + word), (0, "", line))

    def test_what_the_program_ends_with(self):
        self.write(self.program, "#!/bin/sh\nexit 78\n")
        self.assertEqual(self.service("oneprepare"), (78, "", ""))

    def test_status(self):
        self.assertEqual(self.service("status"), (1, "sky_island is not running.\n", ""))
        pid = self.runs()
        self.assertEqual(self.service("status"), (0, f"sky_island is running as pid {pid}.\n", ""))

    def test_another_program_has_its_pid(self):
        self.write(self.root + "/var/run/sky_island.pid", f"{os.getpid()}\n")
        self.assertEqual(self.service("onestatus"), (1, "sky_island is not running.\n", ""))
        self.assertEqual(self.service("onestop"), (1, "sky_island not running? (check /var/run/sky_island.pid).\n", ""))

    def test_running(self):
        self.settings('sky_island_enable="YES"\n')
        pid = self.runs()
        self.assertEqual(self.service("start"), (1, f"sky_island already running? (pid={pid}).\n", ""))
        self.assertEqual(self.service("reload"), (0, "", f"{PATH} <kill> <-HUP> <{pid}>\n"))
        self.assertEqual(self.service("restart"),
                         (0, "Stopping sky_island.\nStarting sky_island.\n", f"{PATH} <kill> <-TERM> <{pid}>\n" + self.started()))

    def test_stop(self):
        pid = self.runs()  # one that runs is ended, enabled or not
        self.assertEqual(self.service("stop"), (0, "Stopping sky_island.\n", f"{PATH} <kill> <-TERM> <{pid}>\n"))

    def test_nothing_to_reload(self):
        self.assertEqual(self.service("onereload"), (1, "sky_island not running? (check /var/run/sky_island.pid).\n", ""))

    def test_a_word_that_it_has_not(self):
        self.assertEqual(self.service("onefrobnicate"), (1, "sky_island: unknown directive 'frobnicate'.\n", ""))

    def test_its_place_at_the_hosts_start(self):
        """rcorder(8) reads these lines; without KEYWORD shutdown a host would go down without ending it."""
        with open(SCRIPT, encoding="utf-8") as file:
            lines = dict(re.findall(r"^# (PROVIDE|REQUIRE|KEYWORD): (.*)$", file.read(), re.M))
        self.assertEqual(lines, {"PROVIDE": "sky_island", "REQUIRE": "LOGIN NETWORKING", "KEYWORD": "shutdown"})


if __name__ == "__main__":
    unittest.main()
