"""The supervisor where what it is given, and whom it speaks to, is not as it should be."""

import contextlib
import os
import resource
import signal
import subprocess

import sky
import test_state

setUpModule = test_state.setUpModule


class Unlucky(test_state.State):
    def test_children_that_are_not_its_own(self):
        """As pid 1 of a container has them, or who is started by `something & exec sky-island`: it waits for none of them."""
        own = sky.Sky("state", modules=test_state.tree.url)
        self.addCleanup(own.close)
        own.write_config()
        words = 'sleep 600 & echo $! >"$0.child"; exec "$@"'
        with open(own.log_path, "ab") as log:
            own.process = subprocess.Popen(["sh", "-c", words, own.state, *own.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=own.environment)
        own.started.append(own.process)
        sky.everyone.append(own)
        sky.until(lambda: own.serves() and own.parts[0], 20, "the start of a server")
        with open(own.state + ".child", encoding="utf-8") as file:
            child = int(file.read())
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.warm(own)
        os.kill(own.parts[0], signal.SIGKILL)
        sky.until(lambda: self.answers(own), 5, "a new server")
        self.assertEqual(own.stop(), 0)
        os.kill(child, 0)
        self.nothing_left(own)

    def test_no_jailer_can_be_started(self):
        """The node goes on with those it has until one can be."""
        own = self.sky()
        self.warm(own)
        jailers = own.parts[1]
        if len(jailers) < 2:
            self.skipTest("there is one cpu, so one jailer")
        most = resource.prlimit(own.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(own.process.pid, resource.RLIMIT_NOFILE, (8, most[1]))
        os.kill(jailers[0], signal.SIGKILL)
        sky.until(lambda: "it is tried again" in own.log(), 5, "a word of it")
        for i in range(5):
            answer = own.call(test_state.S, "Add(1, %d)" % i)
            self.assertEqual((answer.status, answer.json.get("data")), (200, str(1 + i)), answer)
        resource.prlimit(own.process.pid, resource.RLIMIT_NOFILE, most)
        sky.until(lambda: len(own.parts[1]) == len(jailers), 5, "another jailer")
        self.warm(own)
        self.assertEqual(own.stop(), 0)
        self.nothing_left(own)

    def test_a_log_that_nobody_reads(self):
        """A pipe that is full keeps it from nothing."""
        own = sky.Sky("state", modules=test_state.tree.url)
        self.addCleanup(own.close)
        own.write_config()
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        own.process = subprocess.Popen(own.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer, env=own.environment)
        own.started.append(own.process)
        sky.everyone.append(own)
        sky.until(lambda: own.serves() and own.parts[0], 20, "the start of a server")
        jailers = own.parts[1]
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"." * 4096)
        os.set_blocking(writer, True)
        os.close(writer)
        os.kill(jailers[0], signal.SIGKILL)
        sky.until(lambda: len(own.parts[1]) == len(jailers) and jailers[0] not in own.parts[1], 5, "another jailer")
        sky.until(lambda: self.answers(own), 5, "a call")
        self.assertEqual(own.stop(), 0)
        self.nothing_left(own)
