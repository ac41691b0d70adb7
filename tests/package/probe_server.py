# SPDX-License-Identifier: GPL-2.0-or-later
"""The root helper as systemd starts it: a listening socket at descriptor 3, named by the environment."""
from __future__ import annotations

import array
import os
import socket
import subprocess
from pathlib import Path


class Server:
    """A helper that serves; a context. Everything it is asked goes through `ask`."""

    def __init__(self, program: Path, sysroot: Path | None, verb: str, where: Path):
        self.path = str(where)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(64)
        root = ["--sysroot", str(sysroot)] if sysroot else []
        # The shell knows the process id that LISTEN_PID has to name; dash knows no descriptor beyond 9.
        command = ["/bin/bash", "-c", 'exec 3<&"$LISTENER"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "sh", str(program),
                   *root, verb]
        self.process = subprocess.Popen(command, pass_fds=[self.listener.fileno()], stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "LISTENER": str(self.listener.fileno())})

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.listener.close()

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(self.path)  # waits while the queue is full, as it would not with a timeout
        client.settimeout(20)
        return client

    def ask(self, packet: bytes) -> tuple[bytes, int | None]:
        with self.connect() as client:
            return ask(client, packet)


def ask(client: socket.socket, packet: bytes) -> tuple[bytes, int | None]:
    """The answer and the descriptor that came along."""
    client.send(packet)
    return receive(client)


def receive(client: socket.socket) -> tuple[bytes, int | None]:
    text, ancillary, _, _ = client.recvmsg(4096, socket.CMSG_SPACE(16))
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        descriptors.frombytes(data[:len(data) - len(data) % descriptors.itemsize])
    assert len(descriptors) <= 1
    return text, descriptors[0] if descriptors else None
