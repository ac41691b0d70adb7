# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of a pipe, each waited for with a deadline."""
import os
import select
import time


class Lines:
    def __init__(self, pipe):
        self._fd = pipe.fileno()
        self._waiting = b""

    def next(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self._waiting:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no line within {seconds} s"
            more = os.read(self._fd, 1 << 20)
            assert more, "the program has ended"
            self._waiting += more
        line, self._waiting = self._waiting.split(b"\n", 1)
        return line
