# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's machine protocol: commands, the human monitor, and events, each with a deadline."""
from __future__ import annotations

import json
import socket
import time
from typing import Callable


class QmpError(Exception):
    """QEMU refused a command, went away, or did not answer in time."""


class Qmp:
    def __init__(self, connection: socket.socket, timeout: float = 20):
        self._socket = connection
        self._socket.settimeout(timeout)
        self._pending = b""
        self._events: list[dict] = []
        self._receive(time.monotonic() + timeout, lambda m: "QMP" in m)
        self.execute("qmp_capabilities")

    def execute(self, command: str, timeout: float = 20, **arguments) -> object:
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        answer = self._receive(time.monotonic() + timeout, lambda m: "return" in m or "error" in m)
        if "error" in answer:
            raise QmpError(f"{command} {arguments}: {answer['error']['desc']}")
        return answer["return"]

    def monitor(self, line: str) -> str:
        """One line for the human monitor. It reports failures in words only; the caller looks at them."""
        return str(self.execute("human-monitor-command", **{"command-line": line})).strip()

    def wait_event(self, name: str, timeout: float, matches: Callable[[dict], bool] = lambda data: True) -> dict:
        deadline = time.monotonic() + timeout
        while True:
            for event in self._events:
                if event["event"] == name and matches(event.get("data", {})):
                    self._events.remove(event)
                    return event
            self._events.append(self._receive(deadline, lambda m: "event" in m))

    def close(self) -> None:
        self._socket.close()

    def _receive(self, deadline: float, wanted: Callable[[dict], bool]) -> dict:
        while True:
            while b"\n" not in self._pending:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise QmpError("no answer from QEMU in time")
                self._socket.settimeout(remaining)
                try:
                    data = self._socket.recv(65536)
                except (TimeoutError, ConnectionError) as error:
                    raise QmpError(f"no answer from QEMU: {error}") from None
                if not data:
                    raise QmpError("QEMU closed its monitor")
                self._pending += data
            line, self._pending = self._pending.split(b"\n", 1)
            message = json.loads(line)
            if wanted(message):
                return message
            if "event" in message:
                self._events.append(message)
