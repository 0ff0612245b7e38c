"""What is called: the package of the README, or where it cannot be fetched, one of the standard library."""

import json
import struct

from world import Unavailable


class Subject:
    """`literals` are the call's arguments as the server would send them (src/pool/frame.h)."""

    def __init__(self, url, function, literals, others, vary):
        self.url, self.function, self.literals, self.others, self.vary = url, function, literals, others, vary

    @property
    def call(self):
        return f"{self.function}({', '.join(text for _, text in self.literals)})"

    def body(self, call=None):
        return {"url": self.url, "call": call or self.call}

    def frame(self):
        """The CALL frame, for drivers that no server talks to."""
        name = self.function.encode()
        payload = b"C\0" + struct.pack("<qH", 0, len(name)) + name + struct.pack("<H", len(self.literals))
        for tag, text in self.literals:
            data = (json.loads(text) if tag == "s" else text).encode()
            payload += tag.encode() + struct.pack("<I", len(data)) + data
        return struct.pack("<I", len(payload)) + payload

    def new_calls(self, count):
        """Calls whose arguments nobody gave before, and first calls of the package's other functions."""
        calls = [self.vary(i) for i in range(count - len(self.others))]
        step = max(1, len(calls) // (len(self.others) + 1))
        for i, other in enumerate(self.others):
            calls.insert((i + 1) * step, other)
        return calls


GEOHASH = Subject(
    "github.com/mmcloughlin/geohash", "Encode", [("f", "100.1"), ("f", "80.9")],
    ['Decode("ezs42")', 'Neighbors("ezs42")', "EncodeInt(12.5, 13.25)", 'BoundingBox("ezs42")', 'Validate("ezs42")',
     "EncodeWithPrecision(48.858, 2.294, 5)", 'DecodeCenter("u09tu")', "ConvertIntToString(4064984913515641, 12)"],
    lambda i: f"Encode({i % 90}.{i:05d}, {i % 179}.5)")

STRINGS = Subject(
    "strings", "ToUpper", [("s", '"sky island"')],
    ['Repeat("ab", 3)', 'Fields("a b c")', 'Contains("abc", "b")', 'Title("abc")', 'TrimSpace(" a ")'],
    lambda i: f'ToUpper("island {i}")')


def choose(island):
    """(subject, seconds and stages of its first call, its answer, its artifact, why not the first choice)."""
    why = None
    for subject in (GEOHASH, STRINGS):
        before = island.artifacts()
        try:
            took, answer, stages = island.post(subject.body())
        except Unavailable as e:
            why = str(e)
            continue
        made = [name for name, state in island.artifacts().items() if before.get(name) != state]
        first = {"what": subject.url, "seconds": took, "stages": stages}
        return subject, first, answer["data"], (island.state / "artifacts" / made[0]).resolve(), why
    raise SystemExit("bench: not one call succeeds: " + str(why))


def lines_write(path, island_calls, expected=None, health=False):
    """A file of requests for bench/load.c."""
    with open(path, "w", encoding="utf-8") as out:
        for body in island_calls:
            if health:
                out.write("health\tGET\t/healthcheck\t\tok\n")
            out.write(f"call\tPOST\t/api/v1/function\t{json.dumps(body)}\t{expected or 'data'}\n")
    return path
