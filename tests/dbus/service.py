# SPDX-License-Identifier: GPL-2.0-or-later
"""The service program of these tests: its commands, its answers and what it reports meanwhile."""
import json
import os
import signal
import subprocess

from bus import DEADLINE
from lines import Lines


class Service:
    def __init__(self, program, address):
        self.process = subprocess.Popen([program, "--bus", address], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reports = []
        self._lines = Lines(self.process.stdout)

    def publish(self, status, errors=()):
        self._tell({"publish": status, "errors": list(errors)}, "published")

    def directory(self, members=(), answers=True):
        """The accounts' database from now on: who is in the group, and whether it answers at all."""
        self._tell({"directory": {"members": list(members), "answers": answers}}, "directory")

    def _tell(self, command, acknowledgement):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        while acknowledgement not in (answer := json.loads(self._lines.next(DEADLINE))):
            self.reports.append(answer)

    def wait_for(self, text):
        """Until the service reports this; reports of before count, and are forgotten."""
        while not any(text in report["what"] for report in self.reports):
            self.reports.append(json.loads(self._lines.next(DEADLINE)))
        found = next(report for report in self.reports if text in report["what"])
        del self.reports[: self.reports.index(found) + 1]
        return found

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process.poll() is None:
            self.resume()
            self.process.stdin.close()
            assert self.process.wait(DEADLINE) == 0, "the service did not end well"
        self.process.stdout.close()
