#!/usr/bin/env python3
"""docs/errors.md lists each code that the sources can answer with, and no other."""

import os
import re
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORD = r'"([a-z][a-z0-9]*(?:_[a-z0-9]+)*)"'
STRING = r'"(?:[^"\\]|\\.)*"'
# Where a code stands besides the third argument of fault_code: the tables and initialisers that problems are made of.
IN_C = [r"problem_simple\(\s*\w+,\s*\d+,\s*" + WORD, r"\{FAULT_\w+,\s*\d+,\s*" + WORD, r"\{POOL_\w+,\s*" + WORD]
CHOICE = [r"\.code\s*=([^,;]+)", r"\bchar \*code\s*=([^;]+);"]
IN_GO = [r"\bfail\(" + WORD, r"\bCode:\s*" + WORD]


def texts(directory, end):
    for where, _, names in os.walk(os.path.join(TOP, directory)):
        for name in names:
            if name.endswith(end) and not name.endswith("_test.go"):
                with open(os.path.join(where, name), encoding="utf-8") as file:
                    yield os.path.relpath(os.path.join(where, name), TOP), file.read()


def third_argument(text, at):
    """Of the call whose bracket opens before `at`."""
    depth, number, argument = 0, 0, ""
    for token in re.findall(STRING + r"|'(?:[^'\\]|\\.)*'|.", text[at:at + 2000], re.S):
        depth += (token in "([{") - (token in ")]}")
        if depth < 0 or (token == "," and depth == 0):
            number += 1
            if depth < 0 or number == 3:
                return argument
            argument = ""
        else:
            argument += token
    return argument


def chosen(expression):
    """The strings that it may be: "a", or x ? "a" : "b", but not what x compares."""
    return re.findall(r"(?:^|[?:])\s*" + WORD, expression.strip())


def said_in_c():
    """code → the first file that says it."""
    found = {}
    for path, text in texts("src", ".c"):
        places = [third_argument(text, match.end()) for match in re.finditer(r"\bfault_code\(", text)]
        places += [place for pattern in CHOICE for place in re.findall(pattern, text)]
        codes = [code for place in places for code in chosen(place)] + [code for pattern in IN_C for code in re.findall(pattern, text)]
        for code in codes:
            found.setdefault(code, path)
    return found


def said_in_go():
    return {code: path for path, text in texts("driver/cmd/tool", ".go") for pattern in IN_GO for code in re.findall(pattern, text)}


def listed():
    """The codes in the first column of the tables, and those that the last paragraph names."""
    with open(os.path.join(TOP, "docs/errors.md"), encoding="utf-8") as file:
        text = file.read()
    cells = re.findall(r"^\| (`[^|]*`) \|", text[text.index("## Every request"):], re.M)
    rest = re.findall(r"^The generic codes .*?\.$", text, re.M | re.S)
    return set(re.findall(r"`([a-z0-9_]+)`", " ".join(cells + rest)))


class Errors(unittest.TestCase):
    def test_each_code_is_listed(self):
        codes = {**said_in_go(), **said_in_c()}
        self.assertGreater(len(codes), 90, "the patterns do not fit the sources any more")
        missing = {code: path for code, path in codes.items() if code not in listed()}
        self.assertEqual(missing, {}, "codes that docs/errors.md lacks, and where they are said")

    def test_each_listed_code_is_in_the_sources(self):
        literals = {word for directory, end in (("src", ".c"), ("driver", ".go")) for _, text in texts(directory, end) for word in re.findall(WORD, text)}
        self.assertEqual(listed() - literals, set(), "codes that nothing says")


if __name__ == "__main__":
    unittest.main()
