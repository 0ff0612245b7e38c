#!/usr/bin/env python3
"""Measures Sky Island beside its peers, in one run, as ratios.

    bench.py --binary BIN --state DIR --out FILE [--quick]

BIN is sky-island, DIR a prepared state directory that no server holds and whose caches are emptied, FILE where the figures go as
JSON;
what the bench makes goes to a directory bench/ beside FILE. Every part runs once in each of several rounds,
one after another, so that all see the same machine; a ratio is taken within each round, and the median of the
rounds is printed. docs/benchmarks.md says what each figure means. All load stays on loopback. Bounded: 6
minutes, with --quick one.
"""

import argparse
import json
import pathlib
import select
import signal
import sys
import time

sys.dont_write_bytecode = True  # nothing is left beside the sources

import builds
import peers
import report
import scale
import subject as subjects
from island import Island
from world import Helpers, Unavailable, cpu_ticks, machine

CLIENTS = 16  # at saturation
MILLION = 1000000  # calls, behind which the server's memory is looked at


class Plan:
    """How long things take."""

    def __init__(self, quick):
        self.quick = quick
        self.rounds = 3 if quick else 9
        self.seconds = 0.5 if quick else 1.0
        self.sustained_seconds = 1 if quick else 3  # long beside what begins and what is cleared behind it
        self.fresh_calls = 10 if quick else 15
        self.packages = 2 if quick else 6
        self.new_arguments = 1000
        self.overload_seconds = 2 if quick else 5
        self.budget = 45 if quick else 255  # seconds, once the state is prepared
        self.million_seconds = 150  # at most, and not of the budget
        self.behind = 20 if quick else 40  # of those, for what comes behind the rounds
        self.begin = time.monotonic()

    def start(self):
        self.begin = time.monotonic()

    def spent(self):
        return time.monotonic() - self.begin

    def left(self):
        return self.budget - self.spent()


