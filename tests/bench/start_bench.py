#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the service takes from its start to being ready, with a year of history (wopr_history_bench --keep).

Of its processor time, which is not for others to spend: at most half a second in the middle one of five starts. How
long the clock says it took is shown.
"""
import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
MOST_MS = 500
DEADLINE = 60


def processor_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(command: list[str], folder: Path) -> tuple[float, float]:
    """Milliseconds of processor and of the clock until it says READY=1; then it is stopped."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(folder / "notify"))
        told.settimeout(DEADLINE)
        begun = time.monotonic()
        process = subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while b"READY=1" not in told.recv(65536):
                pass
            taken = 1000 * (time.monotonic() - begun)
            used = processor_ms(process.pid)
            process.send_signal(signal.SIGTERM)
            if process.wait(DEADLINE) != 0:
                raise SystemExit(f"{command[0]} ended with {process.returncode}")
        finally:
            process.kill()
            process.wait()
    (folder / "notify").unlink()
    return used, taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("daemon", "machine", "boards", "history"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wopr-start-") as name:
        folder = Path(name)
        state = folder / "state"
        state.mkdir()
        shutil.copy(options.history, state / "history.db")
        command = [str(options.daemon), "--sysroot", str(options.machine), "--data-dir", str(options.boards),
                   "--snapshot", str(folder / "none"), "--bus", f"unix:path={folder}/nobody", "--state", str(state)]
        rounds = [start(command, folder) for _ in range(ROUNDS)]
        kept = (state / "history.db").stat().st_size
    used, taken = (statistics.median(column) for column in zip(*rounds))
    print(f"a history of {kept >> 20} MiB, {ROUNDS} starts: {used:.0f} ms of the processor (at most {MOST_MS}), "
          f"{taken:.0f} ms by the clock")
    if kept < options.history.stat().st_size // 2:
        print("the service has not taken the history for its own")
        return 1
    return 0 if used <= MOST_MS else 1


if __name__ == "__main__":
    sys.exit(main())
