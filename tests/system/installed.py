"""What `./dev install` brings, below DESTDIR: everywhere, and on each system besides. The C client's library is not among it,
whose directory is the system's own."""

import os

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EVERYWHERE = {
    "usr/local/bin/sky-island",
    "usr/local/etc/sky-island/config.json.sample",
    "usr/local/include/sky_island.h",
    "usr/local/share/man/man8/sky-island.8",
    *("usr/local/share/doc/sky-island/" + name for name in ("CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md")),
    "usr/local/share/doc/sky-island/contrib/grafana/sky-island.json",
    *("usr/local/share/doc/sky-island/docs/" + name for name in os.listdir(os.path.join(TOP, "docs"))),
    *("usr/local/share/doc/sky-island/clients/" + name for name in (
        "README.md", "c/README.md", "c/sky_island.c", "c/sky_island.h", "go/README.md", "go/admin.go", "go/go.mod", "go/problem.go",
        "go/send.go", "go/skyisland.go", "python/README.md", "python/pyproject.toml", "python/sky_island/__init__.py",
        "python/sky_island/py.typed")),
}
LINUX = {
    "usr/local/lib/systemd/system/sky-island.service",
    "usr/local/lib/systemd/system/sky-island.socket",
    "usr/local/lib/sysusers.d/sky-island.conf",
    "usr/local/lib/tmpfiles.d/sky-island.conf",
    "usr/local/share/doc/sky-island/contrib/apparmor/sky-island",
}
FREEBSD = {
    "usr/local/etc/rc.d/sky_island",
}
LIBRARY = {"libsky-island.so", "libsky-island.so.0", "libsky-island.so.0.1.0", "pkgconfig/sky-island.pc"}


def listing(top):
    return {os.path.relpath(os.path.join(root, name), top) for root, _, names in os.walk(top) for name in names}