class Bench:
    def __init__(self, options, plan):
        self.plan = plan
        self.work = options.out.resolve().parent / "bench"
        self.work.mkdir(parents=True, exist_ok=True)
        self.helpers = Helpers(self.work)
        self.island = Island(options.binary.resolve(), options.state.resolve(), self.work)
        self.island.forget()
        self.raw = {"rounds": [], "absent": {}}
        self.peers, self.cgi, self.https = [], None, {}

    def run(self):
        try:
            with self.island:
                self.plan.start()
                self.prepare()
                self.once()
                self.rounds()
                self.after()
            self.scale()
        finally:
            if self.cgi:
                self.cgi.close()
            for server in self.https.values():
                server.close()
        return self.raw

    # ---- before ----

    def prepare(self):
        say("the first call")
        self.subject, first, self.expected, self.artifact, why = subjects.choose(self.island)
        self.raw["subject"] = {"url": self.subject.url, "call": self.subject.call, "answer": self.expected,
                               "artifact_bytes": self.artifact.stat().st_size, "instead_of_geohash_because": why}
        self.raw["first_call"] = first
        self.frame = self.work / "call.frame"
        self.frame.write_bytes(self.subject.frame())
        body = [self.subject.body()]
        self.requests = subjects.lines_write(self.work / "call.requests", body, self.expected)
        again = [{**self.subject.body(), "reuse": True}]
        self.again = subjects.lines_write(self.work / "again.requests", again, self.expected)
        self.mixed = subjects.lines_write(self.work / "mixed.requests", body, self.expected, health=True)
        self.health = self.work / "health.requests"
        self.health.write_text("health\tGET\t/healthcheck\t\tok\n", encoding="utf-8")
        try:
            self.raw["isolation"] = self.island.isolation(self.artifact)
        except (Unavailable, OSError) as e:  # an ordinary user cannot look into jails of other uids
            self.raw["absent"]["isolation"] = str(e)
        self.raw["doctor"] = self.island.doctor()
        self.rss_start = self.island.rss_mib()
        self.go = builds.GoBuild(self.island.state, self.work)
        self.peers_prepare()
        self.pause_ms = self.pause_find()

    def peers_prepare(self):
        for kind in (peers.Bubblewrap, peers.Crun):
            try:
                peer = kind(self.artifact, self.work)
                self.spawn(peer.argv, 1, 0.1, wrap=peer.wrap)
                self.peers.append(peer)
            except Unavailable as e:
                self.raw["absent"][kind.name] = str(e)
        try:
            _, main = self.go.build(self.subject.url, self.subject.call, builds.CGI_MAIN)
            program = main.rename(self.work / "cgi")
            self.cgi = peers.Cgi(program, self.work)
            self.cgi_requests = self.work / "cgi.requests"
            self.cgi_requests.write_text(f"cgi\tGET\t/\t\t{self.expected}\n", encoding="utf-8")
            self.helpers.load(self.cgi.port, self.cgi_requests, 1, count=1)
        except Unavailable as e:
            self.raw["absent"]["cgi"] = str(e)
            self.cgi_close()

        for name, main in (("go_http", builds.HTTP_MAIN), ("go_http_json", builds.JSON_MAIN)):
            try:
                _, program = self.go.build(self.subject.url, self.subject.call, main)
                self.https[name] = peers.GoHttp(program.rename(self.work / name), self.work)
            except Unavailable as e:
                self.raw["absent"][name] = str(e)

    def cgi_close(self):
        if self.cgi:
            self.cgi.close()
        self.cgi = None

    def pause_find(self):
        """The least think time after which a jail waits again for nearly every call. Between two calls are two."""
        for pause in (5, 10, 20, 40, 80):
            ran = self.helpers.load(self.island.port, self.mixed, 1, count=60, pause_ms=pause)
            if share_waiting(ran) >= 0.95:
                break
        self.raw["think_ms"] = pause
        return pause

    # ---- parts that run once ----

    def once(self):
        say(f"{self.plan.new_arguments} calls with new arguments")
        before = self.island.artifacts()
        calls = [self.subject.body(call) for call in self.subject.new_calls(self.plan.new_arguments)]
        requests = subjects.lines_write(self.work / "new.requests", calls)
        ran = self.helpers.load(self.island.port, requests, 2, count=len(calls))
        after = self.island.artifacts()
        ran["builds"] = sum(before.get(name) != state for name, state in after.items())
        self.raw["new_arguments"] = ran
        self.rss_thousandth = self.island.rss_mib()
        say("first calls of packages")
        deadline = time.monotonic() + self.plan.left() * 0.35
        standard = self.subject is subjects.STRINGS
        self.raw["first_calls"] = builds.first_calls(self.island, self.go, standard, self.plan.packages, deadline)

    # ---- rounds ----

    def rounds(self):
        parts = self.parts()
        longest = 0.0
        for number in range(self.plan.rounds):
            if number >= 2 and self.plan.left() - self.plan.behind < longest:
                break
            say(f"round {number + 1} of {self.plan.rounds}")
            begin = time.monotonic()
            turn = number * 5 % len(parts)
            results = {}
            for name, part in parts[turn:] + parts[:turn]:
                before = cpu_ticks()
                try:
                    results[name] = part()
                    after = cpu_ticks()
                    results[name]["machine_idle"] = (after[0] - before[0]) / max(1, after[1] - before[1])
                except Unavailable as e:
                    results[name] = {"error": str(e)}
            self.raw["rounds"].append(results)
            longest = max(longest, time.monotonic() - begin)

    def parts(self):
        direct = [str(self.artifact)]
        parts = [("spawn.1", lambda: self.spawn(direct, 1)),
                 ("spawn.2", lambda: self.spawn(direct, 2)),
                 ("spawn.16", lambda: self.spawn(direct, CLIENTS, self.plan.sustained_seconds)),
                 ("pinned.16", lambda: self.spawn(direct, CLIENTS, self.plan.sustained_seconds, pin=True)),
                 ("spawn_paced.1", lambda: self.spawn(direct, 1, pause_ms=self.pause_ms)),
                 ("call.1", lambda: self.calls(1, self.plan.seconds)),
                 ("call.2", lambda: self.calls(2, self.plan.seconds)),
                 ("call.16", lambda: self.calls(CLIENTS, self.plan.sustained_seconds)),
                 ("warm", self.warm),
                 ("fresh", self.fresh)]
        for clients in (1, CLIENTS):
            parts.append((f"reuse.{clients}", lambda n=clients: self.reuse(n)))
            for name, server in self.https.items():
                parts.append((f"{name}.{clients}", lambda n=clients, s=server: self.helpers.load(
                    s.port, self.again, n, seconds=self.plan.seconds)))
        for peer in self.peers:
            parts.append((peer.name + ".1", lambda p=peer: self.spawn(p.argv, 1, wrap=p.wrap)))
            parts.append((peer.name + ".16", lambda p=peer: self.spawn(p.argv, CLIENTS, wrap=p.wrap)))
        if self.cgi:
            parts.append(("cgi.1", lambda: self.cgi_load(1, self.plan.seconds)))
            parts.append(("cgi.16", lambda: self.cgi_load(CLIENTS, self.plan.sustained_seconds)))
        return parts

    def spawn(self, argv, workers, seconds=None, **more):
        return self.helpers.spawn(argv, workers, seconds or self.plan.seconds, frame=self.frame,
                                  expected=self.expected, **more)

    def cgi_load(self, clients, seconds):
        return self.helpers.load(self.cgi.port, self.cgi_requests, clients, seconds=seconds)

    def calls(self, clients, seconds):
        """Closed loop. What is cleared away behind the last answer belongs to the time, and to the cpu's."""
        self.island.settle()
        before = self.island.cpu_s()
        ran = self.helpers.load(self.island.port, self.requests, clients, seconds=seconds)
        ran["behind_s"] = self.island.settle()
        ran["cpu_ms_of"] = {role: (took - before[role]) * 1000 / ran["answered"]
                            for role, took in self.island.cpu_s().items()}
        ran["cpu_ms"] = sum(ran["cpu_ms_of"].values())
        ran["answers_a_second"] = ran["rate"]
        ran["rate"] = ran["statuses"].get("200", 0) / (ran["seconds"] + ran["behind_s"])
        return ran

    def reuse(self, clients):
        """Closed loop of calls that may have a jail which served one before."""
        self.island.settle()
        before, reused = self.island.cpu_s(), self.island.reused()
        ran = self.helpers.load(self.island.port, self.again, clients, seconds=self.plan.seconds)
        ran["share_reused"] = (self.island.reused() - reused) / ran["answered"]
        ran["cpu_ms_of"] = {role: (seconds - before[role]) * 1000 / ran["answered"]
                            for role, seconds in self.island.cpu_s().items()}
        ran["cpu_ms"] = sum(ran["cpu_ms_of"].values())
        return ran

    def warm(self):
        self.island.settle()
        ran = self.helpers.load(self.island.port, self.mixed, 1, seconds=2 * self.plan.seconds, pause_ms=self.pause_ms)
        ran["share_waiting"] = share_waiting(ran)
        return ran

    def fresh(self):
        """Before each call the waiting jail is killed: the call finds none, and nothing else is under way."""
        client = self.helpers.load_stepwise(self.island.port, self.requests)
        try:
            for _ in range(self.plan.fresh_calls):
                self.island.jails_kill(self.artifact)
                self.island.settle()
                client.stdin.write("\n")
                client.stdin.flush()
                if not select.select([client.stdout], [], [], 30)[0] or not client.stdout.readline():
                    raise Unavailable("no answer")
                self.island.driver_waiting(self.artifact)
            rest, _ = client.communicate()
        finally:
            client.kill()
            client.wait()
        return json.loads(rest)

    # ---- behind ----

    def million(self, answered):
        """What is missing to a million calls, most of them in jails that served others before; too many for a quick run."""
        if self.plan.quick or answered >= MILLION:
            return answered
        say("a million calls")
        deadline = time.monotonic() + self.plan.million_seconds
        while answered < MILLION and time.monotonic() < deadline:
            ran = self.helpers.load(self.island.port, self.again, CLIENTS, count=min(MILLION - answered, 50000))
            answered += ran["answered"]
        return answered

    def after(self):
        self.island.settle()
        answered = sum(part.get("answered", 0) for results in self.raw["rounds"] for name, part in results.items()
                       if name.startswith(("call.", "warm", "fresh", "reuse."))) + self.plan.new_arguments
        answered = self.million(answered)
        self.raw["memory"] = {
            "server_rss_mib_start": self.rss_start,
            "server_rss_mib_thousandth_call": self.rss_thousandth,
            "server_rss_mib_end": self.island.rss_mib(),
            "requests_at_end": answered,
        }
        self.overload()
        try:
            self.helpers.load(self.island.port, self.requests, 1, count=1)
            self.raw["memory"]["waiting_jail"] = self.island.memory_per_jail(self.artifact)
        except (Unavailable, OSError) as e:
            self.raw["absent"]["memory_per_waiting_jail_mib"] = str(e)

    def scale(self):
        for key, part in (("waiting_jails_max", scale.waiting_jails), ("cached_artifacts_flat", scale.known_programs)):
            say(part.__name__.replace("_", " "))
            try:
                self.raw[key] = part(self)
            except (Unavailable, OSError) as e:
                self.raw["absent"][key] = str(e)


    def overload(self):
        """Ten times what it can take, as defaults are, from more connections than calls may run and wait."""
        say("ten times as many calls as it can serve")
        seconds = self.plan.overload_seconds
        try:
            alone = self.helpers.load(self.island.port, self.requests, 1, seconds=seconds / 2)
            sustained = self.helpers.load(self.island.port, self.requests, CLIENTS, seconds=seconds / 2)
            self.raw["overload"] = {"alone": alone, "sustained": sustained, "offered": 10 * sustained["rate"], "queue_ms": 1000,
                                    "ran": self.helpers.load(self.island.port, self.requests, 1000, seconds=seconds,
                                                             rate=10 * sustained["rate"])}
        except Unavailable as e:
            self.raw["absent"]["overload_p99_over_bound"] = str(e)
        self.island.settle()


def share_waiting(ran):
    calls, waiting = ran["ms"]["call"], ran["ms"]["call.waiting"]
    return waiting["count"] / calls["count"] if calls and waiting else 0.0


def say(words):
    print(f"bench: {words}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="measures Sky Island beside its peers")
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--state", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    plan = Plan(options.quick)
    host = machine()
    raw = Bench(options, plan).run()
    result = report.make(raw, host, options.quick, plan.spent())
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(report.table(result))
    print(f"bench: raw figures, ratios and targets are in {options.out}")


if __name__ == "__main__":
    main()
