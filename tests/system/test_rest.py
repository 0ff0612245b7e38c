"""A jail that has waited for long gets no more of the cpu than calls leave over, whatever its package left running."""

import glob
import os
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


def setUpModule():
    global server
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(SPIN, {"a.go": SOURCE}, go="1.22").add(BURN, {"a.go": BURNER}, go="1.22")
    server = sky.Sky("rest", modules=tree.url).start()
    unittest.addModuleCleanup(server.close)


def used(pid):
    """Seconds of cpu."""
    fields = sky._read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Rest(unittest.TestCase):
    def resting(self):
        """Groups of slots that are idle ones."""
        return [path for group in server.cgroups() for path in glob.glob(group + "/slot*/cpu.idle") if sky._read(path).strip() == "1"]

    def test_waiting(self):
        if server.user or not any(glob.glob(group + "/slot*/cpu.idle") for group in server.cgroups()):
            self.skipTest("no group of ours can be an idle one here")
        for call in ("F()", "Sleep(1)"):  # both in the same program: what waits can serve either
            self.assertEqual(server.call(SPIN, call).status, 200)
        sky.until(self.resting, 5, "a jail that rests")
        waiting = max((pid for pids in server.jails().values() for pid in pids), key=used)
        burners = [threading.Thread(target=server.call, args=(BURN, "Burn(1500)"), daemon=True) for _ in range(2 * os.cpu_count())]
        server.call(BURN, "Burn(1)")
        for burner in burners:
            burner.start()
        time.sleep(0.3)  # they are compiled; this is for their jails' start
        before, begun = used(waiting), time.monotonic()
        time.sleep(0.8)
        share = (used(waiting) - before) / (time.monotonic() - begun)
        for burner in burners:
            burner.join()
        self.assertLess(share, 0.2, "of a cpu that %d calls wanted" % len(burners))
        sleeper = threading.Thread(target=server.call, args=(SPIN, "Sleep(700)"), daemon=True)
        resting = set(self.resting())
        sleeper.start()
        sky.until(lambda: resting - set(self.resting()), 0.6, "the end of its rest with its call")
        sleeper.join()
        self.assertEqual(server.call(SPIN, "F()").json.get("data"), "f")


if __name__ == "__main__":
    unittest.main()
