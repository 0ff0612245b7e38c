#!/usr/bin/env python3
"""Whatever is FreeBSD's, or speaks of it, says how far that was proved, in the same words everywhere."""

import glob
import os
import re
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORDS = "compiled, linked, model-tested; not yet run on freebsd"
# Readers of these: they say it wherever they name FreeBSD, or are read by what only it has.
READ = ["*.md", "docs/**/*", "man/*", "contrib/**/*", "clients/**/*.md"]
NAMES = re.compile(r"freebsd|^\.Fx\b|rc\.subr", re.I | re.M)


def text(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def plain(words):
    """Without what comments, Markdown and mdoc put between words."""
    words = re.sub(r"^\.Fx\b", "FreeBSD", words, flags=re.M)
    words = re.sub(r"^\s*(?:/?\*+/?|#+|//|>|\.\\\")", " ", words, flags=re.M)
    return re.sub(r"\s+", " ", re.sub(r"[*`]", "", words)).lower()


def first_comment(path):
    """What a source begins with; it may be only its header that does."""
    found = re.match(r"(?:#pragma once\n\n)?(/\*.*?\*/)", text(path), re.S)
    if found is None and path.endswith(".c") and os.path.exists(os.path.join(TOP, path[:-1] + "h")):
        return first_comment(path[:-1] + "h")
    return plain(found.group(1)) if found else ""


class Words(unittest.TestCase):
    def test_sources(self):
        sources = [path for path in glob.glob("src/**/freebsd/**/*", root_dir=TOP, recursive=True) if path.endswith((".c", ".h"))]
        self.assertGreater(len(sources), 30)
        self.assertEqual([path for path in sorted(sources) if WORDS not in first_comment(path)], [], "their first comments lack: " + WORDS)

    def test_what_is_read(self):
        found = {path for pattern in READ for path in glob.glob(pattern, root_dir=TOP, recursive=True)}
        naming = [path for path in sorted(found) if os.path.isfile(os.path.join(TOP, path)) and NAMES.search(path + "\n" + text(path))]
        for path in ("README.md", "docs/freebsd.md", "man/sky-island.8", "contrib/rc.d/sky_island.in", "contrib/ci/freebsd.yml"):
            self.assertIn(path, naming)
        self.assertEqual([path for path in naming if WORDS not in plain(text(path))], [], "these name FreeBSD and lack: " + WORDS)

    def test_in_no_other_words(self):
        """Nothing says less of it, or more."""
        other = re.compile(r"compiled,? (?:and )?(?:linked )?and model-tested|(?:has )?not (?:yet )?run on freebsd yet")
        everything = {path for pattern in (*READ, "src/**/*.[ch]") for path in glob.glob(pattern, root_dir=TOP, recursive=True)}
        saying = [path for path in sorted(everything) if os.path.isfile(os.path.join(TOP, path)) and other.search(plain(text(path)))]
        self.assertEqual(saying, [], "these say it in words of their own")


if __name__ == "__main__":
    unittest.main()
