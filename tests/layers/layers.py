#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the drawings of docs/architecture.md against the includes.

Two drawings stand there, each in a block that begins with a mark: the rooms of lib/core with their floors, and the
folders. A line names a room and what it includes. An include that the drawing does not have, an arrow in it that no
include makes, a room that goes up or to a neighbour not drawn, a circle, a name that two files share, a system call
in the core, or a time zone anywhere but in its one file is a fault; each is printed with its file, and the exit status is 1."""
import argparse
import collections
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
SYSTEM = re.compile(r"^\s*#\s*include\s+<([^>]+)>", re.M)
# The core is values and pure functions. What opens, waits, sleeps, prints or starts something is none of its business.
FORBIDDEN_IN_CORE = {"fstream", "iostream", "cstdio", "stdio.h", "thread", "mutex", "condition_variable", "future", "fcntl.h",
                     "sys/stat.h", "sys/socket.h", "sys/mman.h", "poll.h", "dirent.h", "signal.h", "time.h"}
# Times for programs are in UTC, by core/base/rfc3339. Who formats a time another way has local time sooner or later.
TIME_ZONES = re.compile(r"<fmt/chrono\.h>|\b(?:localtime|gmtime|mktime|strftime|current_zone|zoned_time)\w*")
MAY_USE_TIME_ZONES = "lib/source/local_time.cpp"
# A program's own entry and its own options may be called what they are.
SHARED_NAMES = {"main", "options"}
PROGRAMS = ("cli", "daemon", "probe")


class Drawing:
    """A block of docs/architecture.md: for each name its floor (0 where there are none) and what it may include."""

    def __init__(self, text: str, mark: str, columns: int):
        match = re.search(rf"<!-- layers: {mark} -->\n(.*?)<!-- end -->", text, re.S)
        if not match:
            raise SystemExit(f"layers: docs/architecture.md has no block '<!-- layers: {mark} -->' ... '<!-- end -->'")
        self.floor: dict[str, int] = {}
        self.arrows: dict[str, set[str]] = {}
        for line in match.group(1).splitlines():
            words = line.replace("`", "").split()
            if columns == 2 and len(words) >= 2 and words[0].isdigit():
                self.add(words[1], int(words[0]), words[2:])
            elif columns == 1 and line.startswith("    ") and words:
                self.add(words[0], 0, words[1:])

    def add(self, name: str, floor: int, targets: list[str]) -> None:
        self.floor[name] = floor
        self.arrows[name] = {target for target in targets if target not in ("->", "-")}


def sources(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".hpp", ".cpp"))


def room_arrows(root: pathlib.Path) -> dict[str, dict[str, list[str]]]:
    """Room -> room it includes -> where."""
    arrows: dict[str, dict[str, list[str]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for path in sources(root / "lib/core"):
        place = path.relative_to(root / "lib/core")
        room = place.parts[0] if len(place.parts) > 1 else "(no room)"
        _ = arrows[room]
        for included in INCLUDE.findall(path.read_text()):
            parts = included.split("/")
            if parts[0] != "core":
                arrows[room][parts[0] + "/"].append(f"{path.relative_to(root)} includes {included}")
            elif len(parts) < 3:
                arrows[room]["(no room)"].append(f"{path.relative_to(root)} includes {included}")
            elif parts[1] != room:
                arrows[room][parts[1]].append(f"{path.relative_to(root)} includes {included}")
    return arrows


def folder_arrows(root: pathlib.Path) -> dict[str, dict[str, list[str]]]:
    folders = {path.name: path for path in sorted((root / "lib").iterdir()) if path.is_dir()}
    folders |= {name: root / name for name in PROGRAMS}
    arrows: dict[str, dict[str, list[str]]] = {name: collections.defaultdict(list) for name in folders}
    for name, folder in folders.items():
        for path in sources(folder):
            for included in INCLUDE.findall(path.read_text()):
                target = included.split("/")[0]
                if "/" in included and target in folders and target != name:
                    arrows[name][target].append(f"{path.relative_to(root)} includes {included}")
    return arrows


def compare(what: str, drawn: Drawing, found: dict[str, dict[str, list[str]]]) -> list[str]:
    faults = []
    for name in sorted(set(found) - set(drawn.arrows)):
        faults.append(f"{what} {name} is not drawn in docs/architecture.md")
    for name in sorted(set(drawn.arrows) - set(found)):
        faults.append(f"{what} {name} is drawn, and there is none")
    for name, targets in sorted(found.items()):
        allowed = drawn.arrows.get(name, set())
        for target in sorted(set(targets) - allowed):
            faults += [f"{place}: {name} may not use {target}" for place in targets[target]]
        for target in sorted(allowed - set(targets)):
            faults.append(f"docs/architecture.md draws {name} -> {target}, which no include makes")
    return faults


def climbs(drawn: Drawing) -> list[str]:
    return [f"docs/architecture.md draws {name} -> {target}, which does not go down"
            for name, targets in sorted(drawn.arrows.items()) for target in sorted(targets)
            if drawn.floor.get(target, -1) >= drawn.floor[name]]


def circles(drawn: Drawing) -> list[str]:
    done: set[str] = set()
    faults: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            faults.append("a circle: " + " -> ".join(path[path.index(name):] + (name,)))
        elif name not in done:
            for target in sorted(drawn.arrows.get(name, ())):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(drawn.arrows):
        visit(name, ())
    return faults


def shared_names(root: pathlib.Path) -> list[str]:
    places: dict[str, set[str]] = collections.defaultdict(set)
    for folder in ("lib", *PROGRAMS):
        for path in sources(root / folder):
            places[path.stem].add(str(path.relative_to(root).with_suffix("")))
    return [f"two files are called {name}: {', '.join(sorted(found))}" for name, found in sorted(places.items())
            if len(found) > 1 and name not in SHARED_NAMES]


def system_calls(root: pathlib.Path) -> list[str]:
    return [f"{path.relative_to(root)}: the core includes <{header}>" for path in sources(root / "lib/core")
            for header in SYSTEM.findall(path.read_text()) if header in FORBIDDEN_IN_CORE]


def time_zones(root: pathlib.Path) -> list[str]:
    """In code; what a comment says of them is no use."""
    return [f"{path.relative_to(root)} uses {found}: times are made by core/base/rfc3339, or by {MAY_USE_TIME_ZONES} for people"
            for folder in ("lib", *PROGRAMS) for path in sources(root / folder) if str(path.relative_to(root)) != MAY_USE_TIME_ZONES
            for found in TIME_ZONES.findall(re.sub(r"//.*", "", path.read_text()))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    root = parser.parse_args().root
    text = (root / "docs/architecture.md").read_text()
    rooms, folders = Drawing(text, "rooms", 2), Drawing(text, "folders", 1)
    faults = compare("room", rooms, room_arrows(root)) + compare("folder", folders, folder_arrows(root))
    faults += climbs(rooms) + circles(rooms) + circles(folders) + shared_names(root) + system_calls(root) + time_zones(root)
    for fault in faults:
        print(fault)
    arrows = sum(len(targets) for targets in rooms.arrows.values())
    print(f"{len(rooms.arrows)} rooms, {len(set(rooms.floor.values()))} floors, {arrows} arrows; {len(folders.arrows)} folders; "
          f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
