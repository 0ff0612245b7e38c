"""What numbers do to a call: a thousand jails that wait, a hundred thousand programs that are known.

Servers of its own, each on a state directory of its own that is filled for the occasion; the prepared one is only
copied. Calls are of the standard library, so that nothing is fetched.
"""

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import time

from island import Island, Process
from subject import STRINGS, lines_write
from world import Unavailable, cpu_ticks, median

WAITING = 1000
# A program each; what is called does next to nothing. A burst is of 8 of them with 126 calls each: as many of its jails
# wait afterwards, and a server takes 1,024 connections.
GROUP, BURST = 8, 126
PROGRAMS = (
    ("strings", 'ToUpper("sky island")'), ("strconv", "Itoa(1)"), ("path", 'Base("a/b")'), ("unicode", "IsUpper('a')"),
    ("unicode/utf8", 'ValidString("a")'), ("sort", "SearchInts([]int{1}, 1)"), ("bytes", 'ToUpper([]byte("a"))'),
    ("html", 'EscapeString("a")'), ("net/url", 'QueryEscape("a b")'), ("hash/crc32", 'ChecksumIEEE([]byte("a"))'),
    ("hash/adler32", 'Checksum([]byte("a"))'), ("path/filepath", 'Base("a/b")'), ("crypto/md5", 'Sum([]byte("a"))'),
    ("crypto/sha1", 'Sum([]byte("a"))'), ("math", "Sqrt(2)"), ("unicode/utf16", "IsSurrogate('a')"),
)
KNOWN_FEW, KNOWN_MANY = 10, 100000


