"""What control groups of version 2 do besides limiting: they end as a whole, and say who waits for memory."""

import glob
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import proxy
import sky
import test_builds

GREEDY = "example.com/greedy"
MIB = 1 << 20


def setUpModule():
    global tree
    if sky.SLOW == 1:
        raise unittest.SkipTest("only in a machine made for it (./dev test vm)")
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(GREEDY, {"a.go": test_builds.doubled(29)})


class Groups(unittest.TestCase):
    def sky(self, **config):
        own = sky.Sky("groups", modules=tree.url, **config).start()
        self.addCleanup(own.close)
        self.assertEqual(own.call("strings", 'ToUpper("a")').json["data"], "A")
        (self.group,) = own.cgroups()
        return own

    def into(self, group, *words):
        """A process, in that group from when it has said that it runs."""
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"here\n")
        with open(group + "/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        return process

    def events(self):
        """Of all jails that there were: they are counted in the groups above too."""
        return {name: int(count) for name, count in (line.split() for line in sky._read(self.group + "/memory.events").splitlines())}

    def test_whatever_is_in_a_jails_group_ends_with_it(self):
        """All at once, by cgroup.kill, which no process can run away from."""
        own = self.sky()
        sky.until(own.jails, what="a waiting jail")
        slots = glob.glob(self.group + "/slot*")
        strays = {slot: self.into(slot, "sh", "-c", "echo here; exec sleep 1000") for slot in slots}
        written = sky.Watched(sky.Watched.CLOSE_WRITE, *(slot + "/cgroup.kill" for slot in slots))
        self.addCleanup(written.close)
        answer = own.call("strings", 'Repeat("a", 400<<20)')
        self.assertEqual((answer.status, answer.code), (422, "out_of_memory"), answer)
        killed = sky.until(written.now, what="a group that is killed")
        for path in killed:
            self.assertEqual(strays.pop(os.path.dirname(path)).wait(sky.WAIT * sky.SLOW), -signal.SIGKILL)
        self.assertEqual(own.call("strings", 'ToUpper("a")').json["data"], "A")
        self.assertEqual(own.stop(), 0, own.log())
        for stray in strays.values():
            self.assertEqual(stray.wait(sky.WAIT * sky.SLOW), -signal.SIGKILL)
        self.assertEqual(own.cgroups(), [])

    def test_a_build_without_memory_ends_as_a_whole(self):
        """By memory.oom.group: the kernel says that it was, and that it took more than the one that wanted the memory."""
        own = self.sky(jails={"build": {"memory": "384MiB"}})
        before = self.events()
        answer = own.call(GREEDY, "F()")
        self.assertEqual((answer.status, answer.code), (422, "build_out_of_memory"), answer)
        self.assertIn("memory", answer.detail)
        after = self.events()
        print("note  %s" % {name: after[name] - before[name] for name in after})
        self.assertEqual(after["oom_group_kill"] - before["oom_group_kill"], 1)
        self.assertGreater(after["oom_kill"] - before["oom_kill"], 2, "the compiler, go and what started it")

    def test_twice_as_much_is_left_free_while_programs_wait_for_memory(self):
        available = int(re.search(r"MemAvailable: *(\d+)", sky._read("/proc/meminfo")).group(1)) * 1024
        own = self.sky(jails={"memory_reserve": "%dMiB" % (available * 6 // 10 // MIB)})
        sky.until(own.jails, what="a waiting jail")
        pressed = self.group + "/pressed"
        os.mkdir(pressed)
        self.addCleanup(os.rmdir, pressed)
        with open(pressed + "/memory.high", "w", encoding="ascii") as file:
            file.write(str(MIB))
        hungry = self.into(pressed, sys.executable, "-c", "print('here', flush=True); input(); b'x' * (64 << 20)")
        hungry.stdin.write(b"\n")
        hungry.stdin.flush()
        sky.until(lambda: not own.jails(), 30, "the end of the jail that waits")
        told = re.search(r"there are (\d+) MiB of memory to give, jails.memory_reserve is (\d+), doubled while programs wait for memory", own.log())
        self.assertIsNotNone(told, own.log())
        self.assertGreater(int(told.group(1)), int(told.group(2)), "there was enough but for that")
        self.assertEqual(own.call("strings", 'ToUpper("a")').json["data"], "A", "calls go on")
        hungry.kill()
        hungry.wait()
        sky.until(lambda: own.call("strings", 'ToUpper("b")').status == 200 and own.jails(), 60, "a jail that waits again")


if __name__ == "__main__":
    unittest.main()
