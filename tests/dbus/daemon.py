# SPDX-License-Identifier: GPL-2.0-or-later
"""The real wopr-aerd on a faked machine, with a history, on the bus of a test."""
import os
import pathlib
import signal
import subprocess

from bus import DEADLINE
from lines import Lines

TOP = pathlib.Path(__file__).parents[2]


def make_machine(directory):
    subprocess.run(["/usr/bin/python3", TOP / "tests/fixtures/make.py", "wopr", "--out", directory], check=True,
                   stdout=subprocess.DEVNULL, timeout=DEADLINE * 3)
    return directory / "wopr"


class Daemon:
    def __init__(self, program, address, machine, state):
        self._command = [program, "--sysroot", machine, "--data-dir", TOP / "config", "--snapshot", "none", "--state", state,
                         "--bus", address]
        self._machine = machine
        self._process = None
        state.mkdir(exist_ok=True)

    def start(self, until=(b"watching", b"serving"), notify=None):
        """Until it has said so, in any order; it tells the socket `notify` what it tells systemd."""
        environment = os.environ if notify is None else {**os.environ, "NOTIFY_SOCKET": str(notify)}
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, env=environment)
        said = Lines(self._process.stderr)
        waiting = set(until)
        while waiting:
            line = said.next(DEADLINE)
            waiting = {word for word in waiting if word not in line}

    def kill(self):
        self._process.kill()
        self._process.wait(DEADLINE)
        self._process.stderr.close()
        self._process = None

    def stop(self):
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(DEADLINE) == 0, "the service did not end well"
        self._process.stderr.close()
        self._process = None

    def add_errors(self, function, token, count):
        """In place, as the kernel does: the service holds the file open."""
        file = (self._machine / "sys/bus/pci/devices" / function).resolve() / "aer_dev_correctable"
        rows = [row.rsplit(" ", 1) for row in file.read_text().splitlines()]
        names = (token, "TOTAL_ERR_COR")
        text = "".join(f"{name} {int(value) + (count if name in names else 0)}\n" for name, value in rows)
        with file.open("r+") as out:
            out.write(text)
            out.truncate()
