"""What is built for elsewhere comes from the same places as the host's packages, beside its apt and dpkg: an apt that works in a
directory of its own."""

import glob
import os
import re
import shutil
import subprocess

from files import written

# Read after the host's configuration, whose hooks are the host's affair.
CONFIGURATION = """#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear APT::Architectures;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{apt}/sources.list.d";
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
"""


def binaries(text):
    """A list of places for packages of any architecture, without sources."""
    text = re.sub(r"^(Architectures:.*\n|deb-src\s.*\n)", "", text, flags=re.M)
    return re.sub(r"^(deb\s+\[.*?)\barch=[^\s\]]+", r"\1", text, flags=re.M)


def sources(text):
    """One for sources alone, which the host mostly has none of."""
    return re.sub(r"^deb\s", "deb-src ", re.sub(r"^Types:.*$", "Types: deb-src", binaries(text), flags=re.M), flags=re.M)


def apt(directory, architecture, kind=binaries):
    """The command that works there alone, with the host's places."""
    parts = os.path.join(directory, "sources.list.d")
    shutil.rmtree(parts, ignore_errors=True)
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.list"), *glob.glob("/etc/apt/sources.list.d/*.sources")]:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                written(os.path.join(parts, os.path.basename(path).replace("sources.list", "main.list")), kind(f.read()))
    for name in ("sources.list.d", "state/lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    written(os.path.join(directory, "status"), "")
    configuration = written(os.path.join(directory, "apt.conf"), CONFIGURATION.format(architecture=architecture, apt=directory))
    return ["apt-get", "-q", "-y", "-c", configuration]


def installed(package):
    """The source that a package of this host was made from, and its version."""
    return subprocess.run(["dpkg-query", "-W", "-f", "${source:Package} ${source:Version}", package], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.split()


def source(command, package, version, directory):
    """Unpacks it there, with Debian's changes: of the version that the host has, or of one that is still to be had."""
    part = directory + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    for wanted in (f"{package}={version}", package):
        got = subprocess.run([*command, "source", "--download-only", wanted], cwd=part, check=False)
        if got.returncode == 0:
            break
    got.check_returncode()
    subprocess.run(["dpkg-source", "-x", glob.glob(os.path.join(glob.escape(part), "*.dsc"))[0], os.path.join(part, "source")],
                   cwd=part, check=True, stdout=subprocess.DEVNULL)
    os.rename(os.path.join(part, "source"), directory)
    shutil.rmtree(part)
