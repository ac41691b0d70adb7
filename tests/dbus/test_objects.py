# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands on the bus: interfaces, properties, objects, pages."""
import pathlib
import time
import xml.etree.ElementTree

import pytest
from gi.repository import GLib

import statuses
from client import CONTROL, LINK, MANAGER, OBJECT_MANAGER, PROPERTIES, ROOT

XML = pathlib.Path(__file__).parents[2] / "lib/bus/org.wopr.Aer1.xml"
PCIE3 = statuses.path("0000:c0:01.1")
PCIE6 = statuses.path("0000:c0:03.1")


def interface_as_value(element):
    children = sorted((child.tag, sorted(child.attrib.items()),
                       [(below.tag, sorted(below.attrib.items())) for below in child]) for child in element)
    return element.get("name"), children


def ours(text):
    interfaces = xml.etree.ElementTree.fromstring(text).findall("interface")
    return dict(interface_as_value(one) for one in interfaces if one.get("name").startswith("org.wopr."))


def test_live_introspection_is_the_xml_of_the_repository(start_service, connect):
    start_service(statuses.usual())
    client = connect()
    live = {}
    for path in (ROOT, PCIE3):
        live |= ours(client.call(path, "org.freedesktop.DBus.Introspectable", "Introspect")[0])
    written = ours(XML.read_text())
    assert set(written) == {MANAGER, CONTROL, LINK}
    assert live == written


def test_the_machine(start_service, connect):
    start_service(statuses.usual())
    before = time.time_ns() // 1000
    properties = connect().all(ROOT, MANAGER)
    assert before - 5_000_000 <= properties.pop("Now") <= time.time_ns() // 1000 + 1
    assert properties == {
        "Version": "1.2.3", "Host": "wopr", "BootId": "11111111-2222-3333-4444-555555555555",
        "Kernel": "6.1.0-30-amd64", "Since": 1772396107000000, "BoardVendor": "ASRockRack", "BoardName": "ROMED8-2T",
        "Problems": [("cannot be read", "x:3", "run as root")], "Notes": ["a note"], "Degraded": "",
        "ConfigClosed": "the root helper refuses: not you"}


def test_a_link(start_service, connect):
    status = statuses.usual()
    link = status["slots"][1]
    link["correctable"]["port"]["RxErr"] = 2**64 - 1
    link["before_monitoring"]["port"] = {"RxErr": 7}
    link["correctable"]["device"] = None
    link["uncorrectable"]["device"] = None
    link["before_monitoring"]["device"] = None
    link["before_monitoring_uncorrectable"]["device"] = None
    link["root_port_messages"] = {"correctable": 9, "nonfatal": None, "fatal": 0}
    link["reasons"] = ["3 episodes"]
    start_service(status)
    properties = connect().all(PCIE3, LINK)
    assert properties == {
        "Slot": "PCIE3", "SlotSource": "board", "SlotNote": "", "Port": "0000:c0:01.1", "Hop": 0, "Upstream": "",
        "Device": "0000:c2:00.0", "Functions": ["0000:c2:00.0", "0000:c2:00.1"], "Name": "NVIDIA GeForce RTX 4090",
        "Driver": "nvidia", "IsGpu": True, "Gpu": {"index": 2, "uuid": "GPU-2"},
        "Link": {"speed_gts": 2.5, "width": 16, "max_speed_gts": 16.0, "max_width": 16, "state": "idle"},
        "Evidence": {"port": ("native", True, "Linux owns AER"), "device": ("native", True, "Linux owns AER")},
        "Correctable": {"port": statuses.end(RxErr=2**64 - 1)},
        "Nonfatal": {"port": {"CmpltTO": 0}}, "Fatal": {"port": {"DLP": 0}},
        "BeforeMonitoring": {"port": {"correctable": {"RxErr": 7}, "nonfatal": {}, "fatal": {}}},
        "Lifetime": {"port": {"correctable": {"BadTLP": 3}}, "device": {"correctable": {"RxErr": 2}, "fatal": {"DLP": 1}}},
        "LifetimeSince": 1767225600000000,
        "Gone": {},
        "Lanes": {"port": {"errors": [5, 6], "parity": []}},
        "LinkSettings": {"width": 16, "retimers": 1, "autonomous_speed_disabled": False},
        "Latched": {"port": [], "device": []}, "LatchedSince": {},
        "RootErrorStatus": {"CERcvd": True, "MultCERcvd": True, "UERcvd": False, "MultUERcvd": False, "FirstFatal": False,
                            "NonFatalMsg": False, "FatalMsg": False},
        "CountedByClearing": {"port": False, "device": True},
        "FirmwareRecords": {"port": {"correctable": 3}, "device": {}}, "RootPortMessages": {"correctable": 9, "fatal": 0},
        "Unattributed": 0, "LowerBound": False, "Grade": "clean", "RiserCandidate": False, "Confidence": "",
        "Direction": "none", "Reasons": ["3 episodes"], "Advice": [],
            "Figures": {"loaded_hours": 1.5, "to_host_errors": 3.0}}


