"""Other tests again, with jails' roots that are clones of the kernel's own ZFS, on a pool in a file."""

import unittest

import again
import sky
import test_storage

# What has to do with roots: what jails see of them and may do to them, what ends with a jail, and what is left of it.
CHOSEN = {
    "test_attacks": ["Files.", "Privileges.", "Processes.", "Ends.test_memory", "Ends.test_ends", "ZLast."],
    "test_builds": ["Builds.test_hostile"],
    "test_calls": ["Literal.", "Typed.", "Expression.test_second_time", "Together.test_hundred_warm_calls"],
    "test_destroy": ["Removes.", "Hostile.test_links"],
    "test_limits": [""],
    "test_rest": ["Rest."],
    "test_state": ["Supervisor.", "Server.", "Jailers.", "Stopping.test_drain", "Together.test_two_islands", "Together.test_descriptors"],
}


def clones():
    """Servers whose storage is a pool's."""
    try:
        pool = test_storage.Real()
    except sky.Skip as skip:
        raise unittest.SkipTest(str(skip)) from None
    unittest.addModuleCleanup(pool.close)
    sky.usual = {"filesystem": {"type": "zfs", "zfs_dataset": pool.dataset}}
    unittest.addModuleCleanup(setattr, sky, "usual", {})


def load_tests(loader, _own, _pattern):
    return unittest.TestSuite(again.chosen(loader, "test_zfs", CHOSEN, clones))
