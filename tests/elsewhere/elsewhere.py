#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds, tests, installs and removes the product on other releases of Debian, each in a chroot of its own.

Nothing here names a package host: a release comes from wherever this machine's own does. A chroot is kept in the
cache under a name that carries a hash of what it was made from, with its build directory beside it, so that a second
call builds only what has changed; the installation is tried in a copy-on-write layer that goes with the run. Within,
there is no network, the source tree is read-only, has a blank in its name, and belongs to somebody else.

    elsewhere.py [--cache DIR] [--refresh] [--jobs N] --packages NAME,... [RELEASE...]

A release that must pass and does not makes the exit status 1; the others are only told of.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/vm"))
from images import BuildError, apt_source_files, command, exclusive, host_distribution  # noqa: E402

# Must it pass? What is broken in an unstable distribution is not ours.
RELEASES = {"trixie": True, "sid": False}
# What the package itself needs to be installed without a network, and the tests' ordinary user.
MORE_PACKAGES = ["adduser", "dbus", "init-system-helpers", "lintian", "groff-base", "binutils", "systemd", "dpkg-dev", "gzip"]
HOOKS = ['chroot "$1" useradd --create-home --shell /bin/sh builder']
# What is shown of each, to say what was tried.
TOLD_OF = ["g++", "cmake", "libfmt-dev", "libcli11-dev", "libtomlplusplus-dev", "libpci-dev", "systemd", "libgtest-dev", "lintian"]


def sources_of(release: str, files: list[Path], own: str) -> str:
    """This machine's package sources with `release` for its own; updates and what is not Debian's are left out."""
    stanzas = []
    for file in files:
        text = re.sub(r"^\s*#.*\n?", "", file.read_text(), flags=re.M)
        if file.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text.strip()):
                suites = re.search(r"^Suites:\s*(.*)$", stanza, re.M)
                if suites and own in suites.group(1).split():
                    stanzas.append(re.sub(r"^Suites:.*$", f"Suites: {release}", stanza, flags=re.M))
        else:
            lines = re.findall(rf"^(deb\s+(?:\[[^\]]*\]\s+)?\S+\s+){own}(\s.*)$", text, re.M)
            stanzas += [f"{before}{release}{after}" for before, after in lines]
    if not stanzas:
        raise BuildError(f"no apt source of this machine is for {own}: {', '.join(map(str, files)) or 'there are none'}")
    return "\n\n".join(stanzas) + "\n"


def chroot_of(release: str, packages: list[str], cache: Path, refresh: bool) -> Path:
    distro, own = host_distribution()
    if distro != "debian":
        raise BuildError(f"the chroots are made from Debian's package sources, and this machine's are {distro or 'unknown'}'s")
    sources = sources_of(release, apt_source_files(), own)
    recipe = {"format": 1, "release": release, "sources": sources, "packages": packages, "hooks": HOOKS}
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    final = cache / f"{release}-{key}"
    with exclusive(cache / f".{release}.lock"):
        if final.is_dir() and not refresh:
            return final
        print(f"elsewhere: making a chroot of {release} in {cache}", flush=True)
        for old in cache.glob(f"{release}-*"):
            shutil.rmtree(old)
        work = Path(tempfile.mkdtemp(prefix=f".{release}-", dir=cache))
        try:
            listed = cache / f".{release}.sources" if sources.startswith("Types:") else cache / f".{release}.list"
            listed.write_text(sources)
            command(["mmdebstrap", "--variant=apt", "--format=directory", "--include=" + ",".join(packages),
                     # A mirror that has stood still is still a release to try.
                     '--aptopt=Acquire::Check-Valid-Until "false"', "--dpkgopt=force-unsafe-io",
                     *(f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("man", "locale", "info")),
                     *(f"--customize-hook={hook}" for hook in HOOKS), release, str(work / "root"), str(listed)])
            (work / "build").mkdir()
            work.chmod(0o755)
            work.rename(final)  # whole or not at all
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return final


def versions(root: Path) -> str:
    said = command(["chroot", str(root), "dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *TOLD_OF])
    return ", ".join(re.sub(r"-dev | \d+:|-[\w.+~]+$", " ", row).replace("  ", " ") for row in said.split("\n") if row)


def attempt(release: str, place: Path, jobs: int) -> bool:
    """All steps of inside.sh, in namespaces of their own: what they mount, start and install ends with them."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "JOBS": str(jobs)}
    return subprocess.run(["unshare", "--mount", "--pid", "--ipc", "--net", "--fork", "--kill-child", "--propagation", "private",
                           str(HERE / "enter.sh"), str(place), str(ROOT)], env=environment, stdin=subprocess.DEVNULL,
                          check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=ROOT / "build/elsewhere", help="where chroots are kept (default: %(default)s)")
    parser.add_argument("--refresh", action="store_true", help="make the chroots anew")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--packages", required=True, help="what is needed to build and to test")
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=f"of {', '.join(RELEASES)} (default: all of them)")
    args = parser.parse_args()
    unknown = set(args.releases) - set(RELEASES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))} here, only {', '.join(RELEASES)}")
    args.cache.mkdir(parents=True, exist_ok=True)
    packages = sorted({*args.packages.split(","), *MORE_PACKAGES})
    results = {}
    for release in args.releases or RELEASES:
        began = time.monotonic()
        try:
            place = chroot_of(release, packages, args.cache.resolve(), args.refresh)
            print(f"elsewhere: {release}: {versions(place / 'root')}", flush=True)
            passed = attempt(release, place, args.jobs)
        except BuildError as error:
            print(f"elsewhere: {release}: {error}", file=sys.stderr)
            passed = False
        took = round(time.monotonic() - began)
        results[release] = passed
        print(f"elsewhere: {release} {'passed' if passed else 'FAILED'} in {took // 60} min {took % 60:02} s", flush=True)
    for release in [name for name, passed in results.items() if not passed and not RELEASES[name]]:
        print(f"elsewhere: {release} need not pass: it changes every day. Look whether it is ours.")
    return 1 if any(RELEASES[name] and not passed for name, passed in results.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
