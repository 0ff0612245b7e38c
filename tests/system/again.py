"""Tests of other modules once more, under other circumstances."""

import importlib.util
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


def _loaded(name, title, before):
    """The module, loaded anew; `before` it sets up."""
    spec = importlib.util.spec_from_file_location(title, os.path.join(HERE, name + ".py"))
    module = sys.modules[title] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prepare = module.setUpModule

    def set_up():
        before()
        prepare()

    module.setUpModule = set_up
    return module


def _flat(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _flat(item)
        else:
            yield item


def chosen(loader, where, modules, before):
    """Of each module the tests whose names begin as said, as `where`.NAME."""
    for name, wanted in modules.items():
        title = "%s.%s" % (where, name.removeprefix("test_"))
        tests = _flat(loader.loadTestsFromModule(_loaded(name, title, before)))
        yield from (test for test in tests if any(test.id().startswith("%s.%s" % (title, start)) for start in wanted))
