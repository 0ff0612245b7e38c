"""docs/compat.md: each row's command is run as it stands there, and prints what the row says."""

import os
import re
import subprocess
import unittest

import sky
import test_real

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(TOP, "docs", "compat.md")
TOKEN = "a-token-of-the-tests"


def cells(line):
    """The cells of a table's row; \\| is a bar within one."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def code(cell):
    """What is between the backticks; two of them where there is one within."""
    found = re.fullmatch(r"(`+) ?(.*?) ?\1", cell)
    return found.group(2) if found else None


def rows():
    """(section, number of the line, statement, here, command, output) of each row of the page's tables."""
    section = None
    for number, line in enumerate(sky._read(PAGE).splitlines(), 1):
        if line.startswith("## "):
            section = line[3:]
        if line.startswith("|") and not re.match(r"\|[-| ]+\|$|\| statement ", line):
            yield section, number, *cells(line)


def matches(text, told):
    """Whether that is what was printed; … stands for anything."""
    pattern = ".*".join(re.escape(part) for part in text.split("…"))
    return re.fullmatch(pattern, told.strip(), re.S)


def setUpModule():
    global server, other, away
    away = test_real.reachable()
    server = sky.Sky("compat", admin_api_token=TOKEN, network={"ip4": {"start_addr": "10.213.7.2", "mask": "255.255.255.0", "range": 9}})
    server.start()
    unittest.addModuleCleanup(server.close)
    other = sky.Sky("compat")
    other.write_config()


class Compat(unittest.TestCase):
    def run_command(self, command):
        environment = {"PATH": os.path.dirname(sky.binary) + ":" + os.environ["PATH"], "HOME": sky.work, "URL": "http://%s:%d" % (server.host, server.port),
                       "TOKEN": TOKEN, "CONFIG": server.config_path, "OTHER": other.config_path, "LC_ALL": "C.UTF-8"}
        if "admin/jail" in command:
            server.call("strings", "ToUpper(`a`)")
            environment["JAIL"] = str(sky.until(self.jails, what="a jail")[-1]["jid"])
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                              cwd=TOP, env=environment, check=False)
        return done.stdout

    def jails(self):
        """Those that wait; they stay until they are called."""
        listed = server.send("GET", "/api/v1/admin/jails", headers={"X-Sky-Island-Token": TOKEN}).json["jails"]
        return [jail for jail in listed if jail["state"] == "waiting"]

    def check(self, section):
        for _, number, statement, here, command, output in [row for row in rows() if row[0] == section]:
            with self.subTest("%s:%d" % (os.path.basename(PAGE), number), statement=statement):
                self.assertTrue(here.startswith(("same", "differs")), here)
                self.assertIsNotNone(code(command), command)
                self.assertIsNotNone(code(output), output)
                if "github.com" in command and away:
                    continue
                told = self.run_command(code(command))
                self.assertTrue(matches(code(output), told), "%s\nprinted: %s\ninstead of: %s" % (code(command), told, code(output)))

    def test_every_statement_has_one(self):
        """Endpoints and fields of the original's own tables."""
        text = "\n".join(statement for _, _, statement, *_ in rows())
        self.assertGreater(len(list(rows())), 40)
        for word in ("/api/v1/healthcheck", "POST /api/v1/function", "GET /api/v1/admin/jails", "GET /api/v1/admin/jail/{id}", "DELETE /api/v1/admin/jail/{id}",
                     "DELETE /api/v1/admin/jails", "/api/v1/admin/api-stats", "GET /api/v1/admin/ips", "PUT /api/v1/admin/ips", "release", "http_port", "admin_api_token", "admin_token_header", "go_version", "base_sys_pkg_dir",
                     "zfs_dataset", "compression", "base_jail_dir", "cache_default_expiration", "cache_purge_after", "children_max", "monitoring_addr",
                     "build_timeout", "exec_timeout"):
            self.assertIn(word, text)

    def test_the_check_can_fail(self):
        self.assertTrue(matches('{"timestamp":…,"data":"A"}', '{"timestamp":1,"data":"A"}\n'))
        self.assertFalse(matches('{"timestamp":…,"data":"A"}', '{"timestamp":1,"data":"B"}\n'))
        self.assertFalse(matches("a", "a b"))
        self.assertEqual(cells("| a | `b \\| c` |"), ["a", "`b | c`"])


def _add(section):
    """A test for each section of the page; within it the rows' order counts."""
    def test(self):
        self.check(section)

    setattr(Compat, "test_" + re.sub("[^a-z]+", "_", section.lower()), test)


for _section in dict.fromkeys(row[0] for row in rows()):
    _add(_section)
