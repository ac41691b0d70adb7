# SPDX-License-Identifier: GPL-2.0-or-later
"""Buses that go, stop and come back; clients that do not read; two services. Counting goes on through all of it."""
import os
import subprocess
import time

import pytest
import statuses
from bus import DEADLINE
from client import LINK, MANAGER, NAME, ROOT, Client
from rude import blob
from rude import connect as connect_rudely

PCIE3 = statuses.path("0000:c0:01.1")


def with_count(value):
    status = statuses.usual()
    status["slots"][1]["correctable"]["port"]["RxErr"] = value
    return status


def voluminous(value, links=()):
    """A status whose every change fills much of a socket's buffer, which for root holds 8 MiB."""
    status = statuses.status(*links) if links else with_count(value)
    for link in status["slots"]:
        link["reasons"] = [f"{value} {'x' * 1000}"] * (250 if not links else 64)
    return status


def count(client):
    return client.all(PCIE3, LINK)["Correctable"]["port"]["RxErr"]


def test_the_bus_is_killed_and_comes_back(bus, start_service):
    service = start_service(with_count(1))
    for round in (2, 3):
        bus.kill()
        assert service.wait_for("has gone")["trouble"] is True
        service.publish(with_count(round))
        bus.start()
        assert service.wait_for("serving")["trouble"] is False
        client = Client(bus.address)
        assert count(client) == round
        client.listen()
        service.publish(with_count(round + 100))
        assert [s[1] for s in client.heard()] == ["PropertiesChanged"]
        client.close()


def test_the_service_may_come_before_the_bus(stopped_bus, start_service):
    service = start_service(with_count(5), wait=False)
    assert service.wait_for("cannot reach the message bus")["trouble"] is True
    stopped_bus.start()
    service.wait_for("serving")
    client = Client(stopped_bus.address)
    assert count(client) == 5
    client.close()


def test_a_bus_that_does_not_read_stops_nothing(bus, start_service, connect):
    service = start_service(with_count(0))
    client = connect()
    client.listen()
    bus.pause()
    for value in range(1, 151):  # each must be answered, or publish() fails
        service.publish(voluminous(value))
    assert service.wait_for("does not keep up")["trouble"] is True
    assert not [r for r in service.reports if "keep up" in r["what"]], "said more than once"
    bus.resume()
    assert service.wait_for("keeps up again")["trouble"] is False

    def told_the_last(signals):
        return any(path == PCIE3 and name == "PropertiesChanged" and
                   arguments[1]["Correctable"]["port"]["RxErr"] == 150 for path, name, arguments in signals)
    client.wait_until(told_the_last)
    assert len(client.heard()) < 150, "nothing was left out: the bus was never full, so this tested nothing"


def test_links_that_came_and_went_meanwhile_are_told_right(bus, start_service, connect):
    full = voluminous(0, statuses.many(100)["slots"])
    service = start_service(statuses.usual())
    client = connect()
    client.listen()
    service.publish(full)
    client.wait_until(lambda signals: sum(name == "LinkAdded" and arguments[1].startswith("SLOT")
                                          for _, name, arguments in signals) == 100)
    client.signals.clear()
    bus.pause()
    for _ in range(3):
        service.publish(statuses.usual())
        service.publish(full)
    service.publish(statuses.usual())
    service.wait_for("does not keep up")
    bus.resume()
    service.wait_for("keeps up again")
    there = {f"SLOT{i}" for i in range(100)}
    for _, name, arguments in client.heard():
        if name == "LinkAdded":
            assert arguments[1] not in there
            there.add(arguments[1])
        if name == "LinkRemoved":
            there.remove(arguments[1])
    assert there == {"PCIE5", "PCIE3", "PCIE6"}


def test_a_client_that_never_reads_harms_nobody(bus, start_service, connect):
    service = start_service(statuses.many(300))
    other = connect()
    with connect_rudely(bus.address) as rude:
        ask = blob(NAME, ROOT, MANAGER, "ListLinks", "(uu)", 0, 128)
        for _ in range(300):  # some 100 MB of replies
            rude.sendall(ask)
        slowest = 0.0
        for value in range(50):
            begun = time.monotonic()
            assert other.all(ROOT, MANAGER)["Host"] == "wopr"
            slowest = max(slowest, time.monotonic() - begun)
            service.publish(with_count(value))
        assert count(other) == 49
    print(f"slowest answer meanwhile: {slowest * 1000:.0f} ms")


def test_two_services_one_name(bus, start_service, connect):
    first = start_service(with_count(1))
    second = start_service(with_count(2), wait=False)
    assert second.wait_for("another program is org.wopr.Aer1")["trouble"] is True
    client = connect()
    assert count(client) == 1
    first.close()
    second.wait_for("serving")
    assert count(client) == 2


def test_a_policy_that_forbids_the_name_is_said_once(stopped_bus, start_service):
    stopped_bus.start(rules='<deny own="org.wopr.Aer1"/>')
    service = start_service(with_count(1), wait=False)
    report = service.wait_for("does not let this program be org.wopr.Aer1")
    assert report["trouble"] is True and "policy" in report["what"]
    stopped_bus.kill()
    stopped_bus.start()
    service.wait_for("serving")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_reading_is_for_everyone(bus, start_service):
    start_service(with_count(7))
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "busctl", f"--address={bus.address}"]
    listed = subprocess.run([*as_nobody, "call", NAME, ROOT, MANAGER, "ListLinks", "uu", "0", "9"],
                            capture_output=True, text=True, timeout=DEADLINE)
    assert listed.returncode == 0, listed.stderr
    assert '"RxErr" 7' in listed.stdout
    read = subprocess.run([*as_nobody, "get-property", NAME, PCIE3, LINK, "Slot"], capture_output=True, text=True,
                          timeout=DEADLINE)
    assert read.stdout == 's "PCIE3"\n', read.stderr
