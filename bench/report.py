"""What the raw figures say: medians over rounds, ratios within rounds, targets, and a table for people."""

import builds
from world import median

# key, how it compares, wanted, aimed at (None: nothing more), what it is.
TARGETS = (
    ("warm_over_healthcheck", "<=", 6, 4, "call with a jail waiting over GET /healthcheck, same connection, p50"),
    ("warm_over_spawn", "<=", 0.2, 0.1, "the same over bare spawn of the artifact, p50"),
    ("fresh_over_spawn", "<=", 1.25, 1.0, "call with no jail waiting over bare spawn, p50"),
    ("fresh_over_bwrap", "<=", 0.3, None, "the same over bubblewrap, p50"),
    ("fresh_over_crun", "<=", 0.15, None, "the same over crun, p50"),
    ("sustained_over_spawn", ">=", 1.0, 1.4, "calls a second, 16 clients, over 16 parents that spawn"),
    ("sustained_over_pinned_spawn", ">=", 0.7, 0.9, "the same over 16 pinned parents"),
    ("sustained_over_cgi", ">=", 1.5, None, "the same over nginx + fcgiwrap, no isolation"),
    ("reuse_rps_over_go_http", ">=", 0.7, 1.0, "calls a second with reuse over a Go net/http server"),
    ("cpu_ms_per_call", None, None, None, "cpu time of all our processes for a call at saturation"),
    ("overload_p99_over_bound", "<=", 1.0, None, "ten times the sustainable rate: p99 of those served over its bound"),
    ("new_arguments_builds", "<=", 0, None, "builds by 1,000 calls with new arguments and other functions"),
    ("first_call_over_go_build", "<=", 1.25, 1.0, "first call of a fetched package over go build of its main"),
    ("memory_per_waiting_jail_mib", "<=", 1.5, None, "PSS of a jail's processes and its group's kernel memory"),
    ("waiting_jails_max", ">=", 1000, None, "jails waiting at once"),
    ("cached_artifacts_flat", "<=", 1.1, None, "a hit with 100,000 artifacts known over with 10"),
    ("server_rss_mib", "<=", 12, None, "the server's resident memory after a million calls"),
)

# Figures that today's program gives no occasion to take.
NOT_YET = {
}


def at(part, *path):
    for name in path:
        part = part.get(name) if isinstance(part, dict) else None
    return part


class Rounds:
    """Figures by "part/path/to/figure", a value for each round that has it."""

    def __init__(self, rounds):
        self.rounds = rounds

    def values(self, name):
        part, *path = name.split("/")
        found = [at(results.get(part), *path) for results in self.rounds]
        return [value for value in found if value is not None]

    def median(self, name):
        return median(self.values(name))

    def ratio(self, above, below):
        """Median and extremes of the ratio within each round; None where one of the two was never taken."""
        part, *path = above.split("/")
        other, *other_path = below.split("/")
        ratios = []
        for results in self.rounds:
            a, b = at(results.get(part), *path), at(results.get(other), *other_path)
            if a is not None and b:
                ratios.append(a / b)
        return {"median": median(ratios), "min": min(ratios), "max": max(ratios)} if ratios else None


RATIOS = {
    "warm_over_healthcheck": ("warm/ms/call.waiting/p50", "warm/ms/health/p50"),
    "warm_over_spawn": ("warm/ms/call.waiting/p50", "spawn.1/ms/p50"),
    "warm_over_paced_spawn": ("warm/ms/call.waiting/p50", "spawn_paced.1/ms/p50"),
    "fresh_over_spawn": ("fresh/ms/call.fresh/p50", "spawn.1/ms/p50"),
    "fresh_over_paced_spawn": ("fresh/ms/call.fresh/p50", "spawn_paced.1/ms/p50"),
    "fresh_over_bwrap": ("fresh/ms/call.fresh/p50", "bwrap.1/ms/p50"),
    "fresh_over_crun": ("fresh/ms/call.fresh/p50", "crun.1/ms/p50"),
    "closed_loop_1_over_spawn": ("call.1/rate", "spawn.1/rate"),
    "closed_loop_2_over_spawn": ("call.2/rate", "spawn.2/rate"),
    "sustained_over_spawn": ("call.16/rate", "spawn.16/rate"),
    "sustained_over_pinned_spawn": ("call.16/rate", "pinned.16/rate"),
    "sustained_over_bwrap": ("call.16/rate", "bwrap.16/rate"),
    "sustained_over_crun": ("call.16/rate", "crun.16/rate"),
    "sustained_over_cgi": ("call.16/rate", "cgi.16/rate"),
    "reuse_rps_over_go_http": ("reuse.16/rate", "go_http.16/rate"),
    "reuse_rps_over_go_http_json": ("reuse.16/rate", "go_http_json.16/rate"),
    "reuse_rps_over_fresh": ("reuse.16/rate", "call.16/rate"),
}


