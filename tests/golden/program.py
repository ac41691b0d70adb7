# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the built programs are told by ctest, and how they end what they have started."""
import argparse
import subprocess
import sys
from pathlib import Path


def read_options(description: str, *programs: str) -> argparse.Namespace:
    """The files named on the command line: --PROGRAM FILE for each, --boards DIR; the rest is unittest's."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    for name in (*programs, "boards"):
        parser.add_argument(f"--{name}", type=lambda text: Path(text).resolve(), required=True)
    options, sys.argv[1:] = parser.parse_known_args()
    return options


def end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in filter(None, (process.stdout, process.stderr)):
        stream.close()
