#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare whole outputs of wopr-aer over the faked machines with the ones kept here.

    golden.py --program wopr-aer --boards config MACHINE [VIEW] [--update]

Each view of a machine is one file, expected/MACHINE/VIEW. --update rewrites
it instead of comparing: look at what `git diff` says then. JSON is kept in a
layout that shows what changed, one line for each part that fits in one. It is
the same in every time zone; text shows times as the owner's clock has them, and
is compared in UTC only.
"""
import argparse
import datetime
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
DEADLINE = 60  # seconds, for a sanitised build on a busy machine

# View: the arguments, the width of the terminal, the locale.
VIEWS = {
    "status-80": (["status"], 80, "C.UTF-8"),
    "status-120": (["status"], 120, "C.UTF-8"),
    "status-all-80": (["status", "--all"], 80, "C.UTF-8"),
    "status-ascii-80": (["status"], 80, "C"),
    "status.json": (["status", "--json"], 80, "C.UTF-8"),
    "topology-80": (["topology"], 80, "C.UTF-8"),
    "topology-120": (["topology"], 120, "C.UTF-8"),
    "topology.json": (["topology", "--json"], 80, "C.UTF-8"),
    "name-80": (["name"], 80, "C.UTF-8"),
    "doctor-80": (["doctor"], 80, "C.UTF-8"),
    "doctor-all-80": (["doctor", "--all"], 80, "C.UTF-8"),
    "doctor.json": (["doctor", "--json"], 80, "C.UTF-8"),
}
# For programs; the first is the one that text is compared in.
ZONES = ("UTC", "America/Los_Angeles", "Asia/Kolkata")
DISTRUSTED = 1  # the doctor's exit status for "no"; kept as the last line of its text
USUAL = ["status-80", "status-120", "status.json", "topology-80", "topology-120", "topology.json"]
MACHINES = {
    "wopr": USUAL + ["status-all-80", "status-ascii-80", "name-80", "doctor-80", "doctor-all-80", "doctor.json"],
    "wopr-firmware": USUAL + ["doctor-80", "doctor.json"],
    "unprivileged-wopr": ["status-80", "topology-80", "name-80", "doctor-80"],
    "half-blind": ["status-80", "status.json", "doctor-80", "doctor.json"],
    "six-gpu-unknown-board": USUAL + ["name-80", "doctor-80"],
    "eight-gpu-switches": USUAL + ["doctor-80"],
    "no-aer": USUAL + ["doctor-80"],
    "asleep": USUAL + ["doctor-80"],
    "virtual": ["status-80", "topology-80", "doctor-80"],
}


def compact(value, indent: str = "") -> str:
    """JSON with each part on one line that fits, in the order it came."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(indent) + len(line) <= 110:
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [f"{deeper}{json.dumps(key)}: {compact(part, deeper)}" for key, part in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    parts = [deeper + compact(part, deeper) for part in value]
    return "[\n" + ",\n".join(parts) + f"\n{indent}]"


def make_machine(name: str, folder: Path) -> None:
    subprocess.run([sys.executable, FIXTURES / "make.py", name, "--out", folder], check=True)
    names = folder / name / "usr/share/misc/pci.ids"
    names.parent.mkdir(parents=True, exist_ok=True)
    names.write_bytes((HERE / "pci.ids").read_bytes())


def zones_of(view: str) -> tuple[str, ...]:
    return ZONES if view.endswith(".json") else ZONES[:1]


def run(program: Path, machine: str, view: str, folder: Path, zone: str) -> str:
    arguments, columns, locale = VIEWS[view]
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": locale, "TZ": zone,
                   "COLUMNS": str(columns)}
    # Relative paths, so that no path of this machine stands in the output.
    command = [str(program), "--sysroot", machine, "--data-dir", "data", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=DEADLINE)
    allowed = (0, DISTRUSTED) if arguments[0] == "doctor" else (0,)
    if done.returncode not in allowed or done.stderr:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr.decode(errors='replace')}")
    text = done.stdout.decode()
    if view.endswith(".json"):
        now = datetime.datetime.now(datetime.UTC)
        times = [datetime.datetime.fromisoformat(time) for time in re.findall(r'"(?:since|now)": "([^"]*)"', text)]
        late = [str(time) for time in times if abs(now - time) > datetime.timedelta(seconds=DEADLINE)]
        if late:
            sys.exit(f"{machine} {view} in {zone}: expected the time of this run in UTC, found {', '.join(late)}")
        text = re.sub(r'"(since|now)": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', r'"\1": "TIME"', text)
        return compact(json.loads(text)) + "\n"
    for line in text.splitlines():
        if len(line) > columns and " " in line.strip().split("  # ")[0] and arguments != ["name"]:
            sys.exit(f"{machine} {view}: wider than {columns} cells: {line}")
    return text + (f"[exit status {done.returncode}]\n" if arguments[0] == "doctor" else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("machine", nargs="?", help="default: all of them")
    parser.add_argument("view", nargs="?", help="default: all of the machine's")
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--boards", type=Path, required=True, help="directory that holds boards/")
    parser.add_argument("--update", action="store_true", help="rewrite what is expected")
    options = parser.parse_args()
    for zone in ZONES[1:]:
        if not (Path("/usr/share/zoneinfo") / zone).exists():
            sys.exit(f"this machine does not know {zone}: install tzdata")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="wopr-golden-") as temporary:
        folder = Path(temporary)
        (folder / "data").symlink_to(options.boards.resolve())
        for machine in [options.machine] if options.machine else MACHINES:
            make_machine(machine, folder)
            for view in [options.view] if options.view else MACHINES[machine]:
                # Each zone must say the same: one file for all of them.
                failed += not all([check(options, machine, view, folder, zone) for zone in zones_of(view)])
    return 1 if failed else 0


def check(options: argparse.Namespace, machine: str, view: str, folder: Path, zone: str) -> bool:
    text = run(options.program.resolve(), machine, view, folder, zone)
    golden = HERE / "expected" / machine / view
    if options.update:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
        return True
    expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
    if text == expected:
        return True
    sys.stdout.writelines(difflib.unified_diff(expected.splitlines(True), text.splitlines(True),
                                               f"expected/{machine}/{view}", f"this program in {zone}"))
    print(f"\n{machine} {view} in {zone} has changed. If it is meant: ninja update-goldens, then look at git diff.")
    return False


if __name__ == "__main__":
    sys.exit(main())
