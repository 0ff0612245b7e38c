"""The limits of a call are those that the configuration says."""

import glob
import tempfile
import unittest

import proxy
import sky

H = "example.com/hostile"


def setUpModule():
    global server
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(H, proxy.source("hostile"), go="1.22")
    server = sky.Sky("limits", modules=tree.url,
                     jails={"memory": "64MiB", "pids": 32, "tmp": "1MiB", "output": "16KiB", "exec_timeout": "700ms", "cpu_percent": 50}).start()
    unittest.addModuleCleanup(server.close)


class Limits(unittest.TestCase):
    def ends(self, code, function, *args):
        answer = server.typed(H, function, *args)
        self.assertEqual((answer.status, answer.code), (422, code), answer)
        return answer

    def test_memory(self):
        self.assertEqual(server.typed(H, "Mapped", 32).json.get("results"), ["mapped"])
        self.ends("out_of_memory", "Memory", 200)

    def test_processes(self):
        answer = server.typed(H, "Threads", 100)
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("newosproc", answer.json["stderr"])

    def test_tmp(self):
        total, how = server.typed(H, "FillTmp").json["results"]
        self.assertEqual(how, "ENOSPC")
        self.assertTrue(900 << 10 <= total <= 1 << 20, total)

    def test_output(self):
        self.assertEqual(server.call(H, "Output(1, 10000, false)").status, 200)
        answer = self.ends("output_limit", "Output", 1, 20000, False)
        self.assertEqual(len(answer.json["stdout"]), 16384)

    def test_time(self):
        answer = self.ends("function_timeout", "Loop")
        self.assertTrue(600 < answer.timing("run") < 2000, answer.headers)

    def test_cpu(self):
        if server.user:
            self.skipTest("an ordinary user has no control groups")
        answer = server.typed(H, "Directory")
        self.assertEqual(answer.status, 200, answer)
        said = set()
        for group in server.cgroups():
            for name in ("cpu.cfs_quota_us", "cpu.max"):
                said.update(sky._read(path).split()[0] for path in glob.glob("%s/slot*/%s" % (group, name)))
        self.assertIn("50000", said)


class ZLast(unittest.TestCase):
    def test_nothing_is_left(self):
        self.assertEqual(server.stop(), 0, server.log())
        self.assertEqual(sky.describe(server.processes()), [])
        self.assertEqual(server.cgroups(), [])
