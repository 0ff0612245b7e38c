"""What jails have in common, of files and of the server's, is no way from one call to another."""

import fcntl
import os
import tempfile
import unittest

import proxy
import sky

S = "example.com/shared"
SOURCE = """package shared

import (
	"fmt"
	"os"
	"syscall"
)

// Lock locks a record of a file, asks who has it, and unlocks it.
func Lock(file string, flags int, how int16) string {
	f, err := os.OpenFile(file, flags, 0o600)
	if err != nil {
		return err.Error()
	}
	l := syscall.Flock_t{Type: how, Start: 100, Len: 5}
	for _, command := range []int{syscall.F_SETLK, syscall.F_SETLKW} {
		if err := syscall.FcntlFlock(f.Fd(), command, &l); err != nil {
			return fmt.Sprint(command, err)
		}
	}
	asked := syscall.Flock_t{Type: syscall.F_WRLCK, Start: 100, Len: 5}
	err = syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &asked)
	l.Type = syscall.F_UNLCK
	return fmt.Sprint(asked.Type == syscall.F_UNLCK, err, syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &l))
}

// Widen makes the pipes of stdout and stderr larger than they are.
func Widen() [2]string {
	var found [2]string
	for i := range found {
		_, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(i+1), 1031, 1<<20)
		found[i] = errno.Error()
	}
	return found
}
"""


def setUpModule():
    global server
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add(S, {"a.go": SOURCE})
    server = sky.Sky("shared", modules=tree.url).start()
    unittest.addModuleCleanup(server.close)


class Shared(unittest.TestCase):
    def typed(self, function, *args):
        answer = server.typed(S, function, *args)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["results"][0]

    def test_locks_are_not_felt(self):
        """By a lock on a file that all jails see one could tell another something, or hold it up."""
        path = os.path.join(server.state, "base/etc/passwd")
        with open(path, "r+", encoding="utf-8") as file:
            fcntl.lockf(file, fcntl.LOCK_EX, 5, 100)
            self.assertEqual(self.typed("Lock", "/etc/passwd", os.O_RDONLY, fcntl.F_RDLCK), "false <nil> <nil>", "the host's lock; the jail made none")

    def test_locks_of_its_own(self):
        """As databases have them: no other process is there that could have any."""
        for how in (fcntl.F_RDLCK, fcntl.F_WRLCK):
            self.assertEqual(self.typed("Lock", "/tmp/own", os.O_RDWR | os.O_CREAT, how), "true <nil> <nil>")

    def test_pipes_of_the_server(self):
        """Room in pipes is given to users: what one call takes, the calls of all lack."""
        self.assertEqual(self.typed("Widen"), ["operation not permitted"] * 2)
