# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of the line to guest/agent.py: run programs in the guest, follow what they write, copy files.

A reader thread takes in whatever the guest sends, so a chatty background program never stalls the guest. Every
wait has a deadline and names what it waited for.
"""
from __future__ import annotations

import base64
import itertools
import json
import signal as signals
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable


class GuestError(Exception):
    """The guest could not do something, or did not do it in time."""


@dataclass(frozen=True)
class Result:
    status: int
    stdout: str
    stderr: str


class Process:
    """A program started in the guest. Output may be read while it runs."""

    def __init__(self, channel: Channel, number: int, title: str):
        self._channel, self._number, self.title = channel, number, title
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._read = {"stdout": 0, "stderr": 0}  # bytes already given out as lines
        self.status: int | None = None

    @property
    def stdout(self) -> str:
        return self._output["stdout"].decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self._output["stderr"].decode(errors="replace")

    def wait(self, timeout: float = 60) -> Result:
        self._channel.until(lambda: self.status is not None, timeout, f"'{self.title}' to end")
        return Result(self.status, self.stdout, self.stderr)

    def finish(self, timeout: float = 60) -> Result:
        """Waits for the end, which must be a success."""
        result = self.wait(timeout)
        if result.status != 0:
            raise GuestError(f"'{self.title}' ended with {result.status}\n{result.stdout}{result.stderr}")
        return result

    def next_line(self, timeout: float = 60, stream: str = "stdout") -> str | None:
        """The next whole line without its end, or None when the program ended without one."""
        output = self._output[stream]

        def ready() -> bool:
            return self.status is not None or output.find(b"\n", self._read[stream]) >= 0
        self._channel.until(ready, timeout, f"a line from '{self.title}'")
        start, end = self._read[stream], output.find(b"\n", self._read[stream])
        if end < 0:
            return None
        self._read[stream] = end + 1
        return output[start:end].decode(errors="replace")

    def wait_line(self, wanted: Callable[[str], bool], timeout: float = 60) -> str:
        """The next line of stdout that is wanted; lines before it are passed over."""
        deadline = time.monotonic() + timeout
        last = ""
        while (line := self.next_line(max(0.0, deadline - time.monotonic()))) is not None:
            if wanted(line):
                return line
            last = line
        raise GuestError(f"'{self.title}' ended with {self.status} before the line waited for; last was: {last}\n"
                         f"{self.stderr}")

    def signal(self, number: int) -> None:
        self._channel.send({"op": "signal", "id": self._number, "signal": int(number)})

    def stop(self, number: int = signals.SIGTERM, timeout: float = 30) -> Result:
        self.signal(number)
        return self.wait(timeout)


class Channel:
    def __init__(self, connection: socket.socket):
        self._socket = connection
        self._changed = threading.Condition()
        self._send_lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._processes: dict[int, Process] = {}
        self._answers: dict[int, dict] = {}
        self._hellos: list[str] = []
        self._closed = False
        self.timed_out = False  # the guest missed a deadline: do not trust it any more
        threading.Thread(target=self._read_all, daemon=True).start()

    # --- for tests --------------------------------------------------------------------------------------

    def wait_hello(self, timeout: float) -> str:
        """The boot id of the next boot the guest announces."""
        self.until(lambda: bool(self._hellos), timeout, "the guest to come up")
        return self._hellos.pop(0)

    def start(self, argv: list[str] | str, user: str = "root", stdin: str | bytes = b"",
              env: dict[str, str] | None = None) -> Process:
        """Starts a program (or a line of shell) and returns once it runs."""
        words = ["/bin/sh", "-c", argv] if isinstance(argv, str) else [str(word) for word in argv]
        number = next(self._numbers)
        process = self._processes[number] = Process(self, number, argv if isinstance(argv, str) else " ".join(words))
        data = stdin.encode() if isinstance(stdin, str) else stdin
        self._ask({"op": "start", "id": number, "argv": words, "user": user, "env": env or {},
                   "stdin": base64.b64encode(data).decode()}, 60)
        return process

    def run(self, argv: list[str] | str, user: str = "root", stdin: str | bytes = b"", timeout: float = 60,
            check: bool = True, env: dict[str, str] | None = None) -> Result:
        process = self.start(argv, user, stdin, env)
        return process.finish(timeout) if check else process.wait(timeout)

    def put(self, path: str, data: str | bytes | Path, mode: int = 0o644) -> None:
        raw = data.read_bytes() if isinstance(data, Path) else data.encode() if isinstance(data, str) else data
        self._ask({"op": "put", "id": next(self._numbers), "path": path, "mode": mode,
                   "data": base64.b64encode(raw).decode()}, 60)

    def get(self, path: str) -> bytes:
        return base64.b64decode(self._ask({"op": "get", "id": next(self._numbers), "path": path}, 60)["data"])

    # --- the line ---------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        with self._changed:
            if self._changed.wait_for(lambda: condition() or self._closed, timeout) and condition():
                return
            self.timed_out = True
        reason = "the guest is gone" if self._closed else f"not within {timeout:.0f} s"
        raise GuestError(f"waited for {what}: {reason}")

    def send(self, request: dict) -> None:
        with self._send_lock:
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError as error:
                raise GuestError(f"the guest is gone: {error}") from None

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _ask(self, request: dict, timeout: float) -> dict:
        self.send(request)
        number = request["id"]
        self.until(lambda: number in self._answers, timeout, f"an answer to {request['op']}")
        answer = self._answers.pop(number)
        if "error" in answer:
            self._processes.pop(number, None)
            raise GuestError(f"{request['op']} {request.get('argv') or request.get('path')}: {answer['error']}")
        return answer

    def _read_all(self) -> None:
        pending = b""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except OSError:
                data = b""
            with self._changed:
                if not data:
                    self._closed = True
                    self._changed.notify_all()
                    self._socket.close()
                    return
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
                self._changed.notify_all()

    def _take(self, message: dict) -> None:
        if "hello" in message:
            self._hellos.append(message["hello"])
            return
        process = self._processes.get(message["id"])
        for stream in ("stdout", "stderr"):
            if process and stream in message:
                process._output[stream] += base64.b64decode(message[stream])
                return
        if process and "exit" in message:
            process.status = message["exit"]
            del self._processes[message["id"]]
            return
        self._answers[message["id"]] = message
