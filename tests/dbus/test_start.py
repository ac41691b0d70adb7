# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd is told that the service is ready when it can be asked, and never waits long for that, nor for its end."""
import socket

import pytest
from bus import DEADLINE
from client import MANAGER, ROOT, Client


class Systemd:
    """What the service tells systemd."""

    def __init__(self, directory):
        self.address = directory / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(self.address))

    def told_ready(self, seconds=0.0):
        self._socket.settimeout(seconds)
        try:
            while b"READY=1" not in self._socket.recv(65536).split(b"\n"):
                pass
        except (BlockingIOError, TimeoutError):
            return False
        return True

    def close(self):
        self._socket.close()


@pytest.fixture
def systemd(tmp_path):
    listener = Systemd(tmp_path)
    yield listener
    listener.close()


def test_ready_is_who_can_be_asked(daemon, bus, systemd):
    daemon.stop()
    bus.pause()
    daemon.start(until=[b"watching"], notify=systemd.address)
    assert not systemd.told_ready()
    bus.resume()
    assert systemd.told_ready(DEADLINE)
    client = Client(bus.address)
    assert client.all(ROOT, MANAGER)["Version"]
    client.close()


def test_a_bus_that_does_not_answer_holds_up_no_start(daemon, bus, systemd):
    daemon.stop()
    bus.pause()
    daemon.start(until=[b"watching"], notify=systemd.address)
    assert systemd.told_ready(DEADLINE)
    bus.resume()


def test_nor_does_a_bus_that_is_not_there(daemon, bus, systemd):
    daemon.stop()
    bus.kill()
    daemon.start(until=[b"watching"], notify=systemd.address)
    assert systemd.told_ready()


def test_nor_does_it_hold_up_an_end(daemon, bus):
    bus.pause()
    daemon.stop()
    daemon.start(until=[b"watching"])
    daemon.stop()
    bus.resume()
