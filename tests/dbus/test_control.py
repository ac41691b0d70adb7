# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may change something, and a directory service that keeps everybody waiting."""
import os
import time

import pytest
from gi.repository import GLib

import statuses
from bus import DEADLINE
from client import CONTROL, MANAGER, ROOT, Client

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")

NOBODY = 65534
PCIE3 = statuses.path("0000:c0:01.1")
MOST_WAITING = 16


def mark(client, text="redriver fitted", path=PCIE3):
    return client.call(ROOT, CONTROL, "Mark", "(os)", path, text)


def begin_mark(client, text="x"):
    return client.begin(ROOT, CONTROL, "Mark", "(os)", PCIE3, text)


@pytest.fixture
def service(bus, start_service):
    return start_service(statuses.usual())


def test_a_member_of_the_group_may(service, connect):
    service.directory(members=[NOBODY])
    assert mark(connect(NOBODY)) == ()
    assert "marked 0000:c0:01.1: redriver fitted (uid 65534)" in service.wait_for("marked")["what"]


def test_a_stranger_is_refused_and_told_of_the_group(service, connect):
    service.directory(members=[1234])
    with pytest.raises(GLib.Error, match="AccessDenied.*members of the group wopr-aer.*uid 65534"):
        mark(connect(NOBODY))
    mark(connect(), "root's")
    assert "root's" in service.wait_for("marked")["what"]
    assert not service.reports


@pytest.mark.parametrize("path, text, why", [
    (statuses.path("0000:c0:07.1"), "x", "UnknownObject.*no such link"),
    (ROOT, "x", "UnknownObject.*no such link"),
    (PCIE3, "x" * 501, "InvalidArgs.*500"),
    (PCIE3, "ü" * 251, "InvalidArgs.*500"),
])
def test_bad_arguments_are_refused(service, connect, path, text, why):
    with pytest.raises(GLib.Error, match=why):
        mark(connect(), text, path)
    assert mark(connect(), "y" * 500) == ()
    assert "yyy" in service.wait_for("marked")["what"]


def test_a_directory_that_does_not_answer_holds_up_nobody(service, connect):
    service.directory(members=[NOBODY], answers=False)
    waiting = connect(NOBODY)
    answer = begin_mark(waiting, "a member's")
    other = connect()
    slowest = 0.0
    for value in range(20):
        begun = time.monotonic()
        assert other.all(ROOT, MANAGER)["Host"] == "wopr"
        mark(other, f"root's {value}")
        slowest = max(slowest, time.monotonic() - begun)
        service.publish(statuses.usual())
    assert slowest < 1.0, "the loop waited for the directory"
    assert not answer
    assert all("root's" in report["what"] for report in service.reports if "marked" in report["what"])
    service.directory(members=[NOBODY])
    waiting.wait_until(lambda _: answer)
    assert answer == [()]
    assert "a member's (uid 65534)" in service.wait_for("a member's")["what"]


def test_who_waits_in_vain_is_told_and_only_so_many_wait(service, connect):
    service.directory(members=[NOBODY], answers=False)
    client = connect(NOBODY)
    begun = time.monotonic()
    answers = [begin_mark(client) for _ in range(2 * MOST_WAITING)]
    client.wait_until(lambda _: all(answers[MOST_WAITING:]))
    assert time.monotonic() - begun < 4, "those who are too many must not have to wait"
    assert all("LimitsExceeded" in str(answer[0]) for answer in answers[MOST_WAITING:])
    assert not any(answers[:MOST_WAITING])
    mark(connect(), "root's")
    assert "root's" in service.wait_for("marked")["what"]
    client.wait_until(lambda _: all(answers))
    assert all("Timeout" in str(answer[0]) and "group wopr-aer" in str(answer[0]) for answer in answers[:MOST_WAITING])
    service.directory(members=[NOBODY])
    assert mark(client, "at last") == ()
    # What came too late was not done.
    marks = [service.wait_for("marked")["what"]]
    assert "at last" in marks[0] and not any("marked" in report["what"] for report in service.reports)


def test_waiting_ends_with_the_bus(service, bus):
    service.directory(members=[NOBODY], answers=False)
    for _ in range(3):  # more than may wait in all
        client = Client(bus.address, NOBODY)
        client.connection.set_exit_on_close(False)
        for _ in range(MOST_WAITING):
            begin_mark(client)
        client.connection.flush_sync(None)
        bus.kill()
        service.wait_for("has gone")
        bus.start()
        service.wait_for("serving")
    service.directory(members=[NOBODY])
    client = Client(bus.address, NOBODY)
    begun = time.monotonic()
    while True:  # until the directory is done with those who have gone
        try:
            assert mark(client, "anew") == ()
            break
        except GLib.Error as error:
            assert "LimitsExceeded" in str(error) and time.monotonic() - begun < DEADLINE
    assert "anew" in service.wait_for("anew")["what"]
    client.close()
