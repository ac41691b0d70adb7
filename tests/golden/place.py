#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of whole outputs pass wherever the checkout lies, as whatever it is called and whoever runs them.

A copy of what they need is put into a deep directory that has a blank in its path and is called as one of the faked
machines, and they are run there with a home directory that cannot be written to. Run by ctest.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from program import read_options

ROOT = Path(__file__).resolve().parents[2]
OPTIONS: argparse.Namespace
SCRIPTS = (["golden.py", "wopr"], ["capture.py"])
DEADLINE = 300


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="wopr-place-") as temporary:
        tree = Path(temporary, *["deep"] * 20, "a b", "wopr")
        for name in ("tests/golden", "tests/fixtures", "tests/support", "config"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        program = tree / "build" / OPTIONS.program.name
        program.parent.mkdir()
        shutil.copy(OPTIONS.program, program)
        failed = 0
        for script, *more in SCRIPTS:
            command = [sys.executable, tree / "tests/golden" / script, *more, "--program", program, "--boards", tree / "config"]
            failed += subprocess.run(command, env=os.environ | {"HOME": "/nonexistent"}, timeout=DEADLINE, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    OPTIONS = read_options(__doc__, "program")
    sys.exit(main())