def builds_counted(raw):
    ran = raw["new_arguments"]
    return ran["builds"] if ran["statuses"] == {"200": ran["answered"]} else None


def overload(raw):
    figures = overload_figures(raw)
    return figures and figures["accepted_p99_ms"] / figures["bound_ms"]


def memory(raw):
    jail = raw["memory"].get("waiting_jail")
    return jail and jail["pss_mib"] + (jail["kernel_mib"] or 0)


def is_met(how, wanted, value):
    if how is None or value is None:
        return None
    return value <= wanted if how == "<=" else value >= wanted


def values_of(raw, rounds, ratios):
    values = {name: ratio and ratio["median"] for name, ratio in ratios.items()}
    values["cpu_ms_per_call"] = rounds.median("call.16/cpu_ms")
    values["overload_p99_over_bound"] = overload(raw)
    values["new_arguments_builds"] = builds_counted(raw)
    values["first_call_over_go_build"] = builds.ratio(raw["first_calls"])
    values["memory_per_waiting_jail_mib"] = memory(raw)
    values["server_rss_mib"] = raw["memory"]["server_rss_mib_end"]
    values["waiting_jails_max"] = at(raw, "waiting_jails_max", "waiting")
    values["cached_artifacts_flat"] = at(raw, "cached_artifacts_flat", "ratio")
    return values


# What some targets ask for besides: how long a thousand jails take, how much slower a hit may get, how long a start
# takes, what a million calls may leave behind.
MADE_S, HIT_RATIO, START_S, RSS_GROWTH_MIB = 2.0, 2.0, 1.0, 2.0


def more_asked(raw):
    """Of such targets: whether all else is met (None: not known), and the figures in words."""
    jails, known, memory = raw.get("waiting_jails_max"), raw.get("cached_artifacts_flat"), raw["memory"]
    found = {}
    if jails:
        made = "unknown" if jails["made_s"] is None else f"{jails['made_s']:.2f} s"
        found["waiting_jails_max"] = (
            None if jails["made_s"] is None else jails["made_s"] <= MADE_S and jails["hit_ratio"] <= HIT_RATIO,
            f"a thousand made in {made} (<= {MADE_S:g}); a hit's p50 {jails['hit_ratio']:.2f} x that with "
            f"{jails['few']} (<= {HIT_RATIO:g})")
    if known:
        start = known["start_many"]
        found["cached_artifacts_flat"] = (
            start["first_answer_s"] <= START_S,
            f"start to first answer {start['first_answer_s']:.2f} s (<= {START_S:g}), with 10 "
            f"{known['start_few']['first_answer_s']:.2f}; the server's cpu time of that {start['server_cpu_s']:.2f}")
    growth = memory["server_rss_mib_end"] - memory["server_rss_mib_thousandth_call"]
    requests = memory["requests_at_end"]
    found["server_rss_mib"] = (
        None if requests < 1000000 else growth <= RSS_GROWTH_MIB,
        f"after {requests:,} requests; {growth:+.2f} MiB since the thousandth (<= {RSS_GROWTH_MIB:g})")
    return found


def make(raw, machine, quick, seconds):
    rounds = Rounds(raw["rounds"])
    ratios = {name: rounds.ratio(*pair) for name, pair in RATIOS.items()}
    values = values_of(raw, rounds, ratios)
    targets, wanted = {}, {}
    for key, how, want, aim, what in TARGETS:
        value = values.get(key)
        targets[key] = round(value, 4) if isinstance(value, float) else value
        wanted[key] = {"want": f"{how} {want:,}" if how else "reported", "aim": aim,
                       "met": is_met(how, want, value), "what": what}
        if value is None:
            wanted[key]["absent"] = NOT_YET.get(key) or absent(raw, key)
    for key, (met, note) in more_asked(raw).items():
        wanted[key]["note"] = note
        if wanted[key]["met"]:
            wanted[key]["met"] = met
    return {"quick": quick, "seconds": round(seconds, 1), "machine": machine, "isolation": raw.get("isolation"),
            "doctor": raw["doctor"], "targets": targets, "wanted": wanted, "ratios": ratios,
            "overload": overload_figures(raw), "raw": raw}


