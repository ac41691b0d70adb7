# SPDX-License-Identifier: GPL-2.0-or-later
"""A message bus, a service and clients of one's own for each test; nothing touches the system's bus."""
import pathlib

import pytest

from bus import Bus
from client import Client
from daemon import Daemon, make_machine
from service import Service


def pytest_addoption(parser):
    parser.addoption("--programs", type=pathlib.Path, required=True, help="where the built programs are")


@pytest.fixture
def programs(request):
    return request.config.getoption("--programs").resolve()


@pytest.fixture
def stopped_bus(tmp_path):
    bus = Bus(tmp_path)
    yield bus
    bus.close()


@pytest.fixture
def bus(stopped_bus):
    stopped_bus.start()
    return stopped_bus


@pytest.fixture
def start_service(programs, stopped_bus):
    """Starts the service on the bus of this test; `status` is what it shows first."""
    started = []

    def start(status=None, wait=True):
        service = Service(programs / "wopr_service_host", stopped_bus.address)
        started.append(service)
        if status is not None:
            service.publish(status)
        if wait:
            service.wait_for("serving")
        return service

    yield start
    for service in started:
        service.close()


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    return make_machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def daemon(programs, bus, machine, tmp_path):
    """The real service, with a history of its own."""
    daemon = Daemon(programs / "wopr-aerd", bus.address, machine, tmp_path / "state")
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def connect(bus):
    opened = []

    def open_client(uid=None):
        client = Client(bus.address, uid)
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.close()
