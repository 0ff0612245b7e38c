"""Hostile packages in build and fetch jails."""

import concurrent.futures
import contextlib
import io
import json
import os
import re
import stat
import tempfile
import time
import unittest
import zipfile

import proxy
import sky

MIB = 1 << 20


def f(name, body, head=""):
    return "package %s\n\n%s\n\nfunc F() string { %s }\n" % (name, head, body)


def doubled(times):
    """A constant string of 2^times bytes."""
    lines = ["package greedy", "", "const c0 = `x`"] + ["const c%d = c%d + c%d" % (i, i - 1, i - 1) for i in range(1, times + 1)]
    return "\n".join(lines) + "\n\nvar V = c%d\n\nfunc F() int { return len(V) }\n" % times


def zip_with(module, version, entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.create_system = 3
            archive.writestr(info, text)
    return out.getvalue()


def setUpModule():
    global server, tree
    tree = proxy.Tree(tempfile.mkdtemp(prefix="proxy-", dir=sky.work))
    tree.add("example.com/generate", {"a.go": f("generate", 'return "made"', "//go:generate sh -c 'echo owned > /tmp/owned; exit 1'\n")})
    tree.add("example.com/cflags", {"a.go": 'package cflags\n\n// #cgo CFLAGS: -fplugin=/tmp/evil.so\n// #cgo LDFLAGS: -Wl,-rpath,/evil @/etc/shadow\nimport "C"\n\nfunc F() string { return "x" }\n'})
    tree.add("example.com/embedup", {"a.go": f("embedup", "return s", 'import _ "embed"\n\n//go:embed ../../etc/passwd\nvar s string')})
    tree.add("example.com/embedroot", {"a.go": f("embedroot", "return s", 'import _ "embed"\n\n//go:embed /etc/passwd\nvar s string')})
    tree.add("example.com/embed", {"a.go": f("embed", "return s", 'import _ "embed"\n\n//go:embed data/*.txt\nvar s string'), "data/d.txt": "embedded"})
    name, version = "example.com/link", "v1.0.0"
    at = "%s@%s/" % (name, version)
    link = [(at + "go.mod", "module %s\n\ngo 1.21\n" % name, 0o644), (at + "etc", "/etc/passwd", stat.S_IFLNK | 0o777),
            (at + "a.go", f("link", "return s", 'import _ "embed"\n\n//go:embed etc\nvar s string'), 0o644)]
    tree.add(name, {}, raw_zip=zip_with(name, version, link))
    for i, entry in enumerate(("../../../../../../tmp/sky-slip", "/tmp/sky-slip", "example.com/slip%d@v1.0.0/../../../../../tmp/sky-slip")):
        name = "example.com/slip%d" % i
        at = name + "@v1.0.0/"
        tree.add(name, {}, raw_zip=zip_with(name, version, [(at + "go.mod", "module %s\n\ngo 1.21\n" % name, 0o644), (at + "a.go", f("slip", 'return ""'), 0o644),
                                                            (entry % i if "%" in entry else entry, "owned", 0o644)]))
    tree.add("example.com/notzip", {}, raw_zip=b"this is no archive")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("example.com/zipbomb@v1.0.0/go.mod", "module example.com/zipbomb\n\ngo 1.21\n")
        archive.writestr("example.com/zipbomb@v1.0.0/a.go", f("zipbomb", 'return "x"'))
        archive.writestr("example.com/zipbomb@v1.0.0/zero", b"\0" * (450 * MIB))
    tree.add("example.com/zipbomb", {}, raw_zip=bomb.getvalue())
    tree.add("example.com/slow", {"a.go": proxy.heavy("slow", 11)}, go="1.22")
    tree.add("example.com/middling", {"a.go": proxy.heavy("middling", 9)}, go="1.22")
    tree.add("example.com/greedy", {"a.go": doubled(29)})
    tree.add("example.com/data", {"a.go": "package data\n\nvar X = [%d]byte{1: 1}\n\nfunc F() int { return len(X) }\n" % (300 * MIB)})
    tree.add("example.com/linkname", {"a.go": f("linkname", 'return "x"', 'import _ "unsafe"\n\n//go:linkname runtime_exit runtime.exit\nfunc runtime_exit(int32)'), "a.s": ""})
    tree.add("example.com/asm", {"a.go": f("asm", 'return "x"'), "a_amd64.s": '#include "/etc/passwd"\n'})
    tree.add("example.com/include", {"a.go": f("include", 'return "x"'), "a_amd64.s": '#include "../../../../../etc/passwd"\n'})
    tree.add("example.com/syso", {"a.go": f("syso", 'return "x"'), "evil_amd64.syso": "\x7fELFgarbage"})
    tree.add("example.com/words", {"a.go": "package words\n\n" + "".join("func F%d() { undefined%d() }\n" % (i, i) for i in range(5000)) + "func F() {}\n"})
    tree.add("example.com/names", {"a.go": "package names\n\nfunc Fmt() int { return 1 }\nfunc Init() {}\nfunc Main() int { return 2 }\ntype String string\ntype Any = any\n"
                                           "func F(s String) String { return s }\n"})
    tree.add("example.com/driver", {"a.go": "package driver\n\nfunc Main() string { return \"theirs\" }\n"})
    tree.add("example.com/main2", {"a.go": "package fmt\n\nfunc Print(s string) string { return \"theirs \" + s }\n"})
    deep = "package deep\n\nfunc F() int { return " + "(" * 20000 + "1" + ")" * 20000 + " }\n"
    tree.add("example.com/deep", {"a.go": deep})
    tree.add("example.com/loops", {"a.go": "package loops\n\nimport \"example.com/loops/b\"\n\nfunc F() { b.F() }\n",
                                   "b/b.go": "package b\n\nimport \"example.com/loops\"\n\nfunc F() { loops.F() }\n"})
    server = sky.Sky("builds", modules=tree.url,
                     jails={"build_timeout": "30s", "fetch_timeout": "20s", "build": {"memory": "512MiB", "tmp": "384MiB", "pids": 128}}).start()
    unittest.addModuleCleanup(server.close)


class Builds(unittest.TestCase):
    def works(self, url, data, call="F()"):
        answer = server.call(url, call)
        self.assertEqual((answer.status, answer.json.get("data")), (200, data), answer)
        return answer

    def fails(self, url, status, code=None, call="F()"):
        answer = server.call(url, call)
        self.assertEqual(answer.status, status, answer)
        if code:
            self.assertEqual(answer.code, code, answer)
        self.assertLess(len(answer.body), 64 * 1024)
        self.assertNotIn(b"root:x:", answer.body)
        return answer

    def tearDown(self):
        sky.until(lambda: not self.tools(), 2, "the end of build jails: %s" % sky.describe(self.tools()))
        self.assertEqual(server.files(), [])
        answer = server.call("strings", "ToUpper(`a`)")
        self.assertEqual(answer.status, 200, answer)

    def tools(self):
        """Processes of build and fetch jails."""
        return [pid for pid in server.jail_pids() if re.match(r"(tool |/go/|.*/compile|.*/link|.*/asm)", sky.command(pid))]

    def test_generate_is_not_run(self):
        self.works("example.com/generate", "made")

    def test_cgo_directives(self):
        self.fails("example.com/cflags", 422, "cgo_off")

    def test_embed(self):
        self.works("example.com/embed", "embedded")
        for url in ("example.com/embedup", "example.com/embedroot"):
            answer = self.fails(url, 422, "compile_error")
            self.assertIn("go:embed", answer.detail)

    def test_symlinks(self):
        answer = server.call("example.com/link", "F()")
        self.assertNotIn(b"root:", answer.body)
        self.assertIn(answer.status, (200, 404, 422, 502), answer)

    def test_zip_slip(self):
        for i in range(3):
            answer = self.fails("example.com/slip%d" % i, 502)
            self.assertFalse(os.path.exists("/tmp/sky-slip"))
        self.assertNotIn(server.state, answer.detail)

    def test_bad_zip(self):
        self.fails("example.com/notzip", 502)

    def test_zip_bomb(self):
        answer = server.call("example.com/zipbomb", "F()")
        self.assertIn(answer.status, (413, 422, 507), answer)
        self.assertEqual(len(os.listdir(os.path.join(server.state, "tmp"))), 0)

    def test_build_timeout(self):
        with sky.Sky("slow", modules=tree.url, jails={"build_timeout": "300ms"}) as own:
            answer = own.call("example.com/slow", "F()")
            self.assertEqual((answer.status, answer.code, answer.json["fault"]), (422, "build_timeout", "function"), answer)
            self.assertLess(answer.timing("build"), 1300)
            sky.until(lambda: not own.jail_pids(), 2, "the end of the build jail")
            self.assertEqual(own.files(), [])

    def test_build_memory(self):
        answer = self.fails("example.com/greedy", 422)
        self.assertIn("memory", answer.detail)
        self.assertEqual((answer.json["fault"], answer.code), ("function", "build_out_of_memory"), answer)

    def test_a_huge_program(self):
        answer = server.call("example.com/data", "F()")
        self.assertIn(answer.status, (200, 413, 422, 507), answer)

    def test_linkname(self):
        answer = server.call("example.com/linkname", "F()")
        self.assertIn(answer.status, (200, 422), answer)

    def test_assembler_reads_no_host_files(self):
        for name in ("asm", "include"):
            self.fails("example.com/" + name, 422, "compile_error")

    def test_object_file(self):
        answer = server.call("example.com/syso", "F()")
        self.assertIn(answer.status, (200, 422), answer)

    def test_many_words_of_the_compiler(self):
        self.fails("example.com/words", 422, "compile_error")

    def test_names_like_ours(self):
        self.works("example.com/names", "1", "Fmt()")
        self.works("example.com/names", "2", "Main()")
        self.works("example.com/names", "x", 'F("x")')
        self.works("example.com/driver", "theirs", "Main()")
        self.works("example.com/main2", "theirs x", 'Print("x")')
        self.works("example.com/main2", "theirs xtheirs y", 'Print("x") + fmt.Print("y")')

    def test_deep_source(self):
        answer = server.call("example.com/deep", "F()")
        self.assertIn(answer.status, (200, 422), answer)

    def test_import_cycle(self):
        answer = server.call("example.com/loops", "F()")
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("cycle", answer.detail)

    @contextlib.contextmanager
    def building(self, *calls):
        """Builds that take long, while it lasts; then those who called leave, and nothing of theirs stays."""
        with contextlib.ExitStack() as stack:
            for call in calls:
                connection = stack.enter_context(contextlib.closing(server.connection()))
                connection.request("POST", "/api/v1/function", json.dumps({"url": "example.com/slow", "call": call}), {"Content-Type": "application/json"})
            yield
        sky.until(lambda: not server.files(), 3, "the end of builds that nobody waits for")

    def test_from_outside(self):
        """What a build jail is, looked at while one is at work."""
        with self.building("F() + 1"):
            pid = sky.until(lambda: [p for p in self.tools() if "go build" in sky.command(p)], 6, "a compiler")[0]
            st = sky.status(pid)
            for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
                self.assertEqual(int(st[name], 16), 0, name)
            self.assertEqual((st["NoNewPrivs"], st["Seccomp"]), ("1", "2"))
            self.assertGreaterEqual(int(st["Uid"].split()[0]), 200000)
            for name in ("user", "mnt", "pid", "net", "ipc", "uts"):
                self.assertNotEqual(os.readlink("/proc/%d/ns/%s" % (pid, name)), os.readlink("/proc/self/ns/" + name), name)
            interfaces = [line.split(":")[0].strip() for line in sky._read("/proc/%d/net/dev" % pid).splitlines() if ":" in line]
            self.assertEqual(interfaces, ["lo"])
            self.assertEqual(sky._read("/proc/%d/net/tcp" % pid).count("\n"), 1, "no sockets")
            mounts = sky._read("/proc/%d/mountinfo" % pid)
            points = {line.split()[4]: line.split()[5] for line in mounts.splitlines()}
            for point in ("/", "/go", "/src"):
                self.assertTrue(points[point].startswith("ro,"), points)
            self.assertIn("/cache", points)
            environment = {entry.split("=")[0] for entry in sky._read("/proc/%d/environ" % pid).split("\0") if entry}
            self.assertFalse(environment & {"HTTPS_PROXY", "SSH_AUTH_SOCK", "AWS_SECRET_ACCESS_KEY", "USER", "SUDO_USER"}, environment)

    def test_builds_cannot_change_the_shared_cache(self):
        cache = os.path.join(server.state, "private/gocache")

        def listing():
            found = {}
            for root, _, files in os.walk(cache):
                for name in files:
                    st = os.stat(os.path.join(root, name))
                    found[os.path.join(root, name)] = (st.st_size, st.st_mtime_ns, st.st_mode, st.st_uid)
            return found

        before = listing()
        self.works("example.com/generate", "mademade", "F() + generate.F()")
        self.assertEqual(listing(), before)

    def test_a_build_does_not_hold_up_calls(self):
        """Two, as many as there may be: calls are answered while they go on, in a small part of their time."""
        self.works("strings", "B", "ToUpper(`b`)")
        took = []
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            builds = [pool.submit(server.call, "example.com/middling", "F() + %d" % i) for i in (2, 3)]
            sky.until(lambda: sum("go build" in sky.command(pid) for pid in self.tools()) >= 2, 5, "two builds")
            while not any(build.done() for build in builds):
                answer = server.call("strings", "ToUpper(`b`)")
                self.assertEqual(answer.status, 200, answer)
                took.append(answer.seconds)
                time.sleep(0.02 * sky.SLOW)  # for the next jail to be made
            for build in builds:
                self.assertEqual(build.result().status, 200, build.result())
        quickest = min(build.result().seconds for build in builds)
        self.assertGreaterEqual(len(took), 5)
        self.assertLess(sorted(took)[len(took) // 2], quickest / 10, "%s beside a build of %.3f s" % (took, quickest))


class ZLast(unittest.TestCase):
    def test_nothing_is_left(self):
        self.assertEqual(server.stop(), 0, server.log())
        self.assertEqual(sky.describe(server.processes()), [])
        self.assertEqual(server.cgroups(), [])
        self.assertEqual(server.files(), [])
        self.assertEqual(server.mounts(), [])
        self.assertFalse(os.path.exists("/tmp/owned"))
        log = server.log()
        self.assertNotIn("the server died", log)
        self.assertNotRegex(log, r"jailer \d+ died")
