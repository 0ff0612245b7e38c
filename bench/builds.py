"""First calls of packages, beside `go build` of the main that makes the same call."""

import os
import pathlib
import shutil
import subprocess
import time

from world import Unavailable, median

# url, version, a literal call, and the same as an expression: it fetches the package and builds another program.
PACKAGES = (
    ("github.com/google/uuid", "v1.6.0", 'MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")',
     'MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8").String()'),
    ("github.com/dustin/go-humanize", "v1.0.1", "Comma(1234567)", "Comma(1234560+7)"),
    ("github.com/Masterminds/semver/v3", "v3.3.1", 'MustParse("1.2.3")', 'MustParse("1.2.3").String()'),
    ("github.com/gosimple/slug", "v1.15.0", 'Make("Hello World")', 'Make("Hello "+"World")'),
    ("github.com/spf13/cast", "v1.7.1", "ToString(12)", "ToString(10+2)"),
    ("github.com/shopspring/decimal", "v1.4.0", "NewFromInt(3)", "NewFromInt(1+2)"),
)
STANDARD = (
    ("strconv", None, "Itoa(12)", "Itoa(10+2)"),
    ("html", None, 'EscapeString("<a>")', 'EscapeString("<"+"a>")'),
    ("path", None, 'Base("/a/b")', 'Base("/a"+"/b")'),
    ("net/url", None, 'QueryEscape("a b")', 'QueryEscape("a "+"b")'),
)

MAIN = """package main

import (
	"fmt"
	target "{package}"
)

func main() {{
	fmt.Print(target.{call})
}}
"""

CGI_MAIN = """package main

import (
	"fmt"
	target "{package}"
)

func main() {{
	text := fmt.Sprint(target.{call})
	fmt.Printf("Content-Type: text/plain\\r\\nContent-Length: %d\\r\\n\\r\\n%s", len(text), text)
}}
"""

HTTP_MAIN = """package main

import (
	"fmt"
	"net/http"
	"os"
	target "{package}"
)

func main() {{
	answer := func(w http.ResponseWriter, _ *http.Request) {{ fmt.Fprint(w, target.{call}) }}
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], http.HandlerFunc(answer)))
}}
"""

JSON_MAIN = """package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	target "{package}"
	"time"
)

type request struct{{ URL, Call string }}

type response struct {{
	Timestamp int64  `json:"timestamp"`
	Data      string `json:"data"`
}}

func answer(w http.ResponseWriter, r *http.Request) {{
	var asked request
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {{
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(response{{time.Now().Unix(), fmt.Sprint(target.{call})}})
}}

func main() {{
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], http.HandlerFunc(answer)))
}}
"""


class GoBuild:
    """The state's own toolchain and a copy of its seeded cache, which is as warm at each build as it was at first."""

    def __init__(self, state, work):
        self.state, self.work = state, work
        toolchains = sorted((state / "toolchain").iterdir())
        self.root = toolchains[-1]
        self.cache = work / "gocache"
        shutil.rmtree(self.cache, ignore_errors=True)
        subprocess.run(["cp", "-a", state / "private" / "gocache", self.cache], check=True)
        self.seeded = self._cached()

    def _cached(self):
        return {os.path.join(top, name) for top, _, names in os.walk(self.cache) for name in names}

    def _cache_reset(self):
        for path in self._cached() - self.seeded:
            os.unlink(path)

    def _source(self, package):
        """The newest fetched tree that holds the package."""
        trees = sorted((self.state / "sources").iterdir(), reverse=True)
        return next((t for t in trees if (t / "vendor" / package).is_dir()), None)

    def build(self, package, call, template=MAIN):
        """(seconds, program)."""
        module = self.work / "main"
        shutil.rmtree(module, ignore_errors=True)
        module.mkdir()
        flags = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "program"]
        source = self._source(package)
        if source:
            shutil.copy(source / "go.mod", module)
            (module / "vendor").symlink_to(source / "vendor")
            flags.append("-mod=vendor")
        else:
            version = self.root.name.removeprefix("go")
            (module / "go.mod").write_text(f"module sky-island.invalid/artifact\n\ngo {version}\n", encoding="ascii")
        (module / "main.go").write_text(template.format(package=package, call=call), encoding="utf-8")
        begin = time.monotonic()
        done = subprocess.run([self.root / "bin" / "go", "build", *flags, "."], cwd=module, env=self._environment(),
                              text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        took = time.monotonic() - begin
        self._cache_reset()
        if done.returncode != 0:
            raise Unavailable("go build: " + done.stdout.strip()[:300])
        return took, module / "program"

    def _environment(self):
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.work), "GOROOT": str(self.root), "GOCACHE": str(self.cache),
                "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOENV": "off", "GOWORK": "off", "GOPROXY": "off",
                "GOTELEMETRY": "off", "GO111MODULE": "on", "LANG": "C.UTF-8"}


def first_calls(island, go, standard, count, deadline):
    """A row for each package. The order of the two that are compared alternates."""
    rows = []
    for i, (url, version, literal, expression) in enumerate((STANDARD if standard else PACKAGES)[:count]):
        if time.monotonic() > deadline:
            break
        where = {"url": url, **({"version": version} if version else {})}
        row = {"what": url, "version": version}
        try:
            row["unfetched_s"], answer, row["unfetched_stages"] = island.post({**where, "call": expression})
            island.settle()
            if i % 2 == 1:
                row["go_build_s"], program = go.build(url, literal)
            row["fetched_s"], fetched, row["fetched_stages"] = island.post({**where, "call": literal})
            island.settle()
            if i % 2 == 0:
                row["go_build_s"], program = go.build(url, literal)
            row["ratio"] = row["fetched_s"] / row["go_build_s"]
            row["same_answer"] = said_by(program) == fetched["data"] == answer["data"]
        except Unavailable as e:
            row["error"] = str(e)
        rows.append(row)
    return rows


def said_by(program):
    return subprocess.run([pathlib.Path(program)], text=True, check=False, stdout=subprocess.PIPE).stdout


def ratio(rows):
    return median([row["ratio"] for row in rows if "ratio" in row])