def state_copy(prepared, directory):
    """A state directory of its own: what is large and never changes is linked."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o755)
    (directory / "toolchain").symlink_to(prepared / "toolchain")
    for part, how in (("tool", "-al"), ("private", "-al"), ("base", "-a")):
        if (prepared / part).is_dir():
            subprocess.run(["cp", how, prepared / part, directory], check=True)
    return directory


@contextlib.contextmanager
def islands(bench, *names, **settings):
    """Servers on copies of the prepared state, which are removed behind them."""
    with contextlib.ExitStack() as stack:
        made = []
        for name in names:
            state = state_copy(bench.island.state, bench.work / name)
            stack.callback(shutil.rmtree, state, ignore_errors=True)
            work = bench.work / (name + ".files")
            work.mkdir(exist_ok=True)
            made.append(Island(bench.island.binary, state, work, **settings))
        yield made


def metric(island, name):
    connection = http.client.HTTPConnection("127.0.0.1", island.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))


# ---- jails that wait ----


def hits(bench, island, requests, seconds):
    """p50 of calls that found a jail waiting, ms."""
    ran = bench.helpers.load(island.port, requests, 1, seconds=seconds, pause_ms=bench.pause_ms)
    if not ran["ms"]["call.waiting"]:
        raise Unavailable("no call found a jail waiting")
    return ran["ms"]["call.waiting"]["p50"]


def waiting_grow(island, wanted, seconds):
    """Looks on while jails are made: (seconds since now, how many wait), until so many do or no more come."""
    begin = time.monotonic()
    seen = [(0.0, metric(island, "sky_jails_waiting"))]
    changed = begin
    while seen[-1][1] < wanted and time.monotonic() - begin < seconds and time.monotonic() - changed < 0.5:
        time.sleep(0.05)
        seen.append((time.monotonic() - begin, metric(island, "sky_jails_waiting")))
        if seen[-1][1] != seen[-2][1]:
            changed = time.monotonic()
    return seen


def made_seconds(seen):
    """What a thousand took, by what was made while we looked; None where that was too little to tell."""
    made, took = seen[-1][1] - seen[0][1], seen[-1][0] - seen[0][0]
    return took / made * WAITING if made >= WAITING / 4 else None


def cpu_per_jail(island, before, seen):
    """Milliseconds of cpu time that a jail took to make, by process, and how much of the machine was idle. What the
    jails took themselves is too little each for a tick of /proc, and not in it."""
    (idle, every), parts = cpu_ticks(), island.cpu_s()
    (idle_before, every_before), parts_before = before
    made = max(1, seen[-1][1] - seen[0][1])
    return {**{role + "_ms": (parts[role] - parts_before[role]) * 1000 / made for role in parts if role != "jails"},
            "machine_idle": (idle - idle_before) / max(1, every - every_before)}


def waiting_jails(bench):
    """Bursts of calls of several programs, each of which then has as many jails waiting as its burst had calls: calls
    go first, then the jails are made, which is what is timed. Hits before and afterwards are of one of them."""
    jails = {"children_max": 2 * BURST * GROUP}
    with islands(bench, "waiting", jails=jails) as (island,), island:
        bodies = [{"url": url, "call": call} for url, call in PROGRAMS]
        for body in bodies:
            island.post(body)
        one = lines_write(island.work / "one.requests", bodies[:1])
        groups = [[body for body in bodies[i:i + GROUP] for _ in range(BURST)] for i in range(0, len(bodies), GROUP)]
        bursts = [lines_write(island.work / f"burst{i}.requests", group) for i, group in enumerate(groups)]
        few = metric(island, "sky_jails_waiting")
        before = hits(bench, island, one, bench.plan.seconds)
        idle_before = bench.helpers.load(island.port, bench.health, 1, seconds=0.3, pause_ms=bench.pause_ms)
        took, needed, most = None, 0, few
        for burst in bursts:
            calls = bench.helpers.load(island.port, burst, BURST * GROUP, count=BURST * GROUP)
            needed += 1
            before_cpu = cpu_ticks(), island.cpu_s()
            seen = waiting_grow(island, WAITING, 15)
            if took is None:
                took, cpu = made_seconds(seen), cpu_per_jail(island, before_cpu, seen)
            most = max(most, max(count for _, count in seen))
            if seen[-1][1] >= WAITING:
                break
        island.settle()
        after = hits(bench, island, one, bench.plan.seconds)
        idle_after = bench.helpers.load(island.port, bench.health, 1, seconds=0.3, pause_ms=bench.pause_ms)
        return {"waiting": most, "waiting_behind_the_hits": metric(island, "sky_jails_waiting"), "few": few,
                "bursts": needed, "made_s": took, "made_cpu": cpu, "seen": seen,
                "burst_statuses": calls["statuses"], "hit_p50_few": before, "hit_p50_many": after,
                "hit_ratio": after / before, "health_p50_few": idle_before["ms"]["health"]["p50"],
                "health_p50_many": idle_after["ms"]["health"]["p50"], "server_rss_mib": island.rss_mib()}


# ---- programs that are known ----


def known_fill(state, count):
    """Rows in the store and files beside them, as so many builds would leave them; no server runs."""
    owner = (state / "artifacts").stat().st_uid
    rows, linked = [], None
    for i in range(count):
        digest = hashlib.sha256(b"%d" % i).hexdigest()
        key = hashlib.sha256(digest.encode()).hexdigest()
        label, names = f"example.com/many{i}@v1.0.0", f'["Encode","Decode","F{i}"]'
        text = b"".join(part.encode() + b"\0" for part in (key, digest, label, names))
        proof = hashlib.blake2b(b"\2" + text + struct.pack("<q", 10), digest_size=16).digest()
        rows.append((key, digest, label, names, int(time.time() * 1000) - 1000 + i // 1000, 10, proof))
        path = state / "artifacts" / digest
        if i % 30000 == 0:  # a file has so many names at most
            linked = path
            path.touch()
            os.chown(path, owner, owner)
        else:
            os.link(linked, path)
    with contextlib.closing(sqlite3.connect(state / "store/cache.db")) as db, db:
        db.executemany("INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    for tail in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            os.chown(f"{state}/store/cache.db{tail}", owner, owner)


def server_cpu_s(island):
    """What the server's own process took since its start."""
    return Process(island.server()).own_s


def start_timed(stack, island):
    """Seconds from a start to its first answer, and the server's cpu time until then."""
    island.prepare()
    begin = time.monotonic()
    stack.enter_context(island)
    island.post(STRINGS.body())
    return {"first_answer_s": time.monotonic() - begin, "server_cpu_s": server_cpu_s(island)}


def known_programs(bench):
    """Two servers side by side, one knows 10 programs and one 100,000; hits of both in turn, ratios within a turn."""
    with islands(bench, "known-few", "known-many") as made, contextlib.ExitStack() as stack:
        starts = []
        for island, count in zip(made, (KNOWN_FEW, KNOWN_MANY)):
            with island:
                island.post(STRINGS.body())
            known_fill(island.state, count - 1)
            starts.append(start_timed(stack, island))
        few, many = made
        requests = lines_write(few.work / "one.requests", [STRINGS.body()])
        turns = []
        for turn in range(3 if bench.plan.quick else 7):
            pair = {}
            for island in (few, many) if turn % 2 else (many, few):
                pair[island] = hits(bench, island, requests, 0.7 * bench.plan.seconds)
            turns.append((pair[few], pair[many]))
        ratios = [b / a for a, b in turns]
        return {"ratio": median(ratios), "min": min(ratios), "max": max(ratios),
                "few_p50": median([a for a, _ in turns]), "many_p50": median([b for _, b in turns]),
                "start_few": starts[0], "start_many": starts[1],
                "server_rss_few_mib": few.rss_mib(), "server_rss_many_mib": many.rss_mib()}
