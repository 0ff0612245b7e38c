"""Other tests again, with jails' roots that are clones of the kernel's own ZFS, on a pool in a file."""

import importlib.util
import os
import sys
import unittest

import sky
import test_storage

# What has to do with roots: what jails see of them and may do to them, what ends with a jail, and what is left of it.
CHOSEN = {
    "test_attacks": ["Files.", "Privileges.", "Processes.", "Ends.test_memory", "Ends.test_ends", "ZLast."],
    "test_builds": ["Builds.test_hostile"],
    "test_calls": ["Literal.", "Typed.", "Expression.test_second_time", "Together.test_hundred_warm_calls"],
    "test_destroy": ["Removes.", "Hostile.test_mounts"],
    "test_limits": [""],
    "test_rest": ["Rest."],
    "test_state": ["Supervisor.", "Server.", "Jailers.", "Stopping.test_drain", "Together.test_two_islands", "Together.test_descriptors"],
}


def again(name):
    """The module of tests, loaded anew, with servers whose storage is a pool's."""
    title = "test_zfs.%s" % name.removeprefix("test_")
    spec = importlib.util.spec_from_file_location(title, os.path.join(os.path.dirname(sky.__file__), name + ".py"))
    module = sys.modules[title] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prepare = module.setUpModule

    def set_up():
        try:
            pool = test_storage.Real()
        except sky.Skip as skip:
            raise unittest.SkipTest(str(skip)) from None
        unittest.addModuleCleanup(pool.close)
        sky.usual = {"filesystem": {"type": "zfs", "zfs_dataset": pool.dataset}}
        unittest.addModuleCleanup(setattr, sky, "usual", {})
        prepare()

    module.setUpModule = set_up
    return module


def flat(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item)
        else:
            yield item


def load_tests(loader, _own, _pattern):
    tests = unittest.TestSuite()
    for name, wanted in CHOSEN.items():
        module = again(name)
        tests.addTests(test for test in flat(loader.loadTestsFromModule(module))
                       if any(test.id().startswith("%s.%s" % (module.__name__, start)) for start in wanted))
    return tests