def test_what_cannot_be_seen_is_no_key(start_service, connect):
    start_service(statuses.usual())
    properties = connect().all(PCIE6, LINK)
    for name in ("Correctable", "Nonfatal", "Fatal", "BeforeMonitoring", "RootPortMessages", "Gpu", "Latched", "LatchedSince",
                 "Lanes", "LinkSettings"):
        assert properties[name] == {}, name
    assert properties["Link"] == {"max_speed_gts": 16.0, "max_width": 16, "state": "down"}
    assert properties["IsGpu"] is False and properties["Device"] == ""


def test_every_way_to_ask_says_the_same(start_service, connect):
    start_service(statuses.usual())
    client = connect()
    total, links = client.links()
    assert total == 3
    assert [path for path, _ in links] == [statuses.path(s["port"]) for s in statuses.usual()["slots"]]
    (managed,) = client.call(ROOT, OBJECT_MANAGER, "GetManagedObjects")
    assert {path for path in managed if LINK in managed[path]} == {path for path, _ in links}
    for path, properties in links:
        assert properties == client.all(path, LINK) == managed[path][LINK]
        for name, value in properties.items():
            assert client.call(path, PROPERTIES, "Get", "(ss)", LINK, name) == (value,)


@pytest.mark.parametrize("path", [statuses.path("0000:c0:07.1"), ROOT + "/link/x", ROOT + "/link"])
def test_what_is_no_link_has_no_properties(start_service, connect, path):
    start_service(statuses.usual())
    with pytest.raises(GLib.Error, match="UnknownObject|UnknownInterface"):
        connect().all(path, LINK)


def test_nothing_can_be_written(start_service, connect):
    start_service(statuses.usual())
    client = connect()
    with pytest.raises(GLib.Error, match="PropertyReadOnly"):
        client.call(PCIE3, PROPERTIES, "Set", "(ssv)", LINK, "Slot", GLib.Variant("s", "x"))
    assert client.all(PCIE3, LINK)["Slot"] == "PCIE3"


def test_replies_are_bounded_on_a_machine_of_a_thousand_links(start_service, connect):
    start_service(statuses.many(1000))
    client = connect()
    seen = []
    while len(seen) < 1000:
        total, links = client.links(len(seen), 2**32 - 1)
        assert total == 1000 and 0 < len(links) <= 128
        seen += [properties["Slot"] for _, properties in links]
    assert seen == [f"SLOT{i}" for i in range(1000)]
    assert client.links(1000, 5) == (1000, [])
    assert client.links(2**32 - 1, 2**32 - 1) == (1000, [])
    assert client.links(3, 0) == (1000, [])
    assert len(client.links(998, 5)[1]) == 2


def test_objects_are_bounded_but_the_list_is_not(start_service, connect):
    start_service(statuses.many(1030))
    client = connect()
    (managed,) = client.call(ROOT, OBJECT_MANAGER, "GetManagedObjects")
    assert sum(LINK in interfaces for interfaces in managed.values()) == 1024
    assert client.links(1029, 1)[1][0][1]["Slot"] == "SLOT1029"
