"""What jails that wait may take: of the cpu, after a while, what calls leave over, whatever their package left running; of
memory, what the host can spare."""

import contextlib
import glob
import json
import os
import statistics
import tempfile
import threading
import time
import unittest

import proxy
import sky

SPIN = "example.com/spin"
SOURCE = """package spin

import "time"

var n int

func init() {
	go func() {
		for {
			n++
		}
	}()
}

func F() string { return "f" }

func Sleep(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }
"""
BURN = "example.com/burn"
BURNER = """package burn

import "time"

func Burn(ms int) (n int) {
	for end := time.Now().Add(time.Duration(ms) * time.Millisecond); time.Now().Before(end); n++ {
	}
	return n
}
"""
LATE, SLOW = "example.com/late", "example.com/slow"
LATELY = """package late

import "time"

func init() { time.Sleep(time.Second) }

func F() string { return "f" }
"""


def setUpModule():
    global server, tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(SPIN, {"a.go": SOURCE}, go="1.22").add(BURN, {"a.go": BURNER}, go="1.22")
    tree.add(LATE, {"a.go": LATELY}, go="1.22").add(SLOW, {"a.go": LATELY}, go="1.22")
    server = sky.Sky("rest", modules=tree.url).start()
    unittest.addModuleCleanup(server.close)


def used(pid):
    """Seconds of cpu; 0 of one that has ended."""
    fields = sky._read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


class Rest(unittest.TestCase):
    def resting(self):
        """Groups of slots that are idle ones."""
        return [path for group in server.cgroups() for path in glob.glob(group + "/slot*/cpu.idle") if sky._read(path).strip() == "1"]

    def test_waiting(self):
        for call in ("F()", "Sleep(1)"):  # both in the same program: what waits can serve either
            self.assertEqual(server.call(SPIN, call).status, 200)
        if server.user or not any(glob.glob(group + "/slot*/cpu.idle") for group in server.cgroups()):
            self.skipTest("no group of ours can be an idle one here")
        sky.until(self.resting, 5, "a jail that rests")
        slots = {os.path.basename(os.path.dirname(path)) for path in self.resting()}
        waiting = max((pid for name, pids in server.jails().items() if name in slots for pid in pids), key=used)
        known = set(server.jail_pids())
        self.assertEqual(server.call(BURN, "Burn(1)").status, 200)
        burners = [threading.Thread(target=server.call, args=(BURN, "Burn(4000)"), daemon=True) for _ in range(2 * os.cpu_count())]
        for burner in burners:
            burner.start()

        def burning():
            return [pid for pid in set(server.jail_pids()) - known if used(pid) > 0.1]

        sky.until(lambda: len(burning()) == len(burners), 3, "calls that take all of the cpu")
        pids = burning()
        before = [used(pid) for pid in [waiting] + pids]
        time.sleep(0.8)
        spun, *burnt = [after - then for after, then in zip(map(used, [waiting] + pids), before)]
        self.assertLess(spun, sum(burnt) / len(burnt) / 2, "of the time that each of %d calls got" % len(burners))
        for burner in burners:
            burner.join()
        resting = set(self.resting())
        with contextlib.closing(server.connection()) as sleeper:
            sleeper.request("POST", "/api/v1/function", json.dumps({"url": SPIN, "call": "Sleep(4500)"}))
            sky.until(lambda: resting - set(self.resting()), 4, "the end of its rest with its call")
        self.assertEqual(server.call(SPIN, "F()").json.get("data"), "f")


class Start(unittest.TestCase):
    """What a program may do until it is ready, and then: its timers' precision in ns, and whether it gets huge pages."""

    def seen(self):
        programs = [pid for pid in server.jail_pids() if sky.status(pid).get("NSpid", "").split()[-1:] == ["2"]]
        return {(sky._read("/proc/%d/timerslack_ns" % pid).strip(), sky.status(pid).get("THP_enabled", "").strip()) for pid in programs}

    def test_it_is_cheap_until_it_is_ready(self):
        own = sky._read("/proc/self/timerslack_ns").strip(), sky.status(os.getpid())["THP_enabled"].strip()
        caller = threading.Thread(target=server.call, args=(LATE, "F()"), daemon=True)
        caller.start()
        sky.until(lambda: ("500000", "0") in self.seen(), what="one that starts")
        caller.join()
        sky.until(lambda: server.jail_pids() and self.seen() == {own}, 20, "none but those that are ready")


class Late(unittest.TestCase):
    def test_as_many_wait_as_calls_come_while_one_is_made(self):
        """Four calls a second of a package that takes one to initialise itself: each would wait for that, if one was kept."""
        self.assertEqual(server.call(SLOW, "F()").status, 200)  # built: they would wait for that and come all at once
        callers, answers = [], []
        for _ in range(40):
            callers.append(threading.Thread(target=lambda: answers.append(server.call(SLOW, "F()"))))
            callers[-1].start()
            time.sleep(0.25)
        for caller in callers:
            caller.join()
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertLess(statistics.median(answer.timing("jail") for answer in answers[20:]), 500)


class Memory(unittest.TestCase):
    def test_none_waits_where_memory_is_short(self):
        with sky.Sky("scarce", modules=tree.url, jails={"memory_reserve": "1TiB"}) as own:
            self.assertEqual(own.call(BURN, "Burn(1)").status, 200)
            sky.until(lambda: "jails.memory_reserve is 1048576" in own.log(), 3, "a word of it")
            for _ in range(2):
                self.assertEqual(own.call(BURN, "Burn(2)").status, 200)
                sky.until(lambda: not own.jail_pids(), 3, "the end of all jails")

    def test_no_more_calls_run_where_programs_wait_for_memory(self):
        """The kernel's word is ours here: a file in its place."""
        told = os.path.join(sky.work, "pressure")

        def tell(percent):
            with open(told, "w", encoding="utf-8") as file:
                file.write("some avg10=%d.00 avg60=0.00 avg300=0.00 total=0\n" % percent)

        tell(0)
        own = sky.Sky("pressed", modules=tree.url, jails={"memory_reserve": "1TiB", "queue_timeout": "1s"})
        words = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/pressure/memory && exec "$@"', told]
        plain = own.command
        own.command = lambda *arguments: words + plain(*arguments)
        with own:
            def at_once(count):
                """The answers to so many calls of two thirds of a second each."""
                return sky.together([lambda: own.call("time", "Sleep(%d)" % (660000000 * sky.SLOW))] * count)

            cpus, many = len(os.sched_getaffinity(0)), 4 * len(os.sched_getaffinity(0))
            self.assertEqual(own.call("time", "Sleep(1)").status, 200)
            self.assertEqual({answer.status for answer in at_once(many)}, {200})
            tell(50)
            sky.until(lambda: "%d calls may run at once for now" % cpus in own.log(), 3, "a word of it")
            answers = at_once(many)
            late = [answer for answer in answers if answer.status == 429]
            self.assertTrue(late, answers)
            self.assertGreaterEqual(len(answers) - len(late), cpus)
            for answer in late:
                self.assertEqual(answer.code, "too_many_calls")
                self.assertRegex(answer.headers["retry-after"], r"^\d+$")
                self.assertIn("short of memory", answer.detail)
            tell(0)
            sky.until(lambda: "there is memory again" in own.log(), 3, "a word of its end")
            self.assertEqual({answer.status for answer in at_once(many)}, {200})

    def test_enough(self):
        self.assertEqual(server.call(BURN, "Burn(1)").status, 200)
        sky.until(server.jail_pids, 3, "a jail that waits")
        self.assertNotIn("memory_reserve", server.log())


if __name__ == "__main__":
    unittest.main()
