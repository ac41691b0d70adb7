# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own client: the same status on both ends, and a clear word when there is none."""
import json
import subprocess
import time

import pytest
from gi.repository import Gio, GLib

import statuses
from bus import DEADLINE
from lines import Lines
from client import MANAGER, ROOT


@pytest.fixture
def fetch(programs, stopped_bus):
    def ask(deadline_ms=int(DEADLINE * 1000), address=None):
        run = subprocess.run([programs / "wopr_fetch", address or stopped_bus.address, str(deadline_ms)],
                             capture_output=True, timeout=2 * DEADLINE, check=True)
        return json.loads(run.stdout)
    return ask


def same_but_for_now(status, expected):
    status, expected = dict(status), dict(expected)
    assert abs(time.time() - time.mktime(time.strptime(status.pop("now"), "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 60
    expected.pop("now")
    assert status == expected


def test_the_client_has_what_the_service_has(bus, start_service, fetch):
    status = statuses.usual()
    status["slots"][0]["upstream"] = "0000:00:03.1"
    status["slots"][1]["correctable"]["port"]["RxErr"] = 2**64 - 1
    start_service(status)
    same_but_for_now(fetch(), status)


def test_more_links_than_fit_into_one_reply(bus, start_service, fetch):
    status = statuses.many(1000)
    start_service(status)
    same_but_for_now(fetch(), status)


def test_nobody_is_started_by_a_question(bus, fetch, connect):
    answer = fetch()
    assert answer["kind"] == "no_service"
    assert "not running" in answer["error"]
    assert not bus.activated.exists()
    # The bus would have started it, had we let it.
    with pytest.raises(GLib.Error):
        connect().call(ROOT, MANAGER, "ListLinks", "(uu)", 0, 1, flags=Gio.DBusCallFlags.NONE)
    assert bus.activated.exists()


def test_there_is_no_bus(stopped_bus, fetch):
    assert fetch()["kind"] == "no_bus"


def test_a_service_that_hangs_costs_the_deadline_and_no_more(bus, start_service, fetch):
    service = start_service(statuses.usual())
    service.pause()
    begun = time.monotonic()
    answer = fetch(deadline_ms=300)
    taken = time.monotonic() - begun
    assert answer["kind"] == "no_answer"
    assert 0.3 <= taken < 2.0
    service.resume()


def test_a_bus_that_hangs_costs_the_deadline_and_no_more(bus, start_service, fetch):
    start_service(statuses.usual())
    bus.pause()
    assert fetch(deadline_ms=300)["kind"] == "no_answer"


def test_a_policy_that_forbids_the_question(stopped_bus, start_service, fetch):
    stopped_bus.start(rules='<deny send_interface="org.wopr.Aer1.Manager"/>')
    start_service(statuses.usual())
    assert fetch()["kind"] == "refused"


def test_a_connection_outlives_its_bus(bus, start_service, programs):
    service = start_service(statuses.usual())
    asking = subprocess.Popen([programs / "wopr_fetch", bus.address, str(int(DEADLINE * 1000)), "--each"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lines = Lines(asking.stdout)

    def ask():
        asking.stdin.write(b"\n")
        asking.stdin.flush()
        return json.loads(lines.next(DEADLINE))

    assert ask()["host"] == "wopr"
    assert ask()["host"] == "wopr"
    bus.kill()
    assert ask()["kind"] == "no_bus"
    bus.start()
    service.wait_for("serving")
    assert ask()["host"] == "wopr"
    bus.kill()
    service.wait_for("has gone")
    bus.start()
    service.wait_for("serving")
    assert ask()["host"] == "wopr", "the bus was restarted between two questions: that is no failure"
    asking.stdin.close()
    assert asking.wait(DEADLINE) == 0
    asking.stdout.close()