def absent(raw, key):
    """Why: the first reason given by what the figure is made of."""
    parts = {name.split("/")[0].split(".")[0] for name in RATIOS.get(key, ())} | {key}
    for name, why in [*raw["absent"].items(), *failures(raw)]:
        if name.split(".")[0] in parts:
            return f"{name}: {why}"
    return "a part it is made of failed"


def failures(raw):
    """(part, why) of what failed in a round."""
    return [(name, part["error"]) for results in raw["rounds"] for name, part in results.items() if "error" in part]


def refusals(raw):
    """Answers other than 200, by part."""
    found = {}
    for results in raw["rounds"]:
        for name, part in results.items():
            for status, count in part.get("statuses", {}).items():
                if status != "200":
                    found[name, status] = found.get((name, status), 0) + count
    return found


# ---- for people ----

LINES = (
    ("bare posix_spawn + wait", "spawn.1", "ms"),
    ("  the same, with think time", "spawn_paced.1", "ms"),
    ("  2 at once", "spawn.2", "ms"),
    ("  16 at once", "spawn.16", "ms"),
    ("  16 at once, pinned", "pinned.16", "ms"),
    ("bubblewrap", "bwrap.1", "ms"),
    ("  16 at once", "bwrap.16", "ms"),
    ("crun", "crun.1", "ms"),
    ("  16 at once", "crun.16", "ms"),
    ("nginx + fcgiwrap, 1 client", "cgi.1", "ms/cgi"),
    ("  16 clients", "cgi.16", "ms/cgi"),
    ("Sky Island, closed loop, 1 client", "call.1", "ms/call"),
    ("  2 clients", "call.2", "ms/call"),
    ("  16 clients", "call.16", "ms/call"),
    ("  a jail was waiting (think time)", "warm", "ms/call.waiting"),
    ("  none was: made on the spot", "fresh", "ms/call.fresh"),
    ("  GET /healthcheck (think time)", "warm", "ms/health"),
    ("  with reuse, 1 client", "reuse.1", "ms/call"),
    ("  with reuse, 16 clients", "reuse.16", "ms/call"),
    ("Go net/http, 1 client", "go_http.1", "ms/call"),
    ("  16 clients", "go_http.16", "ms/call"),
    ("  that reads and writes JSON, 16", "go_http_json.16", "ms/call"),
)


def number(value, digits=3):
    return "-" if value is None else f"{value:,.{digits}f}"


def figure_lines(rounds):
    yield f"{'medians of rounds':36}{'a second':>10}{'p50 ms':>10}{'p99 ms':>10}{'cpu ms':>9}"
    for title, part, where in LINES:
        paced = part in ("warm", "fresh", "spawn_paced.1")
        rate = None if paced else rounds.median(part + "/rate")
        p50, p99 = (rounds.median(f"{part}/{where}/{p}") for p in ("p50", "p99"))
        cpu = None if paced or part.startswith("bwrap") else rounds.median(part + "/cpu_ms")
        yield f"{title:36}{number(rate, 0):>10}{number(p50):>10}{number(p99):>10}{number(cpu, 2):>9}"
    yield cpu_line(rounds)


def cpu_line(rounds):
    roles = ("server", "jailers", "helpers", "jails")
    parts = [f"{role} {number(rounds.median('call.16/cpu_ms_of/' + role), 2)}" for role in roles]
    idle = number(100 * (rounds.median("call.16/machine_idle") or 0), 0)
    return f"cpu ms a call, 16 clients: {', '.join(parts)}; the machine idled {idle} % of the time"


def stage_words(stages):
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.items() if seconds >= 0.005)


def first_lines(raw):
    first = raw["first_call"]
    yield f"first call of {first['what']}: {first['seconds']:.2f} s ({stage_words(first['stages'])})"
    yield f"{'first calls, s':36}{'unfetched':>10}{'fetched':>10}{'go build':>10}{'ratio':>9}"
    for row in raw["first_calls"]:
        if "error" in row:
            yield f"{row['what'][-35:]:36}{row['error']}"
        else:
            figures = "".join(f"{row[name]:>10.2f}" for name in ("unfetched_s", "fetched_s", "go_build_s"))
            differ = "" if row["same_answer"] else "  ANSWERS DIFFER"
            yield f"{row['what'].removeprefix('github.com/')[-35:]:36}{figures}{row['ratio']:>9.2f}{differ}"


