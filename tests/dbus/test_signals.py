# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service says unasked: exactly what has changed, and nothing else."""
import copy

import pytest
from gi.repository import GLib

import statuses
from client import LINK, MANAGER, ROOT

PCIE3 = statuses.path("0000:c0:01.1")
OTHERS = {"org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Properties"}


@pytest.fixture
def scene(start_service, connect):
    status = statuses.usual()
    service = start_service(status)
    client = connect()
    client.listen()
    return service, client, status


def test_a_changed_count_changes_one_property_of_one_link(scene):
    service, client, status = scene
    status["slots"][1]["correctable"]["port"]["RxErr"] = 3
    service.publish(status)
    assert client.heard() == [(PCIE3, "PropertiesChanged", (LINK, {
        "Correctable": {"port": statuses.end(RxErr=3), "device": statuses.end()}}, []))]


@pytest.mark.parametrize("change, expected", [
    (lambda s: s.update(grade="bad", riser_candidate=True, direction="to-host"),
     {"Grade": "bad", "RiserCandidate": True, "Direction": "to-host"}),
    (lambda s: s["link"].update(state="ok", speed_gts=16.0),
     {"Link": {"speed_gts": 16.0, "width": 16, "max_speed_gts": 16.0, "max_width": 16, "state": "ok"}}),
    (lambda s: s.update(gpu={}), {"Gpu": {}}),
    (lambda s: s.update(gpu=None), {"Gpu": {}, "IsGpu": False}),
    (lambda s: s["uncorrectable"]["device"].update(fatal=None), {"Fatal": {"port": {"DLP": 0}},
     "BeforeMonitoring": {"port": {"correctable": {}, "nonfatal": {}, "fatal": {}},
                          "device": {"correctable": {}, "nonfatal": {}}}}),
    (lambda s: s["latched"].update(device=["BadDLLP"]), {"Latched": {"port": [], "device": ["BadDLLP"]}}),
], ids=["grade", "link", "gpu-unknown", "gpu-gone", "fatal", "latched"])
def test_exactly_what_changed_is_said(scene, change, expected):
    service, client, status = scene
    change(status["slots"][1])
    service.publish(status)
    assert client.heard() == [(PCIE3, "PropertiesChanged", (LINK, expected, []))]
    assert expected.items() <= client.all(PCIE3, LINK).items()


def test_the_same_again_is_silence(scene):
    service, client, status = scene
    service.publish(status)
    status["now"] = "2026-03-01T20:15:08Z"
    service.publish(status)
    assert client.heard() == []


def test_the_machine_changes_too(scene):
    service, client, status = scene
    status["notes"] = ["another"]
    status["host"] = "joshua"
    service.publish(status)
    assert client.heard() == [(ROOT, "PropertiesChanged", (MANAGER, {"Host": "joshua", "Notes": ["another"]}, []))]


def test_errors_are_said_after_the_properties_that_hold_them(scene):
    service, client, status = scene
    status["slots"][1]["correctable"]["port"].update(RxErr=2, BadTLP=1)
    service.publish(status, [{"port": "0000:c0:01.1", "slot": "PCIE3", "side": "port", "severity": "correctable",
                              "added": {"RxErr": 2, "BadTLP": 1}, "total": 3}])
    changed, errors = client.heard()
    assert changed[:2] == (PCIE3, "PropertiesChanged")
    assert errors == (ROOT, "ErrorsCounted",
                      (PCIE3, "PCIE3", "port", "correctable", {"RxErr": 2, "BadTLP": 1}, 3))


def test_errors_of_before_our_time_are_no_event(scene):
    service, client, status = scene
    service.publish(status, [{"port": "0000:c0:01.1", "slot": "PCIE3", "side": "port", "severity": "fatal",
                              "added": {"DLP": 2}, "total": 2, "before_monitoring": True}])
    assert client.heard() == []


def test_links_come_and_go(scene):
    service, client, status = scene
    without = copy.deepcopy(status)
    del without["slots"][1]
    service.publish(without)
    removed, said = client.heard()
    assert removed[:2] == (ROOT, "InterfacesRemoved")
    path, interfaces = removed[2]
    assert path == PCIE3 and set(interfaces) == OTHERS | {LINK}
    assert said == (ROOT, "LinkRemoved", (PCIE3, "PCIE3"))
    with pytest.raises(GLib.Error, match="UnknownObject"):
        client.all(PCIE3, LINK)

    service.publish(status)
    added, said = client.heard()
    assert added[:2] == (ROOT, "InterfacesAdded")
    path, interfaces = added[2]
    assert path == PCIE3 and set(interfaces) == OTHERS | {LINK}
    assert interfaces[LINK] == client.all(PCIE3, LINK)
    assert said == (ROOT, "LinkAdded", (PCIE3, "PCIE3"))


def test_who_listens_from_the_start_hears_of_every_link(start_service, connect):
    client = connect()
    client.listen()
    start_service(statuses.usual())
    heard = client.heard()
    assert [s[2][1] for s in heard if s[1] == "LinkAdded"] == ["PCIE5", "PCIE3", "PCIE6"]
    assert len([s for s in heard if s[1] == "InterfacesAdded"]) == 3