def overload_figures(raw):
    """What came of ten times the sustainable rate; None where it was not measured."""
    o = raw.get("overload")
    if not o or not o["ran"]["ms"]["call"]:
        return None
    alone, accepted = o["alone"]["ms"]["call"]["p99"], o["ran"]["ms"]["call"]["p99"]
    bound = 2 * alone + o["queue_ms"]
    statuses = o["ran"]["statuses"]
    return {"offered_a_second": o["offered"], "sustained_a_second": o["sustained"]["rate"], "accepted_a_second": o["ran"]["rate"],
            "refused": statuses.get("429", 0), "other": sum(n for status, n in statuses.items() if status not in ("200", "429")),
            "unsent": o["ran"]["unsent"], "unloaded_p99_ms": alone, "accepted_p99_ms": accepted, "bound_ms": bound,
            "within_bound": accepted <= bound}


def overload_lines(raw):
    figures = overload_figures(raw)
    if figures is None:
        return
    yield (f"overload: {figures['offered_a_second']:,.0f} calls a second offered, {figures['sustained_a_second']:,.0f} sustainable: "
           f"{figures['accepted_a_second']:,.0f} a second served, {figures['refused']:,} refused (429), {figures['other']} other, "
           f"{figures['unsent']:,} unsent")
    yield (f"          p99 of those served {figures['accepted_p99_ms']:,.1f} ms <= 2 x {figures['unloaded_p99_ms']:.1f} ms unloaded + "
           f"{raw['overload']['queue_ms']} ms of the queue: {'yes' if figures['within_bound'] else 'NO'}")


def target_lines(result):
    yield f"{'targets':30}{'value':>9}  {'want':9}{'aim':>5}  met"
    for key, value in result["targets"].items():
        wanted = result["wanted"][key]
        met = {True: "yes", False: "no", None: "-"}[wanted["met"]]
        aim = "" if wanted["aim"] is None else f"{wanted['aim']:g}"
        shown = "null" if value is None else f"{value:,.3g}" if isinstance(value, float) else f"{value:,}"
        why = wanted.get("absent") or wanted.get("note") or ""
        yield f"{key:30}{shown:>9}  {wanted['want']:9}{aim:>5}  {met:4}{why}".rstrip()


def isolation_lines(result):
    i = result["isolation"]
    if i is None:
        return
    yield (f"each call: namespaces {' '.join(i['namespaces_of_its_own'])}; uid {i['uid_outside']}, capabilities "
           f"{int(i['capabilities'], 16):x}, no_new_privs {'yes' if i['no_new_privs'] else 'NO'}, seccomp filters "
           f"{i['seccomp_filters']}")
    yield "           limits " + ", ".join(f"{name} {value}" for name, value in i["cgroup_limits"].items())
    mounts = {}
    for place, options in (mount.split(" ") for mount in i["mounts"]):
        kept = ",".join(o for o in options.split(",") if not o.endswith("atime"))
        mounts.setdefault(kept, []).append(place)
    yield "           mounts " + "; ".join(f"{options}: {' '.join(places)}" for options, places in mounts.items())


def table(result):
    raw, machine = result["raw"], result["machine"]
    subject = raw["subject"]
    rounds = Rounds(raw["rounds"])
    lines = ["", f"{machine['cpu']}, {machine['cores']} cores{' (virtual)' if machine['hypervisor'] else ''}, "
                 f"Linux {machine['kernel']}, cgroups {machine['cgroups']}, {machine['memory_mib']:,} MiB; load "
                 f"{machine['load_before']:.1f} before; {len(raw['rounds'])} rounds, {result['seconds']:.0f} s",
             f"{subject['url']} {subject['call']} -> {subject['answer']}, think time {raw['think_ms']} ms"]
    if subject["instead_of_geohash_because"]:
        lines.append("not geohash: " + subject["instead_of_geohash_because"])
    for part in (isolation_lines(result), figure_lines(rounds), overload_lines(raw), first_lines(raw), target_lines(result)):
        lines += [*part, ""]
    lines += [f"{name}: not measured: {why}" for name, why in raw["absent"].items()]
    lines += [f"{name}: failed in a round: {why}" for name, why in failures(raw)]
    lines += [f"{name}: {count} answers were {status}" for (name, status), count in refusals(raw).items()]
    if machine["load_before"] > 0.5:
        lines.append("other work runs on this machine: trust ratios only, and those not far")
    return "\n".join(lines).rstrip()
